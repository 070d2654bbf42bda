//! A function of the host's as a provider: the rules of all providers, and those of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test")]

mod common;

use guarita::budget::MicroDollars;
use guarita::clock::{Clock, ManualClock};
use guarita::detection::{ImageLabel, Label, Timing};
use guarita::provider::{CallbackProviderConfig, Priority, Reply, Request, Response, Want};
use guarita::testkit::{Outcome, check_provider};
use guarita::{
    BoundingBox, CallbackProvider, Detection, Detections, Error, ErrorCode, Frame, PixelFormat, Provider, Result, Size,
};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn frame() -> Frame {
    common::flat(Size::new(64, 48), PixelFormat::Rgb8, &[90, 120, 60])
}

fn item(name: &str, confidence: f32, bbox: [f32; 4]) -> Detection {
    let [x1, y1, x2, y2] = bbox;
    Detection::new(BoundingBox::from_xyxy(x1, y1, x2, y2), Label { id: 0, name: name.into() }, confidence)
}

/// Two of them, the less sure one first, one partly outside.
fn two(request: &Request) -> Vec<Detections> {
    let items = || vec![item("person", 0.6, [-5.0, 4.0, 8.0, 40.0]), item("car", 0.9, [20.0, 10.0, 40.0, 30.0])];
    request.frames.iter().map(|frame| Detections::new(items(), frame.size(), Timing::default())).collect()
}

fn provider(
    config: CallbackProviderConfig,
    detect: impl Fn(&Request) -> Result<Vec<Detections>> + Send + Sync + 'static,
) -> CallbackProvider {
    CallbackProvider::new(config, detect).unwrap()
}

fn base() -> CallbackProviderConfig {
    CallbackProviderConfig::default()
}

fn cloud() -> CallbackProviderConfig {
    CallbackProviderConfig { leaves_machine: true, price: MicroDollars::from_micros(7), ..base() }
}

#[test]
fn it_keeps_the_rules_of_providers() {
    for (config, skipped) in [
        (base(), 2),
        (CallbackProviderConfig { workers: 3, max_batch: 8, max_in_flight: 5, wants: Want::ALL.to_vec(), ..base() }, 3),
        (CallbackProviderConfig { workers: 2, ..cloud() }, 0),
    ] {
        let make = || -> Arc<dyn Provider> { Arc::new(provider(config.clone(), |request| Ok(two(request)))) };
        let report = check_provider(&make, &frame());
        let left = report.checks.iter().filter(|check| matches!(check.outcome, Outcome::NotApplicable(_))).count();
        assert_eq!(left, skipped, "{report}");
        report.into_result().unwrap();
    }
}

#[test]
fn answers_are_put_in_order_and_regions_are_cut_out_before() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&seen);
    let local = provider(CallbackProviderConfig { max_batch: 2, ..base() }, move |request| {
        assert!(request.regions.is_empty());
        told.lock().unwrap().push(request.frames.iter().map(Frame::size).collect::<Vec<_>>());
        Ok(two(request))
    });
    let response = local.detect(Request::new([frame(), frame(), frame()])).unwrap();
    assert_eq!(std::mem::take(&mut *seen.lock().unwrap()).iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
    assert_eq!((response.detections.len(), response.calls, response.cost), (3, 0, MicroDollars::ZERO));
    let boxes: Vec<_> = response.detections[2].iter().map(|item| (&*item.label.name, item.bbox.to_array())).collect();
    assert_eq!(boxes, [("car", [20.0, 10.0, 40.0, 30.0]), ("person", [0.0, 4.0, 8.0, 40.0])]);

    let region = BoundingBox::from_xyxy(10.0, 8.0, 60.0, 44.0);
    let response = local.detect(Request::new([frame()]).with_regions([region]).with_min_confidence(0.7)).unwrap();
    assert_eq!(*seen.lock().unwrap(), [[Size::new(50, 36)]]);
    let found = &response.detections[0];
    assert_eq!((found.frame, found.len()), (Size::new(64, 48), 1));
    assert_eq!(found.items[0].bbox.to_array(), [30.0, 18.0, 50.0, 38.0]);
}

