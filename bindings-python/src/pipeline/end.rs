//! The end of pipelines that nobody ended.

use guarita_face::end_pipelines;
use pyo3::prelude::*;

/// Ends what nobody ended, so that no thread of guarita runs code of the host's while the interpreter goes down.
#[pyfunction]
#[pyo3(name = "_end_all")]
pub(crate) fn end_all(py: Python<'_>) {
    py.detach(end_pipelines);
}
