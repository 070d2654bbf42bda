//! Threads: the one home of threads that compute. Everything else takes [`Threads`] from the host.

use crate::error::{Error, Result};
use std::fmt;
use std::sync::Arc;

/// Threads that the host lends to guarita, shared by all who get a clone: one number for all of them.
#[derive(Clone)]
pub struct Threads(Arc<rayon::ThreadPool>);

impl Threads {
    /// Starts `count` threads, 1..256, that sleep while there is nothing to do and end with the last clone.
    ///
    /// # Errors
    /// `InvalidArgument` for a count outside the range, `ResourceExhausted` where the system gives no more threads.
    pub fn new(count: usize) -> Result<Self> {
        if !(1..=256).contains(&count) {
            return Err(Error::invalid_argument(format!("{count} threads; it must be 1..256")));
        }
        rayon::ThreadPoolBuilder::new()
            .num_threads(count)
            .thread_name(|k| format!("guarita-{k}"))
            .build()
            .map(|pool| Self(Arc::new(pool)))
            .map_err(|error| {
                Error::resource_exhausted(format!("cannot start {count} threads: {error}")).with_source(error)
            })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.current_num_threads()
    }

    /// Runs `work`, and returns when everything that it spawned has ended.
    pub(crate) fn scope<'scope, R: Send>(&self, work: impl FnOnce(&rayon::Scope<'scope>) -> R + Send) -> R {
        self.0.scope(work)
    }
}

impl fmt::Debug for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Threads({})", self.count())
    }
}
