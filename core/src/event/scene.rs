use crate::clock::{Timestamp, UnixTime};
use crate::frame::CameraId;
use crate::geometry::Size;
use crate::tracking::Object;

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
