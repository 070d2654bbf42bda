//! A minute of a pipeline under all that goes wrong: a third of its cameras come and go, the provider fails, hangs for a
//! while and forgets, the sink is slow. Memory stays flat, threads and descriptors stay the same to the number, and the
//! account adds up. A process of its own, since others would be counted; `make test` runs it beside the other tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test")]
#![allow(clippy::disallowed_methods, reason = "a test")]
#![cfg_attr(not(target_os = "linux"), allow(dead_code, unused_imports, reason = "only Linux tells so of a process"))]

mod common;
#[path = "common/counting.rs"]
mod counting;

use common::Random;
use guarita::clock::{Clock, SystemClock};
use guarita::detection::{Label, Timing};
use guarita::event::{CallbackSink, Condition, OutletConfig, PictureWanted};
use guarita::frame::{FrameMeta, Layout};
use guarita::pipeline::{Admission, EncodedFrame, Outcome};
use guarita::provider::{Capability, Health, Latency, Priority, Reply, Request, Response, Want};
use guarita::{
    BoundingBox, Camera, CameraConfig, Detection, Detections, Error, ErrorCode, Frame, MotionGateConfig, Pipeline,
    PipelineConfig, PixelFormat, Provider, Size, Timestamp, TriggerConfig,
};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

const CAMERAS: usize = 60;
/// The first so many flap.
const FLAPPING: usize = 18;
const WARM_UP: Duration = Duration::from_secs(15);
const LENGTH: Duration = Duration::from_secs(60);
/// At both ends of what is measured; medians of so long are compared, since allocators breathe.
const WINDOW: Duration = Duration::from_secs(12);

/// Answers on two threads of its own: mostly soon, at times late or never, at times with an error.
struct Moody {
    work: Mutex<Option<SyncSender<(Request, Reply)>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

const IN_FLIGHT: usize = 8;

impl Moody {
    fn new() -> Self {
        let (sender, work) = sync_channel(IN_FLIGHT * 4);
        let work = Arc::new(Mutex::new(work));
        let threads = (1..=2)
            .map(|seed| {
                let work = Arc::clone(&work);
                std::thread::spawn(move || Self::run(&work, Random(seed * 0x9E37_79B9)))
            })
            .collect();
        Self { work: Mutex::new(Some(sender)), threads: Mutex::new(threads) }
    }

    fn run(work: &Mutex<Receiver<(Request, Reply)>>, mut random: Random) {
        let person = Label { id: 0, name: "person".into() };
        loop {
            let next = work.lock().unwrap().recv();
            let Ok((request, reply)) = next else { return };
            let mood = random.below(200);
            // Longer than the pipeline waits, at times.
            std::thread::sleep(Duration::from_millis(if mood == 0 { 900 } else { 3 }));
            match mood {
                1..=2 => drop(reply),
                3..=12 => reply.send(Err(Error::new(ErrorCode::Unavailable, "503"))),
                _ => {
                    let found = |frame: &Frame| {
                        let (width, height) = (frame.size().width as f32, frame.size().height as f32);
                        let whole = BoundingBox::from_xyxy(0.0, 0.0, width, height);
                        let items = vec![Detection::new(whole, person.clone(), 0.9); random.below(2)];
                        Detections::new(items, frame.size(), Timing::default())
                    };
                    let found = request.frames.iter().map(found).collect();
                    reply.send(Ok(Response::new(found, &"moody".into(), Latency::default())));
                }
            }
        }
    }
}

impl Drop for Moody {
    fn drop(&mut self) {
        drop(self.work.lock().unwrap_or_else(PoisonError::into_inner).take());
        for thread in self.threads.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            thread.join().unwrap();
        }
    }
}

impl std::fmt::Debug for Moody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Moody")
    }
}

impl Provider for Moody {
    fn name(&self) -> &str {
        "moody"
    }

    fn capability(&self) -> Capability {
        Capability::local(&[Want::Labels], 4, IN_FLIGHT)
    }

    fn health(&self) -> Health {
        let mut health = Health::default();
        (health.live, health.ready) = (true, true);
        health
    }

    fn submit(&self, request: Request, reply: Reply) {
        let work = self.work.lock().unwrap();
        // One that does not fit is dropped, and answered so.
        drop(work.as_ref().unwrap().try_send((request, reply)));
    }

    fn clock(&self) -> &dyn Clock {
        &SystemClock
    }
}

