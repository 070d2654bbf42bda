//! Addresses in messages, without what is secret in them.

use regex_lite::Regex;
use std::borrow::Cow;
use std::sync::LazyLock;

/// What stands in the place of a secret.
const BLANK: &str = "***";
/// Schemes that are known without slashes too, as people mistype them.
const SCHEMES: [&str; 10] = ["http", "https", "rtsp", "rtsps", "rtmp", "rtmps", "rtp", "srt", "udp", "tcp"];
/// An address ends before these.
const ENDS: [char; 7] = ['"', '\'', '<', '>', '`', '|', '\\'];

/// The text, with every address in it fit for a message: without a name and a password, without the values of its query,
/// without values in its path (cameras take `/user=admin_password=…`), and without a fragment.
///
/// It hides too much rather than too little: where a password has `/` or `@` in it, an address cannot be told from its
/// parts, so all up to the last `@` goes. What only looks like a part of an address is cleaned too: `name:password@host`
/// without a scheme, and values behind words like `password=`.
pub(crate) fn without_secrets(text: &str) -> Cow<'_, str> {
    match loose_secrets(text) {
        Cow::Borrowed(text) => whole_addresses(text),
        Cow::Owned(text) => Cow::Owned(whole_addresses(&text).into_owned()),
    }
}

fn whole_addresses(text: &str) -> Cow<'_, str> {
    let last_at_sign = text.rfind('@').unwrap_or(0);
    if next_address(text, 0, last_at_sign).is_none() {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len());
    let mut at = 0;
    while let Some((_, behind_scheme)) = next_address(text, at, last_at_sign) {
        let end = end_of_address(text, behind_scheme);
        clean.push_str(&text[at..behind_scheme]);
        clean_address(&text[behind_scheme..end], &mut clean);
        at = end;
    }
    clean.push_str(&text[at..]);
    Cow::Owned(clean)
}

