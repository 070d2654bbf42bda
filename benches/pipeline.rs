//! Criterion benches of what the host's threads wait for: handing over a frame, and changing a camera while 250 run.
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark")]

use criterion::{Criterion, criterion_group, criterion_main};
use guarita::frame::FrameMeta;
use guarita::pipeline::EncodedFrame;
use guarita::testkit::FakeProvider;
use guarita::{Camera, CameraConfig, Pipeline, Polygon, Timestamp};
use std::hint::black_box;
use std::sync::Arc;

const CAMERAS: usize = 250;

fn start(fps: f64) -> (Pipeline, Vec<Camera>) {
    let pipeline = Pipeline::builder(Arc::new(FakeProvider::new("nothing"))).build().unwrap();
    let cameras = (0..CAMERAS)
        .map(|number| {
            pipeline.add_camera(CameraConfig { fps, ..CameraConfig::new(&format!("camera-{number}")) }).unwrap()
        })
        .collect();
    (pipeline, cameras)
}

/// Frames of 250 cameras in turn, each at its own time; no picture, so that the threads have next to nothing to do.
struct Frames {
    number: usize,
    bytes: Arc<[u8]>,
}

impl Frames {
    fn push(&mut self, cameras: &[Camera], step_ms: usize) {
        let pts = Timestamp::from_millis((self.number / CAMERAS * step_ms) as i64);
        let frame = EncodedFrame::from_owner(Arc::clone(&self.bytes), FrameMeta { pts, ..FrameMeta::default() });
        let _ = black_box(cameras[self.number % CAMERAS].push(frame));
        self.number += 1;
    }
}

fn push(c: &mut Criterion) {
    let mut group = c.benchmark_group("push");
    for (name, fps, step_ms) in [("taken", 0.0, 40), ("sampled_out", 0.001, 1)] {
        let (pipeline, cameras) = start(fps);
        let mut frames = Frames { number: CAMERAS, bytes: vec![0xFF; 300_000].into() };
        group.bench_function(name, |b| b.iter(|| frames.push(&cameras, step_ms)));
        drop(pipeline);
    }
}

fn change(c: &mut Criterion) {
    let (pipeline, cameras) = start(1.0);
    let mut group = c.benchmark_group("change");
    let door = Polygon::new([[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]]).unwrap();
    let mut config = cameras[7].config();
    config.exclude = vec![door];
    group.bench_function("update", |b| b.iter(|| cameras[7].update(config.clone()).unwrap()));
    group.bench_function("add_and_remove", |b| {
        b.iter(|| pipeline.add_camera(CameraConfig::new("one more")).unwrap().remove().unwrap());
    });
    group.bench_function("stats", |b| b.iter(|| pipeline.stats()));
}

criterion_group!(benches, push, change);
criterion_main!(benches);
