//! Code of the host's that panics, hangs, or calls back.

use crate::WITHIN;
use crate::account::wait;
use crate::scene::{TestProvider, all_frames, at, person, raw};
use guarita::event::{CallbackSink, ChannelSink, Condition, Delivery, DeliveryError, EventReceiver, Firing, Scene};
use guarita::frame::Layout;
use guarita::pipeline::PipelineBuilder;
use guarita::{Camera, Event, Frame, Pipeline, PixelFormat, Result, Sink, Size, Trigger, TriggerConfig};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

fn builder() -> PipelineBuilder {
    Pipeline::builder(Arc::new(TestProvider::answering(
        1,
        1,
        |_| Duration::ZERO,
        |request| {
            let even = request.frames[0].meta().pts.as_nanos() % 2_000_000 == 0;
            Ok(vec![if even { vec![person(0.9)] } else { Vec::new() }])
        },
    )))
}

/// A camera with somebody in every other frame, and an event each time.
fn camera(pipeline: &Pipeline, host_triggers: &[&str]) -> Camera {
    let mut config = all_frames("one");
    config.queue.capacity = 1000;
    let when = Condition::Present { classes: vec!["person".into()], zone: None, min_confidence: None };
    let mut trigger = TriggerConfig::new("somebody", when);
    trigger.cooldown_s = 0.0;
    config.triggers = vec![trigger];
    config.host_triggers = host_triggers.iter().map(|name| (*name).to_owned()).collect();
    pipeline.add_camera(config).unwrap()
}

fn push(camera: &Camera, frames: i64) {
    for ms in 0..frames {
        assert!(camera.push(raw(ms)).is_taken());
    }
}

fn drain(events: &EventReceiver) -> Vec<Arc<Event>> {
    std::iter::from_fn(|| events.recv_timeout(Duration::from_millis(500)).ok()).map(Arc::new).collect()
}

struct Hangs(Arc<AtomicUsize>);

impl Sink for Hangs {
    fn deliver(&mut self, _: &[Delivery]) -> Result<(), DeliveryError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        loop {
            std::thread::park();
        }
    }
}

#[test]
fn sinks_that_panic_or_hang_hold_up_nobody() {
    let (sink, events) = ChannelSink::new(1000);
    let began = Arc::new(AtomicUsize::new(0));
    let pipeline = builder()
        .sink("hangs", Hangs(Arc::clone(&began)))
        .sink("panics", CallbackSink::new(|_| panic!("a sink of the host's")))
        .sink("good", sink)
        .build()
        .unwrap();
    let camera = camera(&pipeline, &[]);
    push(&camera, 100);
    wait(|| pipeline.stats().account.in_flight == 0);
    assert_eq!(drain(&events).len(), 50);
    assert_eq!(began.load(Ordering::SeqCst), 1);
    let panics = || pipeline.stats().outlets.iter().find(|outlet| &*outlet.name == "panics").unwrap().panics;
    wait(|| panics() == 50);
    let health = pipeline.health();
    assert!(health.live && health.degraded.iter().any(|why| why.contains("panics")), "{health:?}");
    let report = pipeline.shutdown(Duration::from_secs(1));
    assert!(report.drained && report.account.balances());
    assert_eq!(report.hanging.iter().map(|name| &**name).collect::<Vec<_>>(), ["hangs"]);
    let panicked = report.outlets.iter().find(|outlet| &*outlet.name == "panics").unwrap();
    assert_eq!((panicked.panics, panicked.failed), (50, 50));
}

