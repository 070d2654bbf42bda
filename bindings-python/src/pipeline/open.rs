//! A pipeline of the core, as long as something in Python holds it.

use crate::event::Hub;
use crate::fork::Native;
use crate::wait;
use guarita::{ChunkReport, RunFileConfig, RunSummary};
use pyo3::prelude::*;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

/// A pipeline, and what the face keeps beside it.
pub(crate) struct Open {
    /// The pipeline goes first: its end is that of the streams too.
    native: Native<Parts>,
    ended: AtomicBool,
    /// The numbers of frames that come without one, by camera. Only held for moments in which the interpreter lock is held
    /// too, so that no fork finds it locked.
    numbers: Mutex<BTreeMap<String, Arc<AtomicU64>>>,
}

struct Parts {
    pipeline: guarita::Pipeline,
    hub: Arc<Hub>,
    provider: Arc<dyn guarita::Provider>,
}

/// All that were not ended. Only held as `numbers` is.
static OPEN: Mutex<Vec<Weak<Open>>> = Mutex::new(Vec::new());
/// For all pipelines that nobody ended, together, when the interpreter goes down.
const AT_EXIT: Duration = Duration::from_secs(1);

impl Open {
    pub(super) fn new(pipeline: guarita::Pipeline, provider: Arc<dyn guarita::Provider>, hub: Arc<Hub>) -> Arc<Self> {
        let native = Native::new(Parts { pipeline, hub, provider });
        let open = Arc::new(Self { native, ended: AtomicBool::new(false), numbers: Mutex::default() });
        let mut all = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|other| other.strong_count() > 0);
        all.push(Arc::downgrade(&open));
        open
    }

    /// The pipeline; `InvalidState` in a child of the process that made it.
    pub(super) fn get(&self) -> PyResult<&guarita::Pipeline> {
        self.native.get("Pipeline").map(|parts| &parts.pipeline)
    }

    /// Goes through a recording, on a thread of the face's.
    pub(super) fn run_file(
        &self,
        path: PathBuf,
        config: RunFileConfig,
        stop: &AtomicBool,
        progress: impl FnMut(&ChunkReport) -> ControlFlow<()>,
    ) -> guarita::Result<RunSummary> {
        self.native.peek().pipeline.run_file_until(path, config, stop, progress)
    }

    pub(super) fn hub(&self) -> PyResult<&Arc<Hub>> {
        self.native.get("Pipeline").map(|parts| &parts.hub)
    }

    /// Whose name and clock never change.
    pub(super) fn provider(&self) -> &Arc<dyn guarita::Provider> {
        &self.native.peek().provider
    }

    pub(super) fn is_foreign(&self) -> bool {
        self.native.is_foreign()
    }

    pub(super) fn is_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// The number of the next frame of this camera, for all who push it.
    pub(super) fn numbers(&self, camera: &str) -> Arc<AtomicU64> {
        let mut numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(numbers.entry(camera.to_owned()).or_default())
    }

    /// A new camera begins with 0.
    pub(super) fn count_anew(&self, camera: &str) {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner).remove(camera);
    }

    /// Ends the pipeline. An exception of a signal handler does not wait for the end, which then comes about by itself. On a
    /// thread of the pipeline's own, such as a sink's, that one is not waited for.
    pub(super) fn shutdown(self: &Arc<Self>, py: Python<'_>, timeout: Duration) -> PyResult<guarita::ShutdownReport> {
        self.ended.store(true, Ordering::Relaxed);
        let open = Arc::clone(self);
        wait::interruptible(py, move || Ok(open.end(timeout)))
    }

    fn end(&self, timeout: Duration) -> guarita::ShutdownReport {
        let parts = self.native.peek();
        let report = parts.pipeline.shutdown(timeout);
        // Where its thread hangs, the sink of the streams did not end them.
        parts.hub.end();
        report
    }
}

/// Ends what nobody ended, so that no thread of guarita runs code of the host's while the interpreter goes down.
#[pyfunction]
#[pyo3(name = "_end_all")]
pub(crate) fn end_all(py: Python<'_>) {
    let all = std::mem::take(&mut *OPEN.lock().unwrap_or_else(PoisonError::into_inner));
    let all: Vec<_> = all.iter().filter_map(Weak::upgrade).filter(|open| !open.is_foreign()).collect();
    if all.is_empty() {
        return;
    }
    py.detach(|| {
        std::thread::scope(|scope| {
            for open in &all {
                open.ended.store(true, Ordering::Relaxed);
                let end = || drop(open.end(AT_EXIT));
                // Without a thread, one after the other.
                if std::thread::Builder::new().spawn_scoped(scope, end).is_err() {
                    open.end(Duration::ZERO);
                }
            }
        });
    });
}
