use crate::check::within;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// Which calls the rates of a [`CircuitBreaker`](crate::CircuitBreaker) look at.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum BreakerWindow {
    /// The last so many calls, 1..100000.
    Calls(u32),
    /// The calls that ended in the last so many seconds.
    Time {
        /// 0.1..3600. Time moves on in twentieths of this: between 95 % and 100 % of the span is looked at.
        seconds: f64,
    },
}

/// When a [`CircuitBreaker`](crate::CircuitBreaker) opens, and how it closes again. Plain data; unknown fields are
/// refused. Times are seconds, rates are shares of calls.
///
/// ```
/// use guarita::resilience::{BreakerWindow, CircuitBreakerConfig};
/// let config: CircuitBreakerConfig =
///     serde_json::from_str(r#"{"open_s": 10, "window": {"time": {"seconds": 30}}}"#).unwrap();
/// assert_eq!(config.window, BreakerWindow::Time { seconds: 30.0 });
/// assert_eq!(config.consecutive_failures, 5);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct CircuitBreakerConfig {
    /// Opens after so many failures with no success between them; 0..100000, default 5. 0 switches the rule off.
    pub consecutive_failures: u32,
    /// Opens where at least this share of the window failed; 0..1, default 0.5. 0 switches the rule off.
    pub failure_rate: f32,
    /// Opens where at least this share of the window was slow, failed or not; 0..1, default 1. 0 switches the rule
    /// off.
    pub slow_call_rate: f32,
    /// A call is slow when it takes longer than this; 0.001..86400, default 60.
    pub slow_call_s: f64,
    /// The calls that the two rates look at; default the last 100.
    pub window: BreakerWindow,
    /// The rates say nothing before the window holds so many calls; 1..100000, default 20. Where it counts
    /// calls, it must hold as many.
    pub minimum_calls: u32,
    /// Stays open for this long; 0.001..3600, default 60.
    pub open_s: f64,
    /// After each probe round that failed, stays open this many times longer; 1..10, default 1 (always the same).
    pub open_growth: f64,
    /// Growth ends here; `open_s`..86400, default 3600.
    pub open_max_s: f64,
    /// Adds up to this share to each open time, drawn anew each time, so that many breakers do not probe in step; 0..1,
    /// default 0.
    pub open_jitter: f64,
    /// Half open, so many calls are let through; all must succeed; 1..10000, default 1.
    pub half_open_permits: u32,
    /// Half open with every permit out, and no news of any for this long: the probes count as failed; 0..86400, default
    /// 120. 0 waits for ever.
    pub half_open_max_s: f64,
}

impl Default for CircuitBreakerConfig {
    fn default() -> Self {
        Self {
            consecutive_failures: 5,
            failure_rate: 0.5,
            slow_call_rate: 1.0,
            slow_call_s: 60.0,
            window: BreakerWindow::Calls(100),
            minimum_calls: 20,
            open_s: 60.0,
            open_growth: 1.0,
            open_max_s: 3600.0,
            open_jitter: 0.0,
            half_open_permits: 1,
            half_open_max_s: 120.0,
        }
    }
}

/// Calls in a window, and failures in a row.
const MAX_CALLS: u32 = 100_000;

impl CircuitBreakerConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// `InvalidConfig` naming the field and its range.
    pub fn validate(&self) -> Result<()> {
        within("consecutive_failures", self.consecutive_failures, 0, MAX_CALLS)?;
        within("failure_rate", self.failure_rate, 0.0, 1.0)?;
        within("slow_call_rate", self.slow_call_rate, 0.0, 1.0)?;
        within("slow_call_s", self.slow_call_s, 0.001, 86_400.0)?;
        let most_calls = match self.window {
            BreakerWindow::Calls(calls) => {
                within("window.calls", calls, 1, MAX_CALLS)?;
                calls
            }
            BreakerWindow::Time { seconds } => {
                within("window.time.seconds", seconds, 0.1, 3600.0)?;
                MAX_CALLS
            }
        };
        within("minimum_calls", self.minimum_calls, 1, most_calls)?;
        within("open_s", self.open_s, 0.001, 3600.0)?;
        within("open_growth", self.open_growth, 1.0, 10.0)?;
        within("open_max_s", self.open_max_s, self.open_s, 86_400.0)?;
        within("open_jitter", self.open_jitter, 0.0, 1.0)?;
        within("half_open_permits", self.half_open_permits, 1, 10_000)?;
        within("half_open_max_s", self.half_open_max_s, 0.0, 86_400.0)?;
        if self.consecutive_failures == 0 && self.failure_rate == 0.0 && self.slow_call_rate == 0.0 {
            return Err(Error::invalid_config(
                "consecutive_failures, failure_rate and slow_call_rate are all 0: the breaker would never open",
            )
            .with_field("consecutive_failures"));
        }
        Ok(())
    }
}
