//! The judge of the shared cases, and what it says of the answers of all languages.
//!
//! Where the variable `GUARITA_JUDGE` names a folder, every `LANGUAGE.jsonl` in it is judged, and all are compared with each
//! other. `make test` writes them: that of Rust by `vectors.rs`, those of the faces by their own runners.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test")]
#![allow(clippy::disallowed_methods, reason = "tests may read the environment")]

mod judging;

use judging::runs::runs;
use judging::{Answers, Cases, differences, judge, line, read, try_wrong_expectations};
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[test]
fn all_languages_answer_right_and_alike() {
    let Some(folder) = std::env::var_os("GUARITA_JUDGE") else {
        println!("SKIPPED: GUARITA_JUDGE names no folder with the answers of the languages");
        return;
    };
    let cases = judging::cases();
    let mut languages = BTreeMap::new();
    let mut faults = Vec::new();
    for entry in std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
        let Some(language) = entry.file_name().and_then(|name| name.to_str()?.strip_suffix(".jsonl")) else { continue };
        let (answers, wrong) = read(&std::fs::read_to_string(&entry).unwrap());
        let (changed, not_seen) = try_wrong_expectations(&cases, &answers);
        println!("vectors: {language}: {} answers; {changed} wrong expectations were found to be wrong", answers.len());
        let all = wrong.into_iter().chain(judge(&cases, &answers)).chain(not_seen);
        faults.extend(all.map(|fault| format!("{language}: {fault}")));
        languages.insert(language.to_owned(), answers);
    }
    assert!(languages.len() > 1, "{} has the answers of {:?} only", folder.display(), languages.keys());
    let (first, of_first) = languages.first_key_value().unwrap();
    for (other, answers) in languages.iter().skip(1) {
        assert_eq!(judging::counts(of_first), judging::counts(answers), "{first} and {other} ran other cases");
        faults.extend(differences(of_first, answers).into_iter().map(|fault| format!("{first} and {other}: {fault}")));
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    println!("vectors: {:?} answer alike {} cases: {:?}", languages.keys(), cases.len(), judging::counts(&cases));
}

/// A case of one suite, and an answer to it.
fn one(mut case: Value, answer: Result<Value, Value>) -> (Cases, Answers) {
    case["name"] = json!("case");
    let key = || ("suite".to_owned(), "case".to_owned());
    ([(key(), case)].into(), [(key(), answer)].into())
}

fn is_right(case: Value, answer: Result<Value, Value>) -> bool {
    let (cases, answers) = one(case, answer);
    judge(&cases, &answers).is_empty()
}

#[test]
fn the_rules_of_comparing() {
    for (expected, got, right) in [
        (json!(1), json!(1.000_000_9), true),
        (json!(1), json!(1.000_001_1), false),
        (json!(1), json!(true), false),
        (json!(true), json!(1), false),
        (json!(true), json!(true), true),
        (json!(0), json!(null), false),
        (json!(null), json!(0), false),
        (json!(null), json!(null), true),
        (json!("a"), json!("a"), true),
        (json!("a"), json!("b"), false),
        (json!([]), json!([]), true),
        (json!([1, 2]), json!([1, 2, 3]), false),
        (json!([1, [2]]), json!([1, [2]]), true),
        (json!({}), json!({"more": 1}), true),
        (json!({"a": null}), json!({}), false),
        (json!({"a": {"b": [1]}}), json!({"a": {"b": [2]}}), false),
        (json!({"a": 1}), json!(1), false),
        (json!({"min": 1, "max": 2}), json!(2), true),
        (json!({"min": 1, "max": 2}), json!(2.1), false),
        (json!({"min": 1}), json!(0.9), false),
        (json!({"min": 1}), json!("NaN"), false),
        (json!({"mentions": ["one", "two"]}), json!({"message": "two, one"}), true),
        (json!({"mentions": ["one", "two"]}), json!({"message": "two"}), false),
        (json!({"mentions": ["one"]}), json!({}), false),
        (json!({"begins": "/9j/"}), json!("/9j/4AAQ"), true),
        (json!({"begins": "/9j/"}), json!("iVBORw0KGgo"), false),
        (json!({"begins": "/9j/"}), json!(null), false),
        (json!({"a": {"missing": true}}), json!({"b": 1}), true),
        (json!({"a": {"missing": true}}), json!({"a": null}), false),
        (json!({"a": {"missing": false}}), json!({}), false),
        (json!({"entries": 2}), json!({"0": "person", "1": "car"}), true),
        (json!({"entries": 1, "0": "person"}), json!({"0": "person", "1": "car"}), false),
    ] {
        assert_eq!(is_right(json!({ "expect": expected }), Ok(got.clone())), right, "{expected} and {got}");
        // The same as an answer to a step, of which nothing may be expected.
        let case = json!({ "input": { "steps": [{}, {}] }, "expect": [null, expected] });
        let right = right || expected.is_null();
        assert_eq!(is_right(case, Ok(json!(["any", got]))), right, "{expected} and {got}");
    }
    let steps = |expected: Value| json!({ "input": { "steps": [{}] }, "expect": expected });
    assert!(!is_right(steps(json!([1, 2])), Ok(json!([1]))));
    assert!(!is_right(steps(json!([1])), Ok(json!([1, 2]))));
    assert!(!is_right(steps(json!({})), Ok(json!([1]))));
    assert!(is_right(json!({ "expect": 1, "tolerance": 0.5 }), Ok(json!(1.4))));
}

