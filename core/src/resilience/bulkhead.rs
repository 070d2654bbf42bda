use crate::check::within;
use crate::error::Result;
use crate::sync::{Arc, AtomicUsize, Ordering};

/// Limits the number of concurrent calls. It has no queue: a call over the limit is refused at once.
///
/// Clones share the limit.
///
/// ```
/// use guarita::resilience::Bulkhead;
/// let bulkhead = Bulkhead::new(1)?;
/// let permit = bulkhead.try_enter().unwrap();
/// assert!(bulkhead.try_enter().is_none());
/// drop(permit);
/// assert_eq!(bulkhead.in_flight(), 0);
/// # Ok::<(), guarita::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Bulkhead {
    in_flight: Arc<AtomicUsize>,
    limit: usize,
}

impl Bulkhead {
    /// The default limit for calls to a cloud.
    pub const DEFAULT_LIMIT: usize = 50;

    /// A bulkhead with this limit, 1..1000000.
    ///
    /// # Errors
    /// `InvalidConfig` for another number.
    pub fn new(limit: usize) -> Result<Self> {
        within("the limit of a bulkhead", limit, 1, 1_000_000)?;
        Ok(Self { in_flight: Arc::new(AtomicUsize::new(0)), limit })
    }

    /// Acquires a permit; none where the limit is reached.
    pub fn try_enter(&self) -> Option<BulkheadPermit> {
        // Relaxed: the count guards no other memory.
        self.in_flight
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| (now < self.limit).then_some(now + 1))
            .ok()
            .map(|_| BulkheadPermit { in_flight: self.in_flight.clone() })
    }

    /// Permits in use now.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// The limit.
    pub fn limit(&self) -> usize {
        self.limit
    }
}

/// A limit of [`DEFAULT_LIMIT`](Self::DEFAULT_LIMIT).
impl Default for Bulkhead {
    fn default() -> Self {
        Self { in_flight: Arc::new(AtomicUsize::new(0)), limit: Self::DEFAULT_LIMIT }
    }
}

/// A permit of a [`Bulkhead`]; released when dropped.
#[derive(Debug)]
#[must_use = "dropping it gives the place back"]
pub struct BulkheadPermit {
    in_flight: Arc<AtomicUsize>,
}

impl Drop for BulkheadPermit {
    fn drop(&mut self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
