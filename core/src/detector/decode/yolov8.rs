use super::candidates::Candidates;
use super::part::{Part, exactly};
use super::rows::{self, pixels};
use crate::error::{Error, Result};
use crate::geometry::BoundingBox;
use crate::imaging::vectorized;
use crate::model::Head;
use std::iter::repeat;

pub(super) fn decode<'a>(candidates: &mut Candidates<'_>, head: &Head, parts: &[Part<'a>]) -> Result<Part<'a>> {
    let [part] = exactly(parts)?;
    let columns = head.row_len(4);
    if head.transposed {
        rows::decode(candidates, part.with_columns(columns)?, false, repeat(()), pixels)?;
    } else {
        planar(candidates, part, columns)?;
    }
    Ok(part)
}

/// Anchors looked at together: their best scores and classes stay in the first-level cache.
const BLOCK: usize = 512;

/// `[4 + classes, N]`: a plane for each number, so the best class of many anchors is found side by side.
fn planar(candidates: &mut Candidates<'_>, part: Part<'_>, rows: usize) -> Result<()> {
    let anchors = part.columns;
    if part.rows != rows || rows < 5 {
        return Err(Error::model_invalid(format!(
            "output {:?} has {} rows; its spec says {rows}",
            part.name, part.rows
        ))
        .with_tensor(part.name));
    }
    let least = candidates.thresholds.least();
    let mut best = [0.0f32; BLOCK];
    let mut class = [0u32; BLOCK];
    for start in (0..anchors).step_by(BLOCK) {
        let len = BLOCK.min(anchors - start);
        let (best, class) = (&mut best[..len], &mut class[..len]);
        if best_of_planes(&part.data[4 * anchors..], anchors, start, best, class) {
            return Err(part.nan());
        }
        for k in 0..len {
            // Of a model that ends before its sigmoid, most are negative.
            part.score(best[k])?;
            if best[k] > least {
                let [cx, cy, w, h] = [0, 1, 2, 3].map(|row| part.row(row)[start + k]);
                candidates.push(
                    &part,
                    BoundingBox::from_cxcywh(cx, cy, w, h),
                    best[k],
                    class[k],
                    (start + k) as u32,
                )?;
            }
        }
    }
    Ok(())
}

vectorized! {
    /// The highest score of each anchor and its class, the lowest number among equals; whether any score is NaN.
    fn best_of_planes(planes: &[f32], anchors: usize, start: usize, best: &mut [f32], class: &mut [u32]) -> bool {
        best.fill(f32::NEG_INFINITY);
        class.fill(0);
        let mut nan = 0u32;
        for (id, plane) in (0u32..).zip(planes.chunks_exact(anchors)) {
            let scores = &plane[start..start + best.len()];
            for ((&score, best), class) in scores.iter().zip(best.iter_mut()).zip(class.iter_mut()) {
                let better = score > *best;
                *best = if better { score } else { *best };
                *class = if better { id } else { *class };
                nan |= u32::from(score.is_nan());
            }
        }
        nan != 0
    }
}
