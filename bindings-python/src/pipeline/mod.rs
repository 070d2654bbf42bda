//! Cameras, their frames and what becomes of them.

mod camera;
mod checkpoint;
mod end;
mod explain;
mod result;
mod run_file;
mod stats;
mod threads;

pub(crate) use camera::{Admission, Camera};
pub(crate) use checkpoint::PipelineCheckpoint;
pub(crate) use end::end_all;
pub(crate) use explain::Decision;
pub(crate) use result::FrameResult;
pub(crate) use run_file::{ChunkReport, RunSummary};
pub(crate) use stats::{Account, CameraStats, PipelineHealth, PipelineStats, ShutdownReport};
pub(crate) use threads::Threads;

use crate::callable::Callable;
use crate::config::{from_any, from_kwargs, plain};
use crate::error::{OrRaise, detached, raise};
use crate::event::{EventStream, HostBatchSink, HostSink, HostTrigger, built_in};
use crate::fork::Native;
use crate::provider::Provider;
use crate::resilience::Budget;
use crate::source::with_program;
use crate::text;
use crate::{time, wait};
use guarita::event::{Deliveries, OutletConfig};
use guarita::pipeline::PipelineBuilder;
use guarita::{CameraConfig, ErrorCode, PipelineConfig};
use guarita_face::{EventStreams, PipelineHandle, defaults};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyMapping, PyTuple};
use pyo3::{PyTraverseError, PyVisit};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

/// Carries the frames of many cameras through one provider: samples them, shows them to motion gates, queues them fairly,
/// batches them across cameras, filters what is found, fires triggers, delivers events, and can say at any time what became
/// of every frame.
///
/// Args:
///     provider: Who looks at the frames. It is not closed with the pipeline.
///     sinks: Who is told of events, by name: callables that take an `Event`, objects with a method `deliver_batch` that takes
///         a list of them, `JsonLinesSink` or `WebhookSink`. Each is called on a thread of its own. An exception in it is in
///         `stats().outlets`; where it is a `TimeoutError`, an `OSError`, or one of guarita's whose advice is `RetryLater`, the
///         event comes again. `deliver_batch` gives None where all of the list is durable, or how many from its front are:
///         the others come again.
///     outlets: What a sink gets (events, results of frames, or both), in which batches, how that waits, and how often it is
///         tried, by the sink's name; as in `OutletConfig`.
///     triggers: Triggers of the host by the names that cameras have in `host_triggers`: callables that take a `Scene` and
///         give a `Firing` or None. Each is called on a thread of its own; exceptions go to `sys.unraisablehook`.
///     on_result: Is called with the `FrameResult` of every frame that was looked at, on a thread of its own; where it is
///         slow, the oldest that wait are dropped and counted. Its exceptions count as those of a sink do; one by which a
///         result is given up goes to `sys.unraisablehook` as well.
///     threads: How many compute, or `Threads` that are shared with others, such as a `LocalProvider`; None for as many as
///         there are processors.
///     budget: Where what gate and cache save is counted, at the price of `api`.
///     api: The name of an API in the budget's price table.
///     restore: Goes on where another pipeline was.
///     **config: As in `PipelineConfig`.
///
/// Use it in a `with` block, which ends it: the threads of a sink, and what the sink's code refers to, live until then.
///
/// Raises:
///     InvalidConfig: A field that cannot be so, or a name that is there twice; the message names it.
///     InvalidState: The provider is closed, or was made before a fork.
///     ResourceExhausted: The system gives no more threads.
///
/// >>> import guarita, numpy
/// >>> provider = guarita.LocalProvider(guarita.Detector(MODEL))
/// >>> with guarita.Pipeline(provider, sinks={"log": print}) as pipeline:
/// ...     gate_7 = pipeline.add_camera("gate-7", fps=2)
/// ...     admission = gate_7.push(numpy.zeros((480, 640, 3), "uint8"), pts=0.0)
/// >>> pipeline.stats().account.pushed
/// 1
#[pyclass(frozen, weakref, module = "guarita")]
pub(crate) struct Pipeline {
    open: Native<Arc<PipelineHandle>>,
    /// The callables of the host's; here Python's collector finds them.
    callables: Vec<Callable>,
}

impl Pipeline {
    fn handle(&self) -> PyResult<&Arc<PipelineHandle>> {
        self.open.get("Pipeline")
    }

    /// The pipeline; `InvalidState` in a child of the process that made it.
    fn get(&self) -> PyResult<&guarita::Pipeline> {
        self.handle().map(|handle| handle.pipeline())
    }
}

