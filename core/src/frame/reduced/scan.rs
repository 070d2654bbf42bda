use super::bits::{Bits, Segments};
use super::fold::Fold;
use super::header::Header;
use super::huffman::{Firsts, Lengths, Values};
use crate::frame::jpeg::Codes;
use crate::geometry::Size;

/// Luma of the scan at N/8 of the size, rows without padding; `None` where it is damaged or something is out of the
/// ordinary.
pub(super) fn read<const N: usize>(header: &Header<'_>) -> Option<(Size, Vec<u8>)> {
    let [(firsts, others), (of_u, after_u), (of_v, after_v)] = &header.codes;
    let luma = (Firsts::new(firsts)?, Others::new::<N>(others)?);
    let one = header.chroma == 0;
    let u = if one { None } else { Some((Firsts::new(of_u)?, Lengths::new(after_u)?)) };
    // Nearly always both have the same tables.
    let same = of_u.same(of_v) && after_u.same(after_v);
    let v = if one || same { None } else { Some((Firsts::new(of_v)?, Lengths::new(after_v)?)) };
    let chroma = u.as_ref().map(|u| [u, v.as_ref().unwrap_or(u)]);

    let full = (header.size.width as usize, header.size.height as usize);
    let (across, down) = header.luma;
    let units = (full.0.div_ceil(8 * across), full.1.div_ceil(8 * down));
    let every = if header.restart == 0 { units.0 * units.1 } else { header.restart };
    let segments = Segments::cut(header.data, (units.0 * units.1).div_ceil(every))?;
    let mut segments = segments.iter();
    let mut bits = segments.next()?;
    let (mut last, mut left) = (0, every);

    let fold = Fold::<N>::new(&header.quantisation);
    let width = units.0 * across * N;
    let mut pixels = vec![0; width * units.1 * down * N];
    for band in pixels.chunks_exact_mut(width * down * N) {
        for unit in 0..units.0 {
            if left == 0 {
                if !bits.complete() {
                    return None;
                }
                bits = segments.next()?;
                (last, left) = (0, every);
            }
            left -= 1;
            for block in 0..across * down {
                let mut sums = [0; 16];
                last = luma.block(&mut bits, last, &fold, &mut sums)?;
                let small = Fold::<N>::pixels(&mut sums);
                let at = block / across * N * width + (unit * across + block % across) * N;
                for (row, small) in small.chunks_exact(N).take(N).enumerate() {
                    band.get_mut(at + row * width..)?.get_mut(..N)?.copy_from_slice(small);
                }
            }
            for (firsts, others) in chroma.iter().flatten() {
                bits.refill();
                firsts.read(&mut bits)?;
                others.pass(&mut bits)?;
            }
        }
    }
    if !bits.complete() {
        return None;
    }
    let size = (full.0.div_ceil(8 / N), full.1.div_ceil(8 / N));
    if width != size.0 {
        for y in 1..size.1 {
            pixels.copy_within(y * width..y * width + size.0, y * size.0);
        }
    }
    pixels.truncate(size.0 * size.1);
    Some((Size::new(size.0 as u32, size.1 as u32), pixels))
}

/// Tables for what stands behind the first coefficient of luma.
enum Others {
    /// For 1/8 none of it is needed.
    Passed(Lengths),
    Added(Values),
}

impl Others {
    fn new<const N: usize>(codes: &Codes<'_>) -> Option<Self> {
        if N == 1 { Lengths::new(codes).map(Self::Passed) } else { Values::new(codes).map(Self::Added) }
    }
}

trait Blocks {
    /// Reads a block; gives its first coefficient, from which the next one counts.
    fn block<const N: usize>(
        &self,
        bits: &mut Bits<'_>,
        last: i32,
        fold: &Fold<N>,
        sums: &mut [i32; 16],
    ) -> Option<i32>;
}

impl Blocks for (Firsts, Others) {
    #[inline(always)]
    fn block<const N: usize>(
        &self,
        bits: &mut Bits<'_>,
        last: i32,
        fold: &Fold<N>,
        sums: &mut [i32; 16],
    ) -> Option<i32> {
        bits.refill();
        let first = last.wrapping_add(self.0.read(bits)?);
        fold.add(0, first, sums);
        match &self.1 {
            Others::Passed(lengths) => lengths.pass(bits)?,
            Others::Added(values) => values.read(bits, |place, value| fold.add(place, value, sums))?,
        }
        Some(first)
    }
}
