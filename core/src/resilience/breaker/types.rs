use crate::clock::Timestamp;
use crate::error::{Error, ErrorCode};
use crate::seconds;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// What a [`CircuitBreaker`](crate::CircuitBreaker) does with calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum BreakerState {
    /// Calls pass and are counted.
    Closed,
    /// Calls are refused until the open time is over.
    Open,
    /// A few probe calls pass; the others are refused.
    HalfOpen,
    /// Calls are refused until somebody resets the breaker.
    ForcedOpen,
    /// Calls pass and are not counted, until somebody resets the breaker.
    Disabled,
}

impl fmt::Display for BreakerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half open",
            Self::ForcedOpen => "forced open",
            Self::Disabled => "disabled",
        })
    }
}

/// Why a breaker went from one state to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TransitionReason {
    /// Too many failures in a row.
    ConsecutiveFailures,
    /// Too large a share of the window failed.
    FailureRate,
    /// Too large a share of the window was slow.
    SlowCallRate,
    /// The breaker was open for long enough: time to probe.
    OpenTimeOver,
    /// Every probe succeeded.
    ProbesSucceeded,
    /// A probe failed.
    ProbeFailed,
    /// Every probe succeeded, but too large a share of them was slow.
    ProbesSlow,
    /// No probe reported for too long.
    ProbesHung,
    /// The host forced the breaker open.
    Forced,
    /// The host disabled the breaker.
    Disabled,
    /// The host reset the breaker.
    Reset,
}

/// One change of state, as a listener sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct BreakerTransition {
    /// The state before.
    pub from: BreakerState,
    /// The state after.
    pub to: BreakerState,
    /// The time given with the call that brought the change about.
    #[serde(serialize_with = "seconds::serialize")]
    pub at: Timestamp,
    /// Why.
    pub why: TransitionReason,
    /// How long calls are refused, growth and jitter included; only where `to` is `Open`.
    #[serde(serialize_with = "seconds::serialize")]
    pub open_for: Option<Duration>,
}

/// What a breaker has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct BreakerCounts {
    /// Calls in the window.
    pub calls: u64,
    /// Of those, how many failed.
    pub failures: u64,
    /// Of those, how many were slow, failed or not.
    pub slow: u64,
    /// Failures since the last success.
    pub consecutive_failures: u32,
    /// Probes whose permits have not come back.
    pub probes_out: u32,
    /// Calls refused since the breaker was made.
    pub refused: u64,
    /// How often it opened by itself since it was made.
    pub opened: u64,
}

/// A call that was refused before it was made. As an [`Error`] it is `Unavailable`, and counts neither for a breaker
/// nor for a retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerOpen {
    /// `Open`, `HalfOpen` or `ForcedOpen`.
    pub state: BreakerState,
    /// When to ask again: known while `Open` only.
    pub retry_after: Option<Duration>,
}

impl fmt::Display for BreakerOpen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the circuit breaker is {}", self.state)?;
        match self.retry_after {
            Some(left) => write!(f, "; ask again in {:.1} s", left.as_secs_f64()),
            None => Ok(()),
        }
    }
}

impl std::error::Error for BreakerOpen {}

impl From<BreakerOpen> for Error {
    fn from(refusal: BreakerOpen) -> Self {
        Self::new(ErrorCode::Unavailable, refusal.to_string()).with_source(refusal)
    }
}
