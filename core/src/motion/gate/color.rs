//! How colourful a frame is: an infrared picture is gray.

use crate::frame::{Frame, PixelFormat};

/// Rows and columns that are looked at.
const SAMPLES: usize = 32;

/// The mean spread of the colours of a pixel, in levels; none for a format without colours.
pub(super) fn of(frame: &Frame) -> Option<f32> {
    let (width, height) = (frame.size().width as usize, frame.size().height as usize);
    let format = frame.format();
    // Chroma planes have half the rows and columns, rounded up.
    let (width, height) = match format {
        PixelFormat::Gray8 => return None,
        PixelFormat::Nv12 | PixelFormat::I420 => (width.div_ceil(2), height.div_ceil(2)),
        _ => (width, height),
    };
    let mut sum = 0u32;
    let mut count = 0u32;
    for y in (0..height).step_by(height.div_ceil(SAMPLES)) {
        for x in (0..width).step_by(width.div_ceil(SAMPLES)) {
            let pixel = |step: usize| &frame.row(0, y as u32)[x * step..];
            let spread = |pixel: &[u8]| pixel[..3].iter().max().zip(pixel[..3].iter().min()).map_or(0, |(a, b)| a - b);
            sum += match format {
                PixelFormat::Rgb8 | PixelFormat::Bgr8 => spread(pixel(3)).into(),
                PixelFormat::Rgba8 | PixelFormat::Bgra8 => spread(pixel(4)).into(),
                PixelFormat::Nv12 => {
                    let row = frame.row(1, y as u32);
                    u32::from(row[2 * x].abs_diff(128)) + u32::from(row[2 * x + 1].abs_diff(128))
                }
                _ => {
                    let [u, v] = [1, 2].map(|plane| frame.row(plane, y as u32)[x]);
                    u32::from(u.abs_diff(128)) + u32::from(v.abs_diff(128))
                }
            };
            count += 1;
        }
    }
    Some(sum as f32 / count.max(1) as f32)
}
