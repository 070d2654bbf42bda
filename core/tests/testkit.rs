//! The provider that answers by script, and the suite of the rules: what keeps them passes, what breaks them is caught.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test")]

mod common;

use guarita::budget::MicroDollars;
use guarita::clock::{Clock, ManualClock};
use guarita::detection::Label;
use guarita::provider::{Capability, Health, Reply, Request, Want};
use guarita::testkit::{BehaviourReport, FakeProvider, Outcome, Step, check_provider};
use guarita::{BoundingBox, Detection, ErrorCode, Frame, PixelFormat, Provider, Size, Timestamp};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

fn frame() -> Frame {
    common::flat(Size::new(64, 48), PixelFormat::Rgb8, &[90, 120, 60])
}

fn request() -> Request {
    Request::new([frame()])
}

fn person(x1: f32, confidence: f32) -> Detection {
    let label = Label { id: 0, name: "person".into() };
    Detection::new(BoundingBox::from_xyxy(x1, 10.0, x1 + 10.0, 40.0), label, confidence)
}

fn by_hand() -> (Arc<ManualClock>, FakeProvider) {
    let clock = Arc::new(ManualClock::default());
    let fake = FakeProvider::new("fake").with_clock(Arc::clone(&clock) as Arc<dyn Clock>);
    (clock, fake)
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_script_is_played_step_by_step() {
    let (clock, fake) = by_hand();
    let fake = fake.with_price(MicroDollars::from_micros(1_000)).script([
        Step::detections([person(0.0, 0.4), person(20.0, 0.6), person(40.0, 0.9)]),
        Step::nothing().after(3 * SECOND),
        Step::fail(ErrorCode::Unavailable, "503").after(SECOND).billed(),
        Step::dropped(),
        Step::never(),
    ]);
    let first = fake.detect(request().with_idempotency_key("a")).unwrap();
    let found: Vec<_> = first.detections[0].iter().map(|item| item.confidence).collect();
    assert_eq!(found, [0.9, 0.6]);
    assert_eq!((first.cost.as_micros(), first.calls), (1_000, 1));

    let pending: Vec<_> = (0..4)
        .map(|_| {
            let (reply, answer) = Reply::channel();
            fake.submit(request(), reply);
            answer
        })
        .collect();
    assert_eq!(pending[2].try_take().unwrap().unwrap_err().code(), ErrorCode::Cancelled);
    assert_eq!((fake.calls(), fake.in_flight(), fake.tick()), (5, 3, 0));
    clock.advance(SECOND);
    assert_eq!(fake.tick(), 1);
    assert_eq!(pending[1].try_take().unwrap().unwrap_err().code(), ErrorCode::Unavailable);
    clock.advance(1_000_000 * SECOND);
    assert_eq!((fake.tick(), fake.in_flight()), (1, 1));
    let slow = pending[0].try_take().unwrap().unwrap();
    assert_eq!(slow.latency.total(), 1_000_001 * SECOND);
    assert_eq!(fake.billed(), MicroDollars::from_micros(3_000));
    // Paid before.
    let again = fake.detect(request().with_idempotency_key("a")).unwrap();
    assert_eq!((again.cost, again.calls), (MicroDollars::ZERO, 0));
    assert_eq!(fake.billed(), MicroDollars::from_micros(3_000));

    assert!(pending[3].try_take().is_none());
    let watched = fake.clone();
    drop(fake);
    assert!(pending[3].try_take().is_none(), "a clone is left");
    watched.close();
    assert_eq!(pending[3].try_take().unwrap().unwrap_err().code(), ErrorCode::Cancelled);
    assert_eq!(watched.cancelled(), 2);
    assert_eq!(watched.detect(request()).unwrap_err().code(), ErrorCode::Cancelled);
    assert!(!watched.health().live);
}

#[test]
fn what_is_refused_is_no_call() {
    let (clock, fake) = by_hand();
    let fake = fake.with_wants(&[Want::Text]).with_max_in_flight(1).always(Step::never());
    clock.advance(10 * SECOND);
    let code = |request: Request| fake.detect(request).unwrap_err().code();
    assert_eq!(code(request()), ErrorCode::Unsupported);
    let text = || request().with_want(Want::Text);
    assert_eq!(code(text().with_min_confidence(f32::NAN)), ErrorCode::InvalidArgument);
    assert_eq!(code(text().with_deadline(Timestamp::from_millis(10_000))), ErrorCode::DeadlineExceeded);
    assert_eq!(fake.calls(), 0);
    let (reply, _held) = Reply::channel();
    fake.submit(text().with_tenant("t"), reply);
    assert_eq!(code(text()), ErrorCode::Overloaded);
    assert!(!fake.health().ready);
    let calls = fake.requests();
    assert_eq!((calls.len(), &*calls[0].tenant, calls[0].want, calls[0].frames), (1, "t", Want::Text, 1));
}

#[test]
fn an_answer_keeps_the_deadline_and_being_down_comes_before_the_script() {
    let (clock, fake) = by_hand();
    let fake = fake.script([Step::nothing().after(3 * SECOND), Step::nothing()]);
    let (reply, answer) = Reply::channel();
    fake.submit(request().with_deadline(clock.now() + 2 * SECOND), reply);
    fake.set_down(Some(ErrorCode::RateLimited));
    assert_eq!(fake.detect(request()).unwrap_err().code(), ErrorCode::RateLimited);
    assert_eq!(fake.health().last_error.unwrap().code, ErrorCode::RateLimited);
    fake.set_down(None);
    assert!(fake.detect(request()).is_ok());
    clock.advance(2 * SECOND);
    fake.tick();
    assert_eq!(answer.try_take().unwrap().unwrap_err().code(), ErrorCode::DeadlineExceeded);
}

#[test]
fn without_a_clock_of_the_test_a_thread_gives_late_answers() {
    let late = Duration::from_millis(30);
    let fake = FakeProvider::new("fake").with_latency(late);
    let response = fake.detect(request()).unwrap();
    assert!(response.latency.total() >= late, "{:?}", response.latency);
    // A reply that drops the last handle on the provider's own thread.
    let (sender, done) = mpsc::channel();
    let own = fake.clone();
    fake.submit(
        request(),
        Reply::new(move |answer| {
            drop(own);
            sender.send(answer.is_ok()).unwrap();
        }),
    );
    let (reply, held) = Reply::channel();
    fake.clone().script([Step::never()]).submit(request(), reply);
    assert!(done.recv_timeout(10 * SECOND).unwrap());
    drop(fake);
    assert_eq!(held.wait().unwrap_err().code(), ErrorCode::Cancelled);
}

#[test]
fn a_closure_answers_and_may_panic() {
    let fake = FakeProvider::new("fake").answering(|request| {
        assert!(request.frames.len() < 2, "a fault of the test's, on purpose");
        Err(guarita::Error::new(ErrorCode::DataCorrupt, "no picture"))
    });
    assert_eq!(fake.detect(request()).unwrap_err().code(), ErrorCode::DataCorrupt);
    assert_eq!(fake.detect(Request::new([frame(), frame()])).unwrap_err().code(), ErrorCode::Internal);
    fake.set_ready(false);
    fake.set_expected_wait(SECOND);
    let health = fake.health();
    assert_eq!((health.ready, health.live, health.expected_wait), (false, true, SECOND));
}

fn broken_rules(report: &BehaviourReport) -> Vec<&'static str> {
    println!("{report}");
    report.failures().map(|check| check.name).collect()
}

