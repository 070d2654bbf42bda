use crate::config::to_py;
use pyo3::prelude::*;

/// How a provider does.
#[pyclass(frozen, module = "guarita")]
pub(crate) struct Health(pub(crate) guarita::provider::Health);

#[pymethods]
impl Health {
    /// Whether it works at all.
    #[getter]
    fn live(&self) -> bool {
        self.0.live
    }

    /// Whether a request has a chance now.
    #[getter]
    fn ready(&self) -> bool {
        self.0.ready
    }

    /// Why it is not all that it could be; None where it is.
    #[getter]
    fn degraded(&self) -> Option<&str> {
        self.0.degraded.as_deref()
    }

    /// The last error: `code`, `message` and `at` (seconds on the provider's clock); None where there was none.
    #[getter]
    fn last_error<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_py(py, &self.0.last_error)
    }

    /// How long answers took lately, in seconds: `p50`, `p95` and `p99`; None where there were none.
    #[getter]
    fn latency<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_py(py, &self.0.latency)
    }

    /// Requests that are not answered yet.
    #[getter]
    fn in_flight(&self) -> usize {
        self.0.in_flight
    }

    /// How long a request would wait before somebody begins with it, in seconds.
    #[getter]
    fn expected_wait(&self) -> f64 {
        self.0.expected_wait.as_secs_f64()
    }

    /// All of it as plain values, for JSON.
    pub(crate) fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_py(py, &self.0)
    }

    fn __repr__(&self) -> String {
        let state = if !self.0.live {
            "dead"
        } else if !self.0.ready {
            "not ready"
        } else {
            "ready"
        };
        let degraded = self.degraded().map(|why| format!(", degraded: {why}")).unwrap_or_default();
        format!("<Health {state}{degraded}>")
    }
}