/// The settings of a camera; each flap has others.
fn config(k: usize, flap: usize) -> CameraConfig {
    let mut config = CameraConfig::new(&format!("camera-{k:02}"));
    config.fps = [2.0, 0.0, 1.0][(k + flap) % 3];
    config.priority = [Priority::Normal, Priority::Low, Priority::Normal, Priority::Critical][(k / 2 + flap) % 4];
    // The memory of gates is not what is measured here.
    let motion = MotionGateConfig { working_width: 80, heartbeat_s: 2.0, ..MotionGateConfig::default() };
    config.motion = (!k.is_multiple_of(4)).then_some(motion);
    config.queue.max_age_s = [0.3, 5.0][(k / 3) % 2];
    // A minute is too short for a ring of 4096 decisions to fill, and what fills is no leak.
    config.explain = 64;
    config.cache.capacity = [0, 8][(k / 5) % 2];
    let when = Condition::Present { classes: vec!["person".into()], zone: None, min_confidence: None };
    let mut trigger = TriggerConfig::new("somebody", when);
    trigger.cooldown_s = 1.0;
    trigger.picture = [PictureWanted::Crop, PictureWanted::None, PictureWanted::Frame][k % 3];
    config.triggers = vec![trigger];
    config
}

const SIDE: u32 = 160;

/// Something bright walks through the picture of every other camera.
fn raw(k: usize, ms: i64, meta: FrameMeta) -> Frame {
    let mut pixels = vec![90_u8; (SIDE * SIDE) as usize];
    if k.is_multiple_of(2) {
        let left = (ms / 40 % i64::from(SIDE - 24)) as usize;
        pixels.chunks_mut(SIDE as usize).skip(60).take(50).for_each(|row| row[left..left + 24].fill(220));
    }
    let layout = Layout::packed(PixelFormat::Gray8, Size::new(SIDE, SIDE)).unwrap();
    Frame::from_owner(pixels, layout).unwrap().with_meta(meta)
}

/// What the process takes of the machine.
#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Duration,
    resident_kib: i64,
    /// What was allocated and not freed: it does not breathe as the allocator does.
    live_kib: i64,
    threads: usize,
    descriptors: usize,
}

impl Sample {
    fn take(at: Duration) -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        let resident_kib = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        let count = |folder: &str| std::fs::read_dir(folder).unwrap().count();
        let (threads, descriptors) = (count("/proc/self/task"), count("/proc/self/fd"));
        Self { at, resident_kib, live_kib: counting::live() / 1024, threads, descriptors }
    }
}

fn median(samples: &[Sample], from: Duration, of: impl Fn(&Sample) -> i64) -> i64 {
    let within = |sample: &&Sample| (from..from + WINDOW).contains(&sample.at);
    let mut values: Vec<i64> = samples.iter().filter(within).map(of).collect();
    values.sort_unstable();
    values[values.len() / 2]
}

/// Cameras that come and go, and those that stay.
struct Site<'a> {
    pipeline: &'a Pipeline,
    cameras: Vec<Option<Camera>>,
    random: Random,
    flaps: usize,
    pushed: u64,
}

impl Site<'_> {
    /// One of those that flap does something else.
    fn flap(&mut self) {
        self.flaps += 1;
        let (k, flap) = (self.random.below(FLAPPING), self.flaps);
        let Some(camera) = &self.cameras[k] else {
            self.cameras[k] = Some(self.pipeline.add_camera(config(k, flap)).unwrap());
            return;
        };
        match self.random.below(6) {
            0 | 1 => {
                assert!(camera.remove().unwrap().balances());
                self.cameras[k] = None;
            }
            2 => camera.pause(),
            3 => camera.resume(),
            _ => camera.update(config(k, flap)).unwrap(),
        }
    }

    fn push(&mut self, k: usize, ms: i64) {
        let Some(camera) = &self.cameras[k] else { return };
        // Silent for a second now and then.
        if k < FLAPPING && (ms / 1000 + k as i64) % 5 == 0 {
            return;
        }
        let meta = FrameMeta { pts: Timestamp::from_millis(ms), ..FrameMeta::default() };
        let admission = match k % 3 {
            0 => camera.push(EncodedFrame::copy_from(include_bytes!("data/baseline.jpg"), meta)),
            _ => camera.push(raw(k, ms, meta)),
        };
        assert!(!matches!(admission, Admission::Refused(_)), "{admission:?}");
        self.pushed += 1;
    }

    /// The account of all frames, while threads end them.
    fn adds_up(&self) {
        let stats = self.pipeline.stats();
        assert!(stats.account.balances(), "{:?}", stats.account);
        assert_eq!(stats.account.pushed, self.pushed);
        assert!(stats.cameras.iter().all(|camera| camera.account.balances()));
        assert_eq!(stats.cameras.len(), self.cameras.iter().flatten().count());
    }
}

