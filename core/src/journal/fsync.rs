use crate::check::within;
use crate::error::Result;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// When what was written (spend in a journal, events in a file) is made to outlive a power cut. A crash of the process alone
/// loses nothing in any case.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fsync {
    /// With every reservation, before the call goes, and with every event: a power cut loses nothing. Milliseconds each on
    /// most disks, one after the other.
    Always,
    /// With the first record so long after the last time: a power cut loses at most what came in such a time.
    Every {
        /// 0.001..86400.
        seconds: f64,
    },
    /// When the operating system likes.
    Never,
}

impl Fsync {
    pub(crate) fn validate(self) -> Result<()> {
        match self {
            Self::Every { seconds } => within("fsync.every.seconds", seconds, 0.001, 86_400.0),
            Self::Always | Self::Never => Ok(()),
        }
    }

    /// Whether to sync now, this long after the last time.
    pub(crate) fn due(self, since: Duration) -> bool {
        match self {
            Self::Always => true,
            Self::Every { seconds } => since.as_secs_f64() >= seconds,
            Self::Never => false,
        }
    }
}
