//! The queue of one reader of an event stream, of the package `guarita-face`: its machine, its lock, and how it wakes.

#[path = "../../face/src/stream/line.rs"]
mod line;

use line::Line;
pub use line::{Taken, Ticket};
use loom::sync::{Arc, Notify};
use std::fmt;
use std::time::Duration;

/// A stream of numbers, for tests.
pub struct Reader(Line<u32>);

impl Reader {
    /// One for so many numbers that wait.
    pub fn new(capacity: usize) -> Self {
        Self(Line::new(capacity))
    }

    /// Adds a number.
    pub fn put(&self, number: u32) {
        self.0.put(number);
    }

    /// Nothing comes any more.
    pub fn end(&self) {
        self.0.end();
    }

    /// Nobody reads any more.
    pub fn close(&self) {
        self.0.close();
    }

    /// What comes next; the thread waits for it, for ever.
    pub fn wait(&self) -> Taken<u32> {
        self.0.take_within(Duration::MAX)
    }

    /// What comes next, as a coroutine waits for it: it is woken, and looks again.
    pub fn sleep(&self) -> Taken<u32> {
        loop {
            let woken = Arc::new(Notify::new());
            let wakes = woken.clone();
            match self.0.take_or_wake(Box::new(move || wakes.notify())) {
                (Taken::Nothing, Some(_)) => woken.wait(),
                (taken, _) => return taken,
            }
        }
    }

    /// A coroutine that waits, and is cancelled: what there was when it looked.
    pub fn sleep_and_give_up(&self) -> Taken<u32> {
        let (taken, ticket) = self.0.take_or_wake(Box::new(|| ()));
        if let Some(ticket) = ticket {
            self.0.give_up(ticket);
        }
        taken
    }

    /// Numbers that wait, and those that made room.
    pub fn waiting_and_dropped(&self) -> (usize, u64) {
        let stats = self.0.stats();
        (stats.waiting, stats.dropped)
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reader")
    }
}
