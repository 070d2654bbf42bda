//! A pipeline that goes on where another one was.

use crate::WITHIN;
use crate::account::wait;
use crate::logs::lines;
use crate::scene::{TestProvider, all_frames, at, meta, person, raw};
use guarita::clock::ManualClock;
use guarita::detection::{Label, Timing};
use guarita::event::{CallbackSink, Condition, Delivery, DeliveryError, Firing, Scene};
use guarita::frame::Layout;
use guarita::pipeline::{Decision, PipelineCheckpoint};
use guarita::testkit::FakeProvider;
use guarita::tracking::Confirmation;
use guarita::{
    BoundingBox, Camera, CameraConfig, Detection, Detections, ErrorCode, Frame, MotionGateConfig, Pipeline,
    PixelFormat, Polygon, Sink, Size, Trigger, TriggerConfig, Zone,
};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const SIZE: Size = Size::new(160, 90);
const STEP_MS: i64 = 200;

/// Numbers that look random and depend on what is asked for alone.
fn chance(seed: u64, k: u64) -> u64 {
    let mut z = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(k.wrapping_mul(0xBF58_476D_1CE4_E5B9));
    z = (z ^ (z >> 30)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Where somebody is in front of a camera at a step: comes, walks, stands, is missed by the detector, goes.
fn somebody(seed: u64, step: i64) -> Option<BoundingBox> {
    let step = step.unsigned_abs();
    let (visit, within) = (step / 40, step % 40);
    let walk = chance(seed, visit);
    if walk.is_multiple_of(3) || within < walk % 11 {
        return None;
    }
    let x = 4.0 + ((within.min(25) * (1 + walk % 4)) % 130) as f32;
    let y = 20.0 + (walk % 30) as f32;
    Some(BoundingBox::from_xyxy(x, y, x + 14.0, y + 30.0))
}

fn picture(seed: u64, step: i64) -> Frame {
    let here = somebody(seed, step).map(BoundingBox::to_array);
    let pixels = (0..SIZE.pixels() as usize).map(|k| {
        let (x, y) = ((k % 160) as f32, (k / 160) as f32);
        if here.is_some_and(|[x1, y1, x2, y2]| (x1..x2).contains(&x) && (y1..y2).contains(&y)) {
            return 220;
        }
        let wall = 60 + ((k % 160 / 9 * 31 + k / 160 / 7 * 57) % 13 * 8) as u8;
        wall + (chance(seed ^ 77, (step * 14_400 + k as i64) as u64) >> 62) as u8
    });
    let layout = Layout::packed(PixelFormat::Gray8, SIZE).unwrap();
    Frame::from_owner(pixels.collect::<Vec<u8>>(), layout).unwrap().with_meta(meta(step * STEP_MS))
}

fn cameras() -> Vec<CameraConfig> {
    let area = Polygon::new([[0.4, 0.0], [1.0, 0.0], [1.0, 1.0], [0.4, 1.0]]).unwrap();
    let zone = Some("right".into());
    let classes = vec!["person".into()];
    let conditions = [
        Condition::Present { classes: classes.clone(), zone: zone.clone(), min_confidence: None },
        Condition::Enter { classes: classes.clone(), zone: "right".into() },
        Condition::Leave { classes: classes.clone(), zone: "right".into() },
        Condition::Absent { classes: classes.clone(), zone: None, for_s: 9.0 },
        Condition::Not(Box::new(Condition::Count { classes, zone, over: Some(0), under: None })),
    ];
    (0..4)
        .map(|k| {
            let mut config = CameraConfig::new(&format!("camera-{k}"));
            config.fps = [0.0, 3.0, 0.0, 1.7][k];
            config.motion = (k != 2).then(|| MotionGateConfig { heartbeat_s: 7.0, ..MotionGateConfig::default() });
            config.cache.capacity = 0;
            config.epoch_s = Some(1_795_000_000);
            config.confirmation = Confirmation { k: 1 + k as u32 % 2, n: 3, ..Confirmation::default() };
            config.zones = vec![Zone::new("right", area.clone())];
            let trigger = |(n, when): (usize, &Condition)| {
                let mut trigger = TriggerConfig::new(&format!("trigger-{n}"), when.clone());
                trigger.cooldown_s = [3.0, 0.0, 12.3][(k + n) % 3];
                trigger.for_s = if n == 0 { 0.7 } else { 0.0 };
                trigger
            };
            config.triggers = conditions.iter().enumerate().map(trigger).collect();
            config.host_triggers = vec!["host".into()];
            config
        })
        .collect()
}

struct HostTrigger;

impl Trigger for HostTrigger {
    fn observe(&mut self, scene: &Scene<'_>) -> Option<Firing> {
        (scene.objects.len() == 1 && scene.looked_at).then(|| Firing::new("one", scene.objects.to_vec()))
    }
}

/// What a course leads to: events, and all decisions of each camera.
#[derive(Debug, PartialEq)]
struct Told {
    events: Vec<String>,
    decisions: Vec<Vec<Decision>>,
    accounts: Vec<guarita::pipeline::Account>,
    gated: Vec<(u64, u64)>,
    of_triggers: Vec<u64>,
}

/// Shows the course to a pipeline that is killed and restored at these steps.
fn course(kills: &[i64], keep_gates: bool) -> Told {
    let clock = Arc::new(ManualClock::default());
    let found = Arc::new(Mutex::new(Vec::<String>::new()));
    let start = |checkpoint: Option<PipelineCheckpoint>| {
        let provider = FakeProvider::new("fake").with_clock(clock.clone()).answering(|request| {
            let look = |frame: &Frame| {
                let camera = frame.meta().camera.as_str();
                let seed = u64::from(camera.as_bytes().last().copied().unwrap_or(0));
                let step = frame.meta().pts.as_nanos() / 1_000_000 / STEP_MS;
                let missed = chance(seed, step as u64).is_multiple_of(5);
                let person = Label { id: 0, name: "person".into() };
                let confidence = 0.55 + (chance(seed, step as u64 + 9) % 400) as f32 / 1000.0;
                let items = somebody(seed, step).filter(|_| !missed).map(|at| Detection::new(at, person, confidence));
                Detections::new(items.into_iter().collect(), frame.size(), Timing::default())
            };
            Ok(request.frames.iter().map(look).collect())
        });
        let sink = Arc::clone(&found);
        let mut builder = Pipeline::builder(Arc::new(provider))
            .sink(
                "sink",
                CallbackSink::new(move |event| sink.lock().unwrap().push(serde_json::to_string(event).unwrap())),
            )
            .trigger("host", HostTrigger);
        if let Some(checkpoint) = checkpoint {
            builder = builder.restore(checkpoint);
        }
        let pipeline = builder.build().unwrap();
        let cameras: Vec<Camera> = cameras().into_iter().map(|config| pipeline.add_camera(config).unwrap()).collect();
        (pipeline, cameras)
    };
    let (mut pipeline, mut cameras) = start(None);
    for step in 0..400 {
        if kills.contains(&step) {
            let checkpoint = pipeline.checkpoint();
            let checkpoint = if keep_gates { checkpoint } else { checkpoint.without_gates() };
            drop(pipeline);
            let bytes = checkpoint.to_bytes();
            let read = PipelineCheckpoint::from_bytes(&bytes).unwrap();
            assert!(read == checkpoint);
            (pipeline, cameras) = start(Some(read));
        }
        clock.advance(Duration::from_millis(STEP_MS as u64));
        for (k, camera) in cameras.iter().enumerate() {
            let _ = camera.push(picture(u64::from(b'0') + k as u64, step));
        }
        wait(|| pipeline.stats().account.in_flight == 0);
        wait(|| pipeline.stats().outlets.iter().all(|outlet| outlet.waiting == 0 && outlet.in_hand == 0));
    }
    let mut events = found.lock().unwrap().clone();
    events.sort_unstable();
    let stats = pipeline.stats();
    assert_eq!(stats.account.pushed, 1600);
    assert!(stats.account.balances());
    Told {
        events,
        decisions: cameras.iter().map(|camera| camera.explain(at(0), at(i64::MAX))).collect(),
        accounts: stats.cameras.iter().map(|camera| camera.account.clone()).collect(),
        gated: stats.cameras.iter().map(|camera| camera.gated).collect(),
        of_triggers: stats.events.values().copied().collect(),
    }
}

#[test]
fn a_course_with_interruptions_is_the_same_as_one_without() {
    let whole = course(&[], true);
    assert!(whole.events.len() > 100, "{}", whole.events.len());
    for outcome in ["Skipped(NoMotion)", "Skipped(SampledOut)", "Analysed"] {
        assert!(format!("{:?}", whole.decisions).contains(outcome), "{outcome}");
    }
    let kills: Vec<i64> = (0..400).filter(|step| chance(5, *step as u64).is_multiple_of(9)).collect();
    assert!(kills.len() > 25);
    let broken = course(&kills, true);
    assert_eq!(broken, whole);
    // Would it be seen if something were not kept?
    assert_ne!(course(&[200], false), whole);
}

#[test]
fn a_checkpoint_under_load_adds_up() {
    let provider = TestProvider::answering(
        2,
        4,
        |_| Duration::from_micros(500),
        |request| Ok(vec![vec![person(0.9)]; request.frames.len()]),
    );
    let pipeline = Pipeline::builder(Arc::new(provider)).build().unwrap();
    let cameras: Vec<_> = (0..6).map(|k| pipeline.add_camera(all_frames(&format!("camera-{k}"))).unwrap()).collect();
    let mut checkpoints = Vec::new();
    std::thread::scope(|scope| {
        for camera in &cameras {
            scope.spawn(|| {
                for ms in 0..600 {
                    let _ = camera.push(raw(ms));
                    std::thread::sleep(Duration::from_micros(200));
                }
            });
        }
        for k in 0..30 {
            if k == 15 {
                cameras[5].remove().unwrap();
            }
            checkpoints.push(pipeline.checkpoint());
            std::thread::sleep(Duration::from_millis(3));
        }
    });
    let account = pipeline.shutdown(WITHIN).account;
    let mut before = 0;
    let mut dropped = 0;
    for checkpoint in checkpoints.iter().chain([&pipeline.checkpoint()]) {
        let account = checkpoint.account();
        assert!(account.balances() && account.in_flight == 0, "{account:?}");
        assert!(account.pushed >= before);
        (before, dropped) = (account.pushed, dropped.max(account.outcomes.dropped()));
        let provider = Arc::new(TestProvider::new(1, 1, |_| Duration::ZERO));
        let next = Pipeline::builder(provider).restore(checkpoint.clone()).build().unwrap();
        assert_eq!(next.stats().account, account);
        let one = next.add_camera(all_frames("camera-3")).unwrap();
        assert_eq!(next.stats().account, account);
        // A checkpoint of it has also those that nobody added.
        assert_eq!(next.checkpoint().account(), account);
        assert_eq!(next.checkpoint().cameras().count(), checkpoint.cameras().count());
        assert!(one.push(raw(100_000)).is_taken());
        let report = next.shutdown(WITHIN);
        assert_eq!((report.account.pushed, report.account.in_flight), (account.pushed + 1, 0));
    }
    assert_eq!(before, account.pushed);
    assert!(dropped > 0);
}

struct Hangs;

impl Sink for Hangs {
    fn deliver(&mut self, _: &[Delivery]) -> guarita::Result<(), DeliveryError> {
        loop {
            std::thread::park();
        }
    }
}

fn present(name: &str) -> TriggerConfig {
    let when = Condition::Present { classes: vec!["person".into()], zone: None, min_confidence: None };
    let mut trigger = TriggerConfig::new(name, when);
    trigger.cooldown_s = 0.0;
    trigger
}

/// Somebody in every other frame.
fn blinking() -> Arc<TestProvider> {
    Arc::new(TestProvider::answering(
        1,
        1,
        |_| Duration::ZERO,
        |request| {
            let even = request.frames[0].meta().pts.as_nanos() % 2_000_000 == 0;
            Ok(vec![if even { vec![person(0.9)] } else { Vec::new() }])
        },
    ))
}

#[test]
fn events_that_were_not_delivered_are_delivered_by_the_next_one() {
    let pipeline = Pipeline::builder(blinking()).sink("sink", Hangs).sink("gone", Hangs).build().unwrap();
    let mut config = all_frames("one");
    (config.queue.capacity, config.triggers) = (100, vec![present("somebody")]);
    config.epoch_s = Some(1_000);
    let camera = pipeline.add_camera(config).unwrap();
    for ms in 0..40 {
        assert!(camera.push(raw(ms)).is_taken());
    }
    wait(|| pipeline.stats().account.in_flight == 0);
    let bytes = pipeline.checkpoint().to_bytes();
    pipeline.shutdown(Duration::ZERO);

    lines("", "", "");
    let got = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&got);
    let next = Pipeline::builder(blinking())
        .sink("sink", CallbackSink::new(move |event| sink.lock().unwrap().push((event.pts, event.id.clone()))))
        .restore(PipelineCheckpoint::from_bytes(&bytes).unwrap())
        .build()
        .unwrap();
    wait(|| got.lock().unwrap().len() == 20);
    let id = |ms| guarita::event::EventId::new(camera.id(), "somebody", 1_000_000_000_000 + ms * 1_000_000);
    let expected: Vec<_> = (0..40).step_by(2).map(|ms| (at(ms), id(ms))).collect();
    assert_eq!(*got.lock().unwrap(), expected);
    let stats = next.stats();
    assert_eq!((stats.outlets[0].offered, stats.outlets[0].delivered), (20, 20));
    assert_eq!(stats.events.values().sum::<u64>(), 20);
    assert_eq!(lines("what waited in the checkpoint has nowhere to go", "outlet", "gone").len(), 1);
}

#[test]
fn what_does_not_fit_starts_cold_and_the_log_says_so() {
    lines("", "", "");
    let mut config = CameraConfig::new("moved");
    config.triggers = vec![present("kept"), present("changed")];
    config.cache.capacity = 0;
    let pipeline = Pipeline::builder(blinking()).build().unwrap();
    let camera = pipeline.add_camera(config.clone()).unwrap();
    for step in 0..60 {
        assert!(!matches!(camera.push(picture(1, step)), guarita::pipeline::Admission::Refused(_)));
        wait(|| pipeline.stats().account.in_flight == 0);
    }
    camera.pause();
    let checkpoint = pipeline.checkpoint();
    drop(pipeline);
    config.motion = Some(MotionGateConfig { working_width: 64, ..MotionGateConfig::default() });
    let other = Condition::Present { classes: vec!["person".into()], zone: None, min_confidence: Some(0.1) };
    config.triggers[1].when = other;
    // What a trigger makes of what it knows is no part of that.
    (config.triggers[0].cooldown_s, config.triggers[0].for_s) = (5.0, 1.0);
    config.triggers.push(present("new"));
    config.confirmation = Confirmation { n: 4, ..Confirmation::default() };
    let next = Pipeline::builder(blinking()).restore(checkpoint.clone()).build().unwrap();
    let camera = next.add_camera(config).unwrap();
    let cold: Vec<_> = lines("starts cold", "camera", "moved").into_iter().map(|line| line.2["what"].clone()).collect();
    assert_eq!(cold.len(), 3, "{cold:?}");
    for what in ["confirmation", "changed", "motion gate"] {
        assert!(cold.iter().any(|cold| cold.starts_with(what)), "{cold:?}");
    }
    // Decisions and account are not a matter of the config.
    let stats = camera.stats();
    assert_eq!((stats.account.pushed, stats.paused), (60, true));
    assert_eq!(camera.explain(at(0), at(1_000_000)).iter().map(|run| run.frames).sum::<u32>(), 60);
    // A camera that was removed and comes again is a new one.
    camera.remove().unwrap();
    assert_eq!(next.add_camera(CameraConfig::new("moved")).unwrap().stats().account.pushed, 0);
    assert_eq!(next.stats().account.pushed, 60);
}

#[test]
fn bytes_that_are_no_checkpoint() {
    let pipeline = Pipeline::builder(blinking()).sink("sink", Hangs).build().unwrap();
    let mut config = all_frames("one");
    config.triggers = vec![present("somebody")];
    let camera = pipeline.add_camera(config.clone()).unwrap();
    for ms in 0..9 {
        assert!(camera.push(raw(ms)).is_taken());
        wait(|| pipeline.stats().account.in_flight == 0);
    }
    let bytes = pipeline.checkpoint().to_bytes();
    let refuses = |bytes: &[u8], code: ErrorCode| {
        assert_eq!(PipelineCheckpoint::from_bytes(bytes).unwrap_err().code(), code, "{} bytes", bytes.len());
    };
    for len in 0..bytes.len() {
        refuses(&bytes[..len], ErrorCode::DataCorrupt);
    }
    for at in 0..bytes.len() {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1 << (at % 8);
        refuses(&bytes, ErrorCode::DataCorrupt);
    }
    let signed = |content: &[u8]| [content, &crc32fast::hash(content).to_le_bytes()].concat();
    let mut other = bytes[..bytes.len() - 4].to_vec();
    other[8] += 1;
    refuses(&signed(&other), ErrorCode::Unsupported);
    refuses(&signed(b"guaritaP\x01\x00"), ErrorCode::Unsupported);
    refuses(&signed(&bytes[..10]), ErrorCode::DataCorrupt);
    // Nonsense with a sum that fits: an error, or a pipeline that works and does not panic.
    let mut works = 0;
    for k in 0..400_u64 {
        let mut content = bytes[..bytes.len() - 4].to_vec();
        for n in 0..1 + k % 3 {
            let place = 10 + chance(k, n) as usize % (content.len() - 10);
            content[place] = chance(k, n + 50) as u8;
        }
        let Ok(checkpoint) = PipelineCheckpoint::from_bytes(&signed(&content)) else { continue };
        works += 1;
        let _ = checkpoint.account().balances();
        let next = Pipeline::builder(blinking()).sink("sink", Hangs).restore(checkpoint).build().unwrap();
        let camera = next.add_camera(config.clone()).unwrap();
        let _ = camera.push(raw(1_000));
        drop((next.stats().batch_fill(), camera.explain(at(i64::MIN), at(i64::MAX)), next.checkpoint().to_bytes()));
    }
    println!("{works} of 400 could be read");
    assert!(works > 20);
}

#[test]
fn the_size_is_bounded_and_cameras_go_on_meanwhile() {
    const CAMERAS: usize = 24;
    let provider = TestProvider::new(1, 8, |_| Duration::ZERO);
    let pipeline = Pipeline::builder(Arc::new(provider)).build().unwrap();
    let layout = Layout::packed(PixelFormat::Gray8, Size::new(320, 180)).unwrap();
    for k in 0..CAMERAS as u64 {
        let camera =
            pipeline.add_camera(CameraConfig { fps: 0.0, ..CameraConfig::new(&format!("camera-{k}")) }).unwrap();
        for step in 0..6 {
            let pixels: Vec<u8> = (0..320 * 180).map(|n| 60 + (chance(step, n) % 90) as u8).collect();
            let frame = Frame::from_owner(pixels, layout.clone()).unwrap().with_meta(meta(step as i64 * 200));
            let _ = camera.push(frame);
            wait(|| camera.stats().account.in_flight == 0);
        }
    }
    let begun = Instant::now();
    let checkpoint = pipeline.checkpoint();
    let taken = begun.elapsed();
    let begun = Instant::now();
    let bytes = checkpoint.to_bytes();
    let written = begun.elapsed();
    let begun = Instant::now();
    let read = PipelineCheckpoint::from_bytes(&bytes).unwrap();
    println!(
        "{CAMERAS} cameras: {:.1} MB, {:.2} MB without gates; taken in {taken:?}, as bytes in {written:?}, read in {:?}",
        bytes.len() as f64 / 1e6,
        read.without_gates().to_bytes().len() as f64 / 1e6,
        begun.elapsed()
    );
    assert!(bytes.len() < CAMERAS * 2_500_000, "{}", bytes.len());
}
