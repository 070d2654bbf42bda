//! Maps the SDK's errors to ours: the code and its advice, whether the call may have been billed, and what never goes
//! into a message.

use crate::connection::Keys;
use aws_sdk_rekognition::config::http::HttpResponse;
use aws_sdk_rekognition::error::{ProvideErrorMetadata, SdkError};
use guarita::adapter::one_line;
use guarita::clock::UnixTime;
use guarita::{Error, ErrorCode};
use guarita_http::retry_after;
use std::time::Duration;

/// One call that failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: Error,
    /// Whether it was billed, or may have been.
    pub(crate) billed: bool,
    /// The wait that the other side asks for.
    pub(crate) retry_after: Option<Duration>,
    /// The credentials were refused, so new ones are loaded next time.
    pub(crate) credentials: bool,
}

impl Failure {
    pub(crate) fn unbilled(error: Error) -> Self {
        Self { error, billed: false, retry_after: None, credentials: false }
    }

    pub(crate) fn maybe_billed(error: Error) -> Self {
        Self { billed: true, ..Self::unbilled(error) }
    }
}

/// Sorts what the SDK says. `place` is the operation and the host, for the message, which the keys stay out of.
pub(crate) fn sort<E>(error: SdkError<E, HttpResponse>, place: &str, keys: &Keys, now: UnixTime) -> Failure
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    match &error {
        SdkError::ConstructionFailure(_) => Failure::unbilled(Error::new(
            ErrorCode::InvalidConfig,
            format!("{place}: the call cannot be made, check region and endpoint: {}", words(&error, keys)),
        )),
        SdkError::TimeoutError(_) => {
            Failure::maybe_billed(Error::new(ErrorCode::DeadlineExceeded, format!("{place}: no answer in time")))
        }
        SdkError::DispatchFailure(failure) => {
            let text = words(&error, keys);
            // What the HTTP client says where name, connection or TLS handshake failed: no byte of the picture was sent.
            // Should it ever say it in other words, the call counts as billed, which is the safe side.
            let connecting = text.contains("client error (Connect)") || text.contains("dns error");
            let error = if failure.is_timeout() {
                Error::new(ErrorCode::DeadlineExceeded, format!("{place}: no connection or no answer in time: {text}"))
            } else if text.contains("dns error") {
                Error::new(
                    ErrorCode::Unavailable,
                    format!("{place}: the host has no address; check region, endpoint and DNS: {text}"),
                )
            } else {
                Error::new(ErrorCode::Unavailable, format!("{place}: the connection failed: {text}"))
            };
            Failure { billed: !connecting, ..Failure::unbilled(error) }
        }
        SdkError::ResponseError(response) => {
            let status = response.raw().status().as_u16();
            // With status 200 the picture was processed, and may be billed.
            let error = of_status(status, place, &format!("the answer cannot be read: {}", words(&error, keys)));
            Failure { billed: status < 300, retry_after: wait_asked(response.raw(), now), ..Failure::unbilled(error) }
        }
        SdkError::ServiceError(service) => {
            let (code, message) = (service.err().code(), service.err().message());
            let status = service.raw().status().as_u16();
            let sorted = of_code(code, message, status, place, keys);
            Failure {
                // An answer with status 200 whose body is no answer ends up here too.
                billed: status < 300,
                retry_after: wait_asked(service.raw(), now),
                // A right that is missing is missing for the next keys of the same role too.
                credentials: sorted.code() == ErrorCode::PermissionDenied
                    && !code.is_some_and(|code| code.contains("AccessDenied")),
                ..Failure::unbilled(sorted)
            }
        }
        _ => Failure::maybe_billed(Error::new(ErrorCode::Unavailable, format!("{place}: {}", words(&error, keys)))),
    }
}

fn of_code(code: Option<&str>, message: Option<&str>, status: u16, place: &str, keys: &Keys) -> Error {
    let Some(code) = code else { return of_status(status, place, "without a word of Rekognition's") };
    // Other services put a number or a namespace around the name.
    let name = code.rsplit('#').next().unwrap_or(code).split(':').next().unwrap_or(code);
    let kind = match name {
        "ThrottlingException"
        | "Throttling"
        | "ProvisionedThroughputExceededException"
        | "LimitExceededException"
        | "TooManyRequestsException"
        | "RequestLimitExceeded"
        | "SlowDown" => ErrorCode::RateLimited,
        "InternalServerError"
        | "InternalFailure"
        | "InternalServerException"
        | "ServiceUnavailable"
        | "ServiceUnavailableException"
        | "RequestTimeout"
        | "RequestTimeoutException" => ErrorCode::Unavailable,
        "AccessDeniedException"
        | "AccessDenied"
        | "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "ExpiredTokenException"
        | "ExpiredToken"
        | "RequestExpired"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "IncompleteSignature"
        | "NotAuthorized"
        | "OptInRequired" => ErrorCode::PermissionDenied,
        _ if status == 429 => ErrorCode::RateLimited,
        _ if status >= 500 => ErrorCode::Unavailable,
        _ if matches!(status, 401 | 403) => ErrorCode::PermissionDenied,
        // ImageTooLargeException, InvalidImageFormatException, InvalidParameterException, ValidationException and the like.
        _ => ErrorCode::InvalidArgument,
    };
    let advice =
        if kind == ErrorCode::PermissionDenied { "; check the credentials, their rights and the clock" } else { "" };
    // A refused signature is answered with what was signed.
    let said = if name.contains("Signature") { "" } else { message.unwrap_or_default() };
    let (name, said) = (one_line(name, keys.all()), one_line(said, keys.all()));
    Error::new(kind, format!("{place}: {name} (HTTP {status}){advice}: {said}"))
}

