use super::stats::OutletStats;
use crate::clock::Timestamp;
use crate::provider::LastError;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::Duration;

/// What became of an item that was offered.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Offered<T> {
    /// It waits for its turn, and nothing was lost for it.
    Taken,
    /// This one was lost and counted: the oldest that waited, where there was no room, or the offered one itself, where
    /// the outlet is closed. It comes back so that it is freed outside of the lock.
    Dropped(T),
}

/// What the thread does next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step<T> {
    /// Hands these over, the oldest first.
    Deliver(Vec<T>),
    /// Sleeps until somebody wakes it, until so many items wait, or for at most so long.
    Sleep { until_waiting: usize, most: Option<Duration> },
    /// Ends.
    End,
}

/// Why not all items of a try are durable.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) error: LastError,
    /// It is about the first item that is not durable, and those behind it were not tried; otherwise about one of them, and
    /// nobody knows which.
    pub(crate) is_about_next: bool,
    /// Try the rest again after so long; none where that would not help.
    pub(crate) again: Option<Duration>,
    pub(crate) panicked: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Items are taken.
    Open,
    /// No more; what waits is still delivered.
    Draining,
    /// What waited was given up.
    GivenUp,
}

/// `offered = waiting + in hand + delivered + failed + dropped`, always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Counts {
    pub(crate) offered: u64,
    pub(crate) delivered: u64,
    /// Further tries, not items.
    pub(crate) retried: u64,
    pub(crate) failed: u64,
    pub(crate) dropped: u64,
    pub(crate) panics: u64,
}

/// What outlives the process: what was not delivered yet, oldest first, and the counts. Items that were in hand are in it
/// too, so after a crash they may be delivered twice, and never not at all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Backlog<T> {
    pub(crate) counts: Counts,
    pub(crate) waiting: VecDeque<T>,
}

impl<T> Default for Backlog<T> {
    fn default() -> Self {
        Self { counts: Counts::default(), waiting: VecDeque::new() }
    }
}

/// How a queue makes batches.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Batching {
    /// Items of a batch; at least 1.
    pub(crate) max: usize,
    /// How long the first item waits for a batch to fill.
    pub(crate) linger: Duration,
}

/// The queue in front of a sink or of a host's trigger, and what became of each item; decides, and does nothing itself.
///
/// Where it is full, the oldest that waits leaves: of two events that cannot both be told, the newer one is worth more. Those
/// in hand stay, since nobody knows how much of them is done. A batch of which one item is refused, without a word on which,
/// is cut in halves until that item is alone; batches then grow again from 1, so that a sink which refuses everything is
/// not asked for each item many times.
#[derive(Debug)]
pub(crate) struct DeliveryQueue<T> {
    capacity: usize,
    batching: Batching,
    waiting: VecDeque<T>,
    /// The batch that is being delivered, less what is durable or was given up.
    in_hand: VecDeque<T>,
    /// How many from the front of `in_hand` the thread has now; 0 between two tries.
    trying: usize,
    /// How many from the front of `in_hand` were tried before.
    tried: usize,
    /// Among how many from the front of `in_hand` there is one that is refused; 0 where none is known.
    suspects: usize,
    /// Items of the next try where there are no suspects.
    batch_limit: usize,
    retry_at: Option<Timestamp>,
    filling_since: Option<Timestamp>,
    counts: Counts,
    phase: Phase,
    busy_since: Option<Timestamp>,
    last_error: Option<LastError>,
}

impl<T: Clone> DeliveryQueue<T> {
    /// A queue that goes on where another one stopped. What does not fit leaves, the oldest first.
    pub(crate) fn new(capacity: usize, batching: Batching, backlog: Backlog<T>) -> Self {
        let Backlog { mut counts, mut waiting } = backlog;
        let (capacity, max) = (capacity.max(1), batching.max.max(1));
        let too_many = waiting.len().saturating_sub(capacity);
        waiting.drain(..too_many);
        add(&mut counts.dropped, too_many);
        Self {
            capacity,
            batching: Batching { max, ..batching },
            waiting,
            in_hand: VecDeque::new(),
            trying: 0,
            tried: 0,
            suspects: 0,
            batch_limit: max,
            retry_at: None,
            filling_since: None,
            counts,
            phase: Phase::Open,
            busy_since: None,
            last_error: None,
        }
    }

    pub(crate) fn offer(&mut self, item: T) -> Offered<T> {
        add(&mut self.counts.offered, 1);
        if self.phase != Phase::Open {
            add(&mut self.counts.dropped, 1);
            return Offered::Dropped(item);
        }
        let oldest = if self.waiting.len() >= self.capacity { self.waiting.pop_front() } else { None };
        self.waiting.push_back(item);
        match oldest {
            Some(oldest) => {
                add(&mut self.counts.dropped, 1);
                Offered::Dropped(oldest)
            }
            None => Offered::Taken,
        }
    }

