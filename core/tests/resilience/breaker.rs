//! Rules of the breaker that a table does not show, and many threads.

use crate::{at, error};
use guarita::resilience::{
    BreakerOpen, BreakerState, BreakerWindow, CircuitBreakerConfig, FailurePolicy, Permit, TransitionReason, Verdict,
    classify, is_retryable,
};
use guarita::{Advice, CircuitBreaker, Error, ErrorCode, Timestamp};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;

fn breaker(config: CircuitBreakerConfig) -> CircuitBreaker {
    CircuitBreaker::new(config).unwrap()
}

fn calls(breaker: &CircuitBreaker, now: f64, results: &str) {
    for result in results.chars() {
        let permit = breaker.try_acquire(at(now)).unwrap();
        match result {
            '.' => permit.success(at(now)),
            'x' => permit.failure(at(now)),
            's' => permit.success(at(now) + Duration::from_secs(61)),
            other => panic!("{other}"),
        }
    }
}

/// Runs the calls one after the other; the reason and number of the call that opened it.
fn opens_at(config: &CircuitBreakerConfig, results: &str) -> Option<(usize, TransitionReason)> {
    let why = Arc::new(Mutex::new(None));
    let breaker = breaker(config.clone()).with_listener({
        let why = why.clone();
        move |change| *why.lock().unwrap() = Some(change.why)
    });
    let mut now = 0.0;
    for (k, result) in results.chars().enumerate() {
        calls(&breaker, now, result.encode_utf8(&mut [0; 4]));
        now += 61.0;
        if let Some(why) = *why.lock().unwrap() {
            return Some((k + 1, why));
        }
    }
    None
}

#[test]
fn what_trips_it() {
    use TransitionReason::{ConsecutiveFailures, FailureRate, SlowCallRate};
    let rates = |failure_rate, slow_call_rate| CircuitBreakerConfig {
        consecutive_failures: 0,
        failure_rate,
        slow_call_rate,
        window: BreakerWindow::Calls(4),
        minimum_calls: 3,
        ..Default::default()
    };
    let cases = [
        (CircuitBreakerConfig::default(), "xxxx.xxxx.xxxx", None),
        (CircuitBreakerConfig::default(), "xxxx.xxxxx", Some((10, ConsecutiveFailures))),
        // A success may be the call that makes enough calls.
        (rates(0.5, 0.0), "xx.", Some((3, FailureRate))),
        (rates(0.5, 0.0), "x..", None),
        (rates(0.5, 0.0), "x..x", Some((4, FailureRate))),
        // The first failure has left the window of 4.
        (rates(0.5, 0.0), "x...x..", None),
        (rates(0.5, 0.0), "...xx", Some((5, FailureRate))),
        (rates(1.0, 0.0), "xx.xxx", None),
        (rates(1.0, 0.0), "xx.xxxx", Some((7, FailureRate))),
        (rates(0.0, 0.5), "xxxxxxxx", None),
        (rates(0.0, 0.5), "s.s", Some((3, SlowCallRate))),
        (rates(0.9, 1.0), "sxss.ss", None),
        (rates(0.9, 1.0), "xsss.", None),
        (rates(0.9, 1.0), "xssss", Some((5, SlowCallRate))),
    ];
    for (config, results, expected) in cases {
        assert_eq!(opens_at(&config, results), expected, "{results} {config:?}");
    }
    // 10 of 100 are 0.1, although 0.1 has no exact f32.
    for (rate, failures) in [(0.1f32, 10), (0.07, 7), (0.29, 29), (0.57, 57)] {
        let config = CircuitBreakerConfig {
            consecutive_failures: 0,
            failure_rate: rate,
            minimum_calls: 100,
            ..Default::default()
        };
        let results = |failures: usize| format!("{}{}", ".".repeat(100 - failures), "x".repeat(failures));
        assert_eq!(opens_at(&config, &results(failures)), Some((100, FailureRate)), "{rate}");
        assert_eq!(opens_at(&config, &results(failures - 1)), None, "{rate}");
    }
}

#[test]
fn a_window_of_time_forgets() {
    let config = CircuitBreakerConfig {
        consecutive_failures: 0,
        window: BreakerWindow::Time { seconds: 20.0 },
        minimum_calls: 1,
        failure_rate: 0.9,
        ..Default::default()
    };
    let breaker = breaker(config);
    calls(&breaker, 0.5, ".....x");
    let calls_at = |now: f64| breaker.counts(at(now)).calls;
    // Slices of 1 s: what ended in second 0 goes when second 20 begins.
    assert_eq!((calls_at(1.0), calls_at(19.0), calls_at(20.4)), (6, 6, 6));
    assert_eq!(calls_at(20.5), 0);
    calls(&breaker, 20.5, "..");
    calls(&breaker, 30.0, "...");
    assert_eq!((calls_at(40.4), calls_at(40.5), calls_at(1e6)), (5, 3, 0));
    calls(&breaker, 1e6, ".");
    // Back by an hour: what is there grows old from here.
    assert_eq!(calls_at(1e6 - 3_600.0), 1);
    assert_eq!(calls_at(1e6 - 3_579.0), 0);
}

