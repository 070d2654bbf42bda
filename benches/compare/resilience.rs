//! The Rust side of `make compare-resilience`; compare/resilience.py asks for the parts in JSON lines.

mod lines;

use guarita::budget::{BudgetConfig, Caps, MicroDollars, Spend};
use guarita::clock::{Clock, ManualClock, SystemClock, UnixTime};
use guarita::frame::Layout;
use guarita::provider::{HybridConfig, Reply, Request};
use guarita::resilience::{CircuitBreakerConfig, RetryConfig, RetryDecision, RetryPolicy};
use guarita::testkit::{FakeProvider, Step};
use guarita::{
    Budget, CircuitBreaker, Error, ErrorCode, Frame, HybridProvider, PixelFormat, Provider, Size, Timestamp,
};
use lines::Failure;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
enum Ask {
    /// A full outage on a virtual clock: calls that go on the wire, with retries alone and behind a breaker.
    Outage { minutes: u64, per_second: u64 },
    /// Requests through a hybrid provider while its primary fails in every way there is.
    Failover { requests: usize },
    /// Threads that spend as fast as they can: what was billed past the cap.
    Overspend { threads: usize, calls: usize, cap: u64, price: u64 },
    /// Nanoseconds of a call through a closed breaker: the permit and its report.
    Breaker { calls: u64 },
}

fn main() -> Result<(), Failure> {
    lines::serve(|ask| {
        Ok(match ask {
            Ask::Outage { minutes, per_second } => outage(minutes, per_second)?,
            Ask::Failover { requests } => failover(requests)?,
            Ask::Overspend { threads, calls, cap, price } => overspend(threads, calls, cap, price)?,
            Ask::Breaker { calls } => breaker(calls)?,
        })
    })
}

fn outage(minutes: u64, per_second: u64) -> Result<Value, Failure> {
    let down = Error::new(ErrorCode::Unavailable, "a full outage");
    let run = |breaker: Option<&CircuitBreaker>| -> Result<u64, Failure> {
        let policy = RetryPolicy::new(RetryConfig::default(), 1)?;
        let mut calls = 0;
        for n in 0..minutes * 60 * per_second {
            let mut now = Timestamp::from_nanos((n * 1_000_000_000 / per_second) as i64);
            let permit = match breaker.map(|breaker| breaker.try_acquire(now)) {
                Some(Err(_)) => continue,
                Some(Ok(permit)) => Some(permit),
                None => None,
            };
            for attempt in 1.. {
                calls += 1;
                match policy.next(&down, attempt, None, now, None) {
                    RetryDecision::Again { after, .. } => now = now + after,
                    RetryDecision::GiveUp(_) => break,
                }
            }
            if let Some(permit) = permit {
                permit.failure(now);
            }
        }
        Ok(calls)
    };
    let requests = minutes * 60 * per_second;
    let alone = run(None)?;
    let behind = run(Some(&CircuitBreaker::new(CircuitBreakerConfig::default())?))?;
    Ok(json!({"ok": true, "requests": requests, "calls": alone, "calls_behind_breaker": behind}))
}

fn picture() -> Result<Frame, Error> {
    let layout = Layout::packed(PixelFormat::Gray8, Size::new(8, 8))?;
    Frame::from_owner(vec![0; 64], layout)
}

fn failover(requests: usize) -> Result<Value, Failure> {
    let clock = Arc::new(ManualClock::new(UnixTime::from_secs(1_800_000_000)));
    let faults = [
        Step::fail(ErrorCode::Unavailable, "down"),
        Step::fail(ErrorCode::ResourceExhausted, "out of memory"),
        Step::fail(ErrorCode::DeadlineExceeded, "timed out").after(Duration::from_secs(2)),
        Step::dropped(),
        Step::nothing().after(Duration::from_secs(9)),
        Step::never(),
    ];
    let price = MicroDollars::from_micros(1_000);
    let local = FakeProvider::new("local").with_clock(clock.clone()).with_max_in_flight(requests);
    let local = local.script(faults.into_iter().cycle().take(requests));
    let cloud = FakeProvider::new("cloud").with_clock(clock.clone()).with_price(price);
    // Without this, the primary would be left alone after five failures; here every request meets one.
    let never_opens = CircuitBreakerConfig { consecutive_failures: 100_000, failure_rate: 0.0, ..Default::default() };
    let config = HybridConfig { primary_breaker: never_opens, ..HybridConfig::default() };
    let hybrid = HybridProvider::new(Arc::new(local.clone()), Arc::new(cloud.clone()), config)?;
    let (mut answered, mut most) = (0, 0);
    for n in 0..requests {
        let calls = || local.calls() + cloud.calls();
        let before = calls();
        let (reply, answer) = Reply::channel();
        hybrid.submit(Request::new([picture()?]).with_idempotency_key(&n.to_string()), reply);
        for _ in 0..10 {
            clock.advance(Duration::from_secs(1));
            local.tick();
            hybrid.tick();
        }
        answered += usize::from(matches!(answer.try_take(), Some(Ok(_))));
        // One call is what was asked for.
        most = most.max(calls() - before - 1);
    }
    let billed = cloud.billed().as_micros() / price.as_micros();
    Ok(json!({"ok": true, "answered": answered, "extra_calls": most, "billed": billed}))
}

fn overspend(threads: usize, calls: usize, cap: u64, price: u64) -> Result<Value, Failure> {
    let config = json!({
        "total": {"per_day": cap},
        "prices": {"cloud:look": [{"up_to": null, "price": price}]},
    });
    let config: BudgetConfig = serde_json::from_value(config)?;
    debug_assert_eq!(config.total, Caps { per_day: Some(MicroDollars::from_micros(cap)), ..Caps::default() });
    let budget = Budget::new(config)?;
    let moment = SystemClock.moment();
    // The cloud's own book: what it was asked for, whatever we think that we spent.
    let billed = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (budget, billed) = (budget.clone(), &billed);
            scope.spawn(move || {
                for call in 0..calls {
                    let spend = Spend { api: "cloud:look", camera: "gate", tenant: "", images: 1 };
                    let Ok(reserved) = budget.reserve(&spend, moment) else {
                        continue;
                    };
                    if (call + thread) % 7 == 0 {
                        reserved.release(moment);
                        continue;
                    }
                    billed.fetch_add(price, Ordering::SeqCst);
                    std::thread::yield_now();
                    reserved.commit(moment);
                }
            });
        }
    });
    Ok(json!({"ok": true, "billed": billed.into_inner()}))
}

fn breaker(calls: u64) -> Result<Value, Failure> {
    let breaker = CircuitBreaker::new(CircuitBreakerConfig::default())?;
    let start = SystemClock.now();
    for n in 0..calls {
        // The clock is the caller's; here it costs nothing.
        let now = Timestamp::from_nanos(n as i64 * 1_000);
        breaker.try_acquire(now)?.success(now);
    }
    let took = SystemClock.now() - start;
    Ok(json!({"ok": true, "ns": took.as_nanos() as f64 / calls as f64}))
}
