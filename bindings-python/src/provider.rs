//! Providers: who looks at pictures, and what is asked of them.

use crate::config::{from_any, from_kwargs, to_py};
use crate::detection::Detections;
use crate::detector::Detector;
use crate::error::{OrRaise, detached, raise};
use crate::fork::Native;
use crate::frame::{Frame, frame, options};
use crate::future::Promise;
use crate::geometry::{BoundingBox, bounding_box};
use crate::pipeline::Threads;
use crate::{time, wait};
use guarita::{CameraId, ErrorCode, FrameMeta, Priority, Reply, Want};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

/// What all providers have: pictures in, detections out, on threads of their own, with a health that costs nothing to ask.
///
/// Those that can be made: `LocalProvider`, `RekognitionProvider`, `HybridProvider` and `CallbackProvider`.
#[pyclass(frozen, subclass, module = "guarita")]
pub(crate) struct Provider {
    /// None once it is closed. Only held for moments in which the interpreter lock is held too, so that no fork finds it
    /// locked.
    inner: Mutex<Option<Arc<Native<Arc<dyn guarita::Provider>>>>>,
    name: String,
}

impl Provider {
    pub(crate) fn new(provider: Arc<dyn guarita::Provider>) -> Self {
        let name = provider.name().to_owned();
        Self { inner: Mutex::new(Some(Arc::new(Native::new(provider)))), name }
    }

    /// The provider of the core; `InvalidState` once it is closed, and in a child of the process that made it.
    pub(crate) fn get(&self) -> PyResult<Arc<dyn guarita::Provider>> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        match &*inner {
            Some(provider) => provider.get("provider").map(Arc::clone),
            None => Err(raise(ErrorCode::InvalidState, format!("the provider {} is closed", self.name))),
        }
    }
}

#[pymethods]
impl Provider {
    /// A short name, such as `local` or `rekognition`.
    #[getter]
    fn name(&self) -> &str {
        &self.name
    }

    /// What it can do: `wants`, `max_batch`, `max_in_flight`, `leaves_machine` and `price` (millionths of a dollar a frame).
    #[getter]
    fn capability<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let provider = self.get()?;
        let can = detached(py, || Ok(provider.capability()))?;
        let dict = PyDict::new(py);
        dict.set_item("wants", can.wants.iter().map(|want| want.as_str()).collect::<Vec<_>>())?;
        dict.set_item("max_batch", can.max_batch)?;
        dict.set_item("max_in_flight", can.max_in_flight)?;
        dict.set_item("leaves_machine", can.leaves_machine)?;
        dict.set_item("price", can.price.as_micros())?;
        Ok(dict)
    }

    /// How it does. Costs neither money nor time: nothing is called.
    fn health(&self, py: Python<'_>) -> PyResult<Health> {
        let provider = self.get()?;
        detached(py, || Ok(Health(provider.health())))
    }

    /// Looks at one picture or several, and waits for the answer.
    ///
    /// Args:
    ///     images: One picture of any kind that `Frame` takes, or a list of them.
    ///     want: `labels`, `text` or `faces`.
    ///     regions: The part of each picture to look at, in pixels: one box for each, or none at all.
    ///     min_confidence: Less sure findings are left out; 0..1.
    ///     timeout: When the answer is of no use any more: seconds or a timedelta from now; None for never.
    ///     priority: `low`, `normal` or `critical`: who goes first where not all can.
    ///     idempotency_key: Two requests with the same key are paid once.
    ///     camera, tenant: Whom a budget counts it for.
    ///     format, share: As for `Frame`.
    ///
    /// Raises:
    ///     DeadlineExceeded, Overloaded, Unavailable, RateLimited, BudgetExhausted: The provider cannot, for now.
    ///     InvalidArgument: The request makes no sense.
    ///     Cancelled, InvalidState: The provider was closed.
    #[pyo3(signature = (images, *, want="labels", regions=None, min_confidence=0.5, timeout=None, priority="normal", idempotency_key=None, camera="", tenant="", format=None, share=false))]
    #[allow(clippy::too_many_arguments, reason = "keyword arguments")]
    fn detect(
        &self,
        py: Python<'_>,
        images: &Bound<'_, PyAny>,
        want: &str,
        regions: Option<&Bound<'_, PyAny>>,
        min_confidence: f32,
        timeout: Option<&Bound<'_, PyAny>>,
        priority: &str,
        idempotency_key: Option<&str>,
        camera: &str,
        tenant: &str,
        format: Option<&str>,
        share: bool,
    ) -> PyResult<Response> {
        let provider = self.get()?;
        let asked =
            Asked { want, regions, min_confidence, timeout, priority, idempotency_key, camera, tenant, format, share };
        let request = asked.request(py, &*provider, images)?;
        detect(py, &provider, request).map(Response)
    }

    /// As `detect`, for asyncio: returns a future, and no thread waits for it. Giving it up takes the request back, as long as
    /// nobody has begun with it.
    ///
    /// Raises:
    ///     InvalidState: No event loop runs on this thread.
    #[pyo3(signature = (images, *, want="labels", regions=None, min_confidence=0.5, timeout=None, priority="normal", idempotency_key=None, camera="", tenant="", format=None, share=false))]
    #[allow(clippy::too_many_arguments, reason = "keyword arguments")]
    fn detect_async<'py>(
        &self,
        py: Python<'py>,
        images: &Bound<'py, PyAny>,
        want: &str,
        regions: Option<&Bound<'py, PyAny>>,
        min_confidence: f32,
        timeout: Option<&Bound<'py, PyAny>>,
        priority: &str,
        idempotency_key: Option<&str>,
        camera: &str,
        tenant: &str,
        format: Option<&str>,
        share: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let provider = self.get()?;
        let asked =
            Asked { want, regions, min_confidence, timeout, priority, idempotency_key, camera, tenant, format, share };
        let request = asked.request(py, &*provider, images)?;
        submit(py, &provider, request, |py, response| Ok(Bound::new(py, Response(response))?.into_any().unbind()))
    }

    /// Whether it was closed.
    #[getter]
    fn closed(&self) -> bool {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// Lets its threads and connections go, when nobody else holds it, such as a pipeline; what waits is answered with
    /// `Cancelled`. A second call does nothing.
    fn close(&self) {
        let taken = self.inner.lock().unwrap_or_else(PoisonError::into_inner).take();
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
        format!("<Provider {}{}>", self.name, if self.closed() { ", closed" } else { "" })
    }
}

