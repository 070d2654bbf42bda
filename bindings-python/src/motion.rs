//! Motion: which frames are worth a look.

use crate::config::{from_kwargs, to_py};
use crate::error::{attached, detached, raise};
use crate::fork::generation;
use crate::frame::Frame;
use crate::geometry::BoundingBox;
use crate::picture::frame;
use crate::text::optional;
use crate::time;
use guarita::clock::{Clock, SystemClock};
use guarita::frame::FrameMeta;
use guarita::motion::BackgroundModelConfig;
use guarita::{ErrorCode, MotionGateConfig};
use numpy::{PyArray2, PyArrayMethods, PyReadwriteArray2, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};
use std::sync::{Mutex, PoisonError};

/// Mutable state that one call at a time may use.
struct OneAtATime<T>(Mutex<Slot<T>>);

enum Slot<T> {
    Here(T),
    /// A call has it, in the process of this generation.
    Taken(u64),
}

impl<T: Send> OneAtATime<T> {
    fn new(value: T) -> Self {
        Self(Mutex::new(Slot::Here(value)))
    }

    /// Runs `work` on it with the interpreter lock released. It is taken out meanwhile: a lock that is held then would be
    /// found locked by a fork.
    fn with<R: Send>(
        &self,
        py: Python<'_>,
        what: &str,
        work: impl FnOnce(&mut T) -> guarita::Result<R> + Send,
    ) -> PyResult<R> {
        let mut value = match self.swap(Slot::Taken(generation())) {
            Slot::Here(value) => value,
            Slot::Taken(at) => {
                self.swap(Slot::Taken(at));
                return Err(raise(ErrorCode::InvalidState, busy(what, at)));
            }
        };
        let answer = detached(py, || work(&mut value));
        self.swap(Slot::Here(value));
        answer
    }

    /// Puts another one in its place, unless a call of this process has it.
    fn renew(&self, what: &str, value: T) -> PyResult<()> {
        match self.swap(Slot::Here(value)) {
            Slot::Taken(at) if at == generation() => {
                self.swap(Slot::Taken(at));
                Err(raise(ErrorCode::InvalidState, busy(what, at)))
            }
            _ => Ok(()),
        }
    }

    /// The lock is held for this moment only, and the interpreter lock with it.
    fn swap(&self, slot: Slot<T>) -> Slot<T> {
        std::mem::replace(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner), slot)
    }
}

fn busy(what: &str, at: u64) -> String {
    if at == generation() {
        return format!(
            "another thread is in a call of this {what}: one call at a time, or one {what} for each thread"
        );
    }
    format!("this {what} was in a call when the process forked, and what it had learnt is lost: reset() it")
}

/// The gate's answer for one frame. It is true where the gate is open.
#[pyclass(frozen, module = "guarita")]
pub(crate) struct Motion(pub(crate) guarita::motion::Motion);

#[pymethods]
impl Motion {
    /// Whether the frame is worth a look.
    #[getter]
    fn open(&self) -> bool {
        self.0.open
    }

