//! Futures of asyncio that threads of guarita complete: no thread waits for them.

use crate::error::raise;
use crate::host;
use guarita::ErrorCode;
use guarita::provider::Cancellation;
use pyo3::prelude::*;

/// The side of a future that completes it.
pub(crate) struct Promise {
    event_loop: Py<PyAny>,
    future: Py<PyAny>,
}

impl Promise {
    /// A future of the running loop, and its other side.
    ///
    /// # Errors
    /// `InvalidState` where no loop runs on this thread.
    pub(crate) fn new(py: Python<'_>) -> PyResult<(Self, Bound<'_, PyAny>)> {
        let event_loop = py.import("asyncio")?.call_method0("get_running_loop").map_err(|_| {
            raise(
                ErrorCode::InvalidState,
                "no event loop runs on this thread: await this inside of a coroutine, or use the call without _async",
            )
        })?;
        let future = event_loop.call_method0("create_future")?;
        Ok((Self { event_loop: event_loop.unbind(), future: future.clone().unbind() }, future))
    }

    /// Cancels the request when the future is cancelled.
    pub(crate) fn cancels(&self, py: Python<'_>, request: Cancellation) -> PyResult<()> {
        self.future.call_method1(py, "add_done_callback", (Canceller(request),)).map(|_| ())
    }

    /// Completes the future on its event loop, unless that was closed.
    pub(crate) fn settle(self, make: impl FnOnce(Python<'_>) -> PyResult<Py<PyAny>>) {
        // Not where the interpreter is going down.
        host::attach(|py| {
            let (value, error) = match make(py) {
                Ok(value) => (value, py.None()),
                Err(error) => (py.None(), error.into_value(py).into_any()),
            };
            let Ok(settle) = pyo3::wrap_pyfunction!(settle, py) else { return };
            let _ = self.event_loop.call_method1(py, "call_soon_threadsafe", (settle, self.future, value, error));
        });
    }
}

/// Runs on the loop: a future that was cancelled stays so.
#[pyfunction]
fn settle(future: &Bound<'_, PyAny>, value: Bound<'_, PyAny>, error: Bound<'_, PyAny>) -> PyResult<()> {
    if future.call_method0("done")?.is_truthy()? {
        return Ok(());
    }
    if error.is_none() {
        future.call_method1("set_result", (value,))?;
    } else {
        future.call_method1("set_exception", (error,))?;
    }
    Ok(())
}

#[pyclass(frozen)]
struct Canceller(Cancellation);

#[pymethods]
impl Canceller {
    fn __call__(&self, future: &Bound<'_, PyAny>) -> PyResult<()> {
        if future.call_method0("cancelled")?.is_truthy()? {
            self.0.cancel();
        }
        Ok(())
    }
}
