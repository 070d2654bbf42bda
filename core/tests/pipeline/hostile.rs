//! What a hostile host, provider or log does to a pipeline: the others go on, and the end comes in time.

use crate::WITHIN;
use crate::account::wait;
use crate::logs::lines;
use crate::scene::{TestProvider, all_frames, at, meta, person, raw, raw_of};
use guarita::clock::{Clock, ManualClock};
use guarita::detection::Timing;
use guarita::event::{CallbackSink, Condition, Delivery, DeliveryError};
use guarita::frame::Layout;
use guarita::pipeline::{DropReason, Outcome, PipelineCheckpoint, QueueConfig};
use guarita::provider::{Capability, Health, Priority, Reply, Request};
use guarita::testkit::{FakeProvider, Step};
use guarita::{
    CameraConfig, Detections, ErrorCode, Frame, MotionGateConfig, Pipeline, PipelineConfig, PixelFormat, Provider,
    Result, Sink, Size, Threads, TriggerConfig,
};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::time::{Duration, Instant};

/// A buffer of the host's whose end does this.
struct Owner(Vec<u8>, Box<dyn FnMut() + Send + Sync>);

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        (self.1)();
    }
}

fn owned(ms: i64, end: impl FnMut() + Send + Sync + 'static) -> Frame {
    let layout = Layout::packed(PixelFormat::Gray8, Size::new(16, 16)).unwrap();
    Frame::from_owner(Owner(vec![0; 256], Box::new(end)), layout).unwrap().with_meta(meta(ms))
}

/// An event for every frame of this camera.
fn eventful(id: &str) -> CameraConfig {
    let mut config = all_frames(id);
    let when = Condition::Present { classes: vec![], zone: None, min_confidence: None };
    let mut trigger = TriggerConfig::new("somebody", when);
    trigger.cooldown_s = 0.0;
    (config.triggers, config.look.low_light.luma) = (vec![trigger], 0);
    config
}

fn finds_somebody() -> FakeProvider {
    FakeProvider::new("fake").answering(|request| {
        Ok(request.frames.iter().map(|f| Detections::new(vec![person(0.9)], f.size(), Timing::default())).collect())
    })
}

/// What the model says of one camera's picture is no fault of the others that were in the same batch.
#[test]
fn a_model_that_fails_for_one_frame_fails_for_that_one_only() {
    let provider = TestProvider::answering(
        1,
        8,
        |_| Duration::from_millis(5),
        |request| match request.frames.iter().any(|frame| frame.meta().camera.as_str() == "bad") {
            true => Err(guarita::Error::new(ErrorCode::ModelInvalid, "output \"a\" holds the score 37")),
            false => Ok(vec![vec![person(0.9)]; request.frames.len()]),
        },
    );
    let pipeline = Pipeline::builder(Arc::new(provider)).build().unwrap();
    let names = ["a", "b", "bad", "c", "d", "e"];
    let cameras: Vec<_> = names
        .iter()
        .map(|name| {
            pipeline
                .add_camera(CameraConfig {
                    queue: QueueConfig { capacity: 100, max_age_s: 60.0, ..QueueConfig::default() },
                    ..all_frames(name)
                })
                .unwrap()
        })
        .collect();
    for ms in 0..20 {
        cameras.iter().for_each(|camera| assert!(camera.push(raw(ms)).is_taken()));
    }
    wait(|| pipeline.stats().account.in_flight == 0);
    assert!(pipeline.stats().requests < 100, "the others go together: {}", pipeline.stats().requests);
    for (name, camera) in names.iter().zip(&cameras) {
        let account = camera.stats().account;
        let failed = if *name == "bad" { 20 } else { 0 };
        let ended = |outcome| account.outcomes.get(outcome);
        assert_eq!(ended(Outcome::Failed(ErrorCode::ModelInvalid)), failed, "{name}: {account:?}");
        assert_eq!(ended(Outcome::Analysed), 20 - failed, "{name}: {account:?}");
    }
}

