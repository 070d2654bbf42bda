use super::*;
use guarita::ErrorCode;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread;

const LONG: Duration = Duration::from_secs(10);

fn streams(count: usize, capacity: usize) -> (Streams<u32>, Vec<Stream<u32>>) {
    let streams = Streams::default();
    let opened = (0..count).map(|_| streams.open(capacity).unwrap()).collect();
    (streams, opened)
}

fn put(streams: &Streams<u32>, items: impl IntoIterator<Item = u32>) {
    items.into_iter().for_each(|item| streams.put_with(|| item));
}

/// What is there now.
fn read(stream: &Stream<u32>) -> Vec<u32> {
    std::iter::from_fn(|| match stream.take() {
        Taken::Item(item) => Some(item),
        _ => None,
    })
    .collect()
}

/// A way to be woken that counts how often it was.
fn counting(woken: &Arc<AtomicU32>) -> WakeUp {
    let woken = Arc::clone(woken);
    Box::new(move || {
        woken.fetch_add(1, Ordering::SeqCst);
    })
}

#[test]
fn each_stream_has_what_comes_after_it_was_opened_and_loses_the_oldest() {
    let (streams, mut opened) = streams(1, 10);
    put(&streams, 0..3);
    opened.push(streams.open(2).unwrap());
    put(&streams, 3..8);
    let [early, small] = &opened[..] else { panic!("two streams") };
    assert_eq!((early.waiting(), early.dropped(), small.waiting(), small.dropped()), (8, 0, 2, 3));
    assert_eq!((read(early), read(small)), ((0..8).collect(), vec![6, 7]));
    assert_eq!((small.take(), small.has_ended(), small.is_over()), (Taken::Nothing, false, false));
}

#[test]
fn nothing_is_made_where_nobody_reads() {
    let (streams, mut opened) = streams(1, 1);
    let made = AtomicU32::new(0);
    let make = || made.fetch_add(1, Ordering::SeqCst);
    streams.put_with(make);
    opened.clear();
    streams.put_with(make);
    assert_eq!(made.load(Ordering::SeqCst), 1);
    // One that is let go is forgotten.
    let kept = streams.open(1).unwrap();
    assert_eq!(streams.lock().lines.len(), 1);
    drop(kept);
}

#[test]
fn after_the_end_what_waits_is_read_and_then_it_is_over() {
    let (streams, opened) = streams(2, 10);
    put(&streams, 0..2);
    streams.end();
    put(&streams, 2..4);
    let stream = &opened[0];
    assert_eq!((stream.waiting(), stream.has_ended(), stream.is_over()), (2, true, false));
    assert_eq!((read(stream), stream.take(), stream.is_over()), (vec![0, 1], Taken::Ended, true));
    // The clone of the other one reads the same.
    assert_eq!((opened[1].clone().take(), read(&opened[1])), (Taken::Item(0), vec![1]));
    let late = streams.open(1).unwrap();
    assert_eq!((late.take(), late.take_within(LONG), late.is_over()), (Taken::Ended, Taken::Ended, true));
    streams.end();
}

#[test]
fn one_that_is_closed_gives_nothing_to_anybody_and_takes_nothing() {
    let (streams, opened) = streams(2, 10);
    put(&streams, 0..2);
    opened[0].close();
    put(&streams, 2..4);
    opened[0].close();
    assert_eq!((opened[0].take(), opened[0].waiting(), opened[0].dropped()), (Taken::Closed, 0, 0));
    assert!(opened[0].is_over() && opened[0].has_ended());
    assert_eq!(read(&opened[1]), [0, 1, 2, 3], "others go on");
    streams.end();
    assert_eq!(opened[0].take(), Taken::Closed, "closed stays closed");
}

#[test]
fn capacities_have_a_range() {
    let streams = Streams::<u32>::default();
    for capacity in [0, MAX_STREAM_CAPACITY + 1, usize::MAX] {
        assert_eq!(streams.open(capacity).unwrap_err().code(), ErrorCode::InvalidArgument);
    }
    assert!(streams.open(1).is_ok() && streams.open(MAX_STREAM_CAPACITY).is_ok());
}

#[test]
fn what_a_reader_does_not_find_is_an_error_that_says_why() {
    for (taken, code, words) in [
        (Taken::Nothing, ErrorCode::DeadlineExceeded, "no event within 1.5 s"),
        (Taken::Ended, ErrorCode::Cancelled, "the pipeline has ended"),
        (Taken::Closed, ErrorCode::InvalidState, "the stream is closed"),
    ] {
        let error = Taken::<u32>::within(taken, Duration::from_millis(1500)).unwrap_err();
        assert_eq!(error.code(), code);
        assert!(error.to_string().starts_with(words), "{error}");
    }
    assert_eq!(Taken::Item(7).within(Duration::ZERO).unwrap(), 7);
}

