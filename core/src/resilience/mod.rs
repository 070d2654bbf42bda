//! What keeps a provider's trouble within bounds: breaker, retry, rate, bulkhead, timeout.
//!
//! The deciding parts are plain machines: time and seeds come in as arguments, nothing here reads a clock, sleeps, draws
//! random numbers of its own or starts a thread.

mod breaker;
mod bulkhead;
mod failure;
mod monotonic;
pub(crate) mod random;
mod rate;
mod retry;
#[cfg(any(feature = "webhook", feature = "rekognition"))]
mod retry_after;
mod timeout;

pub use breaker::{
    BreakerCounts, BreakerOpen, BreakerState, BreakerTransition, BreakerWindow, CircuitBreaker, CircuitBreakerConfig,
    Permit, TransitionReason,
};
pub use bulkhead::{Bulkhead, BulkheadPermit};
pub use failure::{FailurePolicy, Verdict, classify, is_retryable};
pub use rate::{RateLimit, RateLimitConfig};
pub use retry::{GiveUpReason, RetryConfig, RetryDecision, RetryPolicy, RetryTokens};
#[cfg(any(feature = "webhook", feature = "rekognition"))]
pub(crate) use retry_after::retry_after;
pub use timeout::Timeout;
