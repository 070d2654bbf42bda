//! From a case to what a runner is given, and from its answers to what the case expects of them. Cases are written for people;
//! a runner only calls the API, once a step. What lies between is here, once for the runners of all languages.

use super::compare::{EXACTLY, values};
use super::{Answers, makes};
use serde_json::{Map, Value, json};

/// What a runner is given, and answers in one line.
pub(crate) struct Run {
    pub(crate) name: String,
    pub(crate) input: Value,
}

/// How the name of a run ends in which an object takes the config of the case.
pub(crate) const MADE: &str = ", made";

/// The runs of a case. The first one is what the case is about; what the others must answer follows from that.
pub(crate) fn runs(suite: &str, case: &Value) -> Vec<Run> {
    let (name, input) = (case["name"].as_str().expect("a name"), &case["input"]);
    if suite == "config" {
        let check = json!({ "op": "check", "type": input["type"], "value": input["value"] });
        let made = made(case).map(|input| Run { name: format!("{name}{MADE}"), input });
        return [Run { name: name.into(), input: check }].into_iter().chain(made).collect();
    }
    if !input["steps"].is_array() {
        return vec![Run { name: name.into(), input: whole(suite, input) }];
    }
    let cut = |cuts: &Value| match list(cuts).as_slice() {
        [] => name.to_owned(),
        _ => format!("{name}, cut before {cuts}"),
    };
    let all = [json!([])].into_iter().chain(list(&input["cuts"]));
    all.map(|cuts| Run { name: cut(&cuts), input: with_steps(suite, input, &cuts) }).collect()
}

/// What the answers to the runs of a case come to, and which runs answer otherwise than the first one. None where the first one
/// has no answer.
pub(crate) fn answer(suite: &str, case: &Value, answers: &Answers) -> Option<(Result<Value, Value>, Vec<String>)> {
    let mut of_runs =
        runs(suite, case).into_iter().map(|run| (answers.get(&(suite.to_owned(), run.name.clone())), run));
    let (first, _) = of_runs.next()?;
    let first = folded(suite, case, &json!([]), first?);
    let mut faults = Vec::new();
    for ((said, run), cuts) in of_runs.zip(list(&case["input"]["cuts"]).into_iter().chain([json!([])])) {
        let Some(said) = said else {
            faults.push(format!("{}: no answer", run.name));
            continue;
        };
        let fault = match suite {
            "config" => other_code(&first, said),
            _ => other_end(&first, &folded(suite, case, &cuts, said)),
        };
        faults.extend(fault.map(|fault| format!("{}: {fault}", run.name)));
    }
    Some((first, faults))
}

/// What takes a config says the same as `check_config`, by the code: the way to a field may begin elsewhere.
fn other_code(first: &Result<Value, Value>, said: &Result<Value, Value>) -> Option<String> {
    let code = |said: &Result<Value, Value>| said.as_ref().err().map(|error| error["code"].clone());
    (code(first) != code(said)).then(|| format!("{:?}, not {:?}", code(said), code(first)))
}

