//! Every frame ends in exactly one outcome.

use crate::WITHIN;
use crate::scene::{TestProvider, all_frames, at, jpeg, person, raw, raw_of};
use guarita::event::Condition;
use guarita::pipeline::{Admission, DropReason, Outcome, QueuePolicy, SkipReason};
use guarita::provider::Priority;
use guarita::resilience::RateLimitConfig;
use guarita::{CameraConfig, ErrorCode, MotionGateConfig, Pipeline, PipelineConfig, TriggerConfig};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const NONE: Duration = Duration::ZERO;

#[test]
fn the_account_adds_up_at_every_instant() {
    let provider = TestProvider::new(2, 4, |frames| Duration::from_micros(300 + 100 * frames as u64));
    let config = PipelineConfig { threads: 2, max_bytes: 1 << 20, ..PipelineConfig::default() };
    let pipeline = Pipeline::builder(Arc::new(provider)).config(config).build().unwrap();
    let cameras: Vec<_> = (0..12)
        .map(|k| {
            let mut config = CameraConfig::new(&format!("camera-{k}"));
            config.fps = [0.0, 0.0, 5.0][k % 3];
            config.motion = (k % 2 == 0).then(MotionGateConfig::default);
            config.queue.max_age_s = [0.01, 5.0][k % 2];
            config.priority = [Priority::Low, Priority::Normal, Priority::Critical, Priority::Normal][k % 4];
            pipeline.add_camera(config).unwrap()
        })
        .collect();
    let taken = Mutex::new(0_u64);
    std::thread::scope(|scope| {
        for (k, camera) in cameras.iter().enumerate() {
            let taken = &taken;
            scope.spawn(move || {
                for frame in 0..400_i64 {
                    let admission = match frame % 4 {
                        0 => camera.push(jpeg(frame * 40)),
                        1 => camera.push(raw(frame * 40 - 20)),
                        _ => camera.push(raw_of(frame * 40, 64)),
                    };
                    assert!(!matches!(admission, Admission::Refused(_)));
                    *taken.lock().unwrap() += 1;
                    if frame % 100 == 50 + k as i64 {
                        camera.pause();
                        camera.resume();
                    }
                    if k == 11 && frame == 200 {
                        camera.update(camera.config()).unwrap();
                    }
                }
            });
        }
        scope.spawn(|| {
            for _ in 0..300 {
                let stats = pipeline.stats();
                assert!(stats.account.balances(), "{:?}", stats.account);
                for camera in &stats.cameras {
                    assert!(camera.account.balances(), "{:?}", camera.account);
                }
                std::thread::yield_now();
            }
        });
    });
    let report = pipeline.shutdown(WITHIN);
    assert!(report.drained);
    assert!(report.account.balances());
    assert_eq!((report.account.in_flight, report.account.pushed), (0, 12 * 400));
    assert_eq!(report.account.pushed, *taken.lock().unwrap());
    assert_eq!(report.account.outcomes.get(Outcome::Failed(ErrorCode::Internal)), 0, "{:?}", report.account);
    assert!(report.account.outcomes.get(Outcome::Analysed) > 0);
    let stats = pipeline.stats();
    assert_eq!((stats.bytes, stats.waiting_gate, stats.waiting_look, stats.prepared, stats.requests), (0, 0, 0, 0, 0));
}

#[test]
fn frames_that_need_no_look() {
    let provider = Arc::new(TestProvider::new(1, 1, |_| NONE));
    let config = PipelineConfig {
        rate_limit: Some(RateLimitConfig { per_second: 0.001, burst: 3, ..RateLimitConfig::default() }),
        ..PipelineConfig::default()
    };
    let pipeline = Pipeline::builder(provider).config(config).build().unwrap();
    let mut config = all_frames("one");
    (config.fps, config.queue.capacity) = (1.0, 100);
    let camera = pipeline.add_camera(config).unwrap();
    let ended = |admission| match admission {
        Admission::Ended(outcome) => outcome,
        other => panic!("{other:?}"),
    };
    assert!(camera.push(raw(0)).is_taken());
    assert_eq!(ended(camera.push(raw(300))), Outcome::Skipped(SkipReason::SampledOut));
    camera.pause();
    assert_eq!(ended(camera.push(raw(1000))), Outcome::Skipped(SkipReason::Paused));
    camera.resume();
    pipeline.pause();
    assert_eq!(ended(camera.push(raw(1100))), Outcome::Skipped(SkipReason::Paused));
    pipeline.resume();
    assert!(camera.push(raw(1200)).is_taken());
    assert!(camera.push(raw(2200)).is_taken());
    assert_eq!(ended(camera.push(raw(3200))), Outcome::Skipped(SkipReason::RateLimited));
    assert_eq!(ended(camera.push(raw(3100))), Outcome::Failed(ErrorCode::InvalidArgument));
    let report = pipeline.shutdown(WITHIN);
    assert!(report.drained && report.account.balances());
    assert_eq!(report.account.outcomes.get(Outcome::Analysed), 3);
    // What was decided, the camera can tell.
    let why = camera.explain(at(3100), at(3200));
    assert_eq!(why.len(), 2);
    assert_eq!(why[0].outcome, Outcome::Skipped(SkipReason::RateLimited));
    assert_eq!(why[1].outcome, Outcome::Failed(ErrorCode::InvalidArgument));
}