#[test]
fn open_times_grow_to_the_limit_and_start_anew_after_closing() {
    let config = CircuitBreakerConfig {
        consecutive_failures: 1,
        open_s: 10.0,
        open_growth: 3.0,
        open_max_s: 100.0,
        ..Default::default()
    };
    let breaker = breaker(config);
    let mut now = 0.0;
    let mut waits = Vec::new();
    for round in 0..6 {
        if round == 4 {
            breaker.try_acquire(at(now)).unwrap().success(at(now));
        }
        calls(&breaker, now, "x");
        let wait = breaker.try_acquire(at(now)).unwrap_err().retry_after.unwrap().as_secs_f64();
        assert!(breaker.try_acquire(at(now + wait - 0.001)).is_err());
        now += wait;
        waits.push(wait);
    }
    assert_eq!(waits, [10.0, 30.0, 90.0, 100.0, 10.0, 30.0]);
}

#[test]
fn jitter_lengthens_within_its_share_and_follows_the_seed() {
    let config =
        CircuitBreakerConfig { consecutive_failures: 1, open_s: 10.0, open_jitter: 0.25, ..Default::default() };
    let waits = |seed: u64| {
        let breaker = breaker(config.clone()).with_seed(seed);
        let mut now = 0.0;
        let mut waits = Vec::new();
        for _ in 0..200 {
            calls(&breaker, now, "x");
            let wait = breaker.try_acquire(at(now)).unwrap_err().retry_after.unwrap().as_secs_f64();
            assert!((10.0..12.5).contains(&wait), "{wait}");
            waits.push(wait);
            now += 13.0;
        }
        waits
    };
    let drawn = waits(1);
    assert!(drawn.iter().any(|&wait| wait < 10.2) && drawn.iter().any(|&wait| wait > 12.3));
    assert_eq!(drawn, waits(1));
    assert_ne!(drawn, waits(2));
}

#[test]
fn a_clock_set_back_does_not_keep_it_open() {
    for back in [5.0, 11.0, 3_600.0, 9e9] {
        let breaker = breaker(CircuitBreakerConfig { consecutive_failures: 1, ..Default::default() });
        calls(&breaker, 10_000.0, "x");
        assert_eq!(breaker.state(at(10_030.0)), BreakerState::Open);
        let start = 10_030.0 - back;
        assert_eq!(breaker.state(at(start)), BreakerState::Open, "{back}");
        // 30 s are left, and up to 10 s for a small step back.
        assert_eq!(breaker.state(at(start + 29.0)), BreakerState::Open, "{back}");
        assert_eq!(breaker.state(at(start + 40.0)), BreakerState::HalfOpen, "{back}");
    }
}

#[test]
fn hostile_times_do_no_harm() {
    let breaker = breaker(CircuitBreakerConfig {
        consecutive_failures: 1,
        open_growth: 10.0,
        open_jitter: 1.0,
        open_s: 3600.0,
        open_max_s: 86_400.0,
        window: BreakerWindow::Time { seconds: 0.1 },
        ..Default::default()
    });
    let times = [i64::MIN, i64::MAX, 0, -1, 1, i64::MAX - 1, i64::MIN + 1].map(Timestamp::from_nanos);
    for &now in times.iter().cycle().take(10_000) {
        if let Ok(permit) = breaker.try_acquire(now) {
            permit.failure(now);
        }
        breaker.counts(now);
    }
    // And it still opens and closes.
    breaker.reset(at(0.0));
    breaker.try_acquire(at(0.0)).unwrap().failure(at(0.0));
    assert_eq!(breaker.state(at(3_599.0)), BreakerState::Open);
    breaker.try_acquire(at(7_200.0)).unwrap().success(at(7_200.0));
    assert_eq!(breaker.state(at(7_200.0)), BreakerState::Closed);
}

