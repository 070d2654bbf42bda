//! From output tensors to candidates: a file for each family. Boxes come out in pixels of the model's input.
//!
//! What a model says is checked here for every family: a score that is none is `ModelInvalid`, naming the output and the
//! value; a box that is none is left out and counted; a set of boxes of which none fits the input is `ModelInvalid`.

mod candidates;
mod grid;
mod nanodet;
mod part;
mod rfdetr;
mod rows;
mod rtdetr;
mod rtdetr_ultralytics;
mod scores;
mod ssd;
mod yolo_end2end;
mod yolo_end2end_flat;
mod yolov5;
mod yolov8;
mod yolox;
mod yunet;

use super::config::Thresholds;
use crate::detection::Candidate;
use crate::error::{Error, Result};
use crate::model::{Family, ModelSpec};
use crate::onnx::OutputTensor;
use candidates::Candidates;

/// Decodes outputs; keeps buffers from one call to the next.
#[derive(Default)]
pub(super) struct Decoder {
    /// Half-precision outputs as f32, one buffer an output.
    widened: Vec<Vec<f32>>,
}

impl Decoder {
    /// Appends the candidates of picture `item` of a run of `slots` pictures. Gives the number of boxes that were left out,
    /// since they have no area.
    pub(super) fn decode(
        &mut self,
        spec: &ModelSpec,
        outputs: &[OutputTensor<'_>],
        item: usize,
        slots: usize,
        thresholds: &Thresholds,
        found: &mut Vec<Candidate>,
    ) -> Result<usize> {
        self.widened.resize_with(outputs.len().max(self.widened.len()), Vec::new);
        let head = &spec.head;
        if outputs.len() != head.outputs.len() {
            return Err(Error::internal("the engine gave another number of outputs than was asked for"));
        }
        let mut parts = Vec::with_capacity(outputs.len());
        for (output, buffer) in outputs.iter().zip(&mut self.widened) {
            parts.push(match head.family {
                // Each of its rows says which picture it is of.
                Family::YoloEnd2EndFlat => part::whole(output, buffer)?,
                _ => part::of_picture(output, item, slots, buffer)?,
            });
        }
        let mut candidates = Candidates { input: spec.input.transform.size, thresholds, found, left_out: 0 };
        let boxes = match head.family {
            Family::YoloV8 => yolov8::decode(&mut candidates, head, &parts),
            Family::YoloV5 => yolov5::decode(&mut candidates, head, &parts),
            Family::YoloEnd2End => yolo_end2end::decode(&mut candidates, head, &parts),
            Family::YoloEnd2EndFlat => yolo_end2end_flat::decode(&mut candidates, head, &parts, item),
            Family::YoloX => yolox::decode(&mut candidates, head, &parts),
            Family::Ssd => ssd::decode(&mut candidates, head, &parts),
            Family::NanoDet => nanodet::decode(&mut candidates, head, &parts),
            Family::RtDetr => rtdetr::decode(&mut candidates, head, &parts),
            Family::RtDetrUltralytics => rtdetr_ultralytics::decode(&mut candidates, head, &parts),
            Family::RfDetr => rfdetr::decode(&mut candidates, head, &parts),
            Family::YuNet => yunet::decode(&mut candidates, &parts),
        }?;
        candidates.check_boxes(boxes.name)?;
        Ok(candidates.left_out)
    }
}
