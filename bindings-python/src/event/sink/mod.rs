//! Sinks: callables of the host, and guarita's own, each in a file.

mod json_lines;
mod webhook;

use super::Event;
use crate::callable::Callable;
use crate::error::from_py;
use crate::host;
use crate::pipeline::FrameResult;
use guarita::event::{Delivery, DeliveryError, deliver_each};
use guarita::registry::SinkKind;
use guarita::{Advice, Error, ErrorCode};
use json_lines::JsonLinesSink;
use pyo3::prelude::*;
use pyo3::types::PyBool;
use std::sync::Arc;
use webhook::WebhookSink;

/// Adds guarita's own to the module.
pub(super) fn add_classes(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<JsonLinesSink>()?;
    module.add_class::<WebhookSink>()
}

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

/// Opens a sink that guarita brings along.
pub(crate) type Open = Box<dyn FnOnce() -> guarita::Result<Box<dyn guarita::Sink>> + Send>;

/// How the sink behind one of those objects is opened; none for anything else.
pub(crate) fn built_in(any: &Bound<'_, PyAny>) -> Option<Open> {
    if let Ok(lines) = any.cast::<JsonLinesSink>() {
        let file = lines.get().core();
        return Some(Box::new(|| file.open()));
    }
    let config = any.cast::<WebhookSink>().ok()?.get().0.clone();
    Some(Box::new(|| config.open()))
}
