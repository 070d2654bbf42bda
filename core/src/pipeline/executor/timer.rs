//! The timer thread, and waiting for the last frame to end.

use super::{Executor, let_go};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// How often the timer looks for frames that were pushed, and for how long after the last one.
const POLL: Duration = Duration::from_millis(1);
pub(super) const LINGER: Duration = Duration::from_millis(100);
/// Longest sleep of the timer: changes without a notification are seen then.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);
const SHORTEST_SLEEP: Duration = Duration::from_micros(100);
/// How long the timer's thread is waited for.
pub(in crate::pipeline) const TIMER_ENDS: Duration = Duration::from_millis(200);

impl Executor {
    /// Runs what is due, for clocks that do not run by themselves.
    pub(in crate::pipeline) fn on_time(self: &Arc<Self>) {
        let now = self.clock.now();
        let mut state = self.lock();
        let late = state.scheduler.on_time(now);
        self.leave(state);
        self.warn_of_late(late, now);
    }

    /// What the timer's thread does until the pipeline ends.
    pub(in crate::pipeline) fn keep_time(self: &Arc<Self>) {
        let mut state = self.lock();
        while !state.ended {
            let now = self.clock.now();
            let is_due = state.scheduler.due(now).is_some_and(|due| due <= now);
            let late = if is_due { state.scheduler.on_time(now) } else { 0 };
            let wants_thread = state.tickets.wants_thread(|| state.scheduler.has_work(now));
            if late > 0 || wants_thread || state.scheduler.has_leftovers() {
                // Until it looks again, whoever pushes wakes the threads.
                state.polling = false;
                let leftovers = state.scheduler.take_leftovers();
                self.leave(state);
                if !leftovers.is_empty() {
                    self.tell_of_slow(&leftovers, now);
                    // The host's code may take long: not here, where all others are waited for.
                    self.threads.spawn(move || let_go(leftovers));
                }
                self.warn_of_late(late, now);
                state = self.lock();
                continue;
            }
            let due = state.scheduler.due(now);
            state.tickets.arm(due);
            let runs = self.clock.runs();
            state.polling = runs && state.last_push.is_some_and(|last| now - last < LINGER);
            let longest = if state.polling { POLL } else { LONGEST_SLEEP };
            let sleep = match due {
                Some(due) if runs => (due - now).clamp(SHORTEST_SLEEP, longest),
                _ => longest,
            };
            state = self.timer.wait_timeout(state, sleep).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.timer_ended = true;
        drop(state);
        self.drained.notify_all();
    }

    /// Waits briefly for the timer's thread to end, and returns whether it did: it may be in the host's log.
    pub(in crate::pipeline) fn wait_timer(&self) -> bool {
        let waited = self.drained.wait_timeout_while(self.lock(), TIMER_ENDS, |state| !state.timer_ended);
        waited.unwrap_or_else(PoisonError::into_inner).0.timer_ended
    }

    pub(in crate::pipeline) fn end(self: &Arc<Self>) {
        let mut state = self.lock();
        state.ended = true;
        self.leave(state);
        self.timer.notify_all();
    }

    /// Waits until no frame is in flight, for at most this much real time.
    pub(in crate::pipeline) fn wait_drained(&self, within: Duration) -> bool {
        let mut state = self.lock();
        state.tickets.begin_draining();
        let waited = self.drained.wait_timeout_while(state, within, |state| !state.scheduler.is_drained());
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        state.tickets.end_draining();
        state.scheduler.is_drained()
    }
}
