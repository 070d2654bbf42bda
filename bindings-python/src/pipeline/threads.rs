//! The number of threads.

use crate::error::detached;
use crate::fork::Native;
use pyo3::prelude::*;

/// Threads that several parts share, so that one number counts all threads of a program.
///
/// Args:
///     count: 1..256.
#[pyclass(frozen, module = "guarita")]
pub(crate) struct Threads(Native<guarita::Threads>);

impl Threads {
    pub(crate) fn get(&self) -> PyResult<&guarita::Threads> {
        self.0.get("Threads")
    }
}

#[pymethods]
impl Threads {
    #[new]
    fn new(py: Python<'_>, count: usize) -> PyResult<Self> {
        detached(py, || guarita::Threads::new(count)).map(|threads| Self(Native::new(threads)))
    }

    /// How many there are.
    #[getter]
    fn count(&self) -> PyResult<usize> {
        Ok(self.get()?.count())
    }

    fn __repr__(&self) -> String {
        format!("Threads({})", self.0.peek().count())
    }
}
