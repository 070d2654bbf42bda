//! Streams: each reader has its own queue of what comes, from the moment on at which it was asked for.

mod line;
#[cfg(test)]
mod tests;

use crate::defaults::MAX_STREAM_CAPACITY;
use crate::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use guarita::{Error, ErrorCode, Result};
use line::Line;
pub use line::{Taken, Ticket, WakeUp};
use std::fmt;
use std::time::Duration;

/// Hands each item to every stream that is open. One for each pipeline.
pub struct Streams<T>(Mutex<Open<T>>);

struct Open<T> {
    /// A stream that is let go is forgotten when the next one is opened.
    lines: Vec<Weak<Line<T>>>,
    ended: bool,
}

impl<T> Default for Streams<T> {
    fn default() -> Self {
        Self(Mutex::new(Open { lines: Vec::new(), ended: false }))
    }
}

impl<T: Clone> Streams<T> {
    /// Opens a stream of what comes from now on, for at most `capacity` items that wait (1..1000000). After the end it is one
    /// that has ended.
    ///
    /// # Errors
    /// `InvalidArgument` for a capacity outside the range.
    pub fn open(&self, capacity: usize) -> Result<Stream<T>> {
        if !(1..=MAX_STREAM_CAPACITY).contains(&capacity) {
            return Err(Error::new(
                ErrorCode::InvalidArgument,
                format!("capacity is {capacity}; it must be 1..{MAX_STREAM_CAPACITY} events"),
            ));
        }
        let line = Arc::new(Line::new(capacity));
        let mut open = self.lock();
        if open.ended {
            line.end();
        } else {
            open.lines.retain(|line| line.strong_count() > 0);
            open.lines.push(Arc::downgrade(&line));
        }
        drop(open);
        Ok(Stream(line))
    }

    /// Puts an item into every open stream; `make` is asked only where there is one.
    pub fn put_with(&self, make: impl FnOnce() -> T) {
        let open: Vec<_> = self.lock().lines.iter().filter_map(Weak::upgrade).collect();
        if !open.is_empty() {
            let item = make();
            open.iter().for_each(|line| line.put(item.clone()));
        }
    }

    /// Ends all streams: what waits can still be read.
    pub fn end(&self) {
        let mut open = self.lock();
        open.ended = true;
        let lines = std::mem::take(&mut open.lines);
        drop(open);
        lines.iter().filter_map(Weak::upgrade).for_each(|line| line.end());
    }

    fn lock(&self) -> MutexGuard<'_, Open<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> fmt::Debug for Streams<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Streams")
    }
}

/// A stream of items. Where its reader is slow, the oldest are dropped and counted. Clones read the same one: each item goes to
/// one of them.
pub struct Stream<T>(Arc<Line<T>>);

impl<T> Stream<T> {
    /// Takes what there is now, without waiting.
    pub fn take(&self) -> Taken<T> {
        self.0.take()
    }

    /// Takes the next item, and waits for it for `most` at the longest.
    pub fn take_within(&self, most: Duration) -> Taken<T> {
        self.0.take_within(most)
    }

    /// Takes what there is now; where that is nothing, calls `wake_up` once something has changed, and gives a ticket. A reader
    /// that is woken takes again, and may find nothing, since all who sleep are woken and the first one takes.
    pub fn take_or_wake(&self, wake_up: WakeUp) -> (Taken<T>, Option<Ticket>) {
        self.0.take_or_wake(wake_up)
    }

    /// Gives a ticket back: its reader is not woken any more.
    pub fn give_up(&self, ticket: Ticket) {
        self.0.give_up(ticket);
    }

    /// Items that wait to be read.
    pub fn waiting(&self) -> usize {
        self.0.stats().waiting
    }

    /// Items that made room for newer ones.
    pub fn dropped(&self) -> u64 {
        self.0.stats().dropped
    }

    /// Whether no more items come: it was closed, or has ended and may still hold some.
    pub fn has_ended(&self) -> bool {
        let stats = self.0.stats();
        stats.ended || stats.closed
    }

    /// Whether nothing comes out of it any more.
    pub fn is_over(&self) -> bool {
        let stats = self.0.stats();
        stats.closed || stats.ended && stats.waiting == 0
    }

    /// Closes it for all who read it; what waits is let go. A second call does nothing.
    pub fn close(&self) {
        self.0.close();
    }
}

impl<T> Clone for Stream<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> fmt::Debug for Stream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stream({:?})", self.0.stats())
    }
}

impl<T> Taken<T> {
    /// The item, or the error for a reader that asked for one and waited this long.
    ///
    /// # Errors
    /// `DeadlineExceeded` where none came in time, `Cancelled` after the end, `InvalidState` once it is closed.
    pub fn within(self, waited: Duration) -> Result<T> {
        match self {
            Self::Item(item) => Ok(item),
            Self::Nothing => {
                let message = format!("no event within {} s", waited.as_secs_f64());
                Err(Error::new(ErrorCode::DeadlineExceeded, message))
            }
            Self::Ended => Err(Error::new(ErrorCode::Cancelled, "the pipeline has ended, and no event is left")),
            Self::Closed => Err(Error::new(ErrorCode::InvalidState, "the stream is closed")),
        }
    }
}
