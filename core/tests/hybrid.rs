//! Two providers as one, on a clock that is moved by hand: who is asked, who answers, and what is paid.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test")]

mod common;

use common::Random;
use guarita::budget::MicroDollars;
use guarita::clock::{Clock, ManualClock, SystemClock, UnixTime};
use guarita::detection::{ImageLabel, Label, Timing};
use guarita::provider::{
    AnswerReason, Cancellation, Capability, Escalation, Health, HybridConfig, HybridMode, Latency, PendingAnswer,
    Priority, Reply, Request, Response, Side, Want,
};
use guarita::resilience::{BreakerState, BreakerTransition, CircuitBreakerConfig};
use guarita::testkit::{FakeProvider, Step, check_provider};
use guarita::{
    BoundingBox, CircuitBreaker, Detection, Detections, ErrorCode, Frame, HybridProvider, PixelFormat, Provider, Size,
    Timestamp,
};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const CENT: MicroDollars = MicroDollars::from_micros(10_000);

fn frame() -> Frame {
    common::flat(Size::new(64, 48), PixelFormat::Gray8, &[90])
}

fn person(confidence: f32) -> Detection {
    let label = Label { id: 0, name: "person".into() };
    Detection::new(BoundingBox::from_xyxy(10.0, 10.0, 30.0, 40.0), label, confidence)
}

fn request() -> Request {
    Request::new([frame()])
}

