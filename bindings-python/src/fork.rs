//! What a fork leaves behind: threads do not come along, so what has threads must not be used, or even be let go, in the
//! child.

use crate::error::raise;
use crate::host;
use guarita::ErrorCode;
use pyo3::prelude::*;
use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicU64, Ordering};

static GENERATION: AtomicU64 = AtomicU64::new(0);

/// How many forks lie between this process and the one that loaded the module.
pub(crate) fn generation() -> u64 {
    GENERATION.load(Ordering::Relaxed)
}

/// From here on forks are counted. Called once, when the module is loaded.
pub(crate) fn watch() {
    #[cfg(unix)]
    {
        extern "C" fn in_child() {
            GENERATION.fetch_add(1, Ordering::Relaxed);
            host::in_child();
        }
        // SAFETY: the handler only changes atomic numbers, which may be done between fork and exec; it is never removed,
        // and modules of Python are never unloaded.
        #[allow(unsafe_code, reason = "the C library alone knows of every fork")]
        unsafe {
            libc::pthread_atfork(None, None, Some(in_child));
        }
    }
}

/// A value that belongs to the process that made it. In a child of that process it is neither used nor dropped: what it
/// holds would wait for threads that are not there.
pub(crate) struct Native<T: Send> {
    value: ManuallyDrop<T>,
    born: u64,
}

impl<T: Send> Native<T> {
    /// Belongs to this process.
    pub(crate) fn new(value: T) -> Self {
        Self { value: ManuallyDrop::new(value), born: generation() }
    }

    /// Whether it was made before a fork.
    pub(crate) fn is_foreign(&self) -> bool {
        self.born != generation()
    }

    /// The value; `InvalidState` in a child of the process that made it.
    pub(crate) fn get(&self, what: &str) -> PyResult<&T> {
        if self.is_foreign() {
            return Err(raise(
                ErrorCode::InvalidState,
                format!(
                    "this {what} was made before the process forked, and its threads did not come along: make it in the \
                     worker (Celery: worker_process_init; gunicorn: post_fork; multiprocessing: the initializer)"
                ),
            ));
        }
        Ok(&self.value)
    }

    /// The value for good; as [`get`](Self::get).
    pub(crate) fn into_inner(self, what: &str) -> PyResult<T> {
        self.get(what)?;
        let mut held = ManuallyDrop::new(self);
        // SAFETY: taken once, here: neither the value nor what holds it is used or dropped afterwards.
        #[allow(unsafe_code, reason = "a value that was never dropped is given away")]
        Ok(unsafe { ManuallyDrop::take(&mut held.value) })
    }

    /// The value whatever process this is, for what is read only.
    pub(crate) fn peek(&self) -> &T {
        &self.value
    }
}

impl<T: Send> Drop for Native<T> {
    fn drop(&mut self) {
        // When the interpreter goes down, the threads that it would wait for may be stopped for ever inside of Python.
        if self.is_foreign() || host::is_ending() {
            return;
        }
        // SAFETY: taken once, here, and not used afterwards.
        #[allow(unsafe_code, reason = "the drop of a value that a child must not drop")]
        let mut value = Some(unsafe { ManuallyDrop::take(&mut self.value) });
        // With the lock released: the end of a provider waits for its threads, and those may wait for the lock.
        Python::try_attach(|py| {
            let value = value.take();
            py.detach(move || drop(value));
        });
    }
}
