//! Frames out of recordings.

use crate::config::from_kwargs;
use crate::error::detached;
use crate::fork::Native;
use crate::frame::Frame;
use crate::text;
use crate::wait;
use guarita::source::SourceConfig;
use guarita::{Error, ErrorCode};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError, TryLockError};
use std::task::Poll;

/// Frames of a video file, or of a stream, each with its own presentation time, as an iterator.
///
/// A program `ffmpeg` decodes, in a process of its own: the one that `ffmpeg=` names, or the variable `GUARITA_FFMPEG`, or the
/// one on `PATH`, or that of the package `imageio-ffmpeg` in the virtual environment. At most four frames are in memory besides
/// those that the caller keeps.
///
/// Args:
///     path_or_url: A file, or a URL with the scheme http, https, rtsp, rtp, udp or tcp, which is given as `str`.
///     **config: As in `SourceConfig`: `width`, `fps`, `format` (default `i420`) and others.
///
/// Iterating raises what is wrong with the file where that turns out, after the frames that could be decoded; then it is over.
///
/// Raises:
///     NotFound, PermissionDenied, DataCorrupt, Unsupported, ResourceExhausted: The file.
///     RuntimeUnavailable: There is no usable `ffmpeg`.
///     DeadlineExceeded: No frame came in `timeout_s`.
///     InvalidConfig: A field that cannot be so; the message names it.
///
/// >>> with VideoSource("yard.mp4", width=640, fps=5, format="rgb8") as frames:       # doctest: +SKIP
/// ...     for frame in frames:
/// ...         print(frame.pts, frame.numpy().shape)
#[pyclass(frozen, module = "guarita")]
pub(crate) struct VideoSource {
    /// None once it is over. Held while a frame is waited for, with the interpreter lock released; a child of a fork, which
    /// may find it locked, never looks at it.
    source: Native<Mutex<Option<guarita::VideoSource>>>,
    name: String,
    size: (u32, u32),
    duration: Option<f64>,
    frame_rate: Option<f64>,
    program: String,
}

/// The config, with the program of an installed package where the host and the system have none.
pub(crate) fn with_program(py: Python<'_>, mut config: SourceConfig) -> PyResult<SourceConfig> {
    if config.ffmpeg.is_none() {
        config.ffmpeg = py.import("guarita._runtime")?.call_method0("ffmpeg")?.extract()?;
    }
    Ok(config)
}

/// What a look brought.
enum Look {
    Frame(guarita::Frame),
    Nothing,
    End,
}

impl VideoSource {
    fn get(&self) -> PyResult<&Mutex<Option<guarita::VideoSource>>> {
        self.source.get("VideoSource")
    }

    /// A short wait for the next frame, without the interpreter lock.
    fn look(source: &Mutex<Option<guarita::VideoSource>>) -> guarita::Result<Look> {
        let mut open = match source.try_lock() {
            Ok(open) => open,
            Err(TryLockError::Poisoned(open)) => open.into_inner(),
            Err(TryLockError::WouldBlock) => {
                return Err(Error::new(ErrorCode::InvalidState, "another thread is reading this VideoSource"));
            }
        };
        let Some(next) = &mut *open else { return Ok(Look::End) };
        match next.poll_next(wait::LOOK_UP) {
            Poll::Pending => Ok(Look::Nothing),
            Poll::Ready(Some(Ok(frame))) => Ok(Look::Frame(frame)),
            Poll::Ready(Some(Err(error))) => {
                *open = None;
                Err(error)
            }
            Poll::Ready(None) => {
                *open = None;
                Ok(Look::End)
            }
        }
    }
}

#[pymethods]
impl VideoSource {
    #[new]
    #[pyo3(signature = (path_or_url, **config))]
    fn new(
        py: Python<'_>,
        #[pyo3(from_py_with = text::path_or_url)] path_or_url: PathBuf,
        config: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let config = with_program(py, from_kwargs(config, [])?)?;
        // The first frame may take as long as `timeout_s` says.
        let source = wait::interruptible(py, move || guarita::VideoSource::open(path_or_url, config))?;
        let size = source.size();
        Ok(Self {
            name: source.name().to_owned(),
            size: (size.width, size.height),
            duration: source.duration().map(|duration| duration.as_secs_f64()),
            frame_rate: source.frame_rate(),
            program: source.program().display().to_string(),
            source: Native::new(Mutex::new(Some(source))),
        })
    }

    /// What was opened, as messages call it: a path, or a URL without name, password and the values of its query.
    #[getter]
    fn name(&self) -> &str {
        &self.name
    }

    /// Width and height of every frame in pixels, after the video's own rotation was applied.
    #[getter]
    fn size(&self) -> (u32, u32) {
        self.size
    }

    /// How long the video is in seconds, as its container says, which can be wrong; None where it does not.
    #[getter]
    fn duration(&self) -> Option<f64> {
        self.duration
    }

    /// Frames in a second of the video, where its container says so, without regard to `fps`; else None.
    #[getter]
    fn frame_rate(&self) -> Option<f64> {
        self.frame_rate
    }

    /// The program that decodes.
    #[getter]
    fn program(&self) -> &str {
        &self.program
    }

    /// Whether it is over: closed, or read to its end.
    #[getter]
    fn closed(&self, py: Python<'_>) -> PyResult<bool> {
        let source = self.get()?;
        Ok(py.detach(|| source.lock().unwrap_or_else(PoisonError::into_inner).is_none()))
    }

    /// Ends the program that decodes. A second call does nothing.
    fn close(&self, py: Python<'_>) {
        if let Ok(source) = self.get() {
            py.detach(|| drop(source.lock().unwrap_or_else(PoisonError::into_inner).take()));
        }
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Frame>> {
        let source = self.get()?;
        loop {
            match detached(py, || Self::look(source))? {
                Look::Frame(frame) => return Ok(Some(frame.into())),
                Look::End => return Ok(None),
                Look::Nothing => py.check_signals()?,
            }
        }
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_error))]
    fn __exit__(&self, py: Python<'_>, _error: &Bound<'_, PyTuple>) {
        self.close(py);
    }

    fn __repr__(&self) -> String {
        format!("<VideoSource {:?} {}x{}>", self.name, self.size.0, self.size.1)
    }
}
