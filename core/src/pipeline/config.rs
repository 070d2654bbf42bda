use super::cache::ResultCacheConfig;
use crate::check::{inside, within};
use crate::clock::Timestamp;
use crate::detection::Detection;
use crate::error::{Error, Result};
use crate::event::{Condition, TriggerConfig, TriggerMachine};
use crate::frame::{CameraId, DecodeLimits};
use crate::geometry::{Polygon, Size};
use crate::motion::{MotionGate, MotionGateConfig};
use crate::provider::{Priority, Want};
use crate::tracking::Confirmation;
use crate::zone::{Anchor, Zone};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// What gives way when a camera's frames come faster than they are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum QueuePolicy {
    /// The oldest one that waits: what is looked at is fresh.
    DropOldest,
    /// The one that comes: what waits is looked at in full.
    DropNewest,
    /// None of this camera, which must be `critical`: its queue grows as far as the memory for frames goes, and frames of
    /// other cameras give way before that. The push does not wait.
    NeverDropCritical,
}

/// Asks for more certainty where the picture is dark: models see people in noise.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct LowLight {
    /// Pictures whose mean luma is below this are dark; 0..255, default 40. 0 switches the rule off.
    pub luma: u8,
    /// The least confidence in a dark picture, where it is more than the usual one; 0..1, default 0.7.
    pub min_confidence: f32,
}

impl Default for LowLight {
    fn default() -> Self {
        Self { luma: 40, min_confidence: 0.7 }
    }
}

/// How a pipeline treats one camera. Plain data; unknown fields are refused. Times are seconds, areas are shares of the
/// picture.
///
/// ```
/// use guarita::CameraConfig;
/// let gate_7: CameraConfig = serde_json::from_str(r#"{ "id": "gate-7", "fps": 2.0, "priority": "critical" }"#)?;
/// assert_eq!((gate_7.min_confidence, gate_7.max_age_s), (0.5, 5.0));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct CameraConfig {
    /// The host's name for the camera; 1..256 bytes, one of its own for each camera. It must be given.
    pub id: CameraId,
    /// Frames to look at in a second, by their presentation time; 0, 0.001..1000, default 1. 0 looks
    /// at all of them.
    pub fps: f64,
    /// Who goes first where not all can. Default normal.
    pub priority: Priority,
    /// Frames that wait at each stage; 1..1024, default 2.
    pub queue: usize,
    /// What gives way when more come. Default: `never_drop_critical` for a critical camera, `drop_oldest` for others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_policy: Option<QueuePolicy>,
    /// A frame that waited longer is of no use any more, and no provider sees it; 0.001..86400, default 5.
    pub max_age_s: f64,
    /// Whom the rate limit counts frames for, beside others of the same name; empty (the default) for the camera itself.
    pub client: Arc<str>,
    /// Whom a budget counts frames for; empty for nobody.
    pub tenant: Arc<str>,
    /// How the motion gate decides; default as [`MotionGateConfig`]. Its `include` and `exclude` are taken from the camera
    /// where it has none of its own.
    pub motion: MotionGateConfig,
    /// Whether there is a motion gate; default true. Without, every sampled frame is looked at.
    pub motion_gate: bool,
    /// Where to look: objects whose anchor lies inside any of these count. Empty (the default) is everywhere.
    pub include: Vec<Polygon>,
    /// Where not to look: inside none of these, whatever `include` says. Default none.
    pub exclude: Vec<Polygon>,
    /// The point of an object that stands for it in `include` and `exclude`. Default the middle of the lower edge.
    pub anchor: Anchor,
    /// What to look for. Default labels.
    pub want: Want,
    /// The labels that count, such as `person`; empty (the default) for all.
    pub classes: Vec<String>,
    /// The least confidence of a detection, 0..1; default 0.5.
    pub min_confidence: f32,
    /// The least confidence for single labels, in place of `min_confidence`; 0..1.
    pub class_confidence: BTreeMap<String, f32>,
    /// When a picture is dark, and what confidence it takes then. Default: below luma 40, 0.7.
    pub low_light: LowLight,
    /// Answers that are used again for the same picture.
    pub cache: ResultCacheConfig,
    /// In how many of the last frames an object must be seen before it counts.
    pub confirmation: Confirmation,
    /// Named areas, for triggers and events.
    pub zones: Vec<Zone>,
    /// What is worth an event.
    pub triggers: Vec<TriggerConfig>,
    /// Triggers of the host that see this camera, by the names that the pipeline's builder gave them.
    pub host_triggers: Vec<String>,
    /// Runs of decisions that `explain` looks back on; 0..1048576, default 4096, of 64 bytes each at most. Frames one after the other
    /// that were sampled out, or in which nothing moved, make one run.
    pub explain: usize,
    /// Seconds between 1970 and presentation time 0, for schedules and the times of events of recordings;
    /// -9223372035..9223372035. None (the default): the machine's clock when the frame is pushed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epoch_s: Option<i64>,
    /// What an encoded picture may claim before it is refused.
    pub limits: DecodeLimits,
}

