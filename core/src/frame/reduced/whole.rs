use super::super::PixelFormat;
use super::super::decode::Decoded;
use crate::geometry::Size;

/// The brightness of every pixel: ITU-R BT.601, in the fixed point and the rounding of OpenCV's `cvtColor`.
pub(super) fn gray(decoded: Decoded) -> Vec<u8> {
    let step = match decoded.format {
        PixelFormat::Rgb8 => 3,
        PixelFormat::Rgba8 => 4,
        // The decoders give no other format.
        _ => return decoded.pixels,
    };
    let luma = |pixel: &[u8]| {
        let sum: u32 = pixel.iter().zip([4899, 9617, 1868]).map(|(&level, weight)| u32::from(level) * weight).sum();
        ((sum + (1 << 13)) >> 14) as u8
    };
    decoded.pixels.chunks_exact(step).map(luma).collect()
}

/// Means of boxes of so many pixels across and down; those at the right and at the bottom may be smaller.
pub(super) fn mean(size: Size, pixels: Vec<u8>, by: usize) -> (Size, Vec<u8>) {
    let width = size.width as usize;
    if by <= 1 || width == 0 {
        return (size, pixels);
    }
    let small = Size::new(size.width.div_ceil(by as u32), size.height.div_ceil(by as u32));
    let mut means = Vec::with_capacity(small.pixels() as usize);
    let mut sums = vec![0u32; small.width as usize];
    for band in pixels.chunks(width * by) {
        sums.fill(0);
        for row in band.chunks_exact(width) {
            for (sum, levels) in sums.iter_mut().zip(row.chunks(by)) {
                *sum += levels.iter().map(|&level| u32::from(level)).sum::<u32>();
            }
        }
        let rows = band.len() / width;
        means.extend(sums.iter().enumerate().map(|(x, sum)| {
            let count = (rows * by.min(width - x * by)) as u32;
            ((sum + count / 2) / count) as u8
        }));
    }
    (small, means)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_at_the_edge_are_means_of_what_is_there() {
        let (size, means) = mean(Size::new(3, 3), vec![1, 3, 10, 5, 7, 20, 100, 102, 7], 2);
        assert_eq!((size, means), (Size::new(2, 2), vec![4, 15, 101, 7]));
        assert_eq!(mean(Size::new(1, 1), vec![9], 8), (Size::new(1, 1), vec![9]));
    }
}
