use super::candidates::Candidates;
use super::part::{Part, exactly};
use super::scores::class_number;
use crate::error::Result;
use crate::model::{Head, RowOrder};

/// `[M, 6]`: corners, then score and class in their order.
pub(super) fn decode<'a>(candidates: &mut Candidates<'_>, head: &Head, parts: &[Part<'a>]) -> Result<Part<'a>> {
    let [part] = exactly(parts)?;
    let part = part.with_columns(6)?;
    for (anchor, row) in part.each_row() {
        let &[x1, y1, x2, y2, fifth, sixth] = row else {
            continue;
        };
        kept_box(candidates, &part, head, [x1, y1, x2, y2], (fifth, sixth), anchor)?;
    }
    Ok(part)
}

/// The score of a row that is not used.
const UNUSED: f32 = -1.0;

/// A box that suppression inside the model has kept.
pub(super) fn kept_box(
    candidates: &mut Candidates<'_>,
    part: &Part<'_>,
    head: &Head,
    corners: [f32; 4],
    (one, other): (f32, f32),
    anchor: u32,
) -> Result<()> {
    let (order, units) = head.rows;
    let (score, class) = match order {
        RowOrder::ScoreClass => (one, other),
        RowOrder::ClassScore => (other, one),
    };
    if score.is_nan() {
        return Err(part.nan());
    }
    // Rows that are not used are filled up with 0 or −1.
    if score != UNUSED {
        part.score(score)?;
    }
    if score > candidates.thresholds.least() {
        let class_id = class_number(part, class, head.classes)?;
        candidates.push(part, candidates.pixels(units, corners), score, class_id, anchor)?;
    }
    Ok(())
}