/// A hybrid of two fakes, and the hands on everything.
struct Bench {
    clock: Arc<ManualClock>,
    local: FakeProvider,
    cloud: FakeProvider,
    hybrid: HybridProvider,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Bench {
    fn new(mode: HybridMode) -> Self {
        Self::with(HybridConfig { mode, ..HybridConfig::default() }, |local| local, |cloud| cloud)
    }

    fn with(
        config: HybridConfig,
        local: impl FnOnce(FakeProvider) -> FakeProvider,
        cloud: impl FnOnce(FakeProvider) -> FakeProvider,
    ) -> Self {
        let clock = Arc::new(ManualClock::new(UnixTime::from_secs(1_800_000_000)));
        let local = local(FakeProvider::new("local").with_clock(clock.clone()));
        let cloud = cloud(
            FakeProvider::new("cloud")
                .with_clock(clock.clone())
                .with_price(CENT)
                .with_wants(&[Want::Labels, Want::Text]),
        );
        let heard = Arc::new(Mutex::new(Vec::new()));
        let hears = heard.clone();
        let hybrid = HybridProvider::with_listener(
            Arc::new(local.clone()),
            Arc::new(cloud.clone()),
            config,
            move |side, want, change| {
                hears.lock().unwrap().push(format!("{side:?} {want}: {:?} to {:?}", change.from, change.to));
            },
        )
        .unwrap();
        Self { clock, local, cloud, hybrid, heard }
    }

    fn submit(&self, request: Request) -> PendingAnswer {
        let (reply, answer) = Reply::channel();
        self.hybrid.submit(request, reply);
        answer
    }

    fn pass(&self, ms: u64) {
        self.clock.advance(Duration::from_millis(ms));
        // An answer may lead to a call, and that to an answer.
        while self.local.tick() + self.cloud.tick() > 0 {}
        self.hybrid.tick();
        while self.local.tick() + self.cloud.tick() > 0 {}
    }

    fn in_ms(&self, ms: u64) -> Timestamp {
        self.clock.now() + Duration::from_millis(ms)
    }

    fn state(&self, side: Side) -> BreakerState {
        self.hybrid.breaker(side, Want::Labels).unwrap().state(self.clock.now())
    }
}

fn now(answer: &PendingAnswer) -> Response {
    answer.try_take().expect("an answer by now").unwrap()
}

fn code(answer: &PendingAnswer) -> ErrorCode {
    answer.try_take().expect("an answer by now").unwrap_err().code()
}

#[test]
fn an_outage_opens_the_breaker_and_a_probe_closes_it() {
    let bench = Bench::new(HybridMode::Failover);
    bench.local.set_down(Some(ErrorCode::Unavailable));
    for _ in 0..5 {
        let response = now(&bench.submit(request()));
        assert_eq!(response.answer.reason, AnswerReason::OtherFailed(ErrorCode::Unavailable));
        assert_eq!((&*response.answer.provider, response.cost), ("cloud", CENT));
    }
    assert_eq!((bench.local.calls(), bench.state(Side::Primary)), (5, BreakerState::Open));
    for _ in 0..20 {
        assert_eq!(now(&bench.submit(request())).answer.reason, AnswerReason::OtherOpen);
    }
    assert_eq!(bench.local.calls(), 5, "an open breaker lets nothing through");
    assert!(bench.hybrid.health().degraded.unwrap().contains("local: the breaker is open for labels"));
    assert!(bench.hybrid.health().ready, "the cloud answers");

    bench.local.set_down(None);
    bench.pass(60_000);
    assert_eq!(now(&bench.submit(request())).answer.reason, AnswerReason::Primary);
    assert_eq!(bench.state(Side::Primary), BreakerState::Closed);
    assert_eq!(bench.hybrid.health().degraded, None);
    assert_eq!(bench.cloud.billed(), CENT.times(25));
    let heard = bench.heard.lock().unwrap().join("; ");
    assert_eq!(
        heard,
        "Primary labels: Closed to Open; Primary labels: Open to HalfOpen; Primary labels: HalfOpen to Closed"
    );
}

#[test]
fn a_bad_picture_is_no_outage() {
    let bench = Bench::new(HybridMode::Failover);
    for fault in [ErrorCode::InvalidArgument, ErrorCode::DataCorrupt, ErrorCode::Unsupported, ErrorCode::Overloaded] {
        bench.local.set_down(Some(fault));
        for _ in 0..50 {
            assert_eq!(code(&bench.submit(request())), fault);
        }
    }
    assert_eq!((bench.cloud.calls(), bench.state(Side::Primary)), (0, BreakerState::Closed));
}

#[test]
fn a_slow_primary_is_left_after_five_seconds() {
    let bench = Bench::with(
        HybridConfig::default(),
        |local| local.script([Step::detections([person(0.9)]).after(Duration::from_secs(30))]),
        |cloud| cloud.script([Step::detections([person(0.8)]).after(Duration::from_secs(1))]),
    );
    let answer = bench.submit(request());
    bench.pass(4_999);
    assert_eq!(bench.cloud.calls(), 0);
    bench.pass(1);
    assert_eq!(bench.cloud.calls(), 1);
    bench.pass(1_000);
    let response = now(&answer);
    assert_eq!((response.answer.reason, response.cost), (AnswerReason::OtherSlow, CENT));
    assert_eq!(response.detections[0].items[0].confidence, 0.8);
    assert_eq!(bench.hybrid.breaker(Side::Primary, Want::Labels).unwrap().counts(bench.clock.now()).failures, 1);
    bench.pass(60_000);
    assert!(answer.try_take().is_none());
    assert_eq!((bench.local.calls(), bench.cloud.calls(), bench.cloud.billed()), (1, 1, CENT));
}

/// A provider that takes requests and begins with none until it is told to.
#[derive(Debug)]
struct Queue {
    clock: Arc<ManualClock>,
    waiting: Mutex<Vec<(Request, Reply)>>,
    begun: Mutex<u32>,
}

impl Queue {
    fn work(&self) {
        for (request, reply) in self.waiting.lock().unwrap().drain(..) {
            if request.cancellation.begin() {
                *self.begun.lock().unwrap() += 1;
                reply.send(Ok(Response::new(vec![], &"queue".into(), Latency::default())));
            }
        }
    }
}

impl Provider for Queue {
    fn name(&self) -> &str {
        "queue"
    }

    fn capability(&self) -> Capability {
        Capability::remote(&[Want::Labels], 1, 10, CENT)
    }

    fn health(&self) -> Health {
        Health::default()
    }

    fn submit(&self, request: Request, reply: Reply) {
        self.waiting.lock().unwrap().push((request, reply));
    }

