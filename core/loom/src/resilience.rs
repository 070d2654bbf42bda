//! The files of core's `resilience` that hold a lock, and what they need.

#[path = "../../src/resilience/breaker/mod.rs"]
mod breaker;
#[path = "../../src/resilience/bulkhead.rs"]
mod bulkhead;
#[path = "../../src/resilience/failure.rs"]
mod failure;
#[path = "../../src/resilience/monotonic.rs"]
mod monotonic;
#[path = "../../src/resilience/random.rs"]
pub(crate) mod random;
#[path = "../../src/resilience/retry.rs"]
mod retry;

pub use breaker::{
    BreakerState, BreakerTransition, BreakerWindow, CircuitBreaker, CircuitBreakerConfig, TransitionReason,
};
pub use bulkhead::Bulkhead;
pub use failure::FailurePolicy;
pub use retry::{RetryConfig, RetryDecision, RetryPolicy};
