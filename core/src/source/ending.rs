//! Interprets the exit of the program.

use crate::error::{Advice, ErrorCode};

/// The error for the program's exit status and the errors it reported, if any.
pub(super) fn verdict(
    exit: &Exit,
    opened: bool,
    log: &str,
    any_level: bool,
) -> (ErrorCode, Option<Advice>, &'static str) {
    use ErrorCode as Code;
    let says = |words: &str| log.contains(words);
    // Only before the first frame: later, the program has shown that it works.
    if !opened && (!any_level || OLD_PROGRAM.into_iter().any(says)) {
        return (Code::RuntimeUnavailable, None, "the program is no ffmpeg, or one that cannot do this");
    }
    match exit {
        _ if !opened && says("max pixel count") || says("Picture size") && says("is invalid") => {
            (Code::ResourceExhausted, Some(Advice::ChangeInput), "its pictures are larger than max_pixels allows")
        }
        _ if says("Cannot allocate memory") || says("get_buffer() failed (-12") => {
            (Code::ResourceExhausted, Some(Advice::ChangeInput), "it needs more memory than max_memory_mib allows")
        }
        Exit::Killed => (Code::ResourceExhausted, None, "the decoder was killed, as by a machine out of memory"),
        Exit::Crashed(_) => (Code::DataCorrupt, None, "the decoder crashed"),
        _ if opened => (Code::DataCorrupt, None, "it is damaged or ends in the middle"),
        _ if says("not on whitelist") => {
            (Code::Unsupported, None, "it has a container or a protocol that is not opened")
        }
        _ if says("Permission denied") => (Code::PermissionDenied, None, "it may not be read"),
        _ if says("matches no streams") => (Code::Unsupported, None, "it has no video"),
        _ if says("Decoder") && says("not found") || says("no decoder found") => {
            (Code::Unsupported, None, "this ffmpeg has no decoder for it")
        }
        _ if says("Connection refused") || says("Connection timed out") || says("Failed to resolve") => {
            (Code::Unavailable, None, "the other side does not answer")
        }
        _ => (Code::DataCorrupt, None, "it is no video, or has no frame that can be decoded"),
    }
}

/// Messages of an ffmpeg too old for the options of `Input::arguments`.
const OLD_PROGRAM: [&str; 6] = [
    "Unrecognized option",
    "No such filter",
    "Unknown encoder",
    "Unable to find a suitable output format",
    "Requested output format",
    "error while loading shared libraries",
];

/// How the program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// It ended by itself, with this status.
    Ended(i32),
    /// Signal 9 ended it, and we did not send it.
    Killed,
    /// Another signal ended it.
    Crashed(i32),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_has_one_verdict() {
        let code = |exit, opened, log| verdict(&exit, opened, log, true).0;
        let bad = Exit::Ended(1);
        assert_eq!(code(bad, false, "Invalid data found when processing input"), ErrorCode::DataCorrupt);
        assert_eq!(code(bad, false, "Format not on whitelist 'avi'"), ErrorCode::Unsupported);
        assert_eq!(code(bad, false, "Unrecognized option 'x'."), ErrorCode::RuntimeUnavailable);
        assert_eq!(code(bad, true, "Unrecognized option 'x'."), ErrorCode::DataCorrupt);
        assert_eq!(code(Exit::Crashed(11), true, ""), ErrorCode::DataCorrupt);
        assert_eq!(code(Exit::Killed, true, ""), ErrorCode::ResourceExhausted);
        assert_eq!(code(bad, true, "Cannot allocate memory"), ErrorCode::ResourceExhausted);
        assert_eq!(verdict(&Exit::Ended(0), false, "", false).0, ErrorCode::RuntimeUnavailable);
    }
}