    fn clock(&self) -> &dyn Clock {
        &*self.clock
    }
}

#[test]
fn a_late_primary_wins_where_the_cloud_has_not_begun() {
    for cloud_begins_first in [false, true] {
        let clock = Arc::new(ManualClock::default());
        let local = FakeProvider::new("local").with_clock(clock.clone());
        let local = local.always(Step::detections([person(0.9)]).after(Duration::from_secs(6)));
        let cloud = Arc::new(Queue { clock: clock.clone(), waiting: Mutex::default(), begun: Mutex::default() });
        let hybrid = HybridProvider::new(Arc::new(local.clone()), cloud.clone(), HybridConfig::default()).unwrap();
        let (reply, answer) = Reply::channel();
        hybrid.submit(request(), reply);
        clock.advance(Duration::from_secs(5));
        hybrid.tick();
        assert_eq!(cloud.waiting.lock().unwrap().len(), 1);
        if cloud_begins_first {
            cloud.work();
        }
        clock.advance(Duration::from_secs(1));
        local.tick();
        cloud.work();
        let answer = now(&answer).answer;
        let expected = if cloud_begins_first { AnswerReason::OtherSlow } else { AnswerReason::Primary };
        assert_eq!((answer.reason, *cloud.begun.lock().unwrap()), (expected, u32::from(cloud_begins_first)));
    }
}

#[test]
fn no_money_is_said_and_not_spent() {
    let no_money = Step::fail(ErrorCode::BudgetExhausted, "the month's cap");
    let bench = Bench::with(HybridConfig::default(), |local| local, |cloud| cloud.always(no_money));
    bench.local.set_down(Some(ErrorCode::Unavailable));
    for _ in 0..30 {
        assert_eq!(code(&bench.submit(request())), ErrorCode::BudgetExhausted);
    }
    assert_eq!(bench.cloud.billed(), MicroDollars::ZERO);
    assert_eq!(bench.state(Side::Fallback), BreakerState::Closed, "an empty purse is no outage");
}

#[test]
fn both_down_is_an_error_that_names_both() {
    let bench = Bench::new(HybridMode::Failover);
    bench.local.set_down(Some(ErrorCode::ResourceExhausted));
    bench.cloud.set_down(Some(ErrorCode::Unavailable));
    let error = bench.submit(request()).try_take().unwrap().unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unavailable);
    assert!(error.to_string().contains("before that:"), "{error}");
    for _ in 0..10 {
        bench.submit(request());
    }
    let health = bench.hybrid.health();
    let degraded = health.degraded.unwrap();
    assert!(
        degraded.contains("local: the breaker is open for labels; cloud: the breaker is open for labels"),
        "{degraded}"
    );
    assert!(health.ready, "the cloud can be asked for text still");
    assert_eq!((bench.local.calls(), bench.cloud.calls()), (5, 5), "both breakers opened after five");
    let error = bench.submit(request()).try_take().unwrap().unwrap_err();
    assert!(error.code() == ErrorCode::Unavailable && error.to_string().contains("local"), "{error}");
}

#[test]
fn balance_keeps_the_weights_and_either_side_stands_in() {
    let bench = Bench::new(HybridMode::Balance { primary: 3, fallback: 1 });
    for _ in 0..40 {
        now(&bench.submit(request()));
    }
    assert_eq!((bench.local.calls(), bench.cloud.calls()), (30, 10));
    bench.cloud.set_down(Some(ErrorCode::Unavailable));
    for _ in 0..40 {
        now(&bench.submit(request()));
    }
    assert_eq!((bench.local.calls(), bench.cloud.calls()), (70, 15), "the cloud's breaker opened after five");
}