#[test]
fn the_same_picture_is_looked_at_once() {
    let provider = Arc::new(TestProvider::answering(1, 1, |_| NONE, |_| Ok(vec![vec![person(0.9)]])));
    let found = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&found);
    let pipeline = Pipeline::builder(provider.clone())
        .on_result("results", move |result| {
            sink.lock().unwrap().push((result.cached, result.detections.len()));
        })
        .build()
        .unwrap();
    let mut config = all_frames("one");
    config.cache.capacity = 4;
    let camera = pipeline.add_camera(config).unwrap();
    for ms in 0..3 {
        assert!(camera.push(jpeg(ms)).is_taken());
        wait(|| pipeline.stats().account.in_flight == 0);
    }
    let report = pipeline.shutdown(WITHIN);
    assert_eq!(report.account.outcomes.get(Outcome::Analysed), 1);
    assert_eq!(report.account.outcomes.get(Outcome::Skipped(SkipReason::Cached)), 2);
    assert_eq!(*found.lock().unwrap(), [(false, 1), (true, 1), (true, 1)]);
    assert_eq!(provider.seen().len(), 1);
}

/// Waits for something that threads bring about.
pub(crate) fn wait(until: impl Fn() -> bool) {
    let begun = std::time::Instant::now();
    while !until() {
        assert!(begun.elapsed() < WITHIN, "it did not happen");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn what_gives_way_when_a_queue_is_full() {
    for (priority, policy, expected) in [
        (Priority::Normal, QueuePolicy::DropOldest, DropReason::Newer),
        (Priority::Normal, QueuePolicy::DropNewest, DropReason::QueueFull),
        (Priority::Critical, QueuePolicy::NeverDropCritical, DropReason::Stale),
    ] {
        // Busy until all are pushed, where a push does not wait for it.
        let pushed = Arc::new(AtomicBool::new(policy == QueuePolicy::NeverDropCritical));
        let may_answer = Arc::clone(&pushed);
        let provider = Arc::new(TestProvider::new(1, 1, move |_| {
            wait(|| may_answer.load(Ordering::Relaxed));
            Duration::from_millis(3)
        }));
        let pipeline = Pipeline::builder(provider.clone()).build().unwrap();
        let mut config = all_frames("one");
        (config.priority, config.queue.policy) = (priority, Some(policy));
        let camera = pipeline.add_camera(config).unwrap();
        for ms in 0..50 {
            let _ = camera.push(raw(ms));
        }
        pushed.store(true, Ordering::Relaxed);
        let report = pipeline.shutdown(WITHIN);
        let outcomes = report.account.outcomes;
        assert!(report.drained && report.account.balances());
        assert_eq!(outcomes.total(), 50);
        assert_eq!(
            outcomes.get(Outcome::Analysed) + outcomes.get(Outcome::Dropped(expected)),
            50,
            "{policy:?}: {outcomes:?}"
        );
        let mut seen: Vec<_> = provider.seen().concat().iter().map(|meta| meta.pts).collect();
        // The provider is given two at a time, by two threads, so neighbours may swap.
        seen.sort();
        match policy {
            QueuePolicy::DropOldest => assert_eq!(seen.last(), Some(&at(49))),
            QueuePolicy::DropNewest => assert_ne!(seen.last(), Some(&at(49))),
            _ => assert_eq!(seen.len(), 50),
        }
    }
}

#[test]
fn nothing_that_is_too_old_reaches_the_provider() {
    let provider = Arc::new(TestProvider::new(1, 1, |_| Duration::from_millis(40)));
    let pipeline = Pipeline::builder(provider.clone()).build().unwrap();
    let cameras: Vec<_> = (0..20)
        .map(|k| {
            let mut config = all_frames(&format!("camera-{k}"));
            config.queue.max_age_s = 0.1;
            pipeline.add_camera(config).unwrap()
        })
        .collect();
    for camera in &cameras {
        assert!(camera.push(raw(0)).is_taken());
    }
    let report = pipeline.shutdown(WITHIN);
    assert!(report.drained && report.account.balances());
    let stale = report.account.outcomes.get(Outcome::Dropped(DropReason::Stale));
    assert!(stale >= 10, "{:?}", report.account);
    assert_eq!(provider.seen().len() as u64, 20 - stale);
}

#[test]
fn answers_that_overtake_each_other_are_shown_in_order() {
    // Later frames are answered sooner.
    let provider = TestProvider::answering(
        8,
        1,
        |_| NONE,
        |request| {
            let ms = request.frames[0].meta().pts.as_nanos() / 1_000_000;
            std::thread::sleep(Duration::from_millis(u64::try_from(8 - ms % 8).unwrap()));
            if ms % 5 == 3 {
                Err(guarita::Error::new(ErrorCode::Unavailable, "503"))
            } else {
                Ok(vec![vec![person(0.8)]])
            }
        },
    );
    let order = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&order);
    let config = PipelineConfig { max_in_flight: 8, ..PipelineConfig::default() };
    let pipeline = Pipeline::builder(Arc::new(provider))
        .config(config)
        .on_result("results", move |result| sink.lock().unwrap().push(result.pts))
        .build()
        .unwrap();
    let mut config = all_frames("one");
    config.queue.capacity = 1024;
    let camera = pipeline.add_camera(config).unwrap();
    for ms in 0..200 {
        assert!(camera.push(raw(ms)).is_taken());
    }
    let report = pipeline.shutdown(WITHIN);
    assert!(report.drained && report.account.balances());
    assert_eq!(report.account.outcomes.get(Outcome::Failed(ErrorCode::Unavailable)), 40);
    let expected: Vec<_> = (0..200).filter(|ms| ms % 5 != 3).map(at).collect();
    assert_eq!(*order.lock().unwrap(), expected);
}

#[test]
fn a_camera_comes_and_goes_while_others_run() {
    let provider = Arc::new(TestProvider::new(1, 1, |_| Duration::from_millis(5)));
    let pipeline = Pipeline::builder(provider).build().unwrap();
    let stays = pipeline.add_camera(all_frames("stays")).unwrap();
    for turn in 0..20 {
        let goes = pipeline.add_camera(all_frames("goes")).unwrap();
        for ms in 0..10 {
            let _ = goes.push(raw(ms));
            let _ = stays.push(raw(turn * 10 + ms));
        }
        let account = goes.remove().unwrap();
        assert!(account.balances() && account.pushed == 10);
        assert!(matches!(goes.push(raw(99)), Admission::Refused(error) if error.code() == ErrorCode::InvalidState));
        assert_eq!(goes.remove().unwrap_err().code(), ErrorCode::InvalidState);
    }
    let report = pipeline.shutdown(WITHIN);
    assert!(report.drained && report.account.balances());
    assert_eq!(report.account.pushed, 400);
    assert_eq!(pipeline.stats().cameras.len(), 1);
}

#[test]
fn one_request_holds_frames_of_many_cameras() {
    let provider = Arc::new(TestProvider::new(1, 8, |_| Duration::from_millis(20)));
    let pipeline = Pipeline::builder(provider.clone()).build().unwrap();
    let cameras: Vec<_> = (0..16).map(|k| pipeline.add_camera(all_frames(&format!("camera-{k}"))).unwrap()).collect();
    for ms in 0..4 {
        for camera in &cameras {
            let _ = camera.push(raw(ms * 10));
        }
        std::thread::sleep(Duration::from_millis(30));
    }
    let report = pipeline.shutdown(WITHIN);
    assert!(report.account.balances());
    let largest = provider.seen().into_iter().max_by_key(Vec::len).unwrap();
    assert!(largest.len() > 4, "{}", largest.len());
    let cameras: std::collections::BTreeSet<_> = largest.iter().map(|meta| meta.camera.clone()).collect();
    assert_eq!(cameras.len(), largest.len());
}

#[test]
fn an_event_has_one_id_and_says_why() {
    let provider = TestProvider::answering(1, 1, |_| NONE, |_| Ok(vec![vec![person(0.9), person(0.2)]]));
    let (sink, events) = guarita::event::ChannelSink::new(16);
    let pipeline = Pipeline::builder(Arc::new(provider)).sink("events", sink).build().unwrap();
    let mut config = all_frames("gate-7");
    let when = Condition::Present { classes: vec!["person".into()], zone: None, min_confidence: None };
    config.triggers = vec![TriggerConfig::new("somebody", when)];
    config.epoch_s = Some(1_700_000_000);
    let camera = pipeline.add_camera(config).unwrap();
    for ms in 0..3 {
        assert!(camera.push(raw(ms)).is_taken());
        wait(|| pipeline.stats().account.in_flight == 0);
    }
    let event = events.recv_timeout(WITHIN).unwrap();
    assert_eq!((event.camera.as_str(), &*event.trigger, event.objects.len()), ("gate-7", "somebody", 1));
    assert_eq!(event.id, guarita::event::EventId::new(&event.camera, "somebody", 1_700_000_000_000_000_000));
    assert!(event.why.contains("person"), "{}", event.why);
    let report = pipeline.shutdown(WITHIN);
    assert_eq!(report.outlets[0].delivered, 1);
    let decision = camera.explain(at(0), at(0))[0];
    assert_eq!((decision.found, decision.counted, decision.events), (2, 1, 1));
}
