//! What another program or service says, made fit for a message: one line, not too long, and no keys in it.

/// Longest part that is passed on, in characters.
const MOST: usize = 300;
/// Longest part that is looked at, in characters.
const LOOKED_AT: usize = 8_192;
/// What a request signs with comes after these, such as AWS's `x-amz-security-token`; lower case.
const SIGNED: [&str; 4] = ["security-token", "authorization", "credential=", "signature="];
const BLANK: &str = "***";
/// Shorter ones are no keys, and would blank half of a sentence.
const LEAST_SECRET: usize = 4;

/// Makes words of somebody else's fit for a message: one line of at most 300 characters, in which each of these secrets is
/// blanked out (also one with blanks in the middle), and all that follows the name of a header with a secret in it.
pub fn one_line<'a>(words: &str, secrets: impl IntoIterator<Item = &'a str>) -> String {
    let mut text: Vec<char> = words.chars().take(LOOKED_AT).map(|c| if breaks(c) { ' ' } else { c }).collect();
    let whole = words.chars().nth(LOOKED_AT).is_none();
    for secret in secrets.into_iter().filter(|secret| secret.len() >= LEAST_SECRET) {
        text = without(&text, secret, whole);
    }
    let text: String = text.into_iter().collect();
    // ASCII only, so that places in it are places in the text.
    let lower = text.to_ascii_lowercase();
    let end = SIGNED.iter().filter_map(|name| lower.find(name).map(|at| at + name.len())).min();
    let text = end.map_or(text.clone(), |end| format!("{}{BLANK}", &text[..end]));
    text.chars().take(MOST).collect()
}

/// What breaks a line, or turns the order of what follows.
fn breaks(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Also where blanks stand in the middle of the secret, or the text was cut off in it.
fn without(text: &[char], secret: &str, whole: bool) -> Vec<char> {
    let mut kept = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        match length_of(secret, &text[at..], whole) {
            Some(length) => {
                kept.extend(BLANK.chars());
                at += length;
            }
            None => {
                kept.push(text[at]);
                at += 1;
            }
        }
    }
    kept
}

/// How many characters the secret takes where it begins the text.
fn length_of(secret: &str, text: &[char], whole: bool) -> Option<usize> {
    let mut length = 0;
    for wanted in secret.chars() {
        // Not before the first one.
        while length > 0 && text.get(length) == Some(&' ') && wanted != ' ' {
            length += 1;
        }
        match text.get(length) {
            Some(&c) if c == wanted => length += 1,
            None if !whole => return Some(length),
            _ => return None,
        }
    }
    Some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_and_no_keys() {
        let secrets = ["AKIDTEST", "wJalr/XUtn", "sess+token=", "x"];
        for (words, expected) in [
            ("an image, max 10 x 10", "an image, max 10 x 10"),
            ("a\r\nb\u{1b}[31m\u{202e}c\0", "a  b [31m c "),
            ("for AKIDTEST and wJalr/XUtn.", "for *** and ***."),
            ("sess+\r\ntoken= again sess+token=", "*** again ***"),
            ("got X-Amz-Security-Token:other\nrest", "got X-Amz-Security-Token***"),
            ("AUTHORIZATION: AWS4 Credential=AKIDOTHER/2026", "AUTHORIZATION***"),
            ("İ Credential=AKIDOTHER/2026, Signature=ab", "İ Credential=***"),
            ("not authorized to perform", "not authorized to perform"),
        ] {
            assert_eq!(one_line(words, secrets), expected);
        }
        assert_eq!(one_line(&"ä".repeat(10_000), secrets).chars().count(), MOST);
        // Blanking a long one brings what is behind it to the front: there the second is cut off.
        let long = "k".repeat(8_000);
        let words = format!("{long}{}", "sess+token=".repeat(100));
        assert_eq!(
            one_line(&words, [long.as_str(), "sess+token="]),
            BLANK.repeat(1 + (LOOKED_AT - 8_000).div_ceil(11))
        );
    }
}
