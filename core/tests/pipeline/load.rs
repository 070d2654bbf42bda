//! More work than can be done: who loses, and what it costs.

use crate::WITHIN;
use crate::scene::{TestProvider, all_frames, raw};
use guarita::pipeline::{DropReason, Outcome};
use guarita::provider::Priority;
use guarita::{Pipeline, PipelineConfig};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Jain's index: 1 where all get the same, 1/n where one gets all.
fn jain(shares: &[u64]) -> f64 {
    let sum: f64 = shares.iter().map(|share| *share as f64).sum();
    let squares: f64 = shares.iter().map(|share| (*share as f64).powi(2)).sum();
    sum * sum / (shares.len() as f64 * squares)
}

#[test]
fn ten_times_too_much_is_shared_fairly_and_critical_cameras_lose_nothing() {
    // 1000 frames a second can be looked at.
    let provider = Arc::new(TestProvider::new(1, 1, |_| Duration::from_millis(1)));
    let pipeline = Pipeline::builder(provider).build().unwrap();
    let cameras: Vec<_> = (0..50)
        .map(|k| {
            let mut config = all_frames(&format!("camera-{k:02}"));
            config.priority = if k < 2 { Priority::Critical } else { Priority::Normal };
            pipeline.add_camera(config).unwrap()
        })
        .collect();
    // The critical ones push 50 frames a second each, the others 200 and one of them 2000: some 10,000 together.
    let begun = Instant::now();
    let mut tick = 0_i64;
    while begun.elapsed() < Duration::from_secs(3) {
        for (k, camera) in cameras.iter().enumerate() {
            let pushes = match k {
                0 | 1 => i64::from(tick % 4 == 0),
                2 => 10,
                _ => 1,
            };
            for n in 0..pushes {
                let _ = camera.push(raw(tick * 100 + n));
            }
        }
        tick += 1;
        let next = Duration::from_millis(5) * u32::try_from(tick).unwrap();
        std::thread::sleep(next.saturating_sub(begun.elapsed()));
    }
    let report = pipeline.shutdown(WITHIN);
    assert!(report.drained && report.account.balances());
    let analysed: Vec<_> =
        cameras.iter().map(|camera| camera.stats().account.outcomes.get(Outcome::Analysed)).collect();
    for camera in &cameras[..2] {
        let account = camera.stats().account;
        assert_eq!(account.outcomes.get(Outcome::Analysed), account.pushed, "{account:?}");
    }
    let jain = jain(&analysed[2..]);
    println!("Jain {jain:.4} over {} frames of {}", analysed[2..].iter().sum::<u64>(), report.account.pushed);
    assert!(jain >= 0.98, "{jain} {analysed:?}");
    assert!(report.account.outcomes.get(Outcome::Dropped(DropReason::Newer)) > 0);
}

#[test]
fn memory_for_frames_is_bounded_and_critical_frames_keep_theirs() {
    let provider = Arc::new(TestProvider::new(1, 1, |_| Duration::from_millis(2)));
    let config = PipelineConfig { max_bytes: 1 << 20, ..PipelineConfig::default() };
    let pipeline = Pipeline::builder(provider).config(config).build().unwrap();
    let mut cameras = Vec::new();
    for k in 0..20 {
        let mut config = all_frames(&format!("camera-{k:02}"));
        config.queue.capacity = 100;
        config.priority = if k == 0 { Priority::Critical } else { Priority::Normal };
        cameras.push(pipeline.add_camera(config).unwrap());
    }
    // 64 KiB each: 16 of them fit.
    for ms in 0..10 {
        for (k, camera) in cameras.iter().enumerate() {
            let _ = camera.push(crate::scene::raw_of(ms * 20 + k as i64, 256));
            assert!(pipeline.stats().bytes <= 1 << 20);
        }
    }
    let report = pipeline.shutdown(WITHIN);
    assert!(report.drained && report.account.balances());
    let critical = cameras[0].stats().account;
    assert_eq!(critical.outcomes.get(Outcome::Analysed), 10, "{critical:?}");
    assert!(report.account.outcomes.get(Outcome::Dropped(DropReason::QueueFull)) > 50, "{:?}", report.account);
}
