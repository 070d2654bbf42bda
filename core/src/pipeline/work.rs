//! What a thread does with one frame of a camera: decisions are those of the gate, the cache, and the triggers.

use super::cache::{Fingerprint, ResultCache, Thumbnail};
use super::checkpoint::{Kept, json};
use super::config::CameraConfig;
use super::frame_time::FrameTime;
use super::input::Input;
use super::job::{Found, Item, Job};
use super::scheduler::Verdict;
use crate::clock::Timestamp;
use crate::detection::Detections;
use crate::error::Result;
use crate::event::{
    Condition, Event, EventId, Firing, FrameResult, PictureWanted, Scene, Trigger, TriggerMachine, picture,
};
use crate::frame::{CameraId, DecodeOptions, Frame, FrameMeta};
use crate::geometry::Size;
use crate::imaging::mean_luma;
use crate::motion::{MotionGate, MotionState};
use crate::provider::Answer;
use crate::tracking::{Confirm, Object};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// An answer that the cache keeps.
pub(super) type Known = (Detections, Answer);

/// What a camera's frames are shown to first.
#[derive(Debug)]
pub(super) struct GateWork {
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

impl GateWork {
    pub(super) fn new(config: Arc<CameraConfig>) -> Result<Self> {
        let gate = config.gate()?;
        let cache = ResultCache::new(config.cache.clone())?;
        Ok(Self { config, gate, cache, seen: GateSeen::default() })
    }

    /// Goes on with another config; what the gate has learnt is kept where the new one looks at the same picture.
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

    /// What the gate knows; none without a gate.
    pub(super) fn snapshot(&self) -> Option<Arc<[u8]>> {
        self.gate.as_ref().map(|gate| gate.snapshot().into())
    }

    /// Goes on where another one was; an error where the gate starts cold.
    pub(super) fn resume(&mut self, seen: GateSeen, snapshot: Option<&[u8]>) -> Result<()> {
        self.seen = seen;
        match (&mut self.gate, snapshot) {
            (Some(gate), Some(snapshot)) => gate.restore(snapshot),
            _ => Ok(()),
        }
    }

    /// Shows a frame to the gate and to the cache.
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
        match self.config.motion.working_width {
            0 => u32::MAX,
            width => width,
        }
    }
}

/// Whether the provider leaves out the same: an answer under one config serves under the other.
fn asks_the_same(one: &CameraConfig, other: &CameraConfig) -> bool {
    one.want == other.want
        && one.min_confidence == other.min_confidence
        && one.class_confidence == other.class_confidence
        && one.low_light == other.low_light
}

fn meta(job: &Job, camera: &CameraId) -> FrameMeta {
    let meta = job.input.meta();
    FrameMeta { camera: camera.clone(), pts: meta.pts, seq: meta.seq }
}

/// The whole picture.
pub(super) fn whole(job: &mut Job, keep_encoded: bool) -> Result<Frame> {
    let frame = match &job.input {
        Input::Raw(frame) => frame.clone(),
        Input::Encoded(encoded) => {
            let options = DecodeOptions { limits: job.config.limits, keep_encoded, ..DecodeOptions::default() };
            Frame::decode(encoded.bytes(), &options)?
        }
    };
    if job.luma.is_none() {
        let luma = mean_luma(&frame);
        job.luma = Some(luma);
        job.passage.decision.luma = luma;
    }
    Ok(frame.with_meta(meta(job, &job.config.id)))
}

/// A scene that outlives the frame, for triggers of the host.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct OwnedScene {
    pub(super) camera: CameraId,
    pub(super) time: FrameTime,
    pub(super) frame: Size,
    pub(super) objects: Arc<[Object]>,
    pub(super) looked_at: bool,
}

