//! The Rust side of `make compare-motion`: background models that work on frames in a raw file and write their masks into
//! another, as compare/motion.py asks for it in JSON lines.

mod lines;

use guarita::clock::{Clock, SystemClock};
use guarita::frame::Layout;
use guarita::motion::{BackgroundModel, BackgroundModelConfig, Kernel};
use guarita::{Frame, PixelFormat, Size, Timestamp};
use lines::Failure;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
enum Request {
    Kernels,
    /// Makes a model; one with the same number is replaced.
    Open {
        model: usize,
        kernel: String,
        config: BackgroundModelConfig,
    },
    /// Drops all models and frames.
    Close,
    /// Reads frames that lie one after the other without padding.
    Load {
        file: PathBuf,
        width: u32,
        height: u32,
        channels: u32,
        frames: usize,
        known: Option<PathBuf>,
    },
    /// Every task sees the first frames that were loaded; its masks lie one after the other, task by task.
    Run {
        tasks: Vec<Task>,
        out: PathBuf,
    },
    /// A new model sees all frames at the automatic rate: nanoseconds of every frame.
    Time {
        kernel: String,
        config: BackgroundModelConfig,
    },
}

#[derive(Deserialize)]
struct Task {
    model: usize,
    /// One a frame; null is automatic.
    rates: Vec<Option<f64>>,
    known: bool,
}

#[derive(Default)]
struct State {
    models: BTreeMap<usize, BackgroundModel>,
    frames: Vec<Frame>,
    known: Vec<u8>,
}

fn main() -> Result<(), Failure> {
    let mut state = State::default();
    lines::serve(|request| state.answer(request))
}

fn name(kernel: Kernel) -> String {
    format!("{kernel:?}").to_lowercase()
}

fn model(kernel: &str, config: BackgroundModelConfig) -> Result<BackgroundModel, Failure> {
    let kernel = Kernel::available().into_iter().find(|&one| name(one) == kernel);
    let kernel = kernel.ok_or("no such kernel on this machine")?;
    Ok(BackgroundModel::new(config)?.with_kernel(kernel)?)
}

/// Bytes of memory that the process has in use; none where the system does not say.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

impl State {
    fn answer(&mut self, request: Request) -> Result<Value, Failure> {
        match request {
            Request::Kernels => {
                let default = BackgroundModel::new(BackgroundModelConfig::default())?.kernel();
                let kernels: Vec<String> = Kernel::available().into_iter().map(name).collect();
                Ok(json!({"ok": true, "kernels": kernels, "default": name(default)}))
            }
            Request::Open { model: number, kernel, config } => {
                self.models.insert(number, model(&kernel, config)?);
                Ok(json!({"ok": true}))
            }
            Request::Close => {
                *self = Self::default();
                Ok(json!({"ok": true}))
            }
            Request::Load { file, width, height, channels, frames, known } => {
                let format = match channels {
                    1 => PixelFormat::Gray8,
                    3 => PixelFormat::Bgr8,
                    _ => return Err("one or three channels".into()),
                };
                let layout = Layout::packed(format, Size::new(width, height))?;
                self.frames = load(&file, &layout, frames)?;
                self.known = known.map(std::fs::read).transpose()?.unwrap_or_default();
                Ok(json!({"ok": true}))
            }
            Request::Run { tasks, out } => self.run(&tasks, &out),
            Request::Time { kernel, config } => self.time(&kernel, config),
        }
    }

    fn run(&mut self, tasks: &[Task], out: &Path) -> Result<Value, Failure> {
        let mut out = BufWriter::new(std::fs::File::create(out)?);
        let mut mask = Vec::new();
        for task in tasks {
            let model = self.models.get_mut(&task.model).ok_or("no such model: open it first")?;
            for (k, &rate) in task.rates.iter().enumerate() {
                let frame = self.frames.get(k).ok_or("fewer frames than rates")?;
                let pixels = frame.size().pixels() as usize;
                mask.resize(pixels, 0);
                if task.known {
                    let known = self.known.get(k * pixels..(k + 1) * pixels).ok_or("no known foreground")?;
                    model.apply_known_foreground(frame, known, rate, &mut mask)?;
                } else {
                    model.apply(frame, rate, &mut mask)?;
                }
                out.write_all(&mask)?;
            }
        }
        out.flush()?;
        Ok(json!({"ok": true}))
    }

    fn time(&self, kernel: &str, config: BackgroundModelConfig) -> Result<Value, Failure> {
        let clock = SystemClock;
        let first = self.frames.first().ok_or("no frames: load them first")?;
        let mut mask = vec![0; first.size().pixels() as usize];
        let before = resident();
        let mut model = model(kernel, config)?;
        let mut times = Vec::with_capacity(self.frames.len());
        for frame in &self.frames {
            let start: Timestamp = clock.now();
            model.apply(frame, None, &mut mask)?;
            times.push((clock.now() - start).as_nanos() as u64);
        }
        let state = before.zip(resident()).map(|(before, after)| after.saturating_sub(before));
        Ok(json!({"ok": true, "ns": times, "state_bytes": state}))
    }
}

fn load(file: &Path, layout: &Layout, frames: usize) -> Result<Vec<Frame>, Failure> {
    let data = std::fs::read(file)?;
    let frames: Result<Vec<Frame>, Failure> = data
        .chunks_exact(layout.byte_len())
        .take(frames)
        .map(|pixels| Ok(Frame::copy_from(pixels, layout.clone())?))
        .collect();
    frames
}
