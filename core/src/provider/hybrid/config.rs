use crate::check::{inside, positive, within, wrong};
use crate::error::Result;
use crate::resilience::{CircuitBreakerConfig, FailurePolicy};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How a [`HybridProvider`](crate::HybridProvider) shares work between its two sides. Plain data; unknown fields are
/// refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct HybridConfig {
    /// When the fallback is asked; default [`HybridMode::Failover`].
    pub mode: HybridMode,
    /// The side that was asked first has failed where it takes longer than this; more than 0, up to 3600, default 5. Its
    /// answer still counts as long as the other side has not begun.
    pub fallback_timeout_s: f64,
    /// A request that nobody has answered ends after this, as if it were its deadline; more than 0, up to 3600, default
    /// 60.
    pub request_timeout_s: f64,
    /// The primary's breaker; each operation (labels, text, faces) has one of its own with these settings.
    pub primary_breaker: CircuitBreakerConfig,
    /// The fallback's breaker, likewise.
    pub fallback_breaker: CircuitBreakerConfig,
    /// Which errors speak against a side, for its breaker and for failing over: those of the network, of memory and of
    /// time always do; throttling by default.
    pub failure_policy: FailurePolicy,
}

/// When the fallback is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum HybridMode {
    /// Where the primary fails.
    #[default]
    Failover,
    /// In turn: of `primary + fallback` requests, so many go to each side. The other one stands in where one fails.
    Balance {
        /// Requests for the primary, 0..1000000.
        primary: u32,
        /// Requests for the fallback, 0..1000000; both together at least 1.
        fallback: u32,
    },
    /// Where the primary's queue would miss the request's deadline, or is full; and where the primary fails. A request
    /// without a deadline is in no hurry.
    Overflow,
    /// For a second look where the primary is not sure, most worthwhile first; and where the primary fails.
    Escalate(Escalation),
}

/// Which second looks are worth their price.
///
/// A detection is uncertain where its confidence lies between `from` and `to`. The worth of a look is the uncertainty of
/// the least certain detection (1 in the middle of the range, 0 at its ends) times 4 for a critical request, 1 for a
/// normal and ¼ for a low one. Candidates of one `window_s` compete; as many as `per_minute` leaves room for are looked
/// at again, and the others get the primary's answer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Escalation {
    /// Below this, a detection is noise; 0..`to`, default 0.3.
    pub from: f32,
    /// Above this, the primary is believed; `from`..1, default 0.6.
    pub to: f32,
    /// Second looks in a minute; 1..1000000, default 60. Up to a tenth of them may come at once.
    pub per_minute: u32,
    /// How long candidates wait for each other; more than 0, up to 60, default 0.25. It delays the answers to uncertain
    /// requests only.
    pub window_s: f64,
}

impl Default for Escalation {
    fn default() -> Self {
        Self { from: 0.3, to: 0.6, per_minute: 60, window_s: 0.25 }
    }
}

impl Default for HybridConfig {
    fn default() -> Self {
        Self {
            mode: HybridMode::default(),
            fallback_timeout_s: 5.0,
            request_timeout_s: 60.0,
            primary_breaker: CircuitBreakerConfig::default(),
            fallback_breaker: CircuitBreakerConfig::default(),
            failure_policy: FailurePolicy::default(),
        }
    }
}

impl HybridConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// `InvalidConfig` naming the field and its range.
    pub fn validate(&self) -> Result<()> {
        positive("fallback_timeout_s", self.fallback_timeout_s, 3600.0)?;
        positive("request_timeout_s", self.request_timeout_s, 3600.0)?;
        match self.mode {
            HybridMode::Failover | HybridMode::Overflow => {}
            HybridMode::Balance { primary, fallback } => {
                for (side, weight) in [("primary", primary), ("fallback", fallback)] {
                    within(&format!("mode.balance.{side}"), weight, 0, 1_000_000)?;
                }
                if primary == 0 && fallback == 0 {
                    return Err(wrong("mode.balance", "has two weights of 0; one must be more"));
                }
            }
            HybridMode::Escalate(Escalation { from, to, per_minute, window_s }) => {
                within("mode.escalate.from", from, 0.0, 1.0)?;
                if !(to > from && to <= 1.0) {
                    let what = format!("is {to}; it must be more than from ({from}) and at most 1");
                    return Err(wrong("mode.escalate.to", what));
                }
                within("mode.escalate.per_minute", per_minute, 1, 1_000_000)?;
                positive("mode.escalate.window_s", window_s, 60.0)?;
            }
        }
        inside("primary_breaker", self.primary_breaker.validate())?;
        inside("fallback_breaker", self.fallback_breaker.validate())
    }

    pub(super) fn request_timeout(&self) -> Duration {
        Duration::from_secs_f64(self.request_timeout_s)
    }

    pub(super) fn fallback_timeout(&self) -> Duration {
        Duration::from_secs_f64(self.fallback_timeout_s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_range_is_checked_and_the_field_named() {
        let base = HybridConfig::default;
        let mode = |mode| HybridConfig { mode, ..base() };
        let escalate = |escalation| mode(HybridMode::Escalate(escalation));
        let usual = Escalation::default;
        for (field, config) in [
            ("fallback_timeout_s", HybridConfig { fallback_timeout_s: 0.0, ..base() }),
            ("fallback_timeout_s", HybridConfig { fallback_timeout_s: f64::NAN, ..base() }),
            ("request_timeout_s", HybridConfig { request_timeout_s: f64::INFINITY, ..base() }),
            ("mode.balance", mode(HybridMode::Balance { primary: 0, fallback: 0 })),
            ("mode.balance.fallback", mode(HybridMode::Balance { primary: 0, fallback: u32::MAX })),
            ("mode.escalate.from", escalate(Escalation { from: f32::NAN, ..usual() })),
            ("mode.escalate.to", escalate(Escalation { from: 0.6, to: 0.6, ..usual() })),
            ("mode.escalate.per_minute", escalate(Escalation { per_minute: 0, ..usual() })),
            ("mode.escalate.window_s", escalate(Escalation { window_s: f64::INFINITY, ..usual() })),
            (
                "fallback_breaker.",
                HybridConfig {
                    fallback_breaker: CircuitBreakerConfig { open_s: f64::NAN, ..CircuitBreakerConfig::default() },
                    ..base()
                },
            ),
        ] {
            let error = config.validate().unwrap_err();
            assert_eq!(error.code(), crate::ErrorCode::InvalidConfig);
            assert!(error.to_string().contains(field), "{field}: {error}");
        }
        assert!(base().validate().is_ok());
        assert!(escalate(usual()).validate().is_ok());
    }

    #[test]
    fn a_config_as_people_write_it() {
        let text = "fallback_timeout_s = 2.0\n[mode.escalate]\nfrom = 0.4\n";
        let config: HybridConfig = toml::from_str(text).unwrap();
        let expected = Escalation { from: 0.4, ..Escalation::default() };
        assert_eq!(config.mode, HybridMode::Escalate(expected));
        assert_eq!(toml::from_str::<HybridConfig>("mode = \"overflow\"").unwrap().mode, HybridMode::Overflow);
        assert!(toml::from_str::<HybridConfig>("fallback_timeout = 2.0").is_err());
    }
}
