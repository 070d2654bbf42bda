use super::account::Passage;
use super::cache::{Fingerprint, Thumbnail};
use super::config::CameraConfig;
use super::fair::Key;
use super::frame_time::FrameTime;
use super::input::Input;
use crate::clock::Timestamp;
use crate::detection::Detections;
use crate::frame::Frame;
use crate::provider::Answer;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A frame in flight, with everything known about it.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) key: Key,
    pub(super) passage: Passage,
    pub(super) civil_ns: i64,
    pub(super) config: Arc<CameraConfig>,
    pub(super) input: Input,
    /// The whole picture, from `Prepare` on.
    pub(super) frame: Option<Frame>,
    /// Mean luma, where somebody looked.
    pub(super) luma: Option<u8>,
    /// Key of the picture in the result cache.
    pub(super) fingerprint: Option<Fingerprint>,
    pub(super) thumbnail: Option<Thumbnail>,
    /// Its slot in the order of its camera, once the gate let it pass.
    pub(super) slot: Option<u64>,
    /// Whether it goes to the provider alone: a batch that it was in was refused.
    pub(super) alone: bool,
    pub(super) times: StageTimes,
}

impl Job {
    pub(super) fn time(&self) -> FrameTime {
        FrameTime { pts: self.passage.decision.to, time: self.passage.decision.time, civil_ns: self.civil_ns }
    }

    /// Ends the time in a stage, and begins that in the next one.
    pub(super) fn step(&mut self, stage: Stage, now: Timestamp) -> Duration {
        let took = now - self.passage.since;
        self.passage.since = self.passage.since.max(now);
        self.times.note(stage, took);
        took
    }
}

/// A stage of a frame's processing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(usize)]
#[non_exhaustive]
pub enum Stage {
    /// Waiting for the motion gate.
    GateWait,
    /// In the motion gate, the small decoding included.
    Gate,
    /// Waiting for its turn to be looked at.
    Queue,
    /// Decoding the whole picture.
    Prepare,
    /// Waiting for the rest of its batch.
    Batch,
    /// With the provider.
    Provider,
    /// Waiting for earlier frames of its camera, then filters, triggers and the making of events.
    Finish,
}

impl Stage {
    /// All of them, in the order of a frame's way.
    pub const ALL: [Self; 7] =
        [Self::GateWait, Self::Gate, Self::Queue, Self::Prepare, Self::Batch, Self::Provider, Self::Finish];

    /// The name: `gate_wait`, `gate`, `queue`, `prepare`, `batch`, `provider`, `finish`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::GateWait => "gate_wait",
            Self::Gate => "gate",
            Self::Queue => "queue",
            Self::Prepare => "prepare",
            Self::Batch => "batch",
            Self::Provider => "provider",
            Self::Finish => "finish",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Microseconds in each stage.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct StageTimes {
    us: [u32; Stage::ALL.len()],
    /// The place of the stage that it is in now.
    now: usize,
}

impl StageTimes {
    fn note(&mut self, stage: Stage, took: Duration) {
        if let Some(time) = self.us.get_mut(stage as usize) {
            *time = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
        }
        self.now = stage as usize + 1;
    }

    /// The stage that took longest of a frame of this age: also the one that it did not come out of.
    pub(super) fn slowest(&self, age: Duration) -> (Stage, Duration) {
        let done: u64 = self.us.iter().map(|us| u64::from(*us)).sum();
        let left = age.saturating_sub(Duration::from_micros(done));
        let times = Stage::ALL.into_iter().zip(self.us).map(|(stage, us)| (stage, Duration::from_micros(us.into())));
        let now = Stage::ALL.get(self.now).map(|stage| (*stage, left));
        times.chain(now).max_by_key(|(_, took)| *took).unwrap_or((Stage::GateWait, age))
    }
}

/// What was found in a frame, by the provider or in the cache.
#[derive(Debug)]
pub(super) enum Found {
    /// The provider looked.
    Looked { detections: Detections, answer: Answer },
    /// The same picture had been looked at.
    Cached { detections: Detections, answer: Answer },
}

/// Input of a camera's triggers, in the order of its frames.
#[derive(Debug)]
pub(super) enum Item {
    Found(Box<Job>, Found),
    /// Nothing moved.
    Unchanged(FrameTime),
}

/// Remains of an ended frame, dropped without a lock held: its pixels may belong to the host, whose code runs on drop.
#[derive(Debug)]
pub(super) struct Leftover {
    pub(super) _input: Option<Input>,
    pub(super) _frame: Option<Frame>,
    pub(super) slow: Option<Slow>,
}

/// A frame that took long.
#[derive(Debug)]
pub(super) struct Slow {
    pub(super) camera: crate::frame::CameraId,
    pub(super) pts: Timestamp,
    pub(super) age: Duration,
    pub(super) stage: Stage,
    pub(super) in_stage: Duration,
    pub(super) outcome: super::Outcome,
}
