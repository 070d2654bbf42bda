//! Calls into the host's code: counted, so that the end of a process can wait for them, and none begins after that.

use crate::fork::generation;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

/// Between two looks whether the calls have ended.
const LOOK: Duration = Duration::from_millis(2);
const COUNT: u64 = u32::MAX as u64;

/// Counts the threads that are inside of the host's code. A plain number, since a fork may come at any time: a child counts
/// anew.
#[derive(Debug, Default)]
pub struct HostCalls {
    ending: AtomicBool,
    /// The generation in the upper half, and how many are inside in the lower.
    inside: AtomicU64,
}

/// A call into the host's code that is under way.
#[derive(Debug)]
#[must_use = "the call is over when this is dropped"]
pub struct HostCall<'a> {
    calls: &'a HostCalls,
    born: u64,
}

impl HostCalls {
    /// Nobody is inside.
    pub const fn new() -> Self {
        Self { ending: AtomicBool::new(false), inside: AtomicU64::new(0) }
    }

    /// Begins a call; none once the process is ending, since the host's code must not run any more.
    pub fn begin(&self) -> Option<HostCall<'_>> {
        let call = HostCall { calls: self, born: generation() };
        self.change(call.born, |count| count + 1);
        // Counted first and looked at then, so that the end has seen all who go in.
        (!self.is_ending()).then_some(call)
    }

    /// Whether [`end`](Self::end) was called.
    pub fn is_ending(&self) -> bool {
        self.ending.load(SeqCst)
    }

    /// Lets no more calls begin, and waits for those under way, `patience` at the longest.
    pub fn end(&self, patience: Duration) {
        self.ending.store(true, SeqCst);
        let mut left = patience;
        while self.inside() > 0 && !left.is_zero() {
            std::thread::park_timeout(LOOK);
            left = left.saturating_sub(LOOK);
        }
    }

    /// Threads that are inside, of this process.
    pub fn inside(&self) -> u64 {
        let inside = self.inside.load(SeqCst);
        if inside & !COUNT == mark(generation()) { inside & COUNT } else { 0 }
    }

    fn change(&self, born: u64, change: impl Fn(u64) -> u64) {
        let changed = |inside: u64| {
            let count = if inside & !COUNT == mark(born) { inside & COUNT } else { 0 };
            Some(mark(born) | change(count) & COUNT)
        };
        // It always gives a value, so that it cannot fail.
        let _ = self.inside.fetch_update(SeqCst, SeqCst, changed);
    }
}

/// The generation's place in the number.
fn mark(generation: u64) -> u64 {
    generation << 32
}

impl HostCall<'_> {
    /// Whether the process forked inside of the call, and this is the child.
    pub fn is_foreign(&self) -> bool {
        self.born != generation()
    }
}

impl Drop for HostCall<'_> {
    fn drop(&mut self) {
        // After a fork inside of the host's code, the child has counted nobody.
        if !self.is_foreign() {
            self.calls.change(self.born, |count| count.saturating_sub(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn the_end_waits_for_calls_under_way_and_lets_none_begin() {
        let calls = HostCalls::new();
        let call = calls.begin().unwrap();
        let (sender, gate) = mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                gate.recv().unwrap();
                drop(call);
            });
            assert_eq!(calls.inside(), 1);
            // Somebody who never comes back is not waited for.
            calls.end(Duration::from_millis(10));
            assert!(calls.is_ending() && calls.begin().is_none());
            assert_eq!(calls.inside(), 1, "one that may not begin is not counted");
            sender.send(()).unwrap();
            calls.end(Duration::from_secs(600));
            assert_eq!(calls.inside(), 0);
        });
    }

    #[test]
    fn calls_on_many_threads_add_up() {
        let calls = HostCalls::new();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..10_000 {
                        let (outer, inner) = (calls.begin().unwrap(), calls.begin().unwrap());
                        assert!((2..=8).contains(&calls.inside()));
                        drop((outer, inner));
                    }
                });
            }
        });
        assert_eq!(calls.inside(), 0);
    }
}
