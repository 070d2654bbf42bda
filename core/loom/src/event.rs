//! The queue in front of sinks: its machine and its lock, without the thread.

#[path = "../../src/event/outlet/desk.rs"]
mod desk;
#[path = "../../src/event/outlet/line.rs"]
mod line;
#[path = "../../src/event/outlet/stats.rs"]
mod stats;

use crate::clock::ManualClock;
use crate::error::ErrorCode;
use crate::provider::LastError;
use desk::Desk;
use line::{Backlog, Ending, Line, Offered, Step};
pub use stats::OutletStats;
use std::time::Duration;

/// A queue of numbers, for tests: what is private in core has its own words here.
#[derive(Debug)]
pub struct Queue(Desk<u32>, ManualClock);

/// What becomes of each number that is handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It arrives.
    Arrives,
    /// It fails once, and arrives then.
    Again,
}

impl Queue {
    /// An empty one.
    pub fn new(capacity: usize) -> Self {
        Self(Desk::new(Line::new(capacity, Duration::ZERO, Backlog::default())), ManualClock::default())
    }

    /// The number that was lost for it.
    pub fn offer(&self, number: u32) -> Option<u32> {
        match self.0.offer(number) {
            Offered::Taken => None,
            Offered::Dropped(lost) => Some(lost),
        }
    }

    /// The next number, when it comes; it arrives.
    pub fn take(&self) -> Option<u32> {
        let Self(desk, clock) = self;
        loop {
            match desk.next(clock) {
                Step::Handle(number) => {
                    desk.settle(Ending::Delivered, clock);
                    return Some(number);
                }
                Step::Flush => desk.flushed(None, false),
                Step::Sleep(_) => {}
                Step::End => return None,
            }
        }
    }

    /// What the thread does, until the end: the numbers that arrived.
    pub fn work(&self, fate: Fate) -> Vec<u32> {
        let Self(desk, clock) = self;
        let error = || LastError { code: ErrorCode::Unavailable, message: String::new(), at: Default::default() };
        let mut arrived = Vec::new();
        loop {
            match desk.next(clock) {
                Step::Handle(number) => {
                    if fate == Fate::Again && !desk.wait_for_retry(error(), Duration::ZERO, clock) {
                        continue;
                    }
                    arrived.push(number);
                    desk.settle(Ending::Delivered, clock);
                }
                Step::Flush => desk.flushed(None, false),
                Step::Sleep(_) => {}
                Step::End => break,
            }
        }
        desk.ended();
        arrived
    }

    /// Takes no more, and returns when the thread has ended.
    pub fn drain(&self) {
        self.0.close();
        assert!(self.0.wait_for_end(Duration::from_secs(86_400)), "the thread ends");
    }

    /// Takes no more and delivers no more; waits for nobody.
    pub fn give_up(&self) {
        self.0.close();
        self.0.give_up();
    }

    /// The counts.
    pub fn stats(&self) -> OutletStats {
        self.0.stats()
    }
}
