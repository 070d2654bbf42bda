use super::candidates::Candidates;
use super::part::{Part, exactly};
use super::yolo_end2end::kept_box;
use crate::error::Result;
use crate::model::Head;

/// `[N, 7]`: picture, corners, then class and score in their order. Only the rows of picture `item` are taken.
pub(super) fn decode<'a>(
    candidates: &mut Candidates<'_>,
    head: &Head,
    parts: &[Part<'a>],
    item: usize,
) -> Result<Part<'a>> {
    let [part] = exactly(parts)?;
    let part = part.with_columns(7)?;
    for (anchor, row) in part.each_row() {
        let &[picture, x1, y1, x2, y2, sixth, seventh] = row else {
            continue;
        };
        if picture.is_nan() {
            return Err(part.nan());
        }
        if picture == item as f32 {
            kept_box(candidates, &part, head, [x1, y1, x2, y2], (sixth, seventh), anchor)?;
        }
    }
    Ok(part)
}
