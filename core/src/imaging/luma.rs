//! How bright a frame of any format is.

use crate::frame::{Frame, PixelFormat};

/// Bytes from one pixel to the next in the first plane, and the weights of its bytes where it is not luma: those of
/// BT.601.
pub(crate) fn luma_of(format: PixelFormat) -> (usize, Option<[f32; 3]>) {
    const RGB: [f32; 3] = [0.299, 0.587, 0.114];
    const BGR: [f32; 3] = [0.114, 0.587, 0.299];
    match format {
        PixelFormat::Gray8 | PixelFormat::Nv12 | PixelFormat::I420 => (1, None),
        PixelFormat::Rgb8 => (3, Some(RGB)),
        PixelFormat::Bgr8 => (3, Some(BGR)),
        PixelFormat::Rgba8 => (4, Some(RGB)),
        PixelFormat::Bgra8 => (4, Some(BGR)),
    }
}

/// Pixels that [`mean_luma`] looks at across and down: enough to tell day from night, and a few microseconds of any
/// frame.
const LOOKS: usize = 64;

/// The mean brightness of a frame, 0..=255, from some of its pixels at even distances.
///
/// The studio range of NV12 and I420 (16..235) is widened, so that one threshold fits all formats.
pub(crate) fn mean_luma(frame: &Frame) -> u8 {
    let (step, weights) = luma_of(frame.format());
    let size = frame.size();
    let spread = |side: usize| {
        let looks = side.min(LOOKS);
        // The middle of each part, so that no border counts more than the rest.
        (0..looks).map(move |k| (2 * k + 1) * side / (2 * looks))
    };
    let (mut sums, mut count) = ([0u32; 3], 0u32);
    for y in spread(size.height as usize) {
        let row = frame.row(0, y as u32);
        for x in spread(size.width as usize) {
            let Some(pixel) = row.get(x * step..(x + 1) * step) else { continue };
            for (sum, &level) in sums.iter_mut().zip(pixel) {
                *sum += u32::from(level);
            }
            count += 1;
        }
    }
    let mean = |sum: u32| sum as f32 / count.max(1) as f32;
    let luma = match (weights, frame.format()) {
        (Some(weights), _) => sums.iter().zip(weights).map(|(&sum, weight)| mean(sum) * weight).sum(),
        (None, PixelFormat::Gray8) => mean(sums[0]),
        (None, _) => (mean(sums[0]) - 16.0) * 255.0 / 219.0,
    };
    // `as` keeps it within 0..=255.
    (luma + 0.5) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Layout;
    use crate::geometry::Size;

    fn frame(format: PixelFormat, size: Size, bytes: Vec<u8>) -> Frame {
        Frame::from_owner(bytes, Layout::packed(format, size).unwrap()).unwrap()
    }

    #[test]
    fn all_formats_have_one_scale() {
        let size = Size::new(100, 70);
        for (format, pixel, expected) in [
            (PixelFormat::Gray8, &[90][..], 90),
            (PixelFormat::Rgb8, &[200, 100, 50], 124),
            (PixelFormat::Bgr8, &[50, 100, 200], 124),
            (PixelFormat::Rgba8, &[200, 100, 50, 9], 124),
            (PixelFormat::Bgra8, &[50, 100, 200, 9], 124),
            (PixelFormat::Rgb8, &[255, 255, 255], 255),
            (PixelFormat::Nv12, &[16], 0),
            (PixelFormat::Nv12, &[0], 0),
            (PixelFormat::I420, &[235], 255),
            (PixelFormat::I420, &[255], 255),
            (PixelFormat::I420, &[126], 128),
        ] {
            let len = Layout::packed(format, size).unwrap().byte_len();
            let bytes = pixel.iter().copied().cycle().take(len).collect();
            assert_eq!(mean_luma(&frame(format, size, bytes)), expected, "{format} {pixel:?}");
        }
    }

    #[test]
    fn every_part_of_the_frame_counts_and_padding_does_not() {
        for (width, height) in [(1, 1), (3, 200), (64, 64), (127, 65), (1920, 1080)] {
            let half: Vec<u8> = (0..width * height).map(|k| if k / width * 2 < height { 200 } else { 100 }).collect();
            let size = Size::new(width as u32, height as u32);
            let mean = mean_luma(&frame(PixelFormat::Gray8, size, half));
            let expected = if height == 1 { 200 } else { 150 };
            assert!(mean.abs_diff(expected) <= 1, "{width}×{height}: {mean}");
        }
        let layout = Layout::packed(PixelFormat::Gray8, Size::new(2, 2)).unwrap().with_strides(&[5]).unwrap();
        let padded = Frame::from_owner(vec![10, 20, 255, 255, 255, 30, 40], layout).unwrap();
        assert_eq!(mean_luma(&padded), 25);
    }
}
