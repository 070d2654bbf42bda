//! Configs from values and text of the host's: which field is wrong, and how large a value may be.

use guarita::{Error, ErrorCode, Result};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::cell::Cell;

/// Values inside values; more than this is written by a program that went wrong.
const MAX_DEPTH: usize = 64;
/// Values in all, and as many times 16 bytes of text. A list that holds itself twice has 2 to the power of [`MAX_DEPTH`].
const MAX_VALUES: usize = 1_000_000;

/// Why a config could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// The path of the field, such as `motion.linger_s` or `classes[2]`; none where it is about the whole.
    pub field: Option<String>,
    /// What is wrong with it, in words.
    pub message: String,
}

impl FieldError {
    fn new(error: serde_path_to_error::Error<serde_json::Error>) -> Self {
        let path = error.path().to_string();
        Self { field: (path != ".").then_some(path), message: error.into_inner().to_string() }
    }

    /// The same with other words, such as those of a language for its own types.
    pub fn reworded(mut self, reword: impl FnOnce(&str) -> String) -> Self {
        self.message = reword(&self.message);
        self
    }

    /// It as an `InvalidConfig` whose message names the field.
    pub fn into_error(self) -> Error {
        // An unknown field is named by the words already.
        let named = self.field.filter(|_| !self.message.starts_with("unknown field"));
        let message = match named {
            Some(field) => format!("{field}: {}", self.message),
            None => self.message,
        };
        Error::new(ErrorCode::InvalidConfig, message)
    }
}

impl From<FieldError> for Error {
    fn from(error: FieldError) -> Self {
        error.into_error()
    }
}

/// Reads a config from a value of fields, unknown names refused. Ranges are checked where it is used, or by [`check`].
///
/// # Errors
/// Which field could not be read, and why.
pub fn from_value<T: DeserializeOwned>(fields: Value) -> Result<T, FieldError> {
    serde_path_to_error::deserialize(fields).map_err(FieldError::new)
}

/// Reads a config from JSON, as [`from_value`]; empty text is one with all defaults.
///
/// # Errors
/// Which field could not be read, and why.
pub fn from_json<T: DeserializeOwned>(json: &str) -> Result<T, FieldError> {
    let json = if json.trim().is_empty() { "{}" } else { json };
    let mut reader = serde_json::Deserializer::from_str(json);
    let config = serde_path_to_error::deserialize(&mut reader).map_err(FieldError::new)?;
    reader.end().map_err(|error| FieldError { field: None, message: error.to_string() })?;
    Ok(config)
}

/// Checks a config by the name of its type, and gives it back as JSON with all defaults; see [`guarita::check_config`].
///
/// # Errors
/// `InvalidConfig` naming the field, `InvalidArgument` for an unknown kind.
pub fn check(kind: &str, fields: &Value) -> Result<String> {
    guarita::check_config(kind, &fields.to_string())
}

/// The value of an enum that a call takes by its name.
///
/// # Errors
/// `InvalidArgument` naming the argument and the words that there are.
pub fn by_name<T: DeserializeOwned>(argument: &str, name: &str) -> Result<T> {
    T::deserialize(Value::String(name.to_owned()))
        .map_err(|error| Error::new(ErrorCode::InvalidArgument, format!("{argument}: {error}")))
}

/// How much of a value of the host's is taken over: one that holds itself, or has no end, is refused.
#[derive(Debug)]
pub struct ValueLimit {
    left: Cell<usize>,
}

impl Default for ValueLimit {
    fn default() -> Self {
        Self { left: Cell::new(MAX_VALUES) }
    }
}

impl ValueLimit {
    /// Counts one more value, which lies so deep in others (0 for the outermost), under this name.
    ///
    /// # Errors
    /// `InvalidConfig` naming the field, for more than 64 values inside each other or 1,000,000 in all.
    pub fn enter(&self, field: &str, depth: usize) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(wrong(field, format!("values inside values, more than {MAX_DEPTH} deep")));
        }
        self.take(field, 1)
    }

    /// Counts a text of so many bytes.
    ///
    /// # Errors
    /// As [`enter`](Self::enter).
    pub fn text(&self, field: &str, bytes: usize) -> Result<()> {
        self.take(field, bytes / 16)
    }

    /// How many values may still come: a face may look at signals now and then.
    pub fn left(&self) -> usize {
        self.left.get()
    }

    fn take(&self, field: &str, count: usize) -> Result<()> {
        let left = self.left.get().checked_sub(count);
        self.left.set(left.ok_or_else(|| wrong(field, format!("more than {MAX_VALUES} values in all")))?);
        Ok(())
    }
}

