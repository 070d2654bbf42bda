use crate::time;
use pyo3::prelude::*;
use pyo3::types::PyDict;

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
    fn last_error<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        self.0
            .last_error
            .as_ref()
            .map(|last| {
                let dict = PyDict::new(py);
                dict.set_item("code", last.code.to_string())?;
                dict.set_item("message", &last.message)?;
                dict.set_item("at", time::float(last.at))?;
                Ok(dict)
            })
            .transpose()
    }

    /// How long answers took lately, in seconds: `p50`, `p95` and `p99`; None where there were none.
    #[getter]
    fn latency<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        self.0
            .latency
            .as_ref()
            .map(|latency| {
                let dict = PyDict::new(py);
                dict.set_item("p50", latency.p50.as_secs_f64())?;
                dict.set_item("p95", latency.p95.as_secs_f64())?;
                dict.set_item("p99", latency.p99.as_secs_f64())?;
                Ok(dict)
            })
            .transpose()
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
    pub(crate) fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        dict.set_item("live", self.live())?;
        dict.set_item("ready", self.ready())?;
        dict.set_item("degraded", self.degraded())?;
        dict.set_item("last_error", self.last_error(py)?)?;
        dict.set_item("latency", self.latency(py)?)?;
        dict.set_item("in_flight", self.in_flight())?;
        dict.set_item("expected_wait", self.expected_wait())?;
        Ok(dict)
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