impl Default for CameraConfig {
    fn default() -> Self {
        Self {
            id: CameraId::default(),
            fps: 1.0,
            priority: Priority::Normal,
            queue: 2,
            queue_policy: None,
            max_age_s: 5.0,
            client: "".into(),
            tenant: "".into(),
            motion: MotionGateConfig::default(),
            motion_gate: true,
            include: Vec::new(),
            exclude: Vec::new(),
            anchor: Anchor::default(),
            want: Want::Labels,
            classes: Vec::new(),
            min_confidence: 0.5,
            class_confidence: BTreeMap::new(),
            low_light: LowLight::default(),
            cache: ResultCacheConfig::default(),
            confirmation: Confirmation::default(),
            zones: Vec::new(),
            triggers: Vec::new(),
            host_triggers: Vec::new(),
            explain: 4096,
            epoch_s: None,
            limits: DecodeLimits::default(),
        }
    }
}

/// Lists that a host fills by hand.
const MAX_LIST: usize = 1024;

impl CameraConfig {
    /// A camera of this name, with the usual settings.
    pub fn new(id: &str) -> Self {
        Self { id: CameraId::new(id), ..Self::default() }
    }

    /// Checks every field.
    ///
    /// # Errors
    /// `InvalidConfig` naming the field and its range, or the trigger or zone that is wrong.
    pub fn validate(&self) -> Result<()> {
        let bad = |text: String| Err(Error::invalid_config(text));
        let id = self.id.as_str();
        if !(1..=256).contains(&id.len()) {
            return bad(format!("id has {} bytes; it must have 1..256", id.len()));
        }
        if self.fps != 0.0 {
            within("fps", self.fps, 0.001, 1000.0)?;
        }
        within("queue", self.queue, 1, 1024)?;
        within("max_age_s", self.max_age_s, 0.001, 86_400.0)?;
        within("explain", self.explain, 0, 1 << 20)?;
        if let Some(epoch_s) = self.epoch_s.filter(|&epoch_s| Timestamp::from_secs_f64(epoch_s as f64).is_err()) {
            return bad(format!(
                "epoch_s is {epoch_s}; it must be whole seconds since 1970, within ±9223372035; divide milliseconds by 1e3, \
                 microseconds by 1e6, nanoseconds by 1e9"
            ));
        }
        within("min_confidence", self.min_confidence, 0.0, 1.0)?;
        within("low_light.min_confidence", self.low_light.min_confidence, 0.0, 1.0)?;
        for (class, &least) in &self.class_confidence {
            within(&format!("class_confidence.{class}"), least, 0.0, 1.0)?;
        }
        if self.queue_policy == Some(QueuePolicy::NeverDropCritical) && self.priority != Priority::Critical {
            return bad("queue_policy is never_drop_critical; only a camera of priority critical can have it".into());
        }
        for (field, len) in [
            ("include", self.include.len()),
            ("exclude", self.exclude.len()),
            ("classes", self.classes.len()),
            ("class_confidence", self.class_confidence.len()),
            ("zones", self.zones.len()),
            ("triggers", self.triggers.len()),
            ("host_triggers", self.host_triggers.len()),
        ] {
            within(field, len, 0, MAX_LIST)?;
        }
        inside("cache", self.cache.validate())?;
        inside("confirmation", self.confirmation.validate())?;
        inside("motion", self.motion.validate())?;
        self.check_gaps()?;
        let mut names = BTreeSet::new();
        if let Some(twice) = self.zones.iter().find(|zone| !names.insert(&*zone.name)) {
            return bad(format!("zones: there are two of the name {:?}", twice.name));
        }
        let mut names: BTreeSet<&str> = BTreeSet::new();
        let triggers = self.triggers.iter().map(|trigger| &*trigger.name);
        if let Some(twice) =
            triggers.chain(self.host_triggers.iter().map(|name| &**name)).find(|name| !names.insert(name))
        {
            return bad(format!("triggers: there are two of the name {twice:?}"));
        }
        for trigger in &self.triggers {
            TriggerMachine::new(trigger.clone(), &self.zones)?;
        }
        self.gate().map(|_| ())
    }