#[test]
fn the_fake_keeps_the_rules() {
    for (price, latency_ms) in [(0, 0), (1_000, 0), (1_000, 5), (0, 5)] {
        let make = || -> Arc<dyn Provider> {
            let price = MicroDollars::from_micros(price);
            let fake = FakeProvider::new("fake").with_wants(&[Want::Labels, Want::Faces]).with_price(price);
            if latency_ms == 0 {
                return Arc::new(fake.always(Step::detections([person(2.0, 0.9), person(30.0, 0.6)])));
            }
            let late = Duration::from_millis(latency_ms);
            Arc::new(fake.always(Step::detections([person(2.0, 0.9), person(30.0, 0.6)]).after(late)))
        };
        let report = check_provider(&make, &frame());
        let skipped = report.checks.iter().filter(|check| matches!(check.outcome, Outcome::NotApplicable(_))).count();
        assert_eq!(skipped, if price == 0 { 2 } else { 0 }, "{report}");
        report.into_result().unwrap();
    }
    // Where nothing is found, the report says that boxes were not tried.
    let report = check_provider(&|| Arc::new(FakeProvider::new("blind")), &frame());
    let skipped: Vec<_> = report.checks.iter().filter(|check| check.outcome != Outcome::Passed).collect();
    assert_eq!(skipped.len(), 5, "{report}");
    assert!(report.into_result().is_ok());
}

/// A fake with one fault.
#[derive(Debug)]
struct Broken {
    fake: FakeProvider,
    fault: Fault,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    LosesReplies,
    BlocksInSubmit,
    Unbounded,
    PaysTwice,
    CallsInHealth,
}

impl Provider for Broken {
    fn name(&self) -> &str {
        self.fake.name()
    }

    fn capability(&self) -> Capability {
        self.fake.capability()
    }

