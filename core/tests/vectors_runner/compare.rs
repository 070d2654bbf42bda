//! Whether an answer is what a case expects.

use serde_json::{Map, Value, json};

/// How far numbers may lie apart where a case does not say: what 32-bit floats lose, and nothing of whole numbers.
pub(crate) const TOLERANCE: f64 = 1e-6;

/// What is wrong with an answer.
///
/// Of objects, only the fields that are expected are compared, and each must be there. `{"min": …, "max": …}` in the
/// place of a number is a range, `mentions` a list of words that the field `message` beside it must hold.
pub(crate) fn values(expected: &Value, got: &Value, tolerance: f64) -> Vec<String> {
    let mut faults = Vec::new();
    differ(expected, got, tolerance, "", &mut faults);
    faults
}

/// The same for a list of answers to steps; where nothing (`null`) is expected of one, it is not looked at.
pub(crate) fn steps(expected: &Value, got: &Value, tolerance: f64) -> Vec<String> {
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

fn differ(expected: &Value, got: &Value, tolerance: f64, path: &str, faults: &mut Vec<String>) {
    match (expected, got) {
        (Value::Object(fields), Value::Number(number)) if is_range(fields) => {
            let number = number.as_f64().unwrap_or(f64::NAN);
            let end = |key: &str, none: f64| fields.get(key).and_then(Value::as_f64).unwrap_or(none);
            if !(end("min", f64::NEG_INFINITY)..=end("max", f64::INFINITY)).contains(&number) {
                faults.push(format!("{path}: {number} is outside {expected}"));
            }
        }
        (Value::Object(fields), Value::Object(there)) => {
            for (key, wanted) in fields {
                let path = format!("{path}.{key}");
                match there.get(key) {
                    _ if key == "mentions" => mentions(wanted, there.get("message"), &path, faults),
                    Some(value) => differ(wanted, value, tolerance, &path, faults),
                    None => faults.push(format!("{path} is missing in {got}")),
                }
            }
        }
        (Value::Array(wanted), Value::Array(there)) if wanted.len() == there.len() => {
            for (at, (wanted, there)) in wanted.iter().zip(there).enumerate() {
                differ(wanted, there, tolerance, &format!("{path}[{at}]"), faults);
            }
        }
        (Value::Number(wanted), Value::Number(number)) => {
            let apart = match (wanted.as_i64(), number.as_i64()) {
                (Some(wanted), Some(number)) => wanted.abs_diff(number) as f64,
                _ => (wanted.as_f64().unwrap_or(f64::NAN) - number.as_f64().unwrap_or(f64::NAN)).abs(),
            };
            // Not a number is never near.
            if !(0.0..=tolerance).contains(&apart) {
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

/// Where the numbers, words and truths of an expectation are, as JSON pointers.
pub(crate) fn leaves(value: &Value, path: &mut String, found: &mut Vec<String>) {
    let len = path.len();
    let mut into = |key: String, inner: &Value| {
        path.push('/');
        path.push_str(&key.replace('~', "~0").replace('/', "~1"));
        leaves(inner, path, found);
        path.truncate(len);
    };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, inner)| into(key.clone(), inner)),
        Value::Array(list) => list.iter().enumerate().for_each(|(at, inner)| into(at.to_string(), inner)),
        // Of a step's answer nothing may be expected.
        Value::Null => {}
        _ => found.push(path.clone()),
    }
}

/// A value of the same kind that is far from the one at this place.
pub(crate) fn another(value: &Value, path: &str) -> Value {
    // The upper end of a range must come down.
    let further = if path.ends_with("/max") { -1e6 } else { 1e6 };
    match value {
        Value::Bool(truth) => json!(!truth),
        Value::Number(number) => json!(number.as_f64().unwrap() + further),
        Value::String(text) => json!(format!("{text} not")),
        other => panic!("{other} has no other"),
    }
}
