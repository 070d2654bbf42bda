//! From a case's input to an answer, through the public API; and what all suites need for that.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test")]

pub(crate) mod machines;
pub(crate) mod picture;
pub(crate) mod pipeline;
pub(crate) mod plain;
pub(crate) mod prepare;

use guarita::detection::Label;
use guarita::resilience::BreakerOpen;
use guarita::{BoundingBox, Detection, Error, ErrorCode, Size, Timestamp};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::error::Error as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a case's input leads to.
pub(crate) type Answer = guarita::Result<Value>;

pub(crate) use crate::judging::data;

/// Where the cases lie as they are written out for the runners of all languages.
pub(crate) fn prepared() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("vectors")
}

/// A value that must be there, as this type. A case that is written wrongly is a panic, which the runner reports.
pub(crate) fn get<T: DeserializeOwned>(from: &Value, key: &str) -> T {
    find(from, key).unwrap_or_else(|| panic!("{key} is missing in {from}"))
}

/// A value that may be missing.
pub(crate) fn find<T: DeserializeOwned>(from: &Value, key: &str) -> Option<T> {
    let value = from.get(key).filter(|value| !value.is_null())?;
    Some(serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{key}: {error} in {from}")))
}

/// A config as a case writes it. A field that is unknown or of another type is an error of serde's here; a face reports
/// it as `InvalidConfig`, as it does a value out of range.
pub(crate) fn config<T: DeserializeOwned>(value: &Value) -> guarita::Result<T> {
    let value = if value.is_null() { json!({}) } else { value.clone() };
    guarita::read_config(value)
}

pub(crate) fn code(name: &str) -> ErrorCode {
    ErrorCode::ALL.into_iter().find(|code| code.to_string() == name).unwrap_or_else(|| panic!("no code {name}"))
}

/// An error with what it is about, of which only what it names is there.
pub(crate) fn error_json(error: &Error) -> Value {
    let context = error.context();
    let refusal = error.source().and_then(|source| source.downcast_ref::<BreakerOpen>());
    let mut said = json!({
        "code": error.code(),
        "number": error.code().number(),
        "advice": format!("{:?}", error.advice()),
        "message": error.to_string(),
    });
    let mut about = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            said[key] = value;
        }
    };
    about("field", context.field().map(Value::from));
    about("path", context.path().map(|path| json!(path)));
    about("tensor", context.tensor().map(Value::from));
    about("limit", context.limit().map(Value::from));
    about("breaker", refusal.map(|refusal| json!(refusal.state)));
    about("retry_after_s", refusal.map(|refusal| json!(refusal.retry_after.map(|wait| wait.as_secs_f64()))));
    said
}

pub(crate) fn timestamp(seconds: f64) -> Timestamp {
    Timestamp::from_secs_f64(seconds).unwrap()
}

pub(crate) fn seconds(at: Timestamp) -> f64 {
    at.as_nanos() as f64 / 1e9
}

pub(crate) fn span(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

pub(crate) fn bbox(corners: [f32; 4]) -> BoundingBox {
    let [x1, y1, x2, y2] = corners;
    BoundingBox::from_xyxy(x1, y1, x2, y2)
}

pub(crate) fn size(sides: [u32; 2]) -> Size {
    Size::new(sides[0], sides[1])
}

/// `{"label", "class_id" (0), "confidence", "xyxy"}`.
pub(crate) fn detection(from: &Value) -> Detection {
    let name: String = get(from, "label");
    let label = Label { id: find(from, "class_id").unwrap_or(0), name: name.into() };
    Detection::new(bbox(get(from, "xyxy")), label, get(from, "confidence"))
}

pub(crate) fn detections(from: &Value, key: &str) -> Vec<Detection> {
    get::<Vec<Value>>(from, key).iter().map(detection).collect()
}

/// The answers to all steps: an error of a step is `{"error": …}` in its place.
pub(crate) fn each_step(input: &Value, mut run: impl FnMut(&Value) -> Answer) -> Value {
    let steps: Vec<Value> = get(input, "steps");
    steps.iter().map(|step| run(step).unwrap_or_else(|error| json!({ "error": error_json(&error) }))).collect()
}
