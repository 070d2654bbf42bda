//! One row of a frame of any format as interleaved pixels, for the resampler.

use super::vectorized;
use crate::frame::{Frame, PixelFormat};

/// How the resampler reads a row: bytes a pixel, and where red, green and blue lie in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RowKind {
    Gray,
    Three([usize; 3]),
    Four([usize; 3]),
}

pub(super) fn kind(format: PixelFormat) -> RowKind {
    match format {
        PixelFormat::Gray8 => RowKind::Gray,
        PixelFormat::Bgr8 => RowKind::Three([2, 1, 0]),
        PixelFormat::Rgba8 => RowKind::Four([0, 1, 2]),
        PixelFormat::Bgra8 => RowKind::Four([2, 1, 0]),
        PixelFormat::Rgb8 | PixelFormat::Nv12 | PixelFormat::I420 => RowKind::Three([0, 1, 2]),
    }
}

/// The pixels of row `y`: the frame's own bytes where they are interleaved, `scratch` where they had to be converted.
pub(super) fn interleaved<'a>(frame: &'a Frame, y: u32, scratch: &'a mut Vec<u8>) -> &'a [u8] {
    let width = frame.size().width as usize;
    match frame.format() {
        PixelFormat::Nv12 => {
            scratch.resize(width * 3, 0);
            nv12_to_rgb(frame.row(0, y), frame.row(1, y / 2), scratch);
            scratch
        }
        PixelFormat::I420 => {
            scratch.resize(width * 3, 0);
            i420_to_rgb(frame.row(0, y), frame.row(1, y / 2), frame.row(2, y / 2), scratch);
            scratch
        }
        _ => frame.row(0, y),
    }
}

/// ITU-R BT.601, studio range, in 20-bit fixed point: the coefficients and the rounding of OpenCV's `cvtColor`.
#[inline(always)]
fn yuv_to_rgb(y: u8, u: u8, v: u8) -> [u8; 3] {
    const SHIFT: i32 = 20;
    const HALF: i32 = 1 << (SHIFT - 1);
    let (u, v) = (i32::from(u) - 128, i32::from(v) - 128);
    let luma = (i32::from(y) - 16).max(0) * 1_220_542;
    let level = |chroma: i32| ((luma + HALF + chroma) >> SHIFT).clamp(0, 255) as u8;
    [level(1_673_527 * v), level(-852_492 * v - 409_993 * u), level(2_116_026 * u)]
}

vectorized! {
    fn nv12_to_rgb(luma: &[u8], chroma: &[u8], rgb: &mut [u8]) {
        for ((y, uv), out) in luma.chunks(2).zip(chroma.chunks_exact(2)).zip(rgb.chunks_mut(6)) {
            for (&y, out) in y.iter().zip(out.chunks_exact_mut(3)) {
                out.copy_from_slice(&yuv_to_rgb(y, uv[0], uv[1]));
            }
        }
    }
}

vectorized! {
    fn i420_to_rgb(luma: &[u8], u: &[u8], v: &[u8], rgb: &mut [u8]) {
        for (((y, &u), &v), out) in luma.chunks(2).zip(u).zip(v).zip(rgb.chunks_mut(6)) {
            for (&y, out) in y.iter().zip(out.chunks_exact_mut(3)) {
                out.copy_from_slice(&yuv_to_rgb(y, u, v));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_corners_of_bt601_as_opencv_converts_them() {
        // cv2.cvtColor(…, COLOR_YUV2RGB_NV12) of OpenCV 5.0.
        for (yuv, rgb) in [
            ([16, 128, 128], [0, 0, 0]),
            ([235, 128, 128], [255, 255, 255]),
            ([126, 128, 128], [128, 128, 128]),
            ([81, 90, 240], [254, 0, 0]),
            ([145, 54, 34], [0, 255, 1]),
            ([41, 240, 110], [0, 0, 255]),
            ([0, 0, 0], [0, 154, 0]),
            ([255, 255, 255], [255, 125, 255]),
        ] {
            assert_eq!(yuv_to_rgb(yuv[0], yuv[1], yuv[2]), rgb, "{yuv:?}");
        }
    }
}