fn wrong(field: &str, what: String) -> Error {
    Error::new(ErrorCode::InvalidConfig, format!("{field}: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use guarita::{CameraConfig, OutletConfig, Priority};
    use serde_json::json;

    #[test]
    fn the_field_that_is_wrong_is_named_by_its_path() {
        for (fields, field, begin) in [
            (json!({"id": "a", "fps": "x"}), Some("fps"), "fps: invalid type: string"),
            (json!({"id": "a", "motion": {"linger_s": []}}), Some("motion.linger_s"), "motion.linger_s: "),
            (json!({"id": "a", "classes": ["car", 1]}), Some("classes[1]"), "classes[1]: "),
            (json!(7), None, "invalid type: integer `7`"),
        ] {
            let text = fields.to_string();
            for error in
                [from_value::<CameraConfig>(fields).unwrap_err(), from_json::<CameraConfig>(&text).unwrap_err()]
            {
                assert_eq!(error.field.as_deref(), field, "{error:?}");
                let error = Error::from(error);
                assert_eq!(error.code(), ErrorCode::InvalidConfig);
                assert!(error.to_string().starts_with(begin), "{error}");
            }
        }
        let unknown = from_value::<CameraConfig>(json!({"id": "a", "fsp": 1})).unwrap_err();
        let reworded = unknown.reworded(|words| words.replace("expected", "known are"));
        let message = reworded.into_error().to_string();
        assert!(message.starts_with("unknown field `fsp`, known are"), "{message}");
    }

    #[test]
    fn text_is_read_to_its_end() {
        assert_eq!(from_json::<OutletConfig>(" \n").unwrap(), OutletConfig::default());
        assert_eq!(from_json::<OutletConfig>(r#"{"capacity": 7}"#).unwrap().capacity, 7);
        let error = from_json::<OutletConfig>("{} {}").unwrap_err();
        assert!(error.field.is_none() && error.message.contains("trailing"), "{error:?}");
        assert_eq!(from_json::<OutletConfig>("{").unwrap_err().into_error().code(), ErrorCode::InvalidConfig);
    }

    #[test]
    fn kinds_and_words_go_by_name() {
        let checked = check("Confirmation", &json!({"n": 3})).unwrap();
        assert!(checked.contains(r#""n":3"#) && checked.contains("max_gap_s"), "{checked}");
        assert_eq!(check("Confirmation", &json!({"n": -1})).unwrap_err().code(), ErrorCode::InvalidConfig);
        assert_eq!(check("NoSuch", &json!({})).unwrap_err().code(), ErrorCode::InvalidArgument);
        assert_eq!(by_name::<Priority>("priority", "critical").unwrap(), Priority::Critical);
        let error = by_name::<Priority>("priority", "urgent").unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidArgument);
        assert!(error.to_string().starts_with("priority: unknown variant `urgent`"), "{error}");
    }

    #[test]
    fn values_without_end_are_refused() {
        let limit = ValueLimit::default();
        limit.enter("a", MAX_DEPTH).unwrap();
        let error = limit.enter("a", MAX_DEPTH + 1).unwrap_err();
        assert_eq!(
            (error.code(), error.to_string()),
            (ErrorCode::InvalidConfig, "a: values inside values, more than 64 deep".into())
        );
        assert_eq!(limit.left(), MAX_VALUES - 1);
        limit.text("b", 16 * (MAX_VALUES - 2)).unwrap();
        limit.enter("c", 0).unwrap();
        assert_eq!(limit.left(), 0);
        assert!(limit.text("d", 15).is_ok(), "short text counts as the value that it is");
        assert_eq!(limit.enter("e", 0).unwrap_err().to_string(), "e: more than 1000000 values in all");
    }
}
