use super::calendar::Calendar;
use super::price::PriceTable;
use crate::budget::money::MicroDollars;
use crate::check::{within, wrong};
use crate::error::Result;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The longest name of a camera, tenant or API, in bytes.
pub(super) const MAX_NAME: usize = 256;

/// The most that may be spent in a minute, a day and a month. None is no cap; zero allows nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Caps {
    /// In 60 s that begin with the first spend.
    pub per_minute: Option<MicroDollars>,
    /// In a day of the calendar.
    pub per_day: Option<MicroDollars>,
    /// In a month of the calendar.
    pub per_month: Option<MicroDollars>,
}

/// Caps for every camera, tenant or API, each by itself, and other ones for those named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct KeyCaps {
    /// For each one that is not named.
    pub default: Caps,
    /// In place of `default`, by name.
    pub named: BTreeMap<String, Caps>,
}

impl KeyCaps {
    /// The caps of this one.
    pub fn of(&self, name: &str) -> &Caps {
        self.named.get(name).unwrap_or(&self.default)
    }
}

/// What may be spent, and what things cost. Plain data; unknown fields are refused. Amounts are millionths of a dollar.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct BudgetConfig {
    /// For everything together; default no cap.
    pub total: Caps,
    /// For each camera; default no cap.
    pub camera: KeyCaps,
    /// For each tenant; default no cap.
    pub tenant: KeyCaps,
    /// For each API; default no cap. Names are those of `prices`.
    pub api: KeyCaps,
    /// The share of a cap from which on a warning is sent, more than 0, up to 1; default 0.8.
    pub warn_at: f64,
    /// What an image costs; default Rekognition's published prices.
    pub prices: PriceTable,
    /// Where days and months begin: a name of the IANA time zone database, such as `America/Sao_Paulo`; default `UTC`.
    pub time_zone: String,
    /// Cameras, and as well tenants, that are counted each by itself in a month, 1..100000; default 10000. The named
    /// ones always are. All further ones are counted together as one that is called `(others)`.
    pub max_keys: usize,
    /// Days before today that the report tells apart, 1..400; default 62. The days of this month always are.
    pub history_days: u32,
}

impl Default for BudgetConfig {
    fn default() -> Self {
        Self {
            total: Caps::default(),
            camera: KeyCaps::default(),
            tenant: KeyCaps::default(),
            api: KeyCaps::default(),
            warn_at: 0.8,
            prices: PriceTable::default(),
            time_zone: "UTC".into(),
            max_keys: 10_000,
            history_days: 62,
        }
    }
}

impl BudgetConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// `InvalidConfig` naming the field and its range.
    pub fn validate(&self) -> Result<()> {
        // NaN is in no range.
        if !(self.warn_at > 0.0 && self.warn_at <= 1.0) {
            return Err(wrong("warn_at", format!("is {}; it must be more than 0, up to 1", self.warn_at)));
        }
        Calendar::new(&self.time_zone)?;
        within("max_keys", self.max_keys, 1, 100_000)?;
        within("history_days", self.history_days, 1, 400)?;
        for (field, keys) in [("camera", &self.camera), ("tenant", &self.tenant), ("api", &self.api)] {
            if keys.named.len() > 100_000 {
                let what = format!("has {} names; it may have 100000", keys.named.len());
                return Err(wrong(&format!("{field}.named"), what).with_limit(1e5));
            }
            if let Some(name) = keys.named.keys().find(|name| name.len() > MAX_NAME) {
                let what = format!("has a name of {} bytes; it may have {MAX_NAME}", name.len());
                return Err(wrong(&format!("{field}.named"), what).with_limit(MAX_NAME as f64));
            }
        }
        // A cap under a name that nothing is ever charged to would be no cap, and nobody would notice.
        if let Some(name) = self.api.named.keys().find(|name| self.prices.tiers(name).is_none()) {
            return Err(wrong("api.named", format!("has {name:?}, which has no price in prices")));
        }
        if let Some(name) = self.prices.apis().find(|name| name.len() > MAX_NAME) {
            let what = format!("has a name of {} bytes; it may have {MAX_NAME}", name.len());
            return Err(wrong("prices", what).with_limit(MAX_NAME as f64));
        }
        self.prices.validate().map_err(|error| error.with_parent("prices"))
    }

    /// Whether so much of a cap calls for a warning.
    pub(super) fn warns(&self, spent: u64, limit: u64) -> bool {
        // The only fraction there is: as whole millionths, so that no amount is ever rounded.
        let share = (self.warn_at * 1e6).round() as u64;
        u128::from(spent) * 1_000_000 >= u128::from(limit) * u128::from(share) && spent > 0
    }
}

/// A checked config, with its calendar.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) config: BudgetConfig,
    pub(super) calendar: Calendar,
}

impl Rules {
    /// # Errors
    /// As [`BudgetConfig::validate`].
    pub(super) fn new(config: BudgetConfig) -> Result<Self> {
        config.validate()?;
        Ok(Self { calendar: Calendar::new(&config.time_zone)?, config })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_out_of_range_are_named() {
        BudgetConfig::default().validate().unwrap();
        let changed = |change: fn(&mut BudgetConfig)| {
            let mut config = BudgetConfig::default();
            change(&mut config);
            config.validate().unwrap_err().to_string()
        };
        for (message, field) in [
            (changed(|c| c.warn_at = f64::NAN), "warn_at"),
            (changed(|c| c.warn_at = 0.0), "warn_at"),
            (changed(|c| c.warn_at = 1.1), "warn_at"),
            (changed(|c| c.time_zone = "Mars/Olympus".into()), "time_zone"),
            (changed(|c| c.max_keys = 0), "max_keys"),
            (changed(|c| c.history_days = 401), "history_days"),
            (changed(|c| c.camera.named = [("x".repeat(257), Caps::default())].into()), "camera.named"),
            (changed(|c| c.api.named = [("DetectLabels".into(), Caps::default())].into()), "api.named"),
            (changed(|c| c.prices = PriceTable::empty().with_api("x", [])), "prices"),
        ] {
            assert!(message.starts_with(field), "{message}");
        }
    }

    #[test]
    fn unknown_fields_are_refused_and_amounts_are_whole() {
        for text in [
            r#"{"totl": {}}"#,
            r#"{"total": {"per_week": 1}}"#,
            r#"{"total": {"per_day": 1.5}}"#,
            r#"{"total": {"per_day": -1}}"#,
        ] {
            assert!(serde_json::from_str::<BudgetConfig>(text).is_err(), "{text}");
        }
        let config: BudgetConfig =
            serde_json::from_str(r#"{"camera": {"default": {"per_day": 5}, "named": {"gate": {}}}}"#).unwrap();
        assert_eq!(config.camera.of("yard").per_day, Some(MicroDollars::from_micros(5)));
        assert_eq!(config.camera.of("gate").per_day, None);
    }
}
