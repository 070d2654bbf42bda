//! Callables of the host that threads of guarita call.

use crate::error::raise;
use guarita::ErrorCode;
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};
use std::sync::{Arc, Mutex, PoisonError};

/// A callable that a guarita thread holds, and that the Python object it was given to can release: in a reference
/// cycle, Python's collector finds the only reference here, and clears it.
#[derive(Clone)]
pub(crate) struct Callable {
    /// Only held for moments in which the interpreter lock is held too, so that no fork finds it locked.
    held: Arc<Mutex<Option<Py<PyAny>>>>,
}

impl Callable {
    /// Takes a callable; `what` names it in an error.
    ///
    /// # Errors
    /// `InvalidArgument` for what cannot be called, or would give a coroutine that nobody awaits.
    pub(crate) fn new(any: &Bound<'_, PyAny>, what: &str) -> PyResult<Self> {
        let wrong = |why: &str| raise(ErrorCode::InvalidArgument, format!("{what} {why}"));
        if !any.is_callable() {
            return Err(wrong(&format!("must be callable, and {} is not", any.get_type().name()?)));
        }
        let inspect = any.py().import("inspect")?;
        if inspect.call_method1("iscoroutinefunction", (any,))?.is_truthy()? {
            return Err(wrong("is an async function; it is called on a thread without a loop, where nobody awaits it"));
        }
        Ok(Self { held: Arc::new(Mutex::new(Some(any.clone().unbind()))) })
    }

    /// The callable; none once it was released.
    pub(crate) fn get<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|held| held.bind(py).clone())
    }

    /// Releases the callable.
    pub(crate) fn clear(&self) {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(held);
    }

    /// For Python's collector.
    pub(crate) fn visit(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        let held = self.held.try_lock();
        held.map_or(Ok(()), |held| visit.call(&*held))
    }
}
