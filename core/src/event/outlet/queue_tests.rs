use super::*;
use crate::error::ErrorCode;
use crate::resilience::random::Random;
use std::collections::{BTreeMap, BTreeSet};

const fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn queue(capacity: usize, max: usize) -> DeliveryQueue<u32> {
    lingering(capacity, max, 0)
}

fn lingering(capacity: usize, max: usize, linger_ms: u64) -> DeliveryQueue<u32> {
    DeliveryQueue::new(capacity, Batching { max, linger: Duration::from_millis(linger_ms) }, Backlog::default())
}

fn error() -> LastError {
    LastError { code: ErrorCode::Unavailable, message: "503".into(), at: at(0) }
}

fn refused(is_about_next: bool) -> Option<Fault> {
    Some(Fault { error: error(), is_about_next, again: None, panicked: false })
}

fn later(ms: u64) -> Option<Fault> {
    Some(Fault { error: error(), is_about_next: false, again: Some(Duration::from_millis(ms)), panicked: false })
}

fn panicked() -> Option<Fault> {
    Some(Fault { error: error(), is_about_next: false, again: None, panicked: true })
}

fn adds_up(queue: &DeliveryQueue<u32>) {
    let stats = queue.stats();
    let known = (stats.waiting + stats.in_hand) as u64 + stats.delivered + stats.failed + stats.dropped;
    assert_eq!(stats.offered, known, "{stats:?}");
}

fn asleep(until_waiting: usize, ms: Option<u64>) -> Step<u32> {
    Step::Sleep { until_waiting, most: ms.map(Duration::from_millis) }
}

#[test]
fn the_oldest_that_waits_makes_room() {
    let mut queue = queue(2, 1);
    assert_eq!(queue.offer(1), Offered::Taken);
    assert_eq!(queue.step(at(0)), Step::Deliver(vec![1]));
    assert_eq!((queue.offer(2), queue.offer(3)), (Offered::Taken, Offered::Taken));
    // Not the one in hand.
    assert_eq!(queue.offer(4), Offered::Dropped(2));
    queue.settle(1, None, at(1));
    assert_eq!(queue.step(at(1)), Step::Deliver(vec![3]));
    queue.close();
    assert_eq!(queue.offer(5), Offered::Dropped(5));
    let stats = queue.stats();
    assert_eq!((stats.offered, stats.delivered, stats.dropped, stats.waiting), (5, 1, 2, 1));
    adds_up(&queue);
}

#[test]
fn what_was_given_up_is_not_counted_again() {
    for (durable, fault) in [(2, None), (1, refused(true)), (0, refused(false)), (0, panicked()), (1, later(5))] {
        let mut queue = queue(4, 2);
        let _ = (queue.offer(1), queue.offer(2), queue.offer(3));
        assert_eq!(queue.step(at(0)), Step::Deliver(vec![1, 2]));
        assert_eq!(queue.give_up(), [1, 2, 3]);
        // It still runs: whoever looks sees since when.
        assert_eq!(queue.stats().busy_since, Some(at(0)));
        queue.settle(durable, fault, at(2));
        let stats = queue.stats();
        assert_eq!((stats.delivered, stats.failed, stats.dropped, stats.busy_since), (0, 0, 3, None));
        adds_up(&queue);
        assert_eq!(queue.step(at(2)), Step::End, "nobody tries again what was given up");
    }
}

#[test]
fn a_batch_is_what_came_meanwhile_or_waits_to_fill() {
    let mut queue = queue(9, 3);
    assert_eq!(queue.step(at(0)), asleep(1, None));
    (1..=5).for_each(|item| drop(queue.offer(item)));
    assert_eq!(queue.step(at(0)), Step::Deliver(vec![1, 2, 3]));
    queue.settle(3, None, at(1));
    assert_eq!(queue.step(at(1)), Step::Deliver(vec![4, 5]));
    queue.settle(2, None, at(2));
    queue.close();
    assert_eq!(queue.step(at(2)), Step::End);

    let mut queue = lingering(9, 3, 100);
    let _ = queue.offer(1);
    assert_eq!(queue.step(at(0)), asleep(3, Some(100)));
    let _ = queue.offer(2);
    assert_eq!(queue.step(at(60)), asleep(3, Some(40)));
    // A clock that went back: at most the whole time once more.
    assert_eq!(queue.step(at(-3_600_000)), asleep(3, Some(100)));
    assert_eq!(queue.step(at(100)), Step::Deliver(vec![1, 2]));
    queue.settle(2, None, at(100));
    (3..=5).for_each(|item| drop(queue.offer(item)));
    assert_eq!(queue.step(at(101)), Step::Deliver(vec![3, 4, 5]), "full ones do not wait");
    queue.settle(3, None, at(102));
    let _ = queue.offer(6);
    assert_eq!(queue.step(at(103)), asleep(3, Some(100)), "each batch has its own time");
    queue.close();
    assert_eq!(queue.step(at(103)), Step::Deliver(vec![6]), "at the end there is nothing to wait for");

    // Where fewer may wait than a batch has, that many are all that can be waited for.
    let mut small = lingering(2, 50, 100);
    let _ = (small.offer(1), small.offer(2));
    assert_eq!(small.step(at(0)), Step::Deliver(vec![1, 2]));
}