#[test]
fn hung_probes_are_waited_for_as_long_as_the_config_says() {
    let opened = |half_open_max_s| {
        let breaker = breaker(CircuitBreakerConfig { consecutive_failures: 1, half_open_max_s, ..Default::default() });
        calls(&breaker, 0.0, "x");
        let probe = breaker.try_acquire(at(60.0)).unwrap();
        (breaker, probe)
    };
    let (patient, probe) = opened(0.0);
    assert_eq!(patient.state(at(1e9)), BreakerState::HalfOpen);
    probe.success(at(1e9));
    // It took more than 60 s, so it says that the other side is slow.
    assert_eq!(patient.state(at(1e9)), BreakerState::Open);

    let (strict, probe) = opened(120.0);
    assert_eq!(strict.state(at(179.9)), BreakerState::HalfOpen);
    assert_eq!(strict.state(at(180.0)), BreakerState::Open);
    let second = strict.try_acquire(at(240.0)).unwrap();
    // The hung one says something in the end: too late, and its place is not free twice.
    probe.success(at(240.0));
    assert!(strict.try_acquire(at(240.0)).is_err());
    second.success(at(241.0));
    assert_eq!(strict.state(at(241.0)), BreakerState::Closed);
}

#[test]
fn sixty_four_threads_get_exactly_the_permits_there_are() {
    for permits in [1, 2, 7, 63, 64] {
        let config = CircuitBreakerConfig { consecutive_failures: 1, half_open_permits: permits, ..Default::default() };
        let breaker = breaker(config);
        calls(&breaker, 0.0, "x");
        let start = Barrier::new(64);
        let given: Mutex<Vec<Permit>> = Mutex::default();
        // Every thread asks often, and drops and takes again now and then.
        std::thread::scope(|scope| {
            for k in 0..64 {
                let (breaker, start, given) = (&breaker, &start, &given);
                scope.spawn(move || {
                    start.wait();
                    for round in 0..50 {
                        if let Ok(permit) = breaker.try_acquire(at(60.0)) {
                            if (k + round) % 3 == 0 {
                                drop(permit);
                            } else {
                                given.lock().unwrap().push(permit);
                            }
                        }
                    }
                });
            }
        });
        // Places that were given back may be free at the end; then there are as many as are missing.
        let mut given = given.into_inner().unwrap();
        assert!(given.len() <= permits as usize, "{} of {permits}", given.len());
        while let Ok(permit) = breaker.try_acquire(at(60.0)) {
            given.push(permit);
        }
        assert_eq!(given.len(), permits as usize);
        for permit in given {
            assert_eq!(breaker.state(at(60.0)), BreakerState::HalfOpen);
            permit.success(at(60.0));
        }
        assert_eq!(breaker.state(at(60.0)), BreakerState::Closed);
    }
}

#[test]
fn never_more_probes_at_once_than_permits() {
    for permits in [1, 3] {
        let config = CircuitBreakerConfig { consecutive_failures: 1, half_open_permits: permits, ..Default::default() };
        let breaker = breaker(config);
        calls(&breaker, 0.0, "x");
        let (inside, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let start = Barrier::new(64);
        std::thread::scope(|scope| {
            for _ in 0..64 {
                scope.spawn(|| {
                    start.wait();
                    for _ in 0..200 {
                        if let Ok(permit) = breaker.try_acquire(at(60.0)) {
                            most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                            std::thread::yield_now();
                            inside.fetch_sub(1, Ordering::SeqCst);
                            permit.ignore();
                        }
                    }
                });
            }
        });
        assert!((1..=permits as usize).contains(&most.load(Ordering::SeqCst)), "{most:?}");
        assert_eq!(breaker.counts(at(60.0)).probes_out, 0);
    }
}

#[test]
fn listeners_see_a_gapless_chain_and_may_use_the_breaker() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let breaker = breaker(CircuitBreakerConfig { consecutive_failures: 1, open_s: 1.0, ..Default::default() });
    let handle = breaker.clone();
    // A breaker that holds itself is never freed; fine for a test.
    let breaker = breaker.with_listener({
        let told = told.clone();
        move |change| {
            let _ = handle.counts(change.at);
            told.lock().unwrap().push((change.from, change.to));
        }
    });
    std::thread::scope(|scope| {
        for k in 0..8 {
            let breaker = &breaker;
            scope.spawn(move || {
                for round in 0..500 {
                    let now = at(f64::from(round * 2));
                    match (k + round) % 4 {
                        0 => breaker.force_open(now),
                        1 => breaker.reset(now),
                        _ => {
                            if let Ok(permit) = breaker.try_acquire(now) {
                                permit.failure(now);
                            }
                        }
                    }
                }
            });
        }
    });
    let told = told.lock().unwrap();
    assert!(told.len() > 100, "{}", told.len());
    assert_eq!(told[0].0, BreakerState::Closed);
    assert!(told.windows(2).all(|pair| pair[0].1 == pair[1].0));
    assert_eq!(told.last().unwrap().1, breaker.state(at(0.0)));
}

