//! Interprets the status of a webhook's response.

use guarita::clock::UnixTime;
use guarita::event::RetryAfter;
use guarita::{Advice, Error, ErrorCode, Result};
use guarita_http::retry_after;
use std::time::Duration;

/// Longest delay taken from `Retry-After`: a mistake of the receiver should not hold events back, and the retry policy
/// would give them up.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Whether this status says that the event has arrived.
pub(super) fn judge(origin: &str, status: u16, retry_after: Option<Duration>) -> Result<()> {
    let says = |words: &str| format!("{origin} answers {status}: {words}");
    let error = match status {
        200..=299 => return Ok(()),
        // 100..199 is no end of an answer.
        408 | 425 | 500..=599 | ..=199 | 600.. => {
            Error::new(ErrorCode::Unavailable, says("it cannot take the event at present"))
        }
        429 => Error::new(ErrorCode::RateLimited, says("it wants fewer events")),
        300..=399 => {
            let words = says("it sends elsewhere, and nobody follows; set url to the place itself");
            Error::new(ErrorCode::Unsupported, words).with_advice(Advice::ChangeConfig)
        }
        401 | 403 | 407 => {
            let words = says("it does not know the sender; see headers and secret");
            Error::new(ErrorCode::PermissionDenied, words).with_advice(Advice::ChangeConfig)
        }
        404 | 405 | 410 => Error::new(ErrorCode::NotFound, says("there is nobody who takes events; see url")),
        400..=499 => Error::new(ErrorCode::InvalidArgument, says("it refuses the event")).with_advice(Advice::Never),
    };
    match retry_after {
        Some(wait) if error.advice() == Advice::RetryLater => Err(error.with_source(RetryAfter(wait))),
        _ => Err(error),
    }
}

/// The delay that `Retry-After` asks for, up to the longest one.
pub(super) fn wait_asked(value: &str, now: UnixTime) -> Option<Duration> {
    retry_after(value, now).map(|wait| wait.min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;

    #[test]
    fn every_status_says_what_to_do() {
        for (status, code, advice) in [
            (0, ErrorCode::Unavailable, Advice::RetryLater),
            (199, ErrorCode::Unavailable, Advice::RetryLater),
            (301, ErrorCode::Unsupported, Advice::ChangeConfig),
            (308, ErrorCode::Unsupported, Advice::ChangeConfig),
            (400, ErrorCode::InvalidArgument, Advice::Never),
            (401, ErrorCode::PermissionDenied, Advice::ChangeConfig),
            (404, ErrorCode::NotFound, Advice::ChangeConfig),
            (408, ErrorCode::Unavailable, Advice::RetryLater),
            (413, ErrorCode::InvalidArgument, Advice::Never),
            (425, ErrorCode::Unavailable, Advice::RetryLater),
            (429, ErrorCode::RateLimited, Advice::RetryLater),
            (500, ErrorCode::Unavailable, Advice::RetryLater),
            (503, ErrorCode::Unavailable, Advice::RetryLater),
            (999, ErrorCode::Unavailable, Advice::RetryLater),
        ] {
            let wait = Some(Duration::from_secs(7));
            let error = judge("https://here", status, wait).unwrap_err();
            assert_eq!((error.code(), error.advice()), (code, advice), "{status}");
            let asked = error.source().and_then(|cause| cause.downcast_ref::<RetryAfter>());
            assert_eq!(asked.is_some(), advice == Advice::RetryLater, "{status}");
        }
        for status in [200, 202, 204, 299] {
            judge("https://here", status, None).unwrap();
        }
    }

    #[test]
    fn waits_are_bounded() {
        let now = UnixTime::from_secs(1_445_412_470);
        for (value, seconds) in
            [("7", Some(7)), ("3600", Some(60)), ("Wed, 21 Oct 2099 07:28:00 GMT", Some(60)), ("soon", None)]
        {
            assert_eq!(wait_asked(value, now), seconds.map(Duration::from_secs), "{value}");
        }
    }
}
