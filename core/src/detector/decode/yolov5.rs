use super::candidates::Candidates;
use super::part::{Part, exactly};
use super::rows::{self, pixels};
use crate::error::Result;
use crate::model::Head;
use std::iter::repeat;

pub(super) fn decode<'a>(candidates: &mut Candidates<'_>, head: &Head, parts: &[Part<'a>]) -> Result<Part<'a>> {
    let [part] = exactly(parts)?;
    rows::decode(candidates, part.with_columns(head.row_len(5))?, true, repeat(()), pixels)?;
    Ok(part)
}