#[test]
fn overflow_is_for_what_would_come_too_late() {
    let bench = Bench::new(HybridMode::Overflow);
    bench.local.set_expected_wait(Duration::from_secs(10));
    let patient = now(&bench.submit(request()));
    let in_time = now(&bench.submit(request().with_deadline(bench.in_ms(11_000))));
    let hurried = now(&bench.submit(request().with_deadline(bench.in_ms(9_000))));
    assert_eq!(
        [patient, in_time, hurried].map(|response| response.answer.reason),
        [AnswerReason::Primary, AnswerReason::Primary, AnswerReason::Overflow]
    );
    bench.local.set_down(Some(ErrorCode::Overloaded));
    assert_eq!(now(&bench.submit(request())).answer.reason, AnswerReason::Overflow);
    assert_eq!(bench.state(Side::Primary), BreakerState::Closed);
}

#[test]
fn overflow_goes_by_what_answers_took_where_the_queue_is_empty() {
    let bench = Bench::with(
        HybridConfig { mode: HybridMode::Overflow, ..HybridConfig::default() },
        |local| local.with_latency(Duration::from_millis(2_000)),
        |cloud| cloud,
    );
    let first = bench.submit(request());
    bench.pass(2_000);
    assert_eq!(now(&first).answer.reason, AnswerReason::Primary);
    let hurried = bench.submit(request().with_deadline(bench.in_ms(1_500)));
    assert_eq!(now(&hurried).answer.reason, AnswerReason::Overflow);
}

#[test]
fn what_is_said_of_both_sides() {
    let bench = Bench::new(HybridMode::Failover);
    assert_eq!(bench.hybrid.capability().price, CENT, "the most that a frame may cost");
    bench.local.set_expected_wait(Duration::from_secs(1));
    bench.cloud.set_expected_wait(Duration::from_secs(2));
    assert_eq!(bench.hybrid.health().expected_wait, Duration::from_secs(1));
    bench.local.set_ready(false);
    assert_eq!(bench.hybrid.health().expected_wait, Duration::from_secs(2));
}

#[test]
fn escalation_spends_on_what_is_worth_most() {
    let escalation = Escalation { from: 0.3, to: 0.7, per_minute: 20, window_s: 0.25 };
    let sure_of = [0.9, 0.35, 0.5, 0.68, 0.45, 0.55];
    let bench = Bench::with(
        HybridConfig { mode: HybridMode::Escalate(escalation), ..HybridConfig::default() },
        |local| local.script(sure_of.map(|confidence| Step::detections([person(confidence)]))),
        |cloud| cloud.always(Step::detections([person(0.99)])),
    );
    let ask = |priority| bench.submit(request().with_priority(priority).with_min_confidence(0.6));
    let mut answers: Vec<_> = sure_of[..5].iter().map(|_| ask(Priority::Normal)).collect();
    answers.push(ask(Priority::Critical));
    assert_eq!(now(&answers[0]).answer.reason, AnswerReason::Primary);
    assert!(answers[1..].iter().all(|answer| answer.try_take().is_none()), "they wait for each other");
    bench.pass(250);
    // Two at once are a tenth of 20 a minute: the critical one, and the least certain of the others.
    let responses: Vec<_> = answers[1..].iter().map(now).collect();
    let reasons: Vec<_> = responses.iter().map(|response| response.answer.reason).collect();
    let [yes, no] = [AnswerReason::Escalated, AnswerReason::NotEscalated];
    assert_eq!(reasons, [no, yes, no, no, yes]);
    assert_eq!(bench.cloud.billed(), CENT.times(2));
    // The primary is asked for what is uncertain, and the host gets no more than it wants.
    assert_eq!(bench.local.requests()[1].min_confidence, 0.3);
    let found: Vec<_> = responses.iter().map(|response| response.detections[0].len()).collect();
    assert_eq!(found, [0, 1, 1, 0, 1], "0.35 and 0.45 are less than 0.6, 0.68 is not, and the cloud is sure");
}

