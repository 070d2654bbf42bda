//! The sensor and the encoder behind it: noise that depends on the light, and blocks that are not sent anew.

use super::backdrop::{HEIGHT, WIDTH};
use super::maths::{Random, hash, sine, unit};
use std::sync::OnceLock;

/// Side of a macroblock.
const BLOCK: usize = 16;
/// A skipped block keeps its noise for so long.
const HOLD_MS: u64 = 400;
const TABLE: usize = 1 << 16;

/// Numbers with a standard deviation of 256, nearly normal.
fn table() -> &'static [i16] {
    static NUMBERS: OnceLock<Vec<i16>> = OnceLock::new();
    NUMBERS.get_or_init(|| {
        let mut random = Random::new(0x5e75);
        let mut normal = || {
            let bits = random.next();
            let sum: u32 = (0..8).map(|k| (bits >> (8 * k)) as u32 & 255).sum();
            // Eight bytes: mean 1020, deviation 209.
            ((sum as f32 - 1020.0) * (256.0 / 209.0)) as i16
        };
        let mut numbers: Vec<i16> = (0..TABLE).map(|_| normal()).collect();
        numbers.extend_from_within(..WIDTH);
        numbers
    })
}

/// The noise of one picture.
pub(super) struct Sensor {
    seed: u64,
    ms: u64,
    /// Deviation in 1/16 levels for every level.
    strength: [i32; 256],
    /// Share of the blocks that are skipped, in 1/256.
    skipped: u64,
}

impl Sensor {
    /// `sigma` is the deviation of a middle grey.
    pub(super) fn new(seed: u64, ms: u64, sigma: f32) -> Self {
        let mut strength = [0; 256];
        for (level, strength) in strength.iter_mut().enumerate() {
            let relative = (0.45 + 0.55 * level as f32 / 110.0).sqrt();
            *strength = (16.0 * sigma * relative) as i32;
        }
        Self { seed, ms, strength, skipped: 90 }
    }

    fn place(&self, kind: u64, time: u64, y: usize) -> usize {
        hash(&[self.seed, kind, time, y as u64]) as usize & (TABLE - 1)
    }

    /// Adds noise to a row of levels in 1/16 and gives bytes.
    pub(super) fn expose(&self, y: usize, levels: &[i16; WIDTH], out: &mut [u8]) {
        let table = table();
        let fine = &table[self.place(0, self.ms, y)..][..WIDTH];
        let coarse = &table[self.place(1, self.ms, y / 4)..][..WIDTH / 4];
        for (block, ((levels, out), fresh)) in
            levels.chunks_exact(BLOCK).zip(out.chunks_exact_mut(BLOCK)).zip(fine.chunks_exact(BLOCK)).enumerate()
        {
            let number = (y / BLOCK * (WIDTH / BLOCK) + block) as u64;
            let own = hash(&[self.seed, 2, number]);
            let period = (self.ms + own % HOLD_MS) / HOLD_MS;
            let held = hash(&[own, period]) & 255 < self.skipped;
            let (fine, coarse) = if held {
                let at = self.place(3, period, y) + BLOCK * block;
                let at = at & (TABLE - 1);
                (&table[at..][..BLOCK], &table[(self.place(4, period, y / 4) + 4 * block) & (TABLE - 1)..][..BLOCK / 4])
            } else {
                (fresh, &coarse[BLOCK / 4 * block..][..BLOCK / 4])
            };
            for (k, ((&level, out), &fine)) in levels.iter().zip(out).zip(fine).enumerate() {
                let noise = (15 * i32::from(fine) + 6 * i32::from(coarse[k / 4])) >> 4;
                let level = i32::from(level);
                let strength = self.strength[(level >> 4).clamp(0, 255) as usize];
                *out = ((level + ((noise * strength) >> 8) + 8) >> 4).clamp(16, 235) as u8;
            }
        }
    }

    /// Noise of the chroma planes, where there is colour.
    pub(super) fn tint(&self, plane: u64, chroma: &mut [u8]) {
        let sigma = self.strength[110] / 3;
        for (y, row) in chroma.chunks_exact_mut(WIDTH / 2).enumerate() {
            let noise = &table()[self.place(5 + plane, self.ms, y / 2)..][..WIDTH / 4];
            for (x, value) in row.iter_mut().enumerate() {
                let more = (i32::from(noise[x / 2]) * sigma) >> 12;
                *value = (i32::from(*value) + more).clamp(16, 240) as u8;
            }
        }
    }
}