#[test]
fn only_what_is_durable_counts_and_the_rest_comes_again() {
    let mut queue = queue(9, 4);
    (1..=5).for_each(|item| drop(queue.offer(item)));
    assert_eq!(queue.step(at(0)), Step::Deliver(vec![1, 2, 3, 4]));
    queue.settle(2, later(50), at(10));
    let stats = queue.stats();
    assert_eq!((stats.delivered, stats.in_hand, stats.waiting, stats.retried), (2, 2, 1, 0));
    assert_eq!((stats.busy_since, stats.last_error), (None, Some(error())));
    assert_eq!(queue.step(at(20)), asleep(usize::MAX, Some(40)), "what comes does not wake it");
    assert_eq!(queue.step(at(60)), Step::Deliver(vec![3, 4]));
    assert_eq!(queue.stats().retried, 1);
    queue.settle(0, later(3_600_000), at(61));
    // What waits for its time gets a last one at the end, and then waits like any other.
    queue.close();
    assert_eq!(queue.step(at(62)), Step::Deliver(vec![3, 4]));
    queue.settle(1, later(1_000), at(62));
    assert_eq!(queue.step(at(63)), asleep(usize::MAX, Some(999)));
    assert_eq!(queue.step(at(1_062)), Step::Deliver(vec![4]));
    queue.settle(1, None, at(1_062));
    assert_eq!(queue.step(at(1_062)), Step::Deliver(vec![5]));
    queue.settle(1, None, at(1_062));
    assert_eq!(queue.step(at(1_062)), Step::End);
    assert_eq!((queue.stats().delivered, queue.stats().retried), (5, 3));
    adds_up(&queue);
}

#[test]
fn an_error_with_a_place_costs_that_one_alone() {
    let mut queue = queue(9, 9);
    (0..6).for_each(|item| drop(queue.offer(item)));
    assert_eq!(queue.step(at(0)), Step::Deliver((0..6).collect()));
    queue.settle(2, refused(true), at(0));
    assert_eq!(queue.step(at(0)), Step::Deliver(vec![3, 4, 5]));
    queue.settle(3, None, at(0));
    let stats = queue.stats();
    // Those behind the place were not tried before.
    assert_eq!((stats.delivered, stats.failed, stats.retried), (5, 1, 0));
    adds_up(&queue);
}

/// Delivers all to a sink that refuses every batch with one of these in it; what arrived, and how many calls it took.
fn course(items: u32, bad: &BTreeSet<u32>) -> (Vec<u32>, usize) {
    let mut queue = queue(items as usize, 100);
    (0..items).for_each(|item| drop(queue.offer(item)));
    queue.close();
    let (mut arrived, mut calls) = (Vec::new(), 0);
    loop {
        match queue.step(at(0)) {
            Step::Deliver(batch) if batch.iter().any(|item| bad.contains(item)) => {
                queue.settle(0, refused(false), at(0))
            }
            Step::Deliver(batch) => {
                arrived.extend(&batch);
                queue.settle(batch.len(), None, at(0));
            }
            step => {
                assert_eq!(step, Step::End);
                break;
            }
        }
        calls += 1;
        adds_up(&queue);
    }
    assert_eq!(queue.stats().failed, bad.len() as u64);
    (arrived, calls)
}

#[test]
fn one_that_is_refused_without_a_place_is_found_and_costs_no_other() {
    assert_eq!(course(1_000, &BTreeSet::new()).1, 10);
    for bad in [0, 1, 37, 50, 98, 99] {
        let (arrived, calls) = course(100, &[bad].into());
        assert_eq!(arrived, (0..100).filter(|item| *item != bad).collect::<Vec<_>>(), "in order, each once");
        assert!(calls <= 22, "{bad}: {calls} calls");
    }
    let several = [3, 4, 60, 99].into();
    assert_eq!(course(100, &several).0.len(), 96);
    // Where all are refused, hardly more calls than one by one.
    let (arrived, calls) = course(100, &(0..100).collect());
    assert!(arrived.is_empty() && calls <= 110, "{calls} calls");
    for seed in 0..200 {
        let mut random = Random::new(seed);
        let bad: BTreeSet<u32> = (0..150).filter(|_| random.fraction() < 0.07).collect();
        let (arrived, _) = course(150, &bad);
        assert_eq!(arrived, (0..150).filter(|item| !bad.contains(item)).collect::<Vec<_>>(), "seed {seed}");
    }
}

