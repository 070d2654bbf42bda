//! Every event in every state of the breaker, as data.

use crate::at;
use guarita::CircuitBreaker;
use guarita::resilience::BreakerState::{Closed, Disabled, ForcedOpen, HalfOpen, Open};
use guarita::resilience::TransitionReason as Why;
use guarita::resilience::{BreakerState, BreakerWindow, CircuitBreakerConfig, Permit};
use std::sync::{Arc, Mutex};

/// Where a row begins. Every row begins at 100 s.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Start {
    /// Nothing counted.
    Fresh,
    /// One more failure is the third in a row.
    Edge,
    /// Opened at 100 s, for 10 s.
    Opened,
    /// Half open, with no probe out.
    Probing,
    /// Half open, with one of two probes out, which is the permit of the row.
    OneOut,
    /// Half open, with both probes out; the row has one of them.
    AllOut,
    /// Half open, one probe has succeeded, the permit of the row is the other.
    OneLeft,
    /// The same, and the one that succeeded was slow.
    OneLeftSlow,
    Forced,
    Off,
}

/// What happens then.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Event {
    Acquire,
    /// A permit given in this state reports, or a new one where the row has none.
    Success,
    SlowSuccess,
    Failure,
    Ignore,
    Drop,
    /// A permit given before the state began reports.
    LateSuccess,
    LateFailure,
    /// Time passes: just not 10 s, 10 s, an hour back, and so long that probes count as hung.
    Almost,
    OpenTime,
    HourBack,
    HungTime,
    ForceOpen,
    Disable,
    Reset,
}

use Event::{
    Acquire, Almost, Disable, Drop, Failure, ForceOpen, HourBack, HungTime, Ignore, LateFailure, LateSuccess, OpenTime,
    Reset, SlowSuccess, Success,
};
use Start::{AllOut, Edge, Forced, Fresh, Off, OneLeft, OneLeftSlow, OneOut, Opened, Probing};

/// The state after the event, why it changed if it did, and whether a call passes then.
type Row = (Start, Event, BreakerState, Option<Why>, bool);

