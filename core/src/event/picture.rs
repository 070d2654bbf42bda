//! The picture that goes with an event.

use super::EventPicture;
use crate::error::{Error, Result};
use crate::frame::Frame;
use crate::geometry::{BoundingBox, Size};
use crate::imaging::{Picture, Window};
use crate::tracking::Object;
use serde::{Deserialize, Serialize};

/// The picture that an event brings along, as a JPEG.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum PictureWanted {
    /// None.
    #[default]
    None,
    /// The part of the frame with the objects that the event is about, with a margin of a fifth of its size on each side
    /// and at least 64 pixels wide and high; the whole frame where the event is about no object.
    Crop,
    /// The whole frame.
    Frame,
}

/// Good enough to recognise a face that the camera shows; a fifth of the bytes of quality 100.
const QUALITY: u8 = 85;
/// On each side, as a share of the box of all objects: a person is recognised by what is around too.
const MARGIN: f32 = 0.2;
/// Smaller pictures are of no use to people.
const LEAST_SIDE: f32 = 64.0;

/// Makes the picture that is wanted of a frame, or none.
///
/// # Errors
/// `Internal` where the encoder refuses the picture.
pub(crate) fn picture(frame: &Frame, objects: &[Object], wanted: PictureWanted) -> Result<Option<EventPicture>> {
    let region = match wanted {
        PictureWanted::None => return Ok(None),
        PictureWanted::Frame => None,
        PictureWanted::Crop => around(frame.size(), objects),
    };
    let window = Window::new(frame.size(), region.as_ref())?;
    let shown = BoundingBox::from_xyxy(
        window.left as f32,
        window.top as f32,
        (window.left + window.size.width) as f32,
        (window.top + window.size.height) as f32,
    );
    // A JPEG begins with this marker; the kept bytes may be a PNG's too.
    let kept = frame.encoded().filter(|bytes| window.size == frame.size() && bytes.starts_with(&[0xFF, 0xD8]));
    if let Some(jpeg) = kept {
        return Ok(Some(EventPicture::new(jpeg, shown)));
    }
    let jpeg = Picture::cut(frame, &window)?.jpeg(QUALITY, usize::MAX)?;
    let jpeg = jpeg.ok_or_else(|| Error::internal("a JPEG without a limit was cut off"))?;
    Ok(Some(EventPicture::new(jpeg, shown)))
}

/// The box of all objects with its margin, inside the frame. None where there is no object in the frame.
fn around(frame: Size, objects: &[Object]) -> Option<BoundingBox> {
    let boxes = objects.iter().map(|object| object.detection.bbox).filter(BoundingBox::is_finite);
    let all = boxes
        .map(|bbox| bbox.clipped(frame))
        .filter(|bbox| bbox.area() > 0.0)
        .reduce(|a, b| BoundingBox::from_xyxy(a.x1.min(b.x1), a.y1.min(b.y1), a.x2.max(b.x2), a.y2.max(b.y2)))?;
    let (left, right) = widened(all.x1, all.x2, frame.width);
    let (top, bottom) = widened(all.y1, all.y2, frame.height);
    Some(BoundingBox::from_xyxy(left, top, right, bottom))
}

