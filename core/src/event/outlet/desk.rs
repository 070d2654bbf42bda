use super::line::{Backlog, Ending, Line, Offered, Step};
use super::stats::OutletStats;
use crate::clock::{Clock, SystemClock};
use crate::provider::LastError;
use crate::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// No sleep is longer, so that a clock that jumps is noticed.
const LONGEST_SLEEP: Duration = Duration::from_secs(3_600);

/// A [`Line`] that threads share: one offers, one hands over, one closes.
#[derive(Debug)]
pub(crate) struct Desk<T> {
    state: Mutex<State<T>>,
    /// For the thread that hands over.
    wake: Condvar,
    /// For those who wait for its end.
    end: Condvar,
}

#[derive(Debug)]
struct State<T> {
    line: Line<T>,
    /// The thread sleeps until something comes, and nobody has woken it: telling a thread that is awake costs a system call for nothing.
    asleep: bool,
    ended: bool,
}

impl<T: Clone> Desk<T> {
    pub(crate) fn new(line: Line<T>) -> Self {
        let state = State { line, asleep: false, ended: false };
        Self { state: Mutex::new(state), wake: Condvar::new(), end: Condvar::new() }
    }

    pub(crate) fn offer(&self, item: T) -> Offered<T> {
        let mut state = self.lock();
        let offered = state.line.offer(item);
        let wake = std::mem::take(&mut state.asleep);
        drop(state);
        if wake {
            self.wake.notify_one();
        }
        offered
    }

    /// The thread's next step that is not sleep.
    pub(crate) fn next(&self, clock: &dyn Clock) -> Step<T> {
        let mut state = self.lock();
        loop {
            match state.line.step(clock.now()) {
                Step::Sleep(most) => {
                    state.asleep = true;
                    state = self.sleep(state, most);
                    state.asleep = false;
                }
                step => return step,
            }
        }
    }

    pub(crate) fn settle(&self, ending: Ending, clock: &dyn Clock) {
        self.lock().line.settle(ending, clock.now());
    }

    pub(crate) fn flushed(&self, error: Option<LastError>, panicked: bool) {
        self.lock().line.flushed(error, panicked);
    }

    /// Waits until the one in hand is to be tried again: after this time, or where the outlet is being closed meanwhile,
    /// since then there may be no later. False where it was given up. Where time does not pass by itself, nobody waits.
    pub(crate) fn wait_for_retry(&self, error: LastError, after: Duration, clock: &dyn Clock) -> bool {
        let due = clock.now() + after;
        let mut state = self.lock();
        state.line.put_off(error);
        let phase = state.line.phase();
        loop {
            let now = clock.now();
            if !clock.runs() || now >= due || state.line.phase() != phase {
                return state.line.again(now);
            }
            // Not marked as asleep: what comes meanwhile waits behind it anyway.
            state = self.sleep(state, Some(due - now));
        }
    }

    /// Takes no more; the thread ends when all is delivered.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.line.close();
        state.asleep = false;
        drop(state);
        self.wake.notify_one();
    }

    /// The thread ends after what it does now.
    pub(crate) fn give_up(&self) {
        let mut state = self.lock();
        let left = state.line.give_up();
        state.asleep = false;
        drop(state);
        self.wake.notify_one();
        drop(left);
    }

    /// The thread says that it has ended; whatever made it end, nothing is left uncounted.
    pub(crate) fn ended(&self) {
        let mut state = self.lock();
        let left = state.line.give_up();
        state.ended = true;
        drop(state);
        self.end.notify_all();
        drop(left);
    }

    /// Whether the thread ends within this time; of the real one, as the clock may stand still.
    pub(crate) fn wait_for_end(&self, within: Duration) -> bool {
        let until = SystemClock.now() + within;
        let mut state = self.lock();
        loop {
            let now = SystemClock.now();
            if state.ended || now >= until {
                return state.ended;
            }
            let most = (until - now).min(LONGEST_SLEEP);
            state = self.end.wait_timeout(state, most).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    pub(crate) fn stats(&self) -> OutletStats {
        self.lock().line.stats()
    }

    pub(crate) fn backlog(&self) -> Backlog<T> {
        self.lock().line.backlog()
    }

    fn sleep<'a>(&self, state: MutexGuard<'a, State<T>>, most: Option<Duration>) -> MutexGuard<'a, State<T>> {
        match most {
            None => self.wake.wait(state).unwrap_or_else(PoisonError::into_inner),
            Some(most) => {
                let most = most.min(LONGEST_SLEEP);
                self.wake.wait_timeout(state, most).unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
