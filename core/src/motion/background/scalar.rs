//! The model one pixel at a time, as the method is written down: what the kernels are compared with.

use super::lanes::BLOCK;
use super::*;

#[derive(Clone, Default)]
struct Mode {
    weight: f32,
    variance: f32,
    mean: Vec<f32>,
}

struct Pixel {
    modes: Vec<Mode>,
    used: usize,
}

/// Returns the byte of the mask.
fn step(pixel: &mut Pixel, x: &[f32], config: &BackgroundModelConfig, rate: f64) -> u8 {
    let alpha = rate as f32;
    let prune = (-rate * f64::from(config.complexity_reduction)) as f32;
    let k_most = pixel.modes.len();
    let modes = &mut pixel.modes;
    let (mut background, mut fit, mut n, mut total) = (false, false, pixel.used, 0.0f32);
    let mut m = 0;
    while m < n {
        let mut weight = (1.0 - alpha) * modes[m].weight + prune;
        let mut swaps = 0;
        if !fit {
            let d: Vec<f32> = modes[m].mean.iter().zip(x).map(|(mean, x)| mean - x).collect();
            let distance = d.iter().fold(0.0f32, |sum, d| sum + d * d);
            let variance = modes[m].variance;
            background |= total < config.background_ratio && distance < config.var_threshold * variance;
            if distance < config.var_threshold_gen * variance {
                fit = true;
                weight += alpha;
                let k = alpha / weight;
                for (mean, d) in modes[m].mean.iter_mut().zip(&d) {
                    *mean -= k * d;
                }
                modes[m].variance = (variance + k * (distance - variance)).clamp(config.var_min, config.var_max);
                let mut i = m;
                while i > 0 && (weight >= modes[i - 1].weight || weight.is_nan()) {
                    modes.swap(i, i - 1);
                    swaps += 1;
                    i -= 1;
                }
            }
        }
        if weight < -prune {
            weight = 0.0;
            n -= 1;
        }
        modes[m - swaps].weight = weight;
        total += weight;
        m += 1;
    }
    let scale = if total.abs() > f32::EPSILON { 1.0 / total } else { 0.0 };
    modes[..n].iter_mut().for_each(|mode| mode.weight *= scale);
    if !fit && alpha > 0.0 {
        let m = if n == k_most { k_most - 1 } else { n };
        n = m + 1;
        if n > 1 {
            modes[..m].iter_mut().for_each(|mode| mode.weight *= 1.0 - alpha);
        }
        let weight = if n == 1 { 1.0 } else { alpha };
        modes[m] = Mode { weight, variance: config.var_init, mean: x.to_vec() };
        let mut i = m;
        while i > 0 && alpha >= modes[i - 1].weight {
            modes.swap(i, i - 1);
            i -= 1;
        }
    }
    pixel.used = n;
    match background {
        true => 0,
        false if config.detect_shadows && is_shadow(&modes[..n], x, config) => config.shadow_value,
        false => 255,
    }
}

fn is_shadow(modes: &[Mode], x: &[f32], config: &BackgroundModelConfig) -> bool {
    let mut total = 0.0;
    for mode in modes {
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).fold(0.0f32, |sum, (a, b)| sum + a * b);
        let (numerator, denominator) = (dot(x, &mode.mean), dot(&mode.mean, &mode.mean));
        if denominator == 0.0 {
            return false;
        }
        if numerator <= denominator && numerator >= config.shadow_threshold * denominator {
            let a = numerator / denominator;
            let distance = mode.mean.iter().zip(x).fold(0.0f32, |sum, (mean, x)| sum + (a * mean - x) * (a * mean - x));
            if distance < config.var_threshold * mode.variance * a * a {
                return true;
            }
        }
        total += mode.weight;
        if total > config.background_ratio {
            return false;
        }
    }
    false
}

/// Numbers that look random and are the same in every run (xorshift64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 32) % end
    }

    fn of<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len() as u64) as usize]
    }
}

/// A few levels that come back, some noise, now and then anything: modes are made, swapped, pruned and replaced.
fn fill(random: &mut Random, levels: &[u8], pixels: &mut [u8]) {
    for pixel in pixels {
        *pixel = match random.below(8) {
            0 => random.below(256) as u8,
            1..=4 => levels[0].wrapping_add(random.below(7) as u8),
            _ => random.of(levels).wrapping_add(random.below(3) as u8),
        };
    }
}

