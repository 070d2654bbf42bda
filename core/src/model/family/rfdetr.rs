use super::{Family, Preprocessing};
use crate::imaging::{ChannelOrder, Resize};
use crate::model::evidence::Evidence;
use crate::model::head::Head;

/// ImageNet's mean and deviation.
pub(super) const PREPROCESSING: Preprocessing = Preprocessing {
    color: ChannelOrder::Rgb,
    resize: Resize::Stretch,
    pad: 0,
    mean: [123.675, 116.28, 103.53],
    std: [58.395, 57.12, 57.375],
};

pub(super) fn readings(evidence: &Evidence<'_>) -> Vec<Head> {
    let told = evidence.hints.family == Some(Family::RfDetr);
    let pairs = evidence.boxes_and_scores().into_iter();
    pairs
        .filter(|(boxes, scores, _)| boxes.name == "dets" && scores.name == "labels" || told)
        .map(|(boxes, scores, columns)| Head::new(Family::RfDetr, Some(columns), [&boxes.name, &scores.name]))
        .collect()
}

/// The columns behind the named ones are no classes, but the background and a filler.
pub(super) const fn fits_names(columns: usize, names: usize) -> bool {
    names <= columns
}
