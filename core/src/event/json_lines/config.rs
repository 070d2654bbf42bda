use crate::check::within;
use crate::error::Result;
use crate::journal::Fsync;
use serde::{Deserialize, Serialize};

/// How a [`JsonLinesSink`](crate::event::JsonLinesSink) keeps its files. Plain data; unknown fields are refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct JsonLinesConfig {
    /// The file is put aside before it grows beyond this; 4096..1099511627776 bytes, default 64 MiB. An event that is
    /// larger by itself has a file of its own.
    pub max_bytes: u64,
    /// Files put aside that are kept, 0..1000; default 8. Older ones are deleted.
    pub keep: u32,
    /// When events are made to outlive a power cut; default `always`: once for each batch, before it counts as delivered.
    /// With `every` a batch is synced that comes so long after the last time, and one that is not counts as delivered all the
    /// same. A crash of the process alone loses nothing in any case.
    pub fsync: Fsync,
}

impl Default for JsonLinesConfig {
    fn default() -> Self {
        Self { max_bytes: 64 << 20, keep: 8, fsync: Fsync::Always }
    }
}

impl JsonLinesConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// `InvalidConfig` naming the field and its range.
    pub fn validate(&self) -> Result<()> {
        within("max_bytes", self.max_bytes, 4096, 1 << 40)?;
        within("keep", self.keep, 0, 1000)?;
        self.fsync.validate()
    }
}
