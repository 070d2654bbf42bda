use super::candidates::Candidates;
use super::part::{Part, exactly};
use super::scores::best_of_row;
use crate::error::{Error, Result};
use crate::geometry::BoundingBox;
use crate::model::Head;

/// Centre and size as fractions, and logits, of which those behind the classes are no classes.
pub(super) fn decode<'a>(candidates: &mut Candidates<'_>, head: &Head, parts: &[Part<'a>]) -> Result<Part<'a>> {
    let [boxes, logits] = exactly(parts)?;
    let (boxes, classes) = (boxes.with_columns(4)?, head.row_len(0));
    if boxes.rows != logits.rows {
        let error = Error::model_invalid(format!("outputs {:?} and {:?} differ in length", boxes.name, logits.name));
        return Err(error.with_tensor(logits.name));
    }
    if logits.columns < classes {
        return Err(Error::model_invalid(format!(
            "output {:?} has rows of {}; its spec says {classes} classes",
            logits.name, logits.columns
        ))
        .with_tensor(logits.name));
    }
    let (w, h) = (candidates.input.width as f32, candidates.input.height as f32);
    for (anchor, row) in logits.each_row() {
        let (class_id, logit) = best_of_row(&row[..classes]).ok_or_else(|| logits.nan())?;
        if logit == f32::INFINITY {
            return Err(Error::model_invalid(format!(
                "output {:?} holds the logit {logit}: the model or its input is damaged",
                logits.name
            ))
            .with_tensor(logits.name));
        }
        let score = 1.0 / (1.0 + (-logit).exp());
        if score > candidates.thresholds.least() {
            let &[cx, cy, bw, bh] = boxes.row(anchor as usize) else {
                continue;
            };
            candidates.push(
                &logits,
                BoundingBox::from_cxcywh(cx * w, cy * h, bw * w, bh * h),
                score,
                class_id,
                anchor,
            )?;
        }
    }
    Ok(boxes)
}
