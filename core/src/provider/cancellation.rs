use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// Decides, once, whether a request is begun or cancelled; clones share the decision.
///
/// A provider calls [`begin`](Self::begin) when it starts a request, before anything that costs money or much time; the
/// caller calls [`cancel`](Self::cancel) when the answer is no longer needed. The first call wins, so that a cancelled
/// request is never paid.
///
/// ```
/// use guarita::provider::Cancellation;
/// let (late, early) = (Cancellation::default(), Cancellation::default());
/// assert!(late.begin() && !late.cancel());
/// assert!(early.cancel() && !early.begin());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Cancellation(Arc<AtomicU8>);

const WAITING: u8 = 0;
const BEGUN: u8 = 1;
const CANCELLED: u8 = 2;

impl Cancellation {
    /// Begins the request and returns true, also when repeated; false where it was cancelled, and the right answer is
    /// `Cancelled`.
    pub fn begin(&self) -> bool {
        self.decide(BEGUN)
    }

    /// Cancels the request and returns true, also when repeated; false where it has begun.
    pub fn cancel(&self) -> bool {
        self.decide(CANCELLED)
    }

    /// Whether the request was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Acquire) == CANCELLED
    }

    fn decide(&self, wanted: u8) -> bool {
        let decided = self.0.compare_exchange(WAITING, wanted, Ordering::AcqRel, Ordering::Acquire);
        decided.map_or_else(|earlier| earlier == wanted, |_| true)
    }
}
