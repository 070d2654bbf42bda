//! The Rust side of `make compare-pipeline`: draws the cameras' pictures, and runs the pipeline on them, as
//! compare/pipeline.py asks for it in JSON lines.
#![allow(clippy::disallowed_methods, reason = "it pushes in real time, and measures")]

mod lines;

use guarita::frame::FrameMeta;
use guarita::pipeline::{Account, EncodedFrame, PipelineStats};
use guarita::provider::{LocalProviderConfig, Priority};
use guarita::{CameraConfig, Detector, DetectorConfig, LocalProvider, Pipeline, Threads, Timestamp};
use guarita_benches::cameras::{self, Pictures, SIZE, STILL, STREETS, Street, WALK, jain};
use lines::Failure;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
enum Request {
    /// What there is to draw, and which picture comes when.
    Plan { cameras: usize },
    /// A street's pictures, packed BGR, one after the other.
    Draw { street: usize, seed: u64, out: PathBuf },
    /// The pipeline on these cameras.
    Run(Job),
}

/// What the pipeline has to do.
#[derive(Debug, Deserialize)]
struct Job {
    /// Where the pictures are: `<street>-<picture>.jpg`, two digits each.
    folder: PathBuf,
    /// The default detector.
    model: PathBuf,
    /// How many cameras, each at one picture a second.
    cameras: usize,
    /// All threads, inference included.
    threads: usize,
    /// Seconds that count, after as many as the gates need to get used to their streets.
    seconds: f64,
    warm_up: f64,
    /// Pictures a second of each camera; all of them are to be looked at. The first [`CRITICAL`] cameras are critical and
    /// keep to one a second.
    rate: u32,
}

/// Critical cameras where there is more to do than can be done.
const CRITICAL: usize = 5;

/// What came of it. All but `hand_over_us` are of the seconds that count.
#[derive(Debug, Serialize)]
struct Figures {
    /// Frames that were pushed.
    pushed: u64,
    /// Those that were dropped or failed: which ended otherwise than looked at, or passed over as still.
    lost: u64,
    /// Frames for which the gate was open.
    opened: u64,
    /// From push to the outcome.
    p50_age_ms: f64,
    p99_age_ms: f64,
    /// The same of the critical cameras.
    critical_pushed: u64,
    critical_lost: u64,
    /// From push to the gate's decision.
    p99_gate_ms: f64,
    /// Of the frames of each camera that is not critical which the gate or the detector looked at.
    jain: f64,
    /// The most that was resident, the pictures (50 MB) included; this process does nothing else.
    rss_gb: f64,
    /// What was resident at the beginning of the seconds that count, and at their end.
    rss_begin_gb: f64,
    rss_end_gb: f64,
    threads: usize,
    /// Of all cores that were given, 0..100.
    cpu_percent: f64,
    /// The median of a call of `camera.push`.
    hand_over_us: f64,
}

fn main() -> Result<(), Failure> {
    lines::serve(answer)
}

fn answer(request: Request) -> Result<Value, Failure> {
    match request {
        Request::Plan { cameras: count } => {
            let cameras: Vec<_> = (0..count).map(cameras::camera).collect();
            Ok(json!({"ok": true, "width": SIZE.width, "height": SIZE.height, "streets": STREETS,
                "still": STILL, "walk": WALK, "course": cameras::course(), "cameras": cameras}))
        }
        Request::Draw { street, seed, out } => {
            let street = Street::paint(seed.wrapping_add(street as u64));
            let pictures: Vec<_> = (0..STILL + WALK).map(|number| street.picture(number)).collect();
            std::fs::write(out, pictures.concat())?;
            Ok(json!({"ok": true}))
        }
        Request::Run(job) => Ok(json!({"ok": true, "figures": guarita_side(&job)?})),
    }
}