#[test]
fn errors_and_answers_are_not_taken_for_each_other() {
    let error = json!({ "code": "NotFound", "message": "no file" });
    assert!(is_right(json!({ "error": { "code": "NotFound", "mentions": ["file"] } }), Err(error.clone())));
    assert!(!is_right(json!({ "error": { "code": "Internal" } }), Err(error.clone())));
    assert!(!is_right(json!({ "error": {} }), Ok(error.clone())));
    assert!(!is_right(json!({ "expect": {} }), Err(error)));
}

#[test]
fn what_is_missing_doubled_or_unknown_is_seen() {
    let (cases, answers) = one(json!({ "expect": 1 }), Ok(json!(1)));
    assert_eq!(judge(&cases, &Answers::new()), ["suite: case: no answer"]);
    assert_eq!(judge(&Cases::new(), &answers), ["suite: case: no such case"]);
    let text = line("suite", "case", &Ok(json!(1)));
    assert_eq!(read(&text), (answers, Vec::new()));
    let said = read(&format!("{text}\n{text}\n{{}}\nno JSON")).1;
    assert!(said[0].contains("answered twice") && said[1].contains("no answer") && said.len() == 3, "{said:?}");
}

#[test]
fn a_case_that_cannot_fail_is_seen() {
    let (cases, answers) = one(json!({ "expect": { "a": [1, "b", null], "c": { "min": 0, "max": 2 } } }), {
        Ok(json!({ "a": [1, "b", null], "c": 1 }))
    });
    assert_eq!(try_wrong_expectations(&cases, &answers), (5, Vec::new()));
    // So wide that the change lies within.
    let (cases, answers) = one(json!({ "expect": 1, "tolerance": 1e9 }), Ok(json!(1)));
    assert_eq!(try_wrong_expectations(&cases, &answers).1.len(), 1);
}

#[test]
fn languages_that_differ_are_seen() {
    let answers = |answer| one(Value::Null, answer).1;
    let first = answers(Ok(json!({ "a": 1, "message": "so" })));
    assert!(differences(&first, &answers(Ok(json!({ "a": 1.000_000_1, "message": "thus" })))).is_empty());
    for other in [Ok(json!({ "a": 2 })), Ok(json!({ "a": 1, "b": 2 })), Ok(json!({})), Err(json!({ "a": 1 }))] {
        assert!(!differences(&first, &answers(other.clone())).is_empty(), "{other:?}");
    }
}

