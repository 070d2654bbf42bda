//! The one judge of the shared cases: whether the answers of a language are what `vectors/*.json` expect, and whether all
//! languages answer alike. Runners only write answers, one line a case:
//!
//! ```json
//! {"suite": "geometry", "case": "…", "answer": …}
//! {"suite": "geometry", "case": "…", "error": {"code", "number", "advice", "message"}}
//! ```
#![allow(dead_code, reason = "each test uses a part")]

use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The suites, in the order in which they are run.
pub(crate) const SUITES: [&str; 13] = [
    "config", "errors", "geometry", "frame", "model", "detector", "motion", "breaker", "retry", "budget", "triggers",
    "pipeline", "replay",
];

/// A suite smaller than this has lost its cases.
const LEAST_CASES: usize = 8;

/// The cases by suite and name, as they are written.
pub(crate) type Cases = BTreeMap<(String, String), Value>;

/// What a language answered, by suite and name.
pub(crate) type Answers = BTreeMap<(String, String), Result<Value, Value>>;

/// A file beside the cases.
pub(crate) fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(name)
}

/// The cases of a suite, each of which is whole.
pub(crate) fn suite(name: &str) -> Vec<Value> {
    let path = data(&format!("{name}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let file: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(file["suite"], name);
    assert!(file["about"].is_string(), "{name}: about is missing");
    let cases = file["cases"].as_array().unwrap_or_else(|| panic!("{name}: no cases")).clone();
    assert!(cases.len() >= LEAST_CASES, "{name}: {} cases; some are lost", cases.len());
    let mut names = BTreeSet::new();
    for case in &cases {
        let known = ["name", "why", "input", "expect", "error", "tolerance"];
        let other = case.as_object().expect("a case is an object").keys().find(|key| !known.contains(&key.as_str()));
        assert!(other.is_none(), "{name}: a case has no field {other:?}");
        let text = |field: &str| case[field].as_str().filter(|text| !text.is_empty());
        assert!(text("name").is_some() && text("why").is_some(), "{name}: {case} needs a name and a why");
        assert!(names.insert(text("name")), "{name}: two cases are called {:?}", text("name"));
        let (expect, error) = (case.get("expect").is_some(), case.get("error").is_some());
        assert!(expect != error, "{name}: {}: a case has either expect or error", case["name"]);
    }
    cases
}

pub(crate) fn cases() -> Cases {
    let of = |name: &'static str| {
        let key = move |case: Value| ((name.to_owned(), case["name"].as_str().unwrap().to_owned()), case);
        suite(name).into_iter().map(key)
    };
    SUITES.into_iter().flat_map(of).collect()
}

/// One line of a runner.
pub(crate) fn line(suite: &str, case: &str, answer: &Result<Value, Value>) -> String {
    match answer {
        Ok(answer) => json!({ "suite": suite, "case": case, "answer": answer }),
        Err(error) => json!({ "suite": suite, "case": case, "error": error }),
    }
    .to_string()
}

/// The lines that a runner wrote, and what is wrong with them.
pub(crate) fn read(text: &str) -> (Answers, Vec<String>) {
    let (mut answers, mut faults) = (Answers::new(), Vec::new());
    for (number, line) in (1..).zip(text.lines()) {
        let said: Value = match serde_json::from_str(line) {
            Ok(said) => said,
            Err(error) => {
                faults.push(format!("line {number}: {error}"));
                continue;
            }
        };
        let answer = match (said.get("answer"), said.get("error")) {
            (Some(answer), None) => Ok(answer.clone()),
            (None, Some(error)) => Err(error.clone()),
            _ => {
                faults.push(format!("line {number} has either answer or error"));
                continue;
            }
        };
        let name = |key: &str| said[key].as_str().unwrap_or_default().to_owned();
        let key = (name("suite"), name("case"));
        if answers.insert(key.clone(), answer).is_some() {
            faults.push(format!("{}: {} is answered twice", key.0, key.1));
        }
    }
    (answers, faults)
}

/// What is wrong with the answers of a language; nothing where every case is answered as it should be.
pub(crate) fn judge(cases: &Cases, answers: &Answers) -> Vec<String> {
    let mut faults = Vec::new();
    for ((suite, name), case) in cases {
        match answers.get(&(suite.clone(), name.clone())) {
            Some(answer) => {
                faults.extend(wrong(case, answer).into_iter().map(|fault| format!("{suite}: {name}: {fault}")));
            }
            None => faults.push(format!("{suite}: {name}: no answer")),
        }
    }
    let more = answers.keys().filter(|key| !cases.contains_key(*key));
    faults.extend(more.map(|(suite, name)| format!("{suite}: {name}: no such case")));
    faults
}

/// Changes each number, word and truth that is expected, one at a time: what is then still right is a case that cannot
/// fail. Gives how many were changed, and those that made no difference.
pub(crate) fn try_wrong_expectations(cases: &Cases, answers: &Answers) -> (usize, Vec<String>) {
    let (mut changed, mut faults) = (0, Vec::new());
    for ((suite, name), case) in cases {
        let Some(answer) = answers.get(&(suite.clone(), name.clone())) else { continue };
        let field = if case.get("expect").is_some() { "expect" } else { "error" };
        let mut all = Vec::new();
        leaves(&case[field], &mut format!("/{field}"), &mut all);
        for leaf in all {
            let mut case = case.clone();
            let value = case.pointer_mut(&leaf).expect("a leaf is there");
            *value = another(value, &leaf);
            changed += 1;
            if wrong(&case, answer).is_empty() {
                faults.push(format!("{suite}: {name}: {leaf} can be {}", case.pointer(&leaf).expect("it was there")));
            }
        }
    }
    (changed, faults)
}

/// Where two languages do not answer alike. Messages are for people, and may differ in more than a case expects of them.
pub(crate) fn differences(one: &Answers, other: &Answers) -> Vec<String> {
    let whole = |suite: &str, answer: &Result<Value, Value>| match answer {
        Ok(answer) => json!({ "answer": without_messages(answer) }),
        Err(error) => {
            let mut error = without_messages(error);
            // Frames are made of arguments of the language's own: arrays in place of layouts.
            if let Some(fields) = error.as_object_mut().filter(|_| suite == "frame") {
                fields.retain(|key, _| !matches!(&**key, "field" | "limit"));
            }
            json!({ "error": error })
        }
    };
    let mut faults = Vec::new();
    for (key, answer) in one {
        let Some(second) = other.get(key) else { continue };
        let (answer, second) = (whole(&key.0, answer), whole(&key.0, second));
        // Both ways, since more fields than are expected are no fault of `values`.
        let both = values(&answer, &second, AS_WRITTEN).into_iter().chain(values(&second, &answer, AS_WRITTEN));
        faults.extend(both.map(|fault| format!("{}: {}: {fault}", key.0, key.1)));
    }
    faults
}

fn without_messages(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(key, _)| *key != "message");
            kept.map(|(key, inner)| (key.clone(), without_messages(inner))).collect()
        }
        Value::Array(list) => list.iter().map(without_messages).collect(),
        plain => plain.clone(),
    }
}