#[test]
fn what_the_function_does_wrong_is_its_fault() {
    type Answer = fn(&Request) -> Result<Vec<Detections>>;
    let cases: [(&str, ErrorCode, Answer); 9] = [
        ("0 results for 1 frames", ErrorCode::Internal, |_| Ok(Vec::new())),
        ("3 results for 1 frames", ErrorCode::Internal, |request| {
            Ok([two(request), two(request), two(request)].concat())
        }),
        ("10×10", ErrorCode::Internal, |_| Ok(vec![Detections::new(vec![], Size::new(10, 10), Timing::default())])),
        ("NaN", ErrorCode::Internal, |_| {
            let items = vec![item("cat", 0.9, [0.0, f32::NAN, 1.0, 1.0])];
            Ok(vec![Detections::new(items, Size::new(64, 48), Timing::default())])
        }),
        ("1.5 (cat)", ErrorCode::Internal, |_| {
            let items = vec![item("cat", 1.5, [0.0, 0.0, 1.0, 1.0])];
            Ok(vec![Detections::new(items, Size::new(64, 48), Timing::default())])
        }),
        ("NaN (rain)", ErrorCode::Internal, |_| {
            let mut found = Detections::new(vec![], Size::new(64, 48), Timing::default());
            found.image_labels.push(ImageLabel::new(Label { id: 0, name: "rain".into() }, f32::NAN));
            Ok(vec![found])
        }),
        ("without a name", ErrorCode::Internal, |_| {
            let items = vec![item("", 0.9, [0.0, 0.0, 1.0, 1.0])];
            Ok(vec![Detections::new(items, Size::new(64, 48), Timing::default())])
        }),
        ("a panic in the function", ErrorCode::Internal, |_| std::panic::resume_unwind(Box::new("on purpose"))),
        ("503", ErrorCode::Unavailable, |_| Err(Error::new(ErrorCode::Unavailable, "503"))),
    ];
    for (word, code, answer) in cases {
        let local = provider(base(), answer);
        for _ in 0..2 {
            let error = local.detect(Request::new([frame()])).unwrap_err();
            assert!(error.code() == code && error.to_string().contains(word), "{word}: {error}");
        }
        let health = local.health();
        assert!(health.live && health.ready && health.in_flight == 0, "{health:?}");
        assert_eq!(health.last_error.unwrap().code, code);
    }
}

/// Calls that wait until the test lets them go on.
struct Held {
    begun: Receiver<Priority>,
    go: Sender<Result<()>>,
}

impl Held {
    fn provider(config: CallbackProviderConfig, clock: Arc<dyn Clock>) -> (Self, CallbackProvider) {
        let ((tell, begun), (go, wait)) = (mpsc::channel(), mpsc::channel::<Result<()>>());
        let (tell, wait) = (Mutex::new(tell), Mutex::new(wait));
        let detect = move |request: &Request| {
            let _ = tell.lock().unwrap().send(request.priority);
            let go = wait.lock().unwrap().recv().unwrap_or(Ok(()));
            go.map(|()| two(request))
        };
        (Self { begun, go }, CallbackProvider::with_clock(config, clock, detect).unwrap())
    }

    fn begun(&self) -> Priority {
        self.begun.recv_timeout(PATIENCE).expect("no call")
    }
}

const PATIENCE: Duration = Duration::from_secs(30);

fn ask(provider: &CallbackProvider, request: Request) -> Receiver<Result<Response>> {
    let (sender, answer) = mpsc::sync_channel(1);
    provider.submit(request, Reply::new(move |answer| drop(sender.try_send(answer))));
    answer
}

fn code(answer: &Receiver<Result<Response>>) -> Option<ErrorCode> {
    answer.recv_timeout(PATIENCE).expect("no answer").err().map(|error| error.code())
}

#[test]
fn who_is_next_and_who_is_turned_away() {
    let clock = Arc::new(ManualClock::default());
    let (held, local) =
        Held::provider(CallbackProviderConfig { max_in_flight: 3, ..base() }, Arc::clone(&clock) as Arc<dyn Clock>);
    let request = |priority| Request::new([frame()]).with_priority(priority);
    let first = ask(&local, request(Priority::Normal));
    assert_eq!(held.begun(), Priority::Normal);
    let low = ask(&local, request(Priority::Low));
    let late = ask(&local, request(Priority::Normal).with_deadline(clock.now() + Duration::from_secs(2)));
    assert_eq!(code(&ask(&local, request(Priority::Low))), Some(ErrorCode::Overloaded));
    assert!(!local.health().ready);
    let critical = ask(&local, request(Priority::Critical));
    assert_eq!(code(&low), Some(ErrorCode::Overloaded), "the newest of the lowest gives way");
    clock.advance(Duration::from_secs(2));
    let normal = ask(&local, request(Priority::Normal));
    assert_eq!(code(&late), Some(ErrorCode::DeadlineExceeded), "what is of no use makes room first");
    held.go.send(Ok(())).unwrap();
    assert_eq!((code(&first), held.begun()), (None, Priority::Critical));
    let health = local.health();
    assert_eq!((health.in_flight, health.last_error.unwrap().code), (2, ErrorCode::DeadlineExceeded));
    assert!(health.latency.unwrap().p50 >= Duration::from_secs(2));
    held.go.send(Err(Error::new(ErrorCode::Unavailable, "503"))).unwrap();
    held.go.send(Ok(())).unwrap();
    assert_eq!((code(&critical), code(&normal)), (Some(ErrorCode::Unavailable), None));
}

