use super::candidates::Candidates;
use super::part::{Part, exactly};
use super::scores::class_number;
use crate::error::{Error, Result};
use crate::geometry::BoundingBox;
use crate::model::Head;

/// RT-DETR and D-FINE: class numbers, corners in the units of `orig_target_sizes` (the input's pixels), scores.
pub(super) fn decode<'a>(candidates: &mut Candidates<'_>, head: &Head, parts: &[Part<'a>]) -> Result<Part<'a>> {
    let [labels, boxes, scores] = exactly(parts)?;
    let boxes = boxes.with_columns(4)?;
    if labels.data.len() != scores.data.len() || boxes.rows != scores.data.len() {
        return Err(Error::model_invalid(format!(
            "outputs {:?}, {:?} and {:?} differ in length",
            labels.name, boxes.name, scores.name
        ))
        .with_tensor(labels.name));
    }
    for ((anchor, &score), &class) in (0u32..).zip(scores.data).zip(labels.data) {
        if score.is_nan() {
            return Err(scores.nan());
        }
        scores.score(score)?;
        if score > candidates.thresholds.least() {
            let &[x1, y1, x2, y2] = boxes.row(anchor as usize) else {
                continue;
            };
            let class_id = class_number(&labels, class, head.classes)?;
            candidates.push(&scores, BoundingBox::from_xyxy(x1, y1, x2, y2), score, class_id, anchor)?;
        }
    }
    Ok(boxes)
}
