use super::candidates::Candidates;
use super::grid::Cells;
use super::part::{Part, exactly};
use super::scores::best_of_row;
use crate::error::Result;
use crate::geometry::BoundingBox;
use crate::model::{Head, STRIDES};

pub(super) fn decode<'a>(candidates: &mut Candidates<'_>, head: &Head, parts: &[Part<'a>]) -> Result<Part<'a>> {
    if head.concatenated {
        let [part] = exactly(parts)?;
        plus(candidates, part.with_columns(head.row_len(32))?)?;
        return Ok(part);
    }
    let [s8, s16, s32, d8, d16, d32] = exactly(parts)?;
    split(candidates, [(s8, d8), (s16, d16), (s32, d32)], head.row_len(0))?;
    Ok(d8)
}

/// The mean of a distribution over the distances 0..7, given as logits.
fn expected_distance(logits: &[f32]) -> f32 {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let (mut sum, mut weighted) = (0.0, 0.0);
    for (distance, &logit) in logits.iter().enumerate() {
        let weight = (logit - most).exp();
        sum += weight;
        weighted += weight * distance as f32;
    }
    weighted / sum
}

/// A box from the distances of its sides, in strides, from a point of the input.
fn box_around(x: f32, y: f32, stride: f32, logits: &[f32]) -> BoundingBox {
    let side = |k: usize| expected_distance(&logits[k * 8..(k + 1) * 8]) * stride;
    BoundingBox::from_xyxy(x - side(0), y - side(1), x + side(2), y + side(3))
}

/// NanoDet: scores and distances for each stride. Distances count from the middle of the cell.
fn split(candidates: &mut Candidates<'_>, levels: [(Part<'_>, Part<'_>); 3], classes: usize) -> Result<()> {
    let mut first = 0;
    for (k, (scores, distances)) in levels.into_iter().enumerate() {
        let (scores, distances) = (scores.with_columns(classes)?, distances.with_columns(32)?);
        let mut cells = Cells::new(candidates.input, &STRIDES[k..=k]);
        let scores = scores.with_rows_of_grid(cells.total())?;
        let distances = distances.with_rows_of_grid(cells.total())?;
        for (anchor, row) in scores.each_row() {
            let Some(cell) = cells.next() else { break };
            let (class_id, score) = best_of_row(row).ok_or_else(|| scores.nan())?;
            scores.score(score)?;
            if score > candidates.thresholds.least() {
                let stride = cell.stride as f32;
                let (x, y) = ((cell.x as f32 + 0.5) * stride, (cell.y as f32 + 0.5) * stride);
                let bbox = box_around(x, y, stride, distances.row(anchor as usize));
                candidates.push(&scores, bbox, score, class_id, first + anchor)?;
            }
        }
        first += scores.rows as u32;
    }
    Ok(())
}

/// NanoDet-Plus: scores and distances in one tensor, four strides. Distances count from the corner of the cell.
fn plus(candidates: &mut Candidates<'_>, part: Part<'_>) -> Result<()> {
    let mut cells = Cells::new(candidates.input, &[8, 16, 32, 64]);
    let part = part.with_rows_of_grid(cells.total())?;
    let classes = part.columns - 32;
    for (anchor, row) in part.each_row() {
        let Some(cell) = cells.next() else { break };
        let (class_id, score) = best_of_row(&row[..classes]).ok_or_else(|| part.nan())?;
        part.score(score)?;
        if score > candidates.thresholds.least() {
            let stride = cell.stride as f32;
            let bbox = box_around(cell.x as f32 * stride, cell.y as f32 * stride, stride, &row[classes..]);
            candidates.push(&part, bbox, score, class_id, anchor)?;
        }
    }
    Ok(())
}
