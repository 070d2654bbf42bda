//! The kinds of sinks that come with the core.

use super::Registry;
use super::kind::SinkKind;
use crate::check::{inside, wrong};
use crate::error::Result;
use crate::event::{JsonLinesConfig, JsonLinesSink, Sink};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Adds them all.
pub(super) fn register(registry: &mut Registry) -> Result<()> {
    registry.add_sink::<JsonLinesFile>()
}

/// A [`JsonLinesSink`] as data: kind `json-lines`. Unknown fields are refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JsonLinesFile {
    /// The file.
    pub path: PathBuf,
    /// How it is kept.
    #[serde(default)]
    pub options: JsonLinesConfig,
}

impl SinkKind for JsonLinesFile {
    const KIND: &'static str = "json-lines";

    fn validate(&self) -> Result<()> {
        if self.path.as_os_str().is_empty() {
            return Err(wrong("path", "is empty; it must name a file"));
        }
        inside("options", self.options.validate())
    }

    fn open(self) -> Result<Box<dyn Sink>> {
        self.validate()?;
        Ok(Box::new(JsonLinesSink::open(self.path, self.options)?))
    }
}

/// The kinds of the core, as `SinkConfig` is described; others have what their package says.
#[cfg(feature = "schema")]
#[derive(schemars::JsonSchema, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(inline)]
#[expect(dead_code, reason = "read by schemars")]
enum BuiltIn {
    /// [`JsonLinesSink`].
    JsonLines {
        /// The file.
        #[schemars(extend("format" = "path"))]
        path: PathBuf,
        /// How it is kept.
        #[serde(default)]
        options: JsonLinesConfig,
    },
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for super::SinkConfig {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SinkConfig".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        BuiltIn::json_schema(generator)
    }
}
