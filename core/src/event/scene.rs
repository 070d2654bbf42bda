use crate::clock::{Timestamp, UnixTime};
use crate::detection::Detection;
use crate::frame::CameraId;
use crate::geometry::Size;
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

/// What is known about a camera's picture at one time.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Scene<'a> {
    /// The camera.
    pub camera: &'a CameraId,
    /// Presentation time of the frame.
    pub pts: Timestamp,
    /// Civil time of the frame.
    pub time: UnixTime,
    /// What names the frame in the ids of events: its civil time in nanoseconds since 1970, as the times of the stream tell
    /// it. Of a recording `epoch_s` and the frame's time; of a stream without civil time, the machine's at the first
    /// frame and what passed since then by the times of the frames. Unlike `time`, it does not follow the machine's clock.
    pub civil_ns: i64,
    /// The size of the frame whose pixels the boxes are in.
    pub frame: Size,
    /// The confirmed objects, surest first.
    pub objects: &'a [Object],
    /// Whether the objects come from this very frame. Where nothing moved, the frame was not looked at, and the objects
    /// are those of the last one that was.
    pub looked_at: bool,
}

impl<'a> Scene<'a> {
    /// A scene of a frame that was looked at. Its civil time is that of `pts`, as if that began in 1970.
    pub const fn new(camera: &'a CameraId, pts: Timestamp, frame: Size, objects: &'a [Object]) -> Self {
        let civil_ns = pts.as_nanos();
        Self { camera, pts, time: UnixTime::from_secs(0), civil_ns, frame, objects, looked_at: true }
    }

    /// Sets the civil time that ids of events are made of, in nanoseconds since 1970.
    pub const fn with_civil_ns(mut self, civil_ns: i64) -> Self {
        self.civil_ns = civil_ns;
        self
    }

    /// Sets the civil time.
    pub const fn with_time(mut self, time: UnixTime) -> Self {
        self.time = time;
        self
    }

    /// The same objects in a frame that nobody looked at, since nothing moved.
    pub const fn unchanged(mut self) -> Self {
        self.looked_at = false;
        self
    }
}
