//! The example programs as a person runs them: arguments in, text and exit status out.
#![allow(missing_docs, clippy::unwrap_used, clippy::disallowed_methods, reason = "a test; it reads the environment")]

mod minimal;
mod watch;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn run(program: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(program);
    if let Some(ffmpeg) = ffmpeg() {
        command.env("GUARITA_FFMPEG", ffmpeg);
    }
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

fn gate(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = run(env!("CARGO_BIN_EXE_gate"), arguments);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// The program that `GUARITA_FFMPEG` names, or that of the checkout.
fn ffmpeg() -> Option<PathBuf> {
    let named = std::env::var_os("GUARITA_FFMPEG").filter(|name| !name.is_empty()).map(PathBuf::from);
    Some(named.unwrap_or(repository().join(".ffmpeg"))).filter(|program| program.is_file())
}

const MODEL: [&str; 2] = ["--model", "models/fixtures/v8_nc80.onnx"];
const PICTURES: &str = "core/tests/data";

/// moto, which stands in for the cloud; none where it is not installed.
fn moto() -> Option<PathBuf> {
    let named = std::env::var_os("GUARITA_MOTO").filter(|name| !name.is_empty()).map(PathBuf::from);
    Some(named.unwrap_or(repository().join(".venv/bin/moto_server"))).filter(|program| program.is_file())
}

#[test]
fn a_sink_of_ones_own_is_opened_from_settings() {
    let told = |settings: &[&str]| {
        let output = run(env!("CARGO_BIN_EXE_custom_sink"), settings);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    assert_eq!(told(&[]), (Some(0), "3 s of siren: visitor at gate\n".into(), String::new()));
    let file = std::env::temp_dir().join(format!("guarita-custom-sink-{}.jsonl", std::process::id()));
    let settings = serde_json::json!({"kind": "json-lines", "path": file}).to_string();
    assert_eq!(told(&[&settings]), (Some(0), String::new(), String::new()), "the kinds of the core are there too");
    assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), 1);
    std::fs::remove_file(file).unwrap();
    for (settings, word) in [
        (r#"{"kind": "siren", "second": 3}"#, "unknown field `second`"),
        (r#"{"kind": "siren", "seconds": 300}"#, "300"),
        (r#"{"kind": "kafka"}"#, "json-lines, siren; add the package that brings it (guarita-kafka"),
        ("{", "EOF"),
    ] {
        let (status, out, err) = told(&[settings]);
        assert!(status == Some(2) && out.is_empty() && err.contains(word), "{settings}: {err}");
    }
}

#[test]
fn an_outage_is_survived_within_the_budget() {
    let Some(moto) = moto() else {
        return eprintln!("SKIPPED: no moto_server; `make stand-in` installs it");
    };
    let journal = std::env::temp_dir().join(format!("guarita-hybrid-{}.journal", std::process::id()));
    let arguments = |looks: &'static str| {
        let own = ["--looks", looks, "--fails-from", "2", "--fails-to", "9", "--pace-ms", "0", "--cap-day", "3000"];
        let paths = ["--stand-in", moto.to_str().unwrap(), "--journal", journal.to_str().unwrap(), PICTURES];
        [&own[..], &paths[..], &MODEL[..]].concat()
    };
    let out = run(env!("CARGO_BIN_EXE_hybrid"), &arguments("9"));
    let text = String::from_utf8(out.stdout).unwrap();
    assert_eq!(out.status.code(), Some(0), "{text}{}", String::from_utf8_lossy(&out.stderr));
    assert_eq!(text.matches("local (primary)").count(), 2, "{text}");
    assert_eq!(text.matches(" rekognition (").count(), 3, "{text}");
    assert_eq!(text.matches("nobody: BudgetExhausted").count(), 4, "{text}");
    assert!(text.contains("primary breaker for labels: closed -> open"), "{text}");
    // The money is gone on the next run too.
    let out = run(env!("CARGO_BIN_EXE_hybrid"), &arguments("4"));
    let text = String::from_utf8(out.stdout).unwrap();
    assert_eq!(text.matches("nobody: BudgetExhausted").count(), 2, "{text}");
    assert!(text.contains("$0.003") && !text.contains("$0.004"), "{text}");
    std::fs::remove_file(journal).unwrap();
}

#[test]
fn a_stand_in_that_is_not_there_says_how_to_get_it() {
    let out = run(env!("CARGO_BIN_EXE_hybrid"), &[&["--stand-in", "/nowhere/moto", PICTURES], &MODEL[..]].concat());
    let text = String::from_utf8(out.stderr).unwrap();
    assert!(out.status.code() == Some(3) && text.contains("make stand-in"), "{text}");
}

/// What examples/common/lib.rs includes is compiled; a text with Rust that is not there is not.
#[test]
fn the_rust_of_every_text_is_compiled() {
    let compiled = std::fs::read_to_string(repository().join("examples/common/lib.rs")).unwrap();
    let mut folders = vec![repository().join("docs/guide")];
    let mut texts = vec![repository().join("README.md")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() { folders.push(entry) } else { texts.push(entry) }
        }
    }
    let mut with_rust = 0;
    for text in texts.iter().filter(|path| path.extension().is_some_and(|extension| extension == "md")) {
        let source = std::fs::read_to_string(text).unwrap();
        for (k, line) in source.lines().enumerate().filter(|(_, line)| line.starts_with("```rust")) {
            with_rust += 1;
            let included = format!("../../{}\"", text.strip_prefix(repository()).unwrap().display());
            assert!(!line.contains("ignore"), "{}:{} is not compiled", text.display(), k + 1);
            assert!(compiled.contains(&included), "{} is not in examples/common/lib.rs", text.display());
        }
    }
    assert!(with_rust > 20, "{with_rust}");
}

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
fn gate_explains_itself_and_what_is_wrong() {
    let (status, out, _) = gate(&["--help"]);
    assert!(status == Some(0) && out.contains("--every-s") && out.contains("Exit status"), "{out}");
    assert_eq!(gate(&[]).0, Some(2));
    for wrong in [["--fps", "0"], ["--every-s", "-1"], ["--confidence", "7"], ["--gate", "nowhere.toml"]] {
        let option = format!("{}={}", wrong[0], wrong[1]);
        let (status, _, err) = gate(&[&["x.mp4", &option], &MODEL[..]].concat());
        assert!(status == Some(2) && !err.is_empty(), "{option}: {err}");
    }
    let (status, _, err) = gate(&[&["x.mp4", "--gate", "Cargo.toml"], &MODEL[..]].concat());
    assert!(status == Some(2) && err.contains("Cargo.toml") && err.contains("unknown field"), "{err}");
    let (status, _, err) = gate(&["x.mp4", "--model", "nowhere.onnx"]);
    assert!(status == Some(4) && err.contains("make models"), "{err}");
}

#[test]
fn a_clip_that_cannot_be_watched_does_not_keep_others_from_it() {
    let folder = Scratch::new("unwatchable");
    let (status, _, err) =
        gate(&[&["README.md", "--ffmpeg", "/nowhere/ffmpeg", "--out", folder.name()], &MODEL[..]].concat());
    assert!(status == Some(3) && err.contains("/nowhere/ffmpeg") && err.contains("make setup"), "{err}");
    let Some(_) = ffmpeg() else {
        println!("a_clip_that_cannot_be_watched: SKIPPED, no ffmpeg (run `make setup` once, or set GUARITA_FFMPEG)");
        return;
    };
    let (status, out, err) = gate(&[&["missing.mp4", "README.md", "--out", folder.name()], &MODEL[..]].concat());
    assert!(status == Some(1) && out.contains("2 of 2 clips failed"), "{out}{err}");
    assert!(err.contains("missing.mp4  error") && err.contains("NotFound"), "{err}");
    assert!(err.contains("README.md  error"), "{err}");
}

/// A folder that goes away with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("guarita-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn name(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Ten seconds of noise over a pattern, ten frames a second; from the fourth to the sixth a red box goes through the
/// middle, where the fixture looks.
fn box_clip(ffmpeg: &Path, folder: &Scratch) -> PathBuf {
    let clip = folder.0.join("box.avi");
    let scene = "mandelbrot=size=160x120:rate=10:end_scale=0.3:maxiter=50,trim=end_frame=1,loop=-1:1,setpts=N/10/TB,\
                 noise=alls=6:allf=t,trim=duration=10[still];color=red:size=24x40:rate=10[thing];\
                 [still][thing]overlay=x=(t-4)*80:y=40:enable=between(t\\,4\\,6):shortest=1";
    let made = Command::new(ffmpeg)
        .args(["-hide_banner", "-loglevel", "error", "-f", "lavfi", "-i", scene, "-c:v", "mjpeg", "-q:v", "2", "-y"])
        .arg(&clip)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    clip
}

#[test]
fn a_clip_is_watched_counted_and_drawn() {
    let Some(ffmpeg) = ffmpeg() else {
        println!("a_clip_is_watched: SKIPPED, no ffmpeg (run `make setup` once, or set GUARITA_FFMPEG)");
        return;
    };
    let folder = Scratch::new("gate");
    let clip = box_clip(&ffmpeg, &folder);
    let config = folder.0.join("gate.toml");
    std::fs::write(&config, "linger_s = 1.0\nheartbeat_s = 30.0\n").unwrap();
    let same = clip.to_str().unwrap();
    let options = [same, same, "--gate", config.to_str().unwrap(), "--out", folder.name(), "--confidence", "0"];
    let (status, out, err) = gate(&[&options[..], &MODEL[..]].concat());
    assert_eq!((status, err.as_str()), (Some(0), ""), "{out}");

    let numbers = |words: &str| -> Vec<f64> {
        let line = out.lines().find(|line| line.trim_start().starts_with(words)).unwrap();
        let number = |word: &str| word.trim_end_matches([',', ':', ';', '.']).parse().ok();
        line[words.len() + 2..].split_whitespace().filter_map(number).collect()
    };
    assert_eq!(numbers("frames")[0], 100.0, "{out}");
    let &[opened, share, motion, linger, heartbeat] = &numbers("opened")[..] else { panic!("{out}") };
    assert_eq!(opened, motion + linger + heartbeat, "{out}");
    assert!(opened == share && (15.0..50.0).contains(&opened) && heartbeat >= 1.0, "{out}");
    let analysed = numbers("analysed")[0];
    assert!(analysed >= 8.0 && analysed <= opened / 2.0 + 2.0, "{out}");
    let found = numbers("detections");
    assert_eq!(found[0], found[1..].iter().sum::<f64>(), "{out}");
    let saved = numbers("share saved");
    assert!((saved[0] - (1.0 - analysed / 100.0)).abs() < 1e-9, "{out}");
    assert!((saved[1] + saved[2] - saved[0] * 100.0).abs() < 0.11, "{out}");
    assert!(numbers("in the gate")[0] > 0.0 || numbers("in the gate")[1] > 0.0, "{out}");

    // Half a clip: what is there is watched and drawn, and the end is an error.
    let half = folder.0.join("half.avi");
    let bytes = std::fs::read(&clip).unwrap();
    std::fs::write(&half, &bytes[..bytes.len() / 2]).unwrap();
    let (status, half_out, err) = gate(&[&[half.to_str().unwrap(), "--out", folder.name()], &MODEL[..]].concat());
    assert!(status == Some(1) && half_out.contains("half-timeline.png"), "{half_out}{err}");
    assert!(err.contains("DataCorrupt") && err.contains("half.avi"), "{err}");

    // The second one of the same name does not overwrite the first one.
    for name in ["box-sheet.png", "box-timeline.png", "box-2-sheet.png", "box-2-timeline.png"] {
        let path = folder.0.join(name);
        assert!(out.contains(path.canonicalize().unwrap().to_str().unwrap()), "{name} in: {out}");
        let picture = guarita::Frame::open(&path, &guarita::DecodeOptions::default()).unwrap();
        let least = if name.ends_with("timeline.png") { 1600 } else { 480 };
        assert!(picture.size().width >= least && picture.size().height >= 300, "{name}: {}", picture.size());
    }
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

fn cost(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = run(env!("CARGO_BIN_EXE_cost"), arguments);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn cost_says_what_a_month_of_250_cameras_is() {
    let (status, out, err) = cost(&[]);
    assert_eq!((status, err.as_str()), (Some(0), ""));
    for words in ["21,600,000 images a day", "$21,600.00", "$648,000.00", "$175,450.00"] {
        assert!(out.contains(words), "no {words} in: {out}");
    }
    let json = |arguments: &[&str]| -> serde_json::Value {
        let (status, out, err) = cost(&[arguments, &["--json"]].concat());
        assert_eq!(status, Some(0), "{err}");
        serde_json::from_str(&out).unwrap()
    };
    // Two APIs bill twice.
    let both = json(&["--api", "labels", "--api", "text"]);
    assert_eq!(both["total"]["month_flat"], 1_296_000_000_000_u64);
    assert_eq!(both["total"]["month_tiered"], 350_900_000_000_u64);
    let gated = json(&["--open-share", "0.1", "--cap-month", "1000.50"]);
    assert_eq!(gated["images_month"], 64_800_000);
    assert_eq!(gated["total"]["month_tiered"], 29_650_000_000_u64);
    assert_eq!(gated["total"]["saved_by_gate"], 145_800_000_000_u64);
    // A million images for the first $1000, and 625 of the second tier for the 50 cents.
    assert_eq!(gated["cap"]["images"], 1_000_625);
    let (_, out, _) = cost(&["--cap-month", "1000000"]);
    assert!(out.contains("covers all of it"), "{out}");
}

#[test]
fn cost_takes_prices_from_a_file_and_refuses_what_is_wrong() {
    let (status, out, _) = cost(&["--help"]);
    assert!(status == Some(0) && out.contains("--open-share") && out.contains("Exit status"), "{out}");
    let folder = Scratch::new("cost");
    let file = |name: &str, text: &str| {
        let path = folder.0.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let prices = file("prices.toml", "\"mine:Look\" = [{ up_to = 10, price = 7 }, { price = 1 }]\n");
    let options = ["--cameras", "1", "--fps", "0.001", "--days", "1", "--api", "mine:Look", "--prices", &prices];
    let (status, out, err) = cost(&options);
    assert!(status == Some(0) && out.contains("$0.000602") && out.contains("$0.000146"), "{out}{err}");
    let rising = file("rising.toml", "\"mine:Look\" = [{ up_to = 10, price = 1 }, { price = 7 }]\n");
    for (wrong, word) in [
        (&["--fps", "NaN"][..], "--fps"),
        (&["--open-share", "1.1"], "--open-share"),
        (&["--cameras", "0"], "--cameras"),
        (&["--days", "32"], "--days"),
        (&["--cap-month=-1"], "--cap-month"),
        (&["--cap-month", "1.0000001"], "--cap-month"),
        (&["--cap-month", "99999999999999999999"], "--cap-month"),
        (&["--api", "abacus"], "abacus"),
        (&["--api", "text", "--api", "text"], "twice"),
        (&["--prices", "nowhere.toml"], "nowhere.toml"),
        (&["--prices", "Cargo.toml"], "Cargo.toml"),
        (&["--prices", &rising], "rises"),
        (&["more"], "more"),
    ] {
        let (status, _, err) = cost(wrong);
        assert!(status == Some(2) && err.contains(word), "{wrong:?}: {status:?} {err}");
    }
}
