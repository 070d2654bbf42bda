//! The Rust side of `make compare-gate`: scenes, the gate's decisions on them, and the accounting of anybody's
//! decisions, as compare/gate.py asks for it in JSON lines.

mod lines;

use guarita::clock::{Clock, SystemClock};
use guarita::frame::{FrameMeta, Layout};
use guarita::motion::{Motion, OpenReason};
use guarita::{Frame, MotionGate, MotionGateConfig, PixelFormat, Size, Timestamp};
use guarita_benches::account::{Account, Course, Seconds, lingering};
use guarita_benches::scenes::{self, SIZE, Scene};
use lines::Failure;
use serde::Deserialize;
use serde_json::{Value, json};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
enum Request {
    /// All scenes as this seed draws them, and the gate's default settings.
    Scenes { seed: u64 },
    /// Starts a film at a frame rate. Every gate sees each n-th frame, by its own n.
    Open { source: Source, fps: f64, every: Vec<usize> },
    /// The next frames and what every gate decided. The luma of a scene goes into the file, where one is wanted; other
    /// films come out of it.
    Step { frames: usize, file: Option<PathBuf> },
    /// Whole pictures at some times, I420, one after the other, and what is so in them.
    Pictures { scene: String, times: Vec<f64>, out: PathBuf },
    /// What somebody's decisions on a scene are worth; `moves` has one for every frame.
    Account { scene: String, fps: f64, moves: Vec<bool> },
    /// What somebody's openings on a scene are worth by seconds; `open` has one for every frame, heartbeats left out.
    Seconds { scene: String, fps: f64, open: Vec<bool> },
    /// Whether a gate is open that lingers after each of these moves.
    Linger { fps: f64, moves: Vec<bool> },
    /// A new gate sees all gray frames of a file, or the same as BGR: nanoseconds of every frame.
    Time { file: PathBuf, size: Size, fps: f64, bgr: bool },
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Source {
    Scene(String),
    /// Gray frames of this size.
    Gray(Size),
}

enum Film {
    Scene(usize),
    Gray(Size),
}

#[derive(Default)]
struct State {
    scenes: Vec<Scene>,
    running: Option<Running>,
}

struct Running {
    film: Film,
    fps: f64,
    /// The number of the next frame.
    at: usize,
    gates: Vec<(usize, MotionGate)>,
}

fn main() -> Result<(), Failure> {
    let mut state = State::default();
    lines::serve(|request| state.answer(request))
}

fn decision(motion: &Motion) -> Value {
    let regions: Vec<[f32; 4]> = motion.regions.iter().map(|region| region.to_array()).collect();
    json!({
        "move": motion.reason == Some(OpenReason::Motion),
        "open": motion.open,
        "reason": motion.reason.map(|reason| format!("{reason:?}")),
        "state": format!("{:?}", motion.state),
        "fraction": motion.fraction,
        "regions": regions,
    })
}

fn in_bgr(gray: &Frame) -> guarita::Result<Frame> {
    let pixels: Vec<u8> = gray.plane(0).iter().flat_map(|&level| [level; 3]).collect();
    Ok(Frame::from_owner(pixels, Layout::packed(PixelFormat::Bgr8, gray.size())?)?.with_meta(gray.meta().clone()))
}

fn truth(scene: &Scene, t: f64) -> Value {
    let truth = scene.truth(t);
    let objects = truth.objects.iter();
    let objects: Vec<Value> =
        objects.map(|o| json!({"box": o.bbox.to_array(), "visible": o.visible, "moving": o.moving})).collect();
    json!({"t": t, "objects": objects, "disturbance": truth.disturbance})
}

impl State {
    fn scene(&self, name: &str) -> Result<usize, Failure> {
        let found = self.scenes.iter().position(|scene| scene.name() == name);
        found.ok_or_else(|| format!("no scene {name}").into())
    }

