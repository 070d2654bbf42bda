use crate::clock::Timestamp;
use crate::provider::LastError;
use std::sync::Arc;

/// How a sink, or a trigger of the host's, does: what became of every item that was meant for it.
///
/// `offered = waiting + in hand + delivered + failed + dropped` holds at every instant.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct OutletStats {
    /// Whose.
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
    /// Items that made room for newer ones, came after the end, or were not delivered by then. Those that were in hand at
    /// the end may have arrived all the same.
    pub dropped: u64,
    /// How often its code panicked. An item at which it did, alone, is counted as failed.
    pub panics: u64,
    /// Since when its code has been running without an answer, on the pipeline's clock; none while it does not run. One
    /// that is long ago hangs.
    pub busy_since: Option<Timestamp>,
    /// The last error, also one that a further try mended.
    pub last_error: Option<LastError>,
}
