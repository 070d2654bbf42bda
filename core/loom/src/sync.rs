//! In the place of core's `sync`: the same names, each of them known to loom.

pub(crate) use loom::sync::atomic::{AtomicUsize, Ordering};
pub(crate) use loom::sync::{Arc, Condvar, Mutex, MutexGuard};
pub(crate) use std::sync::PoisonError;
use std::time::Duration;

/// As guarita-face's, but no time passes: a wake that is lost is a deadlock.
pub(crate) fn wait_while<'a, T>(
    woken: &Condvar,
    mut guard: MutexGuard<'a, T>,
    _most: Duration,
    still: impl Fn(&T) -> bool,
) -> MutexGuard<'a, T> {
    while still(&guard) {
        guard = woken.wait(guard).unwrap_or_else(PoisonError::into_inner);
    }
    guard
}
