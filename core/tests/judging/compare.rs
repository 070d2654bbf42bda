//! Whether an answer is what is expected, and expectations that are wrong by one value.

use serde_json::{Map, Value, json};

/// How far numbers may lie apart.
#[derive(Clone, Copy)]
pub(super) struct Tolerance {
    pub(super) absolute: f64,
    /// Of numbers that are not whole.
    pub(super) relative: f64,
}

/// Where a case does not say: what 32-bit floats lose, and nothing of whole numbers.
pub(super) const TOLERANCE: Tolerance = Tolerance { absolute: 1e-6, relative: 0.0 };

/// Of two languages, one may write a 32-bit float with all digits of a 64-bit one.
pub(super) const AS_WRITTEN: Tolerance = Tolerance { absolute: 1e-6, relative: 1e-7 };

/// Of one language, which computes the same number twice.
pub(super) const EXACTLY: Tolerance = Tolerance { absolute: 0.0, relative: 0.0 };

/// What is wrong with an answer.
///
/// Of objects, only the fields that are expected are compared, and each must be there, but for `{"missing": true}`.
/// `{"min": …, "max": …}` in the place of a number is a range, `{"begins": …}` how a text begins, `entries` how many fields an
/// object has, `mentions` a list of words that the field `message` beside it must hold.
pub(super) fn values(expected: &Value, got: &Value, tolerance: Tolerance) -> Vec<String> {
    let mut faults = Vec::new();
    differ(expected, got, tolerance, "", &mut faults);
    faults
}

/// The same for a list of answers to steps; where nothing (`null`) is expected of one, it is not looked at.
pub(super) fn steps(expected: &Value, got: &Value, tolerance: Tolerance) -> Vec<String> {
    let (Value::Array(expected), Value::Array(got)) = (expected, got) else {
        return vec![format!("the expectation of steps is a list, not {expected}")];
    };
    if expected.len() != got.len() {
        return vec![format!("{} expectations for {} steps", expected.len(), got.len())];
    }
    let mut faults = Vec::new();
    for (at, (expected, got)) in expected.iter().zip(got).enumerate().filter(|(_, (expected, _))| !expected.is_null()) {
        differ(expected, got, tolerance, &format!("[{at}]"), &mut faults);
    }
    faults
}

fn differ(expected: &Value, got: &Value, tolerance: Tolerance, path: &str, faults: &mut Vec<String>) {
    match (expected, got) {
        (Value::Object(fields), Value::Number(number)) if is_range(fields) => {
            let number = number.as_f64().unwrap_or(f64::NAN);
            let end = |key: &str, none: f64| fields.get(key).and_then(Value::as_f64).unwrap_or(none);
            if !(end("min", f64::NEG_INFINITY)..=end("max", f64::INFINITY)).contains(&number) {
                faults.push(format!("{path}: {number} is outside {expected}"));
            }
        }
        (Value::Object(fields), Value::String(text)) if fields.len() == 1 && fields.contains_key("begins") => {
            let begin = fields["begins"].as_str().expect("begins is a text");
            if !text.starts_with(begin) {
                faults.push(format!("{path}: {text:?} does not begin with {begin:?}"));
            }
        }
        (Value::Object(fields), Value::Object(there)) => {
            for (key, wanted) in fields {
                let path = format!("{path}.{key}");
                match (there.get(key), wanted.get("missing").and_then(Value::as_bool)) {
                    _ if key == "mentions" => mentions(wanted, there.get("message"), &path, faults),
                    (None, _) if key == "entries" => {
                        differ(wanted, &there.len().into(), tolerance, &path, faults);
                    }
                    (None, Some(true)) => {}
                    (Some(_), Some(true)) => faults.push(format!("{path} is there in {got}")),
                    (Some(value), None) => differ(wanted, value, tolerance, &path, faults),
                    (_, _) => faults.push(format!("{path} is missing in {got}")),
                }
            }
        }
        (Value::Array(wanted), Value::Array(there)) if wanted.len() == there.len() => {
            for (at, (wanted, there)) in wanted.iter().zip(there).enumerate() {
                differ(wanted, there, tolerance, &format!("{path}[{at}]"), faults);
            }
        }
        (Value::Number(wanted), Value::Number(number)) => {
            let (apart, most) = match (wanted.as_i64(), number.as_i64()) {
                (Some(wanted), Some(number)) => (wanted.abs_diff(number) as f64, tolerance.absolute),
                _ => {
                    let [wanted, number] = [wanted, number].map(|number| number.as_f64().unwrap_or(f64::NAN));
                    ((wanted - number).abs(), tolerance.absolute.max(tolerance.relative * wanted.abs()))
                }
            };
            // Not a number is never near.
            if !(0.0..=most).contains(&apart) {
                faults.push(format!("{path}: {number}, not {wanted}"));
            }
        }
        _ if expected == got => {}
        _ => faults.push(format!("{path}: {got}, not {expected}")),
    }
}

fn is_range(fields: &Map<String, Value>) -> bool {
    !fields.is_empty() && fields.keys().all(|key| key == "min" || key == "max")
}

fn mentions(words: &Value, message: Option<&Value>, path: &str, faults: &mut Vec<String>) {
    let message = message.and_then(Value::as_str).unwrap_or_default();
    for word in words.as_array().expect("mentions is a list").iter().filter_map(Value::as_str) {
        if !message.contains(word) {
            faults.push(format!("{path}: no {word:?} in {message:?}"));
        }
    }
}

/// Where the values of an expectation are that can be changed, as JSON pointers: numbers, words and truths, none, and what is
/// empty.
pub(super) fn leaves(value: &Value, path: &mut String, found: &mut Vec<String>) {
    let len = path.len();
    let mut into = |key: String, inner: &Value| {
        path.push('/');
        path.push_str(&key.replace('~', "~0").replace('/', "~1"));
        leaves(inner, path, found);
        path.truncate(len);
    };
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            fields.iter().for_each(|(key, inner)| into(key.clone(), inner));
        }
        Value::Array(list) if !list.is_empty() => {
            list.iter().enumerate().for_each(|(at, inner)| into(at.to_string(), inner));
        }
        _ => found.push(path.clone()),
    }
}

/// A value that is far from the one at this place.
pub(super) fn another(value: &Value, path: &str) -> Value {
    // The upper end of a range must come down.
    let further = if path.ends_with("/max") { -1e6 } else { 1e6 };
    match value {
        Value::Bool(truth) => json!(!truth),
        Value::Number(number) => json!(number.as_f64().unwrap() + further),
        Value::String(text) => json!(format!("{text} not")),
        Value::Null => json!("not none"),
        _ => json!("not empty"),
    }
}
