use super::cache::ResultCacheConfig;
use crate::check::{inside, within, wrong};
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
/// assert_eq!((gate_7.look.min_confidence, gate_7.queue.max_age_s), (0.5, 5.0));
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
    /// The queues that its frames wait in.
    pub queue: QueueConfig,
    /// Whom the rate limit counts frames for, beside others of the same name; empty (the default) for the camera itself.
    pub client: Arc<str>,
    /// Whom a budget counts frames for; empty for nobody.
    pub tenant: Arc<str>,
    /// How the motion gate decides; default as [`MotionGateConfig`]. Its `include` and `exclude` are taken from the camera
    /// where it has none of its own. None (`false` in JSON and TOML): no gate, every sampled frame is looked at.
    #[serde(with = "gate_or_false")]
    #[cfg_attr(feature = "schema", schemars(with = "gate_or_false::Schema"))]
    pub motion: Option<MotionGateConfig>,
    /// Where to look: objects whose anchor lies inside any of these count. Empty (the default) is everywhere.
    pub include: Vec<Polygon>,
    /// Where not to look: inside none of these, whatever `include` says. Default none.
    pub exclude: Vec<Polygon>,
    /// The point of an object that stands for it in `include` and `exclude`. Default the middle of the lower edge.
    pub anchor: Anchor,
    /// What to look for, and what of that counts.
    pub look: LookConfig,
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
            queue: QueueConfig::default(),
            client: "".into(),
            tenant: "".into(),
            motion: Some(MotionGateConfig::default()),
            include: Vec::new(),
            exclude: Vec::new(),
            anchor: Anchor::default(),
            look: LookConfig::default(),
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

/// How the frames of a camera wait. Plain data; unknown fields are refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct QueueConfig {
    /// Frames that wait at each stage; 1..1024, default 2.
    pub capacity: usize,
    /// What gives way when more come. Default: `never_drop_critical` for a critical camera, `drop_oldest` for others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<QueuePolicy>,
    /// A frame that waited longer is of no use any more, and no provider sees it; 0.001..86400, default 5.
    pub max_age_s: f64,
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self { capacity: 2, policy: None, max_age_s: 5.0 }
    }
}

impl QueueConfig {
    fn validate(&self) -> Result<()> {
        within("capacity", self.capacity, 1, 1024)?;
        within("max_age_s", self.max_age_s, 0.001, 86_400.0)
    }
}

/// What is looked for in the frames of a camera, and what of that counts. Plain data; unknown fields are refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct LookConfig {
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
}

impl Default for LookConfig {
    fn default() -> Self {
        Self {
            want: Want::Labels,
            classes: Vec::new(),
            min_confidence: 0.5,
            class_confidence: BTreeMap::new(),
            low_light: LowLight::default(),
        }
    }
}

impl LookConfig {
    fn validate(&self) -> Result<()> {
        within("min_confidence", self.min_confidence, 0.0, 1.0)?;
        within("low_light.min_confidence", self.low_light.min_confidence, 0.0, 1.0)?;
        for (class, &least) in &self.class_confidence {
            within(&format!("class_confidence.{class}"), least, 0.0, 1.0)?;
        }
        within("classes", self.classes.len(), 0, MAX_LIST)?;
        within("class_confidence", self.class_confidence.len(), 0, MAX_LIST)
    }
}

/// A gate's config, or `false` for none: TOML has no null, and a field that is left out means the default.
mod gate_or_false {
    use crate::motion::MotionGateConfig;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(
        motion: &Option<MotionGateConfig>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match motion {
            Some(motion) => motion.serialize(serializer),
            None => serializer.serialize_bool(false),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<MotionGateConfig>, D::Error> {
        deserializer.deserialize_any(GateOrFalse)
    }

    /// What is read; `false` is written for none.
    #[cfg(feature = "schema")]
    #[derive(schemars::JsonSchema, Serialize)]
    #[serde(untagged)]
    #[schemars(inline)]
    #[expect(dead_code, reason = "read by schemars")]
    pub(super) enum Schema {
        Gate(MotionGateConfig),
        On(bool),
        None(()),
    }

    struct GateOrFalse;

    impl<'de> serde::de::Visitor<'de> for GateOrFalse {
        type Value = Option<MotionGateConfig>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("the config of a motion gate, or false for none")
        }

        fn visit_bool<E: serde::de::Error>(self, on: bool) -> Result<Self::Value, E> {
            Ok(on.then(MotionGateConfig::default))
        }

        fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_none<E: serde::de::Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
            MotionGateConfig::deserialize(serde::de::value::MapAccessDeserializer::new(map)).map(Some)
        }
    }
}

/// Lists that a host fills by hand.
const MAX_LIST: usize = 1024;

impl CameraConfig {
    /// A config for a camera of this name, with the defaults.
    pub fn new(id: &str) -> Self {
        Self { id: CameraId::new(id), ..Self::default() }
    }

