//! The machines of `guarita` that threads share, and those of `guarita-face`, compiled from their own files against loom's locks
//! and counters, so that the tests in `core/loom/tests` can try every interleaving of a few threads. Not a library to depend on.
//!
//! Core takes its locks from `crate::sync`; here that module is another one. So neither a flag for the compiler nor a second
//! build of core's dependencies is needed.

#[path = "../../src/budget/mod.rs"]
mod budget;
#[path = "../../src/check.rs"]
mod check;
#[path = "../../src/clock.rs"]
mod clock;
#[path = "../../src/error/mod.rs"]
mod error;
mod event;
mod frame;
#[path = "../../src/journal/mod.rs"]
mod journal;
mod motion;
mod pipeline;
mod provider;
mod resilience;
#[path = "../../src/seconds.rs"]
mod seconds;
mod stream;
mod sync;
#[path = "../../src/time_zone.rs"]
mod time_zone;

pub use budget::{Budget, BudgetConfig, BudgetEvent, Caps, MicroDollars, Reservation, Spend};
pub use clock::{Clock, ManualClock, Moment, Timestamp};
pub use error::{Error, ErrorCode};
pub use event::{Fate, OutletStats, Queue};
pub use pipeline::{Account, Decision, DropReason, Outcome, OutcomeCounts, Shell, SkipReason};
pub use resilience::{
    BreakerState, BreakerTransition, BreakerWindow, Bulkhead, CircuitBreaker, CircuitBreakerConfig, FailurePolicy,
    RetryConfig, RetryDecision, RetryPolicy, TransitionReason,
};
pub use stream::{Reader, Taken, Ticket};