#[test]
fn every_kernel_equals_the_scalar_model() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut differing = 0;
    let mut seen = [0usize; 3];
    for round in 0..120 {
        let channels = random.of(&[1, 3]);
        let size = Size::new(random.of(&[1, 7, 16, 17, 33, 50]), random.of(&[1, 2, 3, 5]));
        let var_min = random.of(&[0.0, 4.0, 30.0]);
        let config = BackgroundModelConfig {
            history: random.of(&[1, 2, 20, 500]),
            var_threshold: random.of(&[16.0, 1.0, 0.0, 90.0]),
            mixtures: random.of(&[5, 1, 2, 3, 4, 8, 16]),
            background_ratio: random.of(&[0.9, 0.0, 0.5, 1.0]),
            var_threshold_gen: random.of(&[9.0, 0.5, 60.0]),
            var_init: random.of(&[15.0, 1.0, 60.0]),
            var_min,
            var_max: random.of(&[75.0, var_min, 1000.0]),
            complexity_reduction: random.of(&[0.05, 0.0, 0.4, 1.0]),
            detect_shadows: random.of(&[true, true, false]),
            shadow_value: random.of(&[127, 1, 200]),
            shadow_threshold: random.of(&[0.5, 0.0, 0.9, 1.0]),
        };
        let pixels = size.pixels() as usize;
        let format = if channels == 1 { PixelFormat::Gray8 } else { PixelFormat::Bgr8 };
        let mut layout = crate::frame::Layout::packed(format, size).unwrap();
        if round % 3 == 0 {
            layout = layout.with_strides(&[size.width as usize * channels + 5]).unwrap();
        }
        let threads = Threads::new(3).unwrap();
        let mut models: Vec<BackgroundModel> = Kernel::available()
            .into_iter()
            .map(|kernel| BackgroundModel::new(config.clone()).unwrap().with_kernel(kernel).unwrap())
            .collect();
        models.push(BackgroundModel::new(config.clone()).unwrap().with_threads(threads));
        let fresh = || (0..pixels).map(|_| Pixel { modes: vec![Mode::default(); config.mixtures], used: 0 }).collect();
        let mut reference: Vec<Pixel> = fresh();
        let mut frames = 0u32;
        let levels: Vec<u8> = (0..4).map(|_| random.below(256) as u8).collect();
        let given = random.of(&[None, None, Some(0.0), Some(0.01), Some(0.3), Some(1.0)]);
        let changing = random.below(2) == 0;
        for _ in 0..25 {
            let mut data = vec![0; layout.byte_len()];
            fill(&mut random, &levels, &mut data);
            let frame = Frame::copy_from(&data, layout.clone()).unwrap();
            let rate = if changing { random.of(&[None, Some(0.0), Some(0.002), Some(0.2)]) } else { given };
            let known: Vec<u8> = match random.below(4) {
                0 => (0..pixels).map(|_| random.of(&[0, 0, 0, 3])).collect(),
                _ => Vec::new(),
            };
            if rate == Some(1.0) {
                frames = 0;
                reference = fresh();
            }
            frames += 1;
            let now = rate.filter(|_| frames > 1).unwrap_or(1.0 / f64::from((2 * frames).min(config.history)));
            let want: Vec<u8> = (0..pixels)
                .map(|p| {
                    let (x, y) = (p % size.width as usize, p / size.width as usize);
                    let at = &frame.row(0, y as u32)[x * channels..(x + 1) * channels];
                    let x: Vec<f32> = at.iter().map(|&x| f32::from(x)).collect();
                    if known.get(p).is_some_and(|&k| k != 0) { 255 } else { step(&mut reference[p], &x, &config, now) }
                })
                .collect();
            for &value in &want {
                seen[match value {
                    0 => 0,
                    255 => 1,
                    _ => 2,
                }] += 1;
            }
            for model in &mut models {
                let mut mask = vec![9; pixels];
                if known.is_empty() {
                    model.apply(&frame, rate, &mut mask).unwrap();
                } else {
                    model.apply_known_foreground(&frame, &known, rate, &mut mask).unwrap();
                }
                let wrong = mask.iter().zip(&want).filter(|(a, b)| a != b).count();
                assert_eq!(wrong, 0, "round {round}, {:?}, {size}×{channels}, rate {rate:?}, {config:?}", model.kernel);
                differing += wrong;
            }
        }
    }
    assert_eq!(differing, 0);
    assert!(seen.iter().all(|&count| count > 1000), "background, foreground, shadow: {seen:?}");
}

#[test]
fn bands_on_threads_give_the_same_masks() {
    let size = Size::new(503, 401);
    let layout = crate::frame::Layout::packed(PixelFormat::Gray8, size).unwrap();
    let mut random = Random(7);
    let config = BackgroundModelConfig::default();
    let mut alone = BackgroundModel::new(config.clone()).unwrap();
    let mut shared = BackgroundModel::new(config).unwrap().with_threads(Threads::new(4).unwrap());
    let (mut a, mut b) = (vec![0; size.pixels() as usize], vec![0; size.pixels() as usize]);
    for _ in 0..4 {
        let mut data = vec![0; layout.byte_len()];
        fill(&mut random, &[20, 90, 200], &mut data);
        let frame = Frame::copy_from(&data, layout.clone()).unwrap();
        let known: Vec<u8> = (0..data.len()).map(|k| u8::from(k % 37 == 0)).collect();
        alone.apply_known_foreground(&frame, &known, None, &mut a).unwrap();
        shared.apply_known_foreground(&frame, &known, None, &mut b).unwrap();
        assert!(a == b);
    }
    assert!(!(size.pixels() as usize).is_multiple_of(BLOCK));
}
