use super::candidates::Candidates;
use super::grid::Cells;
use super::part::{Part, exactly};
use crate::error::{Error, Result};
use crate::geometry::BoundingBox;
use crate::model::STRIDES;

/// Class scores, objectness and boxes for each stride. The score is the geometric mean of class score and objectness.
pub(super) fn decode<'a>(candidates: &mut Candidates<'_>, parts: &[Part<'a>]) -> Result<Part<'a>> {
    let [c8, c16, c32, o8, o16, o32, b8, b16, b32] = exactly(parts)?;
    let mut first = 0;
    for (k, (class, object, boxes)) in [(c8, o8, b8), (c16, o16, b16), (c32, o32, b32)].into_iter().enumerate() {
        let boxes = boxes.with_columns(4)?;
        let mut cells = Cells::new(candidates.input, &STRIDES[k..=k]);
        if [class.data.len(), object.data.len(), boxes.rows] != [cells.total(); 3] {
            return Err(Error::model_invalid(format!(
                "output {:?} does not fit the grid of {} cells",
                class.name,
                cells.total()
            ))
            .with_tensor(class.name));
        }
        for ((anchor, &class_score), &object_score) in (0u32..).zip(class.data).zip(object.data) {
            let Some(cell) = cells.next() else { break };
            if class_score.is_nan() || object_score.is_nan() {
                return Err(class.nan());
            }
            let score = (class.score(class_score)? * object.score(object_score)?).sqrt();
            if score > candidates.thresholds.least() {
                let &[dx, dy, dw, dh] = boxes.row(anchor as usize) else {
                    continue;
                };
                let stride = cell.stride as f32;
                let (x, y) = ((cell.x as f32 + dx) * stride, (cell.y as f32 + dy) * stride);
                let bbox = BoundingBox::from_cxcywh(x, y, dw.exp() * stride, dh.exp() * stride);
                candidates.push(&class, bbox, score, 0, first + anchor)?;
            }
        }
        first += class.data.len() as u32;
    }
    Ok(b8)
}