/// Runs the pipeline in real time: pushes what every camera shows, second by second, each camera at its own moment of the
/// second. Without the cache of results, since cameras share pictures.
fn guarita_side(job: &Job) -> Result<Figures, Failure> {
    let pictures = Pictures::read(&job.folder)?;
    let threads = Threads::new(job.threads)?;
    let detector = Detector::open_file(&job.model, DetectorConfig::default())?;
    let local = LocalProvider::on_threads(detector, LocalProviderConfig::default(), &threads)?;
    let pipeline = Pipeline::builder(Arc::new(local)).threads(&threads).build()?;
    let overload = job.rate > 1;
    let cameras = (0..job.cameras)
        .map(|number| {
            let mut config = CameraConfig::new(&format!("camera-{number:03}"));
            config.fps = 0.0;
            config.cache.capacity = 0;
            if overload && number < CRITICAL {
                config.priority = Priority::Critical;
            }
            pipeline.add_camera(config)
        })
        .collect::<Result<Vec<_>, _>>()?;
    let rate = |number: usize| if overload && number < CRITICAL { 1 } else { job.rate };

    // All pushes of a second in the order of their moments, in microseconds.
    let mut pushes: Vec<(u64, usize, u32)> = (0..job.cameras)
        .flat_map(|number| {
            let phase = 1_000_000 * number as u64 / job.cameras as u64 / u64::from(rate(number));
            (0..rate(number)).map(move |k| (phase + 1_000_000 * u64::from(k) / u64::from(rate(number)), number, k))
        })
        .collect();
    pushes.sort_unstable();

    let begun = Instant::now();
    let mut calls = Vec::new();
    let mut before: Option<(PipelineStats, Duration, f64, Instant)> = None;
    let seconds = (job.warm_up + job.seconds).ceil() as u64;
    for second in 0..seconds {
        if before.is_none() && second as f64 >= job.warm_up {
            before = Some((pipeline.stats(), processor_time(), resident_gb("VmRSS"), Instant::now()));
        }
        for &(moment, number, k) in &pushes {
            let at = Duration::from_secs(second) + Duration::from_micros(moment);
            std::thread::sleep(at.saturating_sub(begun.elapsed()));
            let tick = second as usize * rate(number) as usize + k as usize;
            let picture = if (second as f64) < job.warm_up {
                // The first seconds show the empty street, so that the gate knows it before anything counts.
                pictures.still(number, tick)
            } else {
                pictures.at(number, tick).0
            };
            let pts = Timestamp::from_nanos(i64::try_from(at.as_nanos())?);
            let frame = EncodedFrame::from_owner(Arc::clone(picture), FrameMeta { pts, ..FrameMeta::default() });
            let call = Instant::now();
            let admission = cameras[number].push(frame);
            let took = call.elapsed();
            if before.is_some() {
                calls.push(took);
            }
            drop(admission);
        }
    }
    let Some((earlier, processor, rss_begin_gb, since)) = before else { return Err("no seconds that count".into()) };
    let wall = since.elapsed();
    let processor = processor_time().saturating_sub(processor);
    let rss_end_gb = resident_gb("VmRSS");
    let report = pipeline.shutdown(Duration::from_secs(10));
    if !report.account.balances() || report.account.in_flight > 0 {
        return Err(format!("the account does not add up: {:?}", report.account).into());
    }
    let stats = pipeline.stats();

    // Of the seconds that count: pushed, lost, and looked at by the gate or the detector.
    let of = |number: usize| {
        let account = |stats: &PipelineStats| stats.cameras[number].account.clone();
        let (now, then) = (account(&stats), account(&earlier));
        let lost = |account: &Account| account.outcomes.dropped() + account.outcomes.failed();
        let lost = lost(&now) - lost(&then);
        let pushed = now.pushed - then.pushed;
        (pushed, lost, (pushed - lost) as f64)
    };
    let critical = if overload { CRITICAL } else { 0 };
    let (critical_pushed, critical_lost) =
        (0..critical).map(of).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    let others: Vec<_> = (critical..job.cameras).map(of).collect();
    let gate_age = stats.gate_age.since(&earlier.gate_age);
    let age = stats.age.since(&earlier.age);
    calls.sort_unstable();
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    Ok(Figures {
        pushed: critical_pushed + others.iter().map(|(pushed, ..)| pushed).sum::<u64>(),
        lost: critical_lost + others.iter().map(|(_, lost, _)| lost).sum::<u64>(),
        opened: age.count(),
        critical_pushed,
        critical_lost,
        p50_age_ms: ms(gate_age.percentile(0.5).max(age.percentile(0.5))),
        p99_age_ms: ms(gate_age.percentile(0.99).max(age.percentile(0.99))),
        p99_gate_ms: ms(gate_age.percentile(0.99)),
        jain: jain(&others.iter().map(|(.., seen)| *seen).collect::<Vec<_>>()),
        rss_gb: resident_gb("VmHWM"),
        rss_begin_gb,
        rss_end_gb,
        threads: stats.threads + stats.waiting_threads,
        cpu_percent: 100.0 * processor.as_secs_f64() / wall.as_secs_f64() / job.threads as f64,
        hand_over_us: calls.get(calls.len() / 2).map_or(0.0, |call| call.as_secs_f64() * 1e6),
    })
}

/// A line of /proc/self/status, such as `VmRSS`, in gigabytes; 0 where there is none.
fn resident_gb(name: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<f64>().ok());
    kib.unwrap_or(0.0) * 1024.0 / 1e9
}

/// What all threads of this process used so far, from /proc/self/stat, in steps of 10 ms.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name in brackets may hold spaces; of the fields behind it, user and system time are the 12th and the 13th.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let ticks: u64 = fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}
