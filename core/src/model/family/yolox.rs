use super::{Family, Preprocessing};
use crate::imaging::{ChannelOrder, Resize};
use crate::model::evidence::{Evidence, SingleOutput};
use crate::model::head::Head;

/// Levels as they are.
pub(super) const PREPROCESSING: Preprocessing = Preprocessing {
    color: ChannelOrder::Bgr,
    resize: Resize::LetterboxTopLeft,
    pad: 114,
    mean: [0.0; 3],
    std: [1.0; 3],
};

pub(super) fn reading(single: &SingleOutput<'_>) -> Option<Head> {
    let classes = single.classes(single.third, 5)?;
    let fits = single.second.is_none_or(|n| n == single.cells(&[8, 16, 32])) && !single.evidence.ultralytics;
    fits.then(|| Head::new(Family::YoloX, Some(classes), [&single.output.name]))
}

pub(super) fn unproven(evidence: &Evidence<'_>) -> Option<String> {
    evidence.decodes_boxes.then(|| {
        "has the shape of a YOLOX, but its boxes are decoded inside the model, as by YOLOv6, which no family here reads: \
         export it without decoding, or convert its outputs to those of a family, and say which"
            .into()
    })
}
