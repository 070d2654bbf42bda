//! The class of a row: the best of its scores, or a number that the model wrote.

use super::part::Part;
use crate::error::{Error, Result};

/// The highest of a row of scores and its class, the lowest number among equals; `None` where one is NaN.
#[inline]
pub(super) fn best_of_row(scores: &[f32]) -> Option<(u32, f32)> {
    let mut best = (0, f32::NEG_INFINITY);
    let mut nan = false;
    for (id, &score) in (0..).zip(scores) {
        nan |= score.is_nan();
        if score > best.1 {
            best = (id, score);
        }
    }
    (!nan).then_some(best)
}

/// A class number that came as a float.
pub(super) fn class_number(part: &Part<'_>, class: f32, classes: Option<usize>) -> Result<u32> {
    let most = classes.unwrap_or(1 << 20) as f32;
    if class >= 0.0 && class < most && class.fract() == 0.0 {
        return Ok(class as u32);
    }
    Err(Error::model_invalid(format!(
        "output {:?} holds the class number {class}; there are {most} classes at most",
        part.name
    ))
    .with_tensor(part.name))
}