    fn health(&self) -> Health {
        if self.fault == Fault::CallsInHealth {
            self.fake.detect(request()).unwrap();
        }
        self.fake.health()
    }

    fn submit(&self, mut request: Request, reply: Reply) {
        match self.fault {
            Fault::LosesReplies if self.fake.calls() % 3 == 2 => {
                drop(self.fake.detect(request));
                return;
            }
            Fault::BlocksInSubmit => {
                let (_keep, never) = mpsc::channel::<()>();
                let _ = never.recv_timeout(Duration::from_millis(60));
            }
            Fault::Unbounded => request.deadline = None,
            Fault::PaysTwice => request.idempotency_key = None,
            _ => {}
        }
        self.fake.submit(request, reply);
    }

    fn clock(&self) -> &dyn Clock {
        self.fake.clock()
    }
}

#[test]
fn the_suite_catches_providers_that_break_the_rules() {
    let found = || Step::detections([person(2.0, 0.9), person(30.0, 0.6)]);
    for (fault, rules) in [
        (Fault::LosesReplies, &["many at once", "a reply that panics"][..]),
        (Fault::BlocksInSubmit, &["submit does not wait"]),
        (Fault::Unbounded, &["a deadline in the past"]),
        (Fault::PaysTwice, &["paid once, one after the other", "paid once, at the same time"]),
        (Fault::CallsInHealth, &["healthy before the first request"]),
    ] {
        let make = || -> Arc<dyn Provider> {
            let fake = FakeProvider::new("broken").with_price(MicroDollars::from_micros(7)).always(found());
            Arc::new(Broken { fake, fault })
        };
        let broken = broken_rules(&check_provider(&make, &frame()));
        for rule in rules {
            assert!(broken.iter().any(|name| name.contains(rule)), "{fault:?}: {rule}: {broken:?}");
        }
        assert!(fault == Fault::LosesReplies || broken.len() <= 2, "{fault:?}: {broken:?}");
    }
}

#[test]
fn the_suite_catches_answers_that_break_the_rules() {
    /// What a closure answers for a request of which the right detections are given.
    type Spoil = fn(&Request, &mut Vec<guarita::Detections>);
    // What a reply puts right by itself, such as a box over the edge, is no fault.
    let cases: [(&str, Spoil); 7] = [
        ("boxes are pixels", |_, all| {
            for found in all {
                let size = found.frame;
                found.items.iter_mut().for_each(|item| item.bbox = item.bbox.normalized(size));
            }
        }),
        ("boxes are pixels", |_, all| {
            all.iter_mut().flat_map(|found| &mut found.items).for_each(|item| {
                item.bbox = BoundingBox::from_xyxy(item.bbox.x1 * 64.0, item.bbox.y1 * 48.0, 9000.0, 9000.0);
            });
        }),
        ("boxes of a region", |request, all| {
            for (found, region) in all.iter_mut().zip(&request.regions) {
                found.items.iter_mut().for_each(|item| item.bbox.x1 -= region.x1);
            }
        }),
        ("one result for each frame", |_, all| all.reverse()),
        ("one result for each frame", |_, all| drop(all.pop())),
        ("one result for each frame", |_, all| all.iter_mut().for_each(|found| found.items.reverse())),
        ("one result for each frame", |_, all| {
            all.iter_mut().flat_map(|found| &mut found.items).for_each(|item| item.confidence *= 100.0);
        }),
    ];
    for (k, (rule, spoil)) in cases.into_iter().enumerate() {
        let make = || -> Arc<dyn Provider> {
            let right = FakeProvider::new("right").always(Step::detections([person(22.0, 0.9), person(28.0, 0.6)]));
            Arc::new(FakeProvider::new("broken").answering(move |request| {
                let mut detections = right.detect(request.clone())?.detections;
                spoil(request, &mut detections);
                Ok(detections)
            }))
        };
        let broken = broken_rules(&check_provider(&make, &frame()));
        assert!(broken.iter().any(|name| name.contains(rule)), "case {k}: {rule}: {broken:?}");
    }
    let make = || -> Arc<dyn Provider> {
        // Deaf to what is asked: neither the least confidence nor the want.
        Arc::new(FakeProvider::new("deaf").answering(|request| {
            let items = || vec![person(5.0, 0.9), person(9.0, 0.2)];
            let of =
                |frame: &Frame| guarita::Detections::new(items(), frame.size(), guarita::detection::Timing::default());
            Ok(request.frames.iter().map(of).collect())
        }))
    };
    let broken = broken_rules(&check_provider(&make, &frame()));
    assert!(broken.contains(&"nothing below min_confidence"), "{broken:?}");
}