#[test]
fn all_who_sleep_are_woken_once_and_the_first_takes() {
    let (streams, opened) = streams(1, 10);
    let (stream, woken) = (&opened[0], Arc::new(AtomicU32::new(0)));
    let sleep = || stream.take_or_wake(counting(&woken));
    let (first, second, third) = (sleep(), sleep(), sleep());
    assert_eq!((&first.0, &second.0), (&Taken::Nothing, &Taken::Nothing));
    stream.give_up(third.1.unwrap());
    put(&streams, [1]);
    assert_eq!(woken.load(Ordering::SeqCst), 2, "who gave up is not woken");
    assert_eq!((stream.take(), stream.take()), (Taken::Item(1), Taken::Nothing));
    put(&streams, [2]);
    assert_eq!(woken.load(Ordering::SeqCst), 2, "nobody sleeps");
    // The ticket of one that was woken means nothing any more.
    stream.give_up(first.1.unwrap());
    // Where something waits, nobody sleeps.
    assert_eq!(sleep(), (Taken::Item(2), None));
    for closes in [true, false] {
        let (streams, opened) = self::streams(1, 10);
        let woken = Arc::new(AtomicU32::new(0));
        assert!(opened[0].take_or_wake(counting(&woken)).1.is_some());
        if closes {
            opened[0].close();
        } else {
            streams.end();
        }
        assert_eq!(woken.load(Ordering::SeqCst), 1);
        assert!(opened[0].take_or_wake(counting(&woken)).1.is_none());
    }
}

/// A way to be woken may look at the stream, and let things go that look at it: no lock is held.
#[test]
fn no_lock_is_held_while_code_of_others_runs() {
    struct Looks(Stream<u32>);
    impl Drop for Looks {
        fn drop(&mut self) {
            assert!(self.0.waiting() <= 1);
        }
    }
    let (streams, opened) = streams(1, 1);
    let stream = opened[0].clone();
    let sleep = || {
        let looks = Looks(stream.clone());
        stream.take_or_wake(Box::new(move || drop(looks)))
    };
    let given_up = sleep().1.unwrap();
    stream.give_up(given_up);
    let _woken = sleep();
    put(&streams, [1]);
    assert_eq!(sleep(), (Taken::Item(1), None));
    // What makes room is let go without the lock as well.
    let (streams, held) = (Streams::<Arc<Looks>>::default(), stream.clone());
    let reads = streams.open(1).unwrap();
    for _ in 0..3 {
        streams.put_with(|| Arc::new(Looks(held.clone())));
    }
    reads.close();
    assert_eq!(reads.dropped(), 2);
}

#[test]
fn a_thread_that_waits_is_woken() {
    let (streams, opened) = streams(3, 10);
    let (sender, taken) = mpsc::channel();
    for (k, stream) in opened.iter().cloned().enumerate() {
        let sender = sender.clone();
        thread::spawn(move || sender.send((k, stream.take_within(LONG * 60))));
    }
    opened[1].close();
    assert_eq!(taken.recv_timeout(LONG).unwrap(), (1, Taken::Closed));
    drop(streams.open(1));
    put(&streams, [7]);
    let mut both = [taken.recv_timeout(LONG).unwrap(), taken.recv_timeout(LONG).unwrap()];
    both.sort_by_key(|(k, _)| *k);
    assert_eq!(both, [(0, Taken::Item(7)), (2, Taken::Item(7))]);
    assert_eq!(opened[0].take_within(Duration::from_millis(1)), Taken::Nothing);
}

/// Two who put, readers of each manner, and one that gives up again and again: each item is read once or counted.
#[test]
fn nothing_is_lost_uncounted_and_nothing_is_read_twice() {
    const EACH: u32 = 20_000;
    let (streams, opened) = streams(1, 8);
    let (stream, seen) = (&opened[0], Mutex::new(vec![0_u32; 2 * EACH as usize]));
    let note = |item: u32| seen.lock().unwrap()[item as usize] += 1;
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let taken @ (Taken::Item(_) | Taken::Nothing) = stream.take_within(LONG) {
                    if let Taken::Item(item) = taken {
                        note(item);
                    }
                }
            });
        }
        scope.spawn(|| {
            let (sender, woken) = mpsc::channel();
            for round in 0_u64.. {
                let sender = sender.clone();
                match stream.take_or_wake(Box::new(move || {
                    let _ = sender.send(());
                })) {
                    (Taken::Item(item), _) => note(item),
                    (Taken::Nothing, Some(ticket)) if round.is_multiple_of(3) => stream.give_up(ticket),
                    // A wake that is lost ends the test.
                    (Taken::Nothing, _) => woken.recv_timeout(LONG).unwrap(),
                    (Taken::Ended | Taken::Closed, _) => break,
                }
            }
        });
        thread::scope(|putting| {
            for begin in [0, EACH] {
                let streams = &streams;
                putting.spawn(move || put(streams, begin..begin + EACH));
            }
        });
        streams.end();
    });
    let seen = seen.into_inner().unwrap();
    assert!(seen.iter().all(|times| *times <= 1));
    assert_eq!(u64::from(seen.iter().sum::<u32>()) + stream.dropped(), u64::from(2 * EACH));
}
