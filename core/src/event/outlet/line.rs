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
    /// Hands this one over.
    Handle(T),
    /// Makes what was delivered last: nothing has come for a while, or it is the end.
    Flush,
    /// Sleeps until somebody wakes it, or at most so long.
    Sleep(Option<Duration>),
    /// Ends.
    End,
}

/// How handing an item over ended.
#[derive(Debug)]
pub(crate) enum Ending {
    Delivered,
    Failed(LastError),
    Panicked(LastError),
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
    /// A part of `failed`.
    pub(crate) panics: u64,
}

/// What outlives the process: what was not delivered yet, oldest first, and the counts. An item that was in hand is in it
/// too, so after a crash it may be delivered twice, and never not at all.
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

/// The queue in front of a sink or of a host's trigger, and what became of each item; decides, and does nothing itself.
///
/// Where it is full, the oldest leaves: of two events that cannot both be told, the newer one is worth more. The one in
/// hand stays, since nobody knows how much of it is done.
#[derive(Debug)]
pub(crate) struct Line<T> {
    capacity: usize,
    /// How long nothing must have come before a flush.
    quiet: Duration,
    waiting: VecDeque<T>,
    in_hand: Option<T>,
    counts: Counts,
    phase: Phase,
    busy_since: Option<Timestamp>,
    last_error: Option<LastError>,
    /// Since when there is something that a flush would make last.
    unflushed: Option<Timestamp>,
}

impl<T: Clone> Line<T> {
    /// A line that goes on where another one stopped. What does not fit leaves, the oldest first.
    pub(crate) fn new(capacity: usize, quiet: Duration, backlog: Backlog<T>) -> Self {
        let Backlog { mut counts, mut waiting } = backlog;
        let too_many = waiting.len().saturating_sub(capacity.max(1));
        waiting.drain(..too_many);
        counts.dropped = counts.dropped.saturating_add(too_many as u64);
        Self {
            capacity: capacity.max(1),
            quiet,
            waiting,
            in_hand: None,
            counts,
            phase: Phase::Open,
            busy_since: None,
            last_error: None,
            unflushed: None,
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

    /// What the thread does now. Only the thread asks, and only with nothing in hand.
    pub(crate) fn step(&mut self, now: Timestamp) -> Step<T> {
        if let Some(item) = self.waiting.pop_front() {
            self.in_hand = Some(item.clone());
            self.busy_since = Some(now);
            return Step::Handle(item);
        }
        match (self.phase, self.unflushed) {
            (Phase::Open, None) => Step::Sleep(None),
            (Phase::Open, Some(since)) if now - since < self.quiet => Step::Sleep(Some(self.quiet - (now - since))),
            (_, Some(_)) => {
                self.unflushed = None;
                self.busy_since = Some(now);
                Step::Flush
            }
            (Phase::Draining | Phase::GivenUp, None) => Step::End,
        }
    }

    /// The one in hand has come to its end. Where it was given up meanwhile, it is counted as dropped and stays so.
    pub(crate) fn settle(&mut self, ending: Ending, now: Timestamp) {
        self.busy_since = None;
        let counts = self.in_hand.take().map(|_| &mut self.counts);
        match ending {
            Ending::Delivered => {
                self.unflushed = Some(now);
                if let Some(counts) = counts {
                    add(&mut counts.delivered, 1);
                }
            }
            Ending::Failed(error) => {
                if let Some(counts) = counts {
                    add(&mut counts.failed, 1);
                }
                self.last_error = Some(error);
            }
            Ending::Panicked(error) => {
                if let Some(counts) = counts {
                    add(&mut counts.failed, 1);
                }
                add(&mut self.counts.panics, 1);
                self.last_error = Some(error);
            }
        }
    }

    /// The one in hand failed, and is tried again later.
    pub(crate) fn put_off(&mut self, error: LastError) {
        self.busy_since = None;
        self.last_error = Some(error);
    }

    /// Later is now. False where it was given up meanwhile.
    pub(crate) fn again(&mut self, now: Timestamp) -> bool {
        if self.in_hand.is_none() {
            return false;
        }
        add(&mut self.counts.retried, 1);
        self.busy_since = Some(now);
        true
    }

    /// A flush has ended; an error in it is remembered, and the next flush comes after the next delivery.
    pub(crate) fn flushed(&mut self, error: Option<LastError>, panicked: bool) {
        self.busy_since = None;
        add(&mut self.counts.panics, u64::from(panicked));
        if error.is_some() {
            self.last_error = error;
        }
    }

    /// Takes no more.
    pub(crate) fn close(&mut self) {
        if self.phase == Phase::Open {
            self.phase = Phase::Draining;
        }
    }

    /// Takes no more and delivers no more: all that is not delivered is dropped. It comes back so that it is freed outside
    /// of the lock.
    pub(crate) fn give_up(&mut self) -> Vec<T> {
        self.phase = Phase::GivenUp;
        let left: Vec<_> = self.in_hand.take().into_iter().chain(self.waiting.drain(..)).collect();
        add(&mut self.counts.dropped, left.len() as u64);
        left
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    pub(crate) fn stats(&self) -> OutletStats {
        let Counts { offered, delivered, retried, failed, dropped, panics } = self.counts;
        OutletStats {
            waiting: self.waiting.len(),
            in_hand: self.in_hand.is_some(),
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

fn add(count: &mut u64, more: u64) {
    *count = count.saturating_add(more);
}

#[cfg(test)]
#[path = "line_tests.rs"]
mod tests;
