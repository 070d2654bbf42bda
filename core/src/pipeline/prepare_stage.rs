//! Decodes the whole picture of a frame.

use super::input::Input;
use super::job::Job;
use crate::error::Result;
use crate::frame::{CameraId, DecodeOptions, Frame, FrameMeta};
use crate::imaging::mean_luma;

/// The whole picture.
pub(super) fn whole(job: &mut Job, keep_encoded: bool) -> Result<Frame> {
    let frame = match &job.input {
        Input::Raw(frame) => frame.clone(),
        Input::Encoded(encoded) => {
            let options = DecodeOptions { limits: job.config.limits, keep_encoded, ..DecodeOptions::default() };
            Frame::decode(encoded.bytes(), &options)?
        }
    };
    if job.luma.is_none() {
        let luma = mean_luma(&frame);
        job.luma = Some(luma);
        job.passage.decision.luma = luma;
    }
    Ok(frame.with_meta(meta(job, &job.config.id)))
}

/// The camera, the time and the number of a frame, for its picture.
pub(super) fn meta(job: &Job, camera: &CameraId) -> FrameMeta {
    let meta = job.input.meta();
    FrameMeta { camera: camera.clone(), pts: meta.pts, seq: meta.seq }
}
