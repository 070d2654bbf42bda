use super::candidates::Candidates;
use super::grid::{Cell, Cells};
use super::part::{Part, exactly};
use super::rows;
use crate::error::Result;
use crate::geometry::BoundingBox;
use crate::model::Head;

/// Offsets from the cell and logarithms of the size, in strides.
pub(super) fn decode<'a>(candidates: &mut Candidates<'_>, head: &Head, parts: &[Part<'a>]) -> Result<Part<'a>> {
    let [part] = exactly(parts)?;
    let part = part.with_columns(head.row_len(5))?;
    let cells = Cells::new(candidates.input, &[8, 16, 32]);
    let part = part.with_rows_of_grid(cells.total())?;
    rows::decode(candidates, part, true, cells, |cell: Cell, [dx, dy, w, h]| {
        let (x, y, stride) = (cell.x as f32, cell.y as f32, cell.stride as f32);
        BoundingBox::from_cxcywh((dx + x) * stride, (dy + y) * stride, w.exp() * stride, h.exp() * stride)
    })?;
    Ok(part)
}
