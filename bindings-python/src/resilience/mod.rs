//! Limits on calls to other services: breakers, retries, rates, budgets. All of it works without a provider.

mod breaker;
mod budget;
mod rate;
mod retry;

pub(crate) use breaker::{BreakerCounts, CircuitBreaker, Permit};
pub(crate) use budget::{Budget, Reservation};
pub(crate) use rate::RateLimit;
pub(crate) use retry::RetryPolicy;

use guarita::clock::{Clock, SystemClock};

/// A seed, where the host gives none: another one in each process and for each object, so that they do not act in step.
fn seed_or(seed: Option<u64>) -> u64 {
    seed.unwrap_or_else(|| {
        let now = SystemClock.moment();
        (now.monotonic.as_nanos() as u64) ^ (u64::from(std::process::id()) << 40) ^ ((now.unix.as_secs() as u64) << 20)
    })
}
