//! Sinks: callables of the host, and guarita's own.

use super::Event;
use crate::callable::Callable;
use crate::config::{from_kwargs, to_py};
use crate::error::{OrRaise, from_py};
use crate::host;
use crate::pipeline::FrameResult;
use crate::text;
use guarita::event::{Delivery, DeliveryError, JsonLinesConfig, deliver_each};
use guarita::registry::{JsonLinesFile, SinkKind};
use guarita::{Advice, Error, ErrorCode};
use guarita_face::adapters::WebhookConfig;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict};
use std::path::PathBuf;
use std::sync::Arc;

/// A host callable as a sink. An exception in it is the delivery's error.
pub(crate) struct HostSink {
    pub(crate) name: String,
    pub(crate) call: Callable,
    /// Whether exceptions that end a delivery also go to `sys.unraisablehook`.
    pub(crate) unraisable: bool,
}

impl guarita::Sink for HostSink {
    fn deliver(&mut self, batch: &[Delivery]) -> guarita::Result<(), DeliveryError> {
        deliver_each(batch, |delivery| {
            let told = host::attach(|py| {
                let Some(call) = self.call.get(py) else { return Err(gone("the pipeline has ended")) };
                let told = to_object(py, delivery).and_then(|object| call.call1((object,)));
                told.map(drop).map_err(|error| {
                    let told = self.unraisable.then(|| error.clone_ref(py));
                    let failed = from_py(py, &self.name, error);
                    if let Some(error) = told.filter(|_| failed.advice() != Advice::RetryLater) {
                        error.write_unraisable(py, Some(&call));
                    }
                    failed
                })
            });
            told.unwrap_or_else(|| Err(gone("the interpreter is going down")))
        })
    }

    /// One: an exception of a callable refers to the event it was given.
    fn max_batch(&self) -> usize {
        1
    }
}

/// The `deliver_batch` of an object of the host's as a sink. It says how many are durable, from the front; None is all of them.
pub(crate) struct HostBatchSink {
    pub(crate) name: String,
    pub(crate) call: Callable,
}

impl guarita::Sink for HostBatchSink {
    fn deliver(&mut self, batch: &[Delivery]) -> guarita::Result<(), DeliveryError> {
        let durable = host::attach(|py| {
            let Some(call) = self.call.get(py) else { return Err(gone("the pipeline has ended")) };
            let all: PyResult<Vec<_>> = batch.iter().map(|delivery| to_object(py, delivery)).collect();
            let said = all.and_then(|all| call.call1((all,))).map_err(|error| from_py(py, &self.name, error))?;
            durable(&said, batch.len()).ok_or_else(|| {
                let kind = said.get_type().name().map_or_else(|_| "something else".into(), |name| name.to_string());
                let words =
                    format!("{} gave {kind}; it must give None, or how many of {} are durable", self.name, batch.len());
                Error::new(ErrorCode::Internal, words)
            })
        });
        let durable = durable.unwrap_or_else(|| Err(gone("the interpreter is going down")))?;
        if durable == batch.len() {
            return Ok(());
        }
        let words = format!("{} says that {durable} of {} are durable", self.name, batch.len());
        Err(DeliveryError::after(durable, Error::new(ErrorCode::Unavailable, words).with_advice(Advice::RetryLater)))
    }
}

/// How many of a batch are durable by what `deliver_batch` gave; none for what says nothing of the kind.
fn durable(said: &Bound<'_, PyAny>, size: usize) -> Option<usize> {
    if said.is_none() {
        return Some(size);
    }
    // A bool is an int in Python.
    let number = if said.is_instance_of::<PyBool>() { None } else { said.extract::<usize>().ok() };
    number.filter(|number| *number <= size)
}

fn to_object<'py>(py: Python<'py>, delivery: &Delivery) -> PyResult<Bound<'py, PyAny>> {
    match delivery {
        Delivery::Event(event) => Ok(Bound::new(py, Event(Arc::clone(event)))?.into_any()),
        Delivery::Result(result) => Ok(Bound::new(py, FrameResult(Arc::clone(result)))?.into_any()),
        _ => Err(crate::error::raise(ErrorCode::Unsupported, "a delivery of a new kind")),
    }
}

fn gone(why: &'static str) -> Error {
    Error::new(ErrorCode::Cancelled, why)
}

/// Writes events to a file, one line of JSON each, and puts it aside before it grows too large. The pipeline that it is given
/// to opens the file.
///
/// Args:
///     path: The file; it is made where it is not there.
///     **config: As in `JsonLinesConfig`: `max_bytes`, `keep`, `fsync`.
///
/// Raises:
///     InvalidConfig: A field that cannot be so; the message names it.
#[pyclass(frozen, module = "guarita")]
pub(crate) struct JsonLinesSink {
    path: PathBuf,
    options: JsonLinesConfig,
}

#[pymethods]
impl JsonLinesSink {
    #[new]
    #[pyo3(signature = (path, **config))]
    fn new(#[pyo3(from_py_with = text::path)] path: PathBuf, config: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let sink = Self { path, options: from_kwargs(config, [])? };
        sink.core().validate().or_raise()?;
        Ok(sink)
    }

    /// The file.
    #[getter]
    fn path(&self) -> String {
        self.path.display().to_string()
    }

    /// How the file is kept, defaults included.
    #[getter]
    fn config<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_py(py, &self.options)
    }

    fn __repr__(&self) -> String {
        format!("JsonLinesSink({:?})", self.path())
    }
}

impl JsonLinesSink {
    fn core(&self) -> JsonLinesFile {
        JsonLinesFile { path: self.path.clone(), options: self.options.clone() }
    }
}

/// Sends each event as JSON to a server, by HTTP POST, signed where there is a secret. The pipeline that it is given to opens
/// the connection.
///
/// Args:
///     url: `https://…`, or `http://…` where nobody else is on the way.
///     **config: As in `WebhookConfig`: `headers`, `secret`, `timeout_s`, `ca_file`.
///
/// Raises:
///     InvalidConfig: A field that cannot be so; the message names it.
#[pyclass(frozen, module = "guarita")]
pub(crate) struct WebhookSink(WebhookConfig);

#[pymethods]
impl WebhookSink {
    #[new]
    #[pyo3(signature = (url, **config))]
    fn new(#[pyo3(from_py_with = text::url)] url: &str, config: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let config: WebhookConfig = from_kwargs(config, [("url", url.into())])?;
        config.validate().or_raise()?;
        Ok(Self(config))
    }

    /// Where it sends to.
    #[getter]
    fn url(&self) -> &str {
        &self.0.url
    }

    fn __repr__(&self) -> String {
        format!("<WebhookSink {}>", guarita_face::origin(&self.0.url))
    }
}

/// Opens a sink that guarita brings along.
pub(crate) type Open = Box<dyn FnOnce() -> guarita::Result<Box<dyn guarita::Sink>> + Send>;

/// How the core's sink behind an object is opened; none for anything else.
pub(crate) fn built_in(any: &Bound<'_, PyAny>) -> Option<Open> {
    if let Ok(lines) = any.cast::<JsonLinesSink>() {
        let file = lines.get().core();
        return Some(Box::new(|| file.open()));
    }
    let config = any.cast::<WebhookSink>().ok()?.get().0.clone();
    Some(Box::new(|| config.open()))
}
