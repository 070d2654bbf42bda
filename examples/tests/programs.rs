//! The example programs as a person runs them: arguments in, text and exit status out.
#![allow(missing_docs, clippy::unwrap_used, clippy::disallowed_methods, reason = "a test; it reads the environment")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn run(program: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(program);
    if std::env::var_os("GUARITA_ONNXRUNTIME").is_none() {
        command.env("GUARITA_ONNXRUNTIME", repository().join(".runtime"));
    }
    command.args(arguments).current_dir(repository()).output().unwrap()
}

fn detect(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = run(env!("CARGO_BIN_EXE_detect"), arguments);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

const MODEL: [&str; 2] = ["--model", "models/fixtures/v8_nc80.onnx"];
const PICTURES: &str = "core/tests/data";

#[test]
fn help_and_wrong_arguments() {
    let (status, out, _) = detect(&["--help"]);
    assert!(status == Some(0) && out.contains("--json") && out.contains("Exit status"), "{out}");
    assert_eq!(detect(&[]).0, Some(2));
    assert_eq!(detect(&["--provider", "abacus", "x.jpg"]).0, Some(2));
    assert_eq!(detect(&[&["--confidence", "7", PICTURES], &MODEL[..]].concat()).0, Some(2));
    let (status, _, err) = detect(&[&["models"], &MODEL[..]].concat());
    assert!(status == Some(2) && err.contains("no pictures"), "{err}");
}

#[test]
fn a_table_and_annotated_pictures() {
    let folder = std::env::temp_dir().join(format!("guarita-detect-{}", std::process::id()));
    let out_folder = folder.to_str().unwrap();
    // The fixture is as sure of its box as the middle of the picture is red.
    let picture = "core/tests/data/rgb.png";
    let (status, out, err) = detect(&[&[picture, "--confidence", "0", "--out", out_folder], &MODEL[..]].concat());
    assert_eq!(status, Some(0), "{err}");
    assert!(out.contains("rgb.png") && out.contains("toothbrush") && out.contains(out_folder), "{out}");
    assert!(std::fs::read(folder.join("rgb.png")).unwrap().starts_with(b"\x89PNG"));
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn json_lines_and_a_picture_that_fails() {
    let both = ["core/tests/data/rgb.png", "README.md", "--json", "--no-pictures", "--confidence", "0"];
    let (status, out, _) = detect(&[&both[..], &MODEL[..]].concat());
    assert_eq!(status, Some(1));
    let lines: Vec<serde_json::Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["detections"][0]["label"], "toothbrush");
    assert_eq!(lines[0]["detections"][0]["box"].as_array().unwrap().len(), 4);
    assert_eq!(lines[1]["error"]["code"], 5);
}

#[test]
fn what_is_missing_has_a_status_of_its_own() {
    let (status, _, err) = detect(&["core/tests/data/rgb.png", "--no-pictures", "--model", "nowhere.onnx"]);
    assert!(status == Some(4) && err.contains("make models"), "{err}");
    let (status, _, err) =
        detect(&[&["core/tests/data/rgb.png", "--no-pictures", "--onnxruntime", "/nowhere"], &MODEL[..]].concat());
    assert!(status == Some(3) && err.contains("pip install onnxruntime"), "{err}");
}

#[test]
fn the_doctor_reports_library_model_and_threads() {
    let output = run(env!("CARGO_BIN_EXE_doctor"), &MODEL);
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{out}");
    for words in ["ONNX Runtime 1.", "cpu       built in", "sha256", "yolov8", "threads", "processor"] {
        assert!(out.contains(words), "no {words} in: {out}");
    }
    assert_eq!(run(env!("CARGO_BIN_EXE_doctor"), &["--onnxruntime", "/nowhere"]).status.code(), Some(3));
}
