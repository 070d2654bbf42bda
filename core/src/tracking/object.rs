use crate::clock::Timestamp;
use crate::detection::Detection;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The number of an object among those of its camera; not used again for another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ObjectId(pub u64);

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// Something that was found in one or several frames of a camera.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Object {
    /// Which one it is: linked from frame to frame by how much the boxes overlap.
    pub id: ObjectId,
    /// As it was found last; its confidence is the mean over the sightings that count.
    #[serde(flatten)]
    pub detection: Detection,
    /// In how many of the last frames it was seen.
    pub sightings: u32,
    /// Presentation time of the frame in which it was first seen, in nanoseconds.
    #[serde(rename = "since_ns")]
    pub since: Timestamp,
}

impl Object {
    /// An object that was seen once.
    pub const fn new(id: ObjectId, detection: Detection, since: Timestamp) -> Self {
        Self { id, detection, sightings: 1, since }
    }
}
