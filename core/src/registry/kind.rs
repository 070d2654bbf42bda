use super::config::Fields;
use super::configs::read_config;
use crate::budget::Budget;
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::event::Sink;
use crate::provider::{Provider, Redact};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::sync::Arc;

/// A kind of sink, written as the config that one is opened from. Unknown fields are to be refused
/// (`#[serde(deny_unknown_fields)]`).
///
/// ```
/// use guarita::registry::{Registry, SinkConfig, SinkKind};
/// use guarita::{Result, Sink};
/// use guarita::event::{Delivery, DeliveryError};
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// #[serde(deny_unknown_fields)]
/// struct Siren { seconds: u8 }
///
/// impl Sink for Siren {
///     fn deliver(&mut self, batch: &[Delivery]) -> Result<(), DeliveryError> {
///         batch.iter().for_each(|delivery| println!("{} s for {}", self.seconds, delivery.id()));
///         Ok(())
///     }
/// }
///
/// impl SinkKind for Siren {
///     const KIND: &'static str = "siren";
///     fn open(self) -> Result<Box<dyn Sink>> {
///         Ok(Box::new(self))
///     }
/// }
///
/// let registry = Registry::new().with(Registry::add_sink::<Siren>)?;
/// let config: SinkConfig = serde_json::from_str(r#"{"kind": "siren", "seconds": 3}"#).unwrap();
/// let sink = registry.open_sink(&config)?;
/// # Ok::<(), guarita::Error>(())
/// ```
pub trait SinkKind: Serialize + DeserializeOwned {
    /// What stands in a config's field `kind`: lower case, words joined by `-`.
    const KIND: &'static str;
    /// The name of this type, such as `SirenConfig`, where [`check_config`](crate::check_config) is to know it by that name
    /// too; none by default, and then it is checked as a `SinkConfig`.
    const CONFIG: Option<&'static str> = None;

    /// Checks what a type cannot say; nothing by default.
    ///
    /// # Errors
    /// `InvalidConfig` naming the field and its range.
    fn validate(&self) -> Result<()> {
        Ok(())
    }

    /// Opens the sink.
    ///
    /// # Errors
    /// Why it cannot be opened.
    fn open(self) -> Result<Box<dyn Sink>>;
}

/// A kind of provider, written as the config that one is opened from. Unknown fields are to be refused
/// (`#[serde(deny_unknown_fields)]`).
pub trait ProviderKind: Serialize + DeserializeOwned {
    /// What stands in a config's field `kind`: lower case, words joined by `-`.
    const KIND: &'static str;
    /// The name of this type, such as `CloudConfig`: what [`check_config`](crate::check_config) calls it by.
    const CONFIG: &'static str;

    /// Checks what a type cannot say; nothing by default.
    ///
    /// # Errors
    /// `InvalidConfig` naming the field and its range.
    fn validate(&self) -> Result<()> {
        Ok(())
    }

    /// Opens the provider.
    ///
    /// # Errors
    /// Why it cannot be opened; `Unsupported` for a part that it has no use for.
    fn open(self, parts: ProviderParts) -> Result<Arc<dyn Provider>>;
}

/// Host objects that a provider is opened with, beside its config.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ProviderParts {
    /// The budget that every call is charged to.
    pub budget: Option<Budget>,
    /// Masks parts of every picture before it leaves the machine.
    pub redact: Option<Arc<dyn Redact>>,
    /// The clock that deadlines are read on; none for the machine's.
    pub clock: Option<Arc<dyn Clock>>,
}

/// Reads a config from its fields.
pub(super) fn read<T: DeserializeOwned>(fields: &Fields) -> Result<T> {
    read_config(Value::Object(fields.clone()))
}

/// Writes a config to its fields.
pub(super) fn fields<T: Serialize>(config: &T) -> Result<Fields> {
    match serde_json::to_value(config) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(Error::internal("a config is no table of fields")),
        Err(error) => Err(Error::internal(format!("a config is no JSON: {error}")).with_source(error)),
    }
}

/// The fields with all defaults filled in.
pub(super) fn check_fields<T: Serialize + DeserializeOwned>(
    given: &Fields,
    validate: impl FnOnce(&T) -> Result<()>,
) -> Result<Fields> {
    let config: T = read(given)?;
    validate(&config)?;
    fields(&config)
}
