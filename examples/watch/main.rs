//! Watches many cameras in one process: zones, triggers and sinks from a TOML file, clips in place of cameras.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]

mod config;
mod feed;
mod picture;
mod place;
mod report;
mod screen;
mod sinks;

use clap::Parser;
use config::{CameraSetup, Config};
use feed::{Feed, Speed};
use guarita::clock::{Clock, SystemClock};
use guarita::event::{CallbackSink, Condition, OutletConfig};
use guarita::provider::LocalProviderConfig;
use guarita::source::SourceConfig;
use guarita::{Detector, DetectorConfig, Error, ErrorCode, LocalProvider, Pipeline, Threads, VideoSource};
use guarita_examples::exit_status;
use picture::Pictures;
use screen::{EventLine, Screen, Table};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// Watches cameras: samples their frames, opens motion gates, looks with a detector, fires triggers, delivers events,
/// and at the end says what became of every frame.
///
/// The cameras, their zones and triggers, and the sinks that events go to stand in TOML files, which
/// examples/watch/cameras.toml explains. A camera shows a clip, with one decoder for each. On a terminal a table shows how the cameras do;
/// elsewhere it is printed every 5 s. Events are printed as they fire.
///
/// Into the folder OUT go the files of sinks, events/*.png (the frames of events with zones and boxes drawn) and
/// metrics.txt.
///
/// Exit status: 0 every clip was watched to its end, 1 at least one clip failed or something was not delivered, 2 wrong
/// arguments or a wrong TOML file, 3 ONNX Runtime or ffmpeg is missing, 4 the model cannot be used.
#[derive(Parser)]
#[command(name = "watch", version)]
struct Arguments {
    /// TOML files of cameras, which are taken together
    #[arg(required = true, value_name = "CAMERAS.TOML")]
    files: Vec<PathBuf>,
    /// A folder in which clips are looked for that are not beside their TOML file; may be given several times
    #[arg(long, value_name = "DIR")]
    clips: Vec<PathBuf>,
    /// An ONNX detector; a MODEL.spec.toml beside it is read too (default: the one that `make models` provides)
    #[arg(long, default_value = ".models/coco_ssd_mobilenet_v2.onnx")]
    model: PathBuf,
    /// Threads that compute, inference included (default: as [pipeline] says, or one for each processor)
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// How fast the clips go by: realtime, twice as fast (2x), or as fast as frames are looked at, so that none is
    /// dropped (fastest)
    #[arg(long, value_name = "realtime|fastest|2x", default_value = "realtime")]
    speed: Speed,
    /// Stop after so many seconds of video
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<f64>,
    /// Do not show the table of cameras while they are watched
    #[arg(long)]
    no_table: bool,
    /// Draw the pictures of the first so many events of each trigger
    #[arg(long, value_name = "N", default_value_t = 6)]
    pictures: u32,
    /// The ffmpeg program (default: found as docs/guide/video.md says)
    #[arg(long)]
    ffmpeg: Option<PathBuf>,
    /// The ONNX Runtime library, or its folder
    #[arg(long)]
    onnxruntime: Option<PathBuf>,
    /// Where files go; relative paths of sinks begin here
    #[arg(long, default_value = "out/watch")]
    out: PathBuf,
}

/// How long frames that are under way, and events that wait, have at the end.
const DEADLINE: Duration = Duration::from_secs(15);

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error {} ({:?}): {error}", error.code().number(), error.code());
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

