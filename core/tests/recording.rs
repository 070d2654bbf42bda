//! Recordings through a pipeline: whole, stopped, damaged, and beside cameras that have other plans.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test")]
#![allow(clippy::disallowed_methods, reason = "a test")]

mod common;
#[path = "common/lab.rs"]
mod lab;
#[path = "pipeline/scene.rs"]
#[allow(dead_code, reason = "the pipeline's tests use all of it")]
mod scene;

use guarita::event::Condition;
use guarita::pipeline::{ChunkReport, DropReason, Outcome, RunEnd, RunFileConfig, RunSummary, SkipReason};
use guarita::provider::Priority;
use guarita::{CameraConfig, ErrorCode, Pipeline, PipelineConfig, TriggerConfig};
use lab::Lab;
use scene::{TestProvider, all_frames, at, person, raw};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const ANALYSED: Outcome = Outcome::Analysed;
const SAMPLED_OUT: Outcome = Outcome::Skipped(SkipReason::SampledOut);

fn pipeline(each: Duration) -> Pipeline {
    let answer = |request: &guarita::provider::Request| Ok(vec![vec![person(0.9)]; request.frames.len()]);
    let provider = Arc::new(TestProvider::answering(2, 4, move |frames| each * frames as u32, answer));
    Pipeline::builder(provider).config(PipelineConfig { threads: 2, ..PipelineConfig::default() }).build().unwrap()
}

fn config(lab: &Lab) -> RunFileConfig {
    let mut camera = CameraConfig::new("yard");
    (camera.fps, camera.motion) = (2.0, None);
    RunFileConfig { source: lab.config(), chunk_s: 10.0, ..RunFileConfig::new(camera) }
}

fn go_on(_: &ChunkReport) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// The camera went, and its frames have all ended.
fn is_over(pipeline: &Pipeline, summary: &RunSummary) {
    assert_eq!(pipeline.camera("yard").unwrap_err().code(), ErrorCode::NotFound);
    assert!(summary.account.balances() && summary.account.in_flight == 0, "{summary:?}");
    assert_eq!(summary.account.outcomes.dropped(), 0, "{summary:?}");
}

#[test]
fn every_frame_of_a_recording_is_seen_chunk_by_chunk() {
    let Some(lab) = Lab::new("recording-whole") else { return };
    // 25 s at 25 frames a second.
    let path = lab.video("a.avi", "64x48", 625, "-c:v mpeg4");
    let pipeline = pipeline(Duration::from_millis(4));
    let mut config = config(&lab);
    // Settings for a live camera: every frame would be too old, and the queue too short.
    (config.camera.queue.max_age_s, config.camera.queue.capacity, config.in_flight) = (0.001, 1, 6);
    let when = Condition::Present { classes: vec!["person".into()], zone: None, min_confidence: None };
    let mut trigger = TriggerConfig::new("somebody", when);
    trigger.cooldown_s = 0.0;
    config.camera.triggers = vec![trigger];
    let mut chunks = Vec::new();
    let summary = pipeline
        .run_file(&path, config, |chunk| {
            // All of it has ended, and nothing of the next one has begun.
            let camera = pipeline.camera("yard").unwrap();
            assert_eq!(camera.stats().account.in_flight, 0);
            chunks.push(chunk.clone());
            ControlFlow::Continue(())
        })
        .unwrap();
    is_over(&pipeline, &summary);
    assert!(matches!(summary.end, RunEnd::Complete), "{summary:?}");
    let numbers = |chunk: &ChunkReport| {
        let outcomes = &chunk.account.outcomes;
        assert!(chunk.account.balances());
        (chunk.number, chunk.from, chunk.to, outcomes.get(ANALYSED), outcomes.get(SAMPLED_OUT), chunk.video.as_millis())
    };
    let found: Vec<_> = chunks.iter().map(numbers).collect();
    let expected = [
        // The grid of the sampler takes its second frame a quarter of a period early.
        (0, at(0), at(9_960), 21, 229, 9_960),
        (1, at(10_000), at(19_960), 20, 230, 10_000),
        (2, at(20_000), at(24_960), 10, 115, 5_000),
    ];
    assert_eq!(found, expected);
    assert_eq!((summary.chunks, summary.account.pushed, summary.position), (3, 625, Some(at(24_960))));
    assert_eq!(summary.duration, Some(Duration::from_secs(25)));
    assert_eq!(chunks.iter().map(|chunk| chunk.events).sum::<u64>(), summary.events);
    assert!(summary.events >= 1 && summary.speed() > 1.0 && chunks.iter().all(|chunk| chunk.speed() > 1.0));
    assert_eq!(pipeline.stats().account, summary.account);
}