    fn answer(&mut self, request: Request) -> Result<Value, Failure> {
        match request {
            Request::Scenes { seed } => {
                self.scenes = scenes::from_seed(seed);
                self.scenes.extend(scenes::footage(seed));
                let scenes: Vec<Value> = self.scenes.iter().map(described).collect();
                Ok(json!({"ok": true, "scenes": scenes, "config": MotionGateConfig::default(),
                    "width": SIZE.width, "height": SIZE.height}))
            }
            Request::Open { source, fps, every } => {
                let film = match source {
                    Source::Scene(name) => Film::Scene(self.scene(&name)?),
                    Source::Gray(size) => Film::Gray(size),
                };
                let gate = |n| Ok((n, MotionGate::new(MotionGateConfig::default())?));
                let gates: Result<Vec<_>, Failure> = every.into_iter().map(gate).collect();
                self.running = Some(Running { film, fps, at: 0, gates: gates? });
                Ok(json!({"ok": true}))
            }
            Request::Step { frames, file } => self.step(frames, file.as_deref()),
            Request::Pictures { scene, times, out } => {
                let scene = &self.scenes[self.scene(&scene)?];
                let mut out = BufWriter::new(std::fs::File::create(out)?);
                let mut truths = Vec::new();
                for t in times {
                    out.write_all(scene.frame(t)?.data().unwrap_or_default())?;
                    truths.push(truth(scene, t));
                }
                out.flush()?;
                Ok(json!({"ok": true, "truth": truths}))
            }
            Request::Account { scene, fps, moves } => {
                let course = Course::of(&self.scenes[self.scene(&scene)?]);
                let account = Account::of(&course, fps, &moves, MotionGateConfig::default().linger_s);
                Ok(json!({"ok": true, "account": account}))
            }
            Request::Seconds { scene, fps, open } => {
                let course = Course::of(&self.scenes[self.scene(&scene)?]);
                let seconds = Seconds::of(&course, fps, &open, MotionGateConfig::default().linger_s);
                Ok(json!({"ok": true, "seconds": seconds}))
            }
            Request::Linger { fps, moves } => {
                Ok(json!({"ok": true, "open": lingering(&moves, fps, MotionGateConfig::default().linger_s)}))
            }
            Request::Time { file, size, fps, bgr } => {
                let frames = load(&file, size, fps, 0)?;
                time(&if bgr { frames.iter().map(in_bgr).collect::<Result<_, _>>()? } else { frames })
            }
        }
    }

    fn step(&mut self, frames: usize, file: Option<&Path>) -> Result<Value, Failure> {
        let running = self.running.as_mut().ok_or("nothing is open")?;
        let from = running.at;
        running.at += frames;
        let mut truths = Vec::new();
        let frames = match running.film {
            Film::Scene(number) => {
                let scene = &self.scenes[number];
                let times: Vec<f64> = (from..running.at).map(|k| k as f64 / running.fps).collect();
                truths.extend(times.iter().map(|&t| truth(scene, t)));
                let frames = times.into_iter().map(|t| scene.frame(t)).collect::<guarita::Result<Vec<Frame>>>()?;
                if let Some(file) = file {
                    let luma: Vec<&[u8]> =
                        frames.iter().map(|frame| &frame.plane(0)[..SIZE.pixels() as usize]).collect();
                    std::fs::write(file, luma.concat())?;
                }
                frames
            }
            Film::Gray(size) => load(file.ok_or("which file?")?, size, running.fps, from)?,
        };
        let mut decisions = vec![Vec::new(); running.gates.len()];
        for (k, frame) in frames.iter().enumerate() {
            for ((every, gate), decisions) in running.gates.iter_mut().zip(&mut decisions) {
                if (from + k).is_multiple_of(*every) {
                    decisions.push(decision(&gate.observe(frame)?));
                }
            }
        }
        Ok(json!({"ok": true, "decisions": decisions, "truth": truths}))
    }
}

fn described(scene: &Scene) -> Value {
    let events = scene.events();
    let events: Vec<Value> = events
        .iter()
        .map(|event| json!({"name": event.name, "start_s": event.start_s, "end_s": event.end_s}))
        .collect();
    json!({"name": scene.name(), "duration_s": scene.duration_s(), "theme": format!("{:?}", scene.theme),
        "night": scene.night, "noise": scene.noise, "events": events})
}

/// Gray frames that lie one after the other, with times at this rate; the first has this number.
fn load(file: &Path, size: Size, fps: f64, first: usize) -> Result<Vec<Frame>, Failure> {
    let layout = Layout::packed(PixelFormat::Gray8, size)?;
    let data = std::fs::read(file)?;
    let frame = |(k, pixels): (usize, &[u8])| {
        let pts = Timestamp::from_nanos(((first + k) as f64 * 1e9 / fps) as i64);
        let meta = FrameMeta { pts, ..FrameMeta::default() };
        Ok(Frame::copy_from(pixels, layout.clone())?.with_meta(meta))
    };
    data.chunks_exact(layout.byte_len()).enumerate().map(frame).collect()
}

fn time(frames: &[Frame]) -> Result<Value, Failure> {
    let clock = SystemClock;
    let mut gate = MotionGate::new(MotionGateConfig::default())?;
    let mut times = Vec::with_capacity(frames.len());
    for frame in frames {
        let start: Timestamp = clock.now();
        gate.observe(frame)?;
        times.push((clock.now() - start).as_nanos() as u64);
    }
    Ok(json!({"ok": true, "ns": times}))
}
