//! The provider over a stand-in for the detector that runs out of memory, waits and panics as it is told.

use super::inference::ModelInfo;
use super::*;
use crate::clock::{ManualClock, Timestamp};
use crate::detection::{Detection, Detections, Label, Timing};
use crate::error::{Advice, ErrorCode};
use crate::frame::{Frame, Layout, PixelFormat};
use crate::geometry::{BoundingBox, Size};
use crate::provider::{PendingAnswer, Priority};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Condvar, Mutex, mpsc};

pub(super) const SECOND: Duration = Duration::from_secs(1);

/// Steered and watched from the test.
#[derive(Debug, Default)]
pub(super) struct Control {
    /// Frames that fit into the device's memory, and into the processor's.
    device: AtomicUsize,
    cpu: AtomicUsize,
    /// The device and the frames of each call.
    calls: Mutex<Vec<(&'static str, usize)>>,
    opened: AtomicUsize,
    cpu_opens: std::sync::atomic::AtomicBool,
    /// Calls wait while it is true.
    held: Mutex<bool>,
    released: Condvar,
    /// Moved on by every call.
    pub(super) clock: ManualClock,
    call_takes: Mutex<Duration>,
}

#[derive(Debug)]
struct Fake {
    control: Arc<Control>,
    device: ExecutionProvider,
    max_batch: usize,
}

/// Frames of these widths are trouble.
pub(super) const PANICS: u32 = 13;
const DAMAGED: u32 = 14;

impl Inference for Fake {
    fn about(&self) -> ModelInfo {
        let (max_batch, device) = (self.max_batch, self.device);
        ModelInfo {
            max_batch,
            shrinks: true,
            device,
            intra_op_threads: 1,
            finds_faces: true,
            version: "fake@1".into(),
            labels: None,
        }
    }

    fn detect_batch(&self, frames: &[Frame]) -> Result<Vec<Detections>> {
        let control = &self.control;
        control.calls.lock().unwrap().push((self.device.name(), frames.len()));
        control.released.notify_all();
        let mut held = control.held.lock().unwrap();
        while *held {
            held = control.released.wait(held).unwrap();
        }
        drop(held);
        control.clock.advance(*control.call_takes.lock().unwrap());
        let room = if self.device == ExecutionProvider::Cpu { &control.cpu } else { &control.device };
        if frames.len() > room.load(SeqCst) {
            return Err(Error::resource_exhausted("out of memory"));
        }
        frames
            .iter()
            .map(|frame| {
                let size = frame.size();
                match size.width {
                    PANICS => panic!("a fault, on purpose"),
                    DAMAGED => return Err(Error::data_corrupt("no picture")),
                    _ => {}
                }
                let whole = BoundingBox::from_xyxy(0.0, 0.0, size.width as f32, size.height as f32);
                let item =
                    |name: &str, confidence| Detection::new(whole, Label { id: 0, name: name.into() }, confidence);
                let items = vec![item("person", 0.9), item("Face", 0.8), item("dog", 0.5), item("cat", 0.3)];
                let ms = Duration::from_millis;
                Ok(Detections::new(items, size, Timing { preprocess: ms(1), inference: ms(2), postprocess: ms(3) }))
            })
            .collect()
    }

    fn on_cpu(&self) -> Result<Arc<dyn Inference>> {
        self.control.opened.fetch_add(1, SeqCst);
        if !self.control.cpu_opens.load(SeqCst) {
            return Err(Error::model_invalid("it cannot be read"));
        }
        Ok(Arc::new(Self { control: Arc::clone(&self.control), device: ExecutionProvider::Cpu, max_batch: 8 }))
    }
}

impl Control {
    pub(super) fn calls(&self) -> Vec<(&'static str, usize)> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }

    pub(super) fn hold(&self, hold: bool) {
        *self.held.lock().unwrap() = hold;
        self.released.notify_all();
    }

    /// Until so many calls have begun.
    pub(super) fn wait_for_calls(&self, count: usize) {
        let calls = self.calls.lock().unwrap();
        drop(self.released.wait_while(calls, |calls| calls.len() < count).unwrap());
    }
}

/// The stand-in's clock as the provider's.
#[derive(Debug)]
struct ControlClock(Arc<Control>);

impl Clock for ControlClock {
    fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    fn unix(&self) -> crate::clock::UnixTime {
        self.0.clock.unix()
    }
}

/// Whose threads the provider works on.
#[derive(Clone, Copy, Debug)]
enum Host {
    Own,
    /// As many as it wants, and so many more.
    Lent(usize),
}

impl Host {
    fn provider_with(self, device: ExecutionProvider, config: LocalProviderConfig) -> (Arc<Control>, LocalProvider) {
        let lent = match self {
            Self::Own => None,
            Self::Lent(more) => Some(Threads::new(config.workers.max(1) + more).unwrap()),
        };
        on(device, config, lent)
    }

