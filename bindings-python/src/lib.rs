//! The Python face of guarita: conversion and documentation, no decisions. Files are named as the core's nouns.

mod config;
mod detection;
mod detector;
mod doctor;
mod error;
mod fork;
mod frame;
mod future;
mod geometry;
mod host;
mod model;
mod motion;
mod pipeline;
mod provider;
mod resilience;
mod time;
mod wait;

use pyo3::prelude::*;

/// guarita's native module; import `guarita`.
#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    fork::watch();
    wait::note_main_thread(module.py())?;
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
    module.add_function(wrap_pyfunction!(detector::_forks, module)?)?;
    judging_and_asking(module)?;
    Ok(())
}

/// Motion, what keeps calls in bounds, the providers over it, and the doctor.
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
    module.add_class::<provider::RekognitionProvider>()?;
    module.add_class::<provider::HybridProvider>()?;
    module.add_class::<provider::CallbackProvider>()?;
    module.add_function(wrap_pyfunction!(doctor::doctor, module)?)?;
    module.add_function(wrap_pyfunction!(doctor::config_defaults, module)?)?;
    // Before the interpreter goes down, and not after.
    let end = wrap_pyfunction!(host::_end, module)?;
    module.py().import("atexit")?.call_method1("register", (end,))?;
    Ok(())
}
