//! Limits the effects of a failing provider: breaker, retry, rate limit, bulkhead, timeout.
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
mod timeout;

pub use breaker::{
    BreakerCounts, BreakerOpen, BreakerState, BreakerTransition, BreakerWindow, CircuitBreaker, CircuitBreakerConfig,
    Permit, TransitionReason,
};
pub use bulkhead::{Bulkhead, BulkheadPermit};
pub use failure::{FailurePolicy, Verdict, classify, is_retryable};
pub use rate::{RateLimit, RateLimitConfig};
pub use retry::{GiveUpReason, RetryConfig, RetryDecision, RetryPolicy, RetryTokens};
pub use timeout::Timeout;
