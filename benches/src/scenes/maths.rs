//! Numbers that are the same on every machine: hashes, noise, a sine made of plain arithmetic.

/// Scrambles 64 bits (splitmix64).
pub(crate) fn scramble(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A hash of some numbers.
pub(crate) fn hash(parts: &[u64]) -> u64 {
    parts.iter().fold(0x1234_5678_9abc_def0, |state, &part| scramble(state ^ part))
}

/// 0..1 from the upper bits of a hash.
pub(crate) fn unit(hash: u64) -> f32 {
    (hash >> 40) as f32 / (1u32 << 24) as f32
}

/// A stream of numbers from a seed.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(scramble(seed))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(1);
        scramble(self.0)
    }

    pub(crate) fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * unit(self.next())
    }
}

/// The sine of a number of turns; the error is below 0.001.
pub(crate) fn sine(turns: f32) -> f32 {
    let x = 2.0 * (turns - turns.floor()) - 1.0;
    let parabola = -4.0 * x * (1.0 - x.abs());
    parabola * (0.775 + 0.225 * parabola.abs())
}

/// 0 up to `low`, 1 from `high` on, and a soft slope between.
pub(crate) fn smooth(low: f32, high: f32, x: f32) -> f32 {
    let x = ((x - low) / (high - low)).clamp(0.0, 1.0);
    x * x * (3.0 - 2.0 * x)
}

pub(crate) fn lerp(from: f32, to: f32, share: f32) -> f32 {
    from + (to - from) * share
}

fn lattice(seed: u32, x: i32, y: i32) -> f32 {
    let mut h = seed ^ (x as u32).wrapping_mul(0x85eb_ca6b) ^ (y as u32).wrapping_mul(0xc2b2_ae35);
    h = (h ^ (h >> 15)).wrapping_mul(0x2c1b_3c6d);
    h = (h ^ (h >> 12)).wrapping_mul(0x297a_2d39);
    h ^= h >> 15;
    (h >> 8) as f32 / (1u32 << 23) as f32 - 1.0
}

/// Value noise, -1..1, smooth at the scale of 1.
pub(crate) fn noise(seed: u32, x: f32, y: f32) -> f32 {
    let (fx, fy) = (x.floor(), y.floor());
    let (ix, iy) = (fx as i32, fy as i32);
    let (sx, sy) = (smooth(0.0, 1.0, x - fx), smooth(0.0, 1.0, y - fy));
    let top = lerp(lattice(seed, ix, iy), lattice(seed, ix + 1, iy), sx);
    let bottom = lerp(lattice(seed, ix, iy + 1), lattice(seed, ix + 1, iy + 1), sx);
    lerp(top, bottom, sy)
}

/// Noise of several scales, each half as large and half as strong as the one before; about -1..1.
pub(crate) fn fractal(seed: u32, x: f32, y: f32, octaves: u32) -> f32 {
    let (mut sum, mut scale, mut weight) = (0.0, 1.0, 0.55);
    for octave in 0..octaves {
        sum += weight * noise(seed.wrapping_add(octave.wrapping_mul(0x9e37)), x * scale, y * scale);
        scale *= 2.0;
        weight *= 0.5;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sine_is_near_the_true_one() {
        for k in -200..200 {
            let turns = k as f32 / 77.0;
            let true_one = (turns * std::f32::consts::TAU).sin();
            assert!((sine(turns) - true_one).abs() < 0.0015, "{turns}: {} for {true_one}", sine(turns));
        }
    }

    #[test]
    fn noise_stays_in_its_range_and_varies() {
        let values: Vec<f32> = (0..1000).map(|k| fractal(7, k as f32 * 0.37, k as f32 * 0.11, 4)).collect();
        assert!(values.iter().all(|v| v.abs() < 1.1));
        let mean = values.iter().sum::<f32>() / 1000.0;
        let deviation = (values.iter().map(|v| (v - mean) * (v - mean)).sum::<f32>() / 1000.0).sqrt();
        assert!(mean.abs() < 0.1 && deviation > 0.15, "mean {mean}, deviation {deviation}");
    }
}