const TABLE: &[Row] = &[
    (Fresh, Acquire, Closed, None, true),
    (Fresh, Success, Closed, None, true),
    (Fresh, SlowSuccess, Closed, None, true),
    (Fresh, Failure, Closed, None, true),
    (Fresh, Ignore, Closed, None, true),
    (Fresh, Drop, Closed, None, true),
    (Fresh, LateSuccess, Closed, None, true),
    (Fresh, LateFailure, Closed, None, true),
    (Fresh, Almost, Closed, None, true),
    (Fresh, OpenTime, Closed, None, true),
    (Fresh, HourBack, Closed, None, true),
    (Fresh, HungTime, Closed, None, true),
    (Fresh, ForceOpen, ForcedOpen, Some(Why::Forced), false),
    (Fresh, Disable, Disabled, Some(Why::Disabled), true),
    (Fresh, Reset, Closed, None, true),
    (Edge, Acquire, Closed, None, true),
    (Edge, Success, Closed, None, true),
    (Edge, SlowSuccess, Closed, None, true),
    (Edge, Failure, Open, Some(Why::ConsecutiveFailures), false),
    (Edge, Ignore, Closed, None, true),
    (Edge, Drop, Closed, None, true),
    (Edge, LateSuccess, Closed, None, true),
    (Edge, LateFailure, Closed, None, true),
    (Edge, Almost, Closed, None, true),
    (Edge, OpenTime, Closed, None, true),
    (Edge, HourBack, Closed, None, true),
    (Edge, HungTime, Closed, None, true),
    (Edge, ForceOpen, ForcedOpen, Some(Why::Forced), false),
    (Edge, Disable, Disabled, Some(Why::Disabled), true),
    (Edge, Reset, Closed, None, true),
    // Open gives no permits, so only late ones can report.
    (Opened, Acquire, Open, None, false),
    (Opened, LateSuccess, Open, None, false),
    (Opened, LateFailure, Open, None, false),
    (Opened, Almost, Open, None, false),
    (Opened, OpenTime, HalfOpen, Some(Why::OpenTimeOver), true),
    (Opened, HourBack, Open, None, false),
    (Opened, HungTime, HalfOpen, Some(Why::OpenTimeOver), true),
    (Opened, ForceOpen, ForcedOpen, Some(Why::Forced), false),
    (Opened, Disable, Disabled, Some(Why::Disabled), true),
    (Opened, Reset, Closed, Some(Why::Reset), true),
    (Probing, Acquire, HalfOpen, None, true),
    (Probing, Success, HalfOpen, None, true),
    (Probing, SlowSuccess, HalfOpen, None, true),
    (Probing, Failure, Open, Some(Why::ProbeFailed), false),
    (Probing, Ignore, HalfOpen, None, true),
    (Probing, Drop, HalfOpen, None, true),
    (Probing, LateSuccess, HalfOpen, None, true),
    (Probing, LateFailure, HalfOpen, None, true),
    (Probing, Almost, HalfOpen, None, true),
    (Probing, OpenTime, HalfOpen, None, true),
    (Probing, HourBack, HalfOpen, None, true),
    (Probing, HungTime, HalfOpen, None, true),
    (Probing, ForceOpen, ForcedOpen, Some(Why::Forced), false),
    (Probing, Disable, Disabled, Some(Why::Disabled), true),
    (Probing, Reset, Closed, Some(Why::Reset), true),
    // The second probe leaves no place.
    (OneOut, Acquire, HalfOpen, None, false),
    (OneOut, Success, HalfOpen, None, true),
    (OneOut, SlowSuccess, HalfOpen, None, true),
    (OneOut, Failure, Open, Some(Why::ProbeFailed), false),
    (OneOut, Ignore, HalfOpen, None, true),
    (OneOut, Drop, HalfOpen, None, true),
    (OneOut, LateSuccess, HalfOpen, None, true),
    (OneOut, LateFailure, HalfOpen, None, true),
    (OneOut, Almost, HalfOpen, None, true),
    (OneOut, OpenTime, HalfOpen, None, true),
    (OneOut, HourBack, HalfOpen, None, true),
    // There is a place yet, so nothing is stuck.
    (OneOut, HungTime, HalfOpen, None, true),
    (OneOut, ForceOpen, ForcedOpen, Some(Why::Forced), false),
    (OneOut, Disable, Disabled, Some(Why::Disabled), true),
    (OneOut, Reset, Closed, Some(Why::Reset), true),
    (AllOut, Acquire, HalfOpen, None, false),
    // One succeeded, one is out: no third.
    (AllOut, Success, HalfOpen, None, false),
    (AllOut, SlowSuccess, HalfOpen, None, false),
    (AllOut, Failure, Open, Some(Why::ProbeFailed), false),
    (AllOut, Ignore, HalfOpen, None, true),
    (AllOut, Drop, HalfOpen, None, true),
    (AllOut, LateSuccess, HalfOpen, None, false),
    (AllOut, LateFailure, HalfOpen, None, false),
    (AllOut, Almost, HalfOpen, None, false),
    (AllOut, OpenTime, HalfOpen, None, false),
    (AllOut, HourBack, HalfOpen, None, false),
    (AllOut, HungTime, Open, Some(Why::ProbesHung), false),
    (AllOut, ForceOpen, ForcedOpen, Some(Why::Forced), false),
    (AllOut, Disable, Disabled, Some(Why::Disabled), true),
    (AllOut, Reset, Closed, Some(Why::Reset), true),
    (OneLeft, Acquire, HalfOpen, None, false),
    (OneLeft, Success, Closed, Some(Why::ProbesSucceeded), true),
    // One slow of two is less than the slow-call rate of 1.
    (OneLeft, SlowSuccess, Closed, Some(Why::ProbesSucceeded), true),
    (OneLeft, Failure, Open, Some(Why::ProbeFailed), false),
    (OneLeft, Ignore, HalfOpen, None, true),
    (OneLeft, Drop, HalfOpen, None, true),
    (OneLeft, LateSuccess, HalfOpen, None, false),
    (OneLeft, LateFailure, HalfOpen, None, false),
    (OneLeft, Almost, HalfOpen, None, false),
    (OneLeft, OpenTime, HalfOpen, None, false),
    (OneLeft, HourBack, HalfOpen, None, false),
    (OneLeft, HungTime, Open, Some(Why::ProbesHung), false),
    (OneLeft, ForceOpen, ForcedOpen, Some(Why::Forced), false),
    (OneLeft, Disable, Disabled, Some(Why::Disabled), true),
    (OneLeft, Reset, Closed, Some(Why::Reset), true),
    (OneLeftSlow, Acquire, HalfOpen, None, false),
    (OneLeftSlow, Success, Closed, Some(Why::ProbesSucceeded), true),
    (OneLeftSlow, SlowSuccess, Open, Some(Why::ProbesSlow), false),
    (OneLeftSlow, Failure, Open, Some(Why::ProbeFailed), false),
    (OneLeftSlow, Ignore, HalfOpen, None, true),
    (OneLeftSlow, Drop, HalfOpen, None, true),
    (OneLeftSlow, LateSuccess, HalfOpen, None, false),
    (OneLeftSlow, LateFailure, HalfOpen, None, false),
    (OneLeftSlow, Almost, HalfOpen, None, false),
    (OneLeftSlow, OpenTime, HalfOpen, None, false),
    (OneLeftSlow, HourBack, HalfOpen, None, false),
    (OneLeftSlow, HungTime, Open, Some(Why::ProbesHung), false),
    (OneLeftSlow, ForceOpen, ForcedOpen, Some(Why::Forced), false),
    (OneLeftSlow, Disable, Disabled, Some(Why::Disabled), true),
    (OneLeftSlow, Reset, Closed, Some(Why::Reset), true),
    // Forced open gives no permits either.
    (Forced, Acquire, ForcedOpen, None, false),
    (Forced, LateSuccess, ForcedOpen, None, false),
    (Forced, LateFailure, ForcedOpen, None, false),
    (Forced, Almost, ForcedOpen, None, false),
    (Forced, OpenTime, ForcedOpen, None, false),
    (Forced, HourBack, ForcedOpen, None, false),
    (Forced, HungTime, ForcedOpen, None, false),
    (Forced, ForceOpen, ForcedOpen, None, false),
    (Forced, Disable, Disabled, Some(Why::Disabled), true),
    (Forced, Reset, Closed, Some(Why::Reset), true),
    (Off, Acquire, Disabled, None, true),
    (Off, Success, Disabled, None, true),
    (Off, SlowSuccess, Disabled, None, true),
    (Off, Failure, Disabled, None, true),
    (Off, Ignore, Disabled, None, true),
    (Off, Drop, Disabled, None, true),
    (Off, LateSuccess, Disabled, None, true),
    (Off, LateFailure, Disabled, None, true),
    (Off, Almost, Disabled, None, true),
    (Off, OpenTime, Disabled, None, true),
    (Off, HourBack, Disabled, None, true),
    (Off, HungTime, Disabled, None, true),
    (Off, ForceOpen, ForcedOpen, Some(Why::Forced), false),
    (Off, Disable, Disabled, None, true),
    (Off, Reset, Closed, Some(Why::Reset), true),
];