#[pymethods]
impl Pipeline {
    #[new]
    #[pyo3(signature = (provider, *, sinks=None, outlets=None, triggers=None, on_result=None, threads=None, budget=None, api="", restore=None, **config))]
    #[allow(clippy::too_many_arguments, reason = "keyword arguments")]
    fn new(
        py: Python<'_>,
        provider: &Bound<'_, Provider>,
        sinks: Option<&Bound<'_, PyMapping>>,
        outlets: Option<&Bound<'_, PyAny>>,
        triggers: Option<&Bound<'_, PyMapping>>,
        on_result: Option<&Bound<'_, PyAny>>,
        threads: Option<&Bound<'_, PyAny>>,
        budget: Option<&Bound<'_, Budget>>,
        #[pyo3(from_py_with = text::api)] api: &str,
        restore: Option<&Bound<'_, PipelineCheckpoint>>,
        config: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let lent = threads.and_then(|threads| threads.cast::<Threads>().ok());
        let count = threads.filter(|_| lent.is_none()).map(|count| plain("threads", count)).transpose()?;
        let config: PipelineConfig = from_kwargs(config, count.map(|count| ("threads", count)))?;
        let provider = provider.get().get()?;
        let streams = Arc::new(EventStreams::default());
        let mut callables = Vec::new();

        let mut builder = streams.fill_from(guarita::Pipeline::builder(Arc::clone(&provider)).config(config));
        let outlets: BTreeMap<String, OutletConfig> = outlets.map_or(Ok(BTreeMap::new()), from_any)?;
        builder = with_sinks(builder, sinks, outlets, &mut callables)?;
        for (name, trigger) in items(triggers)? {
            let call = Callable::new(&trigger, &format!("the trigger {name}"))?;
            callables.push(call.clone());
            builder = builder.trigger(&name, HostTrigger(call));
        }
        if let Some(take) = on_result {
            let call = Callable::new(take, defaults::RESULTS_OUTLET)?;
            callables.push(call.clone());
            let results = OutletConfig { deliveries: Deliveries::Results, ..OutletConfig::default() };
            let sink = HostSink { name: defaults::RESULTS_OUTLET.into(), call, unraisable: true };
            builder = builder.sink_with(defaults::RESULTS_OUTLET, Box::new(sink), results);
        }
        if let Some(threads) = lent {
            builder = builder.threads(threads.get().get()?);
        }
        if let Some(budget) = budget {
            builder = builder.budget(budget.get().get()?, api);
        }
        if let Some(checkpoint) = restore {
            builder = builder.restore(checkpoint.get().0.clone());
        }
        let handle = detached(py, || PipelineHandle::build(builder, provider, streams))?;
        Ok(Self { open: Native::new(handle), callables })
    }

