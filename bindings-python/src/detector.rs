//! The detector: pictures in, boxes out.

use crate::config::{from_kwargs, to_py};
use crate::detection::Detections;
use crate::error::{detached, raise};
use crate::fork::Native;
use crate::model::ModelSpec;
use crate::picture::{Picture, frame};
use crate::provider;
use crate::text::{self, optional};
use crate::wait::{interruptible, is_main_thread};
use guarita::{DetectorConfig, ErrorCode, LocalProviderConfig};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A call on the main thread that is expected to take longer than this runs on another thread, so that Ctrl-C works.
const SHORT: Duration = Duration::from_millis(50);
/// Requests of asyncio that may wait for a detector.
const ASYNC_QUEUE: usize = 100_000;

/// Finds objects with a model on this machine.
///
/// Args:
///     model: An ONNX file, or a `ModelSpec`.
///     **config: As in `DetectorConfig`: `min_confidence`, `classes`, `execution_provider`, `intra_op_threads` and others.
///
/// ONNX Runtime is found in the installed package `onnxruntime` (or `onnxruntime-gpu`), which is not imported; `onnxruntime=`,
/// or the variable `GUARITA_ONNXRUNTIME`, names another library.
///
/// A detector may be used from many threads at once. After a fork, the child opens the model anew at the first call.
///
/// Raises:
///     NotFound, PermissionDenied, ModelInvalid: The model cannot be read or used.
///     RuntimeUnavailable: ONNX Runtime, or the execution provider asked for, is not on this machine.
///     InvalidConfig: A field that cannot be so; the message names it.
///
/// >>> import guarita, numpy
/// >>> detector = guarita.Detector(MODEL, min_confidence=0.4)
/// >>> picture = numpy.zeros((480, 640, 3), "uint8")
/// >>> with detector:
/// ...     len(detector.detect(picture))
/// 0
#[pyclass(frozen, module = "guarita")]
pub(crate) struct Detector {
    spec: guarita::ModelSpec,
    config: DetectorConfig,
    /// Only held for moments in which the interpreter lock is held too, so that no fork finds it locked.
    open: Mutex<Option<Arc<Open>>>,
    closed: AtomicBool,
    /// How long a picture took, lately, in nanoseconds; the most there is, before the first one.
    last: AtomicU64,
}

/// What belongs to one process.
struct Open {
    detector: Native<Arc<guarita::Detector>>,
    /// For calls that nobody waits for on the caller's thread.
    background: Mutex<Option<Native<Arc<dyn guarita::Provider>>>>,
}

impl Detector {
    /// The detector of this process.
    pub(crate) fn get(slf: &Bound<'_, Self>) -> PyResult<Arc<guarita::Detector>> {
        slf.get().open(slf.py())?.detector.get("detector").map(Arc::clone)
    }

    fn open(&self, py: Python<'_>) -> PyResult<Arc<Open>> {
        if self.closed.load(Ordering::Relaxed) {
            return Err(raise(ErrorCode::InvalidState, "the detector is closed"));
        }
        if let Some(open) = &*self.open.lock().unwrap_or_else(PoisonError::into_inner)
            && !open.detector.is_foreign()
        {
            return Ok(Arc::clone(open));
        }
        // The first call in a child: sessions of the parent wait for threads that are not there.
        self.last.store(u64::MAX, Ordering::Relaxed);
        let opened = Arc::new(Open::new(py, &self.spec, &self.config)?);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let earlier = open.replace(Arc::clone(&opened));
        drop(open);
        // Another thread may have been faster. That one is let go without the lock, since it gives the interpreter's away.
        drop(earlier);
        Ok(opened)
    }

    fn run(&self, py: Python<'_>, frames: Vec<guarita::Frame>) -> PyResult<Vec<guarita::Detections>> {
        let open = self.open(py)?;
        let expected = self.last.load(Ordering::Relaxed).saturating_mul(frames.len() as u64);
        if is_main_thread(py) && expected > SHORT.as_nanos() as u64 {
            return self.run_interruptibly(py, &open, frames);
        }
        let detector = Arc::clone(open.detector.get("detector")?);
        let found = detached(py, || detector.detect_batch(&frames))?;
        self.note(found.iter().map(|found| found.timing.total()).sum(), found.len());
        Ok(found)
    }

