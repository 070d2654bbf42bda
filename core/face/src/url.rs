//! What of a URL may be shown.

/// Scheme and host of a URL, which is what may be shown of it: path and query often are what lets one in, and so is a name with
/// a password in front of the host. Of text without a scheme, all up to the first slash.
///
/// ```
/// assert_eq!(guarita_face::origin("https://hooks.example.org/T0/secret?key=1"), "https://hooks.example.org");
/// assert_eq!(guarita_face::origin("https://me:secret@example.org/"), "https://example.org");
/// ```
pub fn origin(url: &str) -> String {
    let (scheme, rest) = url.split_at(url.find("://").map_or(0, |at| at + 3));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}{host}")
}

#[cfg(test)]
mod tests {
    use super::origin;

    #[test]
    fn nothing_but_scheme_and_host_is_left() {
        for (url, shown) in [
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("https://a.example#secret", "https://a.example"),
            ("https://a.example?secret", "https://a.example"),
            ("https://u:p@ss@a.example/x", "https://a.example"),
            ("https://[::1]:1/x", "https://[::1]:1"),
            ("a.example/secret", "a.example"),
            ("https://", "https://"),
            ("", ""),
        ] {
            assert_eq!(origin(url), shown, "{url}");
        }
    }
}
