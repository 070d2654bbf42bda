//! What is different on threads that the host lends.

use super::tests::{Control, SECOND};
use super::tests::{PANICS, code, frame, frames, on, submit};
use super::*;
use crate::error::ErrorCode;
use crate::provider::{PendingAnswer, Priority};
use std::sync::mpsc;

fn lent(count: usize, workers: usize, queue: usize) -> (Arc<Control>, LocalProvider, Threads) {
    let threads = Threads::new(count).unwrap();
    let config = LocalProviderConfig { workers, queue, ..Default::default() };
    let (control, local) = on(ExecutionProvider::Cpu, config, Some(threads.clone()));
    (control, local, threads)
}

/// What `work` answers on one of the threads.
fn there<T: Send + 'static>(threads: &Threads, work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, done) = mpsc::channel();
    threads.spawn(move || drop(sender.send(work())));
    done.recv_timeout(10 * SECOND).expect("an end")
}

/// Occupies a thread until the sender is dropped.
fn occupy(threads: &Threads) -> mpsc::Sender<()> {
    let (release, held) = mpsc::channel::<()>();
    let (sender, begun) = mpsc::channel();
    threads.spawn(move || {
        sender.send(()).unwrap();
        let _ = held.recv();
    });
    begun.recv().unwrap();
    release
}

#[test]
fn a_call_that_waits_on_a_lent_thread_works_there() {
    let (control, local, threads) = lent(1, 1, 4);
    let local = Arc::new(local);
    let own = Arc::clone(&local);
    let answers = there(&threads, move || {
        // The only thread is here: this one waits in the queue.
        let waits = submit(&own, frames(3));
        let here = own.detect(frames(2));
        let late = own.detect(frames(1).with_deadline(own.clock().now()));
        let panics = own.detect(Request::new([frame(PANICS)]));
        (waits, here.map(|response| response.detections.len()), late, panics)
    });
    assert_eq!(answers.0.wait().unwrap().detections.len(), 3);
    assert_eq!(answers.1.unwrap(), 2);
    assert_eq!(answers.2.unwrap_err().code(), ErrorCode::DeadlineExceeded);
    assert_eq!(answers.3.unwrap_err().code(), ErrorCode::Internal);
    assert_eq!(control.calls(), [("cpu", 2), ("cpu", 1), ("cpu", 3)]);
    assert_eq!(local.health().in_flight, 0);
    local.close();
    let own = Arc::clone(&local);
    assert_eq!(there(&threads, move || own.detect(frames(1))).unwrap_err().code(), ErrorCode::Cancelled);
}

#[test]
fn no_more_threads_look_than_may() {
    for (count, workers) in [(4, 2), (3, 3), (2, 0)] {
        let (control, local, threads) = lent(count, workers, 40);
        let most = if workers == 0 { count } else { workers };
        control.hold(true);
        let answers: Vec<_> = (0..20).map(|_| submit(&local, frames(1))).collect();
        control.wait_for_calls(most);
        // Threads that are left over do others' work meanwhile, and have tried to look by then.
        for _ in most..count {
            there(&threads, || ());
        }
        assert_eq!((control.calls().len(), local.health().in_flight), (most, 20));
        control.hold(false);
        answers.into_iter().for_each(|answer| drop(answer.wait().unwrap()));
        assert_eq!(control.calls().len(), 20 - most);
    }
}

#[test]
fn threads_that_are_busy_elsewhere_find_the_most_important_first() {
    let (control, local, threads) = lent(1, 1, 3);
    let busy = occupy(&threads);
    let mut answers: Vec<PendingAnswer> = Vec::new();
    for (priority, count) in [(Priority::Low, 1), (Priority::Low, 2), (Priority::Normal, 3), (Priority::Low, 4)] {
        answers.push(submit(&local, frames(count).with_priority(priority)));
    }
    // 3 in the queue and one for the thread. Each pushes out a low one, and nobody new is sent for.
    for count in [5, 6, 7] {
        answers.push(submit(&local, frames(count).with_priority(Priority::Critical)));
    }
    assert_eq!(local.pool.queue().lock().tickets, 4);
    drop(busy);
    let codes: Vec<_> = answers.into_iter().map(|answer| answer.wait().err().map(|error| error.code())).collect();
    let out = Some(ErrorCode::Overloaded);
    assert_eq!(codes, [out, out, None, out, None, None, None]);
    assert_eq!(control.calls(), [("cpu", 5), ("cpu", 6), ("cpu", 7), ("cpu", 3)]);
}

