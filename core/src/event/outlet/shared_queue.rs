use super::queue::{Backlog, DeliveryQueue, Fault, Offered, Step};
use super::stats::OutletStats;
use crate::clock::{Clock, SystemClock};
use crate::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Longest sleep, so that a clock that jumps is noticed.
const LONGEST_SLEEP: Duration = Duration::from_secs(3_600);

/// A [`DeliveryQueue`] that threads share: one offers, one delivers, one closes.
#[derive(Debug)]
pub(crate) struct SharedQueue<T> {
    state: Mutex<State<T>>,
    /// Wakes the delivering thread.
    wake: Condvar,
    /// Wakes those that wait for the thread's end.
    end: Condvar,
}

#[derive(Debug)]
struct State<T> {
    queue: DeliveryQueue<T>,
    /// The number of queued items that the sleeping thread waits for; none while it is awake or was woken. Notifying a
    /// thread that need not wake costs a system call for nothing.
    asleep_until: Option<usize>,
    ended: bool,
}

impl<T: Clone> SharedQueue<T> {
    pub(crate) fn new(queue: DeliveryQueue<T>) -> Self {
        let state = State { queue, asleep_until: None, ended: false };
        Self { state: Mutex::new(state), wake: Condvar::new(), end: Condvar::new() }
    }

    pub(crate) fn offer(&self, item: T) -> Offered<T> {
        let mut state = self.lock();
        let offered = state.queue.offer(item);
        let waiting = state.queue.waiting();
        let wake = state.asleep_until.take_if(|until| waiting >= *until).is_some();
        drop(state);
        if wake {
            self.wake.notify_one();
        }
        offered
    }

    /// Sleeps as needed, and returns the thread's next step.
    pub(crate) fn next(&self, clock: &dyn Clock) -> Step<T> {
        let mut state = self.lock();
        loop {
            match state.queue.step(clock.now()) {
                Step::Sleep { until_waiting, most } => {
                    state.asleep_until = Some(until_waiting);
                    state = self.sleep(state, most);
                    state.asleep_until = None;
                }
                step => return step,
            }
        }
    }

    /// The try that [`next`](Self::next) gave has ended.
    pub(crate) fn settle(&self, durable: usize, fault: Option<Fault>, clock: &dyn Clock) {
        self.lock().queue.settle(durable, fault, clock.now());
    }

    /// Takes no more; the thread ends when all is delivered.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.queue.close();
        state.asleep_until = None;
        drop(state);
        self.wake.notify_one();
    }

    /// The thread ends after what it does now.
    pub(crate) fn give_up(&self) {
        let mut state = self.lock();
        let left = state.queue.give_up();
        state.asleep_until = None;
        drop(state);
        self.wake.notify_one();
        drop(left);
    }

    /// Marks the thread as ended; whatever made it end, nothing is left uncounted.
    pub(crate) fn ended(&self) {
        let mut state = self.lock();
        let left = state.queue.give_up();
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
        self.lock().queue.stats()
    }

    pub(crate) fn backlog(&self) -> Backlog<T> {
        self.lock().queue.backlog()
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
