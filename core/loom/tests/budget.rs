//! Every interleaving of two or three threads at one budget.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test")]

use guarita_loom::{Budget, BudgetConfig, BudgetEvent, Caps, ErrorCode, MicroDollars, Moment, Spend};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

const IMAGE: Spend<'_> = Spend { api: "rekognition:DetectLabels", camera: "gate", tenant: "port", images: 1 };

/// A budget for so many images a day.
fn budget_for(images: u64) -> Budget {
    let per_day = Some(MicroDollars::from_micros(1_000).times(images));
    Budget::new(BudgetConfig { total: Caps { per_day, ..Caps::default() }, ..BudgetConfig::default() }).unwrap()
}

fn now() -> Moment {
    Moment::default()
}

#[test]
fn the_last_image_is_paid_for_once() {
    loom::model(|| {
        let budget = budget_for(2);
        let threads = [(); 2].map(|()| {
            let budget = budget.clone();
            thread::spawn(move || budget.reserve(&IMAGE, now()).ok())
        });
        let mut given = vec![budget.reserve(&IMAGE, now()).ok()];
        given.extend(threads.map(|thread| thread.join().unwrap()));
        let given: Vec<_> = given.into_iter().flatten().collect();
        assert_eq!(given.len(), 2);
        let today = budget.report(now()).today;
        assert_eq!((today.spent.as_micros(), today.reserved.as_micros()), (0, 2_000));
        given.into_iter().for_each(|call| call.release(now()));
        assert_eq!(budget.report(now()).today.reserved, MicroDollars::ZERO);
    });
}

#[test]
fn every_end_of_a_call_counts_once() {
    loom::model(|| {
        let budget = budget_for(3);
        let calls = [(); 3].map(|()| budget.reserve(&IMAGE, now()).unwrap());
        let [billed, released, dropped] = calls;
        let threads = [thread::spawn(move || _ = billed.commit(now())), thread::spawn(move || released.release(now()))];
        drop(dropped);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let today = budget.report(now()).today;
        assert_eq!((today.spent.as_micros(), today.reserved.as_micros()), (2_000, 0));
        assert_eq!((today.unknown.as_micros(), today.images), (1_000, 1));
    });
}

#[test]
fn a_release_makes_room_for_one() {
    loom::model(|| {
        let budget = budget_for(1);
        let first = budget.reserve(&IMAGE, now()).unwrap();
        let thread = {
            let budget = budget.clone();
            thread::spawn(move || budget.reserve(&IMAGE, now()).map(|call| call.commit(now())))
        };
        first.release(now());
        let spent = match thread.join().unwrap() {
            Ok(charged) => charged.as_micros(),
            Err(error) => {
                assert_eq!(error.code(), ErrorCode::BudgetExhausted);
                0
            }
        };
        let today = budget.report(now()).today;
        assert_eq!((today.spent.as_micros(), today.reserved.as_micros()), (spent, 0));
    });
}

#[test]
fn a_warning_is_sent_once_and_outside_the_lock() {
    loom::model(|| {
        let warnings = Arc::new(AtomicUsize::new(0));
        let budget = budget_for(2);
        let (counted, inside) = (Arc::clone(&warnings), budget.clone());
        let sent = move |event: &BudgetEvent| {
            if matches!(event, BudgetEvent::Warning { .. }) {
                counted.fetch_add(1, Ordering::SeqCst);
            }
            // With the lock held, this would never come back.
            let _ = inside.estimate(&IMAGE, now());
        };
        let budget = budget.with_listener(sent);
        let calls = [(); 2].map(|()| budget.reserve(&IMAGE, now()).unwrap());
        let threads = calls.map(|call| thread::spawn(move || _ = call.commit(now())));
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(warnings.load(Ordering::SeqCst), 1);
        // The listener holds the budget: break the ring.
        let _ = budget.with_listener(|_| {});
    });
}
