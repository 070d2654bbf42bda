use crate::detection::Detections;
use crate::error::{Error, Result};
use crate::frame::{Frame, PixelFormat};
use crate::geometry::{BoundingBox, Size};

/// A cropped view of a frame, which shares the pixels, and the mapping back.
#[derive(Debug)]
pub(crate) struct Crop {
    pub(crate) frame: Frame,
    left: f32,
    top: f32,
    region: BoundingBox,
    whole: Size,
}

impl Crop {
    /// Cuts out every pixel that the region touches; where two pixels share their colour, both.
    ///
    /// # Errors
    /// `InvalidArgument` where the region has no pixel of the frame.
    pub(crate) fn new(frame: &Frame, region: &BoundingBox) -> Result<Self> {
        let whole = frame.size();
        let region = region.clipped(whole);
        // NaN and inverted edges included.
        if !region.is_finite() || region.area() <= 0.0 {
            return Err(Error::invalid_argument(format!("a region without a pixel of a frame of {whole}")));
        }
        let halved = matches!(frame.format(), PixelFormat::Nv12 | PixelFormat::I420);
        let start = |edge: f32| {
            let edge = edge.floor() as u32;
            if halved { edge & !1 } else { edge }
        };
        let (left, top) = (start(region.x1), start(region.y1));
        let size =
            Size::new((region.x2.ceil() as u32).saturating_sub(left), (region.y2.ceil() as u32).saturating_sub(top));
        let part = frame.part(left, top, size)?;
        Ok(Self { frame: part, left: left as f32, top: top as f32, region, whole })
    }

    /// Maps detections in the crop to pixels of the whole frame; boxes end at the region.
    pub(crate) fn back(&self, mut found: Detections) -> Detections {
        let region = &self.region;
        found.frame = self.whole;
        found.items.retain_mut(|item| {
            let b = &item.bbox;
            // Not `clamp`, which panics where a region is inverted.
            item.bbox = BoundingBox::from_xyxy(
                (b.x1 + self.left).max(region.x1),
                (b.y1 + self.top).max(region.y1),
                (b.x2 + self.left).min(region.x2),
                (b.y2 + self.top).min(region.y2),
            );
            item.bbox.area() > 0.0
        });
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detection::{Detection, Label, Timing};
    use crate::frame::Layout;

    const FORMATS: [PixelFormat; 7] = [
        PixelFormat::Gray8,
        PixelFormat::Rgb8,
        PixelFormat::Bgr8,
        PixelFormat::Rgba8,
        PixelFormat::Bgra8,
        PixelFormat::Nv12,
        PixelFormat::I420,
    ];

    #[test]
    fn rows_of_a_part_are_parts_of_the_rows() {
        for format in FORMATS {
            let layout = Layout::packed(format, Size::new(11, 9)).unwrap();
            let strides: Vec<_> = layout.planes().iter().map(|plane| plane.stride + 5).collect();
            let layout = layout.with_strides(&strides).unwrap();
            let bytes: Vec<u8> = (0..layout.byte_len()).map(|k| k as u8).collect();
            let frame = Frame::copy_from(&bytes, layout).unwrap();
            of_a_part(&frame);
            of_a_part(&frame.in_separate_planes());
        }
    }

    fn of_a_part(frame: &Frame) {
        let format = frame.format();
        let halved = matches!(format, PixelFormat::Nv12 | PixelFormat::I420);
        let crop = Crop::new(frame, &BoundingBox::from_xyxy(3.2, 5.0, 10.5, 8.9)).unwrap();
        let (left, top) = if halved { (2, 4) } else { (3, 5) };
        assert_eq!(crop.frame.size(), Size::new(11 - left, 9 - top), "{format}");
        for plane in 0..format.planes() {
            // Bytes of a column of the plane, and pixels of the frame to a column and a row of it.
            let (bytes, share) = match (format, plane) {
                (PixelFormat::Rgb8 | PixelFormat::Bgr8, _) => (3, 1),
                (PixelFormat::Rgba8 | PixelFormat::Bgra8, _) => (4, 1),
                (PixelFormat::Nv12, 1) => (2, 2),
                (PixelFormat::I420, 1 | 2) => (1, 2),
                _ => (1, 1),
            };
            for y in 0..crop.frame.size().height.div_ceil(share) {
                let (part, row) = (crop.frame.row(plane, y), frame.row(plane, y + top / share));
                let from = (left / share) as usize * bytes;
                assert_eq!(part, &row[from..from + part.len()], "{format} plane {plane} row {y}");
                assert!(std::ptr::eq(part, &row[from..from + part.len()]), "{format}: copied");
            }
        }
    }

    #[test]
    fn boxes_come_back_into_the_region() {
        for format in FORMATS {
            let layout = Layout::packed(format, Size::new(100, 80)).unwrap();
            let frame = Frame::copy_from(&vec![0; layout.byte_len()], layout).unwrap();
            let crop = Crop::new(&frame, &BoundingBox::from_xyxy(31.0, 21.5, 61.0, 999.0)).unwrap();
            let label = Label { id: 0, name: "person".into() };
            let (w, h) = (crop.frame.size().width as f32, crop.frame.size().height as f32);
            let boxes = [[0.0, 0.0, w, h], [5.0, 5.0, 7.0, 8.0], [0.0, 0.0, 9.0, 0.2]];
            let items =
                boxes.map(|[a, b, c, d]| Detection::new(BoundingBox::from_xyxy(a, b, c, d), label.clone(), 0.5));
            let found = crop.back(Detections::new(items.into(), crop.frame.size(), Timing::default()));
            assert_eq!(found.frame, Size::new(100, 80));
            assert_eq!(found.items[0].bbox.to_array(), [31.0, 21.5, 61.0, 80.0], "{format}");
            let (left, top) = (100.0 - 39.0 - w, 80.0 - h);
            assert_eq!(found.items[1].bbox.to_array(), [left + 5.0, top + 5.0, left + 7.0, top + 8.0]);
            assert_eq!(found.len(), 2, "{format}: the third lies above the region");
        }
    }

    #[test]
    fn regions_without_a_pixel_are_refused() {
        let layout = Layout::packed(PixelFormat::I420, Size::new(5, 5)).unwrap();
        let frame = Frame::copy_from(&[0; 43], layout).unwrap();
        for edges in [[5.0, 0.0, 9.0, 5.0], [3.0, 3.0, 1.0, 1.0], [f32::NAN; 4]] {
            let [x1, y1, x2, y2] = edges;
            assert!(Crop::new(&frame, &BoundingBox::from_xyxy(x1, y1, x2, y2)).is_err(), "{edges:?}");
        }
        assert_eq!(
            Crop::new(&frame, &BoundingBox::from_xyxy(4.0, 4.0, 5.0, 5.0)).unwrap().frame.size(),
            Size::new(1, 1)
        );
    }
}
