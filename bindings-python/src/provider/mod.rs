//! Providers, their requests and their answers.

mod callback;
mod health;
mod hybrid;
mod local;
mod rekognition;
mod request;
mod response;

pub(crate) use health::Health;
pub(crate) use local::LocalProvider;
pub(crate) use request::Request;
pub(crate) use response::Response;

use crate::callable::Callable;
use crate::config::{named, to_py};
use crate::error::{OrRaise, detached, raise};
use crate::fork::Native;
use crate::future::Promise;
use crate::geometry::bounding_box;
use crate::picture::picture;
use crate::text;
use crate::text::optional;
use crate::{time, wait};
use guarita::ErrorCode;
use guarita::provider::Reply;
use guarita_face::Picture;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};
use pyo3::{PyTraverseError, PyVisit};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

/// Adds what is here to the module.
pub(crate) fn add_classes(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Provider>()?;
    module.add_class::<Health>()?;
    module.add_class::<Request>()?;
    module.add_class::<Response>()?;
    module.add_class::<LocalProvider>()?;
    module.add_class::<hybrid::HybridProvider>()?;
    module.add_class::<callback::CallbackProvider>()?;
    module.add_class::<rekognition::RekognitionProvider>()
}

/// What all providers have: pictures in, detections out, on threads of their own, with a health that costs nothing to ask.
///
/// Those that can be made: `LocalProvider`, `RekognitionProvider`, `HybridProvider` and `CallbackProvider`.
#[pyclass(frozen, subclass, module = "guarita")]
pub(crate) struct Provider {
    /// None once it is closed. Only held for moments in which the interpreter lock is held too, so that no fork finds it
    /// locked.
    inner: Mutex<Option<Held>>,
    name: String,
    /// The callables of the host's that it holds.
    callables: Vec<Callable>,
}

/// Of one process, and shared by calls that run while it is closed.
type Held = Arc<Native<Arc<dyn guarita::Provider>>>;

impl Provider {
    pub(crate) fn new(provider: Arc<dyn guarita::Provider>) -> Self {
        Self::calling(provider, Vec::new())
    }

    /// One that calls these.
    fn calling(provider: Arc<dyn guarita::Provider>, callables: Vec<Callable>) -> Self {
        let name = provider.name().to_owned();
        Self { inner: Mutex::new(Some(Arc::new(Native::new(provider)))), name, callables }
    }

    /// The provider of the core, to be handed to another part of the core; `InvalidState` once it is closed, and in a child of
    /// the process that made it.
    ///
    /// The receiver may hold the last reference, and must drop it with the interpreter lock released: dropping waits
    /// for the provider's threads, and they may wait for the lock.
    pub(crate) fn get(&self) -> PyResult<Arc<dyn guarita::Provider>> {
        self.hold()?.get("provider").map(Arc::clone)
    }

    /// The same for the time of a call, after which it may be dropped anywhere.
    fn hold(&self) -> PyResult<Arc<Native<Arc<dyn guarita::Provider>>>> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let closed = || raise(ErrorCode::InvalidState, format!("the provider {} is closed", self.name));
        inner.clone().ok_or_else(closed)
    }
}

#[pymethods]
impl Provider {
    /// A short name, such as `local` or `rekognition`.
    #[getter]
    fn name(&self) -> &str {
        &self.name
    }