#[test]
fn no_more_is_in_memory_than_was_allowed() {
    let Some(lab) = Lab::new("recording-bounded") else { return };
    let path = lab.video("a.avi", "64x48", 200, "-c:v mpeg4");
    let pipeline = pipeline(Duration::from_millis(3));
    let mut config = config(&lab);
    (config.camera.fps, config.in_flight) = (0.0, 3);
    let most = AtomicU64::new(0);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                most.fetch_max(pipeline.stats().account.in_flight, Ordering::Relaxed);
                std::thread::yield_now();
            }
        });
        let summary = pipeline.run_file(&path, config, go_on);
        done.store(true, Ordering::Relaxed);
        let summary = summary.unwrap();
        is_over(&pipeline, &summary);
        assert_eq!(summary.account.outcomes.get(ANALYSED), 200);
    });
    assert_eq!(most.into_inner(), 3);
}

#[test]
fn progress_can_stop_it() {
    let Some(lab) = Lab::new("recording-stopped") else { return };
    let path = lab.video("a.avi", "64x48", 1000, "-c:v mpeg4");
    let pipeline = pipeline(Duration::ZERO);
    let summary = pipeline
        .run_file(&path, config(&lab), |chunk| match chunk.number {
            0 => ControlFlow::Continue(()),
            _ => ControlFlow::Break(()),
        })
        .unwrap();
    is_over(&pipeline, &summary);
    assert!(matches!(summary.end, RunEnd::Stopped), "{summary:?}");
    assert_eq!((summary.chunks, summary.account.pushed), (2, 500));
    // The name is free again, also where `progress` panics.
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        pipeline.run_file(&path, config(&lab), |_| panic!("a fault of the host's, on purpose"))
    }));
    assert!(panicked.is_err());
    assert!(pipeline.camera("yard").is_err());
    assert_eq!(pipeline.run_file(&path, config(&lab), go_on).unwrap().account.pushed, 1000);
}

#[test]
fn it_can_be_stopped_in_the_middle_of_a_chunk() {
    let Some(lab) = Lab::new("recording-interrupted") else { return };
    let path = lab.video("a.avi", "64x48", 1000, "-c:v mpeg4");
    // Of a run that is busy, and of one that waits for room.
    for paused in [false, true] {
        let pipeline = pipeline(Duration::from_millis(20));
        if paused {
            pipeline.pause();
        }
        let mut config = config(&lab);
        (config.camera.fps, config.chunk_s) = (0.0, 3600.0);
        let stop = AtomicBool::new(false);
        let begun = Instant::now();
        let summary = std::thread::scope(|scope| {
            scope.spawn(|| {
                while pipeline.stats().account.outcomes.get(ANALYSED) < 3 && begun.elapsed() < Duration::from_secs(1) {
                    std::thread::yield_now();
                }
                stop.store(true, Ordering::Relaxed);
            });
            pipeline.run_file_until(&path, config, &stop, |_| panic!("no chunk is over"))
        });
        let summary = summary.unwrap();
        assert!(matches!(summary.end, RunEnd::Stopped) && summary.chunks == 0, "{summary:?}");
        assert!(summary.account.balances() && summary.account.in_flight == 0, "{summary:?}");
        assert!(summary.account.pushed < 1000 && (summary.account.pushed == 0) == paused, "{summary:?}");
        assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
        assert!(pipeline.camera("yard").is_err());
    }
}

#[test]
fn a_damaged_recording_is_gone_through_up_to_there() {
    let Some(lab) = Lab::new("recording-damaged") else { return };
    let whole = std::fs::read(lab.video("a.avi", "320x240", 500, "-c:v mpeg4 -g 10")).unwrap();
    std::fs::write(lab.path("cut.avi"), &whole[..whole.len() / 2]).unwrap();
    let pipeline = pipeline(Duration::from_millis(1));
    let mut chunks = Vec::new();
    let summary = pipeline
        .run_file(lab.path("cut.avi"), RunFileConfig { chunk_s: 3.0, ..config(&lab) }, |chunk| {
            chunks.push(chunk.clone());
            ControlFlow::Continue(())
        })
        .unwrap();
    is_over(&pipeline, &summary);
    let RunEnd::Broken(error) = &summary.end else { panic!("{summary:?}") };
    assert_eq!(error.code(), ErrorCode::DataCorrupt);
    let position = format!("after {:.3} s", summary.position.unwrap().as_nanos() as f64 / 1e9);
    assert!(error.to_string().starts_with(&position), "{error}");
    assert!(summary.account.pushed > 150 && summary.account.outcomes.get(ANALYSED) > 10, "{summary:?}");
    assert_eq!(chunks.iter().map(|chunk| chunk.account.pushed).sum::<u64>(), summary.account.pushed);
    assert_eq!(chunks.len() as u64, summary.chunks);
}

