//! The Rust side of `make compare-pipeline`: draws the cameras' pictures, and runs the pipeline on them, as
//! compare/pipeline.py asks for it in JSON lines.

mod lines;

use guarita_benches::cameras::{self, SIZE, STILL, STREETS, Street, WALK};
use lines::Failure;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::PathBuf;

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
#[expect(dead_code, reason = "read by the pipeline, which comes next")]
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
}

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
    /// Of the frames of each camera that reached their outcome.
    jain: f64,
    /// The most that was resident, the pictures (50 MB) included; this process does nothing else.
    rss_gb: f64,
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
    Err(format!("the pipeline does not exist yet: {} cameras wait for it", job.cameras).into())
}
