use crate::clock::{Timestamp, UnixTime};
use crate::frame::CameraId;
use crate::geometry::Size;
use crate::tracking::Object;

/// The state of a camera's picture at one time.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Scene<'a> {
    /// The camera.
    pub camera: &'a CameraId,
    /// Presentation time of the frame.
    pub pts: Timestamp,
    /// Civil time of the frame.
    pub time: UnixTime,
    /// The frame's time in the ids of events: civil time in nanoseconds since 1970, by the timestamps of the stream.
    /// For a recording, `epoch_s` and the frame's time; for a stream without civil time, the machine's time at the
    /// first frame, plus the time between the frames. Unlike `time`, it does not follow the machine's clock.
    pub civil_ns: i64,
    /// The size of the frame whose pixels the boxes are in.
    pub frame: Size,
    /// The confirmed objects, surest first.
    pub objects: &'a [Object],
    /// Whether the objects come from this very frame. A frame without motion is not analysed, and has the objects of
    /// the last analysed one.
    pub looked_at: bool,
}

impl<'a> Scene<'a> {
    /// The scene of an analysed frame. Its civil time is `pts`, counted from 1970.
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

    /// Marks the scene as one of a frame that was not analysed, since nothing moved.
    pub const fn unchanged(mut self) -> Self {
        self.looked_at = false;
        self
    }
}
