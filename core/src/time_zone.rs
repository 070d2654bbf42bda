//! IANA time zones by name.

use crate::check::wrong;
use crate::error::Result;
use jiff::tz::TimeZone;

/// The longest name that is looked up, in bytes.
const MAX_NAME: usize = 64;

/// The time zone of a config's field `time_zone`.
///
/// # Errors
/// `InvalidConfig` where neither the system's tables nor the built-in ones have it.
pub(crate) fn time_zone(name: &str) -> Result<TimeZone> {
    let unknown = |why: String| {
        let shown: String = name.chars().take(MAX_NAME).collect();
        let advice = "give a name such as \"America/Sao_Paulo\" or \"UTC\"";
        wrong("time_zone", format!("is {shown:?}, which is not known here{why}; {advice}"))
    };
    if name.len() > MAX_NAME {
        return Err(unknown(String::new()));
    }
    TimeZone::get(name).map_err(|error| unknown(format!(" ({error})")).with_source(error))
}