#[test]
fn a_panic_in_a_batch_ends_the_one_that_makes_it() {
    let mut queue = queue(9, 2);
    let _ = (queue.offer(1), queue.offer(2));
    assert_eq!(queue.step(at(0)), Step::Deliver(vec![1, 2]));
    queue.settle(0, panicked(), at(0));
    assert_eq!(queue.step(at(0)), Step::Deliver(vec![1]));
    queue.settle(1, None, at(0));
    assert_eq!(queue.step(at(0)), Step::Deliver(vec![2]));
    queue.settle(0, panicked(), at(0));
    let stats = queue.stats();
    assert_eq!((stats.delivered, stats.failed, stats.panics), (1, 1, 2));
}

#[test]
fn a_backlog_goes_on_where_the_other_one_stopped() {
    let mut before = queue(4, 2);
    let _ = (before.offer(1), before.offer(2), before.offer(3));
    assert_eq!(before.step(at(0)), Step::Deliver(vec![1, 2]));
    before.settle(1, later(0), at(0));
    // In hand when the process died.
    assert_eq!(before.step(at(0)), Step::Deliver(vec![2]));
    let saved = serde_json::to_string(&before.backlog()).unwrap();
    let backlog: Backlog<u32> = serde_json::from_str(&saved).unwrap();
    let batching = Batching { max: 4, linger: Duration::ZERO };
    let mut after = DeliveryQueue::new(4, batching, backlog.clone());
    adds_up(&after);
    assert_eq!(after.step(at(0)), Step::Deliver(vec![2, 3]));
    assert_eq!((after.stats().offered, after.stats().delivered), (3, 1));
    let mut smaller = DeliveryQueue::new(1, batching, backlog);
    assert_eq!(smaller.step(at(0)), Step::Deliver(vec![3]));
    assert_eq!(smaller.stats().dropped, 1);
    adds_up(&smaller);
}

#[test]
fn the_account_adds_up_at_every_instant() {
    for seed in 0..300 {
        let mut random = Random::new(seed);
        let mut queue = lingering(1 + (seed % 5) as usize, 1 + (seed % 4) as usize, seed % 3 * 1_000);
        let mut seen = BTreeMap::<u32, u32>::new();
        let mut trying: Option<Vec<u32>> = None;
        for item in 0..200 {
            // Hostile times: any order, the ends of the range.
            let now = Timestamp::from_nanos(match (random.fraction() * 8.0) as u32 {
                0 => i64::MIN,
                1 => i64::MAX,
                _ => (random.fraction() * 1e12) as i64,
            });
            match (random.fraction() * 9.0) as u32 {
                0..=3 => {
                    if let Offered::Dropped(lost) = queue.offer(item) {
                        *seen.entry(lost).or_default() += 1;
                    }
                }
                4..=6 => match trying.take() {
                    None => {
                        if let Step::Deliver(batch) = queue.step(now) {
                            trying = Some(batch);
                        }
                    }
                    Some(batch) => {
                        let before = queue.backlog().waiting;
                        let some = (random.fraction() * batch.len() as f64) as usize;
                        match (random.fraction() * 5.0) as u32 {
                            0 => queue.settle(batch.len(), None, now),
                            1 => queue.settle(some, refused(true), now),
                            2 => queue.settle(some, refused(false), now),
                            3 => queue.settle(0, panicked(), now),
                            _ => queue.settle(some, later(1), now),
                        }
                        let left = before.len() - queue.backlog().waiting.len();
                        before.iter().take(left).for_each(|gone| *seen.entry(*gone).or_default() += 1);
                    }
                },
                8 if random.fraction() < 0.02 => {
                    queue.give_up().into_iter().for_each(|lost| *seen.entry(lost).or_default() += 1);
                }
                8 if random.fraction() < 0.02 => queue.close(),
                _ => {}
            }
            adds_up(&queue);
        }
        queue.give_up().into_iter().for_each(|lost| *seen.entry(lost).or_default() += 1);
        adds_up(&queue);
        let stats = queue.stats();
        assert_eq!(stats.offered, seen.len() as u64, "seed {seed}: each item has one end");
        assert!(seen.values().all(|&ends| ends == 1), "seed {seed}: {seen:?}");
    }
}
