//! Amazon Rekognition as a [`Provider`] of *guarita*: DetectLabels, DetectText and DetectFaces.
//!
//! [`RekognitionProvider::open`] makes one from a [`RekognitionConfig`]. Settings that name it by its kind need it in the
//! host's [`Registry`]:
//!
//! ```
//! use guarita::registry::{ProviderConfig, ProviderParts, Registry};
//! let registry = Registry::new().with(guarita_rekognition::register)?;
//! let config: ProviderConfig = serde_json::from_str(r#"{"kind": "rekognition", "region": "eu-west-1"}"#).unwrap();
//! let cloud = registry.open_provider(&config, ProviderParts::default())?;
//! assert!(cloud.capability().leaves_machine);
//! # Ok::<(), guarita::Error>(())
//! ```
//!
//! Everything asynchronous stays in here, on a runtime of the provider's own.

mod answer;
mod bounded;
mod client;
mod config;
mod connection;
mod failure;
mod label_map;
mod policy;
mod provider;
mod renewal;

pub use config::{RekognitionConfig, SmallPicture, TextUnit};
pub use label_map::label_map;
pub use provider::RekognitionProvider;

use guarita::registry::{ProviderKind, ProviderParts, Registry};
use guarita::{Provider, Result};
use std::sync::Arc;

/// Adds the kind `rekognition` to a host's registry.
///
/// # Errors
/// `InvalidArgument` where there is one of that name.
pub fn register(registry: &mut Registry) -> Result<()> {
    guarita_http::register(registry);
    registry.add_provider::<RekognitionConfig>()
}

impl ProviderKind for RekognitionConfig {
    const KIND: &'static str = provider::NAME;
    const CONFIG: &'static str = "RekognitionConfig";

    fn validate(&self) -> Result<()> {
        Self::validate(self)
    }

    fn open(self, parts: ProviderParts) -> Result<Arc<dyn Provider>> {
        let mut provider = RekognitionProvider::open(self)?;
        if let Some(budget) = parts.budget {
            provider = provider.with_budget(budget);
        }
        if let Some(redact) = parts.redact {
            provider = provider.with_redact(redact);
        }
        if let Some(clock) = parts.clock {
            provider = provider.with_clock(clock);
        }
        Ok(Arc::new(provider))
    }
}

/// The programs in the texts compile.
#[cfg(doctest)]
mod texts {
    #[doc = include_str!("../README.md")]
    mod readme {}
}