    /// Items that wait for their turn.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// What the thread does now. Only the thread asks, and not before it has settled the last try.
    pub(crate) fn step(&mut self, now: Timestamp) -> Step<T> {
        if let Some(at) = self.retry_at.filter(|at| now < *at) {
            // What comes meanwhile waits behind it.
            return Step::Sleep { until_waiting: usize::MAX, most: Some(at - now) };
        }
        if self.in_hand.is_empty() {
            if self.waiting.is_empty() {
                self.filling_since = None;
                return match self.phase {
                    Phase::Open => Step::Sleep { until_waiting: 1, most: None },
                    Phase::Draining | Phase::GivenUp => Step::End,
                };
            }
            if let Some(left) = self.left_to_fill(now) {
                return Step::Sleep { until_waiting: self.full(), most: Some(left) };
            }
            self.filling_since = None;
            let batch = self.waiting.len().min(self.batching.max);
            self.in_hand.extend(self.waiting.drain(..batch));
        }
        let size = if self.suspects > 0 { (self.suspects / 2).max(1) } else { self.batch_limit };
        self.trying = size.min(self.in_hand.len());
        self.retry_at = None;
        self.busy_since = Some(now);
        add(&mut self.counts.retried, usize::from(self.tried > 0));
        self.tried = self.tried.max(self.trying);
        Step::Deliver(self.in_hand.iter().take(self.trying).cloned().collect())
    }

    /// How many that wait make a full batch.
    fn full(&self) -> usize {
        self.batching.max.min(self.capacity)
    }

    /// How much longer those that wait may wait for more.
    fn left_to_fill(&mut self, now: Timestamp) -> Option<Duration> {
        if self.waiting.len() >= self.full() || self.phase != Phase::Open {
            return None;
        }
        let since = *self.filling_since.get_or_insert(now);
        self.batching.linger.checked_sub(now - since).filter(|left| !left.is_zero())
    }

    /// A try has ended: so many, from its front, are durable, and this is why not all. Those that were given up meanwhile are
    /// counted as dropped and stay so.
    pub(crate) fn settle(&mut self, durable: usize, fault: Option<Fault>, now: Timestamp) {
        self.busy_since = None;
        let tried = std::mem::take(&mut self.trying);
        let gone_meanwhile = self.in_hand.is_empty();
        let durable = self.leave(durable.min(tried));
        add(&mut self.counts.delivered, durable);
        let Some(Fault { error, is_about_next, again, panicked }) = fault else {
            if self.suspects == 0 {
                self.batch_limit = self.batch_limit.saturating_mul(2).min(self.batching.max);
            }
            self.suspects = self.suspects.saturating_sub(durable);
            return;
        };
        add(&mut self.counts.panics, usize::from(panicked));
        self.last_error = Some(error);
        if gone_meanwhile {
            return;
        }
        self.suspects = self.suspects.saturating_sub(durable);
        let rest = tried.saturating_sub(durable);
        if let Some(after) = again {
            self.retry_at = Some(now + after);
            if is_about_next {
                self.tried = 1;
            }
        } else if is_about_next || rest <= 1 {
            let failed = self.leave(1);
            add(&mut self.counts.failed, failed);
            self.suspects = 0;
            if is_about_next {
                self.tried = 0;
            } else {
                self.batch_limit = 1;
            }
        } else {
            self.suspects = rest;
        }
    }

    /// Removes so many from the front of those in hand; gives how many there were.
    fn leave(&mut self, count: usize) -> usize {
        let count = count.min(self.in_hand.len());
        self.in_hand.drain(..count);
        self.tried = self.tried.saturating_sub(count);
        count
    }

    /// Takes no more. Whoever waits to be tried again is tried at once: there may be no later.
    pub(crate) fn close(&mut self) {
        if self.phase == Phase::Open {
            self.phase = Phase::Draining;
            self.retry_at = None;
        }
    }

    /// Takes no more and delivers no more: all that is not delivered is dropped. It comes back so that it is freed outside
    /// of the lock.
    pub(crate) fn give_up(&mut self) -> Vec<T> {
        self.phase = Phase::GivenUp;
        self.retry_at = None;
        let left: Vec<_> = self.in_hand.drain(..).chain(self.waiting.drain(..)).collect();
        add(&mut self.counts.dropped, left.len());
        left
    }

    pub(crate) fn stats(&self) -> OutletStats {
        let Counts { offered, delivered, retried, failed, dropped, panics } = self.counts;
        OutletStats {
            waiting: self.waiting.len(),
            in_hand: self.in_hand.len(),
            offered,
            delivered,
            retried,
            failed,
            dropped,
            panics,
            busy_since: self.busy_since,
            last_error: self.last_error.clone(),
            ..OutletStats::default()
        }
    }

    pub(crate) fn backlog(&self) -> Backlog<T> {
        Backlog { counts: self.counts, waiting: self.in_hand.iter().chain(&self.waiting).cloned().collect() }
    }
}

fn add(count: &mut u64, more: usize) {
    *count = count.saturating_add(more as u64);
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