/// Widens one dimension by the margin, to the least side at least, moved into the picture where there is room.
fn widened(from: f32, to: f32, side: u32) -> (f32, f32) {
    let side = side as f32;
    let margin = ((to - from) * MARGIN).max((LEAST_SIDE - (to - from)) / 2.0);
    let (from, to) = (from - margin, to + margin);
    if to - from <= LEAST_SIDE {
        // What is cut off on one side is added on the other.
        let from = from.min(side - LEAST_SIDE).max(0.0);
        return (from, (from + LEAST_SIDE).min(side));
    }
    (from.max(0.0), to.min(side))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::detection::{Detection, Label};
    use crate::frame::{DecodeOptions, Layout, PixelFormat};
    use crate::tracking::ObjectId;

    fn object(edges: [f32; 4]) -> Object {
        let [x1, y1, x2, y2] = edges;
        let label = Label { id: 0, name: "person".into() };
        let found = Detection::new(BoundingBox::from_xyxy(x1, y1, x2, y2), label, 0.5);
        Object::new(ObjectId(1), found, Timestamp::default())
    }

    fn slope(width: u32, height: u32) -> Frame {
        let layout = Layout::packed(PixelFormat::Rgb8, Size::new(width, height)).unwrap();
        let pixel = |x: u32, y: u32| [(x * 255 / width) as u8, (y * 255 / height) as u8, 90];
        let pixels: Vec<u8> = (0..height).flat_map(|y| (0..width).flat_map(move |x| pixel(x, y))).collect();
        Frame::from_owner(pixels, layout).unwrap()
    }

    fn decoded(picture: &EventPicture) -> Frame {
        Frame::decode(&picture.jpeg, &DecodeOptions::default()).unwrap()
    }

    #[test]
    fn the_crop_has_a_margin_and_stays_inside() {
        let size = Size::new(640, 480);
        for (boxes, expected) in [
            // A fifth of 100 × 200 on each side.
            (vec![[300.0, 100.0, 400.0, 300.0]], [280.0, 60.0, 420.0, 340.0]),
            // The box of both.
            (vec![[100.0, 100.0, 150.0, 150.0], [250.0, 200.0, 300.0, 300.0]], [60.0, 60.0, 340.0, 340.0]),
            // A small one has 64 pixels around its middle, or as near as the edge allows.
            (vec![[300.0, 200.0, 310.0, 210.0]], [273.0, 173.0, 337.0, 237.0]),
            (vec![[0.0, 470.0, 10.0, 480.0]], [0.0, 416.0, 64.0, 480.0]),
            (vec![[630.0, 0.0, 640.0, 10.0]], [576.0, 0.0, 640.0, 64.0]),
            (vec![[-90.0, -90.0, 900.0, 900.0]], [0.0, 0.0, 640.0, 480.0]),
            // What is no box, or outside, does not count.
            (vec![[f32::NAN; 4], [700.0, 0.0, 800.0, 9.0], [300.0, 100.0, 400.0, 300.0]], [280.0, 60.0, 420.0, 340.0]),
        ] {
            let objects: Vec<_> = boxes.iter().copied().map(object).collect();
            assert_eq!(around(size, &objects).unwrap().to_array(), expected, "{boxes:?}");
        }
        assert_eq!(around(size, &[]), None);
        assert_eq!(around(size, &[object([f32::INFINITY; 4])]), None);
        // A frame smaller than the least side is shown whole.
        assert_eq!(
            around(Size::new(40, 30), &[object([1.0; 4]), object([5.0, 5.0, 9.0, 9.0])]).unwrap().to_array(),
            [0.0, 0.0, 40.0, 30.0]
        );
    }

    #[test]
    fn the_jpeg_shows_the_region_that_it_names() {
        let frame = slope(640, 480);
        let crop = picture(&frame, &[object([300.0, 100.0, 400.0, 300.0])], PictureWanted::Crop).unwrap().unwrap();
        assert_eq!(crop.region.to_array(), [280.0, 60.0, 420.0, 340.0]);
        let shown = decoded(&crop);
        assert_eq!(shown.size(), Size::new(140, 280));
        for (x, y) in [(5_u32, 5_u32), (70, 140), (130, 270)] {
            let (got, want) =
                (&shown.row(0, y)[x as usize * 3..][..3], &frame.row(0, y + 60)[(x + 280) as usize * 3..]);
            assert!(got.iter().zip(want).all(|(a, b)| a.abs_diff(*b) < 8), "at {x} {y}: {got:?} for {:?}", &want[..3]);
        }
        let whole = picture(&frame, &[], PictureWanted::Crop).unwrap().unwrap();
        assert_eq!(whole.region.to_array(), [0.0, 0.0, 640.0, 480.0]);
        assert_eq!(picture(&frame, &[], PictureWanted::Frame).unwrap().unwrap(), whole);
        assert_eq!(picture(&frame, &[], PictureWanted::None).unwrap(), None);
    }

    #[test]
    fn the_bytes_that_the_frame_came_from_are_used_as_they_are() {
        let options = DecodeOptions { keep_encoded: true, ..DecodeOptions::default() };
        let bytes = picture(&slope(200, 100), &[], PictureWanted::Frame).unwrap().unwrap().jpeg;
        // A comment, so that encoding anew could not give the same bytes.
        let mut original = bytes[..2].to_vec();
        original.extend_from_slice(&[0xFF, 0xFE, 0, 4, b'h', b'i']);
        original.extend_from_slice(&bytes[2..]);
        let frame = Frame::decode(&original, &options).unwrap();
        assert_eq!(&*picture(&frame, &[], PictureWanted::Frame).unwrap().unwrap().jpeg, &original[..]);
        let part = picture(&frame, &[object([0.0, 0.0, 90.0, 90.0])], PictureWanted::Crop).unwrap().unwrap();
        assert_eq!(decoded(&part).size(), Size::new(108, 100));
        // Kept bytes of a PNG are no JPEG.
        let mut png = Vec::new();
        let encoder = image::codecs::png::PngEncoder::new(&mut png);
        image::ImageEncoder::write_image(encoder, &[7; 64 * 64], 64, 64, image::ExtendedColorType::L8).unwrap();
        let frame = Frame::decode(&png, &options).unwrap();
        assert!(frame.encoded().is_some());
        let jpeg = picture(&frame, &[], PictureWanted::Frame).unwrap().unwrap().jpeg;
        assert!(jpeg.starts_with(&[0xFF, 0xD8]));
    }
}
