use crate::check::{within, wrong};
use crate::error::{Error, Result};
use crate::model::{Labels, ModelSpec, is_meant};
use crate::onnx::ExecutionProviderChoice;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// How a [`Detector`](crate::Detector) runs and what it reports. Plain data; unknown fields are refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct DetectorConfig {
    /// Boxes with a confidence of this or less are dropped; 0..1, default 0.25 (as Ultralytics).
    pub min_confidence: f32,
    /// Thresholds of single classes by name, in place of `min_confidence`; 0..1.
    pub class_confidence: BTreeMap<String, f32>,
    /// The only classes to report, by name; empty (the default) means all. Each anchor still stands for its surest class,
    /// so that a class that is left out does not turn up as its runner-up.
    pub classes: Vec<String>,
    /// Of two boxes of a class that overlap by more than this, the less sure one is dropped; 0..1, default 0.45.
    pub iou: f32,
    /// Also drops doubles of different classes; default off.
    pub class_agnostic: bool,
    /// Boxes of one frame; 1..30000, default 300.
    pub max_detections: usize,
    /// Frames of one run, for models that take any number; 1..1024, default 8.
    pub max_batch: usize,
    /// Who computes; default the processor and nothing else.
    pub execution_provider: ExecutionProviderChoice,
    /// Threads of one run inside the engine; 1..1024, default 1. One serves many callers best: they run side by side. More make
    /// a single call faster on an idle machine and all calls slower on a busy one.
    pub intra_op_threads: usize,
    /// Lets the engine's threads wait in a busy loop; default off, since it takes the processor from everything else.
    pub spinning: bool,
    /// The ONNX Runtime library or its folder; default: found as [`runtime`](crate::onnx::runtime()) says.
    #[cfg_attr(feature = "schema", schemars(extend("format" = "path")))]
    pub onnxruntime: Option<PathBuf>,
}

impl Default for DetectorConfig {
    fn default() -> Self {
        Self {
            min_confidence: 0.25,
            class_confidence: BTreeMap::new(),
            classes: Vec::new(),
            iou: 0.45,
            class_agnostic: false,
            max_detections: 300,
            max_batch: 8,
            execution_provider: ExecutionProviderChoice::default(),
            intra_op_threads: 1,
            spinning: false,
            onnxruntime: None,
        }
    }
}

impl DetectorConfig {
    /// Checks every field that can be checked without a model.
    ///
    /// # Errors
    /// `InvalidConfig` naming the field and its range.
    pub fn validate(&self) -> Result<()> {
        let fraction = |field: &str, value: f32| within(field, value, 0.0, 1.0);
        fraction("min_confidence", self.min_confidence)?;
        fraction("iou", self.iou)?;
        for (name, &value) in &self.class_confidence {
            fraction(&format!("class_confidence.{name}"), value)?;
        }
        within("max_detections", self.max_detections, 1, 30_000)?;
        within("max_batch", self.max_batch, 1, 1024)?;
        within("intra_op_threads", self.intra_op_threads, 1, 1024)?;
        if self.execution_provider.as_slice().is_empty() {
            return Err(wrong("execution_provider", "is an empty list; name at least one execution provider"));
        }
        Ok(())
    }
}

/// The threshold of every class, ready for the inner loop.
#[derive(Debug)]
pub(super) struct Thresholds {
    /// For classes that the model numbers but nobody named.
    others: f32,
    by_id: Vec<f32>,
    least: f32,
}

/// A class that is not to be reported: no confidence exceeds it.
const NEVER: f32 = f32::INFINITY;

impl Thresholds {
    pub(super) fn new(config: &DetectorConfig, spec: &ModelSpec) -> Result<Self> {
        let id = |field: &str, name: &str| {
            spec.labels.id_of(name).ok_or_else(|| {
                let known: Vec<&str> = spec.labels.iter().map(|(_, name)| name).take(12).collect();
                let known = match (known.len(), spec.labels.len()) {
                    (0, _) => "the model has no class names; give them as labels in a .spec.toml beside it".into(),
                    (shown, all) if shown < all => format!("the model's {all} classes begin with {}", known.join(", ")),
                    _ => format!("the model's classes are {}", known.join(", ")),
                };
                let known = is_meant(name, spec.labels.iter().map(|(_, name)| name)).unwrap_or(known);
                Error::invalid_config(format!("{field}: {name:?} is no class of this model; {known}")).with_field(field)
            })
        };
        let others = if config.classes.is_empty() { config.min_confidence } else { NEVER };
        let count = spec.labels.iter().map(|(id, _)| id as usize + 1).max().unwrap_or(0).max(spec.classes.unwrap_or(0));
        let mut by_id = vec![others; count];
        for name in &config.classes {
            by_id[id("classes", name)? as usize] = config.min_confidence;
        }
        for (name, &value) in &config.class_confidence {
            let threshold = &mut by_id[id("class_confidence", name)? as usize];
            if *threshold < NEVER {
                *threshold = value;
            }
        }
        let least = by_id.iter().copied().fold(if by_id.is_empty() { others } else { NEVER }, f32::min).min(others);
        Ok(Self { others, by_id, least })
    }

    /// No class has a lower threshold.
    pub(super) fn least(&self) -> f32 {
        self.least
    }

    /// The classes that have a name and are reported; none where no class has one.
    pub(super) fn by_name(&self, labels: &Labels) -> Option<BTreeMap<Arc<str>, f32>> {
        let least = |id: u32| self.by_id.get(id as usize).copied().unwrap_or(self.others);
        let all = labels.iter().map(|(id, name)| (name.into(), least(id)));
        (!labels.is_empty()).then(|| all.filter(|(_, least)| *least < NEVER).collect())
    }

    pub(super) fn passes(&self, class_id: u32, score: f32) -> bool {
        score > self.by_id.get(class_id as usize).copied().unwrap_or(self.others)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_range_is_checked_and_the_field_named() {
        let base = DetectorConfig::default;
        for (field, config) in [
            ("min_confidence", DetectorConfig { min_confidence: 1.5, ..base() }),
            ("min_confidence", DetectorConfig { min_confidence: f32::NAN, ..base() }),
            ("iou", DetectorConfig { iou: -0.1, ..base() }),
            ("class_confidence", DetectorConfig { class_confidence: [("car".into(), 2.0)].into(), ..base() }),
            ("max_detections", DetectorConfig { max_detections: 0, ..base() }),
            ("max_batch", DetectorConfig { max_batch: 0, ..base() }),
            ("intra_op_threads", DetectorConfig { intra_op_threads: 0, ..base() }),
            (
                "execution_provider",
                DetectorConfig { execution_provider: ExecutionProviderChoice::FirstOf(vec![]), ..base() },
            ),
        ] {
            let error = config.validate().unwrap_err();
            assert_eq!(error.code(), crate::ErrorCode::InvalidConfig);
            assert!(error.to_string().contains(field), "{field}: {error}");
        }
        assert!(base().validate().is_ok());
    }

    #[test]
    fn unknown_fields_are_refused() {
        let config: DetectorConfig =
            serde_json::from_str(r#"{"min_confidence": 0.4, "execution_provider": {"first-of": ["cuda", "cpu"]}}"#)
                .unwrap();
        assert_eq!(config.min_confidence, 0.4);
        assert!(serde_json::from_str::<DetectorConfig>(r#"{"confidance": 0.4}"#).is_err());
    }
}