#[test]
fn what_cannot_begin_is_an_error_and_leaves_no_camera() {
    let Some(lab) = Lab::new("recording-errors") else { return };
    let path = lab.video("a.avi", "64x48", 10, "-c:v mpeg4");
    let pipeline = pipeline(Duration::ZERO);
    let code = |path: &std::path::Path, config| pipeline.run_file(path, config, go_on).unwrap_err().code();
    assert_eq!(code(&lab.path("missing.avi"), config(&lab)), ErrorCode::NotFound);
    assert_eq!(code(&path, RunFileConfig { chunk_s: f64::NAN, ..config(&lab) }), ErrorCode::InvalidConfig);
    assert_eq!(pipeline.cameras().len(), 0);
    let other = pipeline.add_camera(all_frames("yard")).unwrap();
    assert_eq!(code(&path, config(&lab)), ErrorCode::InvalidConfig);
    assert!(other.push(raw(1)).is_taken(), "the camera of that name is left alone");
    other.remove().unwrap();
    let _ = pipeline.shutdown(Duration::from_secs(5));
    assert_eq!(code(&path, config(&lab)), ErrorCode::InvalidState);
}

#[test]
fn a_frame_that_never_fits_is_told_of() {
    let Some(lab) = Lab::new("recording-large") else { return };
    let path = lab.video("a.avi", "1280x720", 5, "-c:v mpeg4");
    let provider = Arc::new(TestProvider::new(1, 1, |_| Duration::ZERO));
    let small = PipelineConfig { max_bytes: 1 << 20, ..PipelineConfig::default() };
    let pipeline = Pipeline::builder(provider).config(small).build().unwrap();
    let summary = pipeline.run_file(&path, config(&lab), go_on).unwrap();
    is_over(&pipeline, &summary);
    let RunEnd::Broken(error) = &summary.end else { panic!("{summary:?}") };
    assert!(error.code() == ErrorCode::ResourceExhausted && error.to_string().contains("max_bytes"), "{error}");
}

#[test]
fn a_pause_is_waited_for_and_a_shutdown_is_not() {
    let Some(lab) = Lab::new("recording-paused") else { return };
    let path = lab.video("a.avi", "64x48", 1500, "-c:v mpeg4");
    let pipeline = pipeline(Duration::from_millis(1));
    let begun = Instant::now();
    let summary = std::thread::scope(|scope| {
        let running = scope.spawn(|| {
            pipeline.run_file(&path, RunFileConfig { chunk_s: 5.0, ..config(&lab) }, |chunk| {
                match chunk.number {
                    0 => pipeline.pause(),
                    2 => pipeline.pause(),
                    _ => {}
                }
                ControlFlow::Continue(())
            })
        });
        std::thread::sleep(Duration::from_millis(700));
        assert!(!running.is_finished());
        // The first chunk of 125 frames, and nothing of the second one.
        assert_eq!(pipeline.stats().account.pushed, 125);
        pipeline.resume();
        std::thread::sleep(Duration::from_millis(700));
        assert!(!running.is_finished() && pipeline.stats().account.pushed == 375);
        let report = pipeline.shutdown(Duration::from_secs(1));
        assert!(report.account.balances() && report.account.in_flight == 0);
        running.join().unwrap().unwrap()
    });
    let RunEnd::Broken(error) = &summary.end else { panic!("{summary:?}") };
    assert_eq!(error.code(), ErrorCode::InvalidState);
    assert_eq!((summary.account.pushed, summary.account.outcomes.total()), (375, 375));
    assert_eq!(summary.account.outcomes.get(Outcome::Skipped(SkipReason::Paused)), 0);
    assert!(begun.elapsed() < Duration::from_secs(15));
}

#[test]
fn cameras_beside_it_go_first_and_it_loses_nothing() {
    let Some(lab) = Lab::new("recording-beside") else { return };
    let path = lab.video("a.avi", "64x48", 300, "-c:v mpeg4");
    let pipeline = pipeline(Duration::from_millis(1));
    let mut live = all_frames("live");
    live.priority = Priority::Critical;
    live.queue.policy = Some(guarita::pipeline::QueuePolicy::DropOldest);
    let live = pipeline.add_camera(live).unwrap();
    let done = AtomicBool::new(false);
    let summary = std::thread::scope(|scope| {
        scope.spawn(|| {
            // More than the provider can do.
            for ms in 0.. {
                let _ = live.push(raw(ms));
                std::thread::sleep(Duration::from_micros(300));
                if done.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        let mut config = config(&lab);
        config.camera.priority = Priority::Normal;
        let stop = Instant::now() + Duration::from_secs(2);
        let summary = pipeline.run_file(&path, RunFileConfig { chunk_s: 1.0, ..config }, |_| {
            if Instant::now() > stop {
                done.store(true, Ordering::Relaxed);
            }
            ControlFlow::Continue(())
        });
        done.store(true, Ordering::Relaxed);
        summary.unwrap()
    });
    is_over(&pipeline, &summary);
    assert!(matches!(summary.end, RunEnd::Complete) && summary.account.pushed == 300, "{summary:?}");
    assert_eq!(summary.account.outcomes.get(ANALYSED), 25);
    let theirs = live.stats().account.outcomes;
    assert_eq!(theirs.get(Outcome::Dropped(DropReason::Stale)) + theirs.failed(), 0, "{theirs:?}");
}
