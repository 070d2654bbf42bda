//! All that a pipeline knows, as data.

use super::Account;
use crate::error::detached;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// All that a pipeline knows, at one moment of each camera: accounts, decisions, samplers, motion gates, confirmation, triggers,
/// and events that were not delivered yet. Frames that were on their way are not in it; they count as `dropped_shutdown`.
///
/// >>> checkpoint = pipeline.checkpoint()                                       # doctest: +SKIP
/// >>> again = PipelineCheckpoint.from_bytes(checkpoint.to_bytes())             # doctest: +SKIP
/// >>> with Pipeline(provider, restore=again) as pipeline: ...                  # doctest: +SKIP
#[pyclass(frozen, eq, module = "guarita")]
#[derive(PartialEq)]
pub(crate) struct PipelineCheckpoint(pub(super) guarita::pipeline::PipelineCheckpoint);

#[pymethods]
impl PipelineCheckpoint {
    /// From what `to_bytes` gave.
    ///
    /// Raises:
    ///     DataCorrupt: Bytes that are cut off, damaged or no checkpoint.
    ///     Unsupported: A checkpoint of another version of guarita. In both cases a pipeline starts cold.
    #[staticmethod]
    fn from_bytes(data: &Bound<'_, PyBytes>) -> PyResult<Self> {
        let bytes = data.as_bytes();
        detached(data.py(), || guarita::pipeline::PipelineCheckpoint::from_bytes(bytes)).map(Self)
    }

    /// As bytes: about 1.3 MB for each camera with a motion gate, and 45 bytes for each decision that `explain` reaches.
    fn to_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = detached(py, || Ok(self.0.to_bytes()))?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// The same without what motion gates have learnt, which is nearly all of it: they then take some seconds to learn again.
    fn without_gates(&self, py: Python<'_>) -> PyResult<Self> {
        detached(py, || Ok(self.0.clone().without_gates())).map(Self)
    }

    /// The names of the cameras in it.
    #[getter]
    fn cameras(&self) -> Vec<&str> {
        self.0.cameras().map(guarita::CameraId::as_str).collect()
    }

    /// What became of all frames up to it; nothing in it is in flight.
    #[getter]
    fn account(&self) -> Account {
        Account(self.0.account())
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyBytes>,))> {
        Ok((py.get_type::<Self>().getattr("from_bytes")?, (self.to_bytes(py)?,)))
    }

    fn __repr__(&self) -> String {
        format!("<PipelineCheckpoint of {} cameras, {} frames>", self.0.cameras().count(), self.0.account().pushed)
    }
}
