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
    Ok(())
}
