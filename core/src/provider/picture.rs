//! From a frame to the bytes that a cloud takes: cut, masked, scaled and encoded within its limits, and only where that is
//! needed. Boxes of the answer find their way back.

use super::RedactRegion;
use crate::detection::sound;
use crate::error::{Advice, Error, Result};
use crate::frame::Frame;
use crate::geometry::{BoundingBox, Size};
use crate::imaging::{Picture, Window};
use image::imageops;

/// Limits of a service for pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PictureLimits {
    /// Longest file, in bytes.
    pub max_bytes: usize,
    /// Shortest side, in pixels.
    pub min_side: u32,
    /// Longest side, in pixels.
    pub max_side: u32,
}

/// How a picture is made to fit a service's limits.
#[derive(Clone, Copy, Debug)]
pub struct PictureFitting {
    /// What the service takes.
    pub limits: PictureLimits,
    /// Of the first attempt at a JPEG, 1..100; lower ones are tried where it has too many bytes.
    pub quality: u8,
    /// Whether a picture below `min_side` is scaled up; otherwise it is refused.
    pub upscale: bool,
}

/// Tried one after the other where the first quality makes too many bytes; below 40 the blocks are what a model sees, so
/// the picture is made smaller instead.
const QUALITIES: [u8; 5] = [80, 70, 60, 50, 40];

/// A picture that a service takes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FittedPicture {
    /// The bytes of a JPEG file, or of the file that the frame came from where nothing was to do.
    pub bytes: Vec<u8>,
    /// The part of the frame that it shows.
    pub window: Window,
    /// The quality of the JPEG; none where the bytes are those that the frame came from.
    pub quality: Option<u8>,
}

impl Window {
    /// Whether a left, a top, a width and a height can be shares of the sides of a picture that something lies in: for answers
    /// of a service that may have other units.
    pub fn can_hold([left, top, width, height]: [f32; 4]) -> bool {
        let side = |from: f32, length: f32| length > 0.0 && sound::fits_side(from, from + length, 1.0);
        side(left, width) && side(top, height)
    }

    /// From left, top, width and height as shares of the picture that was sent to pixels of the frame, cut off where the
    /// picture ended. None where nothing is left, or where one of them is not a number.
    pub fn to_frame(self, ratios: [f32; 4]) -> Option<BoundingBox> {
        let [left, top, width, height] = ratios.map(f64::from);
        let edge =
            |share: f64, side: u32, offset: u32| (f64::from(offset) + share.clamp(0.0, 1.0) * f64::from(side)) as f32;
        let found = BoundingBox {
            x1: edge(left, self.size.width, self.left),
            y1: edge(top, self.size.height, self.top),
            x2: edge(left + width, self.size.width, self.left),
            y2: edge(top + height, self.size.height, self.top),
        };
        (found.is_finite() && found.area() > 0.0).then_some(found)
    }
}

/// Makes a frame, or the part of it in `region`, a picture that fits a service's limits. Masks are filled with black first.
///
/// # Errors
/// `InvalidArgument` for a region without pixels, a mask that is no box, and a picture below the smallest size where it is
/// not scaled up; `ResourceExhausted` where it cannot be made small enough.
pub fn fit_picture(
    frame: &Frame,
    region: Option<&BoundingBox>,
    masks: &[RedactRegion],
    how: &PictureFitting,
) -> Result<FittedPicture> {
    let window = Window::new(frame.size(), region)?;
    let target = target_size(window.size, how)?;
    let holes = holes(frame.size(), &window, masks)?;
    let as_it_is = holes.is_empty() && window.size == frame.size() && target == window.size;
    if let Some(encoded) = frame.encoded().filter(|bytes| as_it_is && bytes.len() <= how.limits.max_bytes) {
        return Ok(FittedPicture { bytes: encoded.to_vec(), window, quality: None });
    }
    let mut picture = Picture::cut(frame, &window)?;
    picture.fill(&holes);
    let (bytes, quality) = encode(picture.resized(target)?, how)?;
    Ok(FittedPicture { bytes, window, quality: Some(quality) })
}

fn target_size(size: Size, how: &PictureFitting) -> Result<Size> {
    let PictureLimits { min_side, max_side, .. } = how.limits;
    let (short, long) = (size.width.min(size.height), size.width.max(size.height));
    if short >= min_side && long <= max_side {
        return Ok(size);
    }
    if short < min_side && !how.upscale {
        return Err(Error::invalid_argument(format!(
            "a picture of {size}: the provider takes none with a side below {min_side} (small = \"upscale\" would send it)"
        )));
    }
    let up = (f64::from(min_side) / f64::from(short.max(1))).max(1.0);
    let down = (f64::from(max_side) / (f64::from(long) * up)).min(1.0);
    // Only a strip that is too thin and too long at once has its sides scaled apart.
    let side = |n: u32| ((f64::from(n) * up * down).round() as u32).clamp(min_side, max_side);
    Ok(Size::new(side(size.width), side(size.height)))
}

/// Columns `from..to` of row `y` of the window.
struct Hole {
    y: u32,
    from: u32,
    to: u32,
}

fn holes(frame: Size, window: &Window, masks: &[RedactRegion]) -> Result<Vec<Hole>> {
    let mut holes = Vec::new();
    for mask in masks {
        mask.spans(frame, |y, from, to| {
            let Some(y) = y.checked_sub(window.top).filter(|&y| y < window.size.height) else { return };
            let (from, to) = (from.saturating_sub(window.left), to.saturating_sub(window.left).min(window.size.width));
            if from < to {
                holes.push(Hole { y, from, to });
            }
        })?;
    }
    Ok(holes)
}

impl Picture {
    fn fill(&mut self, holes: &[Hole]) {
        let width = self.size().width as usize;
        let (pixels, channels): (&mut [u8], _) = match self {
            Self::Gray(picture) => (picture, 1),
            Self::Color(picture) => (picture, 3),
        };
        for &Hole { y, from, to } in holes {
            let row = y as usize * width;
            if let Some(part) = pixels.get_mut((row + from as usize) * channels..(row + to as usize) * channels) {
                part.fill(0);
            }
        }
    }

    /// Bilinear; smaller pixels are weighted means of those that they stand for.
    fn resized(self, size: Size) -> Result<Self> {
        if size == self.size() {
            return Ok(self);
        }
        let filter = imageops::FilterType::Triangle;
        Ok(match self {
            Self::Gray(picture) => Self::Gray(imageops::resize(&picture, size.width, size.height, filter)),
            Self::Color(picture) => Self::Color(imageops::resize(&picture, size.width, size.height, filter)),
        })
    }
}

/// The best quality of the ladder that fits; where none does, half the size.
fn encode(mut picture: Picture, how: &PictureFitting) -> Result<(Vec<u8>, u8)> {
    let ladder = || std::iter::once(how.quality).chain(QUALITIES.into_iter().filter(|&lower| lower < how.quality));
    loop {
        for quality in ladder() {
            if let Some(bytes) = picture.jpeg(quality, how.limits.max_bytes)? {
                return Ok((bytes, quality));
            }
        }
        let size = picture.size();
        let half = |side: u32| (side / 2).max(how.limits.min_side).max(1);
        let smaller = Size::new(half(size.width).min(size.width), half(size.height).min(size.height));
        if smaller == size {
            let most = how.limits.max_bytes;
            return Err(Error::resource_exhausted(format!("no JPEG of {size} has {most} bytes or fewer"))
                .with_advice(Advice::ChangeInput));
        }
        picture = picture.resized(smaller)?;
    }
}

#[cfg(test)]
#[path = "picture_tests.rs"]
mod tests;
