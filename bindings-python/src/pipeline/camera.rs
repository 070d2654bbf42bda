//! Cameras, to which frames are pushed.

use super::{Account, CameraStats, Decision, Pipeline};
use crate::config::{from_kwargs, to_py};
use crate::error::{attached, detached, to_py as raised};
use crate::fork::Native;
use crate::frame::Frame;
use crate::picture::frame;
use crate::pixels::Encoded;
use crate::text::optional;
use crate::time;
use guarita::frame::FrameMeta;
use guarita::pipeline::{EncodedFrame, Input};
use guarita::{CameraConfig, Timestamp};
use guarita_face::FrameNumbers;
use numpy::PyUntypedArray;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;
use pyo3::{PyTraverseError, PyVisit};
use std::sync::Arc;

/// What became of a push: taken, or ended at once. A refused push raises instead.
#[pyclass(frozen, module = "guarita")]
pub(crate) struct Admission(Option<guarita::pipeline::Outcome>);

impl Admission {
    /// Nearly all of them are one of these two: to make a new one takes as long as the rest of a push.
    fn of(py: Python<'_>, outcome: Option<guarita::pipeline::Outcome>) -> PyResult<Py<Self>> {
        const SAMPLED_OUT: guarita::pipeline::Outcome =
            guarita::pipeline::Outcome::Skipped(guarita::pipeline::SkipReason::SampledOut);
        static TAKEN: PyOnceLock<Py<Admission>> = PyOnceLock::new();
        static SKIPPED: PyOnceLock<Py<Admission>> = PyOnceLock::new();
        let kept = match outcome {
            None => &TAKEN,
            Some(SAMPLED_OUT) => &SKIPPED,
            Some(_) => return Py::new(py, Self(outcome)),
        };
        Ok(kept.get_or_try_init(py, || Py::new(py, Self(outcome)))?.clone_ref(py))
    }
}

#[pymethods]
impl Admission {
    /// Whether the frame is on its way; what becomes of it, the account says.
    #[getter]
    fn taken(&self) -> bool {
        self.0.is_none()
    }

    /// How it ended, such as `skipped_sampled_out`; None for one that is on its way.
    #[getter]
    fn outcome(&self) -> Option<String> {
        self.0.map(guarita::pipeline::Outcome::name)
    }

    fn __bool__(&self) -> bool {
        self.taken()
    }

    fn __repr__(&self) -> String {
        format!("<Admission {}>", self.outcome().as_deref().unwrap_or("taken"))
    }
}

/// One camera of a `Pipeline`. It may be used on any thread; while there is one, its pipeline is not let go.
#[pyclass(frozen, module = "guarita")]
pub(crate) struct Camera {
    camera: Native<guarita::Camera>,
    pipeline: Py<Pipeline>,
    provider: Native<Arc<dyn guarita::Provider>>,
    numbers: FrameNumbers,
}

impl Camera {
    pub(super) fn new(pipeline: Bound<'_, Pipeline>, camera: guarita::Camera) -> PyResult<Self> {
        let handle = pipeline.get().handle()?;
        Ok(Self {
            numbers: handle.numbers(camera.id().as_str()),
            provider: Native::new(Arc::clone(handle.provider())),
            camera: Native::new(camera),
            pipeline: pipeline.unbind(),
        })
    }

    fn get(&self) -> PyResult<&guarita::Camera> {
        self.camera.get("Camera")
    }
}

#[pymethods]
impl Camera {
    /// Its name.
    #[getter]
    fn id(&self) -> &str {
        self.camera.peek().id().as_str()
    }