/// What a caller asked for, beside the pictures.
struct Asked<'a, 'py> {
    want: &'a str,
    regions: Option<&'a Bound<'py, PyAny>>,
    min_confidence: f32,
    timeout: Option<&'a Bound<'py, PyAny>>,
    priority: &'a str,
    idempotency_key: Option<&'a str>,
    camera: &'a str,
    tenant: &'a str,
    format: Option<&'a str>,
    share: bool,
}

impl Asked<'_, '_> {
    fn request(
        &self,
        py: Python<'_>,
        provider: &dyn guarita::Provider,
        images: &Bound<'_, PyAny>,
    ) -> PyResult<guarita::Request> {
        let meta = |frame: guarita::Frame| {
            if self.camera.is_empty() {
                return frame;
            }
            let meta = FrameMeta { camera: CameraId::new(self.camera), ..frame.meta().clone() };
            frame.with_meta(meta)
        };
        let frames = frames(images, self.format, self.share)?.into_iter().map(meta).collect::<Vec<_>>();
        let mut request = guarita::Request::new(frames)
            .with_want(from_any::<Want>(PyString::new(py, self.want).as_any())?)
            .with_priority(from_any::<Priority>(PyString::new(py, self.priority).as_any())?)
            .with_min_confidence(self.min_confidence)
            .with_tenant(self.tenant);
        if let Some(regions) = self.regions {
            let regions = regions.try_iter()?.map(|region| bounding_box(&region?)).collect::<PyResult<Vec<_>>>()?;
            request = request.with_regions(regions);
        }
        if let Some(timeout) = self.timeout {
            let most = time::duration(timeout, "timeout")?;
            request = request.with_deadline(detached(py, || Ok(provider.clock().now() + most))?);
        }
        if let Some(key) = self.idempotency_key {
            request = request.with_idempotency_key(key);
        }
        Ok(request)
    }
}

/// One picture, or a list of them.
pub(crate) fn frames(images: &Bound<'_, PyAny>, format: Option<&str>, share: bool) -> PyResult<Vec<guarita::Frame>> {
    match (images.cast::<PyList>(), images.cast::<PyTuple>()) {
        (Err(_), Err(_)) => Ok(vec![frame(images, format, share, &options(None, false, false)?)?]),
        _ => all(images, format, share),
    }
}

/// Every picture of a list. Each may cost a copy, so that a long list looks at signals between them.
pub(crate) fn all(images: &Bound<'_, PyAny>, format: Option<&str>, share: bool) -> PyResult<Vec<guarita::Frame>> {
    let options = options(None, false, false)?;
    let each = |image: PyResult<Bound<'_, PyAny>>| {
        images.py().check_signals()?;
        frame(&image?, format, share, &options)
    };
    images.try_iter()?.map(each).collect()
}

