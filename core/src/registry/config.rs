use super::kind::{SinkKind, fields};
use crate::error::Result;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt;

/// The fields of a config, beside its `kind`.
pub(super) type Fields = Map<String, Value>;

/// A sink as data: its kind, and the fields that this kind has. What they may be is known to a
/// [`Registry`](super::Registry), which checks them and opens the sink; [`registry`](super) has an example. Sinks that are
/// functions of the host's need none.
///
/// Printed with `{:?}`, it shows the names of its fields alone: values may be secrets.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct SinkConfig {
    /// The name of the kind, that of the core or of a package that is registered.
    pub kind: String,
    /// The fields of the kind, which stand beside `kind`.
    #[serde(flatten)]
    pub fields: Map<String, Value>,
}

impl SinkConfig {
    /// The config of a sink as data.
    ///
    /// # Errors
    /// `Internal` where it is no JSON, such as a path that is no text.
    pub fn of<K: SinkKind>(config: &K) -> Result<Self> {
        Ok(Self { kind: K::KIND.into(), fields: fields(config)? })
    }
}

impl fmt::Debug for SinkConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show("SinkConfig", &self.kind, &self.fields, f)
    }
}

/// A provider as data: its kind, and the fields that this kind has. See [`SinkConfig`].
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct ProviderConfig {
    /// The name of the kind; each comes from a package of its own.
    pub kind: String,
    /// The fields of the kind, which stand beside `kind`.
    #[serde(flatten)]
    pub fields: Map<String, Value>,
}

impl fmt::Debug for ProviderConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show("ProviderConfig", &self.kind, &self.fields, f)
    }
}

fn show(name: &str, kind: &str, fields: &Fields, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let names: Vec<_> = fields.keys().collect();
    f.debug_struct(name).field("kind", &kind).field("fields", &names).finish()
}
