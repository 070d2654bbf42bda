//! Errors of the core as Python exceptions, and exceptions of the host as errors of the core.

use guarita::resilience::BreakerOpen;
use guarita::{Error, ErrorCode};
use guarita_face::{caught, names};
use pyo3::exceptions::{PyFileNotFoundError, PyMemoryError, PyOSError, PyPermissionError, PyTimeoutError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple};
use std::error::Error as _;
use std::time::Duration;

/// The exception for an error of the core.
pub(crate) fn to_py(error: &Error) -> PyErr {
    Python::attach(|py| raised(py, error).unwrap_or_else(|error| error))
}

fn raised(py: Python<'_>, error: &Error) -> PyResult<PyErr> {
    let context = PyDict::new(py);
    let about = error.context();
    if let Some(field) = about.field() {
        context.set_item("field", field)?;
    }
    if let Some(path) = about.path() {
        context.set_item("path", path.as_os_str())?;
    }
    if let Some(tensor) = about.tensor() {
        context.set_item("tensor", tensor)?;
    }
    if let Some(limit) = about.limit() {
        context.set_item("limit", limit)?;
    }
    if let Some(cause) = error.source() {
        // Fit to be shown, as the message is.
        context.set_item("cause", Error::new(error.code(), cause.to_string()).to_string())?;
        if let Some(open) = cause.downcast_ref::<guarita::resilience::BreakerOpen>() {
            context.set_item("breaker", crate::config::to_py(py, &open.state)?)?;
            context.set_item("retry_after_s", open.retry_after.map(|wait| wait.as_secs_f64()))?;
        }
    }
    let extra = PyDict::new(py);
    extra.set_item("advice", names::of_advice(error.advice()))?;
    extra.set_item("context", context)?;
    let class = classes(py)?.get_item(usize::from(error.code().number()) - 1)?;
    let raised = PyErr::from_value(class.call((error.to_string(),), Some(&extra))?);
    // An exception of the host that passed through the core is the cause of what it became there.
    if let Some(host) = error.source().and_then(|cause| cause.downcast_ref::<PyErr>()) {
        raised.set_cause(py, Some(host.clone_ref(py)));
    }
    Ok(raised)
}

/// The exception classes, in the order of their codes' numbers.
fn classes(py: Python<'_>) -> PyResult<&Bound<'_, PyTuple>> {
    static CLASSES: PyOnceLock<Py<PyTuple>> = PyOnceLock::new();
    let import = || {
        let all = py.import("guarita._errors")?.getattr("BY_NUMBER")?;
        Ok::<_, PyErr>(all.cast_into::<PyTuple>()?.unbind())
    };
    Ok(CLASSES.get_or_try_init(py, import)?.bind(py))
}

/// The class of all of them.
fn base(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static BASE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let import = || Ok::<_, PyErr>(py.import("guarita._errors")?.getattr("GuaritaError")?.unbind());
    Ok(BASE.get_or_try_init(py, import)?.bind(py))
}

/// An error of the core for an exception that a callable of the host raised: one of guarita's own keeps its code and advice,
/// and those that say what kind of thing went wrong count as that; any other is a fault of the host's.
pub(crate) fn from_py(py: Python<'_>, what: &str, error: PyErr) -> Error {
    let value = error.value(py);
    // Exceptions of others have numbers too, such as those of database drivers.
    let is_ours = base(py).is_ok_and(|base| error.is_instance(py, base));
    let ours = |name: &str| if is_ours { value.getattr(name).ok() } else { None };
    let number = ours("number").and_then(|number| number.extract::<u16>().ok());
    let known = number.and_then(names::code_of_number);
    let code = match known {
        Some(code) => code,
        None if error.is_instance_of::<PyTimeoutError>(py) => ErrorCode::DeadlineExceeded,
        None if error.is_instance_of::<PyPermissionError>(py) => ErrorCode::PermissionDenied,
        None if error.is_instance_of::<PyFileNotFoundError>(py) => ErrorCode::NotFound,
        // Names that are not resolved, certificates, full disks: most clients' errors are one of these, `ConnectionError` too.
        None if error.is_instance_of::<PyOSError>(py) => ErrorCode::Unavailable,
        None if error.is_instance_of::<PyMemoryError>(py) => ErrorCode::ResourceExhausted,
        None => ErrorCode::Internal,
    };
    let advice = ours("advice").and_then(|advice| advice.extract::<String>().ok());
    let advice = advice.as_deref().and_then(names::advice).unwrap_or(code.advice());
    let context = ours("context");
    if let Some(refusal) = context.as_ref().and_then(refusal) {
        return refusal.into();
    }
    let kind = value.get_type().name().map_or_else(|_| "an exception".into(), |name| name.to_string());
    let raised = Error::new(code, format!("{what} raised {kind}: {value}")).with_advice(advice);
    let raised = match &context {
        Some(context) => about(raised, context),
        None => raised,
    };
    raised.with_source(error)
}

/// The error with what an exception's context says that it is about.
fn about(mut error: Error, context: &Bound<'_, PyAny>) -> Error {
    let text = |name: &str| context.get_item(name).ok().and_then(|item| item.extract::<String>().ok());
    if let Some(field) = text("field") {
        error = error.with_field(field);
    }
    if let Some(path) = context.get_item("path").ok().and_then(|path| path.extract::<std::path::PathBuf>().ok()) {
        error = error.with_path(path);
    }
    if let Some(tensor) = text("tensor") {
        error = error.with_tensor(&tensor);
    }
    if let Some(limit) = context.get_item("limit").ok().and_then(|limit| limit.extract::<f64>().ok()) {
        error = error.with_limit(limit);
    }
    error
}

/// A breaker's own refusal, which is no failed call.
fn refusal(context: &Bound<'_, PyAny>) -> Option<BreakerOpen> {
    let state = context.get_item("breaker").ok()?.extract::<String>().ok()?;
    let retry_after = context.get_item("retry_after_s").ok()?.extract::<Option<f64>>().ok()?;
    let retry_after = retry_after.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    Some(BreakerOpen { state: crate::config::named("breaker", &state).ok()?, retry_after })
}

/// Turns errors of the core into exceptions.
pub(crate) trait OrRaise<T> {
    /// The value, or the exception.
    fn or_raise(self) -> PyResult<T>;
}

impl<T> OrRaise<T> for guarita::Result<T> {
    fn or_raise(self) -> PyResult<T> {
        self.map_err(|error| to_py(&error))
    }
}

/// An exception of this code.
pub(crate) fn raise(code: ErrorCode, message: impl Into<std::borrow::Cow<'static, str>>) -> PyErr {
    to_py(&Error::new(code, message))
}

/// Runs `work` with the interpreter lock released. A panic in it is an `Internal`, where pyo3 alone would raise what
/// `except Exception` does not catch.
pub(crate) fn detached<T: Send>(py: Python<'_>, work: impl FnOnce() -> guarita::Result<T> + Send) -> PyResult<T> {
    py.detach(|| caught(work)).or_raise()
}

/// Runs `work` with the lock held: for what takes less time than it takes to release it.
pub(crate) fn attached<T>(work: impl FnOnce() -> guarita::Result<T>) -> PyResult<T> {
    caught(work).or_raise()
}
