//! The queue of one reader of a stream: bounded, the oldest dropped and counted, readers woken. Tried in every interleaving by
//! `core/loom`.

use crate::sync::{Condvar, Mutex, MutexGuard, PoisonError, wait_while};
use std::collections::VecDeque;
use std::time::Duration;

/// Tells a reader that something has changed. It is called once, with no lock held, on the thread that changed it.
pub type WakeUp = Box<dyn FnOnce() + Send>;

/// What a reader finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken<T> {
    /// The oldest item.
    Item(T),
    /// Nothing now; something may come.
    Nothing,
    /// Nothing comes any more, and all that came was read.
    Ended,
    /// A reader closed it.
    Closed,
}

/// A reader's place among those that are to be woken.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a reader that goes away gives its ticket back"]
pub struct Ticket(u64);

/// How it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LineStats {
    pub(crate) waiting: usize,
    pub(crate) dropped: u64,
    pub(crate) ended: bool,
    pub(crate) closed: bool,
}

/// The lock is held for moments. Whoever holds it takes no other lock, and runs no code of others.
pub(crate) struct Line<T> {
    state: Mutex<State<T>>,
    /// For threads that wait.
    came: Condvar,
}

struct State<T> {
    waiting: VecDeque<T>,
    capacity: usize,
    dropped: u64,
    ended: bool,
    closed: bool,
    /// Readers without a thread, by ticket. All of them are woken, and the first one takes what came: one that gave up
    /// meanwhile takes nothing along.
    asleep: Vec<(u64, WakeUp)>,
    tickets: u64,
}

impl<T> State<T> {
    fn take(&mut self) -> Taken<T> {
        if self.closed {
            return Taken::Closed;
        }
        match self.waiting.pop_front() {
            Some(item) => Taken::Item(item),
            None if self.ended => Taken::Ended,
            None => Taken::Nothing,
        }
    }

    fn has_nothing_yet(&self) -> bool {
        self.waiting.is_empty() && !self.ended && !self.closed
    }
}

impl<T> Line<T> {
    /// An empty one; `capacity` is 1 or more.
    pub(crate) fn new(capacity: usize) -> Self {
        let state = State {
            waiting: VecDeque::new(),
            capacity,
            dropped: 0,
            ended: false,
            closed: false,
            asleep: Vec::new(),
            tickets: 0,
        };
        Self { state: Mutex::new(state), came: Condvar::new() }
    }

    /// Adds an item; where there is no room, the oldest goes, and is counted.
    pub(crate) fn put(&self, item: T) {
        let lost = self.change(|state| {
            if state.closed || state.ended {
                return Some(item);
            }
            let oldest = if state.waiting.len() >= state.capacity { state.waiting.pop_front() } else { None };
            state.dropped += u64::from(oldest.is_some());
            state.waiting.push_back(item);
            oldest
        });
        drop(lost);
    }

    /// Nothing comes any more; what waits can still be read.
    pub(crate) fn end(&self) {
        self.change(|state| state.ended = true);
    }

    /// The readers want no more; what waits is let go.
    pub(crate) fn close(&self) {
        let left = self.change(|state| {
            state.closed = true;
            std::mem::take(&mut state.waiting)
        });
        drop(left);
    }

    /// What there is now.
    pub(crate) fn take(&self) -> Taken<T> {
        self.lock().take()
    }

    /// What there is now, or comes within this time.
    pub(crate) fn take_within(&self, most: Duration) -> Taken<T> {
        wait_while(&self.came, self.lock(), most, State::has_nothing_yet).take()
    }

    /// What there is now; where there is nothing, `wake_up` is called when that changes, and the ticket takes it back.
    pub(crate) fn take_or_wake(&self, wake_up: WakeUp) -> (Taken<T>, Option<Ticket>) {
        let mut state = self.lock();
        if !state.has_nothing_yet() {
            let taken = state.take();
            drop(state);
            drop(wake_up);
            return (taken, None);
        }
        state.tickets += 1;
        let ticket = state.tickets;
        state.asleep.push((ticket, wake_up));
        (Taken::Nothing, Some(Ticket(ticket)))
    }

    /// The reader with this ticket waits no more.
    pub(crate) fn give_up(&self, ticket: Ticket) {
        let mut state = self.lock();
        let place = state.asleep.iter().position(|(other, _)| *other == ticket.0);
        let given_up = place.map(|place| state.asleep.swap_remove(place));
        drop(state);
        drop(given_up);
    }

    pub(crate) fn stats(&self) -> LineStats {
        let state = self.lock();
        LineStats { waiting: state.waiting.len(), dropped: state.dropped, ended: state.ended, closed: state.closed }
    }

    /// Changes it, and wakes all who wait.
    fn change<R>(&self, change: impl FnOnce(&mut State<T>) -> R) -> R {
        let mut state = self.lock();
        let changed = change(&mut state);
        let asleep = std::mem::take(&mut state.asleep);
        drop(state);
        self.came.notify_all();
        asleep.into_iter().for_each(|(_, wake_up)| wake_up());
        changed
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
