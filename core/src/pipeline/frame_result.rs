use crate::clock::{Timestamp, UnixTime};
use crate::detection::Detections;
use crate::frame::CameraId;
use crate::provider::Answer;
use crate::tracking::Object;

/// What was found in one frame of a camera: what a host gets that wants every answer and not only events.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FrameResult {
    /// The camera.
    pub camera: CameraId,
    /// Presentation time of the frame.
    pub pts: Timestamp,
    /// Civil time of the frame.
    pub time: UnixTime,
    /// The host's number of the frame.
    pub seq: u64,
    /// Whether the answer was used again for the same picture.
    pub cached: bool,
    /// What counts of what was found: by label, confidence and place.
    pub detections: Detections,
    /// The objects that are confirmed.
    pub objects: Vec<Object>,
    /// Who answered and why.
    pub answer: Answer,
    /// The mean luma of the picture, 0..255.
    pub luma: u8,
}
