use super::candidates::Candidates;
use super::part::{Part, exactly};
use super::rows;
use crate::error::Result;
use crate::geometry::BoundingBox;
use crate::model::Head;
use std::iter::repeat;

/// Centre and size as fractions of the input.
pub(super) fn decode<'a>(candidates: &mut Candidates<'_>, head: &Head, parts: &[Part<'a>]) -> Result<Part<'a>> {
    let [part] = exactly(parts)?;
    let part = part.with_columns(head.row_len(4))?;
    let (width, height) = (candidates.input.width as f32, candidates.input.height as f32);
    rows::decode(candidates, part, false, repeat(()), |(), [cx, cy, w, h]| {
        BoundingBox::from_cxcywh(cx * width, cy * height, w * width, h * height)
    })?;
    Ok(part)
}
