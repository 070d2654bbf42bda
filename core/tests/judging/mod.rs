//! The one judge of the shared cases: whether the answers of a language are what `vectors/*.json` expect, and whether all
//! languages answer alike. Runners only write answers, one line a case:
//!
//! ```json
//! {"suite": "geometry", "case": "…", "answer": …}
//! {"suite": "geometry", "case": "…", "answer": {"error": {"code", "number", "advice", "message"}}}
//! ```
#![allow(dead_code, reason = "each test uses a part")]

mod compare;
pub(crate) mod runs;

use runs::{MADE, answer, runs};

use compare::{AS_WRITTEN, TOLERANCE, Tolerance, another, leaves, steps, values};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

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

fn file(name: &str) -> Value {
    let path = data(&format!("{name}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What takes a config of each type, and how.
fn makes() -> &'static Value {
    static MAKES: LazyLock<Value> = LazyLock::new(|| file("config")["makes"].clone());
    &MAKES
}

/// The cases of a suite, each of which is whole.
pub(crate) fn suite(name: &str) -> Vec<Value> {
    let file = file(name);
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
    let answer = answer.as_ref().map_or_else(|error| json!({ "error": error }), Value::clone);
    json!({ "suite": suite, "case": case, "answer": answer }).to_string()
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
        let Some(answer) = said.get("answer") else {
            faults.push(format!("line {number} has no answer"));
            continue;
        };
        let answer = answer.get("error").map_or_else(|| Ok(answer.clone()), |error| Err(error.clone()));
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
        let wrong = match answer(suite, case, answers) {
            Some((answer, others)) => wrong(case, &answer).into_iter().chain(others).collect(),
            None => vec!["no answer".to_owned()],
        };
        faults.extend(wrong.into_iter().map(|fault| format!("{suite}: {name}: {fault}")));
    }
    let known =
        cases.iter().flat_map(|((suite, _), case)| runs(suite, case).into_iter().map(move |run| (suite, run.name)));
    let known: BTreeSet<_> = known.collect();
    let more = answers.keys().filter(|(suite, name)| !known.contains(&(suite, name.clone())));
    faults.extend(more.map(|(suite, name)| format!("{suite}: {name}: no such case")));
    faults
}

/// Changes each value that is expected, one at a time: what is then still right is a case that cannot fail. Gives how many were
/// changed, and those that made no difference.
pub(crate) fn try_wrong_expectations(cases: &Cases, answers: &Answers) -> (usize, Vec<String>) {
    let (mut changed, mut faults) = (0, Vec::new());
    for ((suite, name), case) in cases {
        let Some((answer, _)) = answer(suite, case, answers) else { continue };
        let field = if case.get("expect").is_some() { "expect" } else { "error" };
        let mut all = Vec::new();
        leaves(&case[field], &mut format!("/{field}"), &mut all);
        for leaf in all {
            let mut case = case.clone();
            let steps = case["input"]["steps"].is_array();
            let value = case.pointer_mut(&leaf).expect("a leaf is there");
            // Of a step's answer nothing may be expected.
            if value.is_null() && steps && leaf.matches('/').count() == 2 {
                continue;
            }
            *value = another(value, &leaf);
            changed += 1;
            if wrong(&case, &answer).is_empty() {
                faults.push(format!("{suite}: {name}: {leaf} can be {}", case.pointer(&leaf).expect("it was there")));
            }
        }
    }
    (changed, faults)
}

/// Where two languages do not answer alike. Messages are for people, and may differ in more than a case expects of them.
pub(crate) fn differences(one: &Answers, other: &Answers) -> Vec<String> {
    let whole = |answer: &Result<Value, Value>| match answer {
        Ok(answer) => json!({ "answer": without_messages(answer) }),
        Err(error) => json!({ "error": without_messages(error) }),
    };
    let mut faults = Vec::new();
    // What takes a config is another thing in each language, and is compared with the config of its own.
    for (key, answer) in one.iter().filter(|((suite, name), _)| suite != "config" || !name.ends_with(MADE)) {
        let Some(second) = other.get(key) else { continue };
        let (answer, second) = (whole(answer), whole(second));
        // Both ways, since more fields than are expected are no fault of `values`.
        let both = values(&answer, &second, AS_WRITTEN).into_iter().chain(values(&second, &answer, AS_WRITTEN));
        faults.extend(both.map(|fault| format!("{}: {}: {fault}", key.0, key.1)));
    }
    faults
}

fn without_messages(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(key, _)| !matches!(&***key, "message" | "cause"));
            kept.map(|(key, inner)| (key.clone(), without_messages(inner))).collect()
        }
        Value::Array(list) => list.iter().map(without_messages).collect(),
        plain => plain.clone(),
    }
}

/// How many cases, or answers, each suite has.
pub(crate) fn counts<T>(all: &BTreeMap<(String, String), T>) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    all.keys().for_each(|(suite, _)| *counts.entry(&**suite).or_default() += 1);
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