    /// Why it is: `motion`, `linger` or `heartbeat`; None for a closed gate.
    #[getter]
    fn reason<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_py(py, &self.0.reason)
    }

    /// What the gate takes the picture for: `learning`, `stable`, `moving`, `light_shift`, `ir_switch`, `camera_moved`,
    /// `frozen` or `obscured`.
    #[getter]
    fn state<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_py(py, &self.0.state)
    }

    /// Moving pixels by pixels of the region of interest, 0..1; what weather or noise explains does not move.
    #[getter]
    fn fraction(&self) -> f32 {
        self.0.fraction
    }

    /// Boxes around what moves, in pixels of the frame, the largest area of change first; at most 256.
    #[getter]
    fn regions(&self) -> Vec<BoundingBox> {
        self.0.regions.iter().copied().map(BoundingBox).collect()
    }

    /// Why other changes of this frame do not count as motion: `sway`, `overlay`, `weather`, `light`, `camera`, `noise` or
    /// `still`. It says nothing about pictures that were not compared: see `state`.
    #[getter]
    fn ignored<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_py(py, &self.0.ignored)
    }

    /// Cells of 8×8 pixels of the working picture in which changes are ignored as those of an overlay, such as a clock.
    #[getter]
    fn overlay_cells(&self) -> u32 {
        self.0.overlay_cells
    }

    /// The presentation time, in seconds, of the frame with which `state` began.
    #[getter]
    fn since(&self) -> f64 {
        self.0.since.as_secs_f64()
    }

    fn __bool__(&self) -> bool {
        self.0.open
    }

    /// All of it as plain values, for JSON; regions as lists of four numbers.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_py(py, &self.0)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let door = if self.0.open { format!("open for {}", self.reason(py)?) } else { "closed".into() };
        Ok(format!("<Motion {door}, {}, {:.2} % moves>", self.state(py)?, self.0.fraction * 100.0))
    }
}

/// Decides which frames of one camera are worth a look: those in which something moves that light, weather, noise or the
/// camera itself do not explain. One gate belongs to one camera, and takes every frame in the order of time.
///
/// Args:
///     **config: As in `MotionGateConfig`: `min_fraction`, `include`, `exclude`, `linger_s`, `heartbeat_s` and others.
///
/// One call at a time: a second thread gets `InvalidState`. It works after a fork, and can be pickled with all that it has
/// learnt (about 1.2 MB at the default width).
///
/// Raises:
///     InvalidConfig: A field that cannot be so, or areas that leave nothing to look at; the message names it.
///
/// >>> import guarita, numpy
/// >>> gate = guarita.MotionGate(min_fraction=0.02)
/// >>> motion = gate.observe(numpy.zeros((180, 320), "uint8"), pts=0.0)
/// >>> motion.state, motion.reason
/// ('learning', 'heartbeat')
#[pyclass(frozen, module = "guarita")]
pub(crate) struct MotionGate {
    gate: OneAtATime<guarita::MotionGate>,
    config: MotionGateConfig,
}

const GATE: &str = "motion gate";

#[pymethods]
impl MotionGate {
    #[new]
    #[pyo3(signature = (**config))]
    fn new(config: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let config: MotionGateConfig = from_kwargs(config, [])?;
        let gate = attached(|| guarita::MotionGate::new(config.clone()))?;
        Ok(Self { gate: OneAtATime::new(gate), config })
    }

    /// Looks at the next frame. A frame of another size than the one before starts anew, in the state `learning`.
    ///
    /// Args:
    ///     image: An array, encoded bytes, a PIL image or a `Frame`; see `Frame`.
    ///     pts: When it was taken: seconds, a timedelta or a datetime. None is the time that a `Frame` was made with, and
    ///         otherwise now, on the machine's monotonic clock.
    ///     format, share: As for `Frame`.
    ///
    /// Raises:
    ///     InvalidArgument, DataCorrupt, Unsupported, ResourceExhausted: The picture; see `Frame`.
    ///     InvalidConfig: The region of interest has no pixel of this frame.
    ///     InvalidState: Another thread is in a call of this gate.
    #[pyo3(signature = (image, *, pts=None, format=None, share=false))]
    fn observe(
        &self,
        image: &Bound<'_, PyAny>,
        pts: Option<&Bound<'_, PyAny>>,
        #[pyo3(from_py_with = optional::format)] format: Option<&str>,
        share: bool,
    ) -> PyResult<Motion> {
        let shown = frame(image, format, share)?;
        let pts = match pts {
            Some(pts) => time::pts(pts)?,
            None => image.cast::<Frame>().ok().and_then(|ours| ours.get().time()).unwrap_or_else(|| SystemClock.now()),
        };
        let shown = shown.with_meta(FrameMeta { pts, ..FrameMeta::default() });
        self.gate.with(image.py(), GATE, move |gate| gate.observe(&shown)).map(Motion)
    }

