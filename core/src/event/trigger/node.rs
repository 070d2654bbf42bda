use super::condition::Condition;
use super::crossing::{Crossed, Crossings};
use super::debounce::Step;
use crate::check::nanos;
use crate::check::wrong;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::event::Scene;
use crate::tracking::Object;
use crate::zone::Zone;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// A condition with its zones resolved.
#[derive(Clone, Debug)]
pub(super) enum Node {
    /// The number of the leaf.
    Leaf(usize),
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
}

/// A condition that asks about objects.
#[derive(Clone, Debug)]
pub(super) struct Leaf {
    /// As configured.
    pub(super) condition: Condition,
    classes: Vec<Arc<str>>,
    zone: Option<Zone>,
}

/// State of a leaf from earlier scenes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Memory {
    /// Of those that need none.
    Nothing,
    /// For how long there was none.
    GoneNs(u64),
    /// The side of each object.
    Sides(Crossings),
}

/// The result of a leaf for a scene.
#[derive(Clone, Debug, Default)]
pub(super) struct Finding {
    pub(super) holds: bool,
    /// Which of the scene's objects it is about.
    pub(super) objects: Vec<usize>,
}

impl Node {
    /// Finds the zones; adds the leaves to the list.
    ///
    /// # Errors
    /// `InvalidConfig` naming the field and the zones that there are.
    pub(super) fn new(condition: &Condition, path: &str, zones: &[Zone], leaves: &mut Vec<Leaf>) -> Result<Self> {
        let kind = condition.kind();
        let mut list = |list: &[Condition]| {
            let inner = list.iter().enumerate();
            inner
                .map(|(at, inner)| Self::new(inner, &format!("{path}.{kind}[{at}]"), zones, leaves))
                .collect::<Result<_>>()
        };
        Ok(match condition {
            Condition::All(inner) => Self::All(list(inner)?),
            Condition::Any(inner) => Self::Any(list(inner)?),
            Condition::Not(inner) => Self::Not(Box::new(Self::new(inner, &format!("{path}.not"), zones, leaves)?)),
            leaf => {
                let zone =
                    leaf.zone().map(|name| zone_named(name, &format!("{path}.{kind}.zone"), zones)).transpose()?;
                let classes = leaf.classes().iter().map(|class| class.trim().into()).collect();
                leaves.push(Leaf { condition: leaf.clone(), classes, zone });
                Self::Leaf(leaves.len() - 1)
            }
        })
    }

    pub(super) fn holds(&self, findings: &[Finding]) -> bool {
        match self {
            Self::Leaf(at) => findings.get(*at).is_some_and(|finding| finding.holds),
            Self::All(inner) => inner.iter().all(|node| node.holds(findings)),
            Self::Any(inner) => inner.iter().any(|node| node.holds(findings)),
            Self::Not(inner) => !inner.holds(findings),
        }
    }
}

fn zone_named(name: &str, field: &str, zones: &[Zone]) -> Result<Zone> {
    zones.iter().find(|zone| &*zone.name == name).cloned().ok_or_else(|| {
        let mut known: String = zones.iter().map(|zone| format!("{:?}", zone.name)).collect::<Vec<_>>().join(", ");
        if known.is_empty() {
            known = "none".into();
        }
        // A camera may have any number of zones.
        let known: String = known.chars().take(500).collect();
        wrong(field, format!("is {name:?}, and the camera has no such zone; it has {known}"))
    })
}

impl Leaf {
    pub(super) fn zone(&self) -> Option<&Zone> {
        self.zone.as_ref()
    }

    pub(super) fn memory(&self) -> Memory {
        match self.condition {
            Condition::Absent { .. } => Memory::GoneNs(0),
            Condition::Enter { .. } | Condition::Leave { .. } => Memory::Sides(Crossings::default()),
            _ => Memory::Nothing,
        }
    }

    /// Looks at a scene. `first` is the time of the first scene since watching began.
    pub(super) fn look(
        &self,
        scene: &Scene<'_>,
        step: &Step,
        first: Timestamp,
        longest_gap: Duration,
        memory: &mut Memory,
        finding: &mut Finding,
    ) {
        let Finding { holds, objects } = finding;
        objects.clear();
        if let Memory::Sides(crossings) = memory {
            let wanted =
                if matches!(self.condition, Condition::Leave { .. }) { Crossed::Left } else { Crossed::Entered };
            if step.anew {
                crossings.clear();
            }
            for (at, object) in scene.objects.iter().enumerate().filter(|(_, object)| self.is_of_class(object)) {
                if !scene.looked_at {
                    crossings.stay(object, scene.pts);
                    continue;
                }
                // Since a time to come: it is from before the clock went back.
                let new = object.since > first && object.since <= scene.pts;
                if crossings.look(object, self.is_inside(object, scene), new, scene.pts) == Some(wanted) {
                    objects.push(at);
                }
            }
            crossings.forget(scene.pts, longest_gap);
            *holds = !objects.is_empty();
            return;
        }
        let here = scene.objects.iter().enumerate().filter(|(_, object)| self.counts(object, scene));
        objects.extend(here.map(|(at, _)| at));
        let count = u32::try_from(objects.len()).unwrap_or(u32::MAX);
        *holds = match (&self.condition, memory) {
            (Condition::Count { over, under, .. }, _) => {
                over.is_none_or(|over| count > over) && under.is_none_or(|under| count < under)
            }
            (Condition::Absent { for_s, .. }, Memory::GoneNs(gone)) => {
                *gone = if count > 0 || step.anew { 0 } else { gone.saturating_add(step.watched_ns) };
                *gone >= nanos(*for_s)
            }
            _ => count > 0,
        };
    }

    fn counts(&self, object: &Object, scene: &Scene<'_>) -> bool {
        let least = match &self.condition {
            Condition::Present { min_confidence, .. } => *min_confidence,
            _ => None,
        };
        self.is_of_class(object)
            && least.is_none_or(|least| object.detection.confidence >= least)
            && self.is_inside(object, scene)
    }

    fn is_of_class(&self, object: &Object) -> bool {
        let name = object.detection.label.name.trim();
        self.classes.is_empty() || self.classes.iter().any(|class| &**class == name)
    }

    fn is_inside(&self, object: &Object, scene: &Scene<'_>) -> bool {
        self.zone.as_ref().is_none_or(|zone| zone.holds(&object.detection, scene.frame))
    }
}
