//! Gate stage: motion gate and result cache of a camera.

use super::cache::{Fingerprint, ResultCache, Thumbnail};
use super::config::CameraConfig;
use super::input::Input;
use super::job::{Found, Job};
use super::prepare_stage::meta;
use super::scheduler::Verdict;
use crate::clock::Timestamp;
use crate::detection::Detections;
use crate::error::Result;
use crate::frame::{DecodeOptions, Frame};
use crate::imaging::mean_luma;
use crate::motion::{MotionGate, MotionGateConfig, MotionState};
use crate::provider::Answer;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// An answer that the cache keeps.
pub(super) type Known = (Detections, Answer);

/// The first stage of a camera's frames: motion gate and result cache.
#[derive(Debug)]
pub(super) struct GateStage {
    config: Arc<CameraConfig>,
    gate: Option<MotionGate>,
    cache: ResultCache<Known>,
    /// For statistics.
    pub(super) seen: GateSeen,
}

/// How a camera's gate stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct GateSeen {
    pub(super) state: Option<MotionState>,
    pub(super) open: bool,
    pub(super) frames: u64,
    pub(super) opened: u64,
}

impl GateStage {
    pub(super) fn new(config: Arc<CameraConfig>) -> Result<Self> {
        let gate = config.gate()?;
        let cache = ResultCache::new(config.cache.clone())?;
        Ok(Self { config, gate, cache, seen: GateSeen::default() })
    }

    /// Applies another config; the gate's state is kept where the new one looks at the same picture.
    pub(super) fn update(&mut self, config: Arc<CameraConfig>) -> Result<()> {
        if Arc::ptr_eq(&config, &self.config) {
            return Ok(());
        }
        let mut next = Self::new(config)?;
        if let (Some(old), Some(new)) = (&self.gate, &mut next.gate) {
            // Of another place or size: it starts cold.
            let _ = new.restore(&old.snapshot());
        }
        next.seen = self.seen;
        if asks_the_same(&next.config, &self.config) && next.config.cache == self.config.cache {
            std::mem::swap(&mut next.cache, &mut self.cache);
        }
        *self = next;
        Ok(())
    }

    /// Snapshot of the gate's state; none without a gate.
    pub(super) fn snapshot(&self) -> Option<Arc<[u8]>> {
        self.gate.as_ref().map(|gate| gate.snapshot().into())
    }

    /// Restores a saved state; an error where the gate starts cold.
    pub(super) fn resume(&mut self, seen: GateSeen, snapshot: Option<&[u8]>) -> Result<()> {
        self.seen = seen;
        match (&mut self.gate, snapshot) {
            (Some(gate), Some(snapshot)) => gate.restore(snapshot),
            _ => Ok(()),
        }
    }

    /// Runs a frame through the gate and the cache.
    pub(super) fn look(&mut self, job: &mut Job, now: Timestamp) -> Result<Verdict> {
        let near = self.cache.wants_thumbnail();
        let meta = meta(job, &self.config.id);
        let small = match &job.input {
            Input::Raw(frame) => Some(frame.clone()),
            Input::Encoded(_) if self.gate.is_none() && !near => None,
            Input::Encoded(encoded) => {
                let options = DecodeOptions { limits: self.config.limits, ..DecodeOptions::default() };
                Some(Frame::decode_reduced(encoded.bytes(), &options, self.min_width())?)
            }
        }
        .map(|frame| frame.with_meta(meta));
        let decision = &mut job.passage.decision;
        if let Some(small) = &small {
            let luma = mean_luma(small);
            job.luma = Some(luma);
            decision.luma = luma;
        }
        if let (Some(gate), Some(small)) = (&mut self.gate, &small) {
            let motion = gate.observe(small)?;
            (decision.gate, decision.open, decision.motion) = (Some(motion.state), motion.reason, motion.fraction);
            decision.ignored = motion.ignored;
            self.seen.state = Some(motion.state);
            self.seen.open = motion.open;
            self.seen.frames = self.seen.frames.saturating_add(1);
            if !motion.open {
                return Ok(Verdict::Closed);
            }
            self.seen.opened = self.seen.opened.saturating_add(1);
        }
        if self.config.cache.capacity == 0 {
            return Ok(Verdict::Open);
        }
        let fingerprint = match &job.input {
            Input::Raw(frame) => Fingerprint::of_frame(frame),
            Input::Encoded(encoded) => Fingerprint::of_bytes(encoded.bytes()),
        };
        let thumbnail =
            small.filter(|_| near).map(|small| Thumbnail::of(&small, &self.config.include, &self.config.exclude));
        let known = self.cache.get(&fingerprint, thumbnail.as_ref(), now).map(|hit| hit.value.clone());
        job.fingerprint = Some(fingerprint);
        job.thumbnail = thumbnail;
        Ok(match known {
            Some((detections, answer)) => Verdict::Known(Found::Cached { detections, answer }),
            None => Verdict::Open,
        })
    }

    /// Keeps an answer for the same picture.
    pub(super) fn learn(
        &mut self,
        job: &Job,
        fingerprint: Fingerprint,
        detections: &Detections,
        answer: &Answer,
        now: Timestamp,
    ) {
        // The answer may come after a change of the config: it is one to another question then.
        if asks_the_same(&job.config, &self.config) {
            self.cache.put(fingerprint, job.thumbnail.clone(), (detections.clone(), answer.clone()), now);
        }
    }

    /// The least width of a picture that the gate loses nothing by.
    fn min_width(&self) -> u32 {
        let usual = || MotionGateConfig::default().working_width;
        let width = self.config.motion.as_ref().map_or_else(usual, |motion| motion.working_width);
        if width == 0 { u32::MAX } else { width }
    }
}

/// Whether answers of the provider under one config serve under the other: the same filters apply.
fn asks_the_same(one: &CameraConfig, other: &CameraConfig) -> bool {
    one.look.want == other.look.want
        && one.look.min_confidence == other.look.min_confidence
        && one.look.class_confidence == other.look.class_confidence
        && one.look.low_light == other.look.low_light
}
