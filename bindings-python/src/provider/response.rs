use crate::config::to_py;
use crate::detection::Detections;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// What a provider answered.
#[pyclass(frozen, module = "guarita")]
pub(crate) struct Response(pub(crate) guarita::provider::Response);

#[pymethods]
impl Response {
    /// What was found, one for each picture.
    #[getter]
    fn detections(&self) -> Vec<Detections> {
        self.0.detections.iter().cloned().map(Detections::from).collect()
    }

    /// The provider that looked.
    #[getter]
    fn provider(&self) -> &str {
        &self.0.answer.provider
    }

    /// Why it was that one, such as `asked`, `primary` or `other-open`; `{"other-failed": code}` where the other one failed.
    #[getter]
    fn reason<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_py(py, &self.0.answer.reason)
    }

    /// The version of the model, where the provider says it.
    #[getter]
    fn model_version(&self) -> Option<&str> {
        self.0.model_version.as_deref()
    }

    /// How long the parts took, in seconds: `queue`, `prepare`, `call`, `parse` and `total`.
    #[getter]
    fn latency<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let latency = &self.0.latency;
        let dict = PyDict::new(py);
        dict.set_item("queue", latency.queue.as_secs_f64())?;
        dict.set_item("prepare", latency.prepare.as_secs_f64())?;
        dict.set_item("call", latency.call.as_secs_f64())?;
        dict.set_item("parse", latency.parse.as_secs_f64())?;
        dict.set_item("total", latency.total().as_secs_f64())?;
        Ok(dict)
    }

    /// What it cost, retries included, in millionths of a dollar.
    #[getter]
    fn cost(&self) -> u64 {
        self.0.cost.as_micros()
    }

    /// How often a remote side was called, retries included.
    #[getter]
    fn calls(&self) -> u32 {
        self.0.calls
    }

    /// All of it as plain values, for JSON.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        dict.set_item("detections", to_py(py, &self.0.detections)?)?;
        dict.set_item("provider", self.provider())?;
        dict.set_item("reason", self.reason(py)?)?;
        dict.set_item("model_version", self.model_version())?;
        dict.set_item("latency", self.latency(py)?)?;
        dict.set_item("cost", self.cost())?;
        dict.set_item("calls", self.calls())?;
        Ok(dict)
    }

    fn __repr__(&self) -> String {
        let found: usize = self.0.detections.iter().map(guarita::Detections::len).sum();
        format!("<Response {found} found, by {}>", self.0.answer)
    }
}
