//! Text of the caller's.

use crate::error::raise;
use guarita::ErrorCode;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyString;

/// What Python takes for text and nobody else does: half of a pair of UTF-16, as of a file's name that is no UTF-8.
pub(crate) const NO_UNICODE: &str =
    "text with a lone surrogate, which is no Unicode; decode with errors=\"replace\", or leave the character out";

/// For arguments: text that is not Unicode is refused under the argument's name.
pub(crate) fn text<'a>(any: &'a Bound<'_, PyAny>) -> PyResult<&'a str> {
    any.cast::<PyString>()?.to_str().map_err(|_| PyTypeError::new_err(NO_UNICODE))
}

/// The same where None may stand.
pub(crate) fn optional_text<'a>(any: &'a Bound<'_, PyAny>) -> PyResult<Option<&'a str>> {
    if any.is_none() { Ok(None) } else { text(any).map(Some) }
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

/// A wrong value under the name of its argument or field.
pub(crate) fn wrong(what: &str, any: &Bound<'_, PyAny>, must: &str) -> PyErr {
    raise(ErrorCode::InvalidArgument, format!("{what} is {}; it must be {must}", shown(any)))
}
