//! Runs a recording through a pipeline.

use super::Account;
use crate::config::to_py;
use crate::error::{OrRaise, raise, to_py as raised};
use crate::wait;
use guarita::ErrorCode;
use guarita::pipeline::{RunEnd, RunFileConfig};
use guarita_face::{PipelineHandle, start_thread};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};

/// A message of a run's thread.
enum News {
    Chunk(Box<guarita::pipeline::ChunkReport>, mpsc::Sender<ControlFlow<()>>),
    End(Box<guarita::Result<guarita::pipeline::RunSummary>>),
}

/// Runs the recording on a thread of its own, while the caller's checks signals and calls `progress`. Where that is
/// interrupted, the run ends by itself.
pub(super) fn run(
    py: Python<'_>,
    handle: &Arc<PipelineHandle>,
    path: PathBuf,
    config: RunFileConfig,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<RunSummary> {
    let (sender, news) = mpsc::channel();
    let stop = Stop(Arc::new(AtomicBool::new(false)));
    let (handle, stopped) = (Arc::clone(handle), Arc::clone(&stop.0));
    let through = move || {
        let report = |chunk: &guarita::pipeline::ChunkReport| {
            let (answer, answered) = mpsc::channel();
            drop(sender.send(News::Chunk(Box::new(chunk.clone()), answer)));
            // Nobody answers where nobody waits any more.
            answered.recv().unwrap_or(ControlFlow::Break(()))
        };
        let end = handle.pipeline().run_file_until(path, config, &stopped, report);
        drop(sender.send(News::End(Box::new(end))));
    };
    start_thread("guarita-run-file", through).or_raise()?;
    let mut raises = None;
    loop {
        // The wait looks at signals only where it is a long one, and chunks may be short.
        py.check_signals()?;
        match wait::receive(py, &news, None)? {
            Some(News::Chunk(chunk, answer)) => {
                let told = progress.map_or(Ok(true), |progress| {
                    let said = progress.call1((ChunkReport(*chunk),))?;
                    Ok(said.is_none() || said.is_truthy()?)
                });
                let goes_on = matches!(told, Ok(true));
                raises = told.err();
                let next = if goes_on { ControlFlow::Continue(()) } else { ControlFlow::Break(()) };
                let _ = answer.send(next);
            }
            Some(News::End(end)) => return raises.map_or_else(|| (*end).or_raise().map(RunSummary), Err),
            None => return Err(raise(ErrorCode::Internal, "the thread that went through the recording is gone")),
        }
    }
}

/// Ends the run when the caller does not wait any more.
struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What became of one chunk of a recording: each of its frames has ended.
#[pyclass(frozen, module = "guarita")]
pub(crate) struct ChunkReport(guarita::pipeline::ChunkReport);

#[pymethods]
impl ChunkReport {
    /// Its number, from 0 on.
    #[getter]
    fn number(&self) -> u64 {
        self.0.number
    }

    /// Presentation time of its first frame, in seconds.
    #[getter]
    fn begin(&self) -> f64 {
        self.0.from.as_secs_f64()
    }

    /// Presentation time of its last frame, in seconds.
    #[getter]
    fn end(&self) -> f64 {
        self.0.to.as_secs_f64()
    }

    /// What became of its frames; none is in flight.
    #[getter]
    fn account(&self) -> Account {
        Account(self.0.account.clone())
    }

    /// Events of the camera's own triggers that it led to.
    #[getter]
    fn events(&self) -> u64 {
        self.0.events
    }

    /// Seconds of video in a second; 0 where no time passed.
    #[getter]
    fn speed(&self) -> f64 {
        self.0.speed()
    }

    /// Seconds of the whole recording, as its container says, which can be wrong; None where it does not.
    #[getter]
    fn duration(&self) -> Option<f64> {
        self.0.duration.map(|duration| duration.as_secs_f64())
    }

    /// All of it as plain values, for JSON.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        dict.set_item("number", self.number())?;
        dict.set_item("begin", self.begin())?;
        dict.set_item("end", self.end())?;
        dict.set_item("account", to_py(py, &self.0.account)?)?;
        dict.set_item("events", self.events())?;
        dict.set_item("speed", self.speed())?;
        dict.set_item("duration", self.duration())?;
        Ok(dict)
    }

    fn __repr__(&self) -> String {
        let frames = self.0.account.pushed;
        format!("<ChunkReport {}: {}..{} s, {frames} frames>", self.0.number, self.begin(), self.end())
    }
}

/// How a recording was gone through.
#[pyclass(frozen, module = "guarita")]
pub(crate) struct RunSummary(guarita::pipeline::RunSummary);

#[pymethods]
impl RunSummary {
    /// Chunks that were reported.
    #[getter]
    fn chunks(&self) -> u64 {
        self.0.chunks
    }

    /// What became of all frames; none is in flight.
    #[getter]
    fn account(&self) -> Account {
        Account(self.0.account.clone())
    }

    /// Events of the camera's own triggers.
    #[getter]
    fn events(&self) -> u64 {
        self.0.events
    }

    /// Presentation time of the last frame, in seconds; None where there was no frame.
    #[getter]
    fn position(&self) -> Option<f64> {
        self.0.position.map(guarita::Timestamp::as_secs_f64)
    }

    /// Seconds of video in a second; 0 where no time passed.
    #[getter]
    fn speed(&self) -> f64 {
        self.0.speed()
    }

    /// Seconds of the whole recording, as its container says, which can be wrong; None where it does not.
    #[getter]
    fn duration(&self) -> Option<f64> {
        self.0.duration.map(|duration| duration.as_secs_f64())
    }

    /// `complete`; `stopped` where `progress` said so; `broken` where it could not go on.
    #[getter]
    fn end(&self) -> &'static str {
        match self.0.end {
            RunEnd::Complete => "complete",
            RunEnd::Stopped => "stopped",
            _ => "broken",
        }
    }

    /// What broke it off, for the end `broken`; it says at what position. Else None.
    #[getter]
    fn error(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        match &self.0.end {
            RunEnd::Broken(error) => Some(raised(error).into_value(py).into_any()),
            _ => None,
        }
    }

    /// All of it as plain values, for JSON; the error as its words.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        dict.set_item("chunks", self.chunks())?;
        dict.set_item("account", to_py(py, &self.0.account)?)?;
        dict.set_item("events", self.events())?;
        dict.set_item("position", self.position())?;
        dict.set_item("speed", self.speed())?;
        dict.set_item("duration", self.duration())?;
        dict.set_item("end", self.end())?;
        let error = match &self.0.end {
            RunEnd::Broken(error) => Some(error.to_string()),
            _ => None,
        };
        dict.set_item("error", error)?;
        Ok(dict)
    }

    fn __repr__(&self) -> String {
        let frames = self.0.account.pushed;
        format!("<RunSummary {}, {frames} frames in {} chunks, {} events>", self.end(), self.0.chunks, self.0.events)
    }
}
