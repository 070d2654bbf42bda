//! Limits on spending, call rate and concurrency.

use crate::config::RekognitionConfig;
use guarita::budget::{MicroDollars, Reservation, Spend};
use guarita::clock::Moment;
use guarita::resilience::{RateLimit, RateLimitConfig};
use guarita::{Budget, CameraId, Error, ErrorCode, Result, Timestamp};
use std::time::Duration;

/// The source of the money for a call: a budget, or none, at the price of the config.
#[derive(Clone, Debug)]
pub(crate) struct Billing {
    pub(crate) budget: Option<Budget>,
    pub(crate) price: MicroDollars,
}

/// Money reserved for one call. Dropped, it counts as spent: its result is unknown.
#[derive(Debug)]
pub(crate) enum Charge {
    OfBudget(Reservation),
    Nobodys(MicroDollars),
}

impl Billing {
    /// The price of a picture for this API now.
    pub(crate) fn price(&self, api: &str, now: Moment) -> MicroDollars {
        let of_budget =
            self.budget.as_ref().and_then(|budget| budget.estimate(&Spend { api, ..Spend::default() }, now).ok());
        of_budget.unwrap_or(self.price)
    }

    /// Holds the money for one picture.
    ///
    /// # Errors
    /// `BudgetExhausted` and the like; the call must not go.
    pub(crate) fn reserve(&self, api: &str, camera: &CameraId, tenant: &str, now: Moment) -> Result<Charge> {
        let Some(budget) = &self.budget else { return Ok(Charge::Nobodys(self.price)) };
        let spend = Spend { api, camera: camera.as_str(), tenant, images: 1 };
        aside(|| budget.reserve(&spend, now)).map(Charge::OfBudget)
    }
}

impl Charge {
    /// The call was billed, or may have been. Gives what it cost.
    pub(crate) fn commit(self, now: Moment) -> MicroDollars {
        match self {
            Self::OfBudget(reservation) => aside(|| reservation.commit(now)),
            Self::Nobodys(price) => price,
        }
    }

    /// The call was not billed.
    pub(crate) fn release(self, now: Moment) {
        if let Self::OfBudget(reservation) = self {
            aside(|| reservation.release(now));
        }
    }
}

/// A budget may write to a disk; the other requests of this thread go on meanwhile.
fn aside<T>(work: impl FnOnce() -> T) -> T {
    tokio::task::block_in_place(work)
}

/// Calls a second, for each API by itself.
#[derive(Debug)]
pub(crate) struct CallRate(Option<RateLimit>);

impl CallRate {
    pub(crate) fn new(config: &RekognitionConfig) -> Result<Self> {
        let Some(per_second) = config.max_per_second else { return Ok(Self(None)) };
        // As many at once as a second may have.
        let burst = (per_second.ceil() as u32).max(1);
        let config = RateLimitConfig { per_second, burst, max_keys: 16 };
        RateLimit::new(config).map(|limit| Self(Some(limit)))
    }

    /// How long to wait before it is this API's turn; none where it is now.
    ///
    /// # Errors
    /// `Overloaded` where the deadline comes first.
    pub(crate) fn wait(&self, api: &str, now: Timestamp, deadline: Option<Timestamp>) -> Result<Option<Duration>> {
        let Some(Err(wait)) = self.0.as_ref().map(|limit| limit.try_acquire(api, now)) else { return Ok(None) };
        if deadline.is_some_and(|deadline| now + wait >= deadline) {
            return Err(Error::new(
                ErrorCode::Overloaded,
                format!(
                    "{api}: its turn comes in {:.3} s (max_per_second), and the deadline before",
                    wait.as_secs_f64()
                ),
            ));
        }
        Ok(Some(wait))
    }
}