/// Fires at every scene with somebody, unless it does something worse.
struct HostTrigger(&'static str, usize);

impl Trigger for HostTrigger {
    fn observe(&mut self, scene: &Scene<'_>) -> Option<Firing> {
        self.1 += 1;
        match (self.0, self.1) {
            ("panics", 3) => panic!("a trigger of the host's"),
            ("hangs", 3) => loop {
                std::thread::park();
            },
            _ => (!scene.objects.is_empty()).then(|| Firing::new("mine", scene.objects.to_vec())),
        }
    }
}

#[test]
fn triggers_that_panic_or_hang_hold_up_nobody() {
    let (sink, events) = ChannelSink::new(1000);
    let pipeline = builder()
        .sink("good", sink)
        .trigger("works", HostTrigger("works", 0))
        .trigger("panics", HostTrigger("panics", 0))
        .trigger("hangs", HostTrigger("hangs", 0))
        .build()
        .unwrap();
    let camera = camera(&pipeline, &["works", "panics", "hangs"]);
    push(&camera, 100);
    wait(|| pipeline.stats().account.in_flight == 0);
    let events = drain(&events);
    let of = |name: &str| events.iter().filter(|event| &*event.trigger == name).count();
    assert_eq!((of("somebody"), of("works"), of("panics"), of("hangs")), (50, 50, 49, 1));
    assert!(events.iter().filter(|event| &*event.trigger == "works").map(|event| event.pts).is_sorted());
    assert_eq!(pipeline.stats().events.values().sum::<u64>(), 150);
    let report = pipeline.shutdown(Duration::from_secs(1));
    assert!(report.drained && report.account.balances());
    assert_eq!(report.hanging.iter().map(|name| &**name).collect::<Vec<_>>(), ["hangs"]);
}

/// A buffer of the host's whose end calls back into the pipeline.
struct CallsBack(Vec<u8>, Arc<OnceLock<Camera>>, Arc<AtomicUsize>);

impl AsRef<[u8]> for CallsBack {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for CallsBack {
    fn drop(&mut self) {
        if let Some(camera) = self.1.get() {
            assert!(camera.stats().account.balances());
        }
        if self.2.fetch_add(1, Ordering::SeqCst).is_multiple_of(3) {
            panic!("a buffer of the host's");
        }
    }
}

#[test]
fn buffers_are_let_go_where_the_host_may_call_back() {
    let pipeline = builder().build().unwrap();
    let mut config = all_frames("one");
    config.queue.capacity = 1;
    let camera = pipeline.add_camera(config).unwrap();
    let cell = Arc::new(OnceLock::new());
    cell.set(camera.clone()).unwrap();
    let ended = Arc::new(AtomicUsize::new(1));
    let layout = Layout::packed(PixelFormat::Gray8, Size::new(16, 16)).unwrap();
    for ms in 0..90 {
        let owner = CallsBack(vec![0; 256], Arc::clone(&cell), Arc::clone(&ended));
        let frame = Frame::from_owner(owner, layout.clone()).unwrap().with_meta(crate::scene::meta(ms));
        assert!(camera.push(frame).is_taken());
    }
    let report = pipeline.shutdown(WITHIN);
    assert!(report.drained && report.account.balances());
    assert_eq!(report.account.outcomes.failed(), 0, "{:?}", report.account);
    wait(|| ended.load(Ordering::SeqCst) == 91);
}

#[test]
fn callbacks_may_push_and_shut_down() {
    let pipeline = Arc::new(OnceLock::<Pipeline>::new());
    let (inner, reports) = (Arc::clone(&pipeline), Arc::new(Mutex::new(Vec::new())));
    let sink = Arc::clone(&reports);
    let built = builder()
        .on_result("callback", move |result| {
            let Some(pipeline) = inner.get() else { return };
            let ms = result.pts.as_nanos() / 1_000_000;
            if ms < 10 {
                assert!(pipeline.camera("one").unwrap().push(raw(ms + 1)).is_taken());
            } else {
                sink.lock().unwrap().push(pipeline.shutdown(Duration::from_millis(100)));
            }
        })
        .build()
        .unwrap();
    let pipeline = {
        pipeline.set(built).unwrap();
        pipeline
    };
    let camera = camera(pipeline.get().unwrap(), &[]);
    push(&camera, 1);
    wait(|| !reports.lock().unwrap().is_empty());
    assert_eq!(camera.stats().account.pushed, 11);
    assert_eq!(camera.explain(at(0), at(100)).len(), 11);
}

#[test]
fn a_pipeline_that_is_dropped_ends_everything() {
    let threads = || std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count);
    let ended = Arc::new(AtomicUsize::new(0));
    struct Counts(Arc<AtomicUsize>);
    impl Drop for Counts {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    for _ in 0..10 {
        let counts = Counts(Arc::clone(&ended));
        let pipeline = builder()
            .sink(
                "sink",
                CallbackSink::new(move |_| {
                    let _ = &counts;
                }),
            )
            .build()
            .unwrap();
        let camera = camera(&pipeline, &[]);
        push(&camera, 20);
        drop(pipeline);
        assert!(camera.stats().account.balances());
        assert_eq!(camera.stats().account.in_flight, 0);
    }
    wait(|| ended.load(Ordering::SeqCst) == 10);
    println!("{} threads are left", threads());
}