const STARTS: [Start; 10] = [Fresh, Edge, Opened, Probing, OneOut, AllOut, OneLeft, OneLeftSlow, Forced, Off];
const EVENTS: [Event; 15] = [
    Acquire,
    Success,
    SlowSuccess,
    Failure,
    Ignore,
    Drop,
    LateSuccess,
    LateFailure,
    Almost,
    OpenTime,
    HourBack,
    HungTime,
    ForceOpen,
    Disable,
    Reset,
];

/// A breaker in a state, the permits a row needs, and what its listener saw since.
struct Scene {
    breaker: CircuitBreaker,
    /// Given in the state; the last one is the row's.
    permits: Vec<Permit>,
    late: Permit,
    told: Arc<Mutex<Vec<guarita::resilience::BreakerTransition>>>,
}

fn scene(start: Start) -> Scene {
    let breaker = CircuitBreaker::new(CircuitBreakerConfig {
        consecutive_failures: 3,
        slow_call_s: 5.0,
        window: BreakerWindow::Calls(10),
        minimum_calls: 10,
        open_s: 10.0,
        half_open_permits: 2,
        half_open_max_s: 300.0,
        ..Default::default()
    })
    .unwrap();
    // From before the reset: of an earlier generation, also for the closed rows.
    let late = breaker.try_acquire(at(50.0)).unwrap();
    breaker.reset(at(50.0));
    let fail = |now: f64, times: u32| (0..times).for_each(|_| breaker.try_acquire(at(now)).unwrap().failure(at(now)));
    let probe = |now: f64| breaker.try_acquire(at(now)).unwrap();
    let mut permits = Vec::new();
    match start {
        Fresh => {}
        Edge => fail(100.0, 2),
        Opened => fail(100.0, 3),
        Forced => breaker.force_open(at(100.0)),
        Off => breaker.disable(at(100.0)),
        Probing | OneOut | AllOut | OneLeft | OneLeftSlow => {
            fail(80.0, 3);
            match start {
                OneOut => permits.push(probe(100.0)),
                AllOut => permits.extend([probe(100.0), probe(100.0)]),
                OneLeft => probe(100.0).success(at(100.0)),
                OneLeftSlow => probe(94.0).success(at(100.0)),
                _ => {}
            }
            if matches!(start, OneLeft | OneLeftSlow) {
                permits.push(probe(100.0));
            }
        }
    }
    breaker.state(at(100.0));
    let told = Arc::new(Mutex::new(Vec::new()));
    let breaker = breaker.with_listener({
        let told = told.clone();
        move |change| told.lock().unwrap().push(*change)
    });
    Scene { breaker, permits, late, told }
}

