//! Callables of the host, called from threads of guarita: sinks, clocks, listeners, providers.

use crate::callable::Callable;
use crate::error::from_py;
use crate::fork::generation;
use crate::own_thread::{is_own_thread, on_own_thread};
use guarita::{Error, ErrorCode, Result};
use pyo3::prelude::*;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

/// Set when the interpreter begins to go down. From then on no callable of the host is called.
static ENDING: AtomicBool = AtomicBool::new(false);
/// Threads that are inside of a callable. A plain number, since a fork may come at any time.
static INSIDE: AtomicUsize = AtomicUsize::new(0);
/// How long the end of the interpreter waits for callables that run, and how often it looks.
const PATIENCE: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(2);

/// Whether the interpreter goes down.
pub(crate) fn is_ending() -> bool {
    ENDING.load(SeqCst)
}

/// Runs `work` with the interpreter lock; none where the interpreter goes down.
pub(crate) fn attach<R>(work: impl FnOnce(Python<'_>) -> R) -> Option<R> {
    let inside = Inside::enter()?;
    let done = on_own_thread(work);
    if inside.born != generation() && is_own_thread() {
        end_child();
    }
    drop(inside);
    done
}

/// Asks a callable of the host, and turns what it raises into an error of the core.
///
/// # Errors
/// What it raised; `Cancelled` where the interpreter goes down.
pub(crate) fn ask<R>(what: &str, work: impl FnOnce(Python<'_>) -> PyResult<R>) -> Result<R> {
    attach(|py| work(py).map_err(|error| from_py(py, what, error)))
        .unwrap_or_else(|| Err(Error::new(ErrorCode::Cancelled, "the interpreter is going down")))
}

/// Tells a callable of the host; what it raises goes to `sys.unraisablehook`.
pub(crate) fn tell(callable: &Callable, make: impl FnOnce(Python<'_>) -> PyResult<Py<PyAny>>) {
    attach(|py| {
        let Some(callable) = callable.get(py) else { return };
        let told = make(py).and_then(|news| callable.call1((news,)));
        if let Err(error) = told {
            error.write_unraisable(py, Some(&callable));
        }
    });
}

/// A thread inside of a callable.
struct Inside {
    born: u64,
}

impl Inside {
    fn enter() -> Option<Self> {
        INSIDE.fetch_add(1, SeqCst);
        let inside = Self { born: generation() };
        // Counted first and looked at then, so that the end has seen all who go in.
        (!is_ending()).then_some(inside)
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        // After a fork inside of a callable, the child has counted nobody.
        if self.born == generation() {
            INSIDE.fetch_sub(1, SeqCst);
        }
    }
}

/// Ends a process that was forked inside of a callable, and came back from it: there is nobody to go on for. The other threads of
/// guarita did not come along, and this one would wait for them for ever.
#[allow(unsafe_code, reason = "the way out of a child, without what only the parent may do when it ends")]
fn end_child() {
    Python::try_attach(|py| {
        let why = "a process that was forked inside of a callable of guarita's came back from it: end it with os._exit, or \
                   start it with multiprocessing or subprocess";
        crate::error::raise(ErrorCode::InvalidState, why).write_unraisable(py, None);
    });
    // SAFETY: it may be called at any time, and does not return.
    #[cfg(unix)]
    unsafe {
        libc::_exit(1)
    }
}

/// In a child of a fork: the threads that were inside did not come along.
pub(crate) fn in_child() {
    INSIDE.store(0, SeqCst);
}

/// Called by `atexit`: lets the callables that run come to their end, since a thread that is inside of Python when the
/// interpreter ends is ended there, with what it holds.
#[pyfunction]
pub(crate) fn _end(py: Python<'_>) {
    ENDING.store(true, SeqCst);
    py.detach(|| {
        let mut left = PATIENCE;
        while INSIDE.load(SeqCst) > 0 && !left.is_zero() {
            std::thread::park_timeout(LOOK);
            left = left.saturating_sub(LOOK);
        }
    });
}