    /// Adds a camera, while the others run.
    ///
    /// Args:
    ///     id: Its name.
    ///     **config: As in `CameraConfig`.
    ///
    /// Raises:
    ///     InvalidConfig: A field that cannot be so, or a camera of this name is there already; the message says which.
    ///     Unsupported: The provider cannot look for what is wanted.
    ///     InvalidState: The pipeline is closed.
    #[pyo3(signature = (id, **config))]
    fn add_camera(
        slf: Bound<'_, Self>,
        #[pyo3(from_py_with = text::id)] id: &str,
        config: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Camera> {
        let config: CameraConfig = from_kwargs(config, [("id", id.into())])?;
        let handle = slf.get().handle()?;
        let camera = detached(slf.py(), || handle.pipeline().add_camera(config))?;
        handle.number_anew(id);
        Camera::new(slf, camera)
    }

    /// The camera of this name.
    ///
    /// Raises:
    ///     NotFound: There is none.
    fn camera(slf: Bound<'_, Self>, #[pyo3(from_py_with = text::id)] id: &str) -> PyResult<Camera> {
        let pipeline = slf.get().get()?;
        let camera = detached(slf.py(), || pipeline.camera(id))?;
        Camera::new(slf, camera)
    }

    /// All cameras, in the order in which they came.
    #[getter]
    fn cameras(slf: Bound<'_, Self>) -> PyResult<Vec<Camera>> {
        let pipeline = slf.get().get()?;
        let cameras = detached(slf.py(), || Ok(pipeline.cameras()))?;
        cameras.into_iter().map(|camera| Camera::new(slf.clone(), camera)).collect()
    }

    /// Opens a stream of the events of all cameras, from now on.
    ///
    /// Args:
    ///     capacity: Events that may wait for the reader, 1..1000000; where one more comes, the oldest is dropped and counted.
    ///
    /// Raises:
    ///     InvalidState: The pipeline is closed.
    #[pyo3(signature = (capacity=1024))]
    fn events(&self, capacity: usize) -> PyResult<EventStream> {
        let handle = self.handle()?;
        if self.closed() {
            return Err(raise(ErrorCode::InvalidState, "the pipeline is closed"));
        }
        handle.streams().open(capacity).or_raise().map(Native::new).map(EventStream)
    }

    /// Goes through a recording beside the other cameras, as fast as they let it, and returns when every frame of it has
    /// ended. The camera is added for it, and removed at the end. No frame is dropped because others wait: it waits for room.
    ///
    /// Args:
    ///     path: The file, or a URL.
    ///     camera: The name of the camera that it was recorded by; one that the pipeline does not have.
    ///     source: How it is decoded, as in `SourceConfig`.
    ///     chunk: Seconds of video between two reports; 0.1..86400, default 60.
    ///     in_flight: Frames that are on their way at a time; 1..1024, default 16.
    ///     patience: Seconds that one frame may take before it ends as `dropped_stale`; default 86400.
    ///     progress: Is called, on this thread, with the `ChunkReport` of each chunk once all its frames have ended; where it
    ///         gives False, the run ends there. An exception in it ends the run, and is raised.
    ///     **config: The camera's, as in `CameraConfig`; `epoch_s` says when it was recorded.
    ///
    /// Returns:
    ///     What became of it. A recording that turns out to be damaged is no exception, since what was done up to there
    ///     counts: see `RunSummary.end`.
    ///
    /// Raises:
    ///     NotFound, PermissionDenied, DataCorrupt, Unsupported, RuntimeUnavailable, DeadlineExceeded: It cannot be opened.
    ///     InvalidConfig: A field that cannot be so; the message names it.
    ///     InvalidState: The pipeline is closed.
    #[pyo3(signature = (path, camera, *, source=None, chunk=None, in_flight=None, patience=None, progress=None, **config))]
    #[allow(clippy::too_many_arguments, reason = "keyword arguments")]
    fn run_file(
        &self,
        py: Python<'_>,
        #[pyo3(from_py_with = text::path)] path: PathBuf,
        #[pyo3(from_py_with = text::camera)] camera: &str,
        source: Option<&Bound<'_, PyAny>>,
        chunk: Option<&Bound<'_, PyAny>>,
        in_flight: Option<usize>,
        patience: Option<&Bound<'_, PyAny>>,
        progress: Option<&Bound<'_, PyAny>>,
        config: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<RunSummary> {
        let mut run = guarita::pipeline::RunFileConfig::new(from_kwargs(config, [("id", camera.into())])?);
        if let Some(source) = source {
            run.source = from_any(source)?;
        }
        run.source = with_program(py, run.source)?;
        if let Some(chunk) = chunk {
            run.chunk_s = time::seconds(chunk, "chunk")?;
        }
        if let Some(patience) = patience {
            run.patience_s = time::seconds(patience, "patience")?;
        }
        run.in_flight = in_flight.unwrap_or(run.in_flight);
        run_file::run(py, self.handle()?, path, run, progress)
    }

    /// Frames that come end as `skipped_paused`, until `resume`. What was pushed before goes on.
    fn pause(&self, py: Python<'_>) -> PyResult<()> {
        let pipeline = self.get()?;
        detached(py, || {
            pipeline.pause();
            Ok(())
        })
    }

    /// Ends a pause of the pipeline; cameras that were paused themselves stay so.
    fn resume(&self, py: Python<'_>) -> PyResult<()> {
        let pipeline = self.get()?;
        detached(py, || {
            pipeline.resume();
            Ok(())
        })
    }

    /// How it stands; also when it is closed.
    fn stats(&self, py: Python<'_>) -> PyResult<PipelineStats> {
        let pipeline = self.get()?;
        detached(py, || Ok(pipeline.stats())).map(PipelineStats)
    }

    /// Whether it does what it should.
    fn health(&self, py: Python<'_>) -> PyResult<PipelineHealth> {
        let pipeline = self.get()?;
        detached(py, || Ok(pipeline.health())).map(PipelineHealth)
    }

    /// The metrics in Prometheus' text format.
    fn metrics(&self, py: Python<'_>) -> PyResult<String> {
        let pipeline = self.get()?;
        detached(py, || Ok(pipeline.metrics()))
    }

    /// Says that the provider's clock was moved, where it does not run by itself (`ManualClock`): has everything done that is
    /// due by now.
    fn on_time(&self, py: Python<'_>) -> PyResult<()> {
        let pipeline = self.get()?;
        detached(py, || {
            pipeline.on_time();
            Ok(())
        })
    }

    /// All that it knows, for `restore` of another pipeline. It goes on meanwhile.
    fn checkpoint(&self, py: Python<'_>) -> PyResult<PipelineCheckpoint> {
        let pipeline = self.get()?;
        detached(py, || Ok(pipeline.checkpoint())).map(PipelineCheckpoint)
    }

    /// Ends it: takes no more frames, brings those that it has to their end, and delivers the events that wait.
    ///
    /// Args:
    ///     timeout: Seconds, or a timedelta, by which it returns; what is not done in time (0.9 s before) is ended as
    ///         `dropped_shutdown`, or dropped and counted. With less than 4 seconds it may take up to a second more.
    ///
    /// Once it has ended, a further call gives the same account at once.
    #[pyo3(signature = (timeout=None))]
    fn shutdown(&self, py: Python<'_>, timeout: Option<&Bound<'_, PyAny>>) -> PyResult<ShutdownReport> {
        let timeout = timeout.map_or(Ok(defaults::CLOSE), |timeout| time::duration(timeout, "timeout"))?;
        let handle = Arc::clone(self.handle()?);
        handle.set_ended();
        // An exception of a signal handler does not wait for the end, which then comes about by itself. On a thread of the
        // pipeline's own, such as a sink's, that one is not waited for.
        let report = wait::interruptible(py, move || Ok(handle.shutdown(timeout)))?;
        // What sinks refer to goes with them.
        self.callables.iter().for_each(Callable::clear);
        Ok(ShutdownReport(report))
    }

    /// Whether it was ended.
    #[getter]
    fn closed(&self) -> bool {
        self.open.peek().is_ended()
    }

    /// Ends it as `shutdown(10)` does. A second call does nothing, and neither does one in a child of the process that made
    /// it.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        if self.open.is_foreign() || self.closed() {
            return Ok(());
        }
        self.shutdown(py, None).map(drop)
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_error))]
    fn __exit__(&self, py: Python<'_>, _error: &Bound<'_, PyTuple>) -> PyResult<()> {
        self.close(py)
    }

    fn __repr__(&self) -> String {
        let state = if self.open.is_foreign() {
            " of before the fork"
        } else if self.closed() {
            ", closed"
        } else {
            ""
        };
        format!("<Pipeline on {}{state}>", self.open.peek().provider().name())
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.callables.iter().try_for_each(|call| call.visit(&visit))
    }

    fn __clear__(&self) {
        self.callables.iter().for_each(Callable::clear);
    }
}