#[test]
fn tickets_do_not_pile_up_where_requests_die_in_the_queue() {
    let (control, local, threads) = lent(1, 1, 3);
    let busy = occupy(&threads);
    let mut dead = Vec::new();
    for _ in 0..100 {
        let deadline = local.clock().now() + SECOND;
        dead.push(submit(&local, frames(1).with_deadline(deadline)));
        control.clock.advance(2 * SECOND);
    }
    let state = local.pool.queue().lock();
    assert!(state.tickets <= 4 && state.queue.len() <= 4, "{} tickets", state.tickets);
    drop((state, busy));
    assert!(dead.into_iter().all(|answer| code(answer) == ErrorCode::DeadlineExceeded));
    local.detect(frames(1)).unwrap();
    assert_eq!(local.pool.queue().lock().tickets, 0);
}

#[test]
fn tickets_that_are_left_find_nobody_and_do_no_harm() {
    let (control, local, threads) = lent(1, 1, 8);
    let busy = occupy(&threads);
    let waiting: Vec<_> = (0..5).map(|_| submit(&local, frames(1))).collect();
    let queue = Arc::downgrade(local.pool.queue());
    // Nothing of it runs: it does not wait for a thread that is busy with somebody else's work.
    drop(local);
    for answer in waiting {
        assert_eq!(code(answer), ErrorCode::Cancelled);
    }
    drop(busy);
    there(&threads, || ());
    assert!(control.calls().is_empty());
    assert!(queue.upgrade().is_none(), "what the tickets held is free");
}

#[test]
fn closing_on_a_lent_thread_does_not_wait() {
    let (control, local, threads) = lent(2, 2, 8);
    let local = Arc::new(local);
    control.hold(true);
    let running = submit(&local, frames(1));
    control.wait_for_calls(1);
    let own = Arc::clone(&local);
    there(&threads, move || own.close());
    assert_eq!(code(submit(&local, frames(1))), ErrorCode::Cancelled);
    control.hold(false);
    assert!(running.wait().is_ok());
}

#[test]
fn closing_waits_for_the_reply_and_not_only_for_the_call() {
    let (_, local, _threads) = lent(1, 1, 8);
    let (release, held) = mpsc::channel::<()>();
    let (sender, begun) = mpsc::channel();
    let replied = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let set = Arc::clone(&replied);
    local.submit(
        frames(1),
        Reply::new(move |_| {
            sender.send(()).unwrap();
            let _ = held.recv();
            set.store(true, std::sync::atomic::Ordering::SeqCst);
        }),
    );
    begun.recv().unwrap();
    assert_eq!(local.health().in_flight, 0, "answered, as far as the provider goes");
    let (done, closed) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        local.close();
        done.send(replied.load(std::sync::atomic::Ordering::SeqCst)).unwrap();
    });
    assert!(closed.recv_timeout(SECOND / 20).is_err(), "it waits");
    drop(release);
    assert!(closed.recv_timeout(10 * SECOND).unwrap());
    thread.join().unwrap();
}

#[test]
fn two_providers_share_the_threads() {
    let threads = Threads::new(2).unwrap();
    let config = LocalProviderConfig { workers: 1, queue: 100, ..Default::default() };
    let both = [(); 2].map(|()| on(ExecutionProvider::Cpu, config.clone(), Some(threads.clone())).1);
    drop(threads);
    let answers: Vec<_> = (0..100).map(|k| submit(&both[k % 2], frames(1))).collect();
    answers.into_iter().for_each(|answer| drop(answer.wait().unwrap()));
}
