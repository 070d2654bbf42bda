//! What was found as arrays of the `ndarray` crate.

use super::{Detection, Detections};
use ndarray::{ArrayView1, ArrayView2, ShapeBuilder};
use std::mem::{offset_of, size_of};

/// From one detection to the next, in numbers of 32 bits: a `Detection` holds such numbers, so that its size is a multiple
/// of theirs.
const STEP: usize = size_of::<Detection>() / size_of::<f32>();
const _: () = assert!(size_of::<Detection>().is_multiple_of(size_of::<f32>()));

impl Detections {
    /// The boxes as an array of N × 4: left, top, right and bottom in pixels of the frame, in the order of `items`, whose memory
    /// it shares.
    ///
    /// Rows lie as far apart as detections do. Where a library wants them one after the other, `to_owned` copies them.
    ///
    /// ```
    /// # use guarita::{BoundingBox, Detection, Detections, Size};
    /// # use guarita::detection::{Label, Timing};
    /// # let label = Label { id: 0, name: "person".into() };
    /// # let detection = |x, sure| Detection::new(BoundingBox::from_xyxy(x, 2.0, 30.0, 40.0), label.clone(), sure);
    /// # let found = Detections::new(vec![detection(1.0, 0.75), detection(5.0, 0.5)], Size::new(64, 48), Timing::default());
    /// use ndarray::array;
    /// assert_eq!(found.xyxy(), array![[1.0, 2.0, 30.0, 40.0], [5.0, 2.0, 30.0, 40.0]]);
    /// assert_eq!(found.confidence(), array![0.75, 0.5]);
    /// ```
    pub fn xyxy(&self) -> ArrayView2<'_, f32> {
        let start = self.items.as_ptr().cast::<u8>().wrapping_add(offset_of!(Detection, bbox)).cast::<f32>();
        // SAFETY: a `BoundingBox` is four `f32` in this order (`repr(C)`), at the same place in each item. The pointer comes from
        // the whole slice of items and is aligned, since it points at an `f32`; row k, at `k * STEP` numbers from it, is the box
        // of item k, and there are as many rows as items. The view borrows `self`, so that nobody writes to them. Of no items,
        // nothing is read.
        #[expect(unsafe_code, reason = "a view of fields inside of structs")]
        unsafe {
            ArrayView2::from_shape_ptr((self.items.len(), 4).strides((STEP, 1)), start)
        }
    }

    /// The confidences as an array of N, in the order of `items`, whose memory it shares; see [`xyxy`](Self::xyxy).
    pub fn confidence(&self) -> ArrayView1<'_, f32> {
        let start = self.items.as_ptr().cast::<u8>().wrapping_add(offset_of!(Detection, confidence)).cast::<f32>();
        // SAFETY: as above, with the one `f32` of each item.
        #[expect(unsafe_code, reason = "a view of fields inside of structs")]
        unsafe {
            ArrayView1::from_shape_ptr(self.items.len().strides(STEP), start)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detection::{Label, Timing};
    use crate::geometry::{BoundingBox, Size};

    #[test]
    fn every_number_of_every_item_is_in_its_place_and_shared() {
        for count in [0, 1, 2, 300] {
            let label = Label { id: 0, name: "person".into() };
            let items: Vec<_> = (0..count)
                .map(|k| k as f32)
                .map(|k| Detection::new(BoundingBox::from_xyxy(k, k + 0.25, k + 0.5, k + 0.75), label.clone(), -k))
                .collect();
            let found = Detections::new(items, Size::new(9, 9), Timing::default());
            let (boxes, sure) = (found.xyxy(), found.confidence());
            assert_eq!((boxes.dim(), sure.dim()), ((count, 4), count));
            for (k, item) in found.iter().enumerate() {
                assert_eq!(boxes.row(k).to_vec(), item.bbox.to_array());
                assert!(std::ptr::eq(&boxes[(k, 3)], &item.bbox.y2) && std::ptr::eq(&sure[k], &item.confidence));
            }
            assert_eq!(boxes.to_owned().into_raw_vec_and_offset().0.len(), 4 * count);
        }
    }
}
