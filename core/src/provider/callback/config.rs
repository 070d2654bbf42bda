use crate::budget::MicroDollars;
use crate::check::{within, wrong};
use crate::error::{Error, Result};
use crate::provider::{Capability, Want};
use serde::{Deserialize, Serialize};

/// What a [`CallbackProvider`](crate::CallbackProvider) says of itself, and how many threads call. Plain data; unknown fields
/// are refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct CallbackProviderConfig {
    /// A short name, 1..64 bytes; default `callback`.
    pub name: String,
    /// What it can be asked for, each once; default labels.
    pub wants: Vec<Want>,
    /// Frames of one call, 1..4096; default 1. A request of more frames is several calls.
    pub max_batch: usize,
    /// Requests taken, waiting or being looked at, before `Overloaded`; 1..100000, default 64.
    pub max_in_flight: usize,
    /// Threads, which is calls side by side; 1..256, default 1.
    pub workers: usize,
    /// Pictures leave the machine; default false.
    pub leaves_machine: bool,
    /// The labels that it can find, up to 100000; empty (the default) where it cannot say. A camera that counts another one is
    /// refused then.
    pub labels: Vec<String>,
    /// The price of a frame, up to $1000; default none. Only what leaves the machine has one.
    pub price: MicroDollars,
}

impl Default for CallbackProviderConfig {
    fn default() -> Self {
        Self {
            name: "callback".into(),
            wants: vec![Want::Labels],
            max_batch: 1,
            max_in_flight: 64,
            workers: 1,
            leaves_machine: false,
            labels: Vec::new(),
            price: MicroDollars::ZERO,
        }
    }
}

impl CallbackProviderConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// `InvalidConfig` naming the field and its range.
    pub fn validate(&self) -> Result<()> {
        if self.name.trim().is_empty() || self.name.len() > 64 {
            return Err(wrong("name", format!("is {:?}; it must have 1..64 bytes", self.name)));
        }
        if self.wants.is_empty() || self.wants.iter().enumerate().any(|(k, want)| self.wants[..k].contains(want)) {
            let names: Vec<_> = self.wants.iter().map(|want| want.as_str()).collect();
            let what = format!("is [{}]; it must name at least one thing to look for, and each once", names.join(", "));
            return Err(wrong("wants", what));
        }
        within("max_batch", self.max_batch, 1, 4_096)?;
        within("max_in_flight", self.max_in_flight, 1, 100_000)?;
        within("workers", self.workers, 1, 256)?;
        within("labels", self.labels.len(), 0, 100_000)?;
        if let Some(label) = self.labels.iter().find(|label| label.is_empty() || label.trim() != **label) {
            return Err(Error::invalid_config(format!("labels: {label:?} is empty, or has blanks at its ends"))
                .with_field("labels"));
        }
        within("price", self.price.as_micros(), 0, 1_000_000_000)?;
        if self.price > MicroDollars::ZERO && !self.leaves_machine {
            let what =
                format!("is {}, and leaves_machine is false; what stays on the machine costs nothing", self.price);
            return Err(wrong("price", what));
        }
        Ok(())
    }

    pub(super) fn capability(&self) -> Capability {
        let can = match self.leaves_machine {
            true => Capability::remote(&self.wants, self.max_batch, self.max_in_flight, self.price),
            false => Capability::local(&self.wants, self.max_batch, self.max_in_flight),
        };
        match self.labels.is_empty() {
            true => can,
            false => can.with_labels(self.labels.iter().map(|label| (label.as_str().into(), 0.0)).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_checked_and_named() {
        let base = CallbackProviderConfig::default;
        assert!(base().validate().is_ok());
        let price = MicroDollars::from_micros;
        assert!(CallbackProviderConfig { leaves_machine: true, price: price(7), ..base() }.validate().is_ok());
        for (field, config) in [
            ("name", CallbackProviderConfig { name: " ".into(), ..base() }),
            ("name", CallbackProviderConfig { name: "x".repeat(65), ..base() }),
            ("wants", CallbackProviderConfig { wants: vec![], ..base() }),
            ("wants", CallbackProviderConfig { wants: vec![Want::Text, Want::Text], ..base() }),
            ("max_batch", CallbackProviderConfig { max_batch: 0, ..base() }),
            ("max_in_flight", CallbackProviderConfig { max_in_flight: 0, ..base() }),
            ("workers", CallbackProviderConfig { workers: 257, ..base() }),
            ("price", CallbackProviderConfig { price: price(1), ..base() }),
            ("price", CallbackProviderConfig { leaves_machine: true, price: price(u64::MAX), ..base() }),
        ] {
            let error = config.validate().unwrap_err();
            assert_eq!(error.code(), crate::ErrorCode::InvalidConfig);
            assert!(error.to_string().starts_with(field), "{field}: {error}");
        }
        assert!(serde_json::from_str::<CallbackProviderConfig>(r#"{"worker": 2}"#).is_err());
    }
}
