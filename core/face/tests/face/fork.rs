//! What a fork leaves behind, in real children.

use crate::detector::handle;
use crate::{WITHIN, frame};
use guarita::ErrorCode;
use guarita_face::{DetectorHandle, HostCalls, PerProcess, ProcessBound, Workers, end_child, generation, watch_forks};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

/// Runs `check` in a child, which has no threads but this one; false where it panics, or does not end in time.
fn in_child(check: impl FnOnce()) -> bool {
    #[allow(unsafe_code, reason = "there is no safe fork")]
    // SAFETY: the child only runs `check` and ends; memory and locks that it needs are those that the tests are about.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "no fork");
    if child == 0 {
        if catch_unwind(AssertUnwindSafe(check)).is_ok() {
            #[allow(unsafe_code, reason = "the end of a child, without that of the tests")]
            // SAFETY: it may be called at any time.
            unsafe {
                libc::_exit(0)
            }
        }
        end_child();
    }
    let mut status = 0;
    for _ in 0..WITHIN.as_millis() / 5 {
        #[allow(unsafe_code, reason = "the child is waited for by its number")]
        // SAFETY: `status` lives as long as the call.
        let ended = unsafe { libc::waitpid(child, &raw mut status, libc::WNOHANG) };
        if ended == child {
            return libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0;
        }
        thread::sleep(Duration::from_millis(5));
    }
    #[allow(unsafe_code, reason = "a child that hangs is ended")]
    // SAFETY: both may be called at any time; the child is not waited for twice.
    unsafe {
        libc::kill(child, libc::SIGKILL);
        libc::waitpid(child, &raw mut status, 0);
    }
    false
}

#[test]
fn forks_are_counted_in_the_child_alone() {
    watch_forks();
    watch_forks();
    let before = generation();
    assert!(in_child(|| {
        assert_eq!(generation(), before + 1, "once, however often it is watched");
        assert!(in_child(|| assert_eq!(generation(), before + 2)));
    }));
    assert_eq!(generation(), before);
    assert!(!in_child(|| panic!("a child that fails is seen to, on purpose")));
}

#[test]
fn a_bound_value_is_neither_used_nor_dropped_in_a_child() {
    /// Of this process.
    struct OfProcess(u32);
    impl Drop for OfProcess {
        fn drop(&mut self) {
            assert_eq!(std::process::id(), self.0, "dropped in the child");
        }
    }
    watch_forks();
    let bound = ProcessBound::<_>::new(OfProcess(std::process::id()));
    assert!(in_child(move || {
        assert!(bound.is_foreign());
        let error = bound.get("Thing", "a test: here").err().unwrap();
        assert_eq!(error.code(), ErrorCode::InvalidState);
        let message = error.to_string();
        assert!(message.starts_with("this Thing was made before") && message.ends_with("(a test: here)"), "{message}");
        assert_eq!(format!("{:?}", ProcessBound::<_>::new(7)), "7");
        assert!(bound.into_inner("Thing", "").is_err());
    }));
}

#[test]
fn a_lock_that_a_thread_of_the_parent_holds_is_free_in_a_child() {
    static CELL: PerProcess<Vec<u32>> = PerProcess::new();
    watch_forks();
    let (sender, locked) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let holding = thread::spawn(move || {
        let mut held = CELL.lock();
        held.push(1);
        sender.send(()).unwrap();
        released.recv().unwrap();
    });
    locked.recv_timeout(WITHIN).unwrap();
    assert!(in_child(|| {
        assert!(CELL.lock().is_empty(), "a child begins with the default");
        CELL.lock().push(2);
        assert!(in_child(|| assert!(CELL.lock().is_empty())));
        assert_eq!(*CELL.lock(), [2]);
    }));
    release.send(()).unwrap();
    holding.join().unwrap();
    assert_eq!(*CELL.lock(), [1]);
}

#[test]
fn a_child_has_workers_of_its_own() {
    static WORKERS: Workers = Workers::new("guarita-test-fork", 1, 10);
    watch_forks();
    let runs = || {
        let (sender, done) = mpsc::channel();
        WORKERS.run((), move |()| sender.send(()).unwrap()).unwrap();
        done.recv_timeout(WITHIN / 4).is_ok()
    };
    // The parent's thread is busy, and what waits for it does not come along.
    let (open, gate) = mpsc::channel::<()>();
    WORKERS.run((), move |()| gate.recv().unwrap()).unwrap();
    assert!(in_child(|| assert!(runs())));
    open.send(()).unwrap();
    assert!(runs());
}

#[test]
fn a_child_has_counted_no_calls() {
    static CALLS: HostCalls = HostCalls::new();
    watch_forks();
    let call = CALLS.begin().unwrap();
    assert!(in_child(move || {
        assert!(call.is_foreign());
        assert_eq!(CALLS.inside(), 0);
        let own = CALLS.begin().unwrap();
        assert!(!own.is_foreign());
        drop(call);
        assert_eq!(CALLS.inside(), 1, "the parent's call was not counted here");
        drop(own);
        assert_eq!(CALLS.inside(), 0);
    }));
}

#[test]
fn a_detector_is_opened_anew_whatever_the_parents_threads_do() {
    watch_forks();
    let (handle, stop) = (Arc::new(handle()), Arc::new(AtomicBool::new(false)));
    let busy: Vec<_> = (0..2)
        .map(|_| {
            let (handle, stop) = (Arc::clone(&handle), Arc::clone(&stop));
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    handle.detect_batch(&[frame(0)]).unwrap();
                    drop(handle.background().unwrap());
                }
            })
        })
        .collect();
    let here = handle.detect_batch(&[frame(0)]).unwrap();
    for _ in 0..5 {
        assert!(in_child(|| {
            assert!(!handle.is_open() && handle.expected(1) < WITHIN);
            let there = handle.detect_batch(&[frame(0)]).unwrap();
            assert_eq!(there[0].items, here[0].items);
            assert!(handle.is_open());
            let response = handle.background().unwrap().detect(DetectorHandle::request([frame(0)])).unwrap();
            assert_eq!(response.detections[0].items, here[0].items);
            handle.close();
        }));
    }
    assert!(!handle.is_closed(), "the child's end is not the parent's");
    stop.store(true, Ordering::Relaxed);
    busy.into_iter().for_each(|thread| thread.join().unwrap());
}
