//! Pictures at a half, a quarter or an eighth of their size, in gray, for less than the price of the whole.
//!
//! Of a JPEG as cameras write it, only what a small gray picture needs is worked out ([`scan`]). Every other picture, and
//! every damaged one, is left to the whole decoders, so that both ways refuse the same pictures with the same words.

mod bits;
mod fold;
mod header;
mod huffman;
mod scan;
mod whole;

use super::decode::{Decoded, Kind, decode_png, frame};
use super::jpeg::{self, Structure, Want};
use super::{DecodeOptions, Frame, PixelFormat};
use crate::error::Result;
use crate::geometry::Size;
use header::Header;
use image::metadata::Orientation;

pub(super) fn decode(encoded: &[u8], options: &DecodeOptions, min_width: u32) -> Result<Frame> {
    let limits = &options.limits;
    let eighths = |size: Size, orientation| eighths(width(size, orientation, options), min_width);
    let decoded = match Kind::of(encoded, limits)? {
        Kind::Jpeg => {
            let structure = Structure::read(encoded, limits)?;
            let n = eighths(structure.size, structure.orientation);
            match straight(&structure, n) {
                Some((size, pixels)) => small(size, pixels, structure.orientation),
                None => shrunk(jpeg::decode(&structure, limits, Want::Luma)?, n),
            }
        }
        Kind::Png => {
            let decoded = decode_png(encoded, limits)?;
            let n = eighths(decoded.size, decoded.orientation);
            shrunk(decoded, n)
        }
    };
    frame(decoded, options)
}

/// The width that the picture will have.
fn width(size: Size, orientation: Orientation, options: &DecodeOptions) -> u32 {
    let on_its_side = matches!(
        orientation,
        Orientation::Rotate90 | Orientation::Rotate270 | Orientation::Rotate90FlipH | Orientation::Rotate270FlipH
    );
    if options.apply_orientation && on_its_side { size.height } else { size.width }
}

/// The smallest of 1/8, 1/4, 1/2 and 1 that leaves so many pixels of a side, in eighths.
fn eighths(side: u32, at_least: u32) -> usize {
    [(1, 8), (2, 4), (4, 2)].into_iter().find(|&(_, by)| side.div_ceil(by) >= at_least).map_or(8, |(n, _)| n)
}

fn small(size: Size, pixels: Vec<u8>, orientation: Orientation) -> Decoded {
    Decoded { format: PixelFormat::Gray8, size, pixels, orientation, encoded_len: None }
}

fn shrunk(whole: Decoded, n: usize) -> Decoded {
    let (size, orientation) = (whole.size, whole.orientation);
    let (size, pixels) = whole::mean(size, whole::gray(whole), 8 / n);
    small(size, pixels, orientation)
}

/// `None` where the picture is damaged or of a rarer kind.
fn straight(structure: &Structure<'_>, n: usize) -> Option<(Size, Vec<u8>)> {
    let header = Header::of(structure)?;
    match n {
        1 => scan::read::<1>(&header),
        2 => scan::read::<2>(&header),
        4 => scan::read::<4>(&header),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::bits::Segments;
    use super::huffman::{Lengths, Values};
    use super::*;
    use crate::frame::jpeg::Codes;

    #[test]
    fn the_smallest_scale_that_is_wide_enough() {
        for (side, at_least, expected) in [
            (1920, 320, 2),
            (3840, 320, 1),
            (1280, 320, 2),
            (1276, 320, 4),
            (2560, 320, 1),
            (2552, 320, 2),
            (2553, 320, 1),
            (640, 320, 4),
            (638, 320, 8),
            (320, 320, 8),
            (1, 320, 8),
            (1920, 0, 1),
            (1920, u32::MAX, 8),
            (u32::MAX, u32::MAX, 8),
        ] {
            assert_eq!(eighths(side, at_least), expected, "{side} pixels, at least {at_least}");
        }
    }

    /// Numbers that look random and are the same in every run.
    fn noise(len: usize) -> Vec<u8> {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        (0..len)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 32) as u8
            })
            .collect()
    }

    /// What is passed and what is read is equally long, block for block, whatever the codes and the bits.
    #[test]
    fn passing_a_block_goes_as_far_as_reading_it() {
        let fixture = |name| std::fs::read(format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        let (baseline, optimised) = (fixture("baseline.jpg"), fixture("gray.jpg"));
        let limits = DecodeOptions::default().limits;
        let of_file = |bytes| Header::of(&Structure::read(bytes, &limits).unwrap()).unwrap().codes;
        // Blocks that nearly always go to their last place, and codes of 16 bits.
        let full = Codes {
            counts: [0, 3, 1, 1, 1, 1, 1, 1, 2, 0, 0, 0, 0, 0, 0, 0],
            symbols: &[1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 0],
        };
        let symbols = &[1, 2, 0, 0x11, 0xF0, 3, 0x1F, 0x23, 4, 5, 0x70, 0x91, 0xAA, 0xB2, 0x62, 0x31, 0x15];
        let long = Codes { counts: [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2], symbols };
        let mut codes = vec![full, long];
        for (_, others) in of_file(&baseline).into_iter().chain(of_file(&optimised)) {
            codes.push(others);
        }
        let data = noise(200_000).into_iter().filter(|&byte| byte != 0xFF).collect::<Vec<_>>();
        for codes in codes {
            let (lengths, values) = (Lengths::new(&codes).unwrap(), Values::new(&codes).unwrap());
            let segments = Segments::cut(&data, 1).unwrap();
            let (mut passed, mut read) = (segments.iter().next().unwrap(), segments.iter().next().unwrap());
            let (mut blocks, mut whole, mut refused) = (0, 0, 0);
            while passed.complete() && read.complete() && blocks < 1 << 22 {
                let mut last = 0;
                let one = lengths.pass(&mut passed);
                let other = values.read(&mut read, |place, _| last = place);
                assert_eq!(one, other, "block {blocks}");
                if one.is_none() {
                    // Not a picture: go on one bit later.
                    (passed, read) = (segments.iter().next().unwrap(), segments.iter().next().unwrap());
                    refused += 1;
                    for _ in 0..refused {
                        for bits in [&mut passed, &mut read] {
                            bits.refill();
                            bits.skip(1);
                        }
                    }
                    if refused > 200 {
                        break;
                    }
                }
                assert_eq!(passed.position(), read.position(), "block {blocks}");
                blocks += 1;
                whole += usize::from(last == 63);
            }
            println!("{blocks} blocks, {whole} to their last place, {refused} refused");
            assert!(blocks > 1000 && whole > 10);
        }
    }
}