    /// Forgets everything: the next frame is the first one.
    ///
    /// Raises:
    ///     InvalidState: Another thread is in a call of this gate.
    fn reset(&self) -> PyResult<()> {
        self.gate.renew(GATE, attached(|| guarita::MotionGate::new(self.config.clone()))?)
    }

    /// All that it knows, to be kept over a restart: about 1.2 MB at the default width. A gate that goes on from it decides
    /// about the next frame as this one would.
    ///
    /// Raises:
    ///     InvalidState: Another thread is in a call of this gate.
    fn snapshot<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = self.gate.with(py, GATE, |gate| Ok(gate.snapshot()))?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// Goes on from a snapshot of a gate with the same `working_width`, `include` and `exclude`. Timestamps should go on too.
    /// After an error the gate is as it was before.
    ///
    /// Raises:
    ///     DataCorrupt: Torn bytes, or no snapshot.
    ///     Unsupported: A snapshot of another version of guarita.
    ///     InvalidArgument: A snapshot of a gate that looks elsewhere.
    ///     InvalidState: Another thread is in a call of this gate.
    fn restore(&self, py: Python<'_>, snapshot: &[u8]) -> PyResult<()> {
        self.gate.with(py, GATE, |gate| gate.restore(snapshot))
    }

    /// How it decides, every field of it.
    #[getter]
    fn config<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_py(py, &self.config)
    }

    fn __getnewargs_ex__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyTuple>, Bound<'py, PyAny>)> {
        Ok((PyTuple::empty(py), self.config(py)?))
    }

    fn __getstate__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        self.snapshot(py)
    }

    fn __setstate__(&self, py: Python<'_>, state: &[u8]) -> PyResult<()> {
        self.restore(py, state)
    }

    fn __repr__(&self) -> String {
        let MotionGateConfig { working_width, min_fraction, .. } = &self.config;
        format!("<MotionGate working_width={working_width} min_fraction={min_fraction}>")
    }
}

/// Learns what a camera's picture looks like without what moves in it, as a mixture of Gaussians for each pixel (MOG2,
/// Zivkovic 2004); masks are OpenCV's to the bit, but for the rounding of floats.
///
/// Args:
///     **config: As in `BackgroundModelConfig`; names and defaults are those of OpenCV's `BackgroundSubtractorMOG2`.
///
/// One call at a time: a second thread gets `InvalidState`. It works after a fork.
///
/// Raises:
///     InvalidConfig: A field that cannot be so; the message names it.
///
/// >>> import guarita, numpy
/// >>> model = guarita.BackgroundModel(history=100)
/// >>> picture = numpy.full((48, 64), 80, "uint8")
/// >>> for _ in range(3):
/// ...     mask = model.apply(picture)
/// >>> mask.shape, int(mask.max())
/// ((48, 64), 0)
#[pyclass(frozen, module = "guarita")]
pub(crate) struct BackgroundModel {
    model: OneAtATime<guarita::motion::BackgroundModel>,
    config: BackgroundModelConfig,
}

const MODEL: &str = "background model";

#[pymethods]
impl BackgroundModel {
    #[new]
    #[pyo3(signature = (**config))]
    fn new(config: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let config: BackgroundModelConfig = from_kwargs(config, [])?;
        let model = attached(|| guarita::motion::BackgroundModel::new(config.clone()))?;
        Ok(Self { model: OneAtATime::new(model), config })
    }

