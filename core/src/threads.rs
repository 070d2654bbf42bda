//! Threads: the one home of threads that compute. Everything else takes [`Threads`] from the host.

use crate::error::{Error, Result};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// A thread pool that the host lends to guarita, shared by all clones.
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

    /// The number of threads.
    pub fn count(&self) -> usize {
        self.0.current_num_threads()
    }

    /// Runs `work` on one of the threads, some time after what was spawned before it, and returns at once.
    ///
    /// From one of these threads it goes before what others spawned. A panic in it is caught and lost: rayon would end
    /// the process. Everything spawned is run, also after the last clone is gone.
    pub(crate) fn spawn(&self, work: impl FnOnce() + Send + 'static) {
        self.0.spawn_fifo(move || {
            caught(work);
        });
    }

    /// Whether the caller runs on one of these threads, which must not wait for work that needs another one.
    pub(crate) fn is_current(&self) -> bool {
        self.0.current_thread_index().is_some()
    }

    /// Runs `work`, and returns when everything that it spawned has ended.
    pub(crate) fn scope<'scope, R: Send>(&self, work: impl FnOnce(&rayon::Scope<'scope>) -> R + Send) -> R {
        self.0.scope(work)
    }
}

/// Runs it; none where it panics.
pub(crate) fn caught<R>(run: impl FnOnce() -> R) -> Option<R> {
    let payload = match catch_unwind(AssertUnwindSafe(run)) {
        Ok(done) => return Some(done),
        Err(payload) => payload,
    };
    // The payload is the host's, and its drop may panic too; that second payload is leaked.
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(payload);
    }
    None
}

impl fmt::Debug for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Threads({})", self.count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::time::Duration;

    const LONG: Duration = Duration::from_secs(10);

    #[test]
    fn work_runs_in_turn_and_a_panic_takes_nobody_with_it() {
        /// A payload whose drop panics as well.
        struct Spiteful;
        impl Drop for Spiteful {
            fn drop(&mut self) {
                panic!("a fault in a fault, on purpose");
            }
        }
        let threads = Threads::new(1).unwrap();
        let (sender, done) = mpsc::channel();
        threads.spawn(|| panic!("a fault, on purpose"));
        threads.spawn(|| std::panic::panic_any(Spiteful));
        for k in 0..100 {
            let sender = sender.clone();
            threads.spawn(move || sender.send(k).unwrap());
        }
        let order: Vec<_> = (0..100).map(|_| done.recv_timeout(LONG).unwrap()).collect();
        assert!(order.is_sorted(), "{order:?}");
    }

    #[test]
    fn what_was_spawned_runs_though_the_last_clone_is_gone() {
        let threads = Threads::new(2).unwrap();
        let (sender, done) = mpsc::channel();
        let (open, gate) = mpsc::channel::<()>();
        let own = threads.clone();
        threads.spawn(move || {
            gate.recv().unwrap();
            for k in 0..10 {
                let sender = sender.clone();
                own.spawn(move || sender.send(k).unwrap());
            }
        });
        drop(threads);
        open.send(()).unwrap();
        let order: Vec<_> = (0..10).map(|_| done.recv_timeout(LONG).unwrap()).collect();
        assert_eq!(order.len(), 10);
    }

    #[test]
    fn a_thread_knows_whose_it_is() {
        let [ours, theirs] = [1, 1].map(|count| Threads::new(count).unwrap());
        assert!(!ours.is_current());
        let (sender, done) = mpsc::channel();
        let both = [ours.clone(), theirs];
        ours.spawn(move || sender.send(both.map(|threads| threads.is_current())).unwrap());
        assert_eq!(done.recv_timeout(LONG).unwrap(), [true, false]);
    }
}
