use super::digits;
use crate::clock::{Timestamp, UnixTime};
use crate::detection::Detections;
use crate::frame::CameraId;
use crate::provider::Answer;
use crate::tracking::Object;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The result of one analysed frame of a camera, for hosts that want every result and not only events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FrameResult {
    /// 32 hexadecimal digits, made of the camera and the civil time of the frame as an event's id is: the same however often
    /// the result is delivered.
    pub id: Arc<str>,
    /// The camera.
    pub camera: CameraId,
    /// Presentation time of the frame (`pts_ns` in JSON).
    #[serde(rename = "pts_ns")]
    pub pts: Timestamp,
    /// Civil time of the frame.
    pub time: UnixTime,
    /// The host's number of the frame.
    pub seq: u64,
    /// Whether the answer came from the cache.
    pub cached: bool,
    /// Detections that passed the filters of label, confidence and region. The cost of the call is not in the JSON.
    pub detections: Detections,
    /// The objects that are confirmed.
    pub objects: Vec<Object>,
    /// Who answered and why (`provider` and `reason` in JSON).
    #[serde(flatten)]
    pub answer: Answer,
    /// The mean luma of the picture, 0..255.
    pub luma: u8,
}

impl FrameResult {
    /// The id of the result of the frame of this civil time, in nanoseconds since 1970.
    pub(crate) fn id_of(camera: &CameraId, civil_ns: i64) -> Arc<str> {
        digits(&[camera.as_str()], civil_ns).into()
    }
}