impl OwnedScene {
    pub(super) fn scene(&self) -> Scene<'_> {
        let scene = Scene::new(&self.camera, self.time.pts, self.frame, &self.objects);
        let scene = scene.with_time(self.time.time).with_civil_ns(self.time.civil_ns);
        if self.looked_at { scene } else { scene.unchanged() }
    }
}

/// What a camera's answers are shown to.
#[derive(Debug)]
pub(super) struct SceneWork {
    config: Arc<CameraConfig>,
    confirm: Confirm,
    triggers: Vec<TriggerMachine>,
    /// Of the last frame that was looked at.
    frame: Size,
}

/// What the state of a trigger is about. Who is on which side of an edge is told by the numbers of objects, which are those of
/// one confirmation.
fn about<'a>(trigger: &'a TriggerMachine, config: &'a CameraConfig) -> impl Serialize + 'a {
    let crosses = trigger.config().when.has(Condition::is_crossing);
    (trigger.watched(), crosses.then_some(&config.confirmation))
}

/// What came of an item.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) events: Vec<Event>,
    pub(super) scene: Option<OwnedScene>,
    pub(super) result: Option<FrameResult>,
}

impl SceneWork {
    pub(super) fn new(config: Arc<CameraConfig>) -> Result<Self> {
        let confirm = Confirm::new(config.confirmation.clone())?;
        let triggers = config
            .triggers
            .iter()
            .map(|trigger| TriggerMachine::new(trigger.clone(), &config.zones))
            .collect::<Result<_>>()?;
        Ok(Self { config, confirm, triggers, frame: Size::new(0, 0) })
    }

    /// Goes on with another config: triggers and confirmation keep what they know, where it is about the same.
    pub(super) fn update(&mut self, config: Arc<CameraConfig>) -> Result<()> {
        if Arc::ptr_eq(&config, &self.config) {
            return Ok(());
        }
        let mut next = Self::new(config)?;
        for new in &mut next.triggers {
            let name = &new.config().name;
            let about = |of: &TriggerMachine, in_config: &CameraConfig| json(&about(of, in_config));
            let same = |old: &&TriggerMachine| {
                old.config().name == *name && about(old, &self.config) == about(new, &next.config)
            };
            if let Some(old) = self.triggers.iter().find(same) {
                let state = old.state().clone();
                *new = TriggerMachine::new(new.config().clone(), &next.config.zones)?.with_state(state)?;
            }
        }
        if next.config.confirmation == self.config.confirmation {
            std::mem::swap(&mut next.confirm, &mut self.confirm);
        }
        next.frame = self.frame;
        *self = next;
        Ok(())
    }

    /// What confirmation and triggers know, and the size of the last frame.
    pub(super) fn checkpoint(&self) -> (Kept, Vec<Kept>, Size) {
        let confirm = Kept::new("confirmation", &self.config.confirmation, self.confirm.state());
        let kept = |trigger: &TriggerMachine| {
            Kept::new(&trigger.config().name, &about(trigger, &self.config), trigger.state())
        };
        (confirm, self.triggers.iter().map(kept).collect(), self.frame)
    }

    /// Goes on where another one was; gives the names of those that start cold, since they are made of something else now.
    pub(super) fn resume(&mut self, confirm: &Kept, triggers: &[Kept], frame: Size) -> Vec<String> {
        let mut cold = Vec::new();
        self.frame = frame;
        let config = &self.config;
        let resumed = confirm.state(&config.confirmation).and_then(|state| {
            Confirm::new(config.confirmation.clone()).and_then(|confirm| confirm.with_state(state)).ok()
        });
        match resumed {
            Some(resumed) => self.confirm = resumed,
            None => cold.push(confirm.name.clone()),
        }
        for trigger in &mut self.triggers {
            // One of a new name has nothing to go on with.
            let Some(kept) = triggers.iter().find(|kept| kept.name == *trigger.config().name) else { continue };
            let resumed = kept.state(&about(trigger, config)).and_then(|state| {
                let made = TriggerMachine::new(trigger.config().clone(), &config.zones);
                made.and_then(|made| made.with_state(state)).ok()
            });
            match resumed {
                Some(resumed) => *trigger = resumed,
                None => cold.push(kept.name.clone()),
            }
        }
        cold
    }

