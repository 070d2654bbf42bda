use super::{Family, Preprocessing, STRIDES};
use crate::imaging::{ChannelOrder, Resize};
use crate::model::evidence::{Evidence, SingleOutput, cells};
use crate::model::head::Head;

/// Source: NanoDet's configuration files (img_norm_cfg).
pub(super) const PREPROCESSING: Preprocessing = Preprocessing {
    color: ChannelOrder::Bgr,
    resize: Resize::Letterbox,
    pad: 0,
    mean: [103.53, 116.28, 123.675],
    std: [57.375, 57.12, 58.395],
};

/// A distribution over 8 distances for each of four sides.
const DISTANCES: usize = 32;

/// NanoDet-Plus: scores and distances in one output.
pub(super) fn reading_plus(single: &SingleOutput<'_>) -> Option<Head> {
    let classes = single.classes(single.third, DISTANCES)?;
    let fits = single.second.is_none_or(|n| n == single.cells(&[8, 16, 32, 64])) && !single.evidence.ultralytics;
    fits.then(|| Head { concatenated: true, ..Head::new(Family::NanoDet, Some(classes), [&single.output.name]) })
}

/// Scores and distances for each stride.
pub(super) fn reading(evidence: &Evidence<'_>) -> Option<Head> {
    let outputs = evidence.outputs;
    if outputs.len() != 2 * STRIDES.len() {
        return None;
    }
    let mut ordered = Vec::new();
    let mut classes = None;
    for is_distances in [false, true] {
        for stride in STRIDES {
            let n = cells(evidence.input, &[stride]);
            let mut fitting = outputs.iter().filter(|output| match output.axes[..] {
                [_, count, Some(columns)] if count == Some(n) => (columns == DISTANCES) == is_distances,
                _ => false,
            });
            let (Some(output), None) = (fitting.next(), fitting.next()) else {
                return None;
            };
            if !is_distances {
                let columns = output.axes[2];
                if classes.is_some() && classes != columns {
                    return None;
                }
                classes = columns;
            }
            ordered.push(&output.name);
        }
    }
    Some(Head::new(Family::NanoDet, classes, ordered))
}
