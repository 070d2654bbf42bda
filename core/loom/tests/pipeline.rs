//! Every interleaving of those who push, the threads that work, the provider, the timer, and a shutdown.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test")]

use guarita_loom::{Account, DropReason, ErrorCode, Outcome, Shell};
use loom::thread::{JoinHandle, spawn};

fn with(shell: &Shell, run: impl FnOnce(&Shell) + 'static) -> JoinHandle<()> {
    let shell = shell.clone();
    spawn(move || run(&shell))
}

/// Each frame has one end.
fn ended(account: &Account, pushed: u64) {
    assert!(account.balances(), "{account:?}");
    assert_eq!((account.pushed, account.in_flight, account.outcomes.total()), (pushed, 0, pushed), "{account:?}");
    assert_eq!(account.outcomes.get(Outcome::Failed(ErrorCode::Internal)), 0, "a frame was lost");
}

/// Two pushes, and nobody who pushes after them: whoever works is one that was called.
fn two_pushes(threads: usize) {
    let shell = Shell::new(threads);
    let other = with(&shell, |shell| shell.push());
    shell.push();
    other.join().unwrap();
    shell.wait_drained();
    shell.join();
    ended(&shell.account(), 2);
    assert_eq!(shell.account().outcomes.get(Outcome::Analysed), 2);
}

#[test]
fn whatever_is_pushed_is_worked_on_by_one_thread() {
    loom::model(|| two_pushes(1));
}

#[test]
fn whatever_is_pushed_is_worked_on_by_two_threads() {
    // Four threads with all their switches take minutes; two switches of a kind that nobody asked for find as much.
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(|| two_pushes(2));
}

#[test]
fn a_thread_that_went_is_called_again() {
    loom::model(|| {
        let shell = Shell::new(1);
        shell.push();
        shell.wait_drained();
        shell.push();
        shell.wait_drained();
        shell.join();
        ended(&shell.account(), 2);
    });
}

#[test]
fn an_answer_an_expiry_and_a_shutdown_end_a_frame_once() {
    loom::model(|| {
        let shell = Shell::new(1);
        let id = shell.submit();
        let provider = with(&shell, move |shell| shell.answered(id));
        let timer = with(&shell, move |shell| {
            shell.expired(id);
            assert!(shell.account().balances());
        });
        assert!(shell.account().balances());
        shell.cancel();
        shell.wait_drained();
        ended(&shell.account(), 1);
        provider.join().unwrap();
        timer.join().unwrap();
        ended(&shell.account(), 1);
    });
}

#[test]
fn a_shutdown_waits_for_what_is_in_hand_and_for_answers() {
    loom::model(|| {
        let shell = Shell::new(1);
        let id = shell.submit();
        let provider = with(&shell, move |shell| shell.answered(id));
        shell.push();
        shell.wait_drained();
        provider.join().unwrap();
        shell.join();
        ended(&shell.account(), 2);
        assert_eq!(shell.account().outcomes.get(Outcome::Analysed), 2);
    });
}

#[test]
fn a_push_beside_a_shutdown_ends_as_well() {
    loom::model(|| {
        let shell = Shell::new(1);
        let pushing = with(&shell, |shell| shell.push());
        assert!(shell.account().balances());
        shell.cancel();
        pushing.join().unwrap();
        shell.wait_drained();
        shell.join();
        let account = shell.account();
        ended(&account, 1);
        let [analysed, dropped] = [Outcome::Analysed, Outcome::Dropped(DropReason::Shutdown)];
        assert_eq!(account.outcomes.get(analysed) + account.outcomes.get(dropped), 1);
    });
}

#[test]
fn who_waits_for_a_place_is_told_of_it() {
    loom::model(|| {
        let shell = Shell::new(1);
        let ids = [shell.submit(), shell.submit()];
        let provider = with(&shell, move |shell| ids.into_iter().for_each(|id| shell.answered(id)));
        shell.wait_for_room(2);
        assert!(shell.account().in_flight < 2);
        shell.wait_for_room(1);
        ended(&shell.account(), 2);
        provider.join().unwrap();
    });
}
