//! Why a camera's frames ended as they did.

use crate::config::to_py;
use crate::time;
use pyo3::prelude::*;
use pyo3::types::PyDateTime;

/// What became of a frame, or of several in a row of which the same is to be said, and what the decision was made on.
#[pyclass(frozen, module = "guarita")]
pub(crate) struct Decision(pub(super) guarita::pipeline::Decision);

#[pymethods]
impl Decision {
    /// Presentation time of the (first) frame, in seconds.
    #[getter]
    fn begin(&self) -> f64 {
        self.0.from.as_secs_f64()
    }

    /// Presentation time of the (last) frame, in seconds.
    #[getter]
    fn end(&self) -> f64 {
        self.0.to.as_secs_f64()
    }

    /// Civil time of the (first) frame, in UTC, to the second.
    #[getter]
    fn time<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDateTime>> {
        time::datetime(py, self.0.time)
    }

    /// How many frames.
    #[getter]
    fn frames(&self) -> u32 {
        self.0.frames
    }

    /// How they ended; the names are those of `Account.outcomes`.
    #[getter]
    fn outcome(&self) -> String {
        self.0.outcome.name()
    }

    /// What the motion gate took the picture for, such as `moving`; None where it was not asked.
    #[getter]
    fn gate<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_py(py, &self.0.gate)
    }

    /// Why the gate was open: `motion`, `linger` or `heartbeat`; None where it was closed.
    #[getter]
    fn open<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_py(py, &self.0.open)
    }

    /// The largest share of the picture that moved, 0..1.
    #[getter]
    fn motion(&self) -> f32 {
        self.0.motion
    }

    /// What other changes of the picture were ignored for, as in `Motion.ignored`.
    #[getter]
    fn ignored<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_py(py, &self.0.ignored)
    }

    /// The mean luma of the picture, 0..255; 0 where nobody looked.
    #[getter]
    fn luma(&self) -> u8 {
        self.0.luma
    }

    /// Seconds from the push until it ended; the longest.
    #[getter]
    fn age(&self) -> f64 {
        f64::from(self.0.age_ms) / 1e3
    }

    /// Objects that the provider found.
    #[getter]
    fn found(&self) -> u16 {
        self.0.found
    }

    /// Those of them that counted: by label, confidence and place.
    #[getter]
    fn counted(&self) -> u16 {
        self.0.counted
    }

    /// Events that it led to.
    #[getter]
    fn events(&self) -> u16 {
        self.0.events
    }

    /// Frames of the camera that waited when it came.
    #[getter]
    fn waiting(&self) -> u16 {
        self.0.waiting
    }

    /// All of it as plain values, for JSON.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_py(py, &self.0)
    }

    /// All of it in one line, for people.
    fn __str__(&self) -> String {
        self.0.to_string()
    }

    fn __repr__(&self) -> String {
        format!("<Decision {}>", self.0)
    }
}
