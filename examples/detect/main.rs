//! Finds objects in pictures: a table, annotated PNGs, or JSON lines.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]

use clap::Parser;
use guarita::imaging::{Canvas, Color};
use guarita::onnx::{ExecutionProvider, ExecutionProviderChoice};
use guarita::{DecodeOptions, Detections, Detector, DetectorConfig, Error, ErrorCode, Frame};
use guarita_examples::{exit_status, file_name as name, pictures};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Finds objects in pictures and draws them.
///
/// Exit status: 0 every picture was looked at, 1 at least one picture failed, 2 wrong arguments or no pictures,
/// 3 ONNX Runtime is missing, 4 the model cannot be used.
#[derive(Parser)]
#[command(name = "detect", version)]
struct Arguments {
    /// Pictures (JPEG, PNG), or folders of pictures
    #[arg(required = true)]
    inputs: Vec<PathBuf>,
    /// An ONNX detector; a MODEL.spec.toml beside it is read too (default: the one that `make models` provides)
    #[arg(long, default_value = ".models/coco_ssd_mobilenet_v2.onnx")]
    model: PathBuf,
    /// Report objects with more confidence than this, 0..1
    #[arg(long, default_value_t = 0.4)]
    confidence: f32,
    /// Report these classes only, by name; may be given several times
    #[arg(long = "class", value_name = "NAME")]
    classes: Vec<String>,
    /// Execution provider: cpu, cuda, tensorrt, openvino, coreml, directml
    #[arg(long, default_value = "cpu")]
    provider: ExecutionProvider,
    /// The ONNX Runtime library, or its folder
    #[arg(long)]
    onnxruntime: Option<PathBuf>,
    /// Turn pictures as their EXIF orientation says
    #[arg(long)]
    apply_orientation: bool,
    /// Where annotated pictures go
    #[arg(long, default_value = "out")]
    out: PathBuf,
    /// Write no annotated pictures
    #[arg(long)]
    no_pictures: bool,
    /// Print one JSON object for each picture in place of the table
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error {} ({:?}): {error}", error.code().number(), error.code());
            if error.code() == ErrorCode::NotFound && error.to_string().contains("model") {
                eprintln!("`make models` provides the default model");
            }
            exit_status(&error)
        }
    }
}

/// Looks at every picture; the number of those that failed.
fn run(arguments: &Arguments) -> Result<usize, Error> {
    let pictures = pictures(&arguments.inputs)?;
    let detector = Detector::open_file(
        &arguments.model,
        DetectorConfig {
            min_confidence: arguments.confidence,
            classes: arguments.classes.clone(),
            execution_provider: ExecutionProviderChoice::Only(arguments.provider),
            onnxruntime: arguments.onnxruntime.clone(),
            ..DetectorConfig::default()
        },
    )?;
    if !arguments.no_pictures {
        std::fs::create_dir_all(&arguments.out).map_err(|error| {
            Error::new(
                ErrorCode::InvalidArgument,
                format!("cannot make the folder {}: {error}", arguments.out.display()),
            )
        })?;
    }
    let options = DecodeOptions { apply_orientation: arguments.apply_orientation, ..DecodeOptions::default() };
    let progress = ProgressBar::new(pictures.len() as u64).with_style(
        ProgressStyle::with_template("{bar:30} {pos}/{len} pictures, {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    if !arguments.json {
        println!("{:<28} {:<16} {:>6}  {:<27} {:>8}", "picture", "label", "conf.", "box x1 y1 x2 y2", "ms");
    }
    let mut failed = 0;
    for picture in &pictures {
        let looked = Frame::open(picture, &options).and_then(|frame| Ok((detector.detect(&frame)?, frame)));
        progress.suspend(|| match looked {
            Ok((found, frame)) => {
                if arguments.json { print_json(picture, &found) } else { print_rows(picture, &found) }
                if !arguments.no_pictures && !save(&arguments.out, picture, &frame, &found) {
                    failed += 1;
                }
            }
            Err(error) => {
                failed += 1;
                if arguments.json {
                    println!("{}", json!({"picture": picture, "error": {"code": error.code().number(), "message": error.to_string()}}));
                } else {
                    eprintln!("{:<28} error {} ({:?}): {error}", name(picture), error.code().number(), error.code());
                }
            }
        });
        progress.inc(1);
    }
    progress.finish_and_clear();
    if !arguments.json {
        if !arguments.no_pictures {
            println!(
                "\nannotated pictures: {}",
                arguments.out.canonicalize().unwrap_or(arguments.out.clone()).display()
            );
        }
        if failed > 0 {
            println!("{failed} of {} pictures failed", pictures.len());
        }
    }
    Ok(failed)
}

fn milliseconds(found: &Detections) -> f64 {
    found.timing.total().as_secs_f64() * 1e3
}

fn print_rows(picture: &Path, found: &Detections) {
    let ms = milliseconds(found);
    if found.is_empty() {
        println!("{:<28} {:<16} {:>6}  {:<27} {ms:>8.1}", name(picture), "-", "", "");
    }
    for (k, one) in found.iter().enumerate() {
        let [x1, y1, x2, y2] = one.bbox.to_array().map(|edge| edge.round() as i64);
        let place = format!("{x1} {y1} {x2} {y2}");
        // The picture and its time stand on its first row only.
        let (picture, ms) = if k == 0 { (name(picture), format!("{ms:.1}")) } else { Default::default() };
        println!("{picture:<28} {:<16} {:>6.3}  {place:<27} {ms:>8}", one.label.name, one.confidence);
    }
}

fn print_json(picture: &Path, found: &Detections) {
    let items: Vec<_> = found
        .iter()
        .map(|one| json!({"label": one.label.name, "class_id": one.label.id, "confidence": one.confidence, "box": one.bbox.to_array()}))
        .collect();
    let size = [found.frame.width, found.frame.height];
    println!("{}", json!({"picture": picture, "size": size, "ms": milliseconds(found), "detections": items}));
}

/// Draws what was found; says so and returns false where the picture cannot be written.
fn save(folder: &Path, picture: &Path, frame: &Frame, found: &Detections) -> bool {
    let mut canvas = Canvas::from_frame(frame);
    // The surest last, on top of the others.
    for one in found.items.iter().rev() {
        canvas.draw_box(&one.bbox, &format!("{} {:.2}", one.label, one.confidence), Color::for_class(one.label.id));
    }
    let path = folder.join(format!("{}.png", picture.file_stem().unwrap_or_default().to_string_lossy()));
    canvas.save_png(&path).map_err(|error| eprintln!("{error}")).is_ok()
}
