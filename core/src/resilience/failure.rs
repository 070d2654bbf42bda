use crate::clock::Timestamp;
use crate::error::{Advice, Error, ErrorCode};
use crate::resilience::breaker::{BreakerOpen, Permit};
use serde::{Deserialize, Serialize};
use std::error::Error as _;

/// What a failed call says about the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// It did not answer, or answered that it cannot work: a refused connection, a 5xx.
    Unavailable,
    /// It did not answer in time.
    TimedOut,
    /// It answers, but not so often.
    Throttled,
    /// Its memory is used up for now.
    OutOfMemory,
    /// Nothing: the input was bad, a right is missing, our own limits refused, somebody cancelled.
    NotCounted,
}

/// Classifies what an error says about the called service.
///
/// `Unavailable` is [`Verdict::Unavailable`], except a breaker's own refusal; `DeadlineExceeded` is `TimedOut`;
/// `RateLimited` is `Throttled`; `ResourceExhausted` is `OutOfMemory` where its advice is
/// [`RetryLater`](Advice::RetryLater) (a limit on the input has another one). Everything else is `NotCounted`.
///
/// ```
/// use guarita::{Error, ErrorCode};
/// use guarita::resilience::{Verdict, classify};
/// assert_eq!(classify(&Error::new(ErrorCode::DeadlineExceeded, "5 s are over")), Verdict::TimedOut);
/// assert_eq!(classify(&Error::new(ErrorCode::DataCorrupt, "truncated JPEG")), Verdict::NotCounted);
/// ```
pub fn classify(error: &Error) -> Verdict {
    // No call was made, so it says nothing; and to retry it would use up tokens for nothing.
    if error.source().is_some_and(|cause| cause.is::<BreakerOpen>()) {
        return Verdict::NotCounted;
    }
    match error.code() {
        ErrorCode::Unavailable => Verdict::Unavailable,
        ErrorCode::DeadlineExceeded => Verdict::TimedOut,
        ErrorCode::RateLimited => Verdict::Throttled,
        ErrorCode::ResourceExhausted if error.advice() == Advice::RetryLater => Verdict::OutOfMemory,
        _ => Verdict::NotCounted,
    }
}

/// Whether the same call may succeed a little later: every verdict but [`Verdict::NotCounted`], where the error's advice
/// is [`RetryLater`](Advice::RetryLater).
pub fn is_retryable(error: &Error) -> bool {
    error.advice() == Advice::RetryLater && classify(error) != Verdict::NotCounted
}

/// Which failures count for a [`CircuitBreaker`](crate::CircuitBreaker). Plain data; unknown fields are refused.
///
/// ```
/// use guarita::{CircuitBreaker, Error, ErrorCode, Timestamp};
/// use guarita::resilience::{CircuitBreakerConfig, FailurePolicy};
/// let breaker = CircuitBreaker::new(CircuitBreakerConfig::default())?;
/// let now = Timestamp::default();
/// let permit = breaker.try_acquire(now)?;
/// let answer: Result<(), Error> = Err(Error::new(ErrorCode::DataCorrupt, "truncated JPEG"));
/// FailurePolicy::default().settle(permit, answer.as_ref().err(), now);
/// assert_eq!(breaker.counts(now).calls, 0);
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct FailurePolicy {
    /// Throttling counts; default true. Set it to false where another limit already slows calls down.
    pub throttling_counts: bool,
}

impl Default for FailurePolicy {
    fn default() -> Self {
        Self { throttling_counts: true }
    }
}

impl FailurePolicy {
    /// Whether this error counts as a failure of the called service.
    pub fn counts(&self, error: &Error) -> bool {
        match classify(error) {
            Verdict::Unavailable | Verdict::TimedOut | Verdict::OutOfMemory => true,
            Verdict::Throttled => self.throttling_counts,
            Verdict::NotCounted => false,
        }
    }

    /// Reports the end of a call: success where there is no error, failure where it counts, nothing otherwise.
    pub fn settle(&self, permit: Permit, error: Option<&Error>, now: Timestamp) {
        match error {
            None => permit.success(now),
            Some(error) if self.counts(error) => permit.failure(now),
            Some(_) => permit.ignore(),
        }
    }
}
