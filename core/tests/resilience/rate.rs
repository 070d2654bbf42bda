use crate::{Dice, at};
use guarita::Timestamp;
use guarita::resilience::{RateLimit, RateLimitConfig};
use std::time::Duration;

fn limit(per_second: f64, burst: u32, max_keys: usize) -> RateLimit {
    RateLimit::new(RateLimitConfig { per_second, burst, max_keys }).unwrap()
}

#[test]
fn hours_of_a_greedy_key_are_rate_times_time_and_the_burst() {
    for (per_second, burst) in [(1.0, 1), (3.0, 5), (0.1, 10), (7.3, 2), (1_000.0 / 7.0, 50), (0.001, 3)] {
        let limit = limit(per_second, burst, 10);
        let mut dice = Dice(9);
        let (mut now, mut passed) = (0i64, 0u64);
        // Six hours, asked at times that fit no rate.
        while now < 6 * 3600 * 1_000_000_000 {
            while limit.try_acquire("a", Timestamp::from_nanos(now)).is_ok() {
                passed += 1;
            }
            let most = per_second * now as f64 / 1e9 + f64::from(burst);
            assert!(passed as f64 <= most + 1e-6, "{per_second}: {passed} of {most} after {now} ns");
            assert!(passed as f64 >= most - 1.0 - 1e-6, "{per_second}: {passed} of {most} after {now} ns");
            now += 1 + dice.below(40_000_000_000) as i64;
            // A long pause fills the bucket, and no more: this caller never pauses so long that it is full.
            now = now.min((1e9 * (passed as f64) / per_second) as i64);
        }
        assert!(passed > 20, "{passed}");
    }
}

/// Every token is taken in the first nanosecond in which there is one; thirds of a second have no exact number.
#[test]
fn no_rounding_adds_up() {
    // With a burst of 1, the bucket is full at each token, and the rest of its nanosecond is lost.
    let limit = limit(3.0, 2, 1);
    assert_eq!(limit.try_acquire("a", Timestamp::default()), Ok(()));
    let mut now = Timestamp::default();
    for token in 0..1_500_000u64 {
        if let Err(wait) = limit.try_acquire("a", now) {
            now = now + wait;
            assert_eq!(limit.try_acquire("a", now), Ok(()));
        }
        let exact = (token * 1_000_000_000).div_ceil(3);
        let late = now.as_nanos() as u64 - exact.min(now.as_nanos() as u64);
        assert!(now.as_nanos() as u64 >= exact && late <= 1, "token {token} at {now:?}, not {exact}");
    }
}

#[test]
fn a_rest_is_worth_the_burst_and_no_more() {
    let limit = limit(2.0, 4, 10);
    let burst = |now: f64| (0..100).filter(|_| limit.try_acquire("a", at(now)).is_ok()).count();
    assert_eq!((burst(0.0), burst(0.4), burst(0.5), burst(1.9), burst(3_600.0), burst(7_200.0)), (4, 0, 1, 2, 4, 4));
}

#[test]
fn the_wait_is_exact() {
    let mut dice = Dice(3);
    let limit = limit(7.3, 3, 10);
    let mut now = Timestamp::from_nanos(5);
    for _ in 0..10_000 {
        if let Err(wait) = limit.try_acquire("a", now) {
            assert!(limit.try_acquire("a", now + (wait - Duration::from_nanos(1))).is_err());
            assert_eq!(limit.try_acquire("a", now + wait), Ok(()));
            now = now + wait;
        }
        now = now + Duration::from_nanos(dice.below(200_000_000));
    }
}

#[test]
fn a_clock_that_goes_back_brings_no_tokens_and_blocks_nobody() {
    let limit = limit(1.0, 5, 10);
    let take = |now: f64| (0..100).filter(|_| limit.try_acquire("a", at(now)).is_ok()).count();
    assert_eq!(take(10_000.0), 5);
    // An hour back: a second later there is the token of a second.
    assert_eq!((take(6_400.0), take(6_401.0), take(6_403.0)), (0, 1, 2));
    // Back and forth by a little: no more than time that really passed.
    let mut dice = Dice(1);
    let passed: usize = (0..1_000).map(|_| take(6_403.0 + dice.below(5_000) as f64 / 1e3)).sum();
    assert!(passed <= 5, "{passed}");
    for now in [i64::MAX, i64::MIN, 0, i64::MAX].map(Timestamp::from_nanos) {
        let _ = limit.try_acquire("a", now);
    }
}

#[test]
fn a_key_that_was_forgotten_gains_nothing() {
    let limit = limit(1.0, 2, 2);
    let take = |key: &str, now: f64| limit.try_acquire(key, at(now)).is_ok();
    assert!(take("a", 0.0) && take("a", 0.0) && !take("a", 0.0) && take("b", 0.0));
    // Neither is full: the third has no place, and hears when there is one.
    assert_eq!(limit.try_acquire("c", at(0.0)), Err(Duration::from_secs(1)));
    assert!(take("c", 1.0));
    assert_eq!(limit.keys(), 2);
    // The place was b's; a still misses a token.
    assert!(take("a", 1.0) && !take("a", 1.0));
    // A flood of new keys does not grow the limit, and pays for each place.
    let passed = (0..10_000).filter(|k| take(&format!("flood {k}"), 1.0)).count();
    assert_eq!((passed, limit.keys()), (0, 2));
}

/// Three times as many keys as places: whatever is forgotten, no key ever makes more calls than one bucket allows.
#[test]
fn no_key_exceeds_its_bucket_among_many() {
    let (rate, burst) = (0.5, 4);
    let limit = limit(rate, burst, 10);
    let mut dice = Dice(2);
    let mut calls: Vec<Vec<f64>> = vec![Vec::new(); 30];
    let mut now = 0.0;
    for _ in 0..100_000 {
        now += dice.below(1_000) as f64 / 1e3;
        let key = dice.below(30) as usize;
        if limit.try_acquire(&key.to_string(), at(now)).is_ok() {
            calls[key].push(now);
        }
        assert!(limit.keys() <= 10);
    }
    for times in &calls {
        assert!(times.len() > 100);
        // The largest surplus over any span, by the running minimum.
        let mut least = f64::MAX;
        for (k, time) in times.iter().enumerate() {
            least = least.min(k as f64 - rate * time);
            assert!((k + 1) as f64 - rate * time - least <= f64::from(burst) + 1e-6);
        }
    }
}
