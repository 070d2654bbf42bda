//! One row of a frame of any format, for the resampler: interleaved pixels as they lie, or planes converted from YUV.

use super::vectorized;
use crate::frame::{Frame, PixelFormat};

/// How to read a row: where red, green and blue lie in a pixel, or that there are planes of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RowKind {
    Gray,
    Three([usize; 3]),
    Four([usize; 3]),
    /// Three planes one after the other, in this order.
    Planes([usize; 3]),
}

pub(super) fn kind(format: PixelFormat) -> RowKind {
    match format {
        PixelFormat::Gray8 => RowKind::Gray,
        PixelFormat::Rgb8 => RowKind::Three([0, 1, 2]),
        PixelFormat::Bgr8 => RowKind::Three([2, 1, 0]),
        PixelFormat::Rgba8 => RowKind::Four([0, 1, 2]),
        PixelFormat::Bgra8 => RowKind::Four([2, 1, 0]),
        PixelFormat::Nv12 | PixelFormat::I420 => RowKind::Planes([0, 1, 2]),
    }
}

/// Buffers for the conversion of a YUV row.
#[derive(Debug, Default)]
pub(super) struct Converted {
    rgb: Vec<u8>,
    chroma: Vec<i32>,
    uv: Vec<u8>,
}

/// Row `y`, as [`kind`] says: the frame's own bytes, or `scratch` where they had to be converted.
pub(super) fn pixels<'a>(frame: &'a Frame, y: u32, scratch: &'a mut Converted) -> &'a [u8] {
    let width = frame.size().width as usize;
    let format = frame.format();
    if !matches!(format, PixelFormat::Nv12 | PixelFormat::I420) {
        return frame.row(0, y);
    }
    let Converted { rgb, chroma, uv } = scratch;
    rgb.resize(width * 3, 0);
    chroma.resize(width, 0);
    let (u, v) = if format == PixelFormat::Nv12 {
        let pairs = frame.row(1, y / 2);
        uv.resize(pairs.len(), 0);
        let (u, v) = uv.split_at_mut(pairs.len() / 2);
        part(pairs, u, v);
        (&*u, &*v)
    } else {
        (frame.row(1, y / 2), frame.row(2, y / 2))
    };
    for (out, [of_u, of_v]) in rgb.chunks_exact_mut(width).zip(CHROMA) {
        spread_chroma(u, v, of_u, of_v, chroma);
        add_luma(frame.row(0, y), chroma, out);
    }
    rgb
}

/// Appends the pixels of columns `columns` of row `y` as interleaved red, green and blue.
pub(super) fn append_rgb(
    frame: &Frame,
    y: u32,
    columns: std::ops::Range<usize>,
    scratch: &mut Converted,
    rgb: &mut Vec<u8>,
) {
    let row = pixels(frame, y, scratch);
    let part = |channels: usize| row.get(columns.start * channels..columns.end * channels).unwrap_or_default();
    match kind(frame.format()) {
        RowKind::Gray => rgb.extend(part(1).iter().flat_map(|&level| [level; 3])),
        RowKind::Three([0, 1, 2]) => rgb.extend_from_slice(part(3)),
        RowKind::Three(order) => rgb.extend(part(3).chunks_exact(3).flat_map(|pixel| order.map(|at| pixel[at]))),
        RowKind::Four(order) => rgb.extend(part(4).chunks_exact(4).flat_map(|pixel| order.map(|at| pixel[at]))),
        RowKind::Planes(order) => {
            let width = frame.size().width as usize;
            let planes = order.map(|plane| row.get(plane * width..).unwrap_or_default());
            let last = columns.end.min(planes[2].len());
            rgb.extend((columns.start..last).flat_map(|x| planes.map(|plane| plane[x])));
        }
    }
}

/// A part of a frame of any format as interleaved red, green and blue; it must lie inside the frame.
pub(crate) fn rgb_region(frame: &Frame, left: u32, top: u32, size: crate::geometry::Size) -> Vec<u8> {
    let mut rgb = Vec::with_capacity(size.pixels() as usize * 3);
    let mut scratch = Converted::default();
    let columns = left as usize..left as usize + size.width as usize;
    for y in top..top.saturating_add(size.height) {
        append_rgb(frame, y, columns.clone(), &mut scratch, &mut rgb);
    }
    rgb
}

// ITU-R BT.601, studio range, in 20-bit fixed point: the coefficients and the rounding of OpenCV's `cvtColor`.
const SHIFT: i32 = 20;
const HALF: i32 = 1 << (SHIFT - 1);

const LUMA: i32 = 1_220_542;
/// What a step of U and of V adds to red, green and blue.
const CHROMA: [[i32; 2]; 3] = [[0, 1_673_527], [-409_993, -852_492], [2_116_026, 0]];

#[inline(always)]
fn chroma_term(u: u8, v: u8, of_u: i32, of_v: i32) -> i32 {
    HALF + (i32::from(u) - 128) * of_u + (i32::from(v) - 128) * of_v
}

#[inline(always)]
fn level(luma: u8, chroma: i32) -> u8 {
    (((i32::from(luma) - 16).max(0) * LUMA + chroma) >> SHIFT).clamp(0, 255) as u8
}

vectorized! {
    /// Interleaved U and V as two rows.
    fn part(pairs: &[u8], u: &mut [u8], v: &mut [u8]) {
        for ((pair, u), v) in pairs.chunks_exact(2).zip(u).zip(v) {
            (*u, *v) = (pair[0], pair[1]);
        }
    }
}

vectorized! {
    /// One colour's chroma term for every pixel; two neighbours share theirs.
    fn spread_chroma(u: &[u8], v: &[u8], of_u: i32, of_v: i32, terms: &mut [i32]) {
        let last = terms.len() / 2;
        if let (1, Some(term), Some(&u), Some(&v)) = (terms.len() % 2, terms.last_mut(), u.get(last), v.get(last)) {
            *term = chroma_term(u, v, of_u, of_v);
        }
        for ((&u, &v), pair) in u.iter().zip(v).zip(terms.chunks_exact_mut(2)) {
            let term = chroma_term(u, v, of_u, of_v);
            (pair[0], pair[1]) = (term, term);
        }
    }
}

vectorized! {
    fn add_luma(luma: &[u8], chroma: &[i32], out: &mut [u8]) {
        for ((&luma, &chroma), out) in luma.iter().zip(chroma).zip(out) {
            *out = level(luma, chroma);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_corners_of_bt601_as_opencv_converts_them() {
        // cv2.cvtColor(…, COLOR_YUV2RGB_NV12) of OpenCV 5.0.
        for ([y, u, v], rgb) in [
            ([16, 128, 128], [0, 0, 0]),
            ([235, 128, 128], [255, 255, 255]),
            ([126, 128, 128], [128, 128, 128]),
            ([81, 90, 240], [254, 0, 0]),
            ([145, 54, 34], [0, 255, 1]),
            ([41, 240, 110], [0, 0, 255]),
            ([0, 0, 0], [0, 154, 0]),
            ([255, 255, 255], [255, 125, 255]),
        ] {
            assert_eq!(CHROMA.map(|[of_u, of_v]| level(y, chroma_term(u, v, of_u, of_v))), rgb, "{y} {u} {v}");
        }
    }
}