/// What was interrupted ends as what was not, to the bit.
fn other_end(first: &Result<Value, Value>, said: &Result<Value, Value>) -> Option<String> {
    match (first, said) {
        (Ok(first), Ok(said)) => values(first, said, EXACTLY).into_iter().chain(values(said, first, EXACTLY)).next(),
        _ => (first != said).then(|| format!("{said:?}, not {first:?}")),
    }
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// The object with these fields too, where it has none of that name.
fn with_defaults(value: &Value, defaults: Value) -> Value {
    let mut all = defaults.as_object().cloned().unwrap_or_default();
    all.extend(value.as_object().cloned().unwrap_or_default());
    all.into()
}

/// The config as the fields of what takes it, where there is such a thing.
fn made(case: &Value) -> Option<Value> {
    let input = &case["input"];
    let takes = makes().get(text(input, "type"))?;
    // What opens a model or a file must fit what is there; what is wrong it finds before.
    if takes["only_wrong"] == json!(true) && case.get("error").is_none() {
        return None;
    }
    let (template, value) = (takes["fields"].to_string(), &input["value"]);
    let fields = match template.contains(r#""$""#) {
        true => serde_json::from_str(&template.replace(r#""$""#, &value.to_string())).expect("JSON"),
        false => with_defaults(value, takes["fields"].clone()),
    };
    let mut call =
        json!({ "op": "make", "noun": takes["noun"], "arguments": list(&takes["arguments"]), "fields": fields });
    // For languages in which a config is a type of its own.
    (call["type"], call["value"]) = (input["type"].clone(), value.clone());
    Some(call)
}

/// A call with all that it takes.
fn whole(suite: &str, input: &Value) -> Value {
    match suite {
        "detector" => {
            with_defaults(input, json!({ "op": "detect", "hints": null, "config": {}, "batch": false, "report": [] }))
        }
        _ => with_defaults(input, json!({ "hints": null, "places": [], "options": {}, "strides": null })),
    }
}

/// A machine with all that it takes, and its steps one by one; before those of `cuts` it goes on from what it was.
fn with_steps(suite: &str, input: &Value, cuts: &Value) -> Value {
    let machine = match (text(input, "machine"), suite) {
        ("", "triggers") => "trigger",
        ("", _) => suite,
        (machine, _) => machine,
    };
    let defaults =
        json!({ "config": {}, "seed": 0, "unix_s": 0, "labels": [], "cameras": [], "zones": [], "frame": [100, 100] });
    let mut run = with_defaults(input, defaults);
    let mut clock = 0.0;
    let steps = spelled_out(suite, input, cuts).into_iter().map(|(_, step)| step_with_all(&step, &run, &mut clock));
    let steps: Vec<Value> = steps.collect();
    if machine == "pipeline" {
        run["answers"] = script(input, &steps);
    }
    run["machine"] = machine.into();
    run["steps"] = steps.into();
    if let Some(fields) = run.as_object_mut() {
        fields.remove("cuts");
    }
    run
}

/// The steps one by one, each with the number of the written step whose answer it is to give: none of those that are between.
fn spelled_out(suite: &str, input: &Value, cuts: &Value) -> Vec<(Option<usize>, Value)> {
    let (written, pipeline) = (list(&input["steps"]), text(input, "machine") == "pipeline" || suite == "pipeline");
    let cut = match pipeline {
        true => vec![json!({ "op": "restart" })],
        false => vec![json!({ "op": "snapshot" }), json!({ "op": "restore" })],
    };
    let mut steps = Vec::new();
    for (at, step) in written.iter().enumerate() {
        if list(cuts).contains(&json!(at)) {
            steps.extend(cut.iter().cloned().map(|step| (None, step)));
        }
        steps.extend(one_by_one(step).into_iter().map(|step| (Some(at), step)));
    }
    if pipeline {
        if suite == "replay" {
            let explain = |camera: &Value| json!({ "op": "explain", "camera": camera["id"] });
            let ends = [json!({ "op": "accounts" }), json!({ "op": "events" })].into_iter();
            let ends = ends.chain(list(&input["cameras"]).iter().map(explain).collect::<Vec<_>>());
            steps.extend(ends.enumerate().map(|(at, step)| (Some(written.len() + at), step)));
        }
        steps.push((None, json!({ "op": "close" })));
    }
    steps
}

/// A step that is done several times as so many steps, and a call through a breaker as its begin and its end.
fn one_by_one(step: &Value) -> Vec<Value> {
    let number = |key: &str| step[key].as_f64();
    let times = step["repeat"].as_u64().or(step["times"].as_u64()).unwrap_or(1);
    let one = |turn: u64| {
        let mut one = step.clone();
        let fields = one.as_object_mut().expect("a step is an object");
        let removed = ["repeat", "every_s", "times"].map(|key| fields.remove(key));
        if removed[1].is_some() {
            one["at_s"] = json!(number("at_s").unwrap_or(0.0) + turn as f64 * number("every_s").unwrap_or(0.0));
        }
        if let Some(seed) = one.pointer_mut("/picture/noise/seed") {
            *seed = json!(seed.as_u64().unwrap_or(0) + turn);
        }
        one
    };
    let call = |step: Value| match text(&step, "op") {
        "call" => {
            let end = number("at_s").unwrap_or(0.0) + number("took_s").unwrap_or(0.0);
            let begin = json!({ "op": "acquire", "as": "call", "at_s": step["at_s"] });
            vec![begin, json!({ "op": step["result"], "of": "call", "at_s": end })]
        }
        _ => vec![step],
    };
    (0..times).map(one).flat_map(call).collect()
}

/// A step with all that it takes: times of all kinds, and what an argument is that the case leaves out.
fn step_with_all(step: &Value, run: &Value, clock: &mut f64) -> Value {
    let number = |value: &Value| value.as_f64().unwrap_or(0.0);
    let (at, unix) = (number(&step["at_s"]), number(&run["unix_s"]));
    let mut all = with_defaults(
        step,
        json!({
            "at_s": 0, "of": null, "as": "", "camera": null, "images": null, "learning_rate": null, "deadline_s": null,
            "retry_after_s": null, "looked_at": true, "objects": [], "from_s": 0, "to_s": 1e6,
            "now": [at, unix + at], "unix_s": unix + at.floor(), "pts_s": at,
        }),
    );
    match text(step, "op") {
        "push" => {
            // In whole nanoseconds, as clocks count.
            all["wait_s"] = json!((at * 1e9 - *clock * 1e9).round() / 1e9);
            *clock = at;
        }
        "restore" if step.get("config").is_none() => all["config"] = run["config"].clone(),
        "reserve" | "estimate" | "saved" => {
            let spend = with_defaults(step, json!({ "camera": "", "tenant": "", "images": 1 }));
            let fields = ["api", "camera", "tenant", "images"].map(|key| (key.to_owned(), spend[key].clone()));
            all["spend"] = fields.into_iter().collect::<Map<_, _>>().into();
        }
        // All fields, so that nothing stays of the config before; one that is wrong is for the face to refuse.
        "update" => {
            if let Ok(checked) = guarita::check_config("CameraConfig", &step["config"].to_string()) {
                all["config"] = serde_json::from_str(&checked).expect("JSON");
            }
        }
        _ => {}
    }
    all
}

/// What the host's provider answers, by the camera and the nanoseconds of each frame that is pushed: the first answer of the
/// case for this camera whose time holds the frame's.
fn script(input: &Value, steps: &[Value]) -> Value {
    let answers = list(&input["answers"]);
    let mut script = Map::new();
    for step in steps.iter().filter(|step| text(step, "op") == "push") {
        let at = step["pts_s"].as_f64().unwrap_or(0.0);
        let holds = |answer: &&Value| {
            let end = |key: &str, none: f64| answer[key].as_f64().unwrap_or(none);
            let of_camera = answer["camera"].is_null() || answer["camera"] == step["camera"];
            of_camera && (end("from_s", 0.0) - 1e-9..=end("to_s", 1e9) + 1e-9).contains(&at)
        };
        let said = answers.iter().find(holds).cloned().unwrap_or(json!({}));
        let key = format!("{} {}", text(step, "camera"), (at * 1e9).round() as i64);
        script.insert(key, with_defaults(&said, json!({ "detections": [] })));
    }
    script.into()
}

/// The answers to the steps as the case expects them: one for each step that is written, and of a replay what it came to.
fn folded(suite: &str, case: &Value, cuts: &Value, said: &Result<Value, Value>) -> Result<Value, Value> {
    let input = &case["input"];
    let (Ok(Value::Array(said)), true) = (said, input["steps"].is_array()) else { return said.clone() };
    let steps = spelled_out(suite, input, cuts);
    if said.len() != steps.len() {
        return Err(json!({ "message": format!("{} answers to {} steps", said.len(), steps.len()) }));
    }
    let mut answers: Vec<Vec<&Value>> = Vec::new();
    for ((of, _), said) in steps.iter().zip(said) {
        if let &Some(of) = of {
            answers.resize(answers.len().max(of + 1), Vec::new());
            answers[of].push(said);
        }
    }
    let mut answers: Vec<Value> = answers.iter().map(|turns| last(turns)).collect();
    if suite != "replay" {
        return Ok(answers.into());
    }
    if let Some(error) = said.iter().find_map(|answer| answer.get("error")) {
        return Err(error.clone());
    }
    if text(input, "machine") == "gate" {
        return Ok(json!({ "answers": answers }));
    }
    let mut ends = answers.split_off(list(&input["steps"]).len());
    let decisions = ends.split_off(2);
    Ok(json!({ "admissions": answers, "accounts": ends[0], "events": ends[1], "decisions": decisions }))
}

/// The answer to a step that was done several times: an error, or the last answer, with how many of them were `open`; of a
/// trigger, the last one that fired.
fn last(turns: &[&Value]) -> Value {
    let error = turns.iter().find(|answer| answer.get("error").is_some());
    let fired = turns.iter().rev().find(|answer| answer.get("fired").is_some_and(|fired| !fired.is_null()));
    let mut answer = error.or(fired).or(turns.last()).map_or(Value::Null, |&answer| answer.clone());
    if answer.get("open").is_some_and(Value::is_boolean) {
        answer["opened"] = turns.iter().filter(|answer| answer["open"] == json!(true)).count().into();
    }
    answer
}