#[test]
#[ignore = "a minute: `make test` runs it beside the other tests; alone: cargo test --test soak -- --ignored"]
fn a_minute_of_trouble_leaves_nothing_behind() {
    if !cfg!(target_os = "linux") {
        println!("SKIPPED: only Linux says what a process takes in /proc");
        return;
    }
    // What the first panic hook, the allocator and the clock make is not the pipeline's.
    let before = Sample::take(Duration::ZERO);
    let slow_sink = CallbackSink::new(|_| std::thread::sleep(Duration::from_millis(250)));
    let sink = OutletConfig { capacity: 16, ..OutletConfig::default() };
    let settings = PipelineConfig {
        threads: 2,
        max_bytes: 4 << 20,
        provider_timeout_s: 0.3,
        slow_frame_s: 3600.0,
        ..PipelineConfig::default()
    };
    let pipeline = Pipeline::builder(Arc::new(Moody::new()))
        .config(settings)
        .sink_with("slow", Box::new(slow_sink), sink)
        .build()
        .unwrap();
    let cameras = (0..CAMERAS).map(|k| Some(pipeline.add_camera(config(k, 0)).unwrap())).collect();
    let mut site = Site { pipeline: &pipeline, cameras, random: Random(2024), flaps: 0, pushed: 0 };
    let begun = Instant::now();
    let (mut tick, mut samples) = (0_i64, Vec::<Sample>::new());
    while begun.elapsed() < LENGTH {
        // Five frames a second of each camera, one camera after the other.
        for k in (0..CAMERAS).filter(|k| *k as i64 % 5 == tick % 5) {
            site.push(k, tick * 40);
        }
        if tick % 4 == 0 {
            site.flap();
        }
        let elapsed = begun.elapsed();
        if samples.last().is_none_or(|last| elapsed - last.at >= Duration::from_millis(500)) {
            site.adds_up();
            samples.push(Sample::take(elapsed));
        }
        tick += 1;
        let next = Duration::from_millis(40) * u32::try_from(tick).unwrap();
        std::thread::sleep(next.saturating_sub(begun.elapsed()));
    }
    site.adds_up();
    let warm: Vec<_> = samples.iter().filter(|sample| sample.at >= WARM_UP).copied().collect();
    let grown = |of: fn(&Sample) -> i64| {
        let (early, late) = (median(&warm, WARM_UP, of), median(&warm, LENGTH - WINDOW, of));
        println!("{early} KiB after {WARM_UP:?}, {late} KiB at the end");
        (late - early, (late - early) as f64 / early as f64)
    };
    let (resident, live) = (grown(|sample| sample.resident_kib), grown(|sample| sample.live_kib));
    let stats = pipeline.stats();
    let (flaps, overdue) = (site.flaps, stats.overdue);
    let curve: Vec<_> = samples.iter().step_by(10).map(|sample| (sample.resident_kib, sample.live_kib)).collect();
    println!("resident and live KiB every 5 s: {curve:?}");
    println!("{} threads, {} descriptors, {flaps} flaps", warm[0].threads, warm[0].descriptors);
    println!("{} frames, {overdue} requests never answered, {:?}", stats.account.pushed, stats.account.outcomes);
    println!("{:?}", stats.outlets);
    assert!(resident.0 < 10 * 1024 || resident.1 < 0.05, "resident: {resident:?}");
    // Some 100 bytes for each frame that comes meanwhile; cameras come and go.
    assert!(live.0 < 1024, "live: {live:?}");
    for sample in &warm {
        assert_eq!((sample.threads, sample.descriptors), (warm[0].threads, warm[0].descriptors), "{sample:?}");
    }
    // All of it took place.
    let outcomes = &stats.account.outcomes;
    for outcome in [
        Outcome::Analysed,
        Outcome::Failed(ErrorCode::Unavailable),
        Outcome::Failed(ErrorCode::DeadlineExceeded),
        Outcome::Failed(ErrorCode::Cancelled),
    ] {
        assert!(outcomes.get(outcome) > 0, "{outcome}: {outcomes:?}");
    }
    assert!(outcomes.dropped() > 0 && flaps > 300 && stats.outlets[0].dropped > 0);
    let report = pipeline.shutdown(Duration::from_secs(10));
    assert!(report.drained && report.account.balances(), "{report:?}");
    assert_eq!((report.account.pushed, report.account.in_flight), (site.pushed, 0));
    drop(site);
    drop(pipeline);
    let ends = Instant::now();
    loop {
        let after = Sample::take(Duration::ZERO);
        if (after.threads, after.descriptors) == (before.threads, before.descriptors) {
            break;
        }
        assert!(ends.elapsed() < Duration::from_secs(10), "{before:?} became {after:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
