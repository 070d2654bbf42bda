//! What a model found: labels, detections, and the suppression of doubles.

#[cfg(feature = "ndarray")]
mod array;
mod nms;
pub(crate) mod sound;

pub(crate) use nms::{Candidate, non_maximum_suppression, sort_surest_first};

use crate::geometry::{BoundingBox, Size};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The class of a detection: its number and its name. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Label {
    /// The model's number for the class, from 0; [`UNNUMBERED`](Label::UNNUMBERED) for a name of a cloud provider that is
    /// none of the 80 of COCO.
    pub id: u32,
    /// The name, such as `person`; `class 7` where the model file does not say.
    pub name: Arc<str>,
}

impl Label {
    /// The number of a label that has a name only.
    pub const UNNUMBERED: u32 = u32::MAX;
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// One object that was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Detection {
    /// Where it is, in pixels of the frame, inside the frame.
    pub bbox: BoundingBox,
    /// What it is.
    pub label: Label,
    /// How sure the model is, 0..1.
    pub confidence: f32,
    /// The words, where it is text that was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<Arc<str>>,
    /// What the label is a kind of, in the words of the provider that says so (`Vehicle` and `Transportation` for a car);
    /// empty for local models.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<Arc<str>>,
}

impl Detection {
    /// A detection.
    pub const fn new(bbox: BoundingBox, label: Label, confidence: f32) -> Self {
        Self { bbox, label, confidence, text: None, parents: Vec::new() }
    }
}

/// A label of a whole picture, without a location.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ImageLabel {
    /// What it is.
    pub label: Label,
    /// How sure the model is, 0..1.
    pub confidence: f32,
    /// What the label is a kind of; as in [`Detection::parents`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<Arc<str>>,
}

impl ImageLabel {
    /// A label of a whole picture.
    pub const fn new(label: Label, confidence: f32) -> Self {
        Self { label, confidence, parents: Vec::new() }
    }
}

/// Everything that was found in one frame, surest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Detections {
    /// The objects, in falling order of confidence.
    pub items: Vec<Detection>,
    /// Labels without a box, surest first; only cloud providers give some.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub image_labels: Vec<ImageLabel>,
    /// The size of the frame whose pixels the boxes are in.
    pub frame: Size,
    /// What the call cost. Frames of one run share the time of preprocessing and inference equally.
    #[serde(skip)]
    pub timing: Timing,
}

impl Detections {
    /// Detections in a frame of this size.
    pub const fn new(items: Vec<Detection>, frame: Size, timing: Timing) -> Self {
        Self { items, image_labels: Vec::new(), frame, timing }
    }

    /// The objects, surest first.
    pub fn iter(&self) -> std::slice::Iter<'_, Detection> {
        self.items.iter()
    }

    /// How many objects were found.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

impl<'a> IntoIterator for &'a Detections {
    type Item = &'a Detection;
    type IntoIter = std::slice::Iter<'a, Detection>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.iter()
    }
}

/// The time spent on one frame, by stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    /// From the frame to the input tensor.
    pub preprocess: Duration,
    /// In the engine.
    pub inference: Duration,
    /// From the output tensors to detections.
    pub postprocess: Duration,
}

impl Timing {
    /// The whole call.
    pub fn total(&self) -> Duration {
        self.preprocess + self.inference + self.postprocess
    }
}
