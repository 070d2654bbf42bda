//! The answers themselves, for a host that wants every one of them.

use crate::config::to_py;
use crate::detection::Detections;
use crate::event::{Object, objects};
use crate::time;
use pyo3::prelude::*;
use pyo3::types::{PyDateTime, PyDict};
use std::sync::Arc;

/// What was found in one frame of a camera.
#[pyclass(frozen, module = "guarita")]
pub(crate) struct FrameResult(pub(crate) Arc<guarita::event::FrameResult>);

#[pymethods]
impl FrameResult {
    /// 32 hexadecimal digits, the same however often the result is delivered.
    #[getter]
    fn id(&self) -> &str {
        &self.0.id
    }

    /// The name of the camera.
    #[getter]
    fn camera(&self) -> &str {
        self.0.camera.as_str()
    }

    /// Presentation time of the frame, in seconds.
    #[getter]
    fn pts(&self) -> f64 {
        self.0.pts.as_secs_f64()
    }

    /// Civil time of the frame, in UTC, to the second.
    #[getter]
    fn time<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDateTime>> {
        time::datetime(py, self.0.time)
    }

    /// The frame's number.
    #[getter]
    fn seq(&self) -> u64 {
        self.0.seq
    }

    /// Whether the answer was used again for the same picture.
    #[getter]
    fn cached(&self) -> bool {
        self.0.cached
    }

    /// What counts of what was found: by label, confidence and place.
    #[getter]
    fn detections(&self) -> Detections {
        self.0.detections.clone().into()
    }

    /// The objects that are confirmed, surest first.
    #[getter]
    fn objects(&self) -> Vec<Object> {
        objects(&self.0.objects)
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

    /// The mean luma of the picture, 0..255.
    #[getter]
    fn luma(&self) -> u8 {
        self.0.luma
    }

    /// All of it as plain values, for JSON.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        dict.set_item("id", self.id())?;
        dict.set_item("camera", self.camera())?;
        dict.set_item("pts", self.pts())?;
        dict.set_item("time", self.0.time.as_secs())?;
        dict.set_item("seq", self.seq())?;
        dict.set_item("cached", self.cached())?;
        dict.set_item("detections", to_py(py, &self.0.detections)?)?;
        dict.set_item("objects", to_py(py, &self.0.objects)?)?;
        dict.set_item("provider", self.provider())?;
        dict.set_item("reason", self.reason(py)?)?;
        dict.set_item("luma", self.luma())?;
        Ok(dict)
    }

    fn __repr__(&self) -> String {
        let found = self.0.detections.len();
        format!("<FrameResult of {:?} at {} s: {found} found, by {}>", self.camera(), self.pts(), self.0.answer)
    }
}
