use crate::check::{within, wrong};
use crate::error::Result;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What a trigger waits for. It has a value in every scene: it holds, or it does not.
///
/// Classes are compared letter by letter with the labels of what was found (models trained on COCO write `person`, not
/// `Person`), blanks at the ends aside; no classes at all means any. Zones are named; without one, the whole picture
/// counts. An object stands where the zone's [`Anchor`](crate::zone::Anchor) of it is.
///
/// [`Enter`](Self::Enter) and [`Leave`](Self::Leave) hold only in the scene in which it happens.
///
/// ```
/// use guarita::TriggerConfig;
/// use guarita::event::Condition;
/// let trigger: TriggerConfig = toml::from_str(r#"
///     name = "unattended"
///     when = { all = [
///         { present = { classes = ["suitcase", "backpack"], zone = "hall", min_confidence = 0.6 } },
///         { not = { present = { classes = ["person"], zone = "hall" } } },
///     ] }
///     for_s = 30
/// "#).unwrap();
/// assert!(matches!(&trigger.when, Condition::All(both) if both.len() == 2));
/// trigger.validate()?;
/// # Ok::<(), guarita::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Condition {
    /// Such an object is there.
    Present {
        /// Of any of these classes.
        #[serde(default)]
        classes: Vec<Arc<str>>,
        /// In this zone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        zone: Option<Arc<str>>,
        /// At least so sure, 0..1.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        min_confidence: Option<f32>,
    },
    /// There are many, or few, such objects. At least one of `over` and `under` is set; with both, both must be true.
    Count {
        /// Of any of these classes, counted together.
        #[serde(default)]
        classes: Vec<Arc<str>>,
        /// In this zone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        zone: Option<Arc<str>>,
        /// More than so many.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        over: Option<u32>,
        /// Fewer than so many; at least 1.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        under: Option<u32>,
    },
    /// Such an object comes into the zone: it was seen outside and now is inside, or is seen for the first time and is
    /// inside. What stands there in the first scene of all does not enter.
    ///
    /// For one object, a second entering counts once it was outside for two looks running, so that one that stands on the
    /// line does not enter again and again.
    Enter {
        /// Of any of these classes.
        #[serde(default)]
        classes: Vec<Arc<str>>,
        /// Into this zone.
        zone: Arc<str>,
    },
    /// Such an object goes out of the zone: it was seen inside and now is outside. One that is no longer seen at all has
    /// not left; [`Absent`](Self::Absent) is for that. For one object, a second leaving counts once it was inside for two
    /// looks running.
    Leave {
        /// Of any of these classes.
        #[serde(default)]
        classes: Vec<Arc<str>>,
        /// Out of this zone.
        zone: Arc<str>,
    },
    /// No such object was there for so long, since the first scene at the earliest. Time counts while somebody watches:
    /// of a gap longer than [`TriggerConfig::max_gap_s`](crate::TriggerConfig::max_gap_s), nothing does.
    Absent {
        /// Of any of these classes.
        #[serde(default)]
        classes: Vec<Arc<str>>,
        /// In this zone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        zone: Option<Arc<str>>,
        /// How long, 0.001..604800 seconds.
        for_s: f64,
    },
    /// All of these hold in the same scene.
    All(Vec<Self>),
    /// At least one of these holds.
    Any(Vec<Self>),
    /// This one does not hold.
    Not(Box<Self>),
}

/// Maximum nesting of conditions; more comes from a faulty program.
const MAX_DEPTH: usize = 16;
/// Conditions of one trigger, the combining ones included.
const MAX_NODES: usize = 256;
const MAX_CLASSES: usize = 256;
/// Of a class, a zone or a trigger, in bytes.
pub(super) const MAX_NAME: usize = 256;

impl Condition {
    /// Checks everything but that the zones exist.
    ///
    /// # Errors
    /// `InvalidConfig` naming the field, as the way that leads to it: `when.all[1].not.present.zone`.
    pub(super) fn validate(&self, path: &str) -> Result<()> {
        let mut nodes = 0;
        self.check(path, 1, &mut nodes)
    }

