//! Rows of a box and the scores of the classes, which several families write.

use super::candidates::Candidates;
use super::part::Part;
use super::scores::best_of_row;
use crate::error::Result;
use crate::geometry::BoundingBox;

/// `[N, 4 (+ objectness) + classes]`. Each row is of the next one of `cells`, and `bbox` reads its first four numbers.
pub(super) fn decode<C>(
    candidates: &mut Candidates<'_>,
    part: Part<'_>,
    objectness: bool,
    cells: impl Iterator<Item = C>,
    bbox: impl Fn(C, [f32; 4]) -> BoundingBox,
) -> Result<()> {
    let least = candidates.thresholds.least();
    let first_score = 4 + usize::from(objectness);
    for ((anchor, row), cell) in part.each_row().zip(cells) {
        let object = if objectness { row[4] } else { 1.0 };
        if object.is_nan() {
            return Err(part.nan());
        }
        // No class score exceeds 1, so the product cannot exceed the objectness.
        if objectness && part.score(object)? <= least {
            continue;
        }
        let (class_id, class_score) = best_of_row(&row[first_score..]).ok_or_else(|| part.nan())?;
        let score = object * part.score(class_score)?;
        if score > least {
            candidates.push(&part, bbox(cell, [row[0], row[1], row[2], row[3]]), score, class_id, anchor)?;
        }
    }
    Ok(())
}

/// Centre and size in pixels.
pub(super) fn pixels((): (), [cx, cy, w, h]: [f32; 4]) -> BoundingBox {
    BoundingBox::from_cxcywh(cx, cy, w, h)
}
