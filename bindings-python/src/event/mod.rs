//! Events, their triggers and their sinks.

mod scene;
mod sink;
mod stream;
mod trigger;

pub(crate) use scene::{Firing, Scene};
pub(crate) use sink::{HostBatchSink, HostSink, built_in};
pub(crate) use stream::EventStream;
pub(crate) use trigger::{HostTrigger, Trigger};

use crate::config::to_py;
use crate::detection::Detection;
use crate::geometry::BoundingBox;
use crate::time;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDateTime};
use std::sync::Arc;

/// Adds what is here to the module.
pub(crate) fn add_classes(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Object>()?;
    module.add_class::<EventPicture>()?;
    module.add_class::<Event>()?;
    module.add_class::<Scene>()?;
    module.add_class::<Firing>()?;
    module.add_class::<Trigger>()?;
    module.add_class::<EventStream>()?;
    sink::add_classes(module)
}

/// Something that was found in one or several frames of a camera, and is taken for one thing.
#[pyclass(frozen, module = "guarita")]
pub(crate) struct Object(pub(crate) guarita::tracking::Object);

#[pymethods]
impl Object {
    /// Its number among those of its camera; not used again for another one.
    #[getter]
    fn id(&self) -> u64 {
        self.0.id.0
    }

    /// As it was found last; its confidence is the mean over the sightings that count.
    #[getter]
    fn detection(&self) -> Detection {
        Detection(self.0.detection.clone())
    }

    /// In how many of the last frames it was seen.
    #[getter]
    fn sightings(&self) -> u32 {
        self.0.sightings
    }

    /// Presentation time of the frame in which it was first seen, in seconds.
    #[getter]
    fn since(&self) -> f64 {
        self.0.since.as_secs_f64()
    }

    /// All of it as plain values, for JSON.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_py(py, &self.0)
    }

    fn __repr__(&self) -> String {
        let found = &self.0.detection;
        format!("<Object {} {} {:.2}, seen {} times>", self.0.id, found.label, found.confidence, self.0.sightings)
    }
}

/// Objects of the core as a list.
pub(crate) fn objects(objects: &[guarita::tracking::Object]) -> Vec<Object> {
    objects.iter().cloned().map(Object).collect()
}

/// A picture that goes with an event.
#[pyclass(frozen, module = "guarita")]
pub(crate) struct EventPicture(guarita::event::EventPicture);

#[pymethods]
impl EventPicture {
    /// The bytes of a JPEG file.
    #[getter]
    fn jpeg<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.jpeg)
    }

    /// What of the frame it shows, in pixels of the frame.
    #[getter]
    fn region(&self) -> BoundingBox {
        BoundingBox(self.0.region)
    }

    fn __repr__(&self) -> String {
        format!("<EventPicture of {} bytes>", self.0.jpeg.len())
    }
}

/// Something that a trigger found worth telling.
#[pyclass(frozen, module = "guarita")]
pub(crate) struct Event(pub(crate) Arc<guarita::Event>);

#[pymethods]
impl Event {
    /// 32 hexadecimal digits, the same however often the event is delivered: whoever gets it twice can tell by this.
    #[getter]
    fn id(&self) -> &str {
        self.0.id.as_str()
    }

    /// The name of the camera.
    #[getter]
    fn camera(&self) -> &str {
        self.0.camera.as_str()
    }

    /// The name of the trigger that fired.
    #[getter]
    fn trigger(&self) -> &str {
        &self.0.trigger
    }

    /// Presentation time of the frame that made it fire, in seconds.
    #[getter]
    fn pts(&self) -> f64 {
        self.0.pts.as_secs_f64()
    }

    /// The civil time of that frame, in UTC, to the second.
    #[getter]
    fn time<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDateTime>> {
        time::datetime(py, self.0.time)
    }

    /// The zone that it happened in; None where the trigger has none.
    #[getter]
    fn zone(&self) -> Option<&str> {
        self.0.zone.as_deref()
    }

    /// Why it fired, in words for people.
    #[getter]
    fn why(&self) -> &str {
        &self.0.why
    }

    /// The objects that it is about, surest first.
    #[getter]
    fn objects(&self) -> Vec<Object> {
        objects(&self.0.objects)
    }

    /// Width and height in pixels of the frame that the boxes are in.
    #[getter]
    fn size(&self) -> (u32, u32) {
        (self.0.frame.width, self.0.frame.height)
    }

    /// A picture, where the trigger asks for one; else None.
    #[getter]
    fn picture(&self) -> Option<EventPicture> {
        self.0.picture.clone().map(EventPicture)
    }

    /// All of it as plain values, for JSON: the same that sinks write, with the picture in Base64.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_py(py, &*self.0)
    }

    fn __repr__(&self) -> String {
        format!("<Event {} of {:?} at {} s: {}>", self.trigger(), self.camera(), self.pts(), self.0.why)
    }
}