#[test]
fn a_panicking_listener_does_not_break_the_breaker() {
    let told = Arc::new(AtomicUsize::new(0));
    let breaker = breaker(CircuitBreakerConfig::default()).with_listener({
        let told = told.clone();
        move |_| {
            if told.fetch_add(1, Ordering::SeqCst) == 0 {
                std::panic::resume_unwind(Box::new("a listener's fault"));
            }
        }
    });
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| breaker.force_open(at(0.0)))).unwrap_err();
    assert_eq!(breaker.state(at(0.0)), BreakerState::ForcedOpen);
    breaker.reset(at(0.0));
    assert_eq!(told.load(Ordering::SeqCst), 2);
}

#[test]
fn which_errors_count_and_which_are_worth_a_retry() {
    use Verdict::{NotCounted, OutOfMemory, Throttled, TimedOut, Unavailable};
    let cases = [
        (error(ErrorCode::Unavailable), Unavailable, true, true),
        (error(ErrorCode::Unavailable).with_advice(Advice::FixHost), Unavailable, true, false),
        (error(ErrorCode::DeadlineExceeded), TimedOut, true, true),
        (error(ErrorCode::RateLimited), Throttled, true, true),
        (error(ErrorCode::ResourceExhausted), OutOfMemory, true, true),
        (error(ErrorCode::ResourceExhausted).with_advice(Advice::ChangeInput), NotCounted, false, false),
        (BreakerOpen { state: BreakerState::Open, retry_after: None }.into(), NotCounted, false, false),
    ];
    for (error, verdict, counts, retryable) in cases {
        assert_eq!(classify(&error), verdict, "{error:?}");
        assert_eq!(FailurePolicy::default().counts(&error), counts, "{error:?}");
        assert_eq!(is_retryable(&error), retryable, "{error:?}");
        let lenient = FailurePolicy { throttling_counts: false };
        assert_eq!(lenient.counts(&error), counts && verdict != Throttled, "{error:?}");
    }
    for code in [
        ErrorCode::InvalidArgument,
        ErrorCode::InvalidConfig,
        ErrorCode::InvalidState,
        ErrorCode::NotFound,
        ErrorCode::Unsupported,
        ErrorCode::ModelInvalid,
        ErrorCode::RuntimeUnavailable,
        ErrorCode::Overloaded,
        ErrorCode::BudgetExhausted,
        ErrorCode::PermissionDenied,
        ErrorCode::DataCorrupt,
        ErrorCode::Cancelled,
        ErrorCode::Internal,
    ] {
        let error = error(code);
        assert_eq!(classify(&error), NotCounted, "{code}");
        assert!(!FailurePolicy::default().counts(&error) && !is_retryable(&error), "{code}");
    }
}

#[test]
fn a_refusal_is_an_error_that_says_when() {
    let breaker = breaker(CircuitBreakerConfig { consecutive_failures: 1, ..Default::default() });
    calls(&breaker, 0.0, "x");
    let error: Error = breaker.try_acquire(at(15.0)).unwrap_err().into();
    assert_eq!((error.code(), error.advice()), (ErrorCode::Unavailable, Advice::RetryLater));
    assert_eq!(error.to_string(), "the circuit breaker is open; ask again in 45.0 s");
}

#[test]
fn settled_permits() {
    let policy = FailurePolicy::default();
    let breaker = breaker(CircuitBreakerConfig::default());
    let permit = || breaker.try_acquire(at(0.0)).unwrap();
    policy.settle(permit(), None, at(0.0));
    policy.settle(permit(), Some(&error(ErrorCode::RateLimited)), at(0.0));
    policy.settle(permit(), Some(&error(ErrorCode::InvalidArgument)), at(0.0));
    let counts = breaker.counts(at(0.0));
    assert_eq!((counts.calls, counts.failures), (2, 1));
}

/// Not a benchmark: run it by hand, in release, to see what a call costs.
#[test]
#[ignore = "prints a figure"]
#[expect(clippy::disallowed_methods, reason = "it measures")]
fn what_a_call_costs() {
    let breaker = breaker(CircuitBreakerConfig::default());
    let rounds = 5_000_000;
    for _ in 0..5 {
        let start = std::time::Instant::now();
        for k in 0..rounds {
            let now = Timestamp::from_nanos(k * 100);
            if let Ok(permit) = std::hint::black_box(&breaker).try_acquire(now) {
                permit.success(now);
            }
        }
        println!("{:.1} ns", start.elapsed().as_nanos() as f64 / rounds as f64);
    }
}
