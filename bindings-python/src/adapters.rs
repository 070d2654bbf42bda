//! The list of packages of sinks and clouds that the wheel carries: one line each.

use guarita::registry::Registry;
use guarita::{Error, Result};
use std::sync::LazyLock;

/// All kinds of sinks and of providers that the wheel can open from a config.
///
/// # Errors
/// As [`Registry::with`]: two packages bring a kind of one name.
pub(crate) fn registry() -> Result<&'static Registry> {
    static ALL: LazyLock<Result<Registry>> = LazyLock::new(|| Registry::new().with(guarita_rekognition::register));
    ALL.as_ref().map_err(|error| Error::new(error.code(), error.to_string()))
}