#[test]
fn who_is_not_waited_for_any_more_does_not_begin() {
    for end in ["an answer of the other one", "the deadline", "the provider's end"] {
        let clock = Arc::new(ManualClock::default());
        let local = Arc::new(Queue { clock: clock.clone(), waiting: Mutex::default(), begun: Mutex::default() });
        let cloud = FakeProvider::new("cloud").with_clock(clock.clone());
        let cloud = if end == "the deadline" { cloud.always(Step::never()) } else { cloud };
        let hybrid = HybridProvider::new(local.clone(), Arc::new(cloud), HybridConfig::default()).unwrap();
        let (reply, answer) = Reply::channel();
        hybrid.submit(request().with_deadline(Timestamp::from_millis(9_000)), reply);
        match end {
            "the provider's end" => drop(hybrid),
            _ => (0..9).for_each(|_| {
                clock.advance(Duration::from_secs(1));
                hybrid.tick();
            }),
        }
        assert!(answer.try_take().is_some(), "{end}");
        local.work();
        assert_eq!(*local.begun.lock().unwrap(), 0, "{end}");
    }
}

#[test]
fn what_only_one_can_do_goes_there() {
    let bench = Bench::new(HybridMode::Failover);
    let response = now(&bench.submit(request().with_want(Want::Text)));
    assert_eq!((response.answer.reason, &*response.answer.provider), (AnswerReason::OnlyOne, "cloud"));
    assert_eq!(code(&bench.submit(request().with_want(Want::Faces))), ErrorCode::Unsupported);
    // Each operation has breakers of its own.
    bench.cloud.set_down(Some(ErrorCode::Unavailable));
    for _ in 0..9 {
        assert_eq!(code(&bench.submit(request().with_want(Want::Text))), ErrorCode::Unavailable);
    }
    assert_eq!(bench.state(Side::Fallback), BreakerState::Closed);
    let of_text = bench.hybrid.breaker(Side::Fallback, Want::Text).unwrap();
    assert_eq!(of_text.state(bench.clock.now()), BreakerState::Open);
}

#[test]
fn one_key_is_paid_once() {
    let bench = Bench::new(HybridMode::Failover);
    bench.local.set_down(Some(ErrorCode::Unavailable));
    for _ in 0..3 {
        now(&bench.submit(request().with_idempotency_key("gate-7/12")));
    }
    assert_eq!(bench.cloud.billed(), CENT);
}

#[test]
fn a_request_that_was_taken_back_is_not_begun() {
    let bench = Bench::new(HybridMode::Failover);
    let mut taken_back = request();
    taken_back.cancellation = Cancellation::default();
    taken_back.cancellation.cancel();
    assert_eq!(code(&bench.submit(taken_back)), ErrorCode::Cancelled);
    assert_eq!(bench.local.calls(), 0);
}

#[test]
fn the_end_answers_everybody() {
    let bench = Bench::with(HybridConfig::default(), |local| local.always(Step::never()), |cloud| cloud);
    let answers: Vec<_> = (0..100).map(|_| bench.submit(request())).collect();
    let Bench { hybrid, .. } = bench;
    drop(hybrid);
    assert!(answers.iter().all(|answer| code(answer) == ErrorCode::Cancelled));
}

#[test]
fn a_provider_dropped_by_a_reply_does_not_wait_for_itself() {
    let config = HybridConfig { fallback_timeout_s: 0.02, ..HybridConfig::default() };
    let local = FakeProvider::new("local").always(Step::never());
    let hybrid = HybridProvider::new(Arc::new(local), Arc::new(FakeProvider::new("cloud")), config).unwrap();
    let holder = Arc::new(Mutex::new(Some(hybrid)));
    let (done, waits) = std::sync::mpsc::channel();
    let held = holder.clone();
    let reply = Reply::new(move |answer| {
        // On the thread of the time-outs.
        drop(held.lock().unwrap().take());
        done.send(answer.unwrap().answer.reason).unwrap();
    });
    let guard = holder.lock().unwrap();
    guard.as_ref().unwrap().submit(request(), reply);
    drop(guard);
    assert_eq!(waits.recv_timeout(Duration::from_secs(20)).unwrap(), AnswerReason::OtherSlow);
}

