//! What happens to a ledger, as data: the same entries are applied now and read again after a crash.

use super::calendar::Day;
use super::shared::Saving;
use serde::{Deserialize, Serialize};

/// The charged accounts. Names past `max_keys` have been replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Keys {
    pub(super) camera: String,
    pub(super) tenant: String,
    pub(super) api: String,
}

/// A change of a ledger. Amounts are recorded, not prices, and days, not times: so what was spent stays as it was
/// whatever the config says later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Entry {
    Reserve {
        id: u64,
        day: Day,
        /// The latest monotonic time seen.
        at: i64,
        keys: Keys,
        images: u32,
        amount: u64,
    },
    Commit {
        id: u64,
        amount: u64,
        images: u32,
    },
    Release {
        id: u64,
    },
    /// The reservation was dropped.
    Unknown {
        id: u64,
    },
    Saved {
        day: Day,
        keys: Keys,
        by: Saving,
        amount: u64,
    },
}
