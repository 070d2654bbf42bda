//! What guarita finds on this machine.

use crate::config::{from_kwargs, to_py};
use crate::detector::library;
use crate::text;
use crate::wait::interruptible;
use guarita::DetectorConfig;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::path::PathBuf;

/// What guarita finds on this machine, and what is missing; `python -m guarita doctor` prints it.
///
/// Args:
///     model: A model file to open.
///     **config: As in `DetectorConfig`, to open it with: `execution_provider`, `onnxruntime` and others.
///
/// Returns:
///     Plain values: `ok`; `version`, `python`, `numpy`, `platform`, `features`, `processors`, `cpu_features`; `onnxruntime`
///     (`library`, `version` and the execution `providers` that it was built with), `ffmpeg` (`path` and `origin`),
///     `certificates` (`count`) and `model` (as `Detector.report`; None where none was given). In place of what is missing
///     stand `error`, `code` and `advice`. `ffmpeg` and certificates are needed for video files and clouds only, and do not
///     count for `ok`.
///
/// Raises:
///     InvalidConfig: A field that cannot be so; the message names it.
#[pyfunction]
#[pyo3(signature = (model=None, **config))]
pub(crate) fn doctor<'py>(
    py: Python<'py>,
    #[pyo3(from_py_with = text::optional::model)] model: Option<PathBuf>,
    config: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let mut config: DetectorConfig = from_kwargs(config, [])?;
    if config.onnxruntime.is_none() {
        // One that cannot be used is what the report is to say.
        let folder = || py.import("guarita._runtime")?.call_method0("library_folder")?.extract();
        config.onnxruntime = library(py).or_else(|_| folder())?;
    }
    let report = interruptible(py, move || Ok(guarita_face::adapters::registry()?.doctor(model.as_deref(), config)))?;
    let report = to_py(py, &report)?;
    let platform = py.import("platform")?;
    report.set_item("python", platform.call_method0("python_version")?)?;
    report.set_item("numpy", py.import("numpy")?.getattr("__version__")?)?;
    report.set_item("platform", platform.call_method0("platform")?)?;
    Ok(report)
}
