//! What the targets begin with: sound bytes, made here or taken from the fixtures of the repository.

use crate::jpeg::sweep;
use crate::targets::{frame, gate_config, now};
use guarita::budget::{Saving, Spend};
use guarita::detection::Label;
use guarita::testkit::{FakeProvider, Step};
use guarita::{BoundingBox, Budget, CameraConfig, Detection, MotionGate, Pipeline, TriggerConfig};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

pub(crate) fn fixture(name: &str) -> PathBuf {
    repository().join("models/fixtures").join(name)
}

/// The files in a folder of the repository with this extension, in the order of their names.
fn files(folder: &str, extension: &str) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(repository().join(folder)).expect("a folder of the repository");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|found| found == extension));
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).expect("a file of the repository")).collect()
}

/// The cases that all languages share.
fn vectors(suite: &str) -> Vec<Value> {
    let path = repository().join(format!("core/tests/vectors/{suite}.json"));
    let text = std::fs::read_to_string(path).expect("a suite");
    let suite: Value = serde_json::from_str(&text).expect("JSON");
    suite["cases"].as_array().cloned().unwrap_or_default()
}

/// Pictures of encoders, and of every tenth structure of the sweep.
pub(crate) fn jpeg() -> Vec<Vec<u8>> {
    let mut all = files("core/tests/data", "jpg");
    all.extend(sweep().iter().step_by(10).filter_map(|row| row.structures.get(14)).map(|structure| structure.write()));
    all.retain(|bytes| bytes.len() <= 16 << 10);
    all
}

pub(crate) fn jpeg_small() -> Vec<Vec<u8>> {
    let widths = [1_u8, 5, 12, 23, 45, 255];
    jpeg().into_iter().zip(widths.into_iter().cycle()).map(|(bytes, width)| [&[width][..], &bytes].concat()).collect()
}

/// Choices, one byte each.
pub(crate) fn draws() -> Vec<Vec<u8>> {
    let draw = |k: u8, at: u8| k.wrapping_mul(37).wrapping_add(at.wrapping_mul(k | 1));
    (0..64).map(|k| (0..32).map(|at| draw(k, at)).collect()).collect()
}

pub(crate) fn png() -> Vec<Vec<u8>> {
    files("core/tests/data", "png")
}

pub(crate) fn models() -> Vec<Vec<u8>> {
    files("models/fixtures", "onnx")
}

/// The hints of the shared cases, and what only a file can have.
pub(crate) fn spec_files() -> Vec<Vec<u8>> {
    let hints = vectors("model").into_iter().chain(vectors("detector"));
    let of_cases = hints.filter_map(|case| case["input"].get("hints").map(toml_of));
    let of_files = [
        "labels = 'coco'\n",
        "license = '''\nMIT\n'''\n",
        "[input]\nmean = [0x10, 1e2, 1_0.5]\nstd = [1.0, 1.0, inf]\n",
    ];
    of_cases.chain(of_files.map(String::from)).map(String::into_bytes).collect()
}

/// A JSON object as TOML, which writes the values of hints alike.
fn toml_of(hints: &Value) -> String {
    let Some(fields) = hints.as_object() else { return String::new() };
    let (tables, plain): (Vec<_>, Vec<_>) = fields.iter().partition(|(_, value)| value.is_object());
    let mut text: String = plain.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
    for (key, table) in tables {
        text += &format!("[{key}]\n{}", toml_of(table));
    }
    text
}

pub(crate) fn literals() -> Vec<Vec<u8>> {
    [
        r#"{0: 'person', 1: "driver's seat"}"#,
        "[640, 640]",
        "('a', 'b',)",
        "{'batch': 1, 'half': False, 'nms': None, 'x': 1.5e3}",
        r"['\x41\u00e9\U0001F600\n\\', r'raw\n', b'bytes', '''long''']",
        "-1_000",
        "{1, 2, 3}",
        "0x1F",
        "1e308",
    ]
    .map(|text| text.as_bytes().to_vec())
    .into()
}

pub(crate) fn nut() -> Vec<Vec<u8>> {
    files("core/tests/data", "nut")
}

