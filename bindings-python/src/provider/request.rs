use crate::config::to_py;
use crate::frame::Frame;
use crate::geometry::BoundingBox;
use pyo3::prelude::*;

/// What a provider of the host is asked.
#[pyclass(frozen, module = "guarita")]
pub(crate) struct Request(pub(crate) guarita::provider::Request);

#[pymethods]
impl Request {
    /// The pictures.
    #[getter]
    fn frames(&self) -> Vec<Frame> {
        self.0.frames.iter().cloned().map(Frame::from).collect()
    }

    /// The part of each picture to look at, in pixels; empty for whole pictures.
    #[getter]
    fn regions(&self) -> Vec<BoundingBox> {
        self.0.regions.iter().copied().map(BoundingBox).collect()
    }

    /// `labels`, `text` or `faces`.
    #[getter]
    fn want(&self) -> &'static str {
        self.0.want.as_str()
    }

    /// Less sure findings may be left out; 0..1.
    #[getter]
    fn min_confidence(&self) -> f32 {
        self.0.min_confidence
    }

    /// When the answer is of no use any more, in seconds of the provider's clock; None for never.
    #[getter]
    fn deadline(&self) -> Option<f64> {
        self.0.deadline.map(guarita::Timestamp::as_secs_f64)
    }

    /// `low`, `normal` or `critical`.
    #[getter]
    fn priority<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_py(py, &self.0.priority)
    }

    /// The key that makes a repeated request the same request.
    #[getter]
    fn idempotency_key(&self) -> Option<&str> {
        self.0.idempotency_key.as_deref()
    }

    /// Whom a budget counts it for; empty for nobody.
    #[getter]
    fn tenant(&self) -> &str {
        &self.0.tenant
    }

    /// Whether the asker took it back.
    #[getter]
    fn cancelled(&self) -> bool {
        self.0.cancellation.is_cancelled()
    }

    fn __repr__(&self) -> String {
        format!("<Request {} in {} frame(s)>", self.0.want, self.0.frames.len())
    }
}
