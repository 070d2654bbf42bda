//! Scene stage: confirmation and triggers of a camera.

use super::config::CameraConfig;
use super::frame_time::FrameTime;
use super::job::{Found, Item, Job};
use super::prepare_stage::whole;
use super::saved::{Kept, json};
use crate::error::Result;
use crate::event::{
    Condition, Event, EventId, Firing, FrameResult, PictureWanted, Scene, Trigger, TriggerMachine, picture,
};
use crate::frame::CameraId;
use crate::geometry::Size;
use crate::tracking::{Confirm, Object};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

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

/// Confirmation and triggers of a camera.
#[derive(Debug)]
pub(super) struct SceneStage {
    config: Arc<CameraConfig>,
    confirm: Confirm,
    triggers: Vec<TriggerMachine>,
    /// Of the last frame that was looked at.
    frame: Size,
}

/// The config that a trigger's state depends on. Sides of an edge are stored by object id, and ids are those of one
/// confirmation.
fn about<'a>(trigger: &'a TriggerMachine, config: &'a CameraConfig) -> impl Serialize + 'a {
    let crosses = trigger.config().when.has(Condition::is_crossing);
    (trigger.watched(), crosses.then_some(&config.confirmation))
}

/// The results of an item.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) events: Vec<Event>,
    pub(super) scene: Option<OwnedScene>,
    pub(super) result: Option<FrameResult>,
}

impl SceneStage {
    pub(super) fn new(config: Arc<CameraConfig>) -> Result<Self> {
        let confirm = Confirm::new(config.confirmation.clone())?;
        let triggers = config
            .triggers
            .iter()
            .map(|trigger| TriggerMachine::new(trigger.clone(), &config.zones))
            .collect::<Result<_>>()?;
        Ok(Self { config, confirm, triggers, frame: Size::new(0, 0) })
    }

    /// Applies another config; triggers and confirmation keep their state where it still applies.
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

    /// Restores a saved state; returns the names of those that start cold, since their config has changed.
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

    /// Runs the triggers on an item. `results` says whether every result is wanted.
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
        // A cached answer has no whole picture; it is decoded where a trigger wants it.
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