/// The bytes that a piece of work leaves in a file.
fn left_in_a_file(work: impl FnOnce(&Path)) -> Vec<u8> {
    let name = format!("guarita-fuzz-seed-{}-{:?}", std::process::id(), std::thread::current().id());
    let path = std::env::temp_dir().join(name);
    let _ = std::fs::remove_file(&path);
    work(&path);
    let bytes = std::fs::read(&path).expect("the work left a file");
    for ending in ["", ".lock"] {
        let _ = std::fs::remove_file(format!("{}{ending}", path.display()));
    }
    bytes
}

pub(crate) fn journals() -> Vec<Vec<u8>> {
    let journal = |calls: u32| {
        left_in_a_file(|path| {
            let budget = Budget::open(path, Default::default(), Default::default(), now()).expect("a new journal");
            for call in 0..calls {
                let camera = format!("camera-{}", call % 3);
                let images = 1 + call % 2;
                let spend = Spend { api: "rekognition:DetectLabels", camera: &camera, tenant: "t", images };
                match (budget.reserve(&spend, now()), call % 4) {
                    (Ok(reserved), 0) => drop(reserved.commit(now())),
                    (Ok(reserved), 1) => reserved.release(now()),
                    // Left open, as by a crash.
                    (Ok(reserved), 2) => std::mem::forget(reserved),
                    _ => {}
                }
                budget.saved(&spend, Saving::Gate, now());
            }
            budget.sync().expect("a disk");
        })
    };
    [0, 1, 4, 20].map(journal).into()
}

pub(crate) fn gate_snapshots() -> Vec<Vec<u8>> {
    let snapshot = |frames: u8| {
        let mut gate = MotionGate::new(gate_config()).expect("a config");
        for number in 0..frames {
            gate.observe(&frame(number)).expect("a frame");
        }
        gate.snapshot()
    };
    [0, 1, 12].map(snapshot).into()
}

pub(crate) fn checkpoints() -> Vec<Vec<u8>> {
    const TRIGGERS: &str = r#"[{"name": "seen", "when": {"present": {"classes": ["person"]}}}]"#;
    let checkpoint = |frames: u8, cameras: u8| {
        let bbox = BoundingBox::from_xyxy(2.0, 2.0, 8.0, 10.0);
        let person = Detection::new(bbox, Label { id: 0, name: "person".into() }, 0.9);
        let provider = FakeProvider::new("fuzz").always(Step::detections([person]));
        let pipeline = Pipeline::builder(Arc::new(provider)).build().expect("a pipeline");
        for camera in 0..cameras {
            let triggers: Vec<TriggerConfig> = serde_json::from_str(TRIGGERS).expect("triggers");
            let config = CameraConfig::new(&format!("camera-{camera}"));
            let config = CameraConfig { fps: 0.0, motion: Some(gate_config()), triggers, ..config };
            let camera = pipeline.add_camera(config).expect("a camera");
            for number in 0..frames {
                let _ = camera.push(frame(number));
            }
        }
        pipeline.shutdown(Duration::from_secs(10));
        pipeline.checkpoint().to_bytes()
    };
    vec![checkpoint(0, 0), checkpoint(1, 1), checkpoint(6, 2)]
}

pub(crate) fn configs() -> Vec<Vec<u8>> {
    let text = |case: &Value| {
        let kind = case["input"]["type"].as_str().unwrap_or_default();
        format!("{kind}\n{}", case["input"]["value"]).into_bytes()
    };
    vectors("config").iter().map(text).collect()
}

pub(crate) fn polygons() -> Vec<Vec<u8>> {
    let cases = vectors("geometry").into_iter().filter_map(|case| case["input"]["points"].as_array().cloned());
    let bytes = |points: Vec<Value>| -> Vec<u8> {
        let numbers = points.iter().flat_map(|point| [&point[0], &point[1]]);
        numbers.flat_map(|number| (number.as_f64().unwrap_or(f64::NAN) as f32).to_le_bytes()).collect()
    };
    cases.map(bytes).collect()
}
