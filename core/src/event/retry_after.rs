use std::fmt;
use std::time::Duration;

/// The delay that the receiver asks for, as the cause of a sink's error: the event is not delivered again before.
///
/// ```
/// use guarita::{Error, ErrorCode};
/// use guarita::event::RetryAfter;
/// use std::error::Error as _;
/// use std::time::Duration;
/// let error = Error::new(ErrorCode::RateLimited, "429").with_source(RetryAfter(Duration::from_secs(5)));
/// assert!(error.source().is_some_and(|cause| cause.is::<RetryAfter>()));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryAfter(
    /// From now on.
    pub Duration,
);

impl fmt::Display for RetryAfter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not before {} s are over", self.0.as_secs_f64())
    }
}

impl std::error::Error for RetryAfter {}
