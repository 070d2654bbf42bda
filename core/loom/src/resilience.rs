//! The files of core's `resilience` that hold a lock, and what they need.

#[path = "../../src/resilience/breaker/mod.rs"]
mod breaker;
#[path = "../../src/resilience/budget/mod.rs"]
mod budget;
#[path = "../../src/resilience/bulkhead.rs"]
mod bulkhead;
#[path = "../../src/resilience/check.rs"]
mod check;
#[path = "../../src/resilience/failure.rs"]
mod failure;
#[path = "../../src/resilience/money.rs"]
mod money;
#[path = "../../src/resilience/random.rs"]
pub(crate) mod random;
#[path = "../../src/resilience/retry.rs"]
mod retry;
#[path = "../../src/resilience/steady.rs"]
mod steady;

pub use breaker::{
    BreakerState, BreakerTransition, BreakerWindow, CircuitBreaker, CircuitBreakerConfig, TransitionReason,
};
pub use budget::{Budget, BudgetConfig, BudgetEvent, Caps, Reservation, Spend};
pub use bulkhead::Bulkhead;
pub use failure::FailurePolicy;
pub use money::MicroDollars;
pub use retry::{RetryConfig, RetryDecision, RetryPolicy};
