//! Every interleaving of two or three threads at one breaker, bulkhead or bucket.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test")]

use guarita_loom::{
    BreakerState, Bulkhead, CircuitBreaker, CircuitBreakerConfig, Error, ErrorCode, RetryConfig, RetryDecision,
    RetryPolicy, Timestamp,
};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

const fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1_000)
}

/// A breaker that one failure opened at 0 s, for 10 s.
fn opened(half_open_permits: u32) -> CircuitBreaker {
    let config =
        CircuitBreakerConfig { consecutive_failures: 1, open_s: 10.0, half_open_permits, ..Default::default() };
    let breaker = CircuitBreaker::new(config).unwrap();
    breaker.try_acquire(at(0)).unwrap().failure(at(0));
    breaker
}

#[test]
fn a_probe_permit_is_never_given_twice() {
    for permits in [1, 2] {
        loom::model(move || {
            let breaker = opened(permits);
            let threads = [(); 2].map(|()| {
                let breaker = breaker.clone();
                thread::spawn(move || breaker.try_acquire(at(10)).ok())
            });
            // The third thread is this one.
            let mut given = vec![breaker.try_acquire(at(10)).ok()];
            given.extend(threads.map(|thread| thread.join().unwrap()));
            let given: Vec<_> = given.into_iter().flatten().collect();
            assert_eq!(given.len(), permits as usize);
            assert_eq!(breaker.counts(at(10)).probes_out, permits);
        });
    }
}

#[test]
fn dropped_permits_come_back() {
    loom::model(|| {
        let breaker = opened(1);
        let threads = [(); 2].map(|()| {
            let breaker = breaker.clone();
            thread::spawn(move || breaker.try_acquire(at(10)).is_ok())
        });
        // At least the first one in gets it; whoever comes after the drop gets it again.
        let got = threads.map(|thread| thread.join().unwrap());
        assert!(got.contains(&true));
        assert_eq!(breaker.counts(at(10)).probes_out, 0);
        let probe = breaker.try_acquire(at(10)).unwrap();
        assert!(breaker.try_acquire(at(10)).is_err());
        probe.success(at(10));
        assert_eq!(breaker.state(at(10)), BreakerState::Closed);
    });
}

#[test]
fn no_result_is_lost() {
    loom::model(|| {
        let breaker = CircuitBreaker::new(CircuitBreakerConfig::default()).unwrap();
        let threads = [true, false].map(|fails| {
            let breaker = breaker.clone();
            thread::spawn(move || {
                let permit = breaker.try_acquire(at(0)).unwrap();
                if fails { permit.failure(at(1)) } else { permit.success(at(1)) }
            })
        });
        for thread in threads {
            thread.join().unwrap();
        }
        let counts = breaker.counts(at(1));
        assert_eq!((counts.calls, counts.failures), (2, 1));
    });
}

#[test]
fn a_late_result_does_not_count_for_the_next_round() {
    loom::model(|| {
        let breaker = opened(1);
        let probe = breaker.try_acquire(at(10)).unwrap();
        let resetting = {
            let breaker = breaker.clone();
            thread::spawn(move || breaker.reset(at(10)))
        };
        probe.failure(at(10));
        resetting.join().unwrap();
        // Whichever came first, it is closed with nothing counted.
        assert_eq!(breaker.state(at(10)), BreakerState::Closed);
        assert_eq!(breaker.counts(at(10)).failures, 0);
    });
}

#[test]
fn each_transition_is_told_once_and_in_order() {
    loom::model(|| {
        let told = Arc::new(loom::sync::Mutex::new(Vec::new()));
        let config = CircuitBreakerConfig { consecutive_failures: 1, ..Default::default() };
        let breaker = CircuitBreaker::new(config).unwrap().with_listener({
            let told = told.clone();
            move |change| told.lock().unwrap().push((change.from, change.to))
        });
        let permit = breaker.try_acquire(at(0)).unwrap();
        let forcing = {
            let breaker = breaker.clone();
            thread::spawn(move || breaker.force_open(at(0)))
        };
        permit.failure(at(0));
        forcing.join().unwrap();
        let told = told.lock().unwrap();
        // The failure may come too late to count; the chain never has a gap.
        assert!(matches!(told.len(), 1 | 2), "{told:?}");
        assert_eq!(told[0].0, BreakerState::Closed);
        assert!(told.windows(2).all(|pair| pair[0].1 == pair[1].0), "{told:?}");
        assert_eq!(told[told.len() - 1].1, BreakerState::ForcedOpen);
    });
}

#[test]
fn hung_probes_and_a_late_answer() {
    loom::model(|| {
        let breaker = opened(1);
        let probe = breaker.try_acquire(at(10)).unwrap();
        let asking = {
            let breaker = breaker.clone();
            thread::spawn(move || breaker.state(at(10_000)))
        };
        probe.success(at(10_000));
        let seen = asking.join().unwrap();
        // The answer came first and counts, or it came after the breaker gave the probe up.
        let expected = if seen == BreakerState::Closed { BreakerState::Closed } else { BreakerState::Open };
        assert_eq!(breaker.state(at(10_000)), expected);
    });
}

#[test]
fn a_bulkhead_has_as_many_places_as_it_says() {
    loom::model(|| {
        let bulkhead = Bulkhead::new(1).unwrap();
        let inside = Arc::new(AtomicUsize::new(0));
        let enter = {
            let (bulkhead, inside) = (bulkhead.clone(), inside.clone());
            move || {
                if let Some(permit) = bulkhead.try_enter() {
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                    inside.fetch_sub(1, Ordering::SeqCst);
                    drop(permit);
                }
            }
        };
        let other = thread::spawn(enter.clone());
        enter();
        other.join().unwrap();
        assert_eq!(bulkhead.in_flight(), 0);
    });
}

#[test]
fn the_last_tokens_are_taken_once() {
    loom::model(|| {
        let policy = RetryPolicy::new(RetryConfig { bucket: 5, ..Default::default() }, 0).unwrap();
        let ask = {
            let policy = policy.clone();
            move || {
                let error = Error::new(ErrorCode::Unavailable, "503");
                matches!(policy.next(&error, 1, None, at(0), None), RetryDecision::Again { .. })
            }
        };
        let other = thread::spawn(ask.clone());
        let mine = ask();
        assert!(mine ^ other.join().unwrap());
        assert_eq!(policy.tokens(), 0);
    });
}
