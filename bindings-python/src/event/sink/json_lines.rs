use crate::config::{from_kwargs, to_py};
use crate::error::OrRaise;
use crate::text;
use guarita::event::JsonLinesConfig;
use guarita::registry::{JsonLinesFile, SinkKind};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::path::PathBuf;

/// Writes events to a file, one line of JSON each, and puts it aside before it grows too large. The pipeline that it is given
/// to opens the file.
///
/// Args:
///     path: The file; it is made where it is not there.
///     **config: As in `JsonLinesConfig`: `max_bytes`, `keep`, `fsync`.
///
/// Raises:
///     InvalidConfig: A field that cannot be so; the message names it.
#[pyclass(frozen, module = "guarita")]
pub(crate) struct JsonLinesSink {
    path: PathBuf,
    options: JsonLinesConfig,
}

#[pymethods]
impl JsonLinesSink {
    #[new]
    #[pyo3(signature = (path, **config))]
    fn new(#[pyo3(from_py_with = text::path)] path: PathBuf, config: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let sink = Self { path, options: from_kwargs(config, [])? };
        sink.core().validate().or_raise()?;
        Ok(sink)
    }

    /// The file.
    #[getter]
    fn path(&self) -> String {
        self.path.display().to_string()
    }

    /// How the file is kept, defaults included.
    #[getter]
    fn config<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_py(py, &self.options)
    }

    fn __repr__(&self) -> String {
        format!("JsonLinesSink({:?})", self.path())
    }
}

impl JsonLinesSink {
    pub(super) fn core(&self) -> JsonLinesFile {
        JsonLinesFile { path: self.path.clone(), options: self.options.clone() }
    }
}
