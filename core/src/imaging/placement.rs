use crate::geometry::{BoundingBox, Size};
use serde::{Deserialize, Serialize};

/// How a frame is fitted into the input of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Resize {
    /// Keeps the aspect ratio and centres the picture, as Ultralytics does: gain = min(W/w, H/h), the new size rounded,
    /// the left and top pad `round(d − 0.1)` where `d` is half of what is left over.
    Letterbox,
    /// Keeps the aspect ratio and puts the picture at the top left, as YOLOX does: the new size is cut, not rounded.
    LetterboxTopLeft,
    /// Fills the input and lets the aspect ratio go, as SSD and the DETR family do.
    Stretch,
}

/// Where a frame lies in the input of a model; turns boxes of the input into boxes of the frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Placement {
    frame: Size,
    resized: Size,
    left: u32,
    top: u32,
    gain_x: f64,
    gain_y: f64,
}

impl Placement {
    /// Fits a frame into an input; neither may have a side of zero pixels.
    ///
    /// ```
    /// use guarita::imaging::{Placement, Resize};
    /// use guarita::Size;
    /// let p = Placement::new(Size::new(1920, 1080), Size::new(640, 640), Resize::Letterbox);
    /// assert_eq!((p.resized(), p.pad()), (Size::new(640, 360), (0, 140)));
    /// ```
    pub fn new(frame: Size, input: Size, resize: Resize) -> Self {
        let (w, h) = (f64::from(frame.width.max(1)), f64::from(frame.height.max(1)));
        let (input_w, input_h) = (f64::from(input.width), f64::from(input.height));
        if resize == Resize::Stretch {
            return Self { frame, resized: input, left: 0, top: 0, gain_x: input_w / w, gain_y: input_h / h };
        }
        let gain = (input_w / w).min(input_h / h);
        // A very long and thin picture keeps at least one pixel of its short side.
        let side = |n: f64, most: u32| {
            let n = if resize == Resize::Letterbox { (n * gain).round_ties_even() } else { (n * gain).floor() };
            (n as u32).clamp(1, most)
        };
        let resized = Size::new(side(w, input.width), side(h, input.height));
        let pad = |input: u32, resized: u32| match resize {
            Resize::Letterbox => (f64::from(input - resized) / 2.0 - 0.1).round_ties_even().max(0.0) as u32,
            _ => 0,
        };
        let (left, top) = (pad(input.width, resized.width), pad(input.height, resized.height));
        Self { frame, resized, left, top, gain_x: gain, gain_y: gain }
    }

    /// The frame's size inside the input.
    pub fn resized(&self) -> Size {
        self.resized
    }

    /// Pixels left of and above the frame inside the input.
    pub fn pad(&self) -> (u32, u32) {
        (self.left, self.top)
    }

    /// Pixels of the input per pixel of the frame, along x and y.
    pub fn gain(&self) -> (f64, f64) {
        (self.gain_x, self.gain_y)
    }

    /// From pixels of the input to pixels of the frame, clipped to the frame.
    pub fn to_frame(&self, in_input: &BoundingBox) -> BoundingBox {
        let (left, top) = (self.left as f32, self.top as f32);
        let (gain_x, gain_y) = (self.gain_x as f32, self.gain_y as f32);
        BoundingBox {
            x1: (in_input.x1 - left) / gain_x,
            y1: (in_input.y1 - top) / gain_y,
            x2: (in_input.x2 - left) / gain_x,
            y2: (in_input.y2 - top) / gain_y,
        }
        .clipped(self.frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(w: u32, h: u32, resize: Resize) -> Placement {
        Placement::new(Size::new(w, h), Size::new(640, 640), resize)
    }

    #[test]
    fn the_pads_of_ultralytics() {
        // left, top as ultralytics.data.augment.LetterBox 8.3 gives them.
        for (w, h, resized, pad) in [
            (810, 1080, (480, 640), (80, 0)),
            (1280, 720, (640, 360), (0, 140)),
            (1919, 1080, (640, 360), (0, 140)),
            (641, 480, (640, 479), (0, 80)),
            (640, 481, (640, 481), (0, 79)),
            (1, 10_000, (1, 640), (319, 0)),
            (10_000, 1, (640, 1), (0, 319)),
            (1, 1, (640, 640), (0, 0)),
        ] {
            let p = fit(w, h, Resize::Letterbox);
            assert_eq!((p.resized(), p.pad()), (Size::new(resized.0, resized.1), pad), "{w}×{h}");
        }
    }

    #[test]
    fn yolox_cuts_and_stays_top_left() {
        let p = fit(641, 427, Resize::LetterboxTopLeft);
        assert_eq!((p.resized(), p.pad()), (Size::new(640, 426), (0, 0)));
    }

    #[test]
    fn a_box_goes_there_and_back() {
        for resize in [Resize::Letterbox, Resize::LetterboxTopLeft, Resize::Stretch] {
            let p = fit(810, 1080, resize);
            let (gain_x, gain_y) = p.gain();
            let (left, top) = p.pad();
            let place = |x: f64, gain: f64, pad: u32| (x * gain) as f32 + pad as f32;
            let there = BoundingBox::from_xyxy(
                place(100.0, gain_x, left),
                place(200.0, gain_y, top),
                place(300.0, gain_x, left),
                place(500.0, gain_y, top),
            );
            let back = p.to_frame(&there).to_array();
            for (got, want) in back.into_iter().zip([100.0, 200.0, 300.0, 500.0]) {
                assert!((got - want).abs() < 1e-3, "{resize:?}: {back:?}");
            }
        }
        let all = BoundingBox::from_xyxy(-50.0, -50.0, 700.0, 700.0);
        assert_eq!(fit(810, 1080, Resize::Letterbox).to_frame(&all).to_array(), [0.0, 0.0, 810.0, 1080.0]);
    }
}