/// Submits, and waits so that Ctrl-C works; then the request is taken back.
pub(crate) fn detect(
    py: Python<'_>,
    provider: &Arc<dyn guarita::Provider>,
    request: guarita::Request,
) -> PyResult<guarita::Response> {
    let cancellation = request.cancellation.clone();
    let (sender, answer) = mpsc::channel();
    let reply = Reply::new(move |answer| drop(sender.send(answer)));
    detached(py, || {
        provider.submit(request, reply);
        Ok(())
    })?;
    match wait::receive(py, &answer, None) {
        Ok(Some(answer)) => answer.or_raise(),
        Ok(None) => Err(raise(ErrorCode::Cancelled, "the provider let the request go without an answer")),
        Err(signal) => {
            cancellation.cancel();
            Err(signal)
        }
    }
}

/// Submits, and gives a future of what is made of the answer.
pub(crate) fn submit<'py>(
    py: Python<'py>,
    provider: &Arc<dyn guarita::Provider>,
    request: guarita::Request,
    make: impl FnOnce(Python<'_>, guarita::Response) -> PyResult<Py<PyAny>> + Send + 'static,
) -> PyResult<Bound<'py, PyAny>> {
    let (promise, future) = Promise::new(py)?;
    promise.cancels(py, request.cancellation.clone())?;
    let reply = Reply::new(move |answer| promise.settle(|py| make(py, answer.or_raise()?)));
    detached(py, || {
        provider.submit(request, reply);
        Ok(())
    })?;
    Ok(future)
}

/// How a provider does.
#[pyclass(frozen, module = "guarita")]
pub(crate) struct Health(pub(crate) guarita::Health);

#[pymethods]
impl Health {
    /// Whether it works at all.
    #[getter]
    fn live(&self) -> bool {
        self.0.live
    }

    /// Whether a request has a chance now.
    #[getter]
    fn ready(&self) -> bool {
        self.0.ready
    }

    /// Why it is not all that it could be; None where it is.
    #[getter]
    fn degraded(&self) -> Option<&str> {
        self.0.degraded.as_deref()
    }

    /// The last error: `code`, `message` and `at` (seconds on the provider's clock); None where there was none.
    #[getter]
    fn last_error<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        self.0
            .last_error
            .as_ref()
            .map(|last| {
                let dict = PyDict::new(py);
                dict.set_item("code", last.code.to_string())?;
                dict.set_item("message", &last.message)?;
                dict.set_item("at", time::float(last.at))?;
                Ok(dict)
            })
            .transpose()
    }

    /// How long answers took lately, in seconds: `p50`, `p95` and `p99`; None where there were none.
    #[getter]
    fn latency<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        self.0
            .latency
            .as_ref()
            .map(|latency| {
                let dict = PyDict::new(py);
                dict.set_item("p50", latency.p50.as_secs_f64())?;
                dict.set_item("p95", latency.p95.as_secs_f64())?;
                dict.set_item("p99", latency.p99.as_secs_f64())?;
                Ok(dict)
            })
            .transpose()
    }

    /// Requests that are not answered yet.
    #[getter]
    fn in_flight(&self) -> usize {
        self.0.in_flight
    }

    /// How long a request would wait before somebody begins with it, in seconds.
    #[getter]
    fn expected_wait(&self) -> f64 {
        self.0.expected_wait.as_secs_f64()
    }

    /// All of it as plain values, for JSON.
    pub(crate) fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        dict.set_item("live", self.live())?;
        dict.set_item("ready", self.ready())?;
        dict.set_item("degraded", self.degraded())?;
        dict.set_item("last_error", self.last_error(py)?)?;
        dict.set_item("latency", self.latency(py)?)?;
        dict.set_item("in_flight", self.in_flight())?;
        dict.set_item("expected_wait", self.expected_wait())?;
        Ok(dict)
    }

    fn __repr__(&self) -> String {
        let state = if !self.0.live {
            "dead"
        } else if !self.0.ready {
            "not ready"
        } else {
            "ready"
        };
        let degraded = self.degraded().map(|why| format!(", degraded: {why}")).unwrap_or_default();
        format!("<Health {state}{degraded}>")
    }
}

/// What a provider answered.
#[pyclass(frozen, module = "guarita")]
pub(crate) struct Response(pub(crate) guarita::Response);

#[pymethods]
impl Response {
    /// What was found, one for each picture.
    #[getter]
    fn detections(&self) -> Vec<Detections> {
        self.0.detections.iter().cloned().map(Detections::from).collect()
    }

    /// The provider that looked.
    #[getter]
    fn provider(&self) -> &str {
        &self.0.answer.provider
    }

