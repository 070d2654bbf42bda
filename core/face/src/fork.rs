//! What a fork leaves behind: threads do not come along, so what has threads must not be used, or even be let go, in the child;
//! and a lock that another thread held at that moment stays locked there for ever.

use guarita::{Error, ErrorCode, Result};
use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

static GENERATION: AtomicU64 = AtomicU64::new(0);

/// How many forks lie between this process and the one that called [`watch_forks`].
pub fn generation() -> u64 {
    GENERATION.load(Ordering::Relaxed)
}

/// Counts forks from here on. A face calls it when it is loaded; a second call does nothing. Where the system has no fork,
/// nothing is counted.
pub fn watch_forks() {
    #[cfg(unix)]
    {
        extern "C" fn in_child() {
            GENERATION.fetch_add(1, Ordering::Relaxed);
        }
        static WATCHED: std::sync::Once = std::sync::Once::new();
        WATCHED.call_once(|| {
            // SAFETY: the handler only changes an atomic number, which may be done between fork and exec. The C library forgets
            // it where the library that holds it is unloaded.
            #[allow(unsafe_code, reason = "the C library alone knows of every fork")]
            unsafe {
                libc::pthread_atfork(None, None, Some(in_child));
            }
        });
    }
}

/// Ends a child of a fork at once and without success, without what only the parent may do when it ends.
pub fn end_child() -> ! {
    #[cfg(unix)]
    #[allow(unsafe_code, reason = "the way out that runs nothing of the parent's")]
    // SAFETY: it may be called at any time, and does not return.
    unsafe {
        libc::_exit(1)
    }
    #[cfg(not(unix))]
    std::process::abort()
}

/// How a language lets values of guarita go: some wait for threads when they end, and those may wait for a lock of the
/// language's.
pub trait LetGo {
    /// Drops the value, or leaves it where it lies.
    fn let_go<T: Send>(value: T);
}

/// Lets values go where they are dropped.
#[derive(Clone, Copy, Debug)]
pub struct AtOnce;

impl LetGo for AtOnce {
    fn let_go<T: Send>(value: T) {
        drop(value);
    }
}

/// A value that is let go in the manner of a language.
pub struct Held<T: Send, L: LetGo = AtOnce> {
    value: ManuallyDrop<T>,
    manner: PhantomData<fn() -> L>,
}

impl<T: Send, L: LetGo> Held<T, L> {
    /// Holds it.
    pub fn new(value: T) -> Self {
        Self { value: ManuallyDrop::new(value), manner: PhantomData }
    }

    /// The value for good, to be dropped in any manner.
    pub fn into_inner(self) -> T {
        let mut held = ManuallyDrop::new(self);
        // SAFETY: taken once, here: neither the value nor what holds it is used or dropped afterwards.
        #[allow(unsafe_code, reason = "a value whose holder has a drop of its own is given away")]
        unsafe {
            ManuallyDrop::take(&mut held.value)
        }
    }
}

impl<T: Send, L: LetGo> Deref for Held<T, L> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: Send, L: LetGo> Drop for Held<T, L> {
    fn drop(&mut self) {
        // SAFETY: taken once, here, and not used afterwards.
        #[allow(unsafe_code, reason = "the language says how it is dropped")]
        L::let_go(unsafe { ManuallyDrop::take(&mut self.value) });
    }
}

impl<T: Send + fmt::Debug, L: LetGo> fmt::Debug for Held<T, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        T::fmt(self, f)
    }
}

/// A value that belongs to the process that made it. In a child of that process it is neither used nor dropped: what it holds
/// would wait for threads that are not there.
pub struct ProcessBound<T: Send, L: LetGo = AtOnce> {
    value: ManuallyDrop<Held<T, L>>,
    born: u64,
}

impl<T: Send, L: LetGo> ProcessBound<T, L> {
    /// Binds it to this process.
    pub fn new(value: T) -> Self {
        Self { value: ManuallyDrop::new(Held::new(value)), born: generation() }
    }

    /// Whether it was made before a fork.
    pub fn is_foreign(&self) -> bool {
        self.born != generation()
    }

    /// The value. `what` names it in the error, and `makers` says where hosts make one for each process.
    ///
    /// # Errors
    /// `InvalidState` in a child of the process that made it.
    pub fn get(&self, what: &str, makers: &str) -> Result<&T> {
        if self.is_foreign() {
            return Err(Error::new(
                ErrorCode::InvalidState,
                format!(
                    "this {what} was made before the process forked, and its threads did not come along: make it in the \
                     worker ({makers})"
                ),
            ));
        }
        Ok(&self.value)
    }

    /// The value for good, to be dropped in any manner.
    ///
    /// # Errors
    /// As [`get`](Self::get); the value is then left where it lies.
    pub fn into_inner(self, what: &str, makers: &str) -> Result<T> {
        self.get(what, makers)?;
        let mut bound = ManuallyDrop::new(self);
        // SAFETY: taken once, here: neither the value nor what holds it is used or dropped afterwards.
        #[allow(unsafe_code, reason = "a value whose holder has a drop of its own is given away")]
        let held = unsafe { ManuallyDrop::take(&mut bound.value) };
        Ok(held.into_inner())
    }

