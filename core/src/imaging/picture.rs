//! Parts of frames as pictures of their own, and as JPEG files.

use super::rows::rgb_region;
use crate::error::{Error, Result};
use crate::frame::{Frame, PixelFormat};
use crate::geometry::{BoundingBox, Size};
use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageBuffer, Luma, Rgb};
use std::io;

/// A part of a frame, in whole pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Its left edge.
    pub left: u32,
    /// Its upper edge.
    pub top: u32,
    /// Its width and height.
    pub size: Size,
}

impl Window {
    /// Every pixel that the region touches; the whole frame without one.
    ///
    /// # Errors
    /// `InvalidArgument` for a region without a pixel of the frame.
    pub fn new(frame: Size, region: Option<&BoundingBox>) -> Result<Self> {
        let Some(region) = region else { return Ok(Self { left: 0, top: 0, size: frame }) };
        let inside = region.clipped(frame);
        if !region.is_finite() || inside.width() <= 0.0 || inside.height() <= 0.0 {
            return Err(Error::invalid_argument(format!("the region {:?} has no pixel", region.to_array())));
        }
        let (left, top) = (inside.x1.floor() as u32, inside.y1.floor() as u32);
        // A side over 2²⁴ is not exact in f32.
        let (right, bottom) = ((inside.x2.ceil() as u32).min(frame.width), (inside.y2.ceil() as u32).min(frame.height));
        let size = Size::new(right.saturating_sub(left), bottom.saturating_sub(top));
        if size.pixels() == 0 {
            return Err(Error::invalid_argument(format!("the region {:?} has no pixel", region.to_array())));
        }
        Ok(Self { left, top, size })
    }
}

/// Pixels in gray or in red, green and blue.
pub(crate) enum Picture {
    Gray(ImageBuffer<Luma<u8>, Vec<u8>>),
    Color(ImageBuffer<Rgb<u8>, Vec<u8>>),
}

impl Picture {
    /// Copies the window out of the frame, which must hold it.
    pub(crate) fn cut(frame: &Frame, window: &Window) -> Result<Self> {
        let Window { left, top, size } = *window;
        let wrong = || Error::internal("a part of a frame has the wrong length");
        if frame.format() == PixelFormat::Gray8 {
            let (from, to) = (left as usize, left as usize + size.width as usize);
            let rows = (top..top + size.height).flat_map(|y| frame.row(0, y).get(from..to).unwrap_or_default());
            let pixels = rows.copied().collect();
            return ImageBuffer::from_raw(size.width, size.height, pixels).map(Self::Gray).ok_or_else(wrong);
        }
        let pixels = rgb_region(frame, left, top, size);
        ImageBuffer::from_raw(size.width, size.height, pixels).map(Self::Color).ok_or_else(wrong)
    }

    pub(crate) fn size(&self) -> Size {
        let (width, height) = match self {
            Self::Gray(picture) => picture.dimensions(),
            Self::Color(picture) => picture.dimensions(),
        };
        Size::new(width, height)
    }

    /// A JPEG of at most so many bytes; none where it would be longer.
    pub(crate) fn jpeg(&self, quality: u8, max_bytes: usize) -> Result<Option<Vec<u8>>> {
        let mut out = Capped { bytes: Vec::new(), max_bytes, full: false };
        let mut encoder = JpegEncoder::new_with_quality(&mut out, quality);
        let Size { width, height } = self.size();
        let done = match self {
            Self::Gray(picture) => encoder.encode(picture, width, height, ExtendedColorType::L8),
            Self::Color(picture) => encoder.encode(picture, width, height, ExtendedColorType::Rgb8),
        };
        match done {
            Ok(()) if !out.full => Ok(Some(out.bytes)),
            _ if out.full => Ok(None),
            Ok(()) => Ok(None),
            Err(error) => {
                Err(Error::internal(format!("the JPEG encoder refused a picture of {width}×{height}: {error}")))
            }
        }
    }
}

/// A writer that fails as soon as the encoding is too long, so that a failed attempt is cheap.
struct Capped {
    bytes: Vec<u8>,
    max_bytes: usize,
    full: bool,
}

impl io::Write for Capped {
    fn write(&mut self, more: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + more.len() > self.max_bytes {
            self.full = true;
            return Err(io::Error::other("over the limit"));
        }
        self.bytes.extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Layout;

    #[test]
    fn a_frame_of_separate_planes_makes_the_same_jpeg() {
        for format in [PixelFormat::Gray8, PixelFormat::Bgr8, PixelFormat::Rgba8, PixelFormat::Nv12, PixelFormat::I420]
        {
            let layout = Layout::packed(format, Size::new(37, 23)).unwrap();
            let bytes = (0..layout.byte_len()).map(|k| (k * k / 7) as u8).collect::<Vec<_>>();
            let whole = Frame::from_owner(bytes, layout).unwrap();
            let apart = whole.in_separate_planes();
            for region in [None, Some(BoundingBox::from_xyxy(3.0, 5.5, 30.0, 20.0))] {
                let window = Window::new(whole.size(), region.as_ref()).unwrap();
                let jpeg = |frame: &Frame| Picture::cut(frame, &window).unwrap().jpeg(90, 1 << 20).unwrap().unwrap();
                assert_eq!(jpeg(&whole), jpeg(&apart), "{format}");
            }
            assert_eq!(crate::imaging::mean_luma(&whole), crate::imaging::mean_luma(&apart), "{format}");
        }
    }
}
