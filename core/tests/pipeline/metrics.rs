//! What Prometheus is told: read by a parser that is not ours, and compared with the account.

use crate::account::wait;
use crate::scene::{TestProvider, all_frames, person, raw};
use crate::{WITHIN, common};
use guarita::event::{CallbackSink, Condition};
use guarita::{CameraConfig, MotionGateConfig, Pipeline, PipelineConfig, TriggerConfig};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Prints each sample as JSON, one a line: name, labels, value.
const PARSE: &str = "
import json, sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
for family in parse(sys.stdin.buffer.read().decode()):
    for sample in family.samples:
        print(json.dumps([family.type, family.unit, sample.name, sample.labels, sample.value]))
";

type Sample = (String, String, String, BTreeMap<String, String>, f64);

/// The samples, or none where there is no parser.
fn parse(text: &str) -> Option<Vec<Sample>> {
    let python =
        std::env::var_os("GUARITA_PYTHON").map_or_else(|| common::repository().join(".venv/bin/python"), PathBuf::from);
    let has_parser = Command::new(&python).args(["-c", "import prometheus_client.openmetrics.parser"]).output();
    if !has_parser.is_ok_and(|output| output.status.success()) {
        println!("SKIPPED: no prometheus_client for {} (see requirements-prometheus.txt)", python.display());
        return None;
    }
    let mut child = Command::new(&python)
        .args(["-c", PARSE])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let bytes = text.as_bytes().to_vec();
    let writer = std::thread::spawn(move || input.write_all(&bytes).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    Some(lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

fn sum(samples: &[Sample], name: &str, label: Option<(&str, &str)>) -> f64 {
    let matches = |sample: &&Sample| {
        sample.2 == name && label.is_none_or(|(key, value)| sample.3.get(key).map(String::as_str) == Some(value))
    };
    samples.iter().filter(matches).map(|sample| sample.4).sum()
}

#[test]
fn the_text_is_sound_and_agrees_with_the_account() {
    let names = ["plain", "quote\" back\\slash", "line\nbreak", "(removed)", "größe \u{1}\u{7f} {x=\"y\"} # 1"];
    let provider = TestProvider::answering(
        2,
        4,
        |_| Duration::from_micros(200),
        |request| Ok(vec![vec![person(0.9)]; request.frames.len()]),
    );
    let pipeline = Pipeline::builder(Arc::new(provider))
        .sink("sink \"1\"\n", CallbackSink::new(|_| ()))
        .sink("panics", CallbackSink::new(|_| panic!("a sink of the host's")))
        .build()
        .unwrap();
    let config = |name: &str| {
        let mut config = all_frames(name);
        config.queue.capacity = 1000;
        let when = Condition::Present { classes: Vec::new(), zone: None, min_confidence: None };
        let mut trigger = TriggerConfig::new("somebody \"there\"", when);
        trigger.cooldown_s = 0.0;
        config.triggers = vec![trigger];
        config.motion = (name == "plain").then(MotionGateConfig::default);
        config
    };
    let cameras: Vec<_> = names.iter().map(|name| pipeline.add_camera(config(name)).unwrap()).collect();
    let mut before: BTreeMap<String, f64> = BTreeMap::new();
    for turn in 0..3 {
        for (k, camera) in cameras.iter().enumerate() {
            for ms in 0..20 + k as i64 {
                assert!(camera.push(raw(turn * 1000 + ms)).is_taken());
            }
        }
        let goes = pipeline.add_camera(config("goes")).unwrap();
        for ms in 0..10 {
            assert!(goes.push(raw(ms)).is_taken());
        }
        goes.remove().unwrap();
        // Also in the midst of it.
        drop(parse(&pipeline.metrics()));
        wait(|| pipeline.stats().account.in_flight == 0);
        wait(|| pipeline.stats().outlets.iter().all(|outlet| outlet.waiting == 0 && outlet.in_hand == 0));
        let Some(samples) = parse(&pipeline.metrics()) else { return };
        let stats = pipeline.stats();
        let of = |name| sum(&samples, name, None);
        assert_eq!(of("guarita_frames_pushed_total"), stats.account.pushed as f64);
        assert_eq!(of("guarita_frames_total"), stats.account.outcomes.total() as f64);
        for (outcome, count) in stats.account.outcomes.iter() {
            let name = outcome.name();
            assert_eq!(sum(&samples, "guarita_frames_total", Some(("outcome", &name))), count as f64, "{name}");
        }
        assert_eq!(of("guarita_frames_in_flight"), 0.0);
        assert_eq!(of("guarita_events_total"), stats.events.values().sum::<u64>() as f64);
        assert!(of("guarita_events_total") > 0.0);
        let panics = Some(("outlet", "panics"));
        assert_eq!(sum(&samples, "guarita_outlet_panics_total", panics), of("guarita_events_total"));
        assert_eq!(of("guarita_age_seconds_count"), stats.age.count() as f64);
        assert_eq!(of("guarita_batched_frames_total"), stats.batched as f64);
        assert_eq!(sum(&samples, "guarita_gate_state", Some(("camera", "plain"))), 1.0);
        assert_eq!(samples.iter().filter(|sample| sample.2 == "guarita_gate_state").count(), 8);
        assert_eq!(sum(&samples, "guarita_gate_frames_total", Some(("camera", "plain"))), 20.0 * (turn + 1) as f64);
        assert_eq!(sum(&samples, "guarita_threads", Some(("kind", "wait"))), 3.0);
        // The names come out as the host gave them.
        for (k, name) in names.iter().enumerate().filter(|(_, name)| **name != "(removed)") {
            let pushed = sum(&samples, "guarita_frames_pushed_total", Some(("camera", name)));
            assert_eq!(pushed, ((20 + k as i64) * (turn + 1)) as f64, "{name}");
        }
        for (kind, unit, name, labels, value) in &samples {
            assert!(value.is_finite(), "{name}");
            assert_eq!(
                unit.as_str(),
                ["", "seconds", "bytes"]
                    .into_iter()
                    .find(|unit| {
                        !unit.is_empty() && (name.contains(&format!("_{unit}_")) || name.ends_with(&format!("_{unit}")))
                    })
                    .unwrap_or(""),
                "{name}"
            );
            if kind != "gauge" {
                let key = format!("{name}{labels:?}");
                let last = before.insert(key.clone(), *value);
                assert!(last.is_none_or(|last| last <= *value), "{key}: {last:?}, then {value}");
            }
        }
    }
    assert!(before.len() > 100);
    pipeline.shutdown(WITHIN);
    assert!(parse(&pipeline.metrics()).is_some());
}

#[test]
fn a_scrape_of_many_cameras_is_cheap() {
    let provider = TestProvider::new(2, 4, |_| Duration::ZERO);
    let config = PipelineConfig { threads: 2, ..PipelineConfig::default() };
    let pipeline = Pipeline::builder(Arc::new(provider)).config(config).build().unwrap();
    for k in 0..250 {
        let camera = pipeline.add_camera(CameraConfig::new(&format!("camera-{k}"))).unwrap();
        for ms in 0..3 {
            let _ = camera.push(raw(ms * 400));
        }
    }
    wait(|| pipeline.stats().account.in_flight == 0);
    let mut least = Duration::MAX;
    let mut len = 0;
    for _ in 0..20 {
        let begun = Instant::now();
        len = pipeline.metrics().len();
        least = least.min(begun.elapsed());
    }
    println!("metrics of 250 cameras: {len} bytes in {least:?}");
    assert!(least < Duration::from_millis(100), "{least:?}");
}
