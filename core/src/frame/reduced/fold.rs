//! Blocks of 8×8 pixels at a half, a quarter or an eighth of their size, straight from their coefficients.
//!
//! A pixel of the small block is the mean of the pixels it stands for. The mean of two neighbours of the cosine number `u`
//! is the cosine of half as many samples, times cos(uπ/16): that of number `u` for u < 4, nothing for 4, and that of
//! number 8 − u with the sign turned for u > 4. So every coefficient is added, with a factor, to one of N×N sums, and an
//! inverse transform of N×N makes the pixels. For a quarter the same holds once more.

use super::header::ZIGZAG;
use std::f64::consts::PI;

/// Where a coefficient is added, and its factor, quantisation included.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Part {
    pub(super) factor: i32,
    pub(super) sum: u8,
}

/// The parts of all coefficients in the order of the stream.
#[derive(Debug)]
pub(super) struct Fold<const N: usize>([Part; 64]);

impl<const N: usize> Fold<N> {
    /// Fraction bits of the sums. A sum of a sound picture is below 2^10, and for a half it is multiplied by 106.
    const FRACTION: u32 = if N == 4 { 12 } else { 14 };

    pub(super) fn new(quantisation: &[u16; 64]) -> Self {
        let mut parts = [Part::default(); 64];
        for ((part, &place), &step) in parts.iter_mut().zip(&ZIGZAG).zip(quantisation) {
            let (down, v) = fold(usize::from(place / 8), N);
            let (across, u) = fold(usize::from(place % 8), N);
            let factor = f64::from(step) / 4.0 * down * across * f64::from(1 << Self::FRACTION);
            // Steps of 16 bits are for 12-bit pictures; `as` saturates.
            *part = Part { factor: factor.round() as i32, sum: (v * N + u) as u8 };
        }
        Self(parts)
    }

    /// Adds a coefficient. The place is that in the stream, 0..=63.
    #[inline(always)]
    pub(super) fn add(&self, place: usize, value: i32, sums: &mut [i32; 16]) {
        let part = self.0[place & 63];
        let sum = &mut sums[usize::from(part.sum & 15)];
        // Wrapping: damaged pictures hold any number.
        *sum = sum.wrapping_add(value.wrapping_mul(part.factor));
    }

    /// The pixels of a block, row by row; those behind N×N are left.
    #[inline(always)]
    pub(super) fn pixels(sums: &mut [i32; 16]) -> [u8; 16] {
        match N {
            2 => {
                let [a, b, c, d, ..] = *sums;
                let (left, right) = (a.wrapping_add(c), a.wrapping_sub(c));
                let (more, less) = (b.wrapping_add(d), b.wrapping_sub(d));
                [sums[0], sums[1], sums[2], sums[3]] = [
                    left.wrapping_add(more),
                    left.wrapping_sub(more),
                    right.wrapping_add(less),
                    right.wrapping_sub(less),
                ];
            }
            4 => {
                for column in 0..4 {
                    line(sums, column, 4);
                }
                for row in 0..4 {
                    line(sums, row * 4, 1);
                }
            }
            _ => {}
        }
        let middle = (128 << Self::FRACTION) + (1 << (Self::FRACTION - 1));
        let mut pixels = [0; 16];
        for (pixel, sum) in pixels.iter_mut().zip(sums).take(N * N) {
            *pixel = (sum.wrapping_add(middle) >> Self::FRACTION).clamp(0, 255) as u8;
        }
        pixels
    }
}

/// The factor of cosine number `u` of eight samples among those of `n` samples, its norm included, and its number there.
fn fold(u: usize, n: usize) -> (f64, usize) {
    let (mut factor, mut number, mut samples) = (if u == 0 { 0.5f64.sqrt() } else { 1.0 }, u, 8);
    while samples > n {
        factor *= (number as f64 * PI / (2 * samples) as f64).cos();
        samples /= 2;
        if number == samples {
            (factor, number) = (0.0, 0);
        } else if number > samples {
            (factor, number) = (-factor, 2 * samples - number);
        }
    }
    // What the transforms below leave to the factors.
    let scale = match (n, number) {
        (_, 0) => 1.0,
        (2, _) => (PI / 4.0).cos(),
        (_, 2) => (PI / 4.0).cos(),
        (_, _) => (PI / 8.0).cos(),
    };
    (factor * scale, number)
}

/// The inverse transform of four numbers, of which the last three come times cos(π/8), cos(π/4) and cos(π/8).
#[inline(always)]
fn line(sums: &mut [i32; 16], at: usize, step: usize) {
    // tan(π/8) in 1/256.
    let tangent = |n: i32| n.wrapping_mul(106).wrapping_add(128) >> 8;
    let [a, b, c, d] = [sums[at], sums[at + step], sums[at + 2 * step], sums[at + 3 * step]];
    let (outer, inner) = (a.wrapping_add(c), a.wrapping_sub(c));
    let (odd, even) = (b.wrapping_add(tangent(d)), tangent(b).wrapping_sub(d));
    sums[at] = outer.wrapping_add(odd);
    sums[at + step] = inner.wrapping_add(even);
    sums[at + 2 * step] = inner.wrapping_sub(even);
    sums[at + 3 * step] = outer.wrapping_sub(odd);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition: all 64 pixels of a block (ITU-T T.81, A.3.3), and the mean of those in a box.
    fn by_definition(place: u8, value: f64, n: usize) -> Vec<f64> {
        let wave = |u: u8, x: usize| {
            let norm = if u == 0 { 0.5f64.sqrt() } else { 1.0 };
            norm * ((2 * x + 1) as f64 * f64::from(u) * PI / 16.0).cos()
        };
        let pixel = |x, y| value / 4.0 * wave(place / 8, y) * wave(place % 8, x);
        let by = 8 / n;
        let mean = |left: usize, top: usize| {
            let sum: f64 =
                (top..top + by).flat_map(|y| (left..left + by).map(move |x| (x, y))).map(|(x, y)| pixel(x, y)).sum();
            sum / (by * by) as f64
        };
        (0..n * n).map(|k| mean(k % n * by, k / n * by) + 128.0).collect()
    }

    fn check<const N: usize>() {
        for (k, &place) in ZIGZAG.iter().enumerate() {
            for (step, value) in [(1, 900), (1, -37), (16, 40), (255, -3)] {
                let fold = Fold::<N>::new(&[step; 64]);
                let mut sums = [0; 16];
                fold.add(k, value, &mut sums);
                let pixels = Fold::<N>::pixels(&mut sums);
                let expected = by_definition(place, f64::from(value) * f64::from(step), N);
                for (pixel, expected) in pixels.iter().zip(expected) {
                    let off = f64::from(*pixel) - expected.clamp(0.0, 255.0);
                    assert!(off.abs() <= 0.75, "1/{}, place {k}, {value} × {step}: {pixel}, not {expected}", 8 / N);
                }
            }
        }
    }

    #[test]
    fn every_coefficient_adds_what_it_should() {
        check::<1>();
        check::<2>();
        check::<4>();
    }

    #[test]
    fn no_coefficient_is_too_large() {
        let fold = Fold::<4>::new(&[u16::MAX; 64]);
        let mut sums = [0; 16];
        for place in 0..64 {
            fold.add(place, i32::MIN, &mut sums);
            fold.add(place, i32::MAX, &mut sums);
        }
        assert_eq!(Fold::<4>::pixels(&mut sums).len(), 16);
    }
}
