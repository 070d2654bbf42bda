use super::account::Account;
use super::histogram::Histogram;
use super::job::Stage;
use crate::clock::Timestamp;
use crate::error::ErrorCode;
use crate::event::OutletStats;
use crate::frame::CameraId;
use crate::motion::MotionState;
use crate::provider::{Health, Priority};
use crate::seconds::Seconds;
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Statistics of a pipeline.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PipelineStats {
    /// What became of all frames, also of cameras that were removed.
    pub account: Account,
    /// The part of it that is of cameras which were removed.
    pub removed: Account,
    /// The cameras, by name.
    pub cameras: Vec<CameraStats>,
    /// Frames that wait for the motion gate.
    pub waiting_gate: usize,
    /// Frames that wait for their turn to be looked at.
    pub waiting_look: usize,
    /// Whole pictures that wait for their batch.
    pub prepared: usize,
    /// Requests that the provider has in hand.
    pub requests: usize,
    /// Requests that the provider never answered; each keeps one of its places.
    pub overdue: usize,
    /// The memory of frames that were pushed and have not ended, in bytes.
    pub bytes: u64,
    /// Requests that were sent.
    pub batches: u64,
    /// Frames in them.
    pub batched: u64,
    /// Frames that a request may have.
    pub max_batch: usize,
    /// The time in each stage.
    pub stages: BTreeMap<&'static str, Histogram>,
    /// From the push to the gate's decision.
    pub gate_age: Histogram,
    /// From the push to the end, of frames that were looked at.
    pub age: Histogram,
    /// Events, by camera and trigger.
    pub events: BTreeMap<(CameraId, Arc<str>), u64>,
    /// Sinks, triggers of the host, and callbacks.
    pub outlets: Vec<OutletStats>,
    /// The threads that compute: those that were lent.
    pub threads: usize,
    /// The threads that wait: one for time, and one for each sink, trigger of the host, and callback.
    pub waiting_threads: usize,
    /// How the provider does.
    pub provider: Health,
}

impl PipelineStats {
    /// How full the batches were on average, 0..1; 0 before the first one.
    pub fn batch_fill(&self) -> f64 {
        let most = self.batches as f64 * self.max_batch as f64;
        if most > 0.0 { self.batched as f64 / most } else { 0.0 }
    }

    /// The time in a stage.
    pub fn stage(&self, stage: Stage) -> Option<&Histogram> {
        self.stages.get(stage.as_str())
    }
}

/// What a face shows of it: the ages as percentiles, what waits and how full batches were as one number each.
impl Serialize for PipelineStats {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let age = |share: f64| self.age.percentile(share).as_secs_f64();
        let mut data = serializer.serialize_struct("PipelineStats", 10)?;
        data.serialize_field("account", &self.account)?;
        data.serialize_field("removed", &self.removed)?;
        data.serialize_field("cameras", &self.cameras)?;
        data.serialize_field("age_p50", &age(0.5))?;
        data.serialize_field("age_p99", &age(0.99))?;
        data.serialize_field("waiting", &(self.waiting_gate + self.waiting_look))?;
        data.serialize_field("bytes", &self.bytes)?;
        data.serialize_field("batch_fill", &self.batch_fill())?;
        data.serialize_field("outlets", &self.outlets)?;
        data.serialize_field("provider", &self.provider)?;
        data.end()
    }
}

/// Statistics of one camera.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CameraStats {
    /// Its name.
    pub id: CameraId,
    /// Its priority.
    pub priority: Priority,
    /// Whether it, or the whole pipeline, is paused.
    pub paused: bool,
    /// What became of its frames.
    pub account: Account,
    /// What the motion gate takes its picture for; none without a gate, and before the first frame.
    pub gate: Option<MotionState>,
    /// Whether the gate is open.
    pub gate_open: bool,
    /// Frames that the gate saw, and those of them that it let pass.
    pub gated: (u64, u64),
    /// Events of its own triggers; those of the host's are in [`PipelineStats::events`].
    pub events: u64,
    /// Presentation time of the last frame that ended.
    pub last_pts: Option<Timestamp>,
    /// The last failure, and when.
    pub last_failure: Option<(ErrorCode, Timestamp)>,
    /// The age at their end of the last frames that were looked at, on average.
    pub age: Option<Duration>,
}

impl CameraStats {
    /// The share of the frames that the gate saw in which it was open, 0..1.
    pub fn open_fraction(&self) -> f64 {
        let (seen, opened) = self.gated;
        if seen > 0 { opened as f64 / seen as f64 } else { 0.0 }
    }
}

/// Times in seconds, and the share of frames that passed the gate in place of two counts.
impl Serialize for CameraStats {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let failure = |(code, at): (ErrorCode, Timestamp)| Failure { code, at: at.seconds() };
        let mut data = serializer.serialize_struct("CameraStats", 11)?;
        data.serialize_field("id", &self.id)?;
        data.serialize_field("priority", &self.priority)?;
        data.serialize_field("paused", &self.paused)?;
        data.serialize_field("account", &self.account)?;
        data.serialize_field("gate", &self.gate)?;
        data.serialize_field("gate_open", &self.gate_open)?;
        data.serialize_field("open_fraction", &self.open_fraction())?;
        data.serialize_field("events", &self.events)?;
        data.serialize_field("last_pts", &self.last_pts.seconds())?;
        data.serialize_field("last_failure", &self.last_failure.map(failure))?;
        data.serialize_field("age", &self.age.seconds())?;
        data.end()
    }
}

#[derive(Serialize)]
struct Failure {
    code: ErrorCode,
    at: Option<f64>,
}

/// Health of a pipeline.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PipelineHealth {
    /// It has not been shut down.
    pub live: bool,
    /// It takes frames, and the provider takes requests.
    pub ready: bool,
    /// What is not as it should be, for people; empty where all is well.
    pub degraded: Vec<String>,
    /// How the provider does.
    pub provider: Health,
}

/// Report on a shutdown.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Every frame was brought to its end before the deadline.
    pub drained: bool,
    /// What became of all frames.
    pub account: Account,
    /// Sinks, triggers of the host, and callbacks: what was delivered, and what was not.
    pub outlets: Vec<OutletStats>,
    /// Outlets that did not end: their code hangs, and was abandoned.
    pub hanging: Vec<Arc<str>>,
}
