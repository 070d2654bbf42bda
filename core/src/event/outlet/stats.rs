use crate::clock::Timestamp;
use crate::provider::LastError;
use crate::seconds;
use serde::Serialize;
use std::sync::Arc;

/// Statistics of a sink or a host trigger: the counts of all its items.
///
/// `offered = waiting + in hand + delivered + failed + dropped` holds at every instant.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct OutletStats {
    /// The name of the sink or trigger.
    pub name: Arc<str>,
    /// Items that wait for their turn.
    pub waiting: usize,
    /// Items of the batch that is being delivered, or waits to be tried again.
    pub in_hand: usize,
    /// Items that came.
    pub offered: u64,
    /// Items that a sink called durable, or that its code took.
    pub delivered: u64,
    /// Tries of items that were tried before; a batch is one try.
    pub retried: u64,
    /// Items that were tried and given up.
    pub failed: u64,
    /// Items that were displaced by newer ones, came after the end, or were not delivered by then. Those in hand at the
    /// end may have arrived all the same.
    pub dropped: u64,
    /// How often its code panicked. An item at which it did, alone, is counted as failed.
    pub panics: u64,
    /// Start of the running call of its code, on the pipeline's clock; none while it does not run. A call that began
    /// long ago hangs.
    #[serde(serialize_with = "seconds::serialize")]
    pub busy_since: Option<Timestamp>,
    /// The last error, even where a retry succeeded.
    pub last_error: Option<LastError>,
}