    /// The value whatever process this is, for parts of it that are read only.
    pub fn peek(&self) -> &T {
        &self.value
    }
}

impl<T: Send, L: LetGo> Drop for ProcessBound<T, L> {
    fn drop(&mut self) {
        if !self.is_foreign() {
            // SAFETY: dropped once, here, and not used afterwards.
            #[allow(unsafe_code, reason = "the drop that a child leaves out")]
            unsafe {
                ManuallyDrop::drop(&mut self.value);
            }
        }
    }
}

impl<T: Send + fmt::Debug, L: LetGo> fmt::Debug for ProcessBound<T, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_foreign() { f.write_str("ProcessBound(of before the fork)") } else { T::fmt(self.peek(), f) }
    }
}

/// A value behind a lock, which each process makes for itself: a child of a fork begins with the default and a free lock,
/// whatever the parent's threads held at that moment. The parent's value is left where it lies in the child.
pub struct PerProcess<T> {
    slot: AtomicPtr<Slot<T>>,
    /// It is shared and sent as this is.
    _held: PhantomData<Mutex<T>>,
}

struct Slot<T> {
    born: u64,
    value: Mutex<T>,
}

impl<T> PerProcess<T> {
    /// Makes nothing yet, so that it can be a static.
    pub const fn new() -> Self {
        Self { slot: AtomicPtr::new(ptr::null_mut()), _held: PhantomData }
    }
}

impl<T: Default> PerProcess<T> {
    /// The value of this process. Fork-safe: no lock of the parent's is waited for.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.slot().value.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slot(&self) -> &Slot<T> {
        loop {
            let slot = self.slot.load(Ordering::Acquire);
            // SAFETY: it is null, or came from `Box::into_raw` below. A slot that another one replaces is never freed, and the
            // current one only by `drop`, which nobody outlives who borrows `self`.
            #[allow(unsafe_code, reason = "a lock cannot guard what says whether locks can be trusted")]
            if let Some(slot) = unsafe { slot.as_ref() }
                && slot.born == generation()
            {
                return slot;
            }
            let ours = Box::into_raw(Box::new(Slot { born: generation(), value: Mutex::default() }));
            if self.slot.compare_exchange(slot, ours, Ordering::AcqRel, Ordering::Acquire).is_err() {
                // SAFETY: made above, and nobody else has seen it.
                #[allow(unsafe_code, reason = "another thread was faster")]
                drop(unsafe { Box::from_raw(ours) });
            }
        }
    }
}

impl<T: Default> Default for PerProcess<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Drop for PerProcess<T> {
    fn drop(&mut self) {
        let slot = *self.slot.get_mut();
        // SAFETY: as in `slot`; nobody borrows it any more.
        #[allow(unsafe_code, reason = "the end of what `slot` made")]
        unsafe {
            if slot.as_ref().is_some_and(|slot| slot.born == generation()) {
                drop(Box::from_raw(slot));
            }
        }
    }
}

impl<T> fmt::Debug for PerProcess<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PerProcess")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn in_its_own_process_a_bound_value_is_used_given_away_and_dropped() {
        let value = Arc::new(7);
        let bound = ProcessBound::<_>::new(Arc::clone(&value));
        assert!(!bound.is_foreign());
        assert_eq!((**bound.get("number", "").unwrap(), **bound.peek()), (7, 7));
        let given = bound.into_inner("number", "").unwrap();
        assert_eq!(Arc::strong_count(&value), 2);
        drop(ProcessBound::<_>::new(given));
        assert_eq!(Arc::strong_count(&value), 1);
    }

    #[test]
    fn a_value_is_let_go_in_the_manner_of_its_language_and_once() {
        static LET_GO: AtomicU64 = AtomicU64::new(0);
        struct Leave;
        impl LetGo for Leave {
            fn let_go<T: Send>(value: T) {
                LET_GO.fetch_add(1, Ordering::Relaxed);
                std::mem::forget(value);
            }
        }
        let value = Arc::new(());
        let hold = || Held::<_, Leave>::new(Arc::clone(&value));
        drop(hold());
        drop(ProcessBound::<_, Leave>::new(Arc::clone(&value)));
        assert_eq!((LET_GO.load(Ordering::Relaxed), Arc::strong_count(&value)), (2, 3), "left where they lie");
        drop(hold().into_inner());
        drop(ProcessBound::<_, Leave>::new(Arc::clone(&value)).into_inner("value", "").unwrap());
        assert_eq!((LET_GO.load(Ordering::Relaxed), Arc::strong_count(&value)), (2, 3), "given away, and dropped");
    }

    #[test]
    fn all_threads_of_a_process_have_one_value_which_ends_with_its_holder() {
        #[derive(Default)]
        struct Counted(u32, Option<Arc<()>>);
        let alive = Arc::new(());
        let cell = PerProcess::<Counted>::new();
        cell.lock().1 = Some(Arc::clone(&alive));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1_000).for_each(|_| cell.lock().0 += 1));
            }
        });
        assert_eq!(cell.lock().0, 4_000);
        drop(cell);
        assert_eq!(Arc::strong_count(&alive), 1);
        // One that was never used has nothing to drop.
        drop(PerProcess::<Counted>::new());
    }
}
