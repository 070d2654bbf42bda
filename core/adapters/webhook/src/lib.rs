//! A sink of *guarita* that sends each event, or result of a frame, to a server by HTTP POST, as JSON, signed where there is a
//! secret.
//!
//! [`WebhookSink::open`] makes one from a [`WebhookConfig`]. Settings that name it by its kind need it in the host's
//! [`Registry`]:
//!
//! ```
//! use guarita::registry::{Registry, SinkConfig};
//! let registry = Registry::new().with(guarita_webhook::register)?;
//! let config: SinkConfig =
//!     serde_json::from_str(r#"{"kind": "webhook", "url": "http://localhost:8080/events", "timeout_s": 5}"#).unwrap();
//! let sink = registry.open_sink(&config)?;
//! assert_eq!(sink.max_batch(), 1);
//! # Ok::<(), guarita::Error>(())
//! ```

mod answer;
mod config;
mod signature;
mod sink;

pub use config::WebhookConfig;
pub use sink::WebhookSink;

use guarita::registry::{Registry, SinkKind};
use guarita::{Result, Sink};

/// Adds the kind `webhook` to a host's registry.
///
/// # Errors
/// `InvalidArgument` where there is one of that name.
pub fn register(registry: &mut Registry) -> Result<()> {
    guarita_http::register(registry);
    registry.add_sink::<WebhookConfig>()
}

/// Its fields stand beside `kind`.
impl SinkKind for WebhookConfig {
    const KIND: &'static str = "webhook";
    const CONFIG: Option<&'static str> = Some("WebhookConfig");

    fn validate(&self) -> Result<()> {
        Self::validate(self)
    }

    fn open(self) -> Result<Box<dyn Sink>> {
        Ok(Box::new(WebhookSink::open(self)?))
    }
}

/// The programs in the texts compile.
#[cfg(doctest)]
mod texts {
    #[doc = include_str!("../README.md")]
    mod readme {}
}