#[test]
fn a_buffer_that_is_not_let_go_holds_up_neither_the_others_nor_the_end() {
    let provider = FakeProvider::new("mute").script([Step::never()]);
    let config = PipelineConfig { max_in_flight: 1, threads: 2, ..PipelineConfig::default() };
    let pipeline = Pipeline::builder(Arc::new(provider)).config(config).build().unwrap();
    let one = pipeline
        .add_camera(CameraConfig {
            queue: QueueConfig { capacity: 100, max_age_s: 0.2, ..QueueConfig::default() },
            ..all_frames("one")
        })
        .unwrap();
    let other = pipeline.add_camera(all_frames("other")).unwrap();
    // The provider keeps the first; the others grow too old, and whoever lets the first of them go hangs.
    let (open, began) = (Arc::new((Mutex::new(false), Condvar::new())), Arc::new(AtomicUsize::new(0)));
    assert!(one.push(raw(0)).is_taken());
    wait(|| pipeline.stats().requests == 1);
    for ms in 1..4 {
        let (open, began) = (Arc::clone(&open), Arc::clone(&began));
        let hangs = move || {
            began.fetch_add(1, Ordering::SeqCst);
            drop(open.1.wait_while(open.0.lock().unwrap(), |open| !*open).unwrap());
        };
        assert!(one.push(owned(ms, hangs)).is_taken());
    }
    // Frames come often: it is the timer that looks for them.
    let mut ms = 0;
    while began.load(Ordering::SeqCst) == 0 {
        ms += 1;
        let _ = other.push(raw(ms));
        std::thread::sleep(Duration::from_millis(5));
        assert!(ms < 4000, "nothing grew too old");
    }
    let _ = other.push(raw(ms + 1));
    wait(|| pipeline.stats().waiting_gate == 0);
    let (told, ended) = mpsc::channel();
    std::thread::spawn(move || drop(told.send(pipeline.shutdown(Duration::from_millis(100)))));
    let report = ended.recv_timeout(Duration::from_secs(5));
    *open.0.lock().unwrap() = true;
    open.1.notify_all();
    assert!(report.expect("the shutdown hangs").account.balances());
}

#[test]
fn buffers_whose_panics_panic_take_no_thread() {
    struct Spiteful;
    impl Drop for Spiteful {
        fn drop(&mut self) {
            panic!("a fault in a fault, on purpose");
        }
    }
    let config = PipelineConfig { threads: 1, ..PipelineConfig::default() };
    let pipeline = Pipeline::builder(Arc::new(FakeProvider::new("fake"))).config(config).build().unwrap();
    let camera = pipeline.add_camera(all_frames("one")).unwrap();
    for ms in 0..5 {
        assert!(camera.push(owned(ms, || std::panic::panic_any(Spiteful))).is_taken());
        wait(|| camera.stats().account.in_flight == 0);
    }
    assert_eq!(camera.stats().account.outcomes.get(Outcome::Analysed), 5);
    assert!(pipeline.shutdown(WITHIN).drained);
}

#[test]
fn a_log_that_panics_loses_nothing() {
    // The log of these tests panics at events of a camera of this name, and where it took long.
    assert!(lines("", "", "").is_empty());
    let events = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&events);
    let config = PipelineConfig { threads: 1, slow_frame_s: 0.001, ..PipelineConfig::default() };
    let pipeline = Pipeline::builder(Arc::new(finds_somebody().with_latency(Duration::from_millis(5))))
        .sink(
            "sink",
            CallbackSink::new(move |_| {
                count.fetch_add(1, Ordering::SeqCst);
            }),
        )
        .config(config)
        .build()
        .unwrap();
    let camera = pipeline.add_camera(eventful(crate::logs::PANICS)).unwrap();
    for ms in 0..5 {
        assert!(camera.push(raw(ms)).is_taken());
        wait(|| camera.stats().account.in_flight == 0);
    }
    let outcomes = camera.stats().account.outcomes;
    assert_eq!(outcomes.get(Outcome::Analysed), 5, "{outcomes:?}");
    assert!(pipeline.shutdown(WITHIN).drained);
    // Only scenes in which somebody is for the first time fire.
    assert!(events.load(Ordering::SeqCst) > 0);
}