#[test]
fn a_deadline_is_looked_at_before_each_call_and_at_the_end() {
    let clock = Arc::new(ManualClock::default());
    let (held, local) = Held::provider(base(), Arc::clone(&clock) as Arc<dyn Clock>);
    let three = || Request::new([frame(), frame(), frame()]).with_deadline(clock.now() + Duration::from_secs(5));
    let answer = ask(&local, three());
    held.begun();
    clock.advance(Duration::from_secs(5));
    held.go.send(Ok(())).unwrap();
    assert_eq!(code(&answer), Some(ErrorCode::DeadlineExceeded));
    // The two other frames were not asked for; a last call that is too late does not count either.
    let answer = ask(&local, Request::new([frame()]).with_deadline(clock.now() + Duration::from_secs(5)));
    held.begun();
    clock.advance(Duration::from_secs(5));
    held.go.send(Ok(())).unwrap();
    assert_eq!(code(&answer), Some(ErrorCode::DeadlineExceeded));
    assert!(held.begun.try_recv().is_err());
}

#[test]
fn the_end_answers_what_waits() {
    let (held, local) = Held::provider(base(), Arc::new(ManualClock::default()));
    let running = ask(&local, Request::new([frame()]));
    held.begun();
    let waiting = ask(&local, Request::new([frame()]));
    std::thread::scope(|scope| {
        let closing = scope.spawn(|| local.close());
        assert_eq!(code(&waiting), Some(ErrorCode::Cancelled));
        assert!(!closing.is_finished(), "a call is running");
        held.go.send(Ok(())).unwrap();
        assert_eq!(code(&running), None);
    });
    assert_eq!(code(&ask(&local, Request::new([frame()]))), Some(ErrorCode::Cancelled));
    assert!(!local.health().live && !local.health().ready);
    local.close();
}

#[test]
fn one_that_is_let_go_inside_its_own_reply_does_not_wait_for_itself() {
    let local = Arc::new(provider(base(), |request| Ok(two(request))));
    let (sender, done) = mpsc::channel();
    let mine = Arc::clone(&local);
    local.submit(
        Request::new([frame()]),
        Reply::new(move |_| {
            mine.close();
            drop(mine);
            sender.send(()).unwrap();
        }),
    );
    drop(local);
    done.recv_timeout(PATIENCE).unwrap();
}

#[test]
fn a_key_is_paid_once_and_a_failed_one_is_free() {
    let (held, local) =
        Held::provider(CallbackProviderConfig { workers: 3, ..cloud() }, Arc::new(ManualClock::default()));
    let request = || Request::new([frame(), frame()]).with_idempotency_key("a");
    let leading = ask(&local, request());
    held.begun();
    let joined = [ask(&local, request()), ask(&local, request())];
    assert_eq!(local.health().in_flight, 3);
    held.go.send(Err(Error::new(ErrorCode::Unavailable, "503"))).unwrap();
    assert_eq!(code(&leading), Some(ErrorCode::Unavailable));
    // One of those that joined asks itself, one call for each frame, and the other one waits for it.
    for _ in 0..2 {
        held.begun();
        held.go.send(Ok(())).unwrap();
    }
    let answers = joined.map(|answer| answer.recv_timeout(PATIENCE).unwrap().unwrap());
    let mut costs = answers.map(|answer| (answer.cost.as_micros(), answer.calls));
    costs.sort_unstable();
    assert_eq!(costs, [(0, 0), (14, 2)]);
    let again = local.detect(request()).unwrap();
    assert_eq!((again.cost, again.calls, again.detections.len()), (MicroDollars::ZERO, 0, 2));
    assert_eq!(local.health().in_flight, 0);
}

#[test]
fn without_a_price_nothing_is_remembered() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let local = provider(base(), move |request| {
        counted.fetch_add(1, SeqCst);
        Ok(two(request))
    });
    for _ in 0..2 {
        local.detect(Request::new([frame()]).with_idempotency_key("a")).unwrap();
    }
    assert_eq!(calls.load(SeqCst), 2);
}
