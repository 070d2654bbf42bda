//! The Python face of guarita: conversion and documentation, no decisions. Files are named as the core's nouns.

mod config;
mod detection;
mod detector;
mod error;
mod fork;
mod frame;
mod future;
mod geometry;
mod model;
mod pipeline;
mod provider;
mod time;
mod wait;

use pyo3::exceptions::PyImportError;
use pyo3::prelude::*;
use std::sync::OnceLock;

/// Refuses a second interpreter of the same process: threads of guarita, its classes and exceptions belong to the one that
/// loaded it. `import guarita` calls it, since the module itself is not always loaded anew there.
#[pyfunction]
#[allow(unsafe_code, reason = "pyo3 has no call for the number of an interpreter")]
fn _check_interpreter() -> PyResult<()> {
    static HOME: OnceLock<i64> = OnceLock::new();
    // SAFETY: the lock of the current interpreter is held, as in every call from Python.
    let here = unsafe { pyo3::ffi::PyInterpreterState_GetID(pyo3::ffi::PyInterpreterState_Get()) };
    if *HOME.get_or_init(|| here) == here {
        return Ok(());
    }
    Err(PyImportError::new_err(
        "guarita works in one interpreter of a process, and this is a second one (a subinterpreter). Under mod_wsgi, set \
         WSGIApplicationGroup %{GLOBAL}",
    ))
}

/// guarita's native module; import `guarita`.
#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    fork::watch();
    _check_interpreter()?;
    wait::note_main_thread(module.py())?;
    module.add_function(wrap_pyfunction!(_check_interpreter, module)?)?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<frame::Frame>()?;
    module.add_class::<geometry::Polygon>()?;
    module.add_class::<geometry::BoundingBox>()?;
    module.add_class::<detection::Detection>()?;
    module.add_class::<detection::ImageLabel>()?;
    module.add_class::<detection::Timing>()?;
    module.add_class::<detection::Detections>()?;
    module.add_class::<model::ModelSpec>()?;
    module.add_class::<detector::Detector>()?;
    module.add_class::<time::ManualClock>()?;
    module.add_class::<provider::Provider>()?;
    module.add_class::<provider::Health>()?;
    module.add_class::<provider::Request>()?;
    module.add_class::<provider::Response>()?;
    module.add_class::<provider::LocalProvider>()?;
    module.add_class::<pipeline::Threads>()?;
    Ok(())
}
