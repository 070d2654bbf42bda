//! Rust's runner of the cases of `vectors/*.json`: it answers each of them through the public API. Every face of guarita has
//! one of its own; `judge.rs` says whether the answers are right. `vectors/README.md` says how cases are written.
//!
//! It writes the cases out for all runners, with their pictures drawn. Where the variable `GUARITA_ANSWERS` names a folder, the
//! answers are written there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test")]
#![allow(clippy::disallowed_methods, reason = "tests may wait and read the environment")]

mod common;
mod judging;
mod vectors_runner;

use judging::{Answers, SUITES};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use vectors_runner::{Answer, error_json, machines, pipeline, plain, prepare};

/// What answers a case.
fn runner(input: &Value) -> fn(&Value) -> Answer {
    match input["machine"].as_str() {
        None => plain::call,
        Some("gate") => machines::gate,
        Some("background") => machines::background,
        Some("breaker") => machines::breaker,
        Some("retry") => machines::retry,
        Some("rate_limit") => machines::rate_limit,
        Some("budget") => machines::budget,
        Some("trigger") => machines::trigger,
        Some("pipeline") => pipeline::pipeline,
        Some(other) => panic!("no machine {other}"),
    }
}

/// A panic is an answer too, which no case expects.
fn answer(run: fn(&Value) -> Answer, input: &Value) -> Result<Value, Value> {
    match catch_unwind(AssertUnwindSafe(|| run(input))) {
        Ok(answer) => answer.map_err(|error| error_json(&error)),
        Err(payload) => {
            let text = payload.downcast_ref::<String>().cloned();
            let text = text.or_else(|| payload.downcast_ref::<&str>().map(|&text| text.to_owned()));
            Err(json!({ "code": "the runner panicked", "message": text.unwrap_or_default() }))
        }
    }
}

#[test]
fn every_case_of_every_suite() {
    let suites: Vec<(&str, Vec<Value>)> = SUITES.into_iter().map(|suite| (suite, judging::suite(suite))).collect();
    let prepared = prepare::prepare(&suites, &vectors_runner::prepared());
    let mut answers = Answers::new();
    let mut lines = String::new();
    for (suite, run) in prepared {
        let answer = answer(runner(&run.input), &run.input);
        lines.push_str(&(judging::line(&suite, &run.name, &answer) + "\n"));
        answers.insert((suite, run.name), answer);
    }
    if let Some(folder) = std::env::var_os("GUARITA_ANSWERS") {
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(std::path::Path::new(&folder).join("rust.jsonl"), lines).unwrap();
    }
    let cases = judging::cases();
    println!("vectors: {} answers to {} cases: {:?}", answers.len(), cases.len(), judging::counts(&cases));
    let mut faults = judging::judge(&cases, &answers);
    let (changed, not_seen) = judging::try_wrong_expectations(&cases, &answers);
    println!("vectors: {changed} wrong expectations were found to be wrong");
    faults.extend(not_seen);
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// A file that no runner reads would be no truth at all.
#[test]
fn every_file_is_a_suite() {
    let files: BTreeSet<String> = std::fs::read_dir(judging::data(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    let mut known: BTreeSet<String> = SUITES.iter().map(|suite| format!("{suite}.json")).collect();
    known.extend(["README.md", "api.json", "schema.json"].map(str::to_owned));
    assert_eq!(files, known);
}