    /// How it is treated, defaults included.
    #[getter]
    fn config<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let camera = self.get()?;
        let config = detached(py, || Ok(camera.config()))?;
        to_py(py, &config)
    }

    /// Pushes a frame; never waits. Frames are to come in the order of their presentation times: one whose time is not after
    /// that of the one before it ends as `failed_invalid_argument`, except where the time goes back by a second or more, which
    /// is taken for a new origin.
    ///
    /// Args:
    ///     image: A picture of any kind that `Frame` takes. Encoded bytes are not decoded here, but where somebody looks.
    ///     pts: The presentation time: seconds, a timedelta, or a datetime whose seconds since 1970 are taken. None for the
    ///         time and number that a `Frame` has, and else for now, on the provider's clock.
    ///     seq: The frame's number; None to count up.
    ///     format, share: As for `Frame`. With `share` the array must not be written to until the frame has ended.
    ///
    /// Returns:
    ///     Whether it was taken, or how it ended at once.
    ///
    /// Raises:
    ///     InvalidArgument: No picture; see `Frame`.
    ///     InvalidState: The camera was removed, or the pipeline is closed; the frame is in no account.
    #[pyo3(signature = (image, *, pts=None, seq=None, format=None, share=false))]
    fn push(
        &self,
        py: Python<'_>,
        image: &Bound<'_, PyAny>,
        pts: Option<&Bound<'_, PyAny>>,
        seq: Option<u64>,
        #[pyo3(from_py_with = optional::format)] format: Option<&str>,
        share: bool,
    ) -> PyResult<Py<Admission>> {
        let camera = self.get()?;
        let pts = pts.map(time::pts).transpose()?;
        // A frame that was made with a time brings its number too.
        let meta = |own: Option<(Timestamp, u64)>| {
            let (pts, seq) = self.numbers.stamp(pts, seq, own, || self.provider.peek().clock().now());
            FrameMeta { camera: camera.id().clone(), pts, seq }
        };
        let input: Input = if let Ok(ours) = image.cast::<Frame>() {
            let ours = ours.get();
            let own = ours.time().map(|pts| (pts, ours.core.meta().seq));
            ours.core.clone().with_meta(meta(own)).into()
        } else {
            let is_array = image.cast::<PyUntypedArray>().is_ok();
            match if is_array { None } else { Encoded::of(image)? } {
                Some(bytes) => EncodedFrame::from_owner(bytes, meta(None)).into(),
                None => frame(image, format, share)?.with_meta(meta(None)).into(),
            }
        };
        // With the interpreter lock held: the core's own lock is held for microseconds, and nobody who holds it waits for the
        // interpreter's, except where it reads a clock of the host's. To release it would cost two to four times the push
        // where other threads compute.
        let push = || Ok(camera.push(input));
        let admission = if time::has_host_clock() { detached(py, push)? } else { attached(push)? };
        match admission {
            guarita::pipeline::Admission::Taken => Admission::of(py, None),
            guarita::pipeline::Admission::Ended(outcome) => Admission::of(py, Some(outcome)),
            guarita::pipeline::Admission::Refused(error) => Err(raised(&error)),
        }
    }

    /// Treats it otherwise from the next frame on. What the gate, the cache and the triggers know is kept where the new config
    /// looks at the same thing.
    ///
    /// Args:
    ///     **config: The fields that change, as in `CameraConfig`; the others stay as they are.
    ///
    /// Raises:
    ///     InvalidConfig: A field that cannot be so; the camera then goes on as before.
    ///     InvalidState: It was removed.
    #[pyo3(signature = (**config))]
    fn update(&self, py: Python<'_>, config: Option<&Bound<'_, PyDict>>) -> PyResult<()> {
        let camera = self.get()?;
        let merged = self.config(py)?.cast_into::<PyDict>()?;
        if let Some(config) = config {
            merged.update(config.as_mapping())?;
        }
        let config: CameraConfig = from_kwargs(Some(&merged), [])?;
        detached(py, || camera.update(config))
    }

    /// Takes it out of the pipeline. Frames that wait end as `dropped_shutdown`; those that the provider has in hand end when
    /// it has answered, and fire no triggers.
    ///
    /// Returns:
    ///     The account as it stands; the pipeline's goes on to hold it.
    ///
    /// Raises:
    ///     InvalidState: It was removed before.
    fn remove(&self, py: Python<'_>) -> PyResult<Account> {
        let camera = self.get()?;
        detached(py, || camera.remove()).map(Account)
    }

    /// Frames that come end as `skipped_paused`, until `resume`. What was pushed before goes on.
    fn pause(&self, py: Python<'_>) -> PyResult<()> {
        let camera = self.get()?;
        detached(py, || {
            camera.pause();
            Ok(())
        })
    }

    /// Ends a pause of this camera.
    fn resume(&self, py: Python<'_>) -> PyResult<()> {
        let camera = self.get()?;
        detached(py, || {
            camera.resume();
            Ok(())
        })
    }

    /// What became of its frames between two presentation times, both included, and what was decided on: why was nothing told
    /// of gate 7 at 03:12?
    ///
    /// Args:
    ///     begin, end: Presentation times; None for as far as `explain` of the config reaches.
    ///
    /// Returns:
    ///     In the order in which the frames ended. Frames one after the other that were sampled out, or in which nothing
    ///     moved, make one.
    #[pyo3(signature = (begin=None, end=None))]
    fn explain(
        &self,
        py: Python<'_>,
        begin: Option<&Bound<'_, PyAny>>,
        end: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Vec<Decision>> {
        let camera = self.get()?;
        let begin = begin.map_or(Ok(Timestamp::from_nanos(i64::MIN)), time::pts)?;
        let end = end.map_or(Ok(Timestamp::from_nanos(i64::MAX)), time::pts)?;
        let decisions = detached(py, || Ok(camera.explain(begin, end)))?;
        Ok(decisions.into_iter().map(Decision).collect())
    }

    /// How it stands.
    fn stats(&self, py: Python<'_>) -> PyResult<CameraStats> {
        let camera = self.get()?;
        detached(py, || Ok(camera.stats())).map(CameraStats)
    }

    fn __repr__(&self) -> String {
        format!("<Camera {:?}>", self.id())
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.pipeline)
    }
}
