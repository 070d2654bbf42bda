use super::candidates::Candidates;
use super::part::{Part, exactly};
use super::scores::best_of_row;
use crate::error::{Error, Result};
use crate::model::{Head, SsdBoxes};

/// Scores `[N, C]` and boxes `[N, 4]`.
pub(super) fn decode<'a>(candidates: &mut Candidates<'_>, head: &Head, parts: &[Part<'a>]) -> Result<Part<'a>> {
    let [scores, boxes] = exactly(parts)?;
    let (boxes, form) = (boxes.with_columns(4)?, head.ssd);
    if scores.rows != boxes.rows {
        let error = Error::model_invalid(format!("outputs {:?} and {:?} differ in length", scores.name, boxes.name));
        return Err(error.with_tensor(boxes.name));
    }
    for (anchor, row) in scores.each_row() {
        let (class_id, score) = best_of_row(&row[usize::from(form.background)..]).ok_or_else(|| scores.nan())?;
        scores.score(score)?;
        if score > candidates.thresholds.least() {
            let &[a, b, c, d] = boxes.row(anchor as usize) else {
                continue;
            };
            let corners = match form.boxes {
                SsdBoxes::Xyxy => [a, b, c, d],
                SsdBoxes::Yxyx => [b, a, d, c],
            };
            candidates.push(&scores, candidates.pixels(form.units, corners), score, class_id, anchor)?;
        }
    }
    Ok(boxes)
}
