//! Keyword arguments and dicts as configs of the core, and data of the core as Python values.

use crate::error::{OrRaise, detached, raise};
use crate::text;
use crate::text::{NO_UNICODE, shown};
use guarita::ErrorCode;
use guarita_face::config::{self, ValueLimit};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyDelta, PyDeltaAccess, PyDict, PyFloat, PyInt, PyMapping, PySequence, PyString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Number, Value};

/// Items between two checks of signals.
const LOOK: usize = 4096;

/// A config from keyword arguments, unknown names refused; `given` are arguments that the call itself takes.
pub(crate) fn from_kwargs<T: DeserializeOwned>(
    kwargs: Option<&Bound<'_, PyDict>>,
    given: impl IntoIterator<Item = (&'static str, Value)>,
) -> PyResult<T> {
    let mut fields: Map<String, Value> = match kwargs.map(|kwargs| value(kwargs.as_any(), "")).transpose()? {
        Some(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    fields.extend(given.into_iter().map(|(name, value)| (name.to_owned(), value)));
    parsed(Value::Object(fields))
}

/// A config from one argument: a dict, or the defaults for None.
pub(crate) fn from_any<T: DeserializeOwned>(any: &Bound<'_, PyAny>) -> PyResult<T> {
    parsed(value(any, "")?)
}

/// The same, where the config stands in an argument of this name, as the fields that are wrong then say.
pub(crate) fn from_argument<T: DeserializeOwned>(argument: &str, any: &Bound<'_, PyAny>) -> PyResult<T> {
    let fields = value(any, "")?;
    let read = config::from_value(fields).map_err(|error| config::reworded(&error, said_in_python));
    read.map_err(|error| error.with_parent(argument)).or_raise()
}

fn parsed<T: DeserializeOwned>(fields: Value) -> PyResult<T> {
    config::from_value(fields).map_err(|error| config::reworded(&error, said_in_python)).or_raise()
}

/// serde's words, with the types as Python calls them.
fn said_in_python(words: &str) -> String {
    let mut said = words.replace("invalid type: null", "invalid type: None");
    for (theirs, ours) in [
        ("expected f64", "expected a number"),
        ("expected f32", "expected a number"),
        ("expected a sequence", "expected a list"),
        ("expected a map", "expected a dict"),
        ("unknown variant", "unknown word"),
    ] {
        said = said.replace(theirs, ours);
    }
    for bits in ["8", "16", "32", "64", "size"] {
        said = said.replace(&format!("expected u{bits}"), "expected a whole number, 0 or more");
        said = said.replace(&format!("expected i{bits}"), "expected a whole number");
    }
    said
}

/// The value of an enum that a call takes by its name.
pub(crate) fn named<T: DeserializeOwned>(argument: &str, name: &str) -> PyResult<T> {
    config::by_name(argument, name).or_raise()
}

/// The value of one field.
pub(crate) fn plain(field: &str, any: &Bound<'_, PyAny>) -> PyResult<Value> {
    value(any, field)
}

/// Any plain value; `field` is the name that it stands under.
fn value(any: &Bound<'_, PyAny>, field: &str) -> PyResult<Value> {
    inner(any, field, 0, &ValueLimit::default())
}

/// A value inside of others.
fn inner(any: &Bound<'_, PyAny>, field: &str, depth: usize, limit: &ValueLimit) -> PyResult<Value> {
    let wrong = |what: String| raise(ErrorCode::InvalidConfig, format!("{field}: {what}"));
    limit.enter(field, depth).or_raise()?;
    if limit.left().is_multiple_of(LOOK) {
        any.py().check_signals()?;
    }
    let value = |any: &Bound<'_, PyAny>, field: &str, depth: usize| inner(any, field, depth, limit);
    if any.is_none() {
        return Ok(Value::Null);
    }
    // A bool is an int too, so it comes first.
    if let Ok(truth) = any.cast::<PyBool>() {
        return Ok(Value::Bool(truth.is_true()));
    }
    if let Ok(text) = any.cast::<PyString>() {
        let text = text.to_str().map_err(|_| wrong(NO_UNICODE.into()))?;
        limit.text(field, text.len()).or_raise()?;
        return Ok(Value::String(text.to_owned()));
    }
    if any.is_instance_of::<PyInt>() {
        if let Ok(number) = any.extract::<i64>() {
            return Ok(number.into());
        }
        return any
            .extract::<u64>()
            .map(Value::from)
            .map_err(|_| wrong(format!("{} is too large a number", shown(any))));
    }
    if any.is_instance_of::<PyFloat>() {
        return number(any.extract()?).ok_or_else(|| wrong(format!("{} is no number that can be used", shown(any))));
    }
    if let Ok(delta) = any.cast::<PyDelta>() {
        if !field.ends_with("_s") && field != "seconds" {
            return Err(wrong("a timedelta fits times only, whose names end in _s".into()));
        }
        return Ok(number(seconds_of(delta)).unwrap_or_default());
    }
    if let Ok(polygon) = any.cast::<crate::geometry::Polygon>() {
        return serde_json::to_value(&polygon.get().0).map_err(|error| wrong(error.to_string()));
    }
    if let Ok(mapping) = any.cast::<PyMapping>() {
        let mut fields = Map::new();
        for item in mapping.items()?.iter() {
            let (key, held): (Bound<'_, PyAny>, Bound<'_, PyAny>) = item.extract()?;
            let text = key.cast::<PyString>().map_err(|_| wrong(format!("the key {} is no text", shown(&key))))?;
            let key = text.to_str().map_err(|_| wrong(format!("a key is {NO_UNICODE}")))?.to_owned();
            let held = value(&held, &key, depth + 1)?;
            fields.insert(key, held);
        }
        return Ok(Value::Object(fields));
    }
    if let Ok(sequence) = any.cast::<PySequence>() {
        return (0..sequence.len()?).map(|k| value(&sequence.get_item(k)?, field, depth + 1)).collect();
    }
    // Paths, and numbers of other libraries, such as NumPy's.
    for method in ["__fspath__", "__index__", "__float__"] {
        let Some(method) = any.getattr_opt(method)? else { continue };
        match method.call0() {
            Ok(plain) => return value(&plain, field, depth + 1),
            // As an array of several numbers says that it is no single one.
            Err(error) if error.is_instance_of::<PyTypeError>(any.py()) => {}
            Err(error) => return Err(error),
        }
    }
    // Arrays and sets.
    if let Ok(items) = any.try_iter() {
        return items.map(|item| value(&item?, field, depth + 1)).collect();
    }
    Err(PyTypeError::new_err(format!("{field}: {} cannot be used in a config", any.get_type().name()?)))
}

fn number(value: f64) -> Option<Value> {
    Number::from_f64(value).map(Value::Number)
}

/// The seconds of a timedelta.
pub(crate) fn seconds_of(delta: &Bound<'_, PyDelta>) -> f64 {
    let whole = f64::from(delta.get_days()) * 86_400.0 + f64::from(delta.get_seconds());
    whole + f64::from(delta.get_microseconds()) / 1e6
}

/// Data of the core as dicts, lists and numbers.
pub(crate) fn to_py<'py>(py: Python<'py>, data: &impl Serialize) -> PyResult<Bound<'py, PyAny>> {
    // As text, and read by Python's own parser: a float of 32 bits is then the shortest number that it can stand for (0.3 and
    // not 0.30000001192), every float of 64 bits is itself, and fields keep their order.
    let data = serde_json::to_string(data).map_err(|error| raise(ErrorCode::Internal, error.to_string()))?;
    loads(py)?.call1((data,))
}

fn loads(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static LOADS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let import = || Ok::<_, PyErr>(py.import("json")?.getattr("loads")?.unbind());
    Ok(LOADS.get_or_try_init(py, import)?.bind(py))
}

/// Checks a config of any kind, and fills in its defaults: for settings that are to be found wrong where they are edited, not
/// where they are used.
///
/// Args:
///     kind: The name of the type, such as `CameraConfig`.
///     config: Its fields; those that are left out have their defaults.
///
/// Returns:
///     All fields, as plain values for JSON.
///
/// Raises:
///     InvalidConfig: A value out of range, of another type, or under an unknown name; the message names it.
///     InvalidArgument: An unknown kind.
///
/// >>> import guarita
/// >>> guarita.check_config("Confirmation", {"n": 3})["max_gap_s"]
/// 5.0
#[pyfunction]
pub(crate) fn check_config<'py>(
    py: Python<'py>,
    #[pyo3(from_py_with = text::kind)] kind: &str,
    config: &Bound<'py, PyMapping>,
) -> PyResult<Bound<'py, PyAny>> {
    let fields = value(config.as_any(), "")?;
    // Areas are looked at corner by corner, and time zones are read from files.
    let checked = detached(py, || config::check(kind, &fields))?;
    loads(py)?.call1((checked,))
}
