//! The cases of `vectors/*.json`, run through the public API. Every face of guarita runs the same files with a runner of
//! its own: what a case says is true in all languages. `vectors/README.md` says how cases are written.
//!
//! Where the variable `GUARITA_VECTORS_COUNT` names a file, the numbers of cases are written there, as JSON: every face must
//! have run as many.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test")]
#![allow(clippy::disallowed_methods, reason = "tests may wait and read the environment")]

mod common;
mod vectors_runner;

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use vectors_runner::{Answer, compare, data, error_json, machines, pipeline, plain};

/// What answers a case's input.
type Run = fn(&Value) -> Answer;

/// The suites by name.
const SUITES: [(&str, Run); 13] = [
    ("config", plain::config),
    ("errors", plain::errors),
    ("geometry", plain::geometry),
    ("frame", plain::frame),
    ("model", plain::model),
    ("detector", plain::detector),
    ("motion", machines::motion),
    ("breaker", machines::breaker),
    ("retry", machines::retry),
    ("budget", machines::budget),
    ("triggers", machines::triggers),
    ("pipeline", pipeline::pipeline),
    ("replay", pipeline::replay),
];

/// Configs of packages in `core/adapters`. Their cases are run by tests of their own there, since the core does not know them;
/// here they are counted.
const OF_ADAPTERS: [&str; 1] = ["RekognitionConfig"];

/// Whether the case is run by the tests of its package.
fn of_adapter(case: &Value) -> bool {
    case["input"]["type"].as_str().is_some_and(|kind| OF_ADAPTERS.contains(&kind))
}

/// A suite smaller than this has lost its cases.
const LEAST_CASES: usize = 8;

fn read(suite: &str) -> Value {
    let path = data(&format!("{suite}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What is wrong with a case; nothing where all is well.
fn wrong(case: &Value, run: Run) -> Vec<String> {
    let known = ["name", "why", "input", "expect", "error", "tolerance"];
    let fields = case.as_object().expect("a case is an object");
    if let Some(other) = fields.keys().find(|key| !known.contains(&key.as_str())) {
        return vec![format!("a case has no field {other:?}")];
    }
    if ["name", "why"].iter().any(|&field| case[field].as_str().is_none_or(str::is_empty)) {
        return vec!["it needs a name and a why".into()];
    }
    let tolerance = case.get("tolerance").map_or(compare::TOLERANCE, |value| value.as_f64().expect("a number"));
    let answer = match catch_unwind(AssertUnwindSafe(|| run(&case["input"]))) {
        Ok(answer) => answer,
        Err(payload) => {
            let text = payload.downcast_ref::<String>().cloned();
            let text = text.or_else(|| payload.downcast_ref::<&str>().map(|&text| text.to_owned()));
            return vec![format!("the runner panicked: {}", text.unwrap_or_default())];
        }
    };
    match (case.get("expect"), case.get("error"), answer) {
        (Some(expected), None, Ok(got)) if case["input"]["steps"].is_array() && got.is_array() => {
            compare::steps(expected, &got, tolerance)
        }
        (Some(expected), None, Ok(got)) => compare::values(expected, &got, tolerance),
        (None, Some(expected), Err(error)) => compare::values(expected, &error_json(&error), tolerance),
        (Some(_), None, Err(error)) => vec![format!("an error: {:?} {error}", error.code())],
        (None, Some(_), Ok(got)) => vec![format!("no error, but {got}")],
        _ => vec!["a case has either expect or error".into()],
    }
}

#[test]
fn every_case_of_every_suite() {
    let mut counts = BTreeMap::new();
    let mut faults = Vec::new();
    for (suite, run) in SUITES {
        let file = read(suite);
        assert_eq!(file["suite"], suite);
        assert!(file["about"].is_string(), "{suite}: about is missing");
        let cases = file["cases"].as_array().unwrap_or_else(|| panic!("{suite}: no cases"));
        if cases.len() < LEAST_CASES {
            faults.push(format!("{suite}: {} cases; some are lost", cases.len()));
        }
        let mut names = BTreeSet::new();
        for case in cases {
            let name = case["name"].as_str().unwrap_or_default();
            assert!(names.insert(name), "{suite}: two cases are called {name:?}");
            if of_adapter(case) {
                continue;
            }
            faults.extend(wrong(case, run).into_iter().map(|fault| format!("{suite}: {name}: {fault}")));
        }
        println!("vectors: {suite} {} cases", cases.len());
        counts.insert(suite, cases.len());
    }
    println!("vectors: {} cases in {} suites", counts.values().sum::<usize>(), counts.len());
    if let Some(path) = std::env::var_os("GUARITA_VECTORS_COUNT") {
        std::fs::write(path, json!(counts).to_string()).unwrap();
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// A file that no runner reads would be no truth at all.
#[test]
fn every_file_is_a_suite() {
    let files: BTreeSet<String> = std::fs::read_dir(data(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    let mut known: BTreeSet<String> = SUITES.iter().map(|(suite, _)| format!("{suite}.json")).collect();
    known.extend(["README.md", "api.json"].map(str::to_owned));
    assert_eq!(files, known);
}

/// A case that is wrong must be found to be wrong: each number, word and truth of what is expected is changed, one at a
/// time, and every time the case must fail.
#[test]
fn a_wrong_expectation_fails() {
    let mut changed = 0;
    for (suite, run) in SUITES {
        // Those with models, threads and many frames take long; their answers are compared in the same way.
        let most = if ["detector", "motion", "pipeline", "replay"].contains(&suite) { 2 } else { usize::MAX };
        for case in read(suite)["cases"].as_array().unwrap().iter().filter(|case| !of_adapter(case)).take(most) {
            let field = if case.get("expect").is_some() { "expect" } else { "error" };
            let mut leaves = Vec::new();
            compare::leaves(&case[field], &mut format!("/{field}"), &mut leaves);
            // A few of each case: the first, the last, and one in the middle.
            let few: BTreeSet<usize> = [0, leaves.len() / 2, leaves.len().saturating_sub(1)].into();
            for leaf in few.into_iter().filter_map(|at| leaves.get(at)) {
                let mut case = case.clone();
                let value = case.pointer_mut(leaf).unwrap();
                *value = compare::another(value, leaf);
                assert!(!wrong(&case, run).is_empty(), "{suite}: {}: {leaf} can be {case}", case["name"]);
                changed += 1;
            }
        }
    }
    println!("vectors: {changed} wrong expectations were found to be wrong");
}
