use crate::error::{Error, Result};
use std::fmt::Display;

/// Refuses a config's field outside of its range; NaN is in no range.
///
/// # Errors
/// `InvalidConfig` naming the field and its range.
pub fn within<T: PartialOrd + Display>(field: &str, value: T, least: T, most: T) -> Result<()> {
    if (&least..=&most).contains(&&value) {
        return Ok(());
    }
    Err(Error::invalid_config(format!("{field} is {value}; it must lie in {least}..{most}")))
}

/// Names a field of a config inside another config with its parent.
///
/// # Errors
/// What was checked, as `InvalidConfig` with the parent's name and a dot in front.
pub fn inside(field: &str, checked: Result<()>) -> Result<()> {
    checked.map_err(|error| Error::invalid_config(format!("{field}.{error}")).with_source(error))
}

/// Seconds of a checked config in nanoseconds.
pub(crate) fn nanos(seconds: f64) -> u64 {
    // Ends of the range: `as` saturates, and makes NaN 0.
    (seconds * 1e9).round() as u64
}
