//! Every interleaving of those who put, read, sleep, give up and end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test")]

use guarita_loom::{Reader, Taken};
use loom::sync::Arc;
use loom::thread;

/// All that comes until the end.
fn read(next: impl Fn() -> Taken<u32>) -> Vec<u32> {
    std::iter::from_fn(|| match next() {
        Taken::Item(number) => Some(number),
        Taken::Nothing => panic!("nobody waits for nothing"),
        Taken::Ended | Taken::Closed => None,
    })
    .collect()
}

#[test]
fn what_is_put_wakes_the_thread_that_waits() {
    loom::model(|| {
        let stream = Arc::new(Reader::new(2));
        let reader = {
            let stream = stream.clone();
            thread::spawn(move || [(); 2].map(|()| stream.wait()))
        };
        stream.put(1);
        stream.put(2);
        // Nobody ends it: a wake that is lost is a deadlock.
        assert_eq!(reader.join().unwrap(), [Taken::Item(1), Taken::Item(2)]);
    });
}

#[test]
fn what_is_put_wakes_one_that_sleeps_without_a_thread() {
    loom::model(|| {
        let stream = Arc::new(Reader::new(2));
        let reader = {
            let stream = stream.clone();
            thread::spawn(move || read(|| stream.sleep()))
        };
        stream.put(1);
        stream.end();
        assert_eq!(reader.join().unwrap(), [1]);
    });
}

#[test]
fn one_that_gives_up_takes_nothing_along() {
    loom::model(|| {
        let stream = Arc::new(Reader::new(2));
        let reader = {
            let stream = stream.clone();
            thread::spawn(move || stream.sleep())
        };
        let gives_up = {
            let stream = stream.clone();
            thread::spawn(move || stream.sleep_and_give_up())
        };
        stream.put(1);
        // Where the one that gives up was first to look, it has the number, and this ends the other's wait.
        let given_up = gives_up.join().unwrap();
        if given_up != Taken::Nothing {
            stream.end();
        }
        let all = [given_up, reader.join().unwrap()];
        assert_eq!(all.iter().filter(|taken| **taken == Taken::Item(1)).count(), 1, "{all:?}");
    });
}

#[test]
fn each_number_is_read_once_or_counted() {
    loom::model(|| {
        let stream = Arc::new(Reader::new(1));
        let reader = {
            let stream = stream.clone();
            thread::spawn(move || read(|| stream.wait()))
        };
        let putting = {
            let stream = stream.clone();
            thread::spawn(move || stream.put(1))
        };
        stream.put(2);
        putting.join().unwrap();
        stream.end();
        let mut numbers = reader.join().unwrap();
        let (waiting, dropped) = stream.waiting_and_dropped();
        assert_eq!((numbers.len() as u64 + dropped, waiting), (2, 0), "{numbers:?}");
        numbers.dedup();
        assert_eq!(numbers.len() as u64 + dropped, 2, "none is read twice");
    });
}

#[test]
fn a_close_ends_every_wait_and_what_comes_then_is_let_go() {
    loom::model(|| {
        let stream = Arc::new(Reader::new(2));
        let readers = [Reader::wait, Reader::sleep].map(|next| {
            let stream = stream.clone();
            thread::spawn(move || next(&stream))
        });
        stream.close();
        stream.put(1);
        assert_eq!(readers.map(|reader| reader.join().unwrap()), [Taken::Closed, Taken::Closed]);
        assert_eq!(stream.waiting_and_dropped(), (0, 0));
    });
}
