//! The queue in front of sinks: its machine and its lock, without the thread.

#[path = "../../src/event/outlet/queue.rs"]
mod queue;
#[path = "../../src/event/outlet/shared_queue.rs"]
mod shared_queue;
#[path = "../../src/event/outlet/stats.rs"]
mod stats;

use crate::clock::ManualClock;
use crate::error::ErrorCode;
use crate::provider::LastError;
use queue::{Backlog, Batching, DeliveryQueue, Fault, Offered, Step};
use shared_queue::SharedQueue;
pub use stats::OutletStats;
use std::time::Duration;

/// A queue of numbers, for tests: what is private in core has its own words here.
#[derive(Debug)]
pub struct Queue(SharedQueue<u32>, ManualClock);

/// What becomes of each batch that is handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It arrives.
    Arrives,
    /// It fails once, and arrives then.
    Again,
    /// Its first number arrives; the others come again.
    InPart,
}

impl Queue {
    /// An empty one, with batches of so many numbers.
    pub fn new(capacity: usize, max_batch: usize) -> Self {
        let batching = Batching { max: max_batch, linger: Duration::ZERO };
        let queue = DeliveryQueue::new(capacity, batching, Backlog::default());
        Self(SharedQueue::new(queue), ManualClock::default())
    }

    /// The number that was lost for it.
    pub fn offer(&self, number: u32) -> Option<u32> {
        match self.0.offer(number) {
            Offered::Taken => None,
            Offered::Dropped(lost) => Some(lost),
        }
    }

    /// The next batch, when it comes; it arrives.
    pub fn take(&self) -> Vec<u32> {
        let Self(queue, clock) = self;
        loop {
            match queue.next(clock) {
                Step::Deliver(numbers) => {
                    queue.settle(numbers.len(), None, clock);
                    return numbers;
                }
                Step::Sleep { .. } => {}
                Step::End => return Vec::new(),
            }
        }
    }

    /// What the thread does, until the end: the numbers that arrived.
    pub fn work(&self, fate: Fate) -> Vec<u32> {
        let Self(queue, clock) = self;
        let fault = || {
            let error = LastError { code: ErrorCode::Unavailable, message: String::new(), at: Default::default() };
            Fault { error, is_about_next: false, again: Some(Duration::ZERO), panicked: false }
        };
        let mut arrived = Vec::new();
        let mut failed = false;
        loop {
            match queue.next(clock) {
                Step::Deliver(_) if fate == Fate::Again && !failed => {
                    failed = true;
                    queue.settle(0, Some(fault()), clock);
                }
                Step::Deliver(numbers) => {
                    failed = false;
                    let durable = if fate == Fate::InPart { 1 } else { numbers.len() };
                    arrived.extend(numbers.iter().take(durable));
                    queue.settle(durable, (durable < numbers.len()).then(fault), clock);
                }
                Step::Sleep { .. } => {}
                Step::End => break,
            }
        }
        queue.ended();
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