/// Watches every camera; false where something failed on the way.
fn run(arguments: &Arguments) -> Result<bool, Error> {
    if arguments.seconds.is_some_and(|seconds| !(0.001..=1e9).contains(&seconds)) {
        return Err(wrong("--seconds must lie in 0.001..1000000000".into()));
    }
    let config = Config::read(&arguments.files, &arguments.clips)?;
    if config.cameras.is_empty() {
        return Err(wrong("no cameras: the files have no [[camera]]".into()));
    }
    std::fs::create_dir_all(arguments.out.join("events"))
        .map_err(|error| wrong(format!("cannot make the folder {}: {error}", arguments.out.display())))?;
    let threads = threads(arguments, &config)?;
    let detector = detector(arguments, &config)?;
    let model = format!("{}, {}", detector.report().family, detector.report().execution_provider.name());
    config.cameras.iter().try_for_each(|camera| known_classes(camera, &detector))?;
    let (feeds, unopened) = open(arguments, &config)?;

    let screen = Arc::new(Screen::new(!arguments.no_table));
    let pipeline = pipeline(arguments, &config, detector, &threads, &screen)?;
    let mut cameras = Vec::new();
    for setup in &config.cameras {
        let camera = pipeline.add_camera(setup.camera.clone());
        cameras.push(camera.map_err(|error| Error::new(error.code(), format!("{}: {error}", setup.place)))?);
    }
    let begun = SystemClock.now();
    let mut decoders = Vec::new();
    for (at, source) in feeds {
        let Some(camera) = cameras.get(at).cloned() else { continue };
        let feed = Feed { camera, source, speed: arguments.speed, begun, seconds: arguments.seconds };
        decoders.push((at, feed.start()?));
    }
    watch(&pipeline, &screen, &decoders);

    let mut failed = unopened;
    for (at, decoder) in decoders {
        let ended = decoder.join().unwrap_or_else(|_| Err(Error::new(ErrorCode::Internal, "the decoder panicked")));
        if let (Err(error), Some(setup)) = (ended, config.cameras.get(at)) {
            tell(setup, &error);
            failed += 1;
        }
    }
    let ending = pipeline.shutdown(DEADLINE);
    let stats = pipeline.stats();
    let took = SystemClock.now() - begun;
    print!("\n{}", report::Report { stats: &stats, ending: &ending, model: &model, decoders: cameras.len(), took });
    report::write_metrics(&pipeline, &arguments.out.join("metrics.txt"))?;
    println!("\nfiles in {}: metrics.txt, events/*.png, and those of the sinks", arguments.out.display());
    if failed > 0 {
        println!("{failed} of {} clips failed", config.cameras.len());
    }
    Ok(failed == 0 && ending.drained && ending.hanging.is_empty() && ending.outlets.iter().all(|one| one.failed == 0))
}

fn wrong(what: String) -> Error {
    Error::new(ErrorCode::InvalidArgument, what)
}

fn tell(setup: &CameraSetup, error: &Error) {
    eprintln!("{}: camera {:?}: {error} ({:?})", setup.place, setup.camera.id.as_str(), error.code());
}

/// One number for all threads that compute.
fn threads(arguments: &Arguments, config: &Config) -> Result<Threads, Error> {
    let from_file = config.pipeline.as_ref().map(|pipeline| pipeline.threads).filter(|&threads| threads > 0);
    let processors = || std::thread::available_parallelism().map_or(1, |count| count.get()).min(256);
    Threads::new(arguments.threads.or(from_file).unwrap_or_else(processors))
}

/// A detector that is no stricter than the least strict camera: the cameras' own thresholds come after it.
fn detector(arguments: &Arguments, config: &Config) -> Result<Detector, Error> {
    let thresholds = config.cameras.iter().flat_map(|setup| {
        setup.camera.look.class_confidence.values().copied().chain([setup.camera.look.min_confidence])
    });
    let confidence = thresholds.fold(1.0, f32::min);
    let onnxruntime = arguments.onnxruntime.clone();
    Detector::open_file(
        &arguments.model,
        DetectorConfig { min_confidence: confidence, onnxruntime, ..DetectorConfig::default() },
    )
}

/// That the model has the classes which a camera wants: a misspelt one is never found, and nobody would notice.
fn known_classes(setup: &CameraSetup, detector: &Detector) -> Result<(), Error> {
    let labels = &detector.spec().labels;
    let camera = &setup.camera;
    let wanted = camera.look.classes.iter().chain(camera.look.class_confidence.keys()).map(String::as_str);
    let mut wanted: Vec<_> = wanted.map(|class| ("it".to_owned(), class)).collect();
    for trigger in &camera.triggers {
        let mut classes = Vec::new();
        classes_of(&trigger.when, &mut classes);
        wanted.extend(classes.into_iter().map(|class| (format!("trigger {:?}", trigger.name), class)));
    }
    let unknown = wanted.iter().find(|(_, class)| !labels.is_empty() && labels.id_of(class.trim()).is_none());
    let Some((who, class)) = unknown else { return Ok(()) };
    let id = camera.id.as_str();
    let what = format!("{}: camera {id:?}: {who} wants {class:?}, a class that the model does not have", setup.place);
    Err(Error::new(ErrorCode::InvalidConfig, what))
}

