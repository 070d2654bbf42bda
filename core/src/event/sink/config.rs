use super::{JsonLinesConfig, JsonLinesSink};
#[cfg(feature = "webhook")]
use super::{WebhookConfig, WebhookSink};
use crate::check::{inside, wrong};
use crate::error::Result;
use crate::event::Sink;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A built-in sink, as data; unknown fields are refused. Sinks that are the host's own code, such as
/// [`CallbackSink`](crate::CallbackSink), are none.
///
/// ```
/// use guarita::SinkConfig;
/// let config: SinkConfig = serde_json::from_str(
///     r#"{"kind": "json-lines", "path": "events.jsonl", "options": {"keep": 3, "fsync": "always"}}"#,
/// )
/// .unwrap();
/// config.validate()?;
/// # Ok::<(), guarita::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum SinkConfig {
    /// [`JsonLinesSink`].
    JsonLines {
        /// The file.
        #[cfg_attr(feature = "schema", schemars(extend("format" = "path")))]
        path: PathBuf,
        /// How it is kept.
        #[serde(default)]
        options: JsonLinesConfig,
    },
    /// [`WebhookSink`]; its fields stand beside `kind`.
    #[cfg(feature = "webhook")]
    Webhook(WebhookConfig),
}

impl SinkConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// `InvalidConfig` naming the field and its range.
    pub fn validate(&self) -> Result<()> {
        match self {
            Self::JsonLines { path, .. } if path.as_os_str().is_empty() => {
                Err(wrong("path", "is empty; it must name a file"))
            }
            Self::JsonLines { options, .. } => inside("options", options.validate()),
            #[cfg(feature = "webhook")]
            Self::Webhook(config) => config.validate(),
        }
    }

    /// Opens the sink.
    ///
    /// # Errors
    /// As [`validate`](Self::validate), and as the sink's own `open`.
    pub fn open(self) -> Result<Box<dyn Sink>> {
        self.validate()?;
        Ok(match self {
            Self::JsonLines { path, options } => Box::new(JsonLinesSink::open(path, options)?),
            #[cfg(feature = "webhook")]
            Self::Webhook(config) => Box::new(WebhookSink::open(config)?),
        })
    }
}