    /// Shows an item to the triggers. `results` says whether somebody wants every answer.
    pub(super) fn look(&mut self, item: &mut Item, results: bool) -> Seen {
        let Item::Found(job, found) = item else {
            let Item::Unchanged(time) = *item else { return Seen::default() };
            self.confirm.unchanged(time.pts);
            return self.show(time, None);
        };
        let (Found::Looked { detections, answer } | Found::Cached { detections, answer }) = &*found;
        let luma = job.luma.unwrap_or(u8::MAX);
        let mut counted = detections.clone();
        counted.items.retain(|item| job.config.counts(item, detections.frame, luma));
        let count = |number: usize| u16::try_from(number).unwrap_or(u16::MAX);
        (job.passage.decision.found, job.passage.decision.counted) = (count(detections.len()), count(counted.len()));
        let time = job.time();
        self.frame = counted.frame;
        self.confirm.looked(&counted.items, time.pts);
        // Of a known answer there is no whole picture; it is decoded where a trigger wants it.
        let mut seen = self.show(time, Some(job));
        job.passage.decision.events = count(seen.events.len());
        if results {
            seen.result = Some(FrameResult {
                id: FrameResult::id_of(&self.config.id, time.civil_ns),
                camera: self.config.id.clone(),
                pts: time.pts,
                time: time.time,
                seq: job.input.meta().seq,
                cached: matches!(found, Found::Cached { .. }),
                detections: counted,
                objects: self.confirm.objects().to_vec(),
                answer: answer.clone(),
                luma,
            });
        }
        seen
    }

    fn show(&mut self, time: FrameTime, mut job: Option<&mut Box<Job>>) -> Seen {
        let mut seen = Seen::default();
        let objects = self.confirm.objects();
        let scene = Scene::new(&self.config.id, time.pts, self.frame, objects);
        let scene = scene.with_time(time.time).with_civil_ns(time.civil_ns);
        let scene = if job.is_some() { scene } else { scene.unchanged() };
        for trigger in &mut self.triggers {
            let Some(firing) = trigger.observe(&scene) else { continue };
            let wanted = trigger.config().picture;
            let mut event = event(&self.config.id, &trigger.config().name, &scene, firing);
            if wanted != PictureWanted::None
                && let Some(job) = &mut job
            {
                let whole = match job.frame.take() {
                    Some(frame) => Ok(frame),
                    None => whole(job, true),
                };
                match whole.and_then(|frame| picture(&frame, &event.objects, wanted).map(|picture| (frame, picture))) {
                    Ok((frame, picture)) => {
                        job.frame = Some(frame);
                        event.picture = picture;
                    }
                    Err(error) => tracing::warn!(
                        camera = self.config.id.as_str(),
                        trigger = &*event.trigger,
                        id = event.id.as_str(),
                        code = %error.code(),
                        %error,
                        "event without its picture"
                    ),
                }
            }
            seen.events.push(event);
        }
        if !self.config.host_triggers.is_empty() {
            seen.scene = Some(OwnedScene {
                camera: self.config.id.clone(),
                time,
                frame: self.frame,
                objects: objects.into(),
                looked_at: job.is_some(),
            });
        }
        seen
    }
}

/// The event of a firing.
pub(super) fn event(camera: &CameraId, trigger: &str, scene: &Scene<'_>, firing: Firing) -> Event {
    Event {
        id: EventId::new(camera, trigger, scene.civil_ns),
        camera: camera.clone(),
        trigger: trigger.into(),
        pts: scene.pts,
        time: scene.time,
        zone: firing.zone,
        why: firing.why,
        objects: firing.objects,
        frame: scene.frame,
        picture: None,
    }
}
