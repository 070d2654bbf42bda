//! What triggers of the host look at, and what they say.

use super::{Object, objects};
use crate::config::to_py;
use crate::text;
use crate::text::optional;
use crate::time;
use guarita::clock::UnixTime;
use guarita::{CameraId, Size, Timestamp};
use pyo3::prelude::*;
use pyo3::types::{PyDateTime, PyDict};

/// What is known about a camera's picture at one time: what a trigger of the host looks at.
#[pyclass(frozen, module = "guarita")]
pub(crate) struct Scene {
    camera: CameraId,
    pts: Timestamp,
    time: UnixTime,
    civil_ns: i64,
    size: Size,
    objects: Vec<guarita::tracking::Object>,
    looked_at: bool,
}

impl From<&guarita::event::Scene<'_>> for Scene {
    fn from(scene: &guarita::event::Scene<'_>) -> Self {
        Self {
            camera: scene.camera.clone(),
            pts: scene.pts,
            time: scene.time,
            civil_ns: scene.civil_ns,
            size: scene.frame,
            objects: scene.objects.to_vec(),
            looked_at: scene.looked_at,
        }
    }
}

#[pymethods]
impl Scene {
    /// The name of the camera.
    #[getter]
    fn camera(&self) -> &str {
        self.camera.as_str()
    }

    /// Presentation time of the frame, in seconds.
    #[getter]
    fn pts(&self) -> f64 {
        self.pts.as_secs_f64()
    }

    /// Civil time of the frame, in UTC, to the second.
    #[getter]
    fn time<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDateTime>> {
        time::datetime(py, self.time)
    }

    /// What names the frame in the ids of events: its civil time in nanoseconds since 1970, as the times of its stream tell it.
    #[getter]
    fn civil_ns(&self) -> i64 {
        self.civil_ns
    }

    /// Width and height in pixels of the frame that the boxes are in.
    #[getter]
    fn size(&self) -> (u32, u32) {
        (self.size.width, self.size.height)
    }

    /// The confirmed objects, surest first.
    #[getter]
    fn objects(&self) -> Vec<Object> {
        objects(&self.objects)
    }

    /// Whether the objects come from this very frame. Where nothing moved, the frame was not looked at, and they are those of
    /// the last one that was.
    #[getter]
    fn looked_at(&self) -> bool {
        self.looked_at
    }

    /// All of it as plain values, for JSON.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        dict.set_item("camera", self.camera())?;
        dict.set_item("pts", self.pts())?;
        dict.set_item("time", self.time.as_secs())?;
        dict.set_item("civil_ns", self.civil_ns)?;
        dict.set_item("size", self.size())?;
        dict.set_item("objects", to_py(py, &self.objects)?)?;
        dict.set_item("looked_at", self.looked_at)?;
        Ok(dict)
    }

    fn __repr__(&self) -> String {
        format!("<Scene of {:?} at {} s, {} objects>", self.camera(), self.pts(), self.objects.len())
    }
}

/// What a trigger says when it fires.
///
/// Args:
///     why: Why, in words for people.
///     objects: The objects that it is about, from the scene.
///     zone: The zone that it is about.
#[pyclass(frozen, module = "guarita")]
pub(crate) struct Firing(pub(crate) guarita::event::Firing);

#[pymethods]
impl Firing {
    #[new]
    #[pyo3(signature = (why, objects=None, *, zone=None))]
    fn new(
        #[pyo3(from_py_with = text::why)] why: &str,
        objects: Option<&Bound<'_, PyAny>>,
        #[pyo3(from_py_with = optional::zone)] zone: Option<&str>,
    ) -> PyResult<Self> {
        let mut about = Vec::new();
        if let Some(objects) = objects {
            for object in objects.try_iter()? {
                about.push(object?.cast::<Object>()?.get().0.clone());
            }
        }
        let firing = guarita::event::Firing::new(why, about);
        Ok(Self(match zone {
            Some(zone) => firing.with_zone(zone),
            None => firing,
        }))
    }

    /// Why, in words for people.
    #[getter]
    fn why(&self) -> &str {
        &self.0.why
    }

    /// The objects that it is about.
    #[getter]
    fn objects(&self) -> Vec<Object> {
        objects(&self.0.objects)
    }

    /// The zone that it is about; None for none.
    #[getter]
    fn zone(&self) -> Option<&str> {
        self.0.zone.as_deref()
    }

    /// All of it as plain values, for JSON.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_py(py, &self.0)
    }

    fn __repr__(&self) -> String {
        let zone = self.zone().map(|zone| format!(", zone={zone:?}")).unwrap_or_default();
        format!("<Firing {:?}, {} objects{zone}>", self.why(), self.0.objects.len())
    }
}