    /// Compares a picture with what was learnt, then learns from it. One of another size or number of channels than the one
    /// before starts anew.
    ///
    /// Args:
    ///     image: An array, encoded bytes, a PIL image or a `Frame`; gray, RGB or BGR. Of `nv12` and `i420` the brightness
    ///         is looked at.
    ///     learning_rate: The weight of this picture, 0..1; 0 learns nothing, 1 forgets all that was before. None is
    ///         1 / min(2 * pictures, history).
    ///     format, share: As for `Frame`.
    ///     out: Where to write: uint8, (height, width), C-contiguous, writable, and no memory of the picture. Nobody else
    ///         should use it during the call.
    ///
    /// Returns:
    ///     uint8, (height, width): 0 background, 255 foreground, and `shadow_value` for shadows. `out`, where it was given.
    ///
    /// Raises:
    ///     InvalidArgument: The picture (see `Frame`), the rate, or `out`.
    ///     Unsupported: A picture of four channels.
    ///     InvalidState: Another thread is in a call of this model.
    #[pyo3(signature = (image, *, learning_rate=None, format=None, share=false, out=None))]
    fn apply<'py>(
        &self,
        image: &Bound<'py, PyAny>,
        learning_rate: Option<f64>,
        #[pyo3(from_py_with = optional::format)] format: Option<&str>,
        share: bool,
        out: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyArray2<u8>>> {
        let py = image.py();
        let shown = frame(image, format, share)?;
        let (height, width) = (shown.size().height as usize, shown.size().width as usize);
        let mask = match out {
            Some(out) => given_mask(out, height, width)?,
            None => PyArray2::zeros(py, [height, width], false),
        };
        let mut writing = borrowed(&mask)?;
        let wrong = |what: &str| raise(ErrorCode::InvalidArgument, format!("out {what}"));
        let pixels = writing.as_slice_mut().map_err(|_| wrong("is not C-contiguous"))?;
        let ours = pixels.as_ptr_range();
        let overlaps = |k: usize| {
            let theirs = shown.plane(k).as_ptr_range();
            theirs.start < ours.end && ours.start < theirs.end
        };
        if (0..shown.format().planes()).any(overlaps) {
            return Err(wrong("shares its memory with the picture"));
        }
        self.model.with(py, MODEL, move |model| model.apply(&shown, learning_rate, pixels))?;
        drop(writing);
        Ok(mask)
    }

    /// Forgets everything: the next picture is the first one.
    ///
    /// Raises:
    ///     InvalidState: Another thread is in a call of this model.
    fn reset(&self) -> PyResult<()> {
        self.model.renew(MODEL, attached(|| guarita::motion::BackgroundModel::new(self.config.clone()))?)
    }

    /// Its parameters, every one of them.
    #[getter]
    fn config<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_py(py, &self.config)
    }

    fn __repr__(&self) -> String {
        let BackgroundModelConfig { history, var_threshold, detect_shadows, .. } = &self.config;
        let shadows = if *detect_shadows { "True" } else { "False" };
        format!("<BackgroundModel history={history} var_threshold={var_threshold} detect_shadows={shadows}>")
    }
}

/// An array of the host's that a mask fits into.
fn given_mask<'py>(out: &Bound<'py, PyAny>, height: usize, width: usize) -> PyResult<Bound<'py, PyArray2<u8>>> {
    let wrong = |what: String| raise(ErrorCode::InvalidArgument, format!("out {what}"));
    let Ok(array) = out.cast::<PyArray2<u8>>() else {
        return Err(wrong(format!("is a {}, and no array of uint8 with two axes", out.get_type().name()?)));
    };
    if array.shape() != [height, width] {
        return Err(wrong(format!("has the shape {:?}; the picture's is [{height}, {width}]", array.shape())));
    }
    if !array.is_c_contiguous() {
        return Err(wrong("is not C-contiguous".into()));
    }
    Ok(array.clone())
}

fn borrowed<'py>(array: &Bound<'py, PyArray2<u8>>) -> PyResult<PyReadwriteArray2<'py, u8>> {
    array
        .try_readwrite()
        .map_err(|error| raise(ErrorCode::InvalidArgument, format!("out cannot be written to: {error}")))
}
