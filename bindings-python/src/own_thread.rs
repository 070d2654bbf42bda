//! Host code on guarita's threads.

use pyo3::ffi;
use pyo3::prelude::*;

/// Runs `work`, which may run code of the host's, on a thread of guarita's; none where the interpreter is going down.
///
/// What that code keeps by thread (`threading.local`, and so the connections of most databases) is there at the next call.
pub(crate) fn on_own_thread<R>(work: impl FnOnce(Python<'_>) -> R) -> Option<R> {
    // Once around the waits for the lock, and once inside of what gives it back.
    let waits = Stay;
    // An error is a thread that is ending.
    let _ = KNOWN.try_with(|_| ());
    let done = Python::try_attach(|py| {
        let works = Stay;
        let done = work(py);
        std::mem::forget(works);
        done
    });
    std::mem::forget(waits);
    done
}

/// Whether this is a guarita thread that has called host code.
pub(crate) fn is_own_thread() -> bool {
    KNOWN.try_with(|known| known.0.is_some()).unwrap_or(false)
}

/// While the interpreter goes down, CPython before 3.14 ends a thread that asks for its lock, in the middle of what it does
/// (`pthread_exit`). That would run the destructors of all that lies below on the stack, the first of which ends the process.
/// The thread stays where it is instead, as it does from CPython 3.14 on.
struct Stay;

impl Drop for Stay {
    fn drop(&mut self) {
        // A panic is no such end.
        while !std::thread::panicking() {
            std::thread::park();
        }
    }
}

thread_local! {
    static KNOWN: Known = Known::new();
}

/// Python's record of this thread, kept from the first call on until the thread ends: without it, each call would be one of a
/// new thread for Python. None for a thread that Python knows by itself.
struct Known(Option<(ffi::PyGILState_STATE, *mut ffi::PyThreadState)>);

impl Known {
    fn new() -> Self {
        #[allow(unsafe_code, reason = "pyo3 attaches a thread for the time of a call only")]
        // SAFETY: the first two only read, and may be called on any thread at any time. The record that the third makes is put
        // aside by the fourth, so that the lock is not held on return; both go together, and nothing else lies between.
        unsafe {
            if ffi::Py_IsInitialized() == 0 || !ffi::PyGILState_GetThisThreadState().is_null() {
                return Self(None);
            }
            let state = ffi::PyGILState_Ensure();
            Self(Some((state, ffi::PyEval_SaveThread())))
        }
    }
}

impl Drop for Known {
    /// Releases Python's thread state when the thread ends.
    fn drop(&mut self) {
        let Some((state, thread)) = self.0.take() else { return };
        #[allow(unsafe_code, reason = "the way back of what `new` did")]
        // SAFETY: the record is this thread's own and not in use, as no call is under way here. Where the interpreter is gone,
        // so is the record.
        unsafe {
            if ffi::Py_IsInitialized() != 0 {
                ffi::PyEval_RestoreThread(thread);
                ffi::PyGILState_Release(state);
            }
        }
    }
}