/// The time after the event; for rows about a passing of time, nothing else happens.
fn act(event: Event, scene: &mut Scene) -> f64 {
    let Scene { breaker, permits, .. } = scene;
    let mut permit = || permits.pop().unwrap_or_else(|| breaker.try_acquire(at(100.0)).unwrap());
    match event {
        Acquire => permits.extend(breaker.try_acquire(at(100.0)).ok()),
        Success => permit().success(at(105.0)),
        SlowSuccess => {
            permit().success(at(105.1));
            return 105.1;
        }
        Failure => permit().failure(at(105.0)),
        Ignore => permit().ignore(),
        Drop => drop(permit()),
        Almost => return 109.9,
        OpenTime => return 110.0,
        HourBack => return 100.0 - 3_600.0,
        HungTime => return 400.0,
        ForceOpen => breaker.force_open(at(100.0)),
        Disable => breaker.disable(at(100.0)),
        Reset => breaker.reset(at(100.0)),
        LateSuccess | LateFailure => {}
    }
    100.0
}

#[test]
fn every_event_in_every_state() {
    for &(start, event, expected, why, passes) in TABLE {
        let mut scene = scene(start);
        let row = format!("{start:?} {event:?}");
        let before = scene.breaker.state(at(100.0));
        let now = at(act(event, &mut scene));
        let Scene { breaker, permits, late, told } = scene;
        match event {
            LateSuccess => late.success(at(100.0)),
            LateFailure => late.failure(at(100.0)),
            _ => drop(late),
        }
        assert_eq!(breaker.state(now), expected, "{row}");
        let told = told.lock().unwrap().clone();
        assert_eq!(told.iter().map(|change| change.why).collect::<Vec<_>>(), Vec::from_iter(why), "{row}");
        if let [change] = told[..] {
            assert_eq!((change.from, change.to), (before, expected), "{row}");
            assert_eq!(change.open_for.is_some(), expected == Open, "{row}");
        }
        match breaker.try_acquire(now) {
            Ok(_) => assert!(passes, "{row}: passes"),
            Err(refusal) => {
                assert!(!passes, "{row}: {refusal}");
                assert_eq!(refusal.state, expected, "{row}");
                assert_eq!(refusal.retry_after.is_some(), expected == Open, "{row}");
            }
        }
        drop(permits);
    }
}

#[test]
fn the_table_is_complete() {
    for start in STARTS {
        // Where no permit is given, only permits from before can report.
        let silent = matches!(start, Opened | Forced);
        for event in EVENTS {
            let rows = TABLE.iter().filter(|row| (row.0, row.1) == (start, event)).count();
            let reports = matches!(event, Success | SlowSuccess | Failure | Ignore | Drop);
            assert_eq!(rows, usize::from(!(silent && reports)), "{start:?} {event:?}");
        }
    }
}
