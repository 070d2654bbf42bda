//! The Python face of guarita: conversion and documentation, no decisions. Files are named as the core's nouns.

mod callable;
mod config;
mod detection;
mod detector;
mod doctor;
mod error;
mod event;
mod fork;
mod frame;
mod future;
mod geometry;
mod host;
mod model;
mod motion;
mod own_thread;
mod picture;
mod pipeline;
mod pixels;
mod provider;
mod resilience;
mod source;
mod text;
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
    guarita_face::watch_forks();
    _check_interpreter()?;
    module.add_function(wrap_pyfunction!(_check_interpreter, module)?)?;
    module.add_function(wrap_pyfunction!(config::check_config, module)?)?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<frame::Frame>()?;
    module.add_class::<geometry::Polygon>()?;
    module.add_class::<geometry::BoundingBox>()?;
    module.add_class::<detection::Detection>()?;
    module.add_class::<detection::ImageLabel>()?;
    module.add_class::<detection::Timing>()?;
    module.add_class::<detection::Detections>()?;
    module.add_function(wrap_pyfunction!(detection::_detection_again, module)?)?;
    module.add_function(wrap_pyfunction!(detection::_detections_again, module)?)?;
    module.add_class::<model::ModelSpec>()?;
    module.add_class::<detector::Detector>()?;
    module.add_class::<time::ManualClock>()?;
    provider::add_classes(module)?;
    module.add_class::<pipeline::Threads>()?;
    judging_and_asking(module)?;
    pipelines(module)?;
    Ok(())
}

/// Motion, what keeps calls in bounds, and the doctor.
fn judging_and_asking(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<motion::Motion>()?;
    module.add_class::<motion::MotionGate>()?;
    module.add_class::<motion::BackgroundModel>()?;
    module.add_class::<resilience::Permit>()?;
    module.add_class::<resilience::BreakerCounts>()?;
    module.add_class::<resilience::CircuitBreaker>()?;
    module.add_class::<resilience::RetryPolicy>()?;
    module.add_class::<resilience::RateLimit>()?;
    module.add_class::<resilience::Reservation>()?;
    module.add_class::<resilience::Budget>()?;
    module.add_function(wrap_pyfunction!(doctor::doctor, module)?)?;
    // Before the interpreter goes down, and not after.
    let end = wrap_pyfunction!(host::_end, module)?;
    module.py().import("atexit")?.call_method1("register", (end,))?;
    Ok(())
}

/// Cameras, events and recordings.
fn pipelines(module: &Bound<'_, PyModule>) -> PyResult<()> {
    event::add_classes(module)?;
    module.add_class::<pipeline::Account>()?;
    module.add_class::<pipeline::Admission>()?;
    module.add_class::<pipeline::CameraStats>()?;
    module.add_class::<pipeline::Decision>()?;
    module.add_class::<pipeline::Camera>()?;
    module.add_class::<pipeline::FrameResult>()?;
    module.add_class::<pipeline::PipelineStats>()?;
    module.add_class::<pipeline::PipelineHealth>()?;
    module.add_class::<pipeline::ShutdownReport>()?;
    module.add_class::<pipeline::ChunkReport>()?;
    module.add_class::<pipeline::RunSummary>()?;
    module.add_class::<pipeline::PipelineCheckpoint>()?;
    module.add_class::<pipeline::Pipeline>()?;
    module.add_class::<source::VideoSource>()?;
    // Before the interpreter goes down; what it runs last was registered first.
    let end_all = wrap_pyfunction!(pipeline::end_all, module)?;
    module.py().import("atexit")?.call_method1("register", (end_all,))?;
    Ok(())
}
