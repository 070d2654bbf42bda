//! Invariants of every provider's results: scores in 0..1, and boxes that can be of an object in the picture.

use super::{Detection, Detections};
use crate::error::{Error, Result};
use crate::geometry::{BoundingBox, Size};

/// Scores may lie outside of 0..1 by this much: what is left of a quantised sigmoid.
pub(crate) const SCORE_SLACK: f32 = 0.01;

/// The score where it is one, in 0..1; `None` for what is no score.
pub(crate) fn score(score: f32) -> Option<f32> {
    // NaN is in no range.
    (-SCORE_SLACK..=1.0 + SCORE_SLACK).contains(&score).then(|| score.clamp(0.0, 1.0))
}

/// Whether this is a box at all: four numbers, with an area.
pub(crate) fn is_box(bbox: &BoundingBox) -> bool {
    bbox.is_finite() && bbox.x2 > bbox.x1 && bbox.y2 > bbox.y1
}

/// Pictures with a shorter side are too small to tell a fraction from a pixel.
const TELLS_FRACTIONS: u32 = 16;

/// Whether an object in a picture can reach from one place to the other along a side of this length.
pub(crate) fn fits_side(low: f32, high: f32, side: f32) -> bool {
    let middle = (low + high) / 2.0;
    (-0.25 * side..=1.25 * side).contains(&middle) && high - low <= 2.0 * side
}

/// Whether a box can be of an object in a picture of this size. It may go over the edges, but its middle is not far outside,
/// it is not much larger than the picture, and not as small as fractions are that were taken for pixels.
pub(crate) fn fits(bbox: &BoundingBox, size: Size) -> bool {
    let (width, height) = (size.width as f32, size.height as f32);
    let is_fraction = bbox.x2 <= 1.5
        && bbox.y2 <= 1.5
        && bbox.x1 >= -0.5
        && bbox.y1 >= -0.5
        && size.width.min(size.height) >= TELLS_FRACTIONS;
    fits_side(bbox.x1, bbox.x2, width) && fits_side(bbox.y1, bbox.y2, height) && !is_fraction
}

impl Detection {
    /// Checks that the values of a detection are valid.
    ///
    /// # Errors
    /// `InvalidArgument` for a confidence outside of 0..1, or a box without an area or with an edge that is no number.
    pub fn check(&self) -> Result<()> {
        if score(self.confidence).is_none() {
            return Err(Error::invalid_argument(format!(
                "a confidence of {} ({}); it must lie in 0..1",
                self.confidence, self.label
            )));
        }
        if !is_box(&self.bbox) {
            let [x1, y1, x2, y2] = self.bbox.to_array();
            return Err(Error::invalid_argument(format!(
                "a box from {x1}, {y1} to {x2}, {y2} ({}); it must have an area",
                self.label
            )));
        }
        Ok(())
    }
}

/// Brings what was found in a frame to what every answer keeps: boxes are cut to the frame, and those without an area left
/// out.
///
/// # Errors
/// What cannot be put right, in words: a confidence that is none, or boxes of which none fits the frame.
pub(crate) fn settle(found: &mut Detections) -> std::result::Result<(), String> {
    let size = found.frame;
    let sure = found.items.iter_mut().map(|item| (&item.label, &mut item.confidence));
    for (label, confidence) in sure.chain(found.image_labels.iter_mut().map(|item| (&item.label, &mut item.confidence)))
    {
        match score(*confidence) {
            Some(score) => *confidence = score,
            None => return Err(format!("a confidence of {confidence} ({label}); it must lie in 0..1")),
        }
    }
    found.items.retain(|item| is_box(&item.bbox));
    if let Some(first) = found.items.first()
        && !found.items.iter().any(|item| fits(&item.bbox, size))
    {
        let [x1, y1, x2, y2] = first.bbox.to_array();
        return Err(format!(
            "boxes that do not fit a frame of {size} pixels, the first from {x1}, {y1} to {x2}, {y2}; their unit must be pixels of \
             the frame"
        ));
    }
    found.items.retain_mut(|item| {
        item.bbox = item.bbox.clipped(size);
        is_box(&item.bbox)
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_lie_between_zero_and_one() {
        for (given, expected) in [(0.5, Some(0.5)), (1.0, Some(1.0)), (1.004, Some(1.0)), (-0.004, Some(0.0))] {
            assert_eq!(score(given), expected);
        }
        for given in [1.02, 37.0, f32::INFINITY, f32::NAN, -0.02, -3.0, f32::NEG_INFINITY] {
            assert_eq!(score(given), None, "{given}");
        }
    }

    #[test]
    fn boxes_of_other_units_do_not_fit() {
        let size = Size::new(64, 48);
        let of = |x1, y1, x2, y2| BoundingBox::from_xyxy(x1, y1, x2, y2);
        for sound in
            [of(8.0, 16.0, 40.0, 32.0), of(-10.0, -8.0, 9.0, 7.0), of(0.0, 0.0, 64.0, 48.0), of(1.0, 1.0, 3.0, 3.0)]
        {
            assert!(is_box(&sound) && fits(&sound, size), "{sound:?}");
        }
        // Pixels that were multiplied by the size, and fractions that were not.
        for wrong in [
            of(512.0, 768.0, 2560.0, 1536.0),
            of(0.125, 0.3, 0.6, 0.7),
            of(0.0, 0.0, 1.0, 1.0),
            of(-64.0, 0.0, -40.0, 9.0),
        ] {
            assert!(is_box(&wrong) && !fits(&wrong, size), "{wrong:?}");
        }
        assert!(fits(&of(0.0, 0.0, 1.0, 1.0), Size::new(1, 1)));
        for none in [
            of(40.0, 32.0, 8.0, 16.0),
            of(8.0, 16.0, 8.0, 32.0),
            of(8.0, 16.0, f32::INFINITY, 32.0),
            of(f32::NAN, 16.0, 40.0, 32.0),
            of(f32::NEG_INFINITY, 16.0, 40.0, 32.0),
        ] {
            assert!(!is_box(&none), "{none:?}");
        }
    }
}