    /// Checks every field.
    ///
    /// # Errors
    /// `InvalidConfig` naming the field and its range, or the trigger or zone that is wrong.
    pub fn validate(&self) -> Result<()> {
        let id = self.id.as_str();
        if !(1..=256).contains(&id.len()) {
            return Err(wrong("id", format!("has {} bytes; it must have 1..256", id.len())));
        }
        if self.fps != 0.0 {
            within("fps", self.fps, 0.001, 1000.0)?;
        }
        inside("queue", self.queue.validate())?;
        within("explain", self.explain, 0, 1 << 20)?;
        if let Some(epoch_s) = self.epoch_s.filter(|&epoch_s| Timestamp::from_secs_f64(epoch_s as f64).is_err()) {
            let what = format!(
                "is {epoch_s}; it must be whole seconds since 1970, within ±9223372035; divide milliseconds by 1e3, \
                 microseconds by 1e6, nanoseconds by 1e9"
            );
            return Err(wrong("epoch_s", what).with_limit(if epoch_s < 0 {
                -9_223_372_035.0
            } else {
                9_223_372_035.0
            }));
        }
        inside("look", self.look.validate())?;
        if self.queue.policy == Some(QueuePolicy::NeverDropCritical) && self.priority != Priority::Critical {
            let what = "is never_drop_critical; only a camera of priority critical can have it";
            return Err(wrong("queue.policy", what));
        }
        for (field, len) in [
            ("include", self.include.len()),
            ("exclude", self.exclude.len()),
            ("zones", self.zones.len()),
            ("triggers", self.triggers.len()),
            ("host_triggers", self.host_triggers.len()),
        ] {
            within(field, len, 0, MAX_LIST)?;
        }
        inside("cache", self.cache.validate())?;
        inside("confirmation", self.confirmation.validate())?;
        if let Some(motion) = &self.motion {
            inside("motion", motion.validate())?;
        }
        self.check_gaps()?;
        let twice = |list: &str, at: String, name: &str| {
            let error = Error::invalid_config(format!("{list}: there are two of the name {name:?}"));
            Err(error.with_field(at))
        };
        let mut names = BTreeSet::new();
        if let Some((at, zone)) = self.zones.iter().enumerate().find(|(_, zone)| !names.insert(&*zone.name)) {
            return twice("zones", format!("zones[{at}].name"), &zone.name);
        }
        let mut names: BTreeSet<&str> = BTreeSet::new();
        for (at, trigger) in self.triggers.iter().enumerate() {
            if !names.insert(&*trigger.name) {
                return twice("triggers", format!("triggers[{at}].name"), &trigger.name);
            }
        }
        if let Some((at, name)) = self.host_triggers.iter().enumerate().find(|(_, name)| !names.insert(name)) {
            return twice("triggers", format!("host_triggers[{at}]"), name);
        }
        for (at, trigger) in self.triggers.iter().enumerate() {
            let parent = |error: Error| error.with_parent(&format!("triggers[{at}]"));
            TriggerMachine::new(trigger.clone(), &self.zones).map_err(parent)?;
        }
        self.gate().map(|_| ())
    }

    /// Checks that state kept between frames outlives the time between them: a camera that never fires, or fires at
    /// each frame, would otherwise look like any other.
    fn check_gaps(&self) -> Result<()> {
        let period = if self.fps > 0.0 { 1.0 / self.fps } else { 0.0 };
        let short = |at: &str, field: &str, gap: f64, so: &str| {
            let least = (3.0 * period).ceil();
            let error = Error::invalid_config(format!(
                "{field} is {gap}, and frames are {period} s apart (fps {}): {so}; set it to {least} or more",
                self.fps,
            ));
            Err(error.with_field(at).with_limit(least))
        };
        let crossing = self.triggers.iter().any(|trigger| trigger.when.has(Condition::is_crossing));
        if self.confirmation.max_gap_s <= period && (self.confirmation.k > 1 || crossing) {
            let so = "no object would ever be seen twice";
            let field = "confirmation.max_gap_s";
            return short(field, field, self.confirmation.max_gap_s, so);
        }
        for (at, trigger) in self.triggers.iter().enumerate().filter(|(_, trigger)| trigger.max_gap_s <= period) {
            if trigger.for_s > 0.0 || trigger.when.has(|inner| inner.is_crossing() || inner.is_absent()) {
                let field = format!("trigger {:?}: max_gap_s", trigger.name);
                let at = format!("triggers[{at}].max_gap_s");
                return short(&at, &field, trigger.max_gap_s, "no time between them would count");
            }
        }
        Ok(())
    }

    /// The gate of this camera; none where it has none.
    pub(super) fn gate(&self) -> Result<Option<MotionGate>> {
        let Some(mut motion) = self.motion.clone() else { return Ok(None) };
        let of_camera = motion.include.is_empty() && motion.exclude.is_empty();
        if of_camera {
            motion.include.clone_from(&self.include);
            motion.exclude.clone_from(&self.exclude);
        }
        // What is wrong with the camera's own polygons is no field of `motion`.
        let parent = |error: Error| if of_camera { error } else { error.with_parent("motion") };
        MotionGate::new(motion).map(Some).map_err(parent)
    }

    pub(super) fn max_age(&self) -> Duration {
        Duration::from_secs_f64(self.queue.max_age_s)
    }

    pub(super) fn policy(&self) -> QueuePolicy {
        self.queue.policy.unwrap_or(match self.priority {
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
        self.look.class_confidence.get(label).copied().unwrap_or(self.look.min_confidence)
    }

    /// The least confidence of a label in a picture of this mean luma.
    fn least_confidence(&self, label: &str, luma: u8) -> f32 {
        let usual = self.least_confidence_by_day(label);
        if luma < self.look.low_light.luma { usual.max(self.look.low_light.min_confidence) } else { usual }
    }

    /// The least confidence of any label: what the provider is asked for.
    pub(super) fn least_of_all(&self, luma: u8) -> f32 {
        let dark = if luma < self.look.low_light.luma { self.look.low_light.min_confidence } else { 0.0 };
        self.look.class_confidence.values().fold(self.look.min_confidence, |least, &other| least.min(other)).max(dark)
    }

    /// Whether a detection counts for this camera.
    pub(super) fn counts(&self, found: &Detection, frame: Size, luma: u8) -> bool {
        let label = &*found.label.name;
        if !self.look.classes.is_empty() && !self.look.classes.iter().any(|class| class == label) {
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