/// How many cases each suite has.
pub(crate) fn counts(answers: &Answers) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    answers.keys().for_each(|(suite, _)| *counts.entry(&**suite).or_default() += 1);
    counts
}

/// What is wrong with the answer to a case.
fn wrong(case: &Value, answer: &Result<Value, Value>) -> Vec<String> {
    let absolute = case.get("tolerance").map_or(TOLERANCE.absolute, |value| value.as_f64().expect("a number"));
    let tolerance = Tolerance { absolute, ..TOLERANCE };
    match (case.get("expect"), case.get("error"), answer) {
        (Some(expected), None, Ok(got)) if case["input"]["steps"].is_array() && got.is_array() => {
            steps(expected, got, tolerance)
        }
        (Some(expected), None, Ok(got)) => values(expected, got, tolerance),
        (None, Some(expected), Err(error)) => values(expected, error, tolerance),
        (Some(_), None, Err(error)) => vec![format!("an error: {error}")],
        (None, Some(_), Ok(got)) => vec![format!("no error, but {got}")],
        _ => vec!["a case has either expect or error".into()],
    }
}

/// How far numbers may lie apart.
#[derive(Clone, Copy)]
struct Tolerance {
    absolute: f64,
    /// Of numbers that are not whole.
    relative: f64,
}

/// Where a case does not say: what 32-bit floats lose, and nothing of whole numbers.
const TOLERANCE: Tolerance = Tolerance { absolute: 1e-6, relative: 0.0 };

/// Of two languages, one may write a 32-bit float with all digits of a 64-bit one.
const AS_WRITTEN: Tolerance = Tolerance { absolute: 1e-6, relative: 1e-7 };

/// What is wrong with an answer.
///
/// Of objects, only the fields that are expected are compared, and each must be there. `{"min": …, "max": …}` in the
/// place of a number is a range, `mentions` a list of words that the field `message` beside it must hold.
fn values(expected: &Value, got: &Value, tolerance: Tolerance) -> Vec<String> {
    let mut faults = Vec::new();
    differ(expected, got, tolerance, "", &mut faults);
    faults
}

/// The same for a list of answers to steps; where nothing (`null`) is expected of one, it is not looked at.
fn steps(expected: &Value, got: &Value, tolerance: Tolerance) -> Vec<String> {
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

/// Where the numbers, words and truths of an expectation are, as JSON pointers.
fn leaves(value: &Value, path: &mut String, found: &mut Vec<String>) {
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
fn another(value: &Value, path: &str) -> Value {
    // The upper end of a range must come down.
    let further = if path.ends_with("/max") { -1e6 } else { 1e6 };
    match value {
        Value::Bool(truth) => json!(!truth),
        Value::Number(number) => json!(number.as_f64().unwrap() + further),
        Value::String(text) => json!(format!("{text} not")),
        other => panic!("{other} has no other"),
    }
}
