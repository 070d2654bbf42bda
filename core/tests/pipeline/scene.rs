//! Cameras and a provider for the tests of the pipeline.

use guarita::clock::{Clock, SystemClock};
use guarita::detection::{Label, Timing};
use guarita::frame::{FrameMeta, Layout};
use guarita::pipeline::EncodedFrame;
use guarita::provider::{Capability, Health, Latency, Reply, Request, Response, Want};
use guarita::{
    BoundingBox, CameraConfig, Detection, Detections, Error, ErrorCode, Frame, PixelFormat, Provider, Result, Size,
    Timestamp,
};
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

pub(crate) fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

pub(crate) fn meta(ms: i64) -> FrameMeta {
    FrameMeta { pts: at(ms), ..FrameMeta::default() }
}

/// A gray frame whose pixels say which one it is.
pub(crate) fn raw(ms: i64) -> Frame {
    raw_of(ms, 16)
}

/// The same, of this width and height.
pub(crate) fn raw_of(ms: i64, side: u32) -> Frame {
    let mut pixels = vec![100; (side * side) as usize];
    pixels[..8].copy_from_slice(&ms.to_le_bytes());
    let layout = Layout::packed(PixelFormat::Gray8, Size::new(side, side)).unwrap();
    Frame::from_owner(pixels, layout).unwrap().with_meta(meta(ms))
}

/// A whole JPEG of the repository's.
pub(crate) fn jpeg(ms: i64) -> EncodedFrame {
    EncodedFrame::copy_from(include_bytes!("../data/baseline.jpg"), meta(ms))
}

/// A camera that has every frame looked at, without a gate.
pub(crate) fn all_frames(id: &str) -> CameraConfig {
    let mut config = CameraConfig::new(id);
    config.fps = 0.0;
    config.motion = None;
    config.cache.capacity = 0;
    config.queue.max_age_s = 3600.0;
    config
}

pub(crate) fn person(confidence: f32) -> Detection {
    let label = Label { id: 0, name: "person".into() };
    Detection::new(BoundingBox::from_xyxy(2.0, 2.0, 10.0, 14.0), label, confidence)
}

type Answering = Box<dyn Fn(&Request) -> Result<Vec<Vec<Detection>>> + Send + Sync>;

/// A provider with threads of its own that takes so long for a request, and answers by a function.
pub(crate) struct TestProvider {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

struct Shared {
    capability: Capability,
    time: Box<dyn Fn(usize) -> Duration + Send + Sync>,
    answer: Answering,
    queue: Mutex<(VecDeque<(Request, Reply)>, bool)>,
    wake: Condvar,
    seen: Mutex<Vec<Vec<FrameMeta>>>,
}

impl TestProvider {
    pub(crate) fn new(
        threads: usize,
        max_batch: usize,
        time: impl Fn(usize) -> Duration + Send + Sync + 'static,
    ) -> Self {
        Self::answering(threads, max_batch, time, |request| Ok(vec![Vec::new(); request.frames.len()]))
    }

    pub(crate) fn answering(
        threads: usize,
        max_batch: usize,
        time: impl Fn(usize) -> Duration + Send + Sync + 'static,
        answer: impl Fn(&Request) -> Result<Vec<Vec<Detection>>> + Send + Sync + 'static,
    ) -> Self {
        let shared = Arc::new(Shared {
            capability: Capability::local(&[Want::Labels], max_batch, threads * 2),
            time: Box::new(time),
            answer: Box::new(answer),
            queue: Mutex::default(),
            wake: Condvar::new(),
            seen: Mutex::default(),
        });
        let threads = (0..threads)
            .map(|_| {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || shared.run())
            })
            .collect();
        Self { shared, threads: Mutex::new(threads) }
    }

    /// The frames of each request, in the order in which they were begun.
    pub(crate) fn seen(&self) -> Vec<Vec<FrameMeta>> {
        self.shared.seen.lock().unwrap().clone()
    }
}

impl Shared {
    fn run(&self) {
        loop {
            let mut queue = self.queue.lock().unwrap();
            let (request, reply) = loop {
                if let Some(next) = queue.0.pop_front() {
                    break next;
                }
                if queue.1 {
                    return;
                }
                queue = self.wake.wait(queue).unwrap();
            };
            drop(queue);
            let now = SystemClock.now();
            if request.deadline.is_some_and(|deadline| deadline <= now) {
                reply.send(Err(Error::new(ErrorCode::DeadlineExceeded, "too late")));
                continue;
            }
            self.seen.lock().unwrap().push(request.frames.iter().map(|frame| frame.meta().clone()).collect());
            std::thread::sleep((self.time)(request.frames.len()));
            reply.send((self.answer)(&request).map(|found| {
                let detections = found
                    .into_iter()
                    .zip(&request.frames)
                    .map(|(items, frame)| Detections::new(items, frame.size(), Timing::default()))
                    .collect();
                Response::new(detections, &"test".into(), Latency::default())
            }));
        }
    }
}

impl Drop for TestProvider {
    fn drop(&mut self) {
        self.shared.queue.lock().unwrap().1 = true;
        self.shared.wake.notify_all();
        let me = std::thread::current().id();
        for thread in self.threads.lock().unwrap().drain(..) {
            if thread.thread().id() != me {
                thread.join().unwrap();
            }
        }
    }
}

impl std::fmt::Debug for TestProvider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TestProvider")
    }
}

impl Provider for TestProvider {
    fn name(&self) -> &str {
        "test"
    }

    fn capability(&self) -> Capability {
        self.shared.capability.clone()
    }

    fn health(&self) -> Health {
        let mut health = Health::default();
        (health.live, health.ready) = (true, true);
        health
    }

    fn submit(&self, request: Request, reply: Reply) {
        self.shared.queue.lock().unwrap().0.push_back((request, reply));
        self.shared.wake.notify_one();
    }

    fn clock(&self) -> &dyn Clock {
        &SystemClock
    }
}
