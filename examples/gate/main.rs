//! Watches video files: a motion gate looks at every frame, a detector at the frames that the gate lets pass.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]

mod clip;
mod record;
mod sheet;
mod timeline;

use clap::Parser;
use guarita::source::SourceConfig;
use guarita::{Detector, DetectorConfig, Error, ErrorCode, MotionGate, MotionGateConfig};
use guarita_examples::exit_status;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Watches video files: a motion gate looks at every frame, a detector at the frames that the gate lets pass.
///
/// For each clip it prints a summary and writes two pictures: NAME-sheet.png, a contact sheet of frames with detections
/// and thin boxes around what moved, and NAME-timeline.png, what the gate and the detector saw over time.
///
/// Exit status: 0 every clip was watched to its end, 1 at least one clip failed, 2 wrong arguments, 3 ONNX Runtime or
/// ffmpeg is missing, 4 the model cannot be used.
#[derive(Parser)]
#[command(name = "gate", version)]
struct Arguments {
    /// Video files, of one camera each
    #[arg(required = true, value_name = "CLIP")]
    clips: Vec<PathBuf>,
    /// An ONNX detector; a MODEL.spec.toml beside it is read too (default: the one that `make models` provides)
    #[arg(long, default_value = ".models/coco_ssd_mobilenet_v2.onnx")]
    model: PathBuf,
    /// Report objects with more confidence than this, 0..1
    #[arg(long, default_value_t = 0.5)]
    confidence: f32,
    /// Look at no more frames than this in a second of video; the others are decoded and left out
    #[arg(long, default_value_t = 10.0)]
    fps: f64,
    /// While the gate is open, the detector looks at most every so many seconds of video; 0: at every frame
    #[arg(long, value_name = "SECONDS", default_value_t = 0.2)]
    every_s: f64,
    /// The gate's configuration, a TOML file (or JSON, where its name ends so)
    #[arg(long, value_name = "FILE")]
    gate: Option<PathBuf>,
    /// The ffmpeg program (default: found as docs/guide/video.md says)
    #[arg(long)]
    ffmpeg: Option<PathBuf>,
    /// The ONNX Runtime library, or its folder
    #[arg(long)]
    onnxruntime: Option<PathBuf>,
    /// Where the pictures go
    #[arg(long, default_value = "out")]
    out: PathBuf,
}

/// What is the same for all clips.
struct Setup {
    detector: Detector,
    gate: MotionGateConfig,
    source: SourceConfig,
    every_s: f64,
    out: PathBuf,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(1),
        Err(error) => {
            tell("", &error);
            if error.code() == ErrorCode::NotFound && error.to_string().contains("model") {
                eprintln!("`make models` provides the default model");
            }
            if error.code() == ErrorCode::RuntimeUnavailable {
                eprintln!("`make setup` puts ONNX Runtime and ffmpeg into the checkout");
            }
            exit_status(&error)
        }
    }
}

fn tell(about: &str, error: &Error) {
    eprintln!("{about}error {} ({:?}): {error}", error.code().number(), error.code());
}

/// Watches every clip; the number of those that failed.
fn run(arguments: &Arguments) -> Result<usize, Error> {
    let setup = setup(arguments)?;
    let mut failed = 0;
    let mut taken = BTreeSet::new();
    for (k, path) in arguments.clips.iter().enumerate() {
        if k > 0 {
            println!();
        }
        let stem = free_stem(path, &mut taken);
        match clip::watch(path, &stem, &setup) {
            Ok(None) => {}
            // What was watched is printed and drawn; the clip goes on, or went on, where nobody can look.
            Ok(Some(cut_off)) => {
                failed += 1;
                tell("", &cut_off);
            }
            // Without the program there is nothing to hope for from the next clip.
            Err(error) if error.code() == ErrorCode::RuntimeUnavailable => return Err(error),
            Err(error) => {
                failed += 1;
                tell(&format!("{}  ", path.display()), &error);
            }
        }
    }
    if failed > 0 {
        println!("\n{failed} of {} clips failed", arguments.clips.len());
    }
    Ok(failed)
}

fn setup(arguments: &Arguments) -> Result<Setup, Error> {
    let gate = match &arguments.gate {
        Some(path) => gate_config(path)?,
        None => MotionGateConfig::default(),
    };
    MotionGate::new(gate.clone())?;
    let source = SourceConfig { fps: Some(arguments.fps), ffmpeg: arguments.ffmpeg.clone(), ..SourceConfig::default() };
    source.validate()?;
    if !(0.0..=86_400.0).contains(&arguments.every_s) {
        return Err(wrong(format!("--every-s is {}; it must lie in 0..86400", arguments.every_s)));
    }
    let detector = Detector::open_file(
        &arguments.model,
        DetectorConfig {
            min_confidence: arguments.confidence,
            onnxruntime: arguments.onnxruntime.clone(),
            ..DetectorConfig::default()
        },
    )?;
    let out = &arguments.out;
    std::fs::create_dir_all(out)
        .map_err(|error| wrong(format!("cannot make the folder {}: {error}", out.display())))?;
    let out = out.canonicalize().unwrap_or(out.clone());
    Ok(Setup { detector, gate, source, every_s: arguments.every_s, out })
}

fn wrong(what: String) -> Error {
    Error::new(ErrorCode::InvalidArgument, what)
}

fn gate_config(path: &Path) -> Result<MotionGateConfig, Error> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| wrong(format!("cannot read the gate's configuration {}: {error}", path.display())))?;
    let json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    let read = if json {
        serde_json::from_str(&text).map_err(|error| error.to_string())
    } else {
        toml::from_str(&text).map_err(|error| error.to_string())
    };
    read.map_err(|error| wrong(format!("{} is no configuration of a gate: {error}", path.display())))
}

/// The name of a clip's pictures; clips of the same name from several folders get numbers.
fn free_stem(path: &Path, taken: &mut BTreeSet<String>) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut free = stem.clone();
    let mut number = 2;
    while !taken.insert(free.clone()) {
        free = format!("{stem}-{number}");
        number += 1;
    }
    free
}
