use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// Decides, once, whether a request is begun or taken back; clones share the decision.
///
/// A provider calls [`begin`](Self::begin) when it takes a request up, before anything that costs money or much time; the
/// asker calls [`cancel`](Self::cancel) when the answer is of no use any more. Whoever is first wins, so that a request
/// that was taken back is never paid.
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
    /// Begins, unless the request was taken back: then false, and the right answer is `Cancelled`. True every time after
    /// it has begun.
    pub fn begin(&self) -> bool {
        self.decide(BEGUN)
    }

    /// Takes the request back, unless somebody has begun with it: then false. True every time after it was taken back.
    pub fn cancel(&self) -> bool {
        self.decide(CANCELLED)
    }

    /// Whether it was taken back.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Acquire) == CANCELLED
    }

    fn decide(&self, wanted: u8) -> bool {
        let decided = self.0.compare_exchange(WAITING, wanted, Ordering::AcqRel, Ordering::Acquire);
        decided.map_or_else(|earlier| earlier == wanted, |_| true)
    }
}
