use super::*;
use crate::error::ErrorCode;
use crate::resilience::random::Random;

const fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn line(capacity: usize) -> Line<u32> {
    Line::new(capacity, Duration::from_secs(1), Backlog::default())
}

fn error() -> LastError {
    LastError { code: ErrorCode::Unavailable, message: "503".into(), at: at(0) }
}

fn adds_up(line: &Line<u32>) {
    let stats = line.stats();
    let known = stats.waiting as u64 + u64::from(stats.in_hand) + stats.delivered + stats.failed + stats.dropped;
    assert_eq!(stats.offered, known, "{stats:?}");
    assert!(stats.panics <= stats.failed + stats.dropped, "{stats:?}");
}

#[test]
fn the_oldest_that_waits_makes_room() {
    let mut line = line(2);
    assert_eq!(line.offer(1), Offered::Taken);
    assert_eq!(line.step(at(0)), Step::Handle(1));
    assert_eq!((line.offer(2), line.offer(3)), (Offered::Taken, Offered::Taken));
    // Not the one in hand.
    assert_eq!(line.offer(4), Offered::Dropped(2));
    line.settle(Ending::Delivered, at(1));
    assert_eq!(line.step(at(1)), Step::Handle(3));
    line.close();
    assert_eq!(line.offer(5), Offered::Dropped(5));
    let stats = line.stats();
    assert_eq!((stats.offered, stats.delivered, stats.dropped, stats.waiting), (5, 1, 2, 1));
    adds_up(&line);
}

#[test]
fn what_was_given_up_is_not_counted_again() {
    for ending in [Ending::Delivered, Ending::Failed(error()), Ending::Panicked(error())] {
        let mut line = line(4);
        let _ = (line.offer(1), line.offer(2));
        assert_eq!(line.step(at(0)), Step::Handle(1));
        assert_eq!(line.give_up(), [1, 2]);
        assert!(!line.again(at(1)), "nobody tries again what was given up");
        // It still runs: whoever looks sees since when.
        assert_eq!(line.stats().busy_since, Some(at(0)));
        line.settle(ending, at(2));
        let stats = line.stats();
        assert_eq!((stats.delivered, stats.failed, stats.dropped, stats.busy_since), (0, 0, 2, None));
        adds_up(&line);
    }
}

#[test]
fn one_flush_for_a_burst_and_one_at_the_end() {
    let mut line = line(4);
    let _ = (line.offer(1), line.offer(2));
    for (now, item) in [(0, 1), (900, 2)] {
        assert_eq!(line.step(at(now)), Step::Handle(item));
        line.settle(Ending::Delivered, at(now));
    }
    assert_eq!(line.step(at(1_500)), Step::Sleep(Some(Duration::from_millis(400))));
    // A clock that went back: at most a whole second more.
    assert_eq!(line.step(at(-3_600_000)), Step::Sleep(Some(Duration::from_secs(1))));
    assert_eq!(line.step(at(1_900)), Step::Flush);
    assert_eq!(line.stats().busy_since, Some(at(1_900)));
    line.flushed(Some(error()), false);
    assert_eq!((line.stats().busy_since, line.stats().last_error), (None, Some(error())));
    assert_eq!(line.step(at(9_000)), Step::Sleep(None));
    let _ = line.offer(3);
    assert_eq!(line.step(at(9_000)), Step::Handle(3));
    line.settle(Ending::Delivered, at(9_000));
    line.close();
    assert_eq!(line.step(at(9_000)), Step::Flush, "at the end there is nothing to wait for");
    line.flushed(None, false);
    assert_eq!(line.step(at(9_000)), Step::End);
}

#[test]
fn a_backlog_goes_on_where_the_other_one_stopped() {
    let mut before = line(4);
    let _ = (before.offer(1), before.offer(2), before.offer(3));
    assert_eq!(before.step(at(0)), Step::Handle(1));
    before.settle(Ending::Delivered, at(0));
    // In hand when the process died.
    assert_eq!(before.step(at(0)), Step::Handle(2));
    let saved = serde_json::to_string(&before.backlog()).unwrap();
    let backlog: Backlog<u32> = serde_json::from_str(&saved).unwrap();
    let mut after = Line::new(4, Duration::ZERO, backlog.clone());
    adds_up(&after);
    assert_eq!(after.step(at(0)), Step::Handle(2));
    assert_eq!((after.stats().offered, after.stats().delivered), (3, 1));
    let mut smaller = Line::new(1, Duration::ZERO, backlog);
    assert_eq!(smaller.step(at(0)), Step::Handle(3));
    assert_eq!(smaller.stats().dropped, 1);
    adds_up(&smaller);
}

#[test]
fn the_account_adds_up_at_every_instant() {
    for seed in 0..300 {
        let mut random = Random::new(seed);
        let mut line = line(1 + (seed % 5) as usize);
        let mut seen = std::collections::BTreeMap::<u32, u32>::new();
        let mut busy = false;
        for item in 0..200 {
            // Hostile times: any order, the ends of the range.
            let now = Timestamp::from_nanos(match (random.fraction() * 8.0) as u32 {
                0 => i64::MIN,
                1 => i64::MAX,
                _ => (random.fraction() * 1e12) as i64,
            });
            match (random.fraction() * 9.0) as u32 {
                0..=3 => {
                    if let Offered::Dropped(lost) = line.offer(item) {
                        *seen.entry(lost).or_default() += 1;
                    }
                }
                4 | 5 if !busy => match line.step(now) {
                    Step::Handle(item) => {
                        busy = true;
                        let _ = item;
                    }
                    Step::Flush => line.flushed(None, false),
                    Step::Sleep(_) | Step::End => {}
                },
                4..=6 if busy => {
                    let held = line.backlog().waiting.front().copied().filter(|_| line.stats().in_hand);
                    busy = false;
                    match (random.fraction() * 4.0) as u32 {
                        0 => line.settle(Ending::Delivered, now),
                        1 => line.settle(Ending::Failed(error()), now),
                        2 => line.settle(Ending::Panicked(error()), now),
                        _ => {
                            line.put_off(error());
                            busy = line.again(now);
                            adds_up(&line);
                            continue;
                        }
                    }
                    if let Some(held) = held {
                        *seen.entry(held).or_default() += 1;
                    }
                }
                8 if random.fraction() < 0.02 => {
                    line.give_up().into_iter().for_each(|lost| *seen.entry(lost).or_default() += 1);
                }
                8 if random.fraction() < 0.02 => line.close(),
                _ => {}
            }
            adds_up(&line);
        }
        line.give_up().into_iter().for_each(|lost| *seen.entry(lost).or_default() += 1);
        adds_up(&line);
        let stats = line.stats();
        assert_eq!(stats.offered, seen.len() as u64, "seed {seed}: each item has one end");
        assert!(seen.values().all(|&ends| ends == 1), "seed {seed}: {seen:?}");
    }
}