    /// That what is remembered from one frame to the next outlives the time between them: a camera that would never fire, or
    /// fire at each frame, looks like any other.
    fn check_gaps(&self) -> Result<()> {
        let period = if self.fps > 0.0 { 1.0 / self.fps } else { 0.0 };
        let short = |field: &str, gap: f64, so: &str| {
            Err(Error::invalid_config(format!(
                "{field} is {gap}, and frames are {period} s apart (fps {}): {so}; set it to {} or more",
                self.fps,
                (3.0 * period).ceil()
            )))
        };
        let crossing = self.triggers.iter().any(|trigger| trigger.when.has(Condition::is_crossing));
        if self.confirmation.max_gap_s <= period && (self.confirmation.k > 1 || crossing) {
            let so = "no object would ever be seen twice";
            return short("confirmation.max_gap_s", self.confirmation.max_gap_s, so);
        }
        for trigger in self.triggers.iter().filter(|trigger| trigger.max_gap_s <= period) {
            if trigger.for_s > 0.0 || trigger.when.has(|inner| inner.is_crossing() || inner.is_absent()) {
                let field = format!("trigger {:?}: max_gap_s", trigger.name);
                return short(&field, trigger.max_gap_s, "no time between them would count");
            }
        }
        Ok(())
    }

    /// The gate of this camera; none where it has none.
    pub(super) fn gate(&self) -> Result<Option<MotionGate>> {
        let mut motion = self.motion.clone();
        if motion.include.is_empty() && motion.exclude.is_empty() {
            motion.include.clone_from(&self.include);
            motion.exclude.clone_from(&self.exclude);
        }
        // Also checked where it is not used: a camera that gets a gate later has a good one.
        let gate = MotionGate::new(motion)?;
        Ok(self.motion_gate.then_some(gate))
    }

    pub(super) fn max_age(&self) -> Duration {
        Duration::from_secs_f64(self.max_age_s)
    }

    pub(super) fn policy(&self) -> QueuePolicy {
        self.queue_policy.unwrap_or(match self.priority {
            Priority::Critical => QueuePolicy::NeverDropCritical,
            _ => QueuePolicy::DropOldest,
        })
    }

    /// Whom the rate limit counts frames for.
    pub(super) fn client(&self) -> &str {
        if self.client.is_empty() { self.id.as_str() } else { &self.client }
    }

    /// The least confidence of a label in a picture that is not dark.
    pub(super) fn least_confidence_by_day(&self, label: &str) -> f32 {
        self.class_confidence.get(label).copied().unwrap_or(self.min_confidence)
    }

    /// The least confidence of a label in a picture of this mean luma.
    fn least_confidence(&self, label: &str, luma: u8) -> f32 {
        let usual = self.least_confidence_by_day(label);
        if luma < self.low_light.luma { usual.max(self.low_light.min_confidence) } else { usual }
    }

    /// The least confidence of any label: what the provider is asked for.
    pub(super) fn least_of_all(&self, luma: u8) -> f32 {
        let dark = if luma < self.low_light.luma { self.low_light.min_confidence } else { 0.0 };
        self.class_confidence.values().fold(self.min_confidence, |least, &other| least.min(other)).max(dark)
    }

    /// Whether a detection counts for this camera.
    pub(super) fn counts(&self, found: &Detection, frame: Size, luma: u8) -> bool {
        let label = &*found.label.name;
        if !self.classes.is_empty() && !self.classes.iter().any(|class| class == label) {
            return false;
        }
        if found.confidence < self.least_confidence(label, luma) {
            return false;
        }
        if self.include.is_empty() && self.exclude.is_empty() {
            return true;
        }
        let at = self.anchor.of(found, frame);
        let included = self.include.is_empty() || self.include.iter().any(|area| area.contains(at));
        included && !self.exclude.iter().any(|area| area.contains(at))
    }
}