    /// Why it was that one.
    #[getter]
    fn reason<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_py(py, &self.0.answer.reason)
    }

    /// The version of the model, where the provider says it.
    #[getter]
    fn model_version(&self) -> Option<&str> {
        self.0.model_version.as_deref()
    }

    /// How long the parts took, in seconds: `queue`, `prepare`, `call`, `parse` and `total`.
    #[getter]
    fn latency<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let latency = &self.0.latency;
        let dict = PyDict::new(py);
        dict.set_item("queue", latency.queue.as_secs_f64())?;
        dict.set_item("prepare", latency.prepare.as_secs_f64())?;
        dict.set_item("call", latency.call.as_secs_f64())?;
        dict.set_item("parse", latency.parse.as_secs_f64())?;
        dict.set_item("total", latency.total().as_secs_f64())?;
        Ok(dict)
    }

    /// What it cost, retries included, in millionths of a dollar.
    #[getter]
    fn cost(&self) -> u64 {
        self.0.cost.as_micros()
    }

    /// How often a remote side was called, retries included.
    #[getter]
    fn calls(&self) -> u32 {
        self.0.calls
    }

    /// All of it as plain values, for JSON.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        dict.set_item("detections", to_py(py, &self.0.detections)?)?;
        dict.set_item("provider", self.provider())?;
        dict.set_item("reason", self.reason(py)?)?;
        dict.set_item("model_version", self.model_version())?;
        dict.set_item("latency", self.latency(py)?)?;
        dict.set_item("cost", self.cost())?;
        dict.set_item("calls", self.calls())?;
        Ok(dict)
    }

    fn __repr__(&self) -> String {
        let found: usize = self.0.detections.iter().map(guarita::Detections::len).sum();
        format!("<Response {found} found, by {}>", self.0.answer)
    }
}

/// What a provider of the host is asked.
#[pyclass(frozen, module = "guarita")]
pub(crate) struct Request(pub(crate) guarita::Request);

#[pymethods]
impl Request {
    /// The pictures.
    #[getter]
    fn frames(&self) -> Vec<Frame> {
        self.0.frames.iter().cloned().map(Frame).collect()
    }

    /// The part of each picture to look at, in pixels; empty for whole pictures.
    #[getter]
    fn regions(&self) -> Vec<BoundingBox> {
        self.0.regions.iter().copied().map(BoundingBox).collect()
    }

    /// `labels`, `text` or `faces`.
    #[getter]
    fn want(&self) -> &'static str {
        self.0.want.as_str()
    }

    /// Less sure findings may be left out; 0..1.
    #[getter]
    fn min_confidence(&self) -> f32 {
        self.0.min_confidence
    }

    /// When the answer is of no use any more, in seconds of the provider's clock; None for never.
    #[getter]
    fn deadline(&self) -> Option<f64> {
        self.0.deadline.map(time::float)
    }

    /// `low`, `normal` or `critical`.
    #[getter]
    fn priority<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_py(py, &self.0.priority)
    }

    /// The key that makes a repeated request the same request.
    #[getter]
    fn idempotency_key(&self) -> Option<&str> {
        self.0.idempotency_key.as_deref()
    }

    /// Whom a budget counts it for; empty for nobody.
    #[getter]
    fn tenant(&self) -> &str {
        &self.0.tenant
    }

    /// Whether the asker took it back.
    #[getter]
    fn cancelled(&self) -> bool {
        self.0.cancellation.is_cancelled()
    }

    fn __repr__(&self) -> String {
        format!("<Request {} in {} frame(s)>", self.0.want, self.0.frames.len())
    }
}

/// A `Detector` as a provider: requests wait in a queue for threads that share the detector, the highest priority first.
///
/// Args:
///     detector: The detector; it may be closed afterwards, the provider keeps the model.
///     threads: Threads to work on, shared with others; None for its own.
///     clock: What deadlines are read on.
///     **config: As in `LocalProviderConfig`.
///
/// Raises:
///     InvalidConfig: A field that cannot be so; the message names it.
///     ResourceExhausted: The system gives no more threads.
#[pyclass(frozen, extends = Provider, module = "guarita")]
pub(crate) struct LocalProvider;

#[pymethods]
impl LocalProvider {
    #[new]
    #[pyo3(signature = (detector, *, threads=None, clock=None, **config))]
    fn new(
        py: Python<'_>,
        detector: &Bound<'_, Detector>,
        threads: Option<&Bound<'_, Threads>>,
        clock: Option<&Bound<'_, PyAny>>,
        config: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<PyClassInitializer<Self>> {
        let config = from_kwargs(config, [])?;
        let detector = Detector::get(detector)?;
        let clock = time::clock(clock)?;
        let threads = threads.map(|threads| threads.get().get().cloned()).transpose()?;
        let provider = detached(py, || match &threads {
            Some(threads) => guarita::LocalProvider::on_threads_with_clock(detector, config, threads, clock),
            None => guarita::LocalProvider::with_clock(detector, config, clock),
        })?;
        Ok(PyClassInitializer::from(Provider::new(Arc::new(provider))).add_subclass(Self))
    }
}

/// A request of pictures, for a detector's own provider: the detector's own thresholds decide.
pub(crate) fn plain(frames: Vec<guarita::Frame>) -> guarita::Request {
    guarita::Request::new(frames).with_min_confidence(0.0)
}
