use crate::error::{Error, Result};
use std::fmt::Display;

/// A number of a config: of any usual type.
pub trait Number: PartialOrd + Copy + Display {
    /// Its value, rounded where it is a whole number of more than 53 bits.
    fn as_f64(self) -> f64;
}

macro_rules! numbers {
    ($($of:ty),*) => {
        $(impl Number for $of {
            fn as_f64(self) -> f64 {
                self as f64
            }
        })*
    };
}

numbers!(u8, u16, u32, u64, usize, i32, i64, f32, f64);

/// Refuses a config's field outside of its range; NaN is in no range.
///
/// # Errors
/// `InvalidConfig` naming the field, its range and the end that it lies beyond.
pub fn within<T: Number>(field: &str, value: T, least: T, most: T) -> Result<()> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    let error = wrong(field, format_args!("is {value}; it must lie in {least}..{most}"));
    Err(match value.partial_cmp(&most) {
        Some(std::cmp::Ordering::Greater) => error.with_limit(most.as_f64()),
        Some(_) => error.with_limit(least.as_f64()),
        None => error,
    })
}

/// Refuses a config's number that is not over zero, or over the most. NaN is neither.
pub(crate) fn positive(field: &str, value: f64, most: f64) -> Result<()> {
    if value > 0.0 && value <= most {
        return Ok(());
    }
    let error = wrong(field, format_args!("is {value}; it must be more than 0 and at most {most}"));
    Err(if value.is_nan() { error } else { error.with_limit(if value > most { most } else { 0.0 }) })
}

/// The `InvalidConfig` error of a config's field; the message is its name followed by `what`.
pub fn wrong(field: &str, what: impl Display) -> Error {
    Error::invalid_config(format!("{field} {what}")).with_field(field)
}

/// Names a field of a config inside another config with its parent.
///
/// # Errors
/// What was checked, with the parent's name and a dot in front, in the message and in the context's field.
pub fn inside(parent: &str, checked: Result<()>) -> Result<()> {
    checked.map_err(|error| {
        let message = format!("{parent}.{error}");
        error.reworded(message).with_parent(parent)
    })
}

/// serde's path to a field, without its marks for unknown parts; empty for the root.
pub(crate) fn known_way(way: &str) -> &str {
    let way = way.strip_suffix('?').unwrap_or(way);
    way.strip_suffix('.').unwrap_or(way)
}

/// The path of the field that a deserializer stopped at, from serde's path and message; none for the root.
pub(crate) fn field_of(way: &str, words: &str) -> Option<String> {
    // A field that is unknown, missing or there twice is named by serde's words only, and the way is that of its parent.
    let named = ["unknown field `", "missing field `", "duplicate field `"].iter().find_map(|begin| {
        let (_, rest) = words.split_once(begin)?;
        rest.split_once('`').map(|(name, _)| name)
    });
    let way = known_way(way);
    match (named, way) {
        (Some(name), "") => Some(name.to_owned()),
        (Some(name), parent) if parent == name || parent.ends_with(&format!(".{name}")) => Some(parent.to_owned()),
        (Some(name), parent) => Some(format!("{parent}.{name}")),
        (None, "") => None,
        (None, field) => Some(field.to_owned()),
    }
}

/// Seconds of a checked config in nanoseconds.
pub(crate) fn nanos(seconds: f64) -> u64 {
    // Ends of the range: `as` saturates, and makes NaN 0.
    (seconds * 1e9).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_that_is_passed_is_the_limit() {
        let limit = |checked: Result<()>| checked.unwrap_err().context().limit();
        assert_eq!(limit(within("fps", 0.0, 0.5, 9.0)), Some(0.5));
        assert_eq!(limit(within("fps", f64::INFINITY, 0.5, 9.0)), Some(9.0));
        assert_eq!(limit(within("fps", f64::NAN, 0.5, 9.0)), None);
        assert_eq!(limit(within("queue", 7, 1, 3)), Some(3.0));
        assert_eq!(limit(positive("for_s", -1.0, 60.0)), Some(0.0));
        assert_eq!(limit(positive("for_s", 61.0, 60.0)), Some(60.0));
        assert_eq!(limit(positive("for_s", f64::NAN, 60.0)), None);
        assert!(within("fps", 0.5, 0.5, 9.0).is_ok() && within("fps", 9.0, 0.5, 9.0).is_ok());
    }

    #[test]
    fn a_field_inside_others_has_the_whole_way() {
        let error = inside("pipeline", inside("cache", within("hold_s", 9.0, 0.0, 1.0))).unwrap_err();
        assert_eq!(error.to_string(), "pipeline.cache.hold_s is 9; it must lie in 0..1");
        assert_eq!((error.context().field(), error.context().limit()), (Some("pipeline.cache.hold_s"), Some(1.0)));
    }
}
