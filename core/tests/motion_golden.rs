//! The background model's masks are OpenCV's, to the bit: frames drawn here and by data/make_motion_golden.py, compared by
//! hash with what OpenCV 5.0.0 made of them on x86-64, on every kernel that this machine has.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

mod common;

use guarita::frame::Layout;
use guarita::motion::{BackgroundModel, BackgroundModelConfig, Kernel};
use guarita::{Frame, PixelFormat, Size};
use serde_json::Value;
use sha2::{Digest, Sha256};

const LEVELS: u32 = 7;

/// `mix` of make_motion_golden.py: a well-mixed number for every number.
fn mix(seed: u32, at: u32) -> u32 {
    let mut h = at.wrapping_mul(0x9E37_79B1) ^ seed.wrapping_mul(0x85EB_CA77);
    h = (h ^ h >> 15).wrapping_mul(0x2C1B_3C6D);
    h = (h ^ h >> 12).wrapping_mul(0x297A_2D39);
    h ^ h >> 15
}

/// `frame` of make_motion_golden.py.
fn pixels(case: &Value, width: u32, height: u32, channels: u32, f: u32) -> Vec<u8> {
    let [seed, step] = ["seed", "step"].map(|name| case[name].as_u64().unwrap() as u32);
    let mut out = Vec::new();
    let light = if (25..40).contains(&f) { 18 } else { 0 };
    let gain = if f >= 55 { 12 } else { 16 };
    let (side_x, side_y) = ((width / 4).max(1), (height / 4).max(1));
    for pixel in 0..width * height {
        let (x, y) = (pixel % width, pixel / width);
        let (traits, now) = (mix(seed, pixel), mix(seed + 1000 + f, pixel));
        let (kind, period) = (traits % 8, (traits >> 8) % 16 + 3);
        let choice = match kind {
            0 | 1 | 5 => 0,
            2 => now % 2,
            3 => now % LEVELS,
            4 => f / period % 3,
            6 if now.is_multiple_of(8) => 1 + now / 8 % 2,
            6 => 0,
            _ => f % 3,
        };
        let amplitude = [0, 2, 5, 16][(traits >> 16) as usize % 4];
        let across = |from: u32| (x + f * 2 + seed + from) % width < side_x && (y + f) % height < side_y;
        for c in 0..channels {
            let value = pixel * channels + c;
            let base = mix(seed + 1, value * LEVELS + choice) & 255;
            let base = match kind {
                5 => (base + f) % 256,
                1 if traits >> 20 & 1 == 1 => 0,
                _ => base,
            };
            let noise = (mix(seed + 2000 + f, value) % (2 * amplitude + 1)) as i32 - amplitude as i32;
            let level = ((base * gain) >> 4) as i32 + if kind == 1 { 0 } else { light } + noise;
            let level = if across(0) {
                255 - level
            } else if across(side_x) {
                (level * 5) >> 3
            } else {
                level
            };
            let level = level.clamp(0, 255) as u32;
            out.push((level - level % step) as u8);
        }
    }
    out
}

/// `known` of make_motion_golden.py.
fn known(seed: u32, width: u32, height: u32, f: u32) -> Option<Vec<u8>> {
    let value = |pixel: u32| {
        let h = mix(seed + 3000 + f, pixel);
        let stripe = pixel % width % 5 == 2 && f < 20;
        if stripe || h.is_multiple_of(5) { (h >> 8) as u8 } else { 0 }
    };
    (f % 4 != 3).then(|| (0..width * height).map(value).collect())
}

fn config(case: &Value) -> BackgroundModelConfig {
    let mut config = BackgroundModelConfig::default();
    for (name, value) in case["config"].as_object().unwrap() {
        let number = value.as_f64().unwrap_or_default();
        match name.as_str() {
            "history" => config.history = number as u32,
            "mixtures" => config.mixtures = number as usize,
            "detect_shadows" => config.detect_shadows = value.as_bool().unwrap(),
            "shadow_value" => config.shadow_value = number as u8,
            "var_threshold" => config.var_threshold = number as f32,
            "background_ratio" => config.background_ratio = number as f32,
            "var_threshold_gen" => config.var_threshold_gen = number as f32,
            "var_init" => config.var_init = number as f32,
            "var_min" => config.var_min = number as f32,
            "var_max" => config.var_max = number as f32,
            "complexity_reduction" => config.complexity_reduction = number as f32,
            "shadow_threshold" => config.shadow_threshold = number as f32,
            _ => panic!("{name}: no such parameter"),
        }
    }
    config
}

/// What the models of one case have made so far.
struct Run {
    kernel: Kernel,
    model: BackgroundModel,
    hash: Sha256,
    counts: [u64; 3],
}

#[test]
fn masks_equal_opencv_to_the_bit() {
    let cases: Vec<Value> = serde_json::from_slice(&common::picture("motion_golden.json")).unwrap();
    assert!(cases.len() >= 40);
    let kernels = Kernel::available();
    println!("kernels of this machine: {kernels:?}");
    let mut wrong = Vec::new();
    for case in &cases {
        let seed = case["seed"].as_u64().unwrap() as u32;
        let rates = case["rates"].as_array().unwrap();
        let mut runs: Vec<Run> = kernels
            .iter()
            .map(|&kernel| {
                let model = BackgroundModel::new(config(case)).unwrap().with_kernel(kernel).unwrap();
                assert_eq!(model.kernel(), kernel);
                Run { kernel, model, hash: Sha256::new(), counts: [0; 3] }
            })
            .collect();
        let mut f = 0;
        for picture in case["pictures"].as_array().unwrap() {
            let [width, height, channels, frames] = [0, 1, 2, 3].map(|k| picture[k].as_u64().unwrap() as u32);
            let format = if channels == 1 { PixelFormat::Gray8 } else { PixelFormat::Bgr8 };
            let row = (width * channels) as usize;
            let mut mask = vec![0; (width * height) as usize];
            for _ in 0..frames {
                // Every other frame has padded rows.
                let stride = row + if f % 2 == 1 { 5 } else { 0 };
                let layout = Layout::packed(format, Size::new(width, height)).unwrap().with_strides(&[stride]).unwrap();
                let mut padded = vec![0xAA; stride * height as usize];
                for (to, from) in padded.chunks_mut(stride).zip(pixels(case, width, height, channels, f).chunks(row)) {
                    to[..row].copy_from_slice(from);
                }
                let frame = Frame::from_owner(padded, layout).unwrap();
                let known = if case["known"] == true { known(seed, width, height, f) } else { None };
                let rate = rates[f as usize % rates.len()].as_f64();
                for run in &mut runs {
                    // The answer must not depend on what the mask held.
                    mask.fill(f as u8);
                    match &known {
                        Some(known) => run.model.apply_known_foreground(&frame, known, rate, &mut mask).unwrap(),
                        None => run.model.apply(&frame, rate, &mut mask).unwrap(),
                    }
                    run.hash.update(&mask);
                    for &value in &mask {
                        run.counts[if value == 0 { 0 } else { 1 + usize::from(value == 255) }] += 1;
                    }
                }
                f += 1;
            }
        }
        for run in runs {
            let hash: String = run.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
            if case["sha256"] != hash.as_str() {
                wrong.push(format!("{}, {:?}: {:?}, OpenCV {}", case["name"], run.kernel, run.counts, case["counts"]));
            }
        }
    }
    assert!(wrong.is_empty(), "background, shadow, foreground pixels differ:\n{}", wrong.join("\n"));
}
