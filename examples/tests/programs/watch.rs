//! `watch`: many cameras from a TOML file.

use super::{MODEL, PICTURES, Scratch, box_clip, ffmpeg, repository, run};
use guarita::{DecodeOptions, Frame, Size};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

fn watch(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = run(env!("CARGO_BIN_EXE_watch"), arguments);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn write(folder: &Scratch, name: &str, text: &str) -> String {
    let path = folder.0.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A clip that is there, and is none.
const CAMERA: &str = "[[camera]]\nid = \"door\"\nfile = \"clip.avi\"\n";

#[test]
fn it_explains_itself_and_the_examples_are_right() {
    let (status, out, _) = watch(&["--help"]);
    for word in ["CAMERAS.TOML", "--speed", "--no-table", "--seconds", "--threads", "Exit status"] {
        assert!(status == Some(0) && out.contains(word), "{word}: {out}");
    }
    assert_eq!(watch(&[]).0, Some(2));
    assert_eq!(watch(&["x.toml", "--speed", "quick"]).0, Some(2));
    assert_eq!(watch(&["x.toml", "--speed", "NaNx"]).0, Some(2));
    let (status, _, err) = watch(&["nowhere.toml"]);
    assert!(status == Some(2) && err.contains("nowhere.toml"), "{err}");
    // With clips that are none, everything but the clips is right.
    let folder = Scratch::new("watch-examples");
    for name in ["market_street.mp4", "vtest.avi"] {
        write(&folder, name, "no clip");
    }
    let files = ["examples/watch/cameras.toml", "examples/watch/plaza.toml"];
    let options = ["--clips", folder.name(), "--model", "nowhere.onnx", "--out", folder.name()];
    let (status, _, err) = watch(&[&files[..], &options[..]].concat());
    assert!(status == Some(4) && err.contains("nowhere.onnx") && err.contains("make models"), "{err}");
}

#[test]
fn what_is_wrong_in_a_file_is_told_with_its_line_and_field() {
    let folder = Scratch::new("watch-wrong");
    write(&folder, "clip.avi", "no clip");
    let zone = "[[camera.zones]]\nname = \"mat\"\narea = [[0, 0], [1, 0], [1, 1]]\n";
    let trigger = "[[camera.triggers]]\nname = \"someone\"\n";
    let sink = "[[sink]]\nname = \"file\"\nkind = \"json-lines\"\npath = \"e.jsonl\"\n";
    let present = "when = { present = { zone = \"mat\" } }\n";
    let cases: &[(&str, usize, &[&str])] = &[
        // A misspelt field, at every depth: the line, the field, and what there is.
        ("fsp = 5\n", 4, &["camera \"door\"", "field fsp", "`file`", "`fps`"]),
        ("look = { low_light = { lumaa = 5 } }\n", 4, &["field look.low_light.lumaa", "`luma`"]),
        (&format!("{zone}aera = 1\n"), 7, &["field zones.aera", "`anchor`"]),
        (&format!("{zone}{trigger}{present}cooldown = 5\n"), 10, &["field triggers.cooldown", "`cooldown_s`"]),
        (&format!("{zone}{trigger}when = {{ presnt = {{}} }}\n"), 9, &["triggers.when", "presnt", "`present`"]),
        (
            &format!("{zone}{trigger}when = {{ present = {{ zon = 1 }} }}\n"),
            9,
            &["triggers.when", "zon,", "classes, zone"],
        ),
        (&sink.replace("path", "paht"), 7, &["sink \"file\"", "paht", "`path`"]),
        ("[cameras]\n", 4, &["`cameras`", "`camera`", "`sink`", "`pipeline`"]),
        // A wrong type, a wrong value, something that is missing.
        ("\nfps = \"five\"\n", 5, &["field fps", "string \"five\""]),
        ("[[camera.zones]]\nname = \"mat\"\narea = [[0, 0], [1, 0]]\n", 6, &["field zones.area", "3"]),
        ("\n\nfps = -1\n", 6, &["fps is -1", "0.001..1000"]),
        ("confirmation = { n = 3, k = 5 }\n", 4, &["k is 5", "1..3"]),
        ("[camera.motion]\n\nlinger_s = -1\n", 6, &["linger_s is -1"]),
        (
            &format!("{zone}{trigger}when = {{ present = {{ zone = \"rug\" }} }}\n"),
            9,
            &["trigger \"someone\"", "rug", "mat"],
        ),
        (&format!("{zone}{trigger}{present}cooldown_s = -1\n"), 10, &["trigger \"someone\"", "cooldown_s is -1"]),
        (&format!("{zone}{zone}"), 8, &["two of the name \"mat\""]),
        (&format!("{trigger}for_s = 1\n"), 4, &["triggers", "missing field `when`"]),
        ("[[camera]]\nid = \"gate\"\n", 4, &["camera \"gate\"", "no `file`"]),
        ("[[camera]]\nfile = \"clip.avi\"\n", 4, &["id has 0 bytes"]),
        (CAMERA, 5, &["camera \"door\"", "field id", "already", ":1"]),
        (&sink.replace("name = \"file\"\n", ""), 4, &["no `name`"]),
        (&format!("{sink}{sink}"), 9, &["sink \"file\"", "already", ":4"]),
        (&format!("{sink}queue = {{ capacity = 0 }}\n"), 8, &["capacity is 0"]),
        ("[[camera]]\nid = \"gate\"\nfile = \"missing.avi\"\n", 6, &["camera \"gate\"", "field file", "missing.avi"]),
        ("[pipeline]\nbatch_wait_s = 11\n", 5, &["pipeline", "batch_wait_s is 11"]),
        ("fps = \n", 4, &["value"]),
    ];
    let mut wrong = Vec::new();
    for (more, line, words) in cases {
        let file = write(&folder, "cameras.toml", &format!("{CAMERA}{more}"));
        let (status, out, err) = watch(&[&[file.as_str(), "--out", folder.name()], &MODEL[..]].concat());
        let told = err.contains(&format!("cameras.toml:{line}: ")) && words.iter().all(|word| err.contains(word));
        if status != Some(2) || !out.is_empty() || !told {
            wrong.push(format!("{more}not line {line} and {words:?}, but {status:?} {out}{err}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // In two files.
    let (one, other) = (write(&folder, "one.toml", CAMERA), write(&folder, "other.toml", CAMERA));
    let (status, _, err) = watch(&[&[one.as_str(), &other], &MODEL[..]].concat());
    assert!(status == Some(2) && err.contains("other.toml:2: ") && err.contains("one.toml:1"), "{err}");
    // What only the model can tell.
    let trigger = "[[camera.triggers]]\nname = \"t\"\nwhen = { not = { present = { classes = [\"persn\"] } } }\n";
    let file = write(&folder, "cameras.toml", &format!("{CAMERA}{trigger}"));
    let (status, _, err) = watch(&[&[file.as_str(), "--out", folder.name()], &MODEL[..]].concat());
    assert!(status == Some(2) && err.contains("trigger \"t\"") && err.contains("persn"), "{err}");
    let none = write(&folder, "none.toml", "[pipeline]\n");
    let (status, _, err) = watch(&[&none]);
    assert!(status == Some(2) && err.contains("no cameras"), "{err}");
}

#[test]
fn a_clip_that_cannot_be_opened_does_not_keep_others_from_it() {
    let folder = Scratch::new("watch-unwatchable");
    write(&folder, "clip.avi", "no clip");
    let file = write(&folder, "cameras.toml", CAMERA);
    let options = [file.as_str(), "--out", folder.name(), "--ffmpeg", "/nowhere/ffmpeg"];
    let (status, _, err) = watch(&[&options[..], &MODEL[..]].concat());
    assert!(status == Some(3) && err.contains("/nowhere/ffmpeg") && err.contains("make setup"), "{err}");
    let (status, _, err) = watch(&[&[file.as_str(), "--onnxruntime", "/nowhere"], &MODEL[..]].concat());
    assert!(status == Some(3) && err.contains("make setup"), "{err}");
    let Some(ffmpeg) = ffmpeg() else {
        println!("a_clip_that_cannot_be_opened: SKIPPED, no ffmpeg (run `make setup` once, or set GUARITA_FFMPEG)");
        return;
    };
    box_clip(&ffmpeg, &folder);
    let file =
        write(&folder, "cameras.toml", &format!("{CAMERA}[[camera]]\nid = \"yard\"\nfile = \"box.avi\"\nfps = 0\n"));
    let options = [file.as_str(), "--out", folder.name(), "--speed", "fastest"];
    let (status, out, err) = watch(&[&options[..], &MODEL[..]].concat());
    assert!(status == Some(1) && err.contains("cameras.toml:1: camera \"door\""), "{out}{err}");
    assert!(out.contains("100 pushed = ") && out.contains("1 of 2 clips failed"), "{out}");
}

/// The row of a table that begins with this word: its numbers.
fn numbers(out: &str, first: &str) -> Vec<u64> {
    let row = out.lines().rev().find(|line| line.split_whitespace().next() == Some(first));
    row.unwrap_or_else(|| panic!("no {first} in: {out}"))
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect()
}

#[test]
fn cameras_are_watched_and_every_frame_is_accounted_for() {
    let Some(ffmpeg) = ffmpeg() else {
        println!("cameras_are_watched: SKIPPED, no ffmpeg (run `make setup` once, or set GUARITA_FFMPEG)");
        return;
    };
    let folder = Scratch::new("watch-cameras");
    box_clip(&ffmpeg, &folder);
    let mut file = String::from(
        "[[sink]]\nname = \"file\"\nkind = \"json-lines\"\npath = \"events.jsonl\"\npictures = false\n\
         [[sink]]\nname = \"with pictures\"\nkind = \"json-lines\"\npath = \"whole.jsonl\"\n",
    );
    // The fixture is as sure of its box, in the middle of the picture, as the middle is red. `gated` sees it where
    // something moves; `every` is looked at always, and `sampled` at every fifth.
    for (id, more) in [
        ("gated", "fps = 0\nmotion = { linger_s = 1.0, heartbeat_s = 30.0 }\n"),
        ("every", "fps = 0\nmotion = false\n"),
        ("sampled", "fps = 2\nmotion = false\npriority = \"critical\"\n"),
    ] {
        file.push_str(&format!(
            "[[camera]]\nid = {id:?}\nfile = \"box.avi\"\nlook.min_confidence = 0.6\nqueue = {{ max_age_s = 60, capacity = 4 }}\n\
             cache = {{ capacity = 0 }}\n{more}\
             [[camera.zones]]\nname = \"middle\"\narea = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]]\n\
             anchor = \"center\"\n\
             [[camera.triggers]]\nname = \"red thing\"\n\
             when = {{ present = {{ zone = \"middle\" }} }}\npicture = \"frame\"\n"
        ));
    }
    let file = write(&folder, "cameras.toml", &file);
    let options = [file.as_str(), "--out", folder.name(), "--speed", "fastest", "--threads", "2", "--no-table"];
    let (status, out, err) = watch(&[&options[..], &MODEL[..]].concat());
    assert_eq!((status, err.as_str()), (Some(0), ""), "{out}");

    // pushed, analysed, sampled out, no motion, in flight, events.
    for camera in ["gated", "every", "sampled", "all"] {
        let row = numbers(&out, camera);
        let (inner, in_flight) = (&row[1..row.len() - 2], row[row.len() - 2]);
        assert_eq!(row[0], inner.iter().sum::<u64>() + in_flight, "{out}");
        assert_eq!(in_flight, 0, "{out}");
    }
    let head = "analysed  sampled out  no motion  in flight  events";
    assert!(out.contains(head), "as fast as frames are looked at, none is dropped: {out}");
    let gated = numbers(&out, "gated");
    assert!(gated[0] == 100 && (10..60).contains(&gated[1]) && gated[2] == 0 && gated[5] == 1, "{out}");
    assert_eq!(numbers(&out, "every"), [100, 100, 0, 0, 0, 1], "{out}");
    // One more where the grid of the sampler falls so.
    let sampled = numbers(&out, "sampled");
    assert!((20..=21).contains(&sampled[1]) && sampled == [100, sampled[1], 100 - sampled[1], 0, 0, 1], "{out}");
    assert!(out.contains("\n300 pushed = ") && out.contains("+ 0 in flight: it adds up"), "{out}");
    for words in ["with the detector", "batches ", "2 that compute", "file: 3 delivered, 0 retried, 0 failed"] {
        assert!(out.contains(words), "no {words} in: {out}");
    }

    // Events: printed, in both files, drawn, and counted.
    let events = |name: &str| -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(folder.0.join(name)).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let (plain, whole) = (events("events.jsonl"), events("whole.jsonl"));
    assert_eq!((plain.len(), whole.len()), (3, 3));
    for (plain, whole) in plain.iter().zip(&whole) {
        assert!(plain["id"] == whole["id"] && plain.get("picture").is_none() && whole["picture"].is_object());
        let camera = plain["camera"].as_str().unwrap();
        let (why, at_s) = (plain["why"].as_str().unwrap(), plain["pts_ns"].as_i64().unwrap() as f64 / 1e9);
        assert!(plain["zone"] == "middle" && (4.0..6.0).contains(&at_s), "{plain}");
        let line = out.lines().find(|line| line.contains(&format!("{at_s:.1} s  {camera} "))).unwrap_or_default();
        assert!(line.contains("red thing") && line.ends_with(why), "{out}");
        drawn(&folder.0.join(format!("events/{camera}-red-thing-1.png")));
    }
    if !metrics_say_what_the_table_says(&folder.0.join("metrics.txt"), &out) {
        println!("cameras_are_watched: metrics SKIPPED, no prometheus_client (run `make test` once)");
    }

    // A part of it, with a table that is printed where there is no terminal.
    let options = [file.as_str(), "--out", folder.name(), "--speed", "0.5x", "--seconds", "3", "--pictures", "0"];
    let (status, out, err) = watch(&[&options[..], &MODEL[..]].concat());
    assert_eq!((status, err.as_str()), (Some(0), ""), "{out}");
    assert!(out.contains("frames/s   open  analysed   age ms  events") && out.contains("\n90 pushed = "), "{out}");
}

/// Prints each sample as JSON, one a line: name, labels, value.
const PARSE: &str = "
import json, sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
for family in parse(open(sys.argv[1], encoding='utf-8').read()):
    for sample in family.samples:
        print(json.dumps([sample.name, sample.labels, sample.value]))
";

/// The text of the metrics, read by a parser that is not ours, has the numbers of the table that was printed; false
/// where there is no parser.
fn metrics_say_what_the_table_says(path: &Path, out: &str) -> bool {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.ends_with("# EOF\n"), "{text}");
    let named = std::env::var_os("GUARITA_PYTHON").map(PathBuf::from);
    let python = named.unwrap_or_else(|| repository().join(".venv/bin/python"));
    let has_parser = Command::new(&python).args(["-c", "import prometheus_client.openmetrics.parser"]).output();
    if !has_parser.is_ok_and(|output| output.status.success()) {
        return false;
    }
    let parsed = Command::new(&python).args(["-c", PARSE]).arg(path).output().unwrap();
    assert!(parsed.status.success(), "{}", String::from_utf8_lossy(&parsed.stderr));
    type Sample = (String, BTreeMap<String, String>, f64);
    let samples = String::from_utf8(parsed.stdout).unwrap();
    let samples: Vec<Sample> = samples.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let sum = |name: &str, camera: &str, outcome: &str| -> u64 {
        let fits = |labels: &BTreeMap<String, String>, label, wanted: &str| {
            wanted.is_empty() || labels.get(label).is_some_and(|value| value == wanted)
        };
        let samples = samples.iter().filter(|(of, ..)| of == name);
        let fitting =
            samples.filter(|(_, labels, _)| fits(labels, "camera", camera) && fits(labels, "outcome", outcome));
        fitting.map(|(.., value)| *value as u64).sum()
    };
    for (row, camera) in [("gated", "gated"), ("every", "every"), ("sampled", "sampled"), ("all", "")] {
        let row = numbers(out, row);
        let frames = |outcome| sum("guarita_frames_total", camera, outcome);
        assert_eq!(sum("guarita_frames_pushed_total", camera, ""), row[0], "{text}");
        let ended = [frames("analysed"), frames("skipped_sampled_out"), frames("skipped_no_motion")];
        assert_eq!(ended, row[1..4], "{text}");
        assert_eq!(sum("guarita_frames_in_flight", camera, ""), row[4], "{text}");
        assert_eq!(sum("guarita_events_total", camera, ""), row[5], "{text}");
    }
    true
}

/// The picture of an event: the frame enlarged, with the zone's edge, and a caption below.
fn drawn(path: &Path) {
    let picture = Frame::open(path, &DecodeOptions::default()).unwrap();
    assert_eq!(picture.size(), Size::new(640, 480 + 52));
    let pixel = |x: usize, y: u32| picture.row(0, y)[x * 3..][..3].to_vec();
    assert_eq!(pixel(64, 240), [255, 213, 64], "the left edge of the zone, a tenth from the left");
    assert_eq!(pixel(2, 500), [255, 213, 64], "the mark of the caption");
    assert_ne!(pixel(32, 240), [255, 213, 64]);
}

#[test]
fn a_file_that_cannot_be_written_is_told() {
    let Some(ffmpeg) = ffmpeg() else {
        println!("a_file_that_cannot_be_written: SKIPPED, no ffmpeg (run `make setup` once, or set GUARITA_FFMPEG)");
        return;
    };
    let folder = Scratch::new("watch-disk");
    let camera = CAMERA.replace("clip.avi", "box.avi");
    box_clip(&ffmpeg, &folder);
    let sink = "[[sink]]\nname = \"file\"\nkind = \"json-lines\"\npath = \"nowhere/deep/e.jsonl\"\n";
    let file = write(&folder, "cameras.toml", &format!("{camera}{sink}"));
    let (status, _, err) = watch(&[&[file.as_str(), "--out", folder.name()], &MODEL[..]].concat());
    assert!(status == Some(4) && err.contains("cameras.toml:4: ") && err.contains("e.jsonl"), "{status:?} {err}");
    // The folder of the output is a file.
    let options = [file.as_str(), "--out", &format!("{PICTURES}/rgb.png")];
    let (status, _, err) = watch(&[&options[..], &MODEL[..]].concat());
    assert!(status == Some(2) && err.contains("cannot make the folder"), "{err}");
}