/// `name:password@` without a scheme in front, also percent-encoded; and the value of a word that has a secret one, as cameras
/// and services write them.
static LOOSE: LazyLock<[(Regex, &str); 2]> = LazyLock::new(|| {
    let one = |pattern: &str| Regex::new(pattern).unwrap_or_else(|_| unreachable!("a constant; a test uses it"));
    [
        (one(r#"(?i)[^\s/\\:@"'<>`|(]*(?::|%3a)[^\s/\\"'<>`|][^\s"'<>`|]*?(@|%40)"#), "***$1"),
        (
            one(
                r#"(?i)((?:passwo?r?d|passphrase|pass|pwd|psw|secret|token|api[_-]?key|auth|signature)\s*(?:=|%3d)\s*)[^\s&;/,)"'<>`|]*[^\s&;/,)"'<>`|:.]"#,
            ),
            "${1}***",
        ),
    ]
});

/// The text without what is secret outside of addresses.
fn loose_secrets(text: &str) -> Cow<'_, str> {
    if !text.contains(['@', '=', '%']) {
        return Cow::Borrowed(text);
    }
    LOOSE.iter().fold(Cow::Borrowed(text), |text, (pattern, with)| match pattern.is_match(&text) {
        true => Cow::Owned(pattern.replace_all(&text, *with).into_owned()),
        false => text,
    })
}

/// Where the next address begins, and where its scheme and slashes are over.
fn next_address(text: &str, from: usize, last_at_sign: usize) -> Option<(usize, usize)> {
    let mut colon = from;
    loop {
        colon += text.get(colon..)?.find(':')?;
        let of_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
        let begin = colon - text[from..colon].chars().rev().take_while(|&c| of_scheme(c)).count();
        let scheme = &text[begin..colon];
        let rest = &text[colon + 1..];
        let slashes = rest.len() - rest.trim_start_matches('/').len();
        let known = SCHEMES.iter().any(|known| scheme.eq_ignore_ascii_case(known));
        // One letter is a drive.
        let is_scheme = scheme.len() > 1 && scheme.starts_with(|c: char| c.is_ascii_alphabetic());
        // Without its two slashes it is one only where it says who asks, or is one that nobody writes otherwise.
        if is_scheme && (slashes >= 2 || known && (slashes == 1 || colon < last_at_sign)) {
            return Some((begin, colon + 1 + slashes));
        }
        colon += 1;
    }
}

/// Where the address ends whose host, or name and password, begin here.
fn end_of_address(text: &str, begin: usize) -> usize {
    let is_end = |c: char| c.is_whitespace() || ENDS.contains(&c);
    let end_from = |at: usize| text[at..].find(is_end).map_or(text.len(), |end| at + end);
    let mut end = end_from(begin);
    // Punctuation of the sentence that it stands in.
    end = begin + text[begin..end].trim_end_matches([':', ',', '.', ';', ')']).len();
    if has_port_or_none(text[begin..end].split(['/', '?', '#']).next().unwrap_or_default()) {
        return end;
    }
    // No port: the begin of a password with a blank or a quotation mark in it, where an `@` follows in the line and before
    // the next address.
    let line = text[end..].lines().next().unwrap_or_default();
    let line = line.split("://").next().unwrap_or_default();
    line.rfind('@').map_or(end, |at| end_from(end + at))
}

/// Whether what follows a colon can be a port.
fn has_port_or_none(authority: &str) -> bool {
    let port = authority.rsplit_once(':').map_or("", |(_, port)| port);
    authority.starts_with('[') || port.bytes().all(|byte| byte.is_ascii_digit())
}

/// An address that is known to be one, blanks and quotes in it included.
#[allow(dead_code, reason = "of use with the feature `video` only")]
pub(crate) fn address_without_secrets(address: &str) -> String {
    let last_at_sign = address.rfind('@').unwrap_or(0);
    let found = next_address(address, 0, last_at_sign).filter(|(begin, _)| *begin == 0);
    let behind_scheme = found.map_or(0, |(_, behind)| behind);
    let mut clean = address[..behind_scheme].to_owned();
    clean_address(&address[behind_scheme..], &mut clean);
    clean
}

/// Appends an address without its scheme.
fn clean_address(address: &str, clean: &mut String) {
    let authority = address.split(['/', '?', '#']).next().unwrap_or_default();
    // A name with a colon that is followed by an `@` somewhere is a name and a password, whatever stands between: also a
    // `/`, `?` or `#`. Without a colon only the authority can hold a name.
    let may_hold_name = if authority.contains(':') { address } else { authority };
    let escaped = authority.to_ascii_lowercase().rfind("%40").filter(|_| !may_hold_name.contains('@'));
    let behind_name = match may_hold_name.rfind('@') {
        None if escaped.is_some() => {
            clean.extend([BLANK, "@"]);
            &address[escaped.unwrap_or(0) + 3..]
        }
        Some(at) => {
            clean.extend([BLANK, "@"]);
            &address[at + 1..]
        }
        None if has_port_or_none(authority) => address,
        None => {
            let (host, _) = authority.split_once(':').unwrap_or((authority, ""));
            clean.extend([host, ":", BLANK]);
            &address[authority.len()..]
        }
    };
    let (path_and_host, rest) = match behind_name.find(['?', '#']) {
        Some(at) => behind_name.split_at(at),
        None => (behind_name, ""),
    };
    for (k, part) in path_and_host.split('/').enumerate() {
        if k > 0 {
            clean.push('/');
        }
        match part.split_once('=') {
            Some((name, _)) => clean.extend([name, "=", BLANK]),
            None => match part.split_once(':') {
                Some((name, _)) if k > 0 => clean.extend([name, ":", BLANK]),
                _ => clean.push_str(part),
            },
        }
    }
    let Some(query) = rest.strip_prefix('?') else { return };
    let query = query.split('#').next().unwrap_or_default();
    for (k, pair) in query.split(['&', ';']).enumerate() {
        clean.push(if k == 0 { '?' } else { '&' });
        match pair.split_once('=') {
            Some((name, _)) => clean.extend([name, "=", BLANK]),
            // A query that is one word may be a token.
            None if pair.is_empty() => {}
            None => clean.push_str(BLANK),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_spelling_of_a_secret_is_left() {
        for (text, expected) in [
            ("rtsp://admin:s3cret@camera/1", "rtsp://***@camera/1"),
            ("rtsp://admin:s3cret@camera:554/1", "rtsp://***@camera:554/1"),
            ("rtsp://admin:s3@cret@camera/1", "rtsp://***@camera/1"),
            ("rtsp://admin:s3/cret@camera/", "rtsp://***@camera/"),
            ("rtsp://admin:1234/s3cret@camera/", "rtsp://***@camera/"),
            ("rtsp://admin:s3?cret@camera/", "rtsp://***@camera/"),
            ("rtsp://admin:s3#cret@camera/", "rtsp://***@camera/"),
            ("RTSP://admin:s3cret@camera/1", "RTSP://***@camera/1"),
            ("Rtsp://Admin:s3cret@camera", "Rtsp://***@camera"),
            ("rtsp://s3cret@camera/1", "rtsp://***@camera/1"),
            ("rtsp://:s3cret@camera/1", "rtsp://***@camera/1"),
            ("rtsp://admin:s3%63ret@[2001:db8::1]:554/a", "rtsp://***@[2001:db8::1]:554/a"),
            ("http://camera/snap.jpg?user=admin&password=s3cret", "http://camera/snap.jpg?user=***&password=***"),
            ("http://camera/snap?PWD=s3cret;n=1#s3cret", "http://camera/snap?PWD=***&n=***"),
            ("http://camera/snap?s3cret", "http://camera/snap?***"),
            ("http://camera/snap#s3cret", "http://camera/snap"),
            ("http://camera?token=s3cret", "http://camera?token=***"),
            ("http://a:s3cret@camera/x?b=s3cret", "http://***@camera/x?b=***"),
            ("rtsp://camera:554/user=admin_password=s3cret_channel=1.sdp", "rtsp://camera:554/user=***"),
            ("rtsp://camera/user=admin&password=s3cret&channel=1/live", "rtsp://camera/user=***/live"),
            ("rtsp:/admin:s3cret@camera/1", "rtsp:/***@camera/1"),
            ("rtsp:admin:s3cret@camera/1", "***@camera/1"),
            ("rtsp:///admin:s3cret@camera/1", "rtsp:///***@camera/1"),
            ("srt://camera:9000?passphrase=s3cret", "srt://camera:9000?passphrase=***"),
            ("rtsp://admin:s3cret/1", "rtsp://admin:***/1"),
            ("rtsp://camera:s3cret", "rtsp://camera:***"),
            ("x-y.z+1://u:s3cret@h", "x-y.z+1://***@h"),
            (
                "cannot open 'rtsp://u:s3cret@h/1': 401\n  rtsp://u:s3cret@h/2 neither.",
                "cannot open 'rtsp://***@h/1': 401\n  rtsp://***@h/2 neither.",
            ),
            ("(http://u:s3cret@h/a?k=s3cret) and https://v:s3cret@i", "(http://***@h/a?k=***) and https://***@i"),
            ("http://h/?k=s3cret: no answer", "http://h/?k=***: no answer"),
            ("é http://u:s3cret@h", "é http://***@h"),
            ("éhttp://u:s3cret@h", "éhttp://***@h"),
            ("no 'rtsp://u:s3 cret@h/1' here", "no 'rtsp://***@h/1' here"),
            ("rtsp://u:s3\"cret@h/1\nno more", "rtsp://***@h/1\nno more"),
            ("{\"url\":\"rtsp://u:s3cret@h\"}", "{\"url\":\"rtsp://***@h\"}"),
            ("rtsp://u:s3cret@h,rtsp://v:s3cret@i", "rtsp://***@i"),
            ("admin:s3cret@camera/1", "***@camera/1"),
            ("cannot open admin:s3cret@camera/1: no such file", "cannot open ***@camera/1: no such file"),
            ("//admin:s3cret@camera/1", "//***@camera/1"),
            ("rtsp//admin:s3cret@camera/1", "rtsp//***@camera/1"),
            ("rtsp ://admin:s3cret@camera/1", "rtsp ://***@camera/1"),
            ("rtsp:\\\\admin:s3cret@camera/1", "rtsp:\\\\***@camera/1"),
            ("rtsp%3A%2F%2Fadmin%3As3cret%40camera", "***%40camera"),
            ("rtsp://admin:s3cret%40127.0.0.1:1/x", "rtsp://***@127.0.0.1:1/x"),
            ("camera/x?user=admin&password=s3cret", "camera/x?user=admin&password=***"),
            ("rtsp://camera/x%3Fpassword%3Ds3cret", "rtsp://camera/x%3Fpassword%3D***"),
            ("http://h/x?password = s3cret", "http://h/x?*** = ***"),
            ("http://h/live/user:s3cret/ch1", "http://h/live/user:***/ch1"),
            ("PassWord=s3cret; token= s3cret", "PassWord=***; token= ***"),
        ] {
            let clean = without_secrets(text);
            assert_eq!(clean, expected, "{text}");
            assert!(!clean.contains("s3") && !clean.contains("cret"), "{clean}");
        }
    }

    #[test]
    fn what_is_no_secret_stays() {
        for text in [
            "",
            "http://camera/a@b",
            "rtsp://camera:554/stream1",
            "rtsp://[::1]:8554/a/b.sdp",
            "C:\\videos\\a@b.mp4",
            "a: b, c@d",
            "field triggers: x = 3",
            "::: :// é:",
            "no such file: yard.mp4",
        ] {
            assert_eq!(without_secrets(text), text);
        }
        // Hidden without need, and no harm done.
        assert_eq!(without_secrets("http://camera:8080/a@b"), "http://***@b");
        assert_eq!(without_secrets("/videos/a:b@c.mp4"), "/videos/***@c.mp4");
    }

    #[test]
    fn any_text_is_cleaned_without_a_panic() {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let parts =
            [":", "/", "//", "@", "?", "#", "=", "&", "é", "rtsp", "http", "a", " ", "'", "[", "]", "\u{1F600}"];
        for _ in 0..20_000 {
            let mut text = String::new();
            for _ in 0..12 {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                text.push_str(parts[(state >> 32) as usize % parts.len()]);
            }
            // Messages may pass more than once; nothing comes back, and at last nothing changes.
            let twice = without_secrets(&without_secrets(&text)).into_owned();
            assert_eq!(without_secrets(&twice), twice, "{text}");
        }
    }
}