    /// A run of the model at a time, each on another thread, so that what is left of a long batch ends with Ctrl-C.
    fn run_interruptibly(
        &self,
        py: Python<'_>,
        open: &Open,
        frames: Vec<guarita::Frame>,
    ) -> PyResult<Vec<guarita::Detections>> {
        let background = open.background(py)?;
        let mut found = Vec::with_capacity(frames.len());
        let mut took = Duration::ZERO;
        for frames in frames.chunks(self.config.max_batch.max(1)) {
            // The wait looks at signals only where it is a long one.
            py.check_signals()?;
            let response = provider::detect(py, &background, provider::plain(frames.to_vec()))?;
            took += response.latency.call + response.latency.prepare + response.latency.parse;
            found.extend(response.detections);
        }
        self.note(took, found.len());
        Ok(found)
    }

    fn note(&self, took: Duration, pictures: usize) {
        let each = took.as_nanos() / (pictures.max(1) as u128);
        self.last.store(u64::try_from(each).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

impl Open {
    fn new(py: Python<'_>, spec: &guarita::ModelSpec, config: &DetectorConfig) -> PyResult<Self> {
        let mut config = config.clone();
        if config.onnxruntime.is_none() {
            config.onnxruntime = library(py)?;
        }
        let spec = spec.clone();
        let detector = interruptible(py, || guarita::Detector::open(spec, config))?;
        Ok(Self { detector: Native::new(Arc::new(detector)), background: Mutex::new(None) })
    }

    fn background(&self, py: Python<'_>) -> PyResult<Arc<dyn guarita::Provider>> {
        if let Some(provider) = &*self.background.lock().unwrap_or_else(PoisonError::into_inner) {
            return provider.get("detector").map(Arc::clone);
        }
        let detector = Arc::clone(self.detector.get("detector")?);
        let config = LocalProviderConfig { queue: ASYNC_QUEUE, ..LocalProviderConfig::default() };
        let provider = detached(py, || guarita::LocalProvider::new(detector, config))?;
        let mut provider = Some(Native::new(Arc::new(provider) as Arc<dyn guarita::Provider>));
        let mut slot = self.background.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.is_none() {
            std::mem::swap(&mut *slot, &mut provider);
        }
        let ours = slot.as_ref().map(|ours| ours.get("detector").map(Arc::clone));
        drop(slot);
        // Another thread may have been faster. Then this one is let go, without the lock.
        drop(provider);
        ours.unwrap_or_else(|| Err(raise(ErrorCode::Internal, "a provider is gone")))
    }
}

/// The library of an installed package; none where the host names one itself, or one is loaded already.
pub(crate) fn library(py: Python<'_>) -> PyResult<Option<PathBuf>> {
    let found: Option<PathBuf> = py.import("guarita._runtime")?.call_method0("library_folder")?.extract()?;
    let Some(folder) = found else { return Ok(None) };
    let usable = |folder: &Path| match guarita::runtime(Some(folder)) {
        Err(error) if error.code() == ErrorCode::InvalidState => Ok(false),
        other => other.map(|_| true),
    };
    detached(py, || usable(&folder)).map(|usable| usable.then_some(folder))
}

#[pymethods]
impl Detector {
    #[new]
    #[pyo3(signature = (model, **config))]
    fn new(py: Python<'_>, model: &Bound<'_, PyAny>, config: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let config: DetectorConfig = from_kwargs(config, [])?;
        let spec = match model.cast::<ModelSpec>() {
            Ok(spec) => spec.get().0.clone(),
            Err(_) => {
                let path = text::model_path(model)?;
                interruptible(py, || guarita::ModelSpec::read(path))?
            }
        };
        let open = Open::new(py, &spec, &config)?;
        Ok(Self {
            spec,
            config,
            open: Mutex::new(Some(Arc::new(open))),
            closed: AtomicBool::new(false),
            last: AtomicU64::new(u64::MAX),
        })
    }

    /// Finds the objects in one picture: boxes in pixels of the picture, surest first.
    ///
    /// Args:
    ///     image: An array, encoded bytes, a PIL image or a `Frame`; see `Frame`.
    ///     format, share: As for `Frame`.
    ///
    /// Raises:
    ///     InvalidArgument, DataCorrupt, Unsupported, ResourceExhausted: The picture; see `Frame`.
    ///     ModelInvalid: The outputs are not what the model file says, or hold NaN.
    ///     InvalidState: The detector is closed.
    #[pyo3(signature = (image, *, format=None, share=false))]
    fn detect(
        &self,
        image: &Bound<'_, PyAny>,
        #[pyo3(from_py_with = optional::format)] format: Option<&str>,
        share: bool,
    ) -> PyResult<Detections> {
        let frame = frame(image, format, share)?;
        let found = self.run(image.py(), vec![frame])?.pop();
        found.map(Detections::from).ok_or_else(|| raise(ErrorCode::Internal, "one picture gave no result"))
    }

    /// Finds the objects in several pictures, which may differ in size and format; results in their order.
    ///
    /// They go through the model together where it allows that, and otherwise one after the other.
    ///
    /// Raises:
    ///     As `detect`; an error in one picture is an error of all.
    #[pyo3(signature = (images, *, format=None, share=false))]
    fn detect_batch(
        &self,
        images: &Bound<'_, PyAny>,
        #[pyo3(from_py_with = optional::format)] format: Option<&str>,
        share: bool,
    ) -> PyResult<Vec<Detections>> {
        let frames = provider::decoded(images.py(), provider::all(images, format, share)?, "")?;
        if frames.is_empty() {
            return self.open(images.py()).map(|_| Vec::new());
        }
        Ok(self.run(images.py(), frames)?.into_iter().map(Detections::from).collect())
    }

    /// As `detect`, for asyncio: returns a future, and no thread waits for it. Calls run side by side on a few threads of the
    /// detector's own.
    ///
    /// Raises:
    ///     InvalidState: No event loop runs on this thread, or the detector is closed.
    #[pyo3(signature = (image, *, format=None, share=false))]
    fn detect_async<'py>(
        &self,
        image: &Bound<'py, PyAny>,
        #[pyo3(from_py_with = optional::format)] format: Option<&str>,
        share: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = image.py();
        let picture = Picture::of(image, format, share)?;
        // Held to the end: where the detector is closed meanwhile, this one lets the provider's threads go, without the
        // interpreter lock that they may wait for.
        let open = self.open(py)?;
        let provider = open.background(py)?;
        provider::submit(py, &provider, provider::plain(Vec::new()), vec![picture], "", |py, mut response| {
            let found = response.detections.pop();
            let found = found.ok_or_else(|| raise(ErrorCode::Internal, "one picture gave no result"))?;
            Ok(Bound::new(py, Detections::from(found))?.into_any().unbind())
        })
    }

    /// What the model is.
    #[getter]
    fn spec(&self) -> ModelSpec {
        ModelSpec(self.spec.clone())
    }

    /// What runs the model, where, and with which settings; as plain values.
    #[getter]
    fn report<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let open = self.open(py)?;
        to_py(py, &open.detector.get("detector")?.report())
    }

    /// Whether it was closed.
    #[getter]
    fn closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Lets the model go, when no call uses it any more. A second call does nothing.
    fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        let taken = self.open.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(taken);
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_error))]
    fn __exit__(&self, _error: &Bound<'_, PyTuple>) {
        self.close();
    }

    fn __repr__(&self) -> String {
        let state = if self.closed() { ", closed" } else { "" };
        format!("<Detector {} {:?}{state}>", self.spec.family.name(), self.spec.path.display().to_string())
    }
}
