//! The built-in triggers: conditions on the objects of a scene, with hold time, cooldown and schedule.

mod condition;
mod config;
mod crossing;
mod debounce;
mod node;
mod why;

pub use condition::Condition;
pub use config::TriggerConfig;

use super::schedule::Timetable;
use super::{Firing, Scene, Trigger};
use crate::check::nanos;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::zone::Zone;
use debounce::{Debounce, Rules, Step};
use node::{Finding, Leaf, Memory, Node};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A built-in trigger of one camera, configured by [`TriggerConfig`].
///
/// A state machine without clock: equal scenes give equal firings. Where the time of the frames goes backwards, it
/// starts over, but what is left of the cooldown is kept, and no frame's time fires twice.
///
/// ```
/// use guarita::{BoundingBox, CameraId, Detection, Size, Timestamp};
/// use guarita::detection::Label;
/// use guarita::event::{Condition, Scene};
/// use guarita::tracking::{Object, ObjectId};
/// use guarita::{Polygon, Trigger, TriggerConfig, Zone};
/// use guarita::event::TriggerMachine;
/// let door = Zone::new("door", Polygon::new([[0.5, 0.0], [1.0, 0.0], [1.0, 1.0], [0.5, 1.0]])?);
/// let when = Condition::Present { classes: vec!["person".into()], zone: Some("door".into()), min_confidence: None };
/// let mut trigger = TriggerMachine::new(TriggerConfig::new("visitor", when), &[door])?;
///
/// let person = Detection::new(BoundingBox::from_xyxy(60.0, 20.0, 80.0, 90.0), Label { id: 0, name: "person".into() }, 0.83);
/// let objects = [Object::new(ObjectId(1), person, Timestamp::default())];
/// let (camera, size) = (CameraId::new("gate"), Size::new(100, 100));
/// let fired = trigger.observe(&Scene::new(&camera, Timestamp::from_millis(40), size, &objects));
/// assert_eq!(fired.map(|fired| fired.why).as_deref(), Some("person 0.83 in door"));
/// assert!(trigger.observe(&Scene::new(&camera, Timestamp::from_millis(80), size, &objects)).is_none());
/// # Ok::<(), guarita::Error>(())
/// ```
#[derive(Debug)]
pub struct TriggerMachine {
    config: TriggerConfig,
    rules: Rules,
    longest_gap: Duration,
    timetable: Option<Timetable>,
    root: Node,
    leaves: Vec<Leaf>,
    state: TriggerState,
    /// Of the last scene; kept so that it need not be made anew.
    findings: Vec<Finding>,
}

/// The state of a [`TriggerMachine`], to be saved, and restored with [`TriggerMachine::with_state`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TriggerState {
    /// When watching began.
    first: Timestamp,
    last: Option<Timestamp>,
    /// Called `pace` where states are saved.
    #[serde(rename = "pace")]
    debounce: Debounce,
    leaves: Vec<Memory>,
}

/// The part of a trigger's config that its state depends on.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Watched<'a> {
    when: &'a Condition,
    /// Those that the condition names.
    zones: Vec<&'a Zone>,
}

impl TriggerMachine {
    /// Makes a trigger for a camera with these zones. The time zone of its schedule is looked up here, and never again.
    ///
    /// # Errors
    /// As [`TriggerConfig::validate`]; `InvalidConfig` for a zone that the camera does not have, naming those it has, and
    /// for a schedule without a time zone where the machine does not say its own.
    pub fn new(config: TriggerConfig, zones: &[Zone]) -> Result<Self> {
        config.validate()?;
        let mut leaves = Vec::new();
        let root = Node::new(&config.when, "when", zones, &mut leaves).map_err(|error| config.named(error))?;
        let timetable = config.schedule.as_ref().map(Timetable::new).transpose();
        let timetable = timetable.map_err(|error| config.named(error.with_parent("schedule")))?;
        let state = TriggerState {
            first: Timestamp::default(),
            last: None,
            debounce: Debounce::default(),
            leaves: leaves.iter().map(Leaf::memory).collect(),
        };
        Ok(Self {
            rules: Rules::new(&config),
            longest_gap: Duration::from_nanos(nanos(config.max_gap_s)),
            timetable,
            root,
            findings: vec![Finding::default(); leaves.len()],
            leaves,
            state,
            config,
        })
    }

    /// Restores the state of another one.
    ///
    /// # Errors
    /// `InvalidArgument` for the state of a trigger with another condition.
    pub fn with_state(mut self, state: TriggerState) -> Result<Self> {
        let kinds = |memories: &[Memory]| memories.iter().map(std::mem::discriminant).collect::<Vec<_>>();
        if kinds(&state.leaves) != kinds(&self.state.leaves) {
            let error = Error::invalid_argument("the state is that of a trigger with another condition");
            return Err(self.config.named(error));
        }
        self.state = state;
        Ok(self)
    }

    /// The config that its state depends on: with another name, schedule, hold time or picture the state is kept; with
    /// another condition, or other edges of a zone that the condition names, it starts over.
    pub(crate) fn watched(&self) -> Watched<'_> {
        Watched { when: &self.config.when, zones: self.leaves.iter().filter_map(Leaf::zone).collect() }
    }

    /// The current state.
    pub fn state(&self) -> &TriggerState {
        &self.state
    }

    /// The config.
    pub fn config(&self) -> &TriggerConfig {
        &self.config
    }

    /// Number of firings suppressed by the cooldown.
    pub fn suppressed(&self) -> u64 {
        self.state.debounce.suppressed
    }

    fn step(&mut self, pts: Timestamp, civil_ns: i64) -> Step {
        let step = match self.state.last {
            Some(last) if pts >= last => {
                let passed = pts - last;
                let passed_ns = u64::try_from(passed.as_nanos()).unwrap_or(u64::MAX);
                let watched_ns = if passed <= self.longest_gap { passed_ns } else { 0 };
                Step { civil_ns, passed_ns, watched_ns, anew: false }
            }
            _ => {
                self.state.first = pts;
                Step { civil_ns, anew: true, ..Step::default() }
            }
        };
        self.state.last = Some(pts);
        step
    }
}

impl Trigger for TriggerMachine {
    fn observe(&mut self, scene: &Scene<'_>) -> Option<Firing> {
        let step = self.step(scene.pts, scene.civil_ns);
        let first = self.state.first;
        for ((leaf, memory), finding) in self.leaves.iter().zip(&mut self.state.leaves).zip(&mut self.findings) {
            leaf.look(scene, &step, first, self.longest_gap, memory, finding);
        }
        let holds = self.root.holds(&self.findings);
        let timetable = &self.timetable;
        let on_duty = || timetable.as_ref().is_none_or(|timetable| timetable.holds(scene.time));
        let fires = self.state.debounce.on(holds, &step, &self.rules, on_duty);
        fires.then(|| why::firing(&self.root, &self.leaves, &self.findings, scene))
    }
}