    /// What it can do: `wants`, `max_batch`, `max_in_flight`, `leaves_machine`, `price` (millionths of a dollar a frame) and
    /// `labels` (what it can find, each with the least confidence that is reported; None where it cannot say).
    #[getter]
    fn capability<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let held = self.hold()?;
        let provider = held.get("provider")?;
        let can = detached(py, || Ok(provider.capability()))?;
        let dict = PyDict::new(py);
        dict.set_item("wants", can.wants.iter().map(|want| want.as_str()).collect::<Vec<_>>())?;
        dict.set_item("max_batch", can.max_batch)?;
        dict.set_item("max_in_flight", can.max_in_flight)?;
        dict.set_item("leaves_machine", can.leaves_machine)?;
        dict.set_item("price", can.price.as_micros())?;
        dict.set_item("labels", to_py(py, &can.labels)?)?;
        Ok(dict)
    }

    /// How it does. Costs neither money nor time: nothing is called.
    fn health(&self, py: Python<'_>) -> PyResult<Health> {
        let held = self.hold()?;
        let provider = held.get("provider")?;
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
        #[pyo3(from_py_with = text::want)] want: &str,
        regions: Option<&Bound<'_, PyAny>>,
        min_confidence: f32,
        timeout: Option<&Bound<'_, PyAny>>,
        #[pyo3(from_py_with = text::priority)] priority: &str,
        #[pyo3(from_py_with = optional::idempotency_key)] idempotency_key: Option<&str>,
        #[pyo3(from_py_with = text::camera)] camera: &str,
        #[pyo3(from_py_with = text::tenant)] tenant: &str,
        #[pyo3(from_py_with = optional::format)] format: Option<&str>,
        share: bool,
    ) -> PyResult<Response> {
        let held = self.hold()?;
        let provider = held.get("provider")?;
        let asked = Asked { want, regions, min_confidence, timeout, priority, idempotency_key, tenant };
        let mut request = asked.request(py, &**provider)?;
        request.frames = decoded(py, pictures(images, format, share)?, camera)?;
        detect(py, provider, request).map(Response)
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
        #[pyo3(from_py_with = text::want)] want: &str,
        regions: Option<&Bound<'py, PyAny>>,
        min_confidence: f32,
        timeout: Option<&Bound<'py, PyAny>>,
        #[pyo3(from_py_with = text::priority)] priority: &str,
        #[pyo3(from_py_with = optional::idempotency_key)] idempotency_key: Option<&str>,
        #[pyo3(from_py_with = text::camera)] camera: &str,
        #[pyo3(from_py_with = text::tenant)] tenant: &str,
        #[pyo3(from_py_with = optional::format)] format: Option<&str>,
        share: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let held = self.hold()?;
        let provider = held.get("provider")?;
        let asked = Asked { want, regions, min_confidence, timeout, priority, idempotency_key, tenant };
        let pictures = pictures(images, format, share)?;
        let request = asked.request(py, &**provider)?;
        submit(py, provider, request, pictures, camera, |py, response| {
            Ok(Bound::new(py, Response(response))?.into_any().unbind())
        })
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

    /// Only where nobody else has the provider, such as a pipeline: then it ends with this object, and what it calls with it.
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        let alone = self.inner.try_lock().is_ok_and(|inner| {
            inner.as_ref().is_some_and(|held| Arc::strong_count(held) == 1 && Arc::strong_count(held.peek()) == 1)
        });
        if alone { self.callables.iter().try_for_each(|call| call.visit(&visit)) } else { Ok(()) }
    }

    fn __clear__(&self) {
        self.callables.iter().for_each(Callable::clear);
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
    tenant: &'a str,
}

impl Asked<'_, '_> {
    /// The request, without its frames.
    fn request(&self, py: Python<'_>, provider: &dyn guarita::Provider) -> PyResult<guarita::provider::Request> {
        let mut request = guarita::provider::Request::new([])
            .with_want(named("want", self.want)?)
            .with_priority(named("priority", self.priority)?)
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
fn pictures(images: &Bound<'_, PyAny>, format: Option<&str>, share: bool) -> PyResult<Vec<Picture>> {
    match (images.cast::<PyList>(), images.cast::<PyTuple>()) {
        (Err(_), Err(_)) => Ok(vec![picture(images, format, share)?]),
        _ => all(images, format, share),
    }
}

/// Every picture of a list. Each may cost a copy, so signals are checked between them in a long list.
pub(crate) fn all(images: &Bound<'_, PyAny>, format: Option<&str>, share: bool) -> PyResult<Vec<Picture>> {
    let each = |image: PyResult<Bound<'_, PyAny>>| {
        images.py().check_signals()?;
        picture(&image?, format, share)
    };
    images.try_iter()?.map(each).collect()
}

/// The frames of pictures, of this camera where it has a name; with a look at signals between them.
pub(crate) fn decoded(py: Python<'_>, pictures: Vec<Picture>, camera: &str) -> PyResult<Vec<guarita::Frame>> {
    let each = |picture: Picture| {
        if picture.is_encoded() {
            py.check_signals()?;
            return detached(py, || picture.decoded_of(camera));
        }
        picture.decoded_of(camera).or_raise()
    };
    pictures.into_iter().map(each).collect()
}

/// Submits, and waits so that Ctrl-C works, which cancels the request.
pub(crate) fn detect(
    py: Python<'_>,
    provider: &Arc<dyn guarita::Provider>,
    request: guarita::provider::Request,
) -> PyResult<guarita::provider::Response> {
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

/// Submits, where that does not hold up the caller's event loop, and gives a future of what is made of the answer.
pub(crate) fn submit<'py>(
    py: Python<'py>,
    provider: &Arc<dyn guarita::Provider>,
    request: guarita::provider::Request,
    pictures: Vec<Picture>,
    camera: &str,
    make: impl FnOnce(Python<'_>, guarita::provider::Response) -> PyResult<Py<PyAny>> + Send + 'static,
) -> PyResult<Bound<'py, PyAny>> {
    let (promise, future) = Promise::new(py)?;
    promise.cancels(py, request.cancellation.clone())?;
    let reply = Reply::new(move |answer| promise.settle(|py| make(py, answer.or_raise()?)));
    detached(py, || {
        guarita_face::submit(provider, request, pictures, camera, reply);
        Ok(())
    })?;
    Ok(future)
}
