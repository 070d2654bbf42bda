//! Where the streams take their locks from, so that the package in `core/loom` can put instrumented ones in their place.

pub(crate) use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

/// Waits for `most` at the longest while `still` holds.
pub(crate) fn wait_while<'a, T>(
    woken: &Condvar,
    guard: MutexGuard<'a, T>,
    most: Duration,
    still: impl Fn(&T) -> bool,
) -> MutexGuard<'a, T> {
    let waited = woken.wait_timeout_while(guard, most, |state| still(state));
    waited.unwrap_or_else(PoisonError::into_inner).0
}
