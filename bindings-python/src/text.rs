//! Text of the caller's.

use crate::error::raise;
use guarita::ErrorCode;
use pyo3::exceptions::PyUnicodeEncodeError;
use pyo3::prelude::*;
use pyo3::types::PyString;
use std::path::PathBuf;

/// A lone UTF-16 surrogate, which Python allows in text, as from a file name that is not UTF-8.
pub(crate) const NO_UNICODE: &str =
    "text with a lone surrogate, which is no Unicode; decode with errors=\"replace\", or leave the character out";

fn named<'a>(any: &'a Bound<'_, PyAny>, argument: &str) -> PyResult<&'a str> {
    any.cast::<PyString>()?.to_str().map_err(|_| raise(ErrorCode::InvalidArgument, format!("{argument}: {NO_UNICODE}")))
}

/// The text of an argument for `from_py_with`, which does not say what the argument is called: a function for each name.
macro_rules! arguments {
    ($($name:ident)*) => {
        $(pub(crate) fn $name<'a>(any: &'a Bound<'_, PyAny>) -> PyResult<&'a str> {
            $crate::text::named(any, stringify!($name))
        })*
    };
}

macro_rules! optional_arguments {
    ($($name:ident)*) => {
        $(pub(crate) fn $name<'a>(any: &'a Bound<'_, PyAny>) -> PyResult<Option<&'a str>> {
            if any.is_none() { Ok(None) } else { $crate::text::named(any, stringify!($name)).map(Some) }
        })*
    };
}

arguments! { api by camera format id key kind label priority side tenant url want why }

fn named_path(any: &Bound<'_, PyAny>, argument: &str) -> PyResult<PathBuf> {
    any.extract().map_err(|error: PyErr| match error.is_instance_of::<PyUnicodeEncodeError>(any.py()) {
        true => raise(ErrorCode::InvalidArgument, format!("{argument}: {NO_UNICODE}")),
        false => error,
    })
}

/// The path of an argument, likewise.
pub(crate) fn path(any: &Bound<'_, PyAny>) -> PyResult<PathBuf> {
    named_path(any, "path")
}

pub(crate) fn model_path(any: &Bound<'_, PyAny>) -> PyResult<PathBuf> {
    named_path(any, "model")
}

pub(crate) fn path_or_url(any: &Bound<'_, PyAny>) -> PyResult<PathBuf> {
    named_path(any, "path_or_url")
}

/// Where None may stand.
pub(crate) mod optional {
    use super::*;

    pub(crate) fn journal(any: &Bound<'_, PyAny>) -> PyResult<Option<PathBuf>> {
        if any.is_none() { Ok(None) } else { named_path(any, "journal").map(Some) }
    }

    pub(crate) fn model(any: &Bound<'_, PyAny>) -> PyResult<Option<PathBuf>> {
        if any.is_none() { Ok(None) } else { named_path(any, "model").map(Some) }
    }

    optional_arguments! { access_key_id format idempotency_key secret_access_key session_token text zone }
}

/// Characters of a value that a message shows.
const SHOWN: usize = 100;

/// A value for a message, cut where it is long.
pub(crate) fn shown(any: &Bound<'_, PyAny>) -> String {
    let text = any.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// A wrong value under the name of its argument.
pub(crate) fn wrong(argument: &str, any: &Bound<'_, PyAny>, must: &str) -> PyErr {
    raise(ErrorCode::InvalidArgument, format!("{argument} is {}; it must be {must}", shown(any)))
}