#[test]
fn steps_are_spelled_out_and_their_answers_found_again() {
    let case = |expected: Value| {
        let step =
            json!({ "op": "observe", "at_s": 1, "repeat": 3, "every_s": 0.5, "picture": { "noise": { "seed": 7 } } });
        json!({ "name": "case", "input": { "machine": "gate", "steps": [step, { "op": "reset" }] }, "expect": expected })
    };
    let of = |expected: Value| runs("motion", &case(expected)).remove(0).input;
    let steps = of(json!([]))["steps"].as_array().unwrap().clone();
    let seen: Vec<_> = steps.iter().map(|step| (&step["at_s"], step.pointer("/picture/noise/seed"))).collect();
    let [first, second, third] = [(json!(1.0), json!(7)), (json!(1.5), json!(8)), (json!(2.0), json!(9))];
    let wanted = [&first, &second, &third].map(|(at, seed)| (at, Some(seed)));
    assert_eq!(seen[..3], wanted);
    assert_eq!((seen.len(), &steps[3]["op"]), (4, &json!("reset")));
    let says = |answers: Value, expected: Value| {
        let (_, answers) = one(Value::Null, Ok(answers));
        let answers = answers.into_iter().map(|((_, name), answer)| (("motion".to_owned(), name), answer)).collect();
        judge(&[(("motion".to_owned(), "case".to_owned()), case(expected))].into(), &answers)
    };
    let answers = json!([{ "open": true, "since": 1 }, { "open": false }, { "open": true, "since": 2 }, null]);
    assert!(says(answers.clone(), json!([{ "open": true, "since": 2, "opened": 2 }, null])).is_empty());
    assert_eq!(says(answers, json!([{ "opened": 3 }, null])).len(), 1);
    let fails = json!([{ "open": true }, { "error": { "code": "DataCorrupt" } }, { "open": true }, null]);
    assert!(says(fails, json!([{ "error": { "code": "DataCorrupt" } }, null])).is_empty());
    assert_eq!(says(json!([{}, {}]), json!([null, null])).len(), 1, "too few answers");
}

#[test]
fn a_cut_replay_must_end_as_the_whole_one() {
    let case = json!({
        "name": "case",
        "input": { "machine": "gate", "steps": [{ "op": "observe", "at_s": 0 }, { "op": "observe", "at_s": 1 }], "cuts": [[1]] },
        "expect": { "answers": [{ "state": "learning" }, { "state": "stable" }] }
    });
    let all = runs("replay", &case);
    let ops = |run: usize| {
        all[run].input["steps"].as_array().unwrap().iter().map(|step| step["op"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(
        (ops(0), ops(1)),
        (
            vec![json!("observe"); 2],
            vec!["observe", "snapshot", "restore", "observe"].into_iter().map(Value::from).collect()
        )
    );
    let key = |run: usize| ("replay".to_owned(), all[run].name.clone());
    let cases: Cases = [(key(0), case.clone())].into();
    let (begin, end) = (json!({ "state": "learning", "fraction": 0 }), json!({ "state": "stable", "fraction": 0.25 }));
    let cut = |end: Value| Ok(json!([begin, null, null, end]));
    let whole: Answers = [(key(0), Ok(json!([begin, end]))), (key(1), cut(end.clone()))].into();
    assert!(judge(&cases, &whole).is_empty(), "{:?}", judge(&cases, &whole));
    // What is not expected must be the same too.
    let mut other = whole.clone();
    other.insert(key(1), cut(json!({ "state": "stable", "fraction": 0.250_000_1 })));
    assert_eq!(judge(&cases, &other).len(), 1);
    other.remove(&key(1));
    assert_eq!(judge(&cases, &other).len(), 1, "no answer");
}

#[test]
fn what_takes_a_config_must_say_the_same() {
    let case = json!({ "name": "case", "input": { "type": "Zone", "value": { "name": "" } }, "error": { "code": "InvalidConfig" } });
    let all = runs("config", &case);
    assert_eq!(
        (all[0].input["op"].clone(), all[1].input["fields"]["zones"].clone()),
        (json!("check"), json!([{ "name": "" }]))
    );
    let key = |run: usize| ("config".to_owned(), all[run].name.clone());
    let error = |code: &str, field: &str| Err(json!({ "code": code, "field": field }));
    let cases: Cases = [(key(0), case.clone())].into();
    let says = |made| judge(&cases, &[(key(0), error("InvalidConfig", "name")), (key(1), made)].into());
    assert!(says(error("InvalidConfig", "zones[0].name")).is_empty());
    assert_eq!(says(error("Internal", "zones[0].name")).len(), 1);
    assert_eq!(says(Ok(Value::Null)).len(), 1);
}
