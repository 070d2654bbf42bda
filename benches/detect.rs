//! Criterion benches of everything around the engine: letterbox, post-processing, JPEG decoding. `make bench` runs them
//! beside OpenCV and numpy doing the same (compare/bench.py) and prints the ratios.
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark")]

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use guarita::detector::{BenchScratch, bench_postprocess};
use guarita::frame::Layout;
use guarita::imaging::{ChannelOrder, InputTransform, Preprocessor, Resize, TensorLayout};
use guarita::model::ModelHints;
use guarita::{DecodeOptions, DetectorConfig, Frame, ModelSpec, PixelFormat, Size};
use std::hint::black_box;
use std::path::Path;

/// Numbers that look like noise and are the same in every run.
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

fn letterbox(c: &mut Criterion) {
    let transform = InputTransform {
        size: Size::new(640, 640),
        resize: Resize::Letterbox,
        pad: 114,
        color: ChannelOrder::Rgb,
        layout: TensorLayout::Nchw,
        mean: [0.0; 3],
        std: [255.0; 3],
    };
    let mut group = c.benchmark_group("letterbox_640_f32_nchw");
    for (name, format, size) in [
        ("bgr_1080p", PixelFormat::Bgr8, Size::new(1920, 1080)),
        ("nv12_1080p", PixelFormat::Nv12, Size::new(1920, 1080)),
        ("bgr_720p", PixelFormat::Bgr8, Size::new(1280, 720)),
        ("bgr_810x1080", PixelFormat::Bgr8, Size::new(810, 1080)),
        ("bgr_640x640", PixelFormat::Bgr8, Size::new(640, 640)),
    ] {
        let layout = Layout::packed(format, size).unwrap();
        let frame = Frame::from_owner(noise(layout.byte_len()), layout).unwrap();
        let mut preprocessor = Preprocessor::new(transform.clone());
        let mut tensor = vec![0f32; transform.len()];
        group.bench_function(BenchmarkId::from_parameter(name), |b| {
            b.iter(|| preprocessor.write(black_box(&frame), &mut tensor).unwrap());
        });
    }
}

/// A `[1, 84, 8400]` output with 150 candidates over .25, in 30 places with five overlapping boxes each.
fn output() -> Vec<f32> {
    const ANCHORS: usize = 8400;
    let mut output: Vec<f32> = noise(84 * ANCHORS).into_iter().map(|n| f32::from(n) / 255.0 * 0.2).collect();
    for k in 0..150 {
        let (place, copy, anchor) = (k / 5, k % 5, k * 53 + 11);
        let set = [(place % 6 * 100 + 50 + copy * 3) as f32, (place / 6 * 120 + 60) as f32, 60.0, 80.0];
        set.into_iter().enumerate().for_each(|(row, n)| output[row * ANCHORS + anchor] = n);
        output[(4 + place % 80) * ANCHORS + anchor] = 0.5 + 0.003 * k as f32;
    }
    output
}

fn postprocess(c: &mut Criterion) {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/fixtures");
    let spec = ModelSpec::read_with(fixtures.join("v8_nc80.onnx"), &ModelHints::default()).unwrap();
    let (output, config) = (output(), DetectorConfig::default());
    let mut scratch = BenchScratch::default();
    assert_eq!(bench_postprocess(&output, &spec, &config, &mut scratch).unwrap(), 30);
    c.bench_function("postprocess_8400x84_150_candidates", |b| {
        b.iter(|| bench_postprocess(black_box(&output), &spec, &config, &mut scratch).unwrap());
    });
}

fn jpeg(c: &mut Criterion) {
    // Written by compare/bench.py, so that both decode the same bytes.
    let Ok(encoded) = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/bench-1080p.jpg")) else {
        return;
    };
    c.bench_function("jpeg_decode_1080p", |b| {
        b.iter(|| Frame::decode(black_box(&encoded), &DecodeOptions::default()).unwrap())
    });
    // At 1/4, as for a motion gate of 320 pixels, and at 1/2 and 1/8.
    for (name, min_width) in [("2", 960), ("4", 320), ("8", 240)] {
        c.bench_function(&format!("jpeg_reduced_{name}_1080p"), |b| {
            b.iter(|| Frame::decode_reduced(black_box(&encoded), &DecodeOptions::default(), min_width).unwrap())
        });
    }
}

criterion_group!(benches, letterbox, postprocess, jpeg);
criterion_main!(benches);