fn classes_of<'c>(condition: &'c Condition, found: &mut Vec<&'c str>) {
    match condition {
        Condition::Present { classes, .. }
        | Condition::Count { classes, .. }
        | Condition::Enter { classes, .. }
        | Condition::Leave { classes, .. }
        | Condition::Absent { classes, .. } => found.extend(classes.iter().map(|class| &**class)),
        Condition::All(list) | Condition::Any(list) => list.iter().for_each(|inner| classes_of(inner, found)),
        Condition::Not(inner) => classes_of(inner, found),
        _ => {}
    }
}

/// Starts the decoders, those of cameras by their number, and counts the clips that cannot be opened.
fn open(arguments: &Arguments, config: &Config) -> Result<(Vec<(usize, VideoSource)>, usize), Error> {
    let (mut feeds, mut failed) = (Vec::new(), 0);
    for (at, setup) in config.cameras.iter().enumerate() {
        let source = SourceConfig { ffmpeg: arguments.ffmpeg.clone(), ..SourceConfig::default() };
        match VideoSource::open(&setup.file, source) {
            Ok(source) => feeds.push((at, source)),
            // Without the program there is nothing to hope for from the next clip.
            Err(error) if error.code() == ErrorCode::RuntimeUnavailable => return Err(error),
            Err(error) => {
                tell(setup, &error);
                failed += 1;
            }
        }
    }
    Ok((feeds, failed))
}

fn pipeline(
    arguments: &Arguments,
    config: &Config,
    detector: Detector,
    threads: &Threads,
    screen: &Arc<Screen>,
) -> Result<Pipeline, Error> {
    let local = LocalProvider::on_threads(detector, LocalProviderConfig::default(), threads)?;
    let mut builder = Pipeline::builder(Arc::new(local)).threads(threads);
    if let Some(pipeline) = &config.pipeline {
        builder = builder.config(pipeline.clone());
    }
    for setup in &config.sinks {
        let at_line = |error: Error| Error::new(error.code(), format!("{}: {error}", setup.place));
        let sink = sinks::open(setup, &arguments.out).map_err(at_line)?;
        builder = builder.sink_with(&setup.name, sink, setup.queue.clone());
    }
    let (to, line) = (Arc::clone(screen), EventLine::new(&config.cameras));
    let mut pictures = Pictures::new(&config.cameras, &arguments.out.join("events"), arguments.pictures);
    let complain = Arc::clone(screen);
    let draw = CallbackSink::new(move |event| {
        if let Err(error) = pictures.draw(event) {
            complain.say(&format!("no picture of an event: {error}"));
        }
    });
    // Drawing takes longer than an event, and pictures wait in memory: not many of them.
    let few = OutletConfig { capacity: 64, ..OutletConfig::default() };
    builder
        .sink("terminal", CallbackSink::new(move |event| to.say(&line.of(event))))
        .sink_with("pictures", Box::new(draw), few)
        .build()
}

/// Shows how it goes until every decoder has ended.
fn watch(pipeline: &Pipeline, screen: &Screen, decoders: &[(usize, JoinHandle<Result<(), Error>>)]) {
    let mut table = Table::new(SystemClock.now());
    while !decoders.iter().all(|(_, decoder)| decoder.is_finished()) {
        std::thread::park_timeout(Duration::from_millis(100));
        let now = SystemClock.now();
        if screen.wants_table(now) {
            screen.show(&table.lines(&pipeline.stats(), now), now);
        }
    }
    screen.end();
}

/// A name as a part of a file's name.
fn in_file_name(name: &str) -> String {
    name.chars().map(|c| if c.is_alphanumeric() || c == '-' || c == '_' { c } else { '-' }).collect()
}