/// Streaks of rain over a picture; they are new in every frame.
pub(super) fn rain(luma: &mut [u8], seed: u64, ms: u64, amount: f32) {
    let mut random = Random::new(hash(&[seed, 6, ms]));
    for _ in 0..(420.0 * amount) as usize {
        let near = unit(random.next());
        let near = near * near * near;
        let (x, y) = (random.between(-40.0, WIDTH as f32), random.between(-40.0, HEIGHT as f32));
        let length = 9.0 + 40.0 * near;
        let (alpha, wide) = (0.14 + 0.22 * near, if near > 0.5 { 2 } else { 1 });
        for step in 0..length as usize {
            let row = y + step as f32;
            let column = x + 0.18 * step as f32;
            let fade = alpha * (1.0 - (2.0 * step as f32 / length - 1.0).abs());
            for k in 0..wide {
                blend(luma, column + k as f32, row, 205.0, fade);
            }
        }
    }
}

/// Flakes, each on its own way through time.
pub(super) fn snow(luma: &mut [u8], seed: u64, t: f64, amount: f32) {
    let mut random = Random::new(seed ^ 0x5f0e);
    for _ in 0..(340.0 * amount) as usize {
        let near = unit(random.next());
        let near = near * near * near * near;
        let radius = 0.8 + 3.4 * near;
        let fall = f64::from(45.0 + 190.0 * near + random.between(0.0, 30.0));
        let (x, y) = (random.between(0.0, WIDTH as f32), f64::from(random.between(0.0, HEIGHT as f32)));
        let tall = HEIGHT as f64 + 20.0;
        let row = ((y + fall * t) / tall).fract() * tall - 10.0;
        let sway = 8.0 * super::maths::sine(unit(random.next()) + 0.4 * t as f32);
        let drift = (x + sway + 0.25 * row as f32) % WIDTH as f32;
        let reach = radius.ceil() as i32 + 1;
        for dy in -reach..=reach {
            for dx in -reach..=reach {
                let (fx, fy) = (drift.floor() + dx as f32, (row as f32).floor() + dy as f32);
                let distance = ((fx - drift) * (fx - drift) + (fy - row as f32) * (fy - row as f32)).sqrt();
                blend(luma, fx, fy, 222.0, 0.75 * (radius + 0.5 - distance).clamp(0.0, 1.0) / (1.0 + 0.5 * near));
            }
        }
    }
}

/// Bright blots, each on a way of its own, in and out of the light.
pub(super) fn insects(luma: &mut [u8], seed: u64, t: f64, count: u32) {
    for k in 0..u64::from(count) {
        // Each comes for two to five seconds, and then another one.
        let mut random = Random::new(hash(&[seed, 0x1a5ec7, k]));
        let stay = f64::from(random.between(2.0, 5.0));
        let turn = ((t + f64::from(random.between(0.0, 5.0))) / stay) as u64;
        let mut random = Random::new(hash(&[seed, 0x1a5ec8, k, turn]));
        if random.next().is_multiple_of(2) {
            continue;
        }
        let s = t as f32;
        let mut around = |middle: f32, reach: f32| {
            let (slow, quick) = (random.between(0.15, 0.5), random.between(0.7, 1.9));
            let phase = random.between(0.0, 1.0);
            middle + reach * (sine(slow * s + phase) + 0.35 * sine(quick * s + 2.0 * phase))
        };
        let (x, y) = (around(330.0, 260.0), around(170.0, 140.0));
        let radius = random.between(1.5, 6.0);
        let reach = radius as i32 + 2;
        for dy in -reach..=reach {
            for dx in -reach..=reach {
                let (fx, fy) = (x.floor() + dx as f32, y.floor() + dy as f32);
                let distance = ((fx - x) * (fx - x) + (fy - y) * (fy - y)).sqrt();
                blend(luma, fx, fy, 235.0, (1.3 * (1.0 - distance / (radius + 1.0))).clamp(0.0, 0.9));
            }
        }
    }
}

/// Leaves so much of what differs from the mean of each block of 8×8.
pub(super) fn coarsen(luma: &mut [u8], detail: f32) {
    for top in (0..HEIGHT).step_by(8) {
        for left in (0..WIDTH).step_by(8) {
            let rows = |y: usize| y * WIDTH + left..y * WIDTH + left + 8;
            let sum: u32 = (top..top + 8).map(|y| luma[rows(y)].iter().map(|&v| u32::from(v)).sum::<u32>()).sum();
            let mean = sum as f32 / 64.0;
            for y in top..top + 8 {
                for pixel in &mut luma[rows(y)] {
                    *pixel = (mean + detail * (f32::from(*pixel) - mean) + 0.5) as u8;
                }
            }
        }
    }
}

fn blend(luma: &mut [u8], x: f32, y: f32, level: f32, alpha: f32) {
    if x >= 0.0 && y >= 0.0 && (x as usize) < WIDTH && (y as usize) < HEIGHT {
        let pixel = &mut luma[y as usize * WIDTH + x as usize];
        *pixel = (f32::from(*pixel) * (1.0 - alpha) + level * alpha + 0.5) as u8;
    }
}
