use crate::{at, error};
use guarita::resilience::{Bulkhead, GiveUpReason, RetryConfig, RetryDecision, RetryPolicy, RetryTokens, Timeout};
use guarita::{ErrorCode, Timestamp};
use std::time::Duration;

fn policy(config: RetryConfig) -> RetryPolicy {
    RetryPolicy::new(config, 1).unwrap()
}

fn waits(policy: &RetryPolicy, code: ErrorCode, attempt: u32, retry_after: Option<Duration>) -> Vec<f64> {
    (0..1_000)
        .map(|_| match policy.next(&error(code), attempt, retry_after, at(0.0), None) {
            RetryDecision::Again { after, taken } => {
                policy.succeeded(taken);
                after.as_secs_f64()
            }
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn waits_are_spread_over_a_range_that_doubles_up_to_the_cap() {
    let policy = policy(RetryConfig { attempts: 100, ..Default::default() });
    for (code, attempt, bound) in [
        (ErrorCode::Unavailable, 1, 0.05),
        (ErrorCode::Unavailable, 2, 0.1),
        (ErrorCode::DeadlineExceeded, 4, 0.4),
        (ErrorCode::Unavailable, 9, 12.8),
        (ErrorCode::Unavailable, 10, 20.0),
        (ErrorCode::Unavailable, 99, 20.0),
        (ErrorCode::RateLimited, 1, 1.0),
        (ErrorCode::RateLimited, 3, 4.0),
        // The first call is 1; 0 is taken for it.
        (ErrorCode::Unavailable, 0, 0.05),
    ] {
        let waits = waits(&policy, code, attempt, None);
        let (least, most) = waits.iter().fold((f64::MAX, 0f64), |(a, b), &wait| (a.min(wait), b.max(wait)));
        let mean = waits.iter().sum::<f64>() / 1_000.0;
        assert!(most < bound && most > 0.98 * bound && least < 0.02 * bound, "{attempt}: {least}..{most}");
        assert!((mean / bound - 0.5).abs() < 0.05, "{attempt}: {mean}");
    }
}

#[test]
fn the_same_seed_draws_the_same_waits() {
    let draw = |seed| waits(&RetryPolicy::new(RetryConfig::default(), seed).unwrap(), ErrorCode::Unavailable, 1, None);
    assert_eq!(draw(5), draw(5));
    assert_ne!(draw(5), draw(6));
}

#[test]
fn the_other_side_s_wait_is_waited_in_full() {
    let policy = policy(RetryConfig::default());
    for asked in [0.0, 0.2, 3.0, 60.0] {
        let waits = waits(&policy, ErrorCode::RateLimited, 1, Some(Duration::from_secs_f64(asked)));
        assert!(waits.iter().all(|wait| (asked..asked + 1.0).contains(wait)), "{asked}");
        // And a drawn one on top.
        assert!(waits.iter().any(|&wait| wait > asked + 0.9), "{asked}");
    }
    for asked in [Duration::from_millis(60_001), Duration::MAX] {
        let decision = policy.next(&error(ErrorCode::RateLimited), 1, Some(asked), at(0.0), None);
        assert_eq!(decision, RetryDecision::GiveUp(GiveUpReason::RetryAfter));
    }
}

#[test]
fn why_it_gives_up() {
    let give_up = |code, attempt, deadline| match policy(RetryConfig::default()).next(
        &error(code),
        attempt,
        None,
        at(10.0),
        deadline,
    ) {
        RetryDecision::GiveUp(why) => Some(why),
        RetryDecision::Again { .. } => None,
    };
    assert_eq!(give_up(ErrorCode::DataCorrupt, 1, None), Some(GiveUpReason::NotRetryable));
    assert_eq!(give_up(ErrorCode::Unavailable, 2, None), None);
    assert_eq!(give_up(ErrorCode::Unavailable, 3, None), Some(GiveUpReason::Attempts));
    assert_eq!(give_up(ErrorCode::Unavailable, u32::MAX, None), Some(GiveUpReason::Attempts));
    assert_eq!(give_up(ErrorCode::Unavailable, 1, Some(at(10.0))), Some(GiveUpReason::Deadline));
    assert_eq!(give_up(ErrorCode::Unavailable, 1, Some(at(-3_600.0))), Some(GiveUpReason::Deadline));
    assert_eq!(give_up(ErrorCode::Unavailable, 1, Some(at(10.06))), None);
}

#[test]
fn never_past_the_deadline_and_nothing_taken_for_it() {
    let policy = policy(RetryConfig { bucket: 1_000_000, ..Default::default() });
    let (mut again, mut late) = (0, 0);
    for k in 0..20_000i64 {
        let now = Timestamp::from_millis(k);
        let deadline = now + Duration::from_millis(k as u64 % 700);
        let asked = (k % 3 == 0).then(|| Duration::from_millis(k as u64 % 500));
        let before = policy.tokens();
        match policy.next(&error(ErrorCode::RateLimited), 1, asked, now, Some(deadline)) {
            RetryDecision::Again { after, .. } => {
                assert!(now + after < deadline);
                again += 1;
            }
            RetryDecision::GiveUp(why) => {
                assert_eq!((why, policy.tokens()), (GiveUpReason::Deadline, before));
                late += 1;
            }
        }
    }
    assert!(again > 1_000 && late > 1_000, "{again} {late}");
    // Times at the ends of the range.
    for now in [i64::MIN, i64::MAX].map(Timestamp::from_nanos) {
        for deadline in [i64::MIN, 0, i64::MAX].map(Timestamp::from_nanos) {
            let _ = policy.next(&error(ErrorCode::Unavailable), 1, None, now, Some(deadline));
        }
    }
}

/// Calls of 50 cameras, one a second each, for ten minutes: the retries among them, and the calls in all.
fn outage(policy: &RetryPolicy, code: ErrorCode) -> (u32, u32) {
    let (mut retries, mut calls) = (0, 0);
    for second in 0..600 {
        for _camera in 0..50 {
            for attempt in 1.. {
                calls += 1;
                match policy.next(&error(code), attempt, None, at(f64::from(second)), None) {
                    RetryDecision::Again { .. } => retries += 1,
                    RetryDecision::GiveUp(_) => break,
                }
            }
        }
    }
    (retries, calls)
}

#[test]
fn an_outage_is_not_answered_with_more_load() {
    for (code, most) in
        [(ErrorCode::Unavailable, 100), (ErrorCode::DeadlineExceeded, 50), (ErrorCode::RateLimited, 100)]
    {
        let policy = policy(RetryConfig::default());
        let (retries, calls) = outage(&policy, code);
        assert_eq!((retries, calls), (most, 30_000 + most), "{code}");
        assert_eq!(policy.tokens(), 0);
        let decision = policy.next(&error(code), 1, None, at(600.0), None);
        assert_eq!(decision, RetryDecision::GiveUp(GiveUpReason::Bucket));
        // It ends: a first attempt brings one token, so the fifth or tenth pays for a retry.
        for _ in 0..500 / most {
            let decision = policy.next(&error(code), 1, None, at(600.0), None);
            assert_eq!(decision, RetryDecision::GiveUp(GiveUpReason::Bucket));
            policy.succeeded(RetryTokens::default());
        }
        assert!(matches!(policy.next(&error(code), 1, None, at(600.0), None), RetryDecision::Again { .. }));
    }
}

#[test]
fn tokens_come_back_and_never_exceed_the_bucket() {
    let policy = policy(RetryConfig { bucket: 12, ..Default::default() });
    let taken = |code| match policy.clone().next(&error(code), 1, None, at(0.0), None) {
        RetryDecision::Again { taken, .. } => taken,
        RetryDecision::GiveUp(why) => panic!("{why:?}"),
    };
    let timeout = taken(ErrorCode::DeadlineExceeded);
    assert_eq!(policy.tokens(), 2);
    policy.succeeded(timeout);
    assert_eq!(policy.tokens(), 12);
    policy.succeeded(RetryTokens::default());
    assert_eq!(policy.tokens(), 12);
    drop(taken(ErrorCode::Unavailable));
    policy.succeeded(RetryTokens::default());
    assert_eq!(policy.tokens(), 8);
}

#[test]
fn a_timeout_is_the_earlier_time() {
    let timeout = Timeout::new(5.0).unwrap();
    assert_eq!(timeout.after(), Duration::from_secs(5));
    for (now, requested, deadline) in
        [(0.0, None, 5.0), (0.0, Some(4.0), 4.0), (0.0, Some(6.0), 5.0), (0.0, Some(-1.0), -1.0)]
    {
        assert_eq!(timeout.deadline(at(now), requested.map(at)), at(deadline));
    }
    let end = Timestamp::from_nanos(i64::MAX);
    assert_eq!(timeout.deadline(end, None), end);
}

#[test]
fn a_bulkhead_counts_across_threads() {
    let bulkhead = Bulkhead::new(3).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                for _ in 0..2_000 {
                    let permit = bulkhead.try_enter();
                    assert!(bulkhead.in_flight() <= 3);
                    std::thread::yield_now();
                    drop(permit);
                }
            });
        }
    });
    assert_eq!((bulkhead.in_flight(), bulkhead.limit(), Bulkhead::default().limit()), (0, 3, 50));
}
