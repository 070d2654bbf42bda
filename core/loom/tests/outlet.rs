//! Every interleaving of those who offer, the thread that hands over, and the one who closes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test")]

use guarita_loom::{Fate, OutletStats, Queue};
use loom::sync::Arc;
use loom::thread;

/// Every number that was offered has one end: it arrived, it was lost to who offered, or it was given up and counted.
fn adds_up(stats: &OutletStats, offered: u64, lost: u64, arrived: u64) {
    assert_eq!((stats.waiting, stats.in_hand), (0, 0), "{stats:?}");
    assert_eq!(stats.offered, offered);
    assert_eq!(stats.delivered + stats.failed + stats.dropped, offered, "{stats:?}");
    assert!(stats.dropped >= lost, "{stats:?}");
    // What arrived while it was given up is counted as dropped.
    assert!(stats.delivered <= arrived, "{stats:?}");
}

#[test]
fn draining_delivers_all_that_was_taken() {
    loom::model(|| {
        let queue = Arc::new(Queue::new(4, 2));
        let worker = {
            let queue = queue.clone();
            thread::spawn(move || queue.work(Fate::Arrives))
        };
        assert_eq!((queue.offer(1), queue.offer(2)), (None, None));
        queue.drain();
        assert_eq!(worker.join().unwrap(), [1, 2]);
        assert_eq!(queue.stats().delivered, 2);
        adds_up(&queue.stats(), 2, 0, 2);
    });
}

#[test]
fn who_closes_while_others_offer_loses_nothing_uncounted() {
    let mut model = loom::model::Builder::new();
    // All interleavings of three threads take 12 s, those with three switches in bad places half a second.
    model.preemption_bound = Some(3);
    model.check(|| {
        let queue = Arc::new(Queue::new(1, 2));
        let worker = {
            let queue = queue.clone();
            thread::spawn(move || queue.work(Fate::Arrives))
        };
        let offering = {
            let queue = queue.clone();
            thread::spawn(move || [1, 2].map(|number| queue.offer(number)))
        };
        queue.drain();
        let lost: Vec<u32> = offering.join().unwrap().into_iter().flatten().collect();
        let arrived = worker.join().unwrap();
        let mut all = [lost.clone(), arrived.clone()].concat();
        all.sort_unstable();
        assert_eq!(all, [1, 2], "each has one end");
        adds_up(&queue.stats(), 2, lost.len() as u64, arrived.len() as u64);
        assert_eq!(queue.stats().delivered, arrived.len() as u64);
    });
}

#[test]
fn giving_up_counts_each_once_whatever_the_thread_does() {
    for (fate, max_batch) in [(Fate::Arrives, 1), (Fate::Again, 1), (Fate::Arrives, 2), (Fate::InPart, 2)] {
        loom::model(move || {
            let queue = Arc::new(Queue::new(2, max_batch));
            let worker = {
                let queue = queue.clone();
                thread::spawn(move || queue.work(fate))
            };
            let lost = [1, 2].map(|number| queue.offer(number));
            queue.give_up();
            let arrived = worker.join().unwrap();
            adds_up(&queue.stats(), 2, lost.iter().flatten().count() as u64, arrived.len() as u64);
        });
    }
}

#[test]
fn what_is_offered_wakes_the_thread() {
    loom::model(|| {
        let queue = Arc::new(Queue::new(2, 2));
        let worker = {
            let queue = queue.clone();
            thread::spawn(move || {
                let mut arrived = Vec::new();
                while arrived.len() < 2 {
                    arrived.extend(queue.take());
                }
                arrived
            })
        };
        // Nobody closes it: a wake that is lost is a deadlock.
        assert_eq!((queue.offer(1), queue.offer(2)), (None, None));
        assert_eq!(worker.join().unwrap(), [1, 2]);
    });
}