/// The names and values of a mapping; names are text.
fn items<'py>(mapping: Option<&Bound<'py, PyMapping>>) -> PyResult<Vec<(String, Bound<'py, PyAny>)>> {
    let Some(mapping) = mapping else { return Ok(Vec::new()) };
    mapping.items()?.iter().map(|item| item.extract()).collect()
}

fn with_sinks(
    mut builder: PipelineBuilder,
    sinks: Option<&Bound<'_, PyMapping>>,
    mut outlets: BTreeMap<String, OutletConfig>,
    callables: &mut Vec<Callable>,
) -> PyResult<PipelineBuilder> {
    let mut names = BTreeSet::new();
    for (name, sink) in items(sinks)? {
        let outlet = outlets.remove(&name).unwrap_or_default();
        let sink: Box<dyn guarita::Sink> = match built_in(&sink) {
            Some(open) => detached(sink.py(), open)?,
            None => {
                let what = format!("the sink {name}");
                let batches = sink.getattr_opt("deliver_batch")?;
                let call = Callable::new(batches.as_ref().unwrap_or(&sink), &what)?;
                callables.push(call.clone());
                match batches {
                    Some(_) => Box::new(HostBatchSink { name: what, call }),
                    None => Box::new(HostSink { name: what, call, unraisable: false }),
                }
            }
        };
        builder = builder.sink_with(&name, sink, outlet);
        names.insert(name);
    }
    if let Some(unknown) = outlets.keys().next() {
        return Err(raise(
            ErrorCode::InvalidConfig,
            format!("outlets names {unknown:?}, which is none of the sinks {names:?}"),
        ));
    }
    Ok(builder)
}