    fn check(&self, path: &str, depth: usize, nodes: &mut usize) -> Result<()> {
        *nodes += 1;
        if *nodes > MAX_NODES {
            let error = wrong("when", format!("has more than {MAX_NODES} conditions"));
            return Err(error.with_limit(MAX_NODES as f64));
        }
        if depth > MAX_DEPTH {
            let error = wrong("when", format!("has conditions inside each other, more than {MAX_DEPTH} deep"));
            return Err(error.with_limit(MAX_DEPTH as f64));
        }
        let field = |name: &str| format!("{path}.{}.{name}", self.kind());
        match self {
            Self::All(list) | Self::Any(list) => {
                if list.is_empty() {
                    return Err(wrong(&format!("{path}.{}", self.kind()), "has no condition"));
                }
                for (at, inner) in list.iter().enumerate() {
                    inner.check(&format!("{path}.{}[{at}]", self.kind()), depth + 1, nodes)?;
                }
                return Ok(());
            }
            Self::Not(inner) => return inner.check(&format!("{path}.not"), depth + 1, nodes),
            Self::Present { min_confidence: Some(least), .. } => within(&field("min_confidence"), *least, 0.0, 1.0)?,
            Self::Absent { for_s, .. } => within(&field("for_s"), *for_s, 0.001, 604_800.0)?,
            Self::Count { over: None, under: None, .. } => {
                return Err(wrong(&format!("{path}.count"), "has neither over nor under"));
            }
            Self::Count { under: Some(0), .. } => {
                return Err(wrong(&field("under"), "is 0; there are never fewer").with_limit(1.0));
            }
            Self::Count { over: Some(over), under: Some(under), .. } if under.saturating_sub(*over) < 2 => {
                return Err(wrong(&field("over"), format!("is {over} and under is {under}; no number is both")));
            }
            _ => {}
        }
        if let Some(zone) = self.zone() {
            check_name(&field("zone"), zone)?;
        }
        let classes = self.classes();
        if classes.len() > MAX_CLASSES {
            let count = classes.len();
            let error = wrong(&field("classes"), format!("has {count}; it may have {MAX_CLASSES}"));
            return Err(error.with_limit(MAX_CLASSES as f64));
        }
        classes.iter().try_for_each(|class| check_name(&field("classes"), class))
    }

    /// As it is written in a config.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Present { .. } => "present",
            Self::Count { .. } => "count",
            Self::Enter { .. } => "enter",
            Self::Leave { .. } => "leave",
            Self::Absent { .. } => "absent",
            Self::All(_) => "all",
            Self::Any(_) => "any",
            Self::Not(_) => "not",
        }
    }

    pub(super) fn classes(&self) -> &[Arc<str>] {
        match self {
            Self::Present { classes, .. }
            | Self::Count { classes, .. }
            | Self::Enter { classes, .. }
            | Self::Leave { classes, .. }
            | Self::Absent { classes, .. } => classes,
            Self::All(_) | Self::Any(_) | Self::Not(_) => &[],
        }
    }

    pub(super) fn zone(&self) -> Option<&Arc<str>> {
        match self {
            Self::Present { zone, .. } | Self::Count { zone, .. } | Self::Absent { zone, .. } => zone.as_ref(),
            Self::Enter { zone, .. } | Self::Leave { zone, .. } => Some(zone),
            Self::All(_) | Self::Any(_) | Self::Not(_) => None,
        }
    }

    /// Whether this condition, or one inside it, matches.
    pub(crate) fn has(&self, is: impl Fn(&Self) -> bool + Copy) -> bool {
        is(self)
            || match self {
                Self::All(list) | Self::Any(list) => list.iter().any(|inner| inner.has(is)),
                Self::Not(inner) => inner.has(is),
                _ => false,
            }
    }

    /// Calls `show` with each class named by this condition or one inside it.
    pub(crate) fn each_class(&self, show: &mut impl FnMut(&str)) {
        match self {
            Self::All(list) | Self::Any(list) => list.iter().for_each(|inner| inner.each_class(show)),
            Self::Not(inner) => inner.each_class(show),
            leaf => leaf.classes().iter().for_each(|class| show(class)),
        }
    }

    pub(crate) fn is_crossing(&self) -> bool {
        matches!(self, Self::Enter { .. } | Self::Leave { .. })
    }

    pub(crate) fn is_absent(&self) -> bool {
        matches!(self, Self::Absent { .. })
    }

    /// Whether it can only hold for one scene at a time.
    pub(super) fn is_instant(&self) -> bool {
        match self {
            Self::Enter { .. } | Self::Leave { .. } => true,
            Self::All(list) => list.iter().any(Self::is_instant),
            Self::Any(list) => list.iter().all(Self::is_instant),
            Self::Present { .. } | Self::Count { .. } | Self::Absent { .. } | Self::Not(_) => false,
        }
    }
}

pub(super) fn check_name(field: &str, name: &str) -> Result<()> {
    if name.trim().is_empty() {
        return Err(wrong(field, "has a name without a letter"));
    }
    if name.len() > MAX_NAME {
        let len = name.len();
        let error = wrong(field, format!("has a name of {len} bytes; it may have {MAX_NAME}"));
        return Err(error.with_limit(MAX_NAME as f64));
    }
    Ok(())
}
