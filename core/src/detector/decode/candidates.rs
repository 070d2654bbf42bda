use super::part::Part;
use crate::detection::{Candidate, sound};
use crate::detector::config::Thresholds;
use crate::error::{Error, Result};
use crate::geometry::{BoundingBox, Size};
use crate::model::BoxUnits;

/// This many boxes of one picture without an area are no accident.
const SEVERAL: usize = 2;

/// The candidates of one picture, checked as they come.
pub(super) struct Candidates<'a> {
    pub(super) input: Size,
    pub(super) thresholds: &'a Thresholds,
    pub(super) found: &'a mut Vec<Candidate>,
    /// Boxes without an area, or not made of numbers.
    pub(super) left_out: usize,
}

impl Candidates<'_> {
    /// Takes a box with the score that an output has for it.
    pub(super) fn push(
        &mut self,
        scores: &Part<'_>,
        bbox: BoundingBox,
        score: f32,
        class_id: u32,
        anchor: u32,
    ) -> Result<()> {
        let score = scores.score(score)?;
        if !self.thresholds.passes(class_id, score) {
            return Ok(());
        }
        if sound::is_box(&bbox) {
            self.found.push(Candidate { bbox, score, class_id, anchor });
        } else {
            self.left_out += 1;
        }
        Ok(())
    }

    /// A box in pixels of the input.
    pub(super) fn pixels(&self, units: BoxUnits, [x1, y1, x2, y2]: [f32; 4]) -> BoundingBox {
        let (w, h) = match units {
            BoxUnits::Pixels => (1.0, 1.0),
            BoxUnits::Fractions => (self.input.width as f32, self.input.height as f32),
        };
        BoundingBox::from_xyxy(x1 * w, y1 * h, x2 * w, y2 * h)
    }

    /// Fails where there are boxes and none of them fits the input, or several and none has an area.
    pub(super) fn check_boxes(&self, boxes: &str) -> Result<()> {
        let Some(surest) = self.found.iter().max_by(|a, b| a.score.total_cmp(&b.score)) else {
            if self.left_out < SEVERAL {
                return Ok(());
            }
            return Err(Error::model_invalid(format!(
                "output {boxes:?} gives {} boxes for what it is sure of, and none of them has an area: their order is not what \
                 the model's spec says",
                self.left_out
            ))
            .with_tensor(boxes));
        };
        if self.found.iter().any(|candidate| sound::fits(&candidate.bbox, self.input)) {
            return Ok(());
        }
        let [x1, y1, x2, y2] = surest.bbox.to_array();
        Err(Error::model_invalid(format!(
            "output {boxes:?} gives boxes that do not fit the input of {} pixels, the surest one from {x1}, {y1} to {x2}, {y2}: \
             their unit or their order is not what the model's spec says",
            self.input
        ))
        .with_tensor(boxes))
    }
}