fn of_status(status: u16, place: &str, said: &str) -> Error {
    let text = format!("{place}: HTTP {status} {said}");
    match status {
        429 => Error::new(ErrorCode::RateLimited, text),
        401 | 403 => Error::new(ErrorCode::PermissionDenied, text),
        413 => Error::new(ErrorCode::InvalidArgument, text),
        // Also a 404 or the like: it is not Rekognition that answers.
        _ => Error::new(ErrorCode::Unavailable, text),
    }
}

/// Seconds or a date in `Retry-After`, milliseconds in AWS's own header.
fn wait_asked(response: &HttpResponse, now: UnixTime) -> Option<Duration> {
    let header = |name: &str| response.headers().get(name);
    let ours = header("x-amz-retry-after").and_then(|value| value.trim().parse().ok()).map(Duration::from_millis);
    ours.or_else(|| retry_after(header("retry-after")?, now))
}

/// An error and what caused it, in one line.
fn words(error: &dyn std::error::Error, keys: &Keys) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.ends_with(&more) {
            text = format!("{text}: {more}");
        }
        cause = inner.source();
    }
    one_line(&text, keys.all())
}

/// A copy of the error for another waiting request.
pub(super) fn repeated(error: &Error) -> Error {
    Error::new(error.code(), error.to_string()).with_advice(error.advice())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Keys {
        Keys { access: "AKID".into(), secret: "wJalr".into(), session: Some("session".into()) }
    }

    #[test]
    fn codes_and_what_they_become() {
        for (code, status, expected) in [
            ("ThrottlingException", 400, ErrorCode::RateLimited),
            ("ProvisionedThroughputExceededException", 400, ErrorCode::RateLimited),
            ("InternalServerError", 500, ErrorCode::Unavailable),
            ("com.amazon.coral.service#InternalFailure", 500, ErrorCode::Unavailable),
            ("SomethingNew", 503, ErrorCode::Unavailable),
            ("SomethingNew", 429, ErrorCode::RateLimited),
            ("SomethingNew", 400, ErrorCode::InvalidArgument),
            ("ImageTooLargeException", 400, ErrorCode::InvalidArgument),
            ("InvalidImageFormatException", 400, ErrorCode::InvalidArgument),
            ("InvalidParameterException", 400, ErrorCode::InvalidArgument),
            ("AccessDeniedException", 400, ErrorCode::PermissionDenied),
            ("UnrecognizedClientException:http://internal/", 400, ErrorCode::PermissionDenied),
            ("ExpiredTokenException", 400, ErrorCode::PermissionDenied),
            ("InvalidSignatureException", 400, ErrorCode::PermissionDenied),
        ] {
            let error = of_code(Some(code), Some("words"), status, "here", &keys());
            assert_eq!(error.code(), expected, "{code} {status}: {error}");
        }
        for (status, expected) in [
            (500, ErrorCode::Unavailable),
            (404, ErrorCode::Unavailable),
            (429, ErrorCode::RateLimited),
            (403, ErrorCode::PermissionDenied),
            (413, ErrorCode::InvalidArgument),
            (200, ErrorCode::Unavailable),
        ] {
            assert_eq!(of_code(None, None, status, "here", &keys()).code(), expected, "{status}");
        }
        let long = "ä".repeat(10_000);
        assert!(of_code(Some("X"), Some(&long), 400, "here", &keys()).to_string().len() < 1_000);
        let signed = of_code(Some("SignatureDoesNotMatch"), Some("the canonical string: AKIA"), 403, "here", &keys());
        assert!(!signed.to_string().contains("AKIA"));
        let echoed = of_code(Some("Bad\r\nwJalr"), Some("it is AKID, session"), 400, "here", &keys()).to_string();
        assert_eq!(echoed, "here: Bad  *** (HTTP 400): it is ***, ***");
    }
}