fn step(random: &mut Random) -> Step {
    let after = Duration::from_millis([0, 0, 40, 900, 4_999, 5_000, 7_000, 40_000][random.below(8)]);
    match random.below(10) {
        0 => Step::never(),
        1 => Step::fail(ErrorCode::Unavailable, "down").after(after),
        2 => Step::fail(ErrorCode::InvalidArgument, "bad").after(after),
        3 => Step::fail(ErrorCode::BudgetExhausted, "no money").after(after),
        4 => Step::dropped().after(after),
        5 => Step::fail(ErrorCode::Overloaded, "full").after(after),
        _ => Step::detections([person(random.below(100) as f32 / 100.0)]).after(after),
    }
}

#[test]
fn whatever_happens_each_request_is_answered_once_and_paid_at_most_once() {
    let modes = [
        HybridMode::Failover,
        HybridMode::Balance { primary: 2, fallback: 1 },
        HybridMode::Overflow,
        HybridMode::Escalate(Escalation { per_minute: 600, ..Escalation::default() }),
    ];
    for (seed, mode) in (0..40).zip(modes.into_iter().cycle()) {
        let random = Arc::new(Mutex::new(Random(seed + 1)));
        let primary_breaker = CircuitBreakerConfig { open_s: 3.0, ..CircuitBreakerConfig::default() };
        let scripted = |fake: FakeProvider| fake.script((0..300).map(|_| step(&mut random.lock().unwrap())));
        let config = HybridConfig { mode, primary_breaker, ..HybridConfig::default() };
        let bench = Bench::with(config, scripted, scripted);
        let mut answers = Vec::new();
        for n in 0..300 {
            let mut request = request().with_idempotency_key(&format!("{n}"));
            let wait = random.lock().unwrap().below(30_000) as u64;
            if wait > 10_000 {
                request = request.with_deadline(bench.in_ms(wait - 9_000));
            }
            answers.push(bench.submit(request));
            let pass = random.lock().unwrap().below(300) as u64;
            bench.pass(pass);
        }
        for _ in 0..80 {
            bench.pass(1_000);
        }
        for fake in [&bench.local, &bench.cloud] {
            let mut keys: Vec<_> = fake.requests().into_iter().filter_map(|call| call.key).collect();
            let calls = keys.len();
            keys.sort();
            keys.dedup();
            assert_eq!(keys.len(), calls, "one request was two calls (seed {seed})");
        }
        let in_flight = bench.hybrid.health().in_flight;
        let before = answers.iter().filter(|answer| answer.try_take().is_some()).count();
        assert_eq!(before + in_flight, 300, "seed {seed}, {mode:?}");
        // Those that are left hang on a side that never answers, and have no deadline.
        bench.local.close();
        bench.cloud.close();
        assert_eq!(bench.hybrid.health().in_flight, 0, "seed {seed}, {mode:?}");
    }
}

#[test]
fn a_primary_that_was_slow_once_is_not_left_for_ever() {
    let bench = Bench::with(
        HybridConfig { mode: HybridMode::Overflow, ..HybridConfig::default() },
        |local| local.with_latency(Duration::from_millis(20)).script([Step::nothing().after(Duration::from_secs(3))]),
        |cloud| cloud,
    );
    let warm_up = bench.submit(request());
    bench.pass(3_000);
    assert_eq!(now(&warm_up).answer.reason, AnswerReason::Primary);
    let mut reasons = Vec::new();
    for _ in 0..100 {
        bench.pass(60_000);
        let answer = bench.submit(request().with_deadline(bench.in_ms(1_000)));
        bench.pass(500);
        bench.pass(500);
        reasons.push(now(&answer).answer.reason);
    }
    assert_eq!(reasons, [AnswerReason::Primary; 100], "an idle primary is asked again, and is quick");
    // Still slow: the cloud answers in time all the same.
    let slow = bench.local.clone().always(Step::nothing().after(Duration::from_secs(3)));
    for _ in 0..4 {
        bench.submit(request());
        bench.pass(3_000);
    }
    bench.pass(60_000);
    let answer = bench.submit(request().with_deadline(bench.in_ms(1_000)));
    bench.pass(500);
    assert_eq!(now(&answer).answer.reason, AnswerReason::OtherSlow);
    drop(slow);
}

