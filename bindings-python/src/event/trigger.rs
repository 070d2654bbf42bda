//! Triggers: those of the host as the core's, and the core's for the host.

use super::{Firing, Object, Scene};
use crate::callable::Callable;
use crate::config::{from_any, from_kwargs, to_py};
use crate::detection::Detection;
use crate::error::{OrRaise, detached, raise};
use crate::host;
use crate::text;
use crate::time;
use guarita::clock::{Clock, SystemClock};
use guarita::tracking::ObjectId;
use guarita::{CameraId, ErrorCode, Size, Timestamp, TriggerConfig, Zone};
use pyo3::prelude::*;
use pyo3::types::{PyDateTime, PyDict};
use std::sync::{Mutex, PoisonError};

/// A trigger of the host's. An exception in it goes to `sys.unraisablehook`, and the scene fires nothing.
pub(crate) struct HostTrigger(pub(crate) Callable);

impl HostTrigger {
    fn call(&self, py: Python<'_>, scene: &guarita::event::Scene<'_>) -> Option<guarita::event::Firing> {
        let call = self.0.get(py)?;
        let observe = || {
            let said = call.call1((Scene::from(scene),))?;
            if said.is_none() {
                return Ok(None);
            }
            let firing = said.cast::<Firing>().map_err(|_| {
                let what = said.get_type().name().map_or_else(|_| "something else".into(), |name| name.to_string());
                raise(ErrorCode::InvalidArgument, format!("a trigger gives a Firing or None; this one gave {what}"))
            })?;
            Ok::<_, PyErr>(Some(firing.get().0.clone()))
        };
        observe().unwrap_or_else(|error| {
            error.write_unraisable(py, Some(&call));
            None
        })
    }
}

impl guarita::Trigger for HostTrigger {
    fn observe(&mut self, scene: &guarita::event::Scene<'_>) -> Option<guarita::event::Firing> {
        host::attach(|py| self.call(py, scene)).flatten()
    }
}

/// The rules of a camera's trigger, outside a pipeline: scenes in, firings out. The same scenes give the same firings.
///
/// Args:
///     zones: The camera's named areas, as in `Zone`.
///     **config: As in `TriggerConfig`: `name`, `when`, `for_s`, `cooldown_s` and others.
///
/// Raises:
///     InvalidConfig: A field that cannot be so, or a zone that is not there; the message names it.
///
/// >>> from guarita import Detection, Trigger
/// >>> trigger = Trigger(name="visitor", when={"present": {"classes": ["person"]}}, cooldown_s=60)
/// >>> person = Detection((10, 10, 50, 90), "person", 0.83)
/// >>> trigger.observe([(1, person)], pts=0.0, size=(640, 480)).why
/// 'person 0.83'
/// >>> trigger.observe([(1, person)], pts=1.0, size=(640, 480)) is None
/// True
#[pyclass(frozen, module = "guarita")]
pub(crate) struct Trigger {
    /// Only held while the interpreter lock is held too, so that no fork finds it locked.
    machine: Mutex<guarita::event::TriggerMachine>,
}

#[pymethods]
impl Trigger {
    #[new]
    #[pyo3(signature = (*, zones=None, **config))]
    fn new(py: Python<'_>, zones: Option<&Bound<'_, PyAny>>, config: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let zones: Vec<Zone> = zones.map_or(Ok(Vec::new()), from_any)?;
        let config: TriggerConfig = from_kwargs(config, [])?;
        // Time zones are read from files.
        let machine = detached(py, || guarita::event::TriggerMachine::new(config, &zones))?;
        Ok(Self { machine: Mutex::new(machine) })
    }

    /// Looks at the next scene of one camera.
    ///
    /// Args:
    ///     objects: Pairs of a number, the same for the same thing, and its `Detection`; or `Object`s.
    ///     pts: Presentation time of the frame.
    ///     size: Width and height in pixels of the frame that the boxes are in.
    ///     time: Civil time, for the schedule: seconds since 1970 or a datetime. None for that of `pts` where it is a datetime,
    ///         and else for the machine's.
    ///     camera: The camera's name.
    ///     looked_at: False where nobody looked at the frame since nothing moved, and the objects are those of the last one.
    ///
    /// Returns:
    ///     What it says, or None where it does not fire.
    #[pyo3(signature = (objects, *, pts, size, time=None, camera="", looked_at=true))]
    fn observe(
        &self,
        objects: &Bound<'_, PyAny>,
        pts: &Bound<'_, PyAny>,
        size: (u32, u32),
        time: Option<&Bound<'_, PyAny>>,
        #[pyo3(from_py_with = text::camera)] camera: &str,
        looked_at: bool,
    ) -> PyResult<Option<Firing>> {
        let at = time::pts(pts)?;
        let objects = objects.try_iter()?.map(|one| object(&one?, at)).collect::<PyResult<Vec<_>>>()?;
        let moment = time.or_else(|| pts.cast::<PyDateTime>().is_ok().then_some(pts));
        let unix = moment.map_or_else(|| Ok(SystemClock.unix()), time::unix)?;
        let camera = CameraId::new(camera);
        let scene = guarita::event::Scene::new(&camera, at, Size::new(size.0, size.1), &objects).with_time(unix);
        let scene = if looked_at { scene } else { scene.unchanged() };
        let mut machine = self.machine.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(guarita::Trigger::observe(&mut *machine, &scene).map(Firing))
    }

    /// What it was made from, defaults included.
    #[getter]
    fn config<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let config = self.machine.lock().unwrap_or_else(PoisonError::into_inner).config().clone();
        to_py(py, &config)
    }

    /// How often its condition began to hold and was over again before the cooldown was.
    #[getter]
    fn suppressed(&self) -> u64 {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner).suppressed()
    }

    fn __repr__(&self) -> String {
        let machine = self.machine.lock().unwrap_or_else(PoisonError::into_inner);
        format!("<Trigger {:?}>", machine.config().name)
    }
}

/// An `Object`, or a number and a `Detection`, which is taken for one that was seen once.
fn object(any: &Bound<'_, PyAny>, at: Timestamp) -> PyResult<guarita::tracking::Object> {
    if let Ok(object) = any.cast::<Object>() {
        return Ok(object.get().0.clone());
    }
    let wrong = || raise(ErrorCode::InvalidArgument, "an object is an Object, or a pair (number, Detection)");
    let (id, found): (u64, Bound<'_, PyAny>) = any.extract().map_err(|_| wrong())?;
    let found = found.cast::<Detection>().map_err(|_| wrong())?.get().0.clone();
    found.check().or_raise()?;
    Ok(guarita::tracking::Object::new(ObjectId(id), found, at))
}
