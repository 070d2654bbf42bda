use super::Size;
use serde::{Deserialize, Serialize};

/// An axis-aligned box, as two corners (`xyxy`) in pixels of the frame that it was found in.
///
/// `(0, 0)` is the top left corner of the top left pixel, so a box over a whole 640×480 frame is `0 0 640 480`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
// The order in memory too, for arrays of boxes.
#[repr(C)]
pub struct BoundingBox {
    /// Left edge.
    pub x1: f32,
    /// Top edge.
    pub y1: f32,
    /// Right edge; not less than `x1`.
    pub x2: f32,
    /// Bottom edge; not less than `y1`.
    pub y2: f32,
}

impl BoundingBox {
    /// From the left, top, right and bottom edges.
    pub const fn from_xyxy(x1: f32, y1: f32, x2: f32, y2: f32) -> Self {
        Self { x1, y1, x2, y2 }
    }

    /// From the centre and the size.
    pub const fn from_cxcywh(cx: f32, cy: f32, width: f32, height: f32) -> Self {
        let (half_w, half_h) = (width * 0.5, height * 0.5);
        Self { x1: cx - half_w, y1: cy - half_h, x2: cx + half_w, y2: cy + half_h }
    }

    /// Pixels from left to right; zero for an inverted box.
    pub fn width(&self) -> f32 {
        (self.x2 - self.x1).max(0.0)
    }

    /// Pixels from top to bottom; zero for an inverted box.
    pub fn height(&self) -> f32 {
        (self.y2 - self.y1).max(0.0)
    }

    /// Width times height, in square pixels.
    pub fn area(&self) -> f32 {
        self.width() * self.height()
    }

    /// Intersection over union with another box, 0..1; 0 where both are empty.
    ///
    /// ```
    /// use guarita::BoundingBox;
    /// let a = BoundingBox::from_xyxy(0.0, 0.0, 2.0, 2.0);
    /// let b = BoundingBox::from_xyxy(1.0, 0.0, 3.0, 2.0);
    /// assert!((a.iou(&b) - 1.0 / 3.0).abs() < 1e-6);
    /// ```
    pub fn iou(&self, other: &Self) -> f32 {
        let width = (self.x2.min(other.x2) - self.x1.max(other.x1)).max(0.0);
        let height = (self.y2.min(other.y2) - self.y1.max(other.y1)).max(0.0);
        let shared = width * height;
        let union = self.area() + other.area() - shared;
        if union > 0.0 { shared / union } else { 0.0 }
    }

    /// The part of the box that lies inside a frame of this size.
    pub fn clipped(&self, frame: Size) -> Self {
        let (w, h) = (frame.width as f32, frame.height as f32);
        Self {
            x1: self.x1.clamp(0.0, w),
            y1: self.y1.clamp(0.0, h),
            x2: self.x2.clamp(0.0, w),
            y2: self.y2.clamp(0.0, h),
        }
    }

    /// The same box with the frame's width and height as the unit, so that it fits any resolution.
    pub fn normalized(&self, frame: Size) -> Self {
        let (w, h) = (frame.width.max(1) as f32, frame.height.max(1) as f32);
        Self { x1: self.x1 / w, y1: self.y1 / h, x2: self.x2 / w, y2: self.y2 / h }
    }

    /// The edges as `[x1, y1, x2, y2]`.
    pub const fn to_array(self) -> [f32; 4] {
        [self.x1, self.y1, self.x2, self.y2]
    }

    /// Whether all four edges are numbers (not NaN, not infinite).
    pub(crate) fn is_finite(&self) -> bool {
        self.to_array().iter().all(|edge| edge.is_finite())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iou_of_touching_empty_and_equal_boxes() {
        let unit = BoundingBox::from_xyxy(0.0, 0.0, 1.0, 1.0);
        let empty = BoundingBox::from_xyxy(0.5, 0.5, 0.5, 0.5);
        let beside = BoundingBox::from_xyxy(1.0, 0.0, 2.0, 1.0);
        assert_eq!(unit.iou(&unit), 1.0);
        assert_eq!(unit.iou(&beside), 0.0);
        assert_eq!(empty.iou(&empty), 0.0);
        let inverted = BoundingBox::from_xyxy(1.0, 1.0, 0.0, 0.0);
        assert_eq!((inverted.area(), unit.iou(&inverted)), (0.0, 0.0));
    }

    #[test]
    fn clipping_and_normalising_keep_to_the_frame() {
        let frame = Size::new(100, 50);
        let b = BoundingBox::from_cxcywh(0.0, 25.0, 40.0, 100.0);
        assert_eq!(b.clipped(frame).to_array(), [0.0, 0.0, 20.0, 50.0]);
        assert_eq!(b.clipped(frame).normalized(frame).to_array(), [0.0, 0.0, 0.2, 1.0]);
    }
}