#[test]
fn pipelines_on_the_same_threads_take_turns() {
    let threads = Threads::new(1).unwrap();
    let start = || {
        let provider = TestProvider::new(1, 1, |_| Duration::from_millis(1));
        Pipeline::builder(Arc::new(provider)).threads(&threads).build().unwrap()
    };
    let (busy, other) = (start(), start());
    let config = |k| CameraConfig {
        motion: Some(MotionGateConfig::default()),
        queue: QueueConfig { capacity: 100, ..QueueConfig::default() },
        ..all_frames(&format!("camera-{k}"))
    };
    let cameras: Vec<_> = (0..8).map(|k| busy.add_camera(config(k)).unwrap()).collect();
    let camera = other.add_camera(all_frames("one")).unwrap();
    let stop = AtomicBool::new(false);
    let took = std::thread::scope(|scope| {
        scope.spawn(|| {
            // More than one thread can do.
            for ms in 0.. {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                for camera in &cameras {
                    let _ = camera.push(raw_of(ms * 40, 1920));
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        std::thread::sleep(Duration::from_millis(200));
        let begun = Instant::now();
        for ms in 0..3 {
            assert!(camera.push(raw(ms)).is_taken());
            while camera.stats().account.in_flight > 0 && begun.elapsed() < WITHIN {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        let took = begun.elapsed();
        stop.store(true, Ordering::SeqCst);
        took
    });
    assert!(busy.stats().waiting_gate > 0, "it was not busy");
    busy.shutdown(Duration::ZERO);
    println!("three frames beside a busy pipeline took {took:?}");
    assert!(took < Duration::from_secs(3), "{took:?}");
}

#[test]
fn an_answer_to_another_question_is_not_kept() {
    let (answer, asked) = mpsc::channel::<()>();
    let asked = Mutex::new(asked);
    let provider = TestProvider::answering(
        1,
        1,
        |_| Duration::ZERO,
        move |request| {
            if request.frames[0].meta().pts == at(0) {
                asked.lock().unwrap().recv().unwrap();
            }
            Ok(vec![if request.min_confidence > 0.6 { Vec::new() } else { vec![person(0.5)] }])
        },
    );
    let found = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&found);
    let pipeline = Pipeline::builder(Arc::new(provider))
        .on_result("results", move |result| sink.lock().unwrap().push((result.cached, result.detections.len())))
        .build()
        .unwrap();
    let mut config = all_frames("one");
    (config.cache.capacity, config.queue.capacity, config.look.min_confidence) = (8, 10, 0.9);
    let camera = pipeline.add_camera(config.clone()).unwrap();
    assert!(camera.push(raw(0)).is_taken());
    wait(|| pipeline.stats().requests == 1);
    config.look.min_confidence = 0.3;
    camera.update(config).unwrap();
    // One that is shown to the gate by the new config, before the answer by the old one comes.
    assert!(camera.push(raw(77)).is_taken());
    wait(|| pipeline.stats().requests == 2);
    answer.send(()).unwrap();
    wait(|| camera.stats().account.in_flight == 0);
    assert!(camera.push(raw(0).with_meta(meta(200))).is_taken());
    assert!(pipeline.shutdown(WITHIN).drained);
    assert_eq!(*found.lock().unwrap(), [(false, 0), (false, 1), (false, 1)]);
}

/// Never answers the first request, and the others at once.
#[derive(Debug)]
struct FirstHangs(FakeProvider, Mutex<Vec<Reply>>);

impl Provider for FirstHangs {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn capability(&self) -> Capability {
        self.0.capability()
    }

    fn health(&self) -> Health {
        self.0.health()
    }

    fn submit(&self, request: Request, reply: Reply) {
        let mut kept = self.1.lock().unwrap();
        if kept.is_empty() {
            return kept.push(reply);
        }
        drop(kept);
        self.0.submit(request, reply);
    }

    fn clock(&self) -> &dyn Clock {
        self.0.clock()
    }
}

#[test]
fn what_waits_for_one_answer_takes_no_room_from_the_others() {
    for cached in [false, true] {
        let provider = FirstHangs(FakeProvider::new("fake"), Mutex::default());
        let config = PipelineConfig { max_bytes: 8 << 20, max_in_flight: 4, ..PipelineConfig::default() };
        let pipeline = Pipeline::builder(Arc::new(provider)).config(config).build().unwrap();
        let mut config = all_frames("one");
        config.cache.capacity = if cached { 8 } else { 0 };
        let camera = pipeline.add_camera(config).unwrap();
        let other = pipeline.add_camera(all_frames("other")).unwrap();
        assert!(camera.push(raw(0)).is_taken());
        wait(|| pipeline.stats().requests == 1);
        // 64 KiB each: 128 fit.
        for ms in 1..300 {
            let picture = if cached { 7 } else { ms };
            let _ = camera.push(raw_of(picture, 256).with_meta(meta(ms)));
            std::thread::sleep(Duration::from_millis(1));
        }
        let stats = camera.stats();
        assert!(stats.account.outcomes.get(Outcome::Dropped(DropReason::QueueFull)) > 100, "{:?}", stats.account);
        assert!(pipeline.stats().bytes <= 2 << 20, "{}", pipeline.stats().bytes);
        assert!(other.push(raw(1)).is_taken());
        wait(|| other.stats().account.outcomes.get(Outcome::Analysed) == 1);
        assert!(pipeline.shutdown(Duration::ZERO).account.balances());
    }
}

#[test]
fn the_smallest_frames_count_as_memory_too() {
    let provider = FakeProvider::new("mute").always(Step::never());
    let config = PipelineConfig { max_bytes: 1 << 20, ..PipelineConfig::default() };
    let pipeline = Pipeline::builder(Arc::new(provider)).config(config).build().unwrap();
    let camera = pipeline.add_camera(CameraConfig { priority: Priority::Critical, ..all_frames("one") }).unwrap();
    let layout = Layout::packed(PixelFormat::Gray8, Size::new(1, 1)).unwrap();
    for ms in 0..5000 {
        let _ = camera.push(Frame::from_owner(vec![0], layout.clone()).unwrap().with_meta(meta(ms)));
    }
    let account = camera.stats().account;
    assert_eq!((account.in_flight, account.outcomes.get(Outcome::Dropped(DropReason::QueueFull))), (1024, 3976));
    pipeline.shutdown(Duration::ZERO);
}

#[test]
fn a_queue_that_is_made_smaller_becomes_so() {
    let provider = FakeProvider::new("mute").always(Step::never());
    let config = PipelineConfig { max_in_flight: 1, ..PipelineConfig::default() };
    let pipeline = Pipeline::builder(Arc::new(provider)).config(config).build().unwrap();
    let mut config =
        CameraConfig { queue: QueueConfig { capacity: 500, ..QueueConfig::default() }, ..all_frames("one") };
    let camera = pipeline.add_camera(config.clone()).unwrap();
    for ms in 0..400 {
        assert!(camera.push(raw(ms)).is_taken());
    }
    wait(|| pipeline.stats().waiting_gate == 0);
    assert!(pipeline.stats().waiting_look > 300);
    config.queue.capacity = 2;
    camera.update(config).unwrap();
    assert!(camera.push(raw(1000)).is_taken());
    wait(|| pipeline.stats().waiting_gate == 0 && pipeline.stats().waiting_look <= 2);
    assert!(pipeline.shutdown(Duration::ZERO).account.balances());
}

struct Hangs;

impl Sink for Hangs {
    fn deliver(&mut self, _: &[Delivery]) -> Result<(), DeliveryError> {
        loop {
            std::thread::park();
        }
    }
}

#[test]
fn sinks_that_hang_cost_one_deadline_however_many_and_whatever_the_clock() {
    for manual in [false, true] {
        let provider = finds_somebody();
        let provider = if manual { provider.with_clock(Arc::new(ManualClock::default())) } else { provider };
        let mut builder = Pipeline::builder(Arc::new(provider));
        for k in 0..10 {
            builder = builder.sink(&format!("sink-{k}"), Hangs);
        }
        let pipeline = builder.build().unwrap();
        let camera = pipeline.add_camera(eventful("one")).unwrap();
        assert!(camera.push(raw(0)).is_taken());
        wait(|| {
            camera.stats().account.in_flight == 0 && pipeline.stats().outlets.iter().all(|outlet| outlet.in_hand > 0)
        });
        let begun = Instant::now();
        let report = pipeline.shutdown(Duration::from_millis(300));
        assert!(begun.elapsed() < Duration::from_millis(1300), "{:?}", begun.elapsed());
        assert_eq!(report.hanging.len(), 10);
    }
}

#[test]
fn a_shutdown_keeps_its_deadline_whatever_hangs() {
    let deadline = Duration::from_secs(4);
    // The provider never answers the second frame; the first one hangs in ten sinks; processors are busy.
    let found = FakeProvider::new("mute").script([Step::detections([person(0.9)])]).always(Step::never());
    let mut builder = Pipeline::builder(Arc::new(found));
    for k in 0..10 {
        builder = builder.sink(&format!("sink-{k}"), Hangs);
    }
    let pipeline = builder.build().unwrap();
    let camera = pipeline.add_camera(eventful("one")).unwrap();
    assert!(camera.push(raw(0)).is_taken());
    wait(|| pipeline.stats().outlets.iter().all(|outlet| outlet.in_hand > 0));
    for ms in 1..20 {
        let _ = camera.push(raw(ms));
    }
    let over = Arc::new(AtomicBool::new(false));
    for _ in 0..4 {
        let over = Arc::clone(&over);
        std::thread::spawn(move || while !over.load(Ordering::Relaxed) {});
    }
    let begun = Instant::now();
    let report = pipeline.shutdown(deadline);
    let took = begun.elapsed();
    over.store(true, Ordering::Relaxed);
    assert!(took <= deadline, "{took:?}");
    assert!(took >= deadline.mul_f64(0.7), "what could still have come was given up after {took:?}");
    assert!(!report.drained && report.account.balances() && report.account.in_flight == 0);
    assert_eq!(report.hanging.len(), 10);
}

#[test]
fn a_checkpoint_with_one_camera_twice_is_none() {
    let pipeline = Pipeline::builder(Arc::new(finds_somebody())).build().unwrap();
    for id in ["camera-1", "camera-2"] {
        assert!(pipeline.add_camera(eventful(id)).unwrap().push(raw(0)).is_taken());
    }
    wait(|| pipeline.stats().account.in_flight == 0);
    let mut bytes = pipeline.checkpoint().to_bytes();
    let end = bytes.len() - 4;
    for at in 0..end - 8 {
        if bytes[at..at + 8] == *b"camera-2" {
            bytes[at + 7] = b'1';
        }
    }
    let sum = crc32fast::hash(&bytes[..end]);
    bytes[end..].copy_from_slice(&sum.to_le_bytes());
    assert_eq!(PipelineCheckpoint::from_bytes(&bytes).unwrap_err().code(), ErrorCode::DataCorrupt);
}

#[test]
fn a_checkpoint_that_was_forged_makes_no_account_that_does_not_add_up() {
    let start = || Pipeline::builder(Arc::new(finds_somebody()));
    let pipeline = start().build().unwrap();
    let camera = pipeline.add_camera(eventful("one")).unwrap();
    for ms in 0..5 {
        assert!(camera.push(raw(ms)).is_taken());
        wait(|| camera.stats().account.in_flight == 0);
    }
    let bytes = pipeline.checkpoint().to_bytes();
    let (mut taken, mut refused) = (0, 0);
    for at in 10..bytes.len() - 4 {
        let mut forged = bytes[..bytes.len() - 4].to_vec();
        forged[at] ^= 1;
        forged.extend(crc32fast::hash(&forged).to_le_bytes());
        let Ok(checkpoint) = PipelineCheckpoint::from_bytes(&forged) else {
            refused += 1;
            continue;
        };
        taken += 1;
        let Ok(pipeline) = start().restore(checkpoint).build() else { continue };
        let camera = pipeline.add_camera(eventful("one")).unwrap();
        let _ = camera.push(raw(10_000));
        let report = pipeline.shutdown(WITHIN);
        assert!(report.drained && report.account.balances(), "byte {at}: {:?}", report.account);
        assert_eq!(report.account.in_flight, 0, "byte {at}");
    }
    println!("{taken} of {} taken", taken + refused);
    assert!(taken > 0 && refused > 0);
}