#[test]
fn a_hurry_does_not_open_the_breaker() {
    let bench =
        Bench::with(HybridConfig::default(), |local| local.with_latency(Duration::from_millis(30)), |cloud| cloud);
    for _ in 0..50 {
        let hopeless = bench.submit(request().with_deadline(bench.in_ms(1)));
        bench.pass(1);
        assert_eq!(code(&hopeless), ErrorCode::DeadlineExceeded);
        bench.pass(40);
    }
    let usual = bench.submit(request());
    bench.pass(30);
    assert_eq!(now(&usual).answer.reason, AnswerReason::Primary);
}

#[test]
fn nobody_waits_longer_than_the_time_out_of_requests() {
    let bench = Bench::with(HybridConfig::default(), |local| local, |cloud| cloud.always(Step::never()));
    bench.local.set_down(Some(ErrorCode::Unavailable));
    let answers: Vec<_> = (0..6).map(|_| bench.submit(request())).collect();
    bench.pass(59_999);
    assert!(answers.iter().all(|answer| answer.try_take().is_none()));
    bench.pass(1);
    assert!(answers.iter().all(|answer| code(answer) == ErrorCode::DeadlineExceeded));
    assert_eq!((bench.hybrid.health().in_flight, bench.state(Side::Fallback)), (0, BreakerState::Open));
}

#[test]
fn whatever_ails_a_cloud_the_local_side_answers() {
    let bench = Bench::new(HybridMode::Balance { primary: 0, fallback: 1 });
    let own_faults = [
        ErrorCode::PermissionDenied,
        ErrorCode::BudgetExhausted,
        ErrorCode::RateLimited,
        ErrorCode::Overloaded,
        ErrorCode::Internal,
        ErrorCode::RuntimeUnavailable,
    ];
    for fault in own_faults {
        bench.cloud.set_down(Some(fault));
        assert_eq!(now(&bench.submit(request())).answer.reason, AnswerReason::OtherFailed(fault));
    }
    bench.cloud.set_down(Some(ErrorCode::InvalidArgument));
    assert_eq!(code(&bench.submit(request())), ErrorCode::InvalidArgument);
}

#[test]
fn it_keeps_the_rules_of_providers() {
    let modes = [
        HybridMode::Failover,
        HybridMode::Balance { primary: 1, fallback: 1 },
        HybridMode::Overflow,
        HybridMode::Escalate(Escalation { window_s: 0.01, ..Escalation::default() }),
    ];
    for (mode, local_is_down) in modes.into_iter().flat_map(|mode| [(mode, false), (mode, true)]) {
        let make = || -> Arc<dyn Provider> {
            let fake = |name| FakeProvider::new(name).always(Step::detections([person(0.55), person(0.9)]));
            let (local, cloud) = (fake("local"), fake("cloud").with_price(CENT));
            if local_is_down {
                local.set_down(Some(ErrorCode::Unavailable));
            }
            let config = HybridConfig { mode, ..HybridConfig::default() };
            Arc::new(HybridProvider::new(Arc::new(local), Arc::new(cloud), config).unwrap())
        };
        let report = check_provider(&make, &frame());
        println!("{mode:?}, local is down: {local_is_down}\n{report}");
        assert!(!local_is_down || !report.to_string().contains("nobody was paid"), "{report}");
        report.into_result().unwrap();
    }
}

#[test]
fn time_passes_by_itself_on_the_machine_s_clock() {
    let config = HybridConfig { fallback_timeout_s: 0.05, ..HybridConfig::default() };
    let local = FakeProvider::new("local").always(Step::never());
    let hybrid = HybridProvider::new(Arc::new(local), Arc::new(FakeProvider::new("cloud")), config).unwrap();
    assert_eq!(hybrid.detect(request()).unwrap().answer.reason, AnswerReason::OtherSlow);
    let late = hybrid.clock().now() + Duration::from_millis(30);
    let error = hybrid.detect(request().with_want(Want::Labels).with_deadline(late)).unwrap_err();
    assert_eq!(error.code(), ErrorCode::DeadlineExceeded);
}

