//! The detector: pictures in, boxes out.

use crate::config::{from_kwargs, to_py};
use crate::detection::Detections;
use crate::error::{attached, detached, raise};
use crate::fork::Shared;
use crate::model::ModelSpec;
use crate::picture::{frame, picture};
use crate::provider;
use crate::text::{self, optional};
use crate::wait::{interruptible, is_main_thread};
use guarita::{DetectorConfig, ErrorCode};
use guarita_face::DetectorHandle;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A call on the main thread that is expected to take longer than this runs on another thread, so that Ctrl-C works.
const SHORT: Duration = Duration::from_millis(50);

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
pub(crate) struct Detector(Shared<Arc<DetectorHandle>>);

impl Detector {
    /// The detector of this process, which the first call in a child opens anew.
    pub(crate) fn get(slf: &Bound<'_, Self>) -> PyResult<Arc<guarita::Detector>> {
        let handle = slf.get().open(slf.py())?;
        attached(|| handle.detector())
    }

    fn open(&self, py: Python<'_>) -> PyResult<&DetectorHandle> {
        if !self.0.is_open() {
            let handle = Arc::clone(&self.0);
            interruptible(py, move || handle.detector().map(drop))?;
        }
        Ok(&self.0)
    }

    fn run(&self, py: Python<'_>, frames: Vec<guarita::Frame>) -> PyResult<Vec<guarita::Detections>> {
        let handle = self.open(py)?;
        if is_main_thread(py) && handle.expected(frames.len()) > SHORT {
            return self.run_interruptibly(py, frames);
        }
        detached(py, || handle.detect_batch(&frames))
    }

    /// Makes each run of the model on another thread, one at a time, so that Ctrl-C ends the rest of a long batch.
    fn run_interruptibly(&self, py: Python<'_>, frames: Vec<guarita::Frame>) -> PyResult<Vec<guarita::Detections>> {
        let background = self.background(py)?;
        let mut found = Vec::with_capacity(frames.len());
        for frames in frames.chunks(self.0.config().max_batch.max(1)) {
            // The wait checks signals only where it is a long one.
            py.check_signals()?;
            let response = provider::detect(py, &background, DetectorHandle::request(frames))?;
            self.0.note_response(&response);
            found.extend(response.detections);
        }
        Ok(found)
    }

    /// For calls that nobody waits for on the caller's thread. Where the detector is closed meanwhile, this is the last one that
    /// lets its threads go, which wait for the interpreter lock.
    fn background(&self, py: Python<'_>) -> PyResult<Shared<Arc<dyn guarita::Provider>>> {
        let handle = self.open(py)?;
        detached(py, || handle.background()).map(Shared::new)
    }
}

/// The library of an installed package; none where the host names one itself, or one is loaded already.
pub(crate) fn library(py: Python<'_>) -> PyResult<Option<PathBuf>> {
    let found: Option<PathBuf> = py.import("guarita._runtime")?.call_method0("library_folder")?.extract()?;
    let Some(folder) = found else { return Ok(None) };
    let usable = |folder: &Path| match guarita::onnx::runtime(Some(folder)) {
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
        let mut config: DetectorConfig = from_kwargs(config, [])?;
        let spec = match model.cast::<ModelSpec>() {
            Ok(spec) => spec.get().0.clone(),
            Err(_) => {
                let path = text::model_path(model)?;
                interruptible(py, || guarita::ModelSpec::read(path))?
            }
        };
        if config.onnxruntime.is_none() {
            config.onnxruntime = library(py)?;
        }
        let handle = interruptible(py, || DetectorHandle::open(spec, config))?;
        Ok(Self(Shared::new(Arc::new(handle))))
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
        let picture = picture(image, format, share)?;
        let provider = self.background(py)?;
        let request = DetectorHandle::request([]);
        provider::submit(py, &provider, request, vec![picture], "", |py, mut response| {
            let found = response.detections.pop();
            let found = found.ok_or_else(|| raise(ErrorCode::Internal, "one picture gave no result"))?;
            Ok(Bound::new(py, Detections::from(found))?.into_any().unbind())
        })
    }

    /// What the model is.
    #[getter]
    fn spec(&self) -> ModelSpec {
        ModelSpec(self.0.spec().clone())
    }

    /// What runs the model, where, and with which settings; as plain values.
    #[getter]
    fn report<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let handle = self.open(py)?;
        to_py(py, &detached(py, || Ok(handle.detector()?.report()))?)
    }

    /// Whether it was closed.
    #[getter]
    fn closed(&self) -> bool {
        self.0.is_closed()
    }

    /// Lets the model go, when no call uses it any more. A second call does nothing.
    fn close(&self, py: Python<'_>) {
        py.detach(|| self.0.close());
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_error))]
    fn __exit__(&self, py: Python<'_>, _error: &Bound<'_, PyTuple>) {
        self.close(py);
    }

    fn __repr__(&self) -> String {
        let state = if self.closed() { ", closed" } else { "" };
        let spec = self.0.spec();
        format!("<Detector {} {:?}{state}>", spec.family.name(), spec.path.display().to_string())
    }
}
