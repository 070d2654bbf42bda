//! Configs from values and text of the host's: which field is wrong, and how large a value may be.

use guarita::{Error, ErrorCode, Result};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::cell::Cell;

/// Values inside values; more than this is written by a program that went wrong.
const MAX_DEPTH: usize = 64;
/// Values in all, and as many times 16 bytes of text. A list that holds itself twice has 2 to the power of [`MAX_DEPTH`].
const MAX_VALUES: usize = 1_000_000;

/// Reads a config from a value of fields, unknown names refused. Ranges are checked where it is used, or by [`check`].
///
/// # Errors
/// `InvalidConfig` naming the field that could not be read, and why.
pub fn from_value<T: DeserializeOwned>(fields: Value) -> Result<T> {
    guarita::read_config(fields)
}

/// Reads a config from JSON, as [`from_value`]; empty text is one with all defaults.
///
/// # Errors
/// `InvalidConfig` naming the field that could not be read, and why.
pub fn from_json<T: DeserializeOwned>(json: &str) -> Result<T> {
    let json = if json.trim().is_empty() { "{}" } else { json };
    let mut reader = serde_json::Deserializer::from_str(json);
    let config = guarita::read_config(&mut reader)?;
    reader.end().map_err(|error| Error::new(ErrorCode::InvalidConfig, error.to_string()))?;
    Ok(config)
}

/// The same error in other words, such as those of a language for its own types.
pub fn reworded(error: &Error, reword: impl FnOnce(&str) -> String) -> Error {
    let said = Error::new(error.code(), reword(&error.to_string()));
    match error.context().field() {
        Some(field) => said.with_field(field),
        None => said,
    }
}

/// Checks a config by the name of its type, and gives it back as JSON with all defaults; see [`guarita::check_config`].
/// Configs of the packages in [`adapters`](crate::adapters) are known.
///
/// # Errors
/// `InvalidConfig` naming the field, `InvalidArgument` for an unknown kind.
pub fn check(kind: &str, fields: &Value) -> Result<String> {
    crate::adapters::registry()?.check_config(kind, &fields.to_string())
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
    Error::new(ErrorCode::InvalidConfig, format!("{field}: {what}")).with_field(field)
}

#[cfg(test)]
mod tests {
    use super::*;
    use guarita::CameraConfig;
    use guarita::event::OutletConfig;
    use guarita::provider::Priority;
    use serde_json::json;

    #[test]
    fn the_field_that_is_wrong_is_named_by_its_path() {
        for (fields, field, begin) in [
            (json!({"id": "a", "fps": "x"}), Some("fps"), "fps: invalid type: string"),
            (json!({"id": "a", "motion": {"linger_s": []}}), Some("motion.linger_s"), "motion.linger_s: "),
            (json!({"id": "a", "look": {"classes": ["car", 1]}}), Some("look.classes[1]"), "look.classes[1]: "),
            (json!(7), None, "invalid type: integer `7`"),
        ] {
            let text = fields.to_string();
            for error in
                [from_value::<CameraConfig>(fields).unwrap_err(), from_json::<CameraConfig>(&text).unwrap_err()]
            {
                assert_eq!(error.context().field(), field, "{error:?}");
                assert_eq!(error.code(), ErrorCode::InvalidConfig);
                assert!(error.to_string().starts_with(begin), "{error}");
            }
        }
        let unknown = from_value::<CameraConfig>(json!({"id": "a", "fsp": 1})).unwrap_err();
        let reworded = reworded(&unknown, |words| words.replace("expected", "known are"));
        assert_eq!(reworded.context().field(), Some("fsp"));
        let message = reworded.to_string();
        assert!(message.starts_with("unknown field `fsp`, known are"), "{message}");
    }

    #[test]
    fn text_is_read_to_its_end() {
        assert_eq!(from_json::<OutletConfig>(" \n").unwrap(), OutletConfig::default());
        assert_eq!(from_json::<OutletConfig>(r#"{"capacity": 7}"#).unwrap().capacity, 7);
        let error = from_json::<OutletConfig>("{} {}").unwrap_err();
        assert!(error.context().field().is_none() && error.to_string().contains("trailing"), "{error:?}");
        assert_eq!(from_json::<OutletConfig>("{").unwrap_err().code(), ErrorCode::InvalidConfig);
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
