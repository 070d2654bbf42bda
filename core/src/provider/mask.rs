//! Which pixels a region touches.

use super::RedactRegion;
use crate::error::{Error, Result};
use crate::geometry::{Polygon, Size};

impl RedactRegion {
    /// Gives the columns `from..to` of every row `y` that the region touches, in pixels of a frame of this size.
    ///
    /// # Errors
    /// `InvalidArgument` for a box whose edges are not numbers or in the wrong order: what it should have hidden is not
    /// known.
    pub(crate) fn spans(&self, frame: Size, mut span: impl FnMut(u32, u32, u32)) -> Result<()> {
        match self {
            Self::Box(bbox) => {
                if !bbox.is_finite() || bbox.x2 < bbox.x1 || bbox.y2 < bbox.y1 {
                    let edges = bbox.to_array();
                    return Err(Error::invalid_argument(format!("the region to redact, {edges:?}, is no box")));
                }
                let inside = bbox.clipped(frame);
                let (from, to) = (inside.x1.floor() as u32, inside.x2.ceil() as u32);
                if from < to {
                    (inside.y1.floor() as u32..inside.y2.ceil() as u32).for_each(|y| span(y, from, to));
                }
            }
            Self::Polygon(polygon) => (0..frame.height).for_each(|y| row_of_polygon(polygon, frame, y, &mut span)),
        }
        Ok(())
    }
}

/// A pixel is touched where an edge goes through it, or else where its middle is inside.
fn row_of_polygon(polygon: &Polygon, frame: Size, y: u32, span: &mut impl FnMut(u32, u32, u32)) {
    let (width, height) = (f64::from(frame.width), f64::from(frame.height));
    let mut give = |from: f64, to: f64| {
        let (from, to) =
            (from.max(0.0).floor() as u32, (to.max(0.0).floor() as u32).saturating_add(1).min(frame.width));
        if from < to {
            span(y, from, to);
        }
    };
    let (top, bottom) = (f64::from(y), f64::from(y) + 1.0);
    let points = polygon.points();
    for (k, a) in points.iter().enumerate() {
        let b = points[(k + 1) % points.len()];
        let ((ax, ay), (bx, by)) =
            ((f64::from(a.x) * width, f64::from(a.y) * height), (f64::from(b.x) * width, f64::from(b.y) * height));
        if ay.max(by) < top || ay.min(by) > bottom {
            continue;
        }
        let at =
            |y: f64| if by == ay { ax } else { ax + (y.clamp(ay.min(by), ay.max(by)) - ay) / (by - ay) * (bx - ax) };
        let (first, last) = if by == ay { (ax, bx) } else { (at(top), at(bottom)) };
        give(first.min(last), first.max(last));
    }
    let mut crossings = Vec::new();
    polygon.crossings((top + 0.5) / height, |x| crossings.push(x * width));
    crossings.sort_unstable_by(f64::total_cmp);
    crossings.chunks_exact(2).for_each(|inside| give(inside[0], inside[1]));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::BoundingBox;

    fn touched(region: &RedactRegion, frame: Size) -> Vec<(u32, u32)> {
        let mut pixels = vec![];
        region.spans(frame, |y, from, to| pixels.extend((from..to).map(|x| (x, y)))).unwrap();
        pixels.sort_unstable();
        pixels.dedup();
        pixels
    }

    #[test]
    fn every_pixel_that_a_box_touches() {
        let frame = Size::new(4, 3);
        let region = BoundingBox::from_xyxy(0.9, 1.1, 2.1, 9.0).into();
        assert_eq!(touched(&region, frame), [(0, 1), (0, 2), (1, 1), (1, 2), (2, 1), (2, 2)]);
        assert!(touched(&BoundingBox::from_xyxy(-5.0, 0.0, -1.0, 3.0).into(), frame).is_empty());
        for [x1, y1, x2, y2] in
            [[f32::NAN, 0.0, 1.0, 1.0], [3.0, 0.0, 1.0, 1.0], [0.0, 2.0, 1.0, 1.0], [9.0, 9.0, 5.0, 5.0]]
        {
            let no_box = RedactRegion::from(BoundingBox::from_xyxy(x1, y1, x2, y2));
            assert!(no_box.spans(frame, |_, _, _| ()).is_err(), "{x1} {y1} {x2} {y2}");
        }
    }

    #[test]
    fn every_pixel_that_a_polygon_touches() {
        // Against a grid of points, twenty to the side of a pixel.
        let frame = Size::new(23, 17);
        for points in [
            vec![[0.1, 0.1], [0.9, 0.3], [0.4, 0.95]],
            vec![[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]],
            vec![[0.2, 0.2], [0.8, 0.2], [0.8, 0.8], [0.5, 0.3], [0.2, 0.8]],
            vec![[0.5, 0.1], [0.501, 0.1], [0.51, 0.9]],
        ] {
            let polygon = Polygon::new(points).unwrap();
            let filled = touched(&polygon.clone().into(), frame);
            for y in 0..frame.height * 20 {
                for x in 0..frame.width * 20 {
                    let at =
                        [(x as f32 + 0.5) / 20.0 / frame.width as f32, (y as f32 + 0.5) / 20.0 / frame.height as f32];
                    assert!(!polygon.contains(at) || filled.contains(&(x / 20, y / 20)), "{at:?}");
                }
            }
            // And not the whole picture, where it is a small one.
            let share = filled.len() as f32 / frame.pixels() as f32;
            assert!(share <= polygon.area() + 0.25, "{share}");
        }
    }
}
