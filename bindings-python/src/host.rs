//! Callables of the host, called from threads of guarita: sinks, clocks, listeners, providers.

use crate::callable::Callable;
use crate::error::from_py;
use crate::own_thread::{is_own_thread, on_own_thread};
use guarita::{Error, ErrorCode, Result};
use guarita_face::{HostCalls, defaults};
use pyo3::prelude::*;

/// Calls of host callables in progress. None is begun once the interpreter shuts down.
static CALLS: HostCalls = HostCalls::new();

/// Whether the interpreter is shutting down.
pub(crate) fn is_ending() -> bool {
    CALLS.is_ending()
}

/// Runs `work` with the interpreter lock; none where the interpreter goes down.
pub(crate) fn attach<R>(work: impl FnOnce(Python<'_>) -> R) -> Option<R> {
    let call = CALLS.begin()?;
    let done = on_own_thread(work);
    if call.is_foreign() && is_own_thread() {
        end_child();
    }
    drop(call);
    done
}

/// Calls a host callable, and turns an exception into an error of the core.
///
/// # Errors
/// What it raised; `Cancelled` where the interpreter goes down.
pub(crate) fn ask<R>(what: &str, work: impl FnOnce(Python<'_>) -> PyResult<R>) -> Result<R> {
    attach(|py| work(py).map_err(|error| from_py(py, what, error)))
        .unwrap_or_else(|| Err(Error::new(ErrorCode::Cancelled, "the interpreter is going down")))
}

/// Notifies a host callable; its exceptions go to `sys.unraisablehook`.
pub(crate) fn tell(callable: &Callable, make: impl FnOnce(Python<'_>) -> PyResult<Py<PyAny>>) {
    attach(|py| {
        let Some(callable) = callable.get(py) else { return };
        let told = make(py).and_then(|news| callable.call1((news,)));
        if let Err(error) = told {
            error.write_unraisable(py, Some(&callable));
        }
    });
}

/// Ends a process that was forked inside a callable, and returned from it. The other threads of guarita were not copied
/// by the fork, and this one would wait for them for ever.
fn end_child() -> ! {
    Python::try_attach(|py| {
        let why = "a process that was forked inside of a callable of guarita's came back from it: end it with os._exit, or \
                   start it with multiprocessing or subprocess";
        crate::error::raise(ErrorCode::InvalidState, why).write_unraisable(py, None);
    });
    guarita_face::end_child()
}

/// Called by `atexit`: lets the callables that run come to their end, since a thread that is inside of Python when the
/// interpreter ends is ended there, with what it holds.
#[pyfunction]
pub(crate) fn _end(py: Python<'_>) {
    py.detach(|| CALLS.end(defaults::CALLS_AT_EXIT));
}