    fn provider(self, workers: usize, queue: usize) -> (Arc<Control>, LocalProvider) {
        let config = LocalProviderConfig { workers, queue, ..Default::default() };
        self.provider_with(ExecutionProvider::Cuda, config)
    }
}

pub(super) fn on(
    device: ExecutionProvider,
    config: LocalProviderConfig,
    lent: Option<Threads>,
) -> (Arc<Control>, LocalProvider) {
    let control = Arc::new(Control::default());
    control.device.store(8, SeqCst);
    control.cpu.store(8, SeqCst);
    control.cpu_opens.store(true, SeqCst);
    let inference = Arc::new(Fake { control: Arc::clone(&control), device, max_batch: 8 });
    let clock = Arc::new(ControlClock(Arc::clone(&control)));
    (control, LocalProvider::over(inference, config, clock, lent).unwrap())
}

pub(super) fn frame(width: u32) -> Frame {
    let layout = Layout::packed(PixelFormat::Gray8, Size::new(width, 10)).unwrap();
    Frame::from_owner(vec![0; layout.byte_len()], layout).unwrap()
}

pub(super) fn frames(count: usize) -> Request {
    Request::new(vec![frame(20); count])
}

pub(super) fn submit(provider: &LocalProvider, request: Request) -> PendingAnswer {
    let (reply, answer) = Reply::channel();
    provider.submit(request, reply);
    answer
}

pub(super) fn code(answer: PendingAnswer) -> ErrorCode {
    answer.wait().unwrap_err().code()
}

/// Every one of them on own threads, on lent ones, and on lent ones of which some are left over.
macro_rules! on_all_threads {
    ($($name:ident),* $(,)?) => {
        mod own {
            $(#[test] fn $name() { super::$name(super::Host::Own); })*
        }
        mod lent {
            $(#[test] fn $name() { super::$name(super::Host::Lent(0)); })*
        }
        mod lent_and_more {
            $(#[test] fn $name() { super::$name(super::Host::Lent(2)); })*
        }
    };
}

on_all_threads! {
    smaller_batches_when_memory_runs_out_and_larger_ones_again,
    the_processor_when_not_even_one_frame_fits,
    a_processor_that_cannot_be_had_is_asked_for_once_in_a_while,
    the_queue_is_bounded_and_knows_who_is_next,
    deadlines_before_during_and_after,
    faults_stay_with_their_request,
    what_is_wanted_and_where,
    dropping_answers_what_waits_and_waits_for_what_runs,
    replies_may_drop_and_close_the_provider,
    a_thousand_requests_from_many_threads_are_each_answered_once,
}

fn smaller_batches_when_memory_runs_out_and_larger_ones_again(host: Host) {
    let (control, local) = host.provider(1, 4);
    control.device.store(2, SeqCst);
    let response = local.detect(frames(8)).unwrap();
    assert_eq!(response.detections.len(), 8, "nothing is lost");
    let cuda = |batches: &[usize]| batches.iter().map(|&batch| ("cuda", batch)).collect::<Vec<_>>();
    assert_eq!(control.calls(), cuda(&[8, 4, 2, 2, 2, 2]));
    let health = local.health();
    assert_eq!(health.degraded.as_deref(), Some("batch 2 of 8 after cuda ran out of memory"));
    assert!(health.ready && health.last_error.is_none());
    // One step up a minute later, which fails; then two minutes.
    control.clock.advance(60 * SECOND);
    local.detect(frames(4)).unwrap();
    assert_eq!(control.calls(), cuda(&[4, 2, 2]));
    control.clock.advance(119 * SECOND);
    local.detect(frames(4)).unwrap();
    assert_eq!(control.calls(), cuda(&[2, 2]));
    control.device.store(8, SeqCst);
    for batch in [4, 8] {
        control.clock.advance(120 * SECOND);
        local.detect(frames(8)).unwrap();
        assert_eq!(control.calls(), cuda(&vec![batch; 8 / batch]));
    }
    assert_eq!(local.health().degraded, None);
}

fn the_processor_when_not_even_one_frame_fits(host: Host) {
    let (control, local) = host.provider(1, 4);
    control.device.store(0, SeqCst);
    assert_eq!(local.detect(frames(2)).unwrap().detections.len(), 2);
    assert_eq!(control.calls(), [("cuda", 2), ("cuda", 1), ("cpu", 1), ("cpu", 1)]);
    local.detect(frames(1)).unwrap();
    assert_eq!((control.calls(), control.opened.load(SeqCst)), (vec![("cpu", 1)], 1));
    assert_eq!(local.health().degraded.as_deref(), Some("on the processor after cuda ran out of memory"));
    control.cpu.store(0, SeqCst);
    let error = local.detect(frames(1)).unwrap_err();
    assert_eq!((error.code(), error.advice()), (ErrorCode::ResourceExhausted, Advice::RetryLater));
    let health = local.health();
    assert!(health.live && !health.ready && health.degraded.unwrap().contains("nothing is left"));
    assert_eq!(health.last_error.unwrap().code, ErrorCode::ResourceExhausted);
    control.cpu.store(1, SeqCst);
    local.detect(frames(1)).unwrap();
    assert!(local.health().ready);
}

fn a_processor_that_cannot_be_had_is_asked_for_once_in_a_while(host: Host) {
    let (control, local) = host.provider(1, 4);
    control.device.store(0, SeqCst);
    control.cpu_opens.store(false, SeqCst);
    for _ in 0..3 {
        let error = local.detect(frames(1)).unwrap_err();
        assert_eq!(error.code(), ErrorCode::ResourceExhausted);
        assert!(error.to_string().contains("it cannot be read"), "{error}");
    }
    assert_eq!(control.opened.load(SeqCst), 1);
    control.clock.advance(60 * SECOND);
    assert!(local.detect(frames(1)).is_err());
    assert_eq!(control.opened.load(SeqCst), 2);

    for (device, cpu_fallback) in [(ExecutionProvider::Cuda, false), (ExecutionProvider::Cpu, true)] {
        let (control, local) = host.provider_with(device, LocalProviderConfig { cpu_fallback, ..Default::default() });
        control.device.store(0, SeqCst);
        control.cpu.store(0, SeqCst);
        assert_eq!(local.detect(frames(1)).unwrap_err().code(), ErrorCode::ResourceExhausted);
        assert_eq!(control.opened.load(SeqCst), 0);
    }
}

fn the_queue_is_bounded_and_knows_who_is_next(host: Host) {
    let (control, local) = host.provider(1, 2);
    control.hold(true);
    *control.call_takes.lock().unwrap() = SECOND;
    let running = submit(&local, frames(1));
    control.wait_for_calls(1);
    let low = submit(&local, frames(2).with_priority(Priority::Low));
    let normal = submit(&local, frames(3));
    let health = local.health();
    assert_eq!((health.in_flight, health.ready, health.live), (3, false, true));
    assert_eq!(code(submit(&local, frames(4).with_priority(Priority::Low))), ErrorCode::Overloaded);
    let critical = submit(&local, frames(5).with_priority(Priority::Critical));
    assert_eq!(code(low), ErrorCode::Overloaded, "pushed out");
    assert_eq!(local.health().last_error.unwrap().code, ErrorCode::Overloaded);
    control.hold(false);
    for answer in [running, normal, critical] {
        answer.wait().unwrap();
    }
    assert_eq!(control.calls(), [("cuda", 1), ("cuda", 5), ("cuda", 3)]);
    // All free again: no wait. One busy, two before it, a second each: three.
    assert_eq!(local.health().expected_wait, Duration::ZERO);
    control.hold(true);
    let answers: Vec<_> = (0..3).map(|_| submit(&local, frames(1))).collect();
    assert_eq!(local.health().expected_wait, 3 * SECOND);
    control.hold(false);
    answers.into_iter().for_each(|answer| drop(answer.wait().unwrap()));
    assert_eq!(local.health().latency.unwrap().p50, 2 * SECOND);
}

fn deadlines_before_during_and_after(host: Host) {
    let (control, local) = host.provider(1, 2);
    let now = || control.clock.now();
    assert_eq!(code(submit(&local, frames(1).with_deadline(now()))), ErrorCode::DeadlineExceeded);
    control.hold(true);
    *control.call_takes.lock().unwrap() = SECOND;
    let late = submit(&local, frames(1).with_deadline(now() + SECOND / 2));
    control.wait_for_calls(1);
    let waits = submit(&local, frames(2).with_deadline(now() + SECOND / 2));
    let long = submit(&local, frames(24).with_deadline(now() + 3 * SECOND));
    control.hold(false);
    assert_eq!(code(late), ErrorCode::DeadlineExceeded, "the call took longer");
    assert_eq!(code(waits), ErrorCode::DeadlineExceeded, "while it waited");
    assert_eq!(code(long), ErrorCode::DeadlineExceeded, "between its batches");
    assert_eq!(control.calls(), [("cuda", 1), ("cuda", 8), ("cuda", 8)], "and nothing more is run");

    // Dead ones make room.
    control.hold(true);
    let running = submit(&local, frames(1));
    control.wait_for_calls(1);
    let dead: Vec<_> = (0..2).map(|_| submit(&local, frames(1).with_deadline(now() + SECOND))).collect();
    control.clock.advance(2 * SECOND);
    let alive = submit(&local, frames(1).with_priority(Priority::Low));
    for answer in dead {
        assert_eq!(code(answer), ErrorCode::DeadlineExceeded);
    }
    control.hold(false);
    assert!(running.wait().is_ok() && alive.wait().is_ok());

    // So do those that were taken back.
    control.calls();
    control.hold(true);
    let running = submit(&local, frames(1));
    control.wait_for_calls(1);
    let requests = [frames(1), frames(1)];
    let cancellations = requests.each_ref().map(|request| request.cancellation.clone());
    let taken_back = requests.map(|request| submit(&local, request));
    assert!(cancellations.iter().all(|cancellation| cancellation.cancel()));
    let alive = submit(&local, frames(1).with_priority(Priority::Low));
    for answer in taken_back {
        assert_eq!(code(answer), ErrorCode::Cancelled);
    }
    control.hold(false);
    assert!(running.wait().is_ok() && alive.wait().is_ok());
}

fn faults_stay_with_their_request(host: Host) {
    let (_, local) = host.provider(1, 2);
    let damaged = local.detect(Request::new([frame(20), frame(DAMAGED)])).unwrap_err();
    assert_eq!(damaged.code(), ErrorCode::DataCorrupt);
    assert_eq!((local.health().degraded, local.health().last_error), (None, None), "no fault of the provider's");
    for _ in 0..3 {
        assert_eq!(local.detect(Request::new([frame(PANICS)])).unwrap_err().code(), ErrorCode::Internal);
    }
    assert_eq!(local.health().last_error.unwrap().code, ErrorCode::Internal);
    assert!(local.detect(frames(1)).is_ok());
    assert_eq!(local.health().in_flight, 0);
}

fn what_is_wanted_and_where(host: Host) {
    let (_, local) = host.provider(2, 2);
    let names = |request: Request| -> Vec<String> {
        let response = local.detect(request).unwrap();
        response.detections[0].iter().map(|item| item.label.to_string()).collect()
    };
    assert_eq!(names(frames(1)), ["person", "Face", "dog"]);
    assert_eq!(names(frames(1).with_min_confidence(0.85)), ["person"]);
    assert_eq!(names(frames(1).with_want(Want::Faces)), ["Face"]);
    assert_eq!(local.capability().wants, [Want::Labels, Want::Faces]);
    assert_eq!(code(submit(&local, frames(1).with_want(Want::Text))), ErrorCode::Unsupported);

    let region = BoundingBox::from_xyxy(3.5, 2.0, 12.0, 99.0);
    let response = local.detect(Request::new([frame(30), frame(20)]).with_regions([region; 2])).unwrap();
    for (found, width) in response.detections.iter().zip([30, 20]) {
        assert_eq!(found.frame, Size::new(width, 10));
        assert_eq!(found.items[0].bbox.to_array(), [3.5, 2.0, 12.0, 10.0]);
    }
    let ms = Duration::from_millis;
    let latency = response.latency;
    assert_eq!((latency.prepare, latency.call, latency.parse), (ms(2), ms(4), ms(6)));
    assert_eq!(response.model_version.as_deref(), Some("fake@1"));
    assert_eq!((&*response.answer.provider, response.calls), ("local", 0));
}

fn dropping_answers_what_waits_and_waits_for_what_runs(host: Host) {
    let (control, local) = host.provider(1, 8);
    control.hold(true);
    let running = submit(&local, frames(1));
    control.wait_for_calls(1);
    let waiting: Vec<_> = (0..5).map(|_| submit(&local, frames(1))).collect();
    let (sender, dropped) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        drop(local);
        sender.send(()).unwrap();
    });
    for answer in waiting {
        assert_eq!(code(answer), ErrorCode::Cancelled);
    }
    assert!(dropped.try_recv().is_err(), "it waits for the call");
    control.hold(false);
    assert!(running.wait().is_ok());
    thread.join().unwrap();
    assert_eq!(control.calls().len(), 1);
}

fn replies_may_drop_and_close_the_provider(host: Host) {
    let (_, local) = host.provider(2, 8);
    let local = Arc::new(local);
    let (sender, done) = mpsc::channel();
    for _ in 0..4 {
        let (own, sender) = (Arc::clone(&local), sender.clone());
        local.submit(
            frames(1),
            Reply::new(move |answer| {
                own.close();
                drop(own);
                sender.send(answer.map(|_| ()).map_err(|error| error.code())).unwrap();
            }),
        );
    }
    assert_eq!(code(submit(&local, frames(1))), ErrorCode::Cancelled);
    drop(local);
    for _ in 0..4 {
        let answer = done.recv_timeout(10 * SECOND).expect("an answer, and no deadlock");
        assert!(matches!(answer, Ok(()) | Err(ErrorCode::Cancelled)), "{answer:?}");
    }
}

fn a_thousand_requests_from_many_threads_are_each_answered_once(host: Host) {
    let (_, local) = host.provider(3, 10);
    let (local, sent) = (&local, &AtomicUsize::new(0));
    let answered = &AtomicUsize::new(0);
    let (sender, done) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            let sender = sender.clone();
            scope.spawn(move || {
                for k in 0..125 {
                    let sender = sender.clone();
                    let priority = [Priority::Low, Priority::Normal, Priority::Critical][k % 3];
                    sent.fetch_add(1, SeqCst);
                    local.submit(
                        frames(1).with_priority(priority),
                        Reply::new(move |answer| {
                            sender.send(answer.map_err(|error| error.code()).map(|_| ())).unwrap()
                        }),
                    );
                }
            });
        }
    });
    drop(sender);
    let answers: Vec<_> = done.iter().collect();
    answered.fetch_add(answers.len(), SeqCst);
    assert_eq!((sent.load(SeqCst), answered.load(SeqCst)), (1_000, 1_000));
    assert!(answers.iter().all(|answer| matches!(answer, Ok(()) | Err(ErrorCode::Overloaded))));
    assert_eq!(local.health().in_flight, 0);
}