/// A provider as a user may write it.
struct Own(Box<dyn Fn(Request, Reply) + Send + Sync>);

impl std::fmt::Debug for Own {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Own")
    }
}

impl Provider for Own {
    fn name(&self) -> &str {
        "own"
    }

    fn capability(&self) -> Capability {
        Capability::local(&[Want::Labels], 1, 9)
    }

    fn health(&self) -> Health {
        Health::default()
    }

    fn submit(&self, request: Request, reply: Reply) {
        (self.0)(request, reply);
    }

    fn clock(&self) -> &dyn Clock {
        &SystemClock
    }
}

fn own(submit: impl Fn(Request, Reply) + Send + Sync + 'static) -> Arc<Own> {
    Arc::new(Own(Box::new(submit)))
}

#[test]
fn a_breaker_inside_of_a_provider_is_a_failure_of_that_provider() {
    let breaker = CircuitBreaker::new(CircuitBreakerConfig::default()).unwrap();
    breaker.force_open(SystemClock.now());
    let primary = own(move |_, reply| reply.send(Err(breaker.try_acquire(SystemClock.now()).unwrap_err().into())));
    let hybrid = HybridProvider::new(primary, Arc::new(FakeProvider::new("cloud")), HybridConfig::default()).unwrap();
    let response = hybrid.detect(request()).unwrap();
    assert_eq!(response.answer.reason, AnswerReason::OtherFailed(ErrorCode::Unavailable));
    let counts = hybrid.breaker(Side::Primary, Want::Labels).unwrap().counts(SystemClock.now());
    assert_eq!(counts.calls, 0, "no call was made");
}

#[test]
fn a_panic_in_submit_is_a_failure_and_time_goes_on() {
    let held = Mutex::new(Vec::new());
    let primary = own(move |_, reply| held.lock().unwrap().push(reply));
    // Called on the thread of the time-outs.
    let fallback = own(|_, _| std::panic::resume_unwind(Box::new("a fault of the user's")));
    let config = HybridConfig { fallback_timeout_s: 0.01, ..HybridConfig::default() };
    let hybrid = HybridProvider::new(primary, fallback, config).unwrap();
    for _ in 0..2 {
        let deadline = SystemClock.now() + Duration::from_millis(100);
        assert_eq!(hybrid.detect(request().with_deadline(deadline)).unwrap_err().code(), ErrorCode::DeadlineExceeded);
    }
}

#[test]
fn a_listener_that_panics_loses_no_answer() {
    let local = FakeProvider::new("local");
    local.set_down(Some(ErrorCode::Unavailable));
    let breaker = CircuitBreakerConfig { consecutive_failures: 1, ..CircuitBreakerConfig::default() };
    let config = HybridConfig { primary_breaker: breaker, ..HybridConfig::default() };
    let panics = |_: Side, _: Want, _: &BreakerTransition| std::panic::resume_unwind(Box::new("a fault of the user's"));
    let hybrid =
        HybridProvider::with_listener(Arc::new(local), Arc::new(FakeProvider::new("cloud")), config, panics).unwrap();
    let (reply, answer) = Reply::channel();
    hybrid.submit(request(), reply);
    assert_eq!(&*now(&answer).answer.provider, "cloud");
}

#[test]
fn labels_without_a_box_keep_to_the_least_confidence_too() {
    let primary = own(|request, reply| {
        let mut found = Detections::new(vec![], Size::new(64, 48), Timing::default());
        let sure = [0.9, 0.35].into_iter().filter(|&confidence| confidence >= request.min_confidence);
        found.image_labels = sure.map(|sure| ImageLabel::new(Label { id: 0, name: "car".into() }, sure)).collect();
        reply.send(Ok(Response::new(vec![found], &"own".into(), Latency::default())));
    });
    let config = HybridConfig { mode: HybridMode::Escalate(Escalation::default()), ..HybridConfig::default() };
    let hybrid = HybridProvider::new(primary, Arc::new(FakeProvider::new("cloud")), config).unwrap();
    assert_eq!(hybrid.detect(request()).unwrap().detections[0].image_labels.len(), 1);
}
