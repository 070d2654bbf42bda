use super::stats::OutletStats;
use crate::clock::Timestamp;
use crate::provider::LastError;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::Duration;

/// The result of offering an item.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Offered<T> {
    /// The item is queued, and none was dropped for it.
    Taken,
    /// This item was dropped and counted: the oldest queued one, where the queue was full, or the offered one itself,
    /// where the outlet is closed. It is returned so that it is freed outside of the lock.
    Dropped(T),
}

/// The next step of the thread.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step<T> {
    /// Hands these over, the oldest first.
    Deliver(Vec<T>),
    /// Sleep until woken, until `until_waiting` items wait, or for at most `most`.
    Sleep { until_waiting: usize, most: Option<Duration> },
    /// Ends.
    End,
}

/// Why not all items of a try are durable.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) error: LastError,
    /// The error is about the first item that is not durable, and later ones were not tried; otherwise about an unknown
    /// one of them.
    pub(crate) is_about_next: bool,
    /// Delay before the rest is tried again; `None` where that would not help.
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

/// State that outlives the process: undelivered items, oldest first, and the counts. It includes items in hand, so
/// after a crash they may be delivered twice, but not lost.
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

/// The queue in front of a sink or a host trigger, with the counts of its items: a state machine without side effects.
///
/// When full, it drops the oldest queued item: of two events that cannot both be delivered, the newer one is worth
/// more. Those in hand stay, since it is unknown how many of them are delivered. A batch with a refused item that the
/// sink does not identify is halved until that item is alone; batches then grow again from 1, so that a sink which
/// refuses everything is not tried many times for each item.
#[derive(Debug)]
pub(crate) struct DeliveryQueue<T> {
    capacity: usize,
    batching: Batching,
    waiting: VecDeque<T>,
    /// The batch that is being delivered, without items that are durable or were given up.
    in_hand: VecDeque<T>,
    /// Items at the front of `in_hand` that are in the current try; 0 between two tries.
    trying: usize,
    /// Items at the front of `in_hand` that were tried before.
    tried: usize,
    /// Items at the front of `in_hand` known to contain a refused one; 0 where none is known.
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
    /// A queue that continues from a backlog. What exceeds the capacity is dropped, the oldest first.
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

    /// The next step of the thread. Called by the thread only, after it has settled the last try.
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

    /// Time left for more items to fill the batch.
    fn left_to_fill(&mut self, now: Timestamp) -> Option<Duration> {
        if self.waiting.len() >= self.full() || self.phase != Phase::Open {
            return None;
        }
        let since = *self.filling_since.get_or_insert(now);
        self.batching.linger.checked_sub(now - since).filter(|left| !left.is_zero())
    }

    /// Settles a try: the first `durable` items are durable, and `fault` says why not all. Items given up meanwhile
    /// stay counted as dropped.
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

    /// Accepts no more. A batch that waits to be retried is tried at once: there may be no later.
    pub(crate) fn close(&mut self) {
        if self.phase == Phase::Open {
            self.phase = Phase::Draining;
            self.retry_at = None;
        }
    }

    /// Accepts and delivers no more: all that is not delivered is dropped. It is returned so that it is freed outside
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
