//! Requests that wait for a provider's threads.

use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::provider::{Priority, Reply, Request};
use std::collections::VecDeque;

/// A request that waits.
#[derive(Debug)]
pub(in crate::provider) struct Job {
    pub(in crate::provider) request: Request,
    pub(in crate::provider) reply: Reply,
    /// When it was submitted.
    pub(in crate::provider) came: Timestamp,
}

impl Job {
    /// Fails where the answer is no longer of use.
    fn of_use(&self, now: Timestamp) -> Result<()> {
        match self.request.cancellation.is_cancelled() {
            true => Err(taken_back()),
            false => self.request.time_left(now).map(|_| ()),
        }
    }
}

/// Begins a request, unless it was cancelled while it waited.
pub(super) fn begin(request: &Request) -> Result<()> {
    if request.cancellation.begin() { Ok(()) } else { Err(taken_back()) }
}

fn taken_back() -> Error {
    Error::cancelled("the request was taken back before its turn came")
}

/// Requests that wait, the highest priority first, and of one priority the oldest.
#[derive(Debug)]
pub(in crate::provider) struct Queue<T> {
    /// By [`Priority`], from low to critical.
    lanes: [VecDeque<T>; 3],
}

/// The result of adding a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entry<T> {
    /// It is queued.
    Taken,
    /// It is queued, and this one was displaced: the newest of the lowest priority below.
    Instead(T),
    /// The queue is full, with nothing of a lower priority.
    Refused(T),
}

impl<T> Queue<T> {
    pub(super) const fn new() -> Self {
        Self { lanes: [const { VecDeque::new() }; 3] }
    }

    pub(in crate::provider) fn len(&self) -> usize {
        self.lanes.iter().map(VecDeque::len).sum()
    }

    /// Adds an item to a queue of at most `room`.
    pub(super) fn push(&mut self, priority: Priority, item: T, room: usize) -> Entry<T> {
        let lane = lane(priority);
        if self.len() < room {
            self.lanes[lane].push_back(item);
            return Entry::Taken;
        }
        // The newest has waited the shortest, so the least is lost.
        match self.lanes[..lane].iter_mut().find_map(VecDeque::pop_back) {
            Some(left) => {
                self.lanes[lane].push_back(item);
                Entry::Instead(left)
            }
            None => Entry::Refused(item),
        }
    }

    pub(super) fn pop(&mut self) -> Option<T> {
        self.lanes.iter_mut().rev().find_map(VecDeque::pop_front)
    }

    /// Removes and returns the dead items.
    pub(super) fn take_if(&mut self, dead: impl Fn(&T) -> bool) -> Vec<T> {
        let mut taken = Vec::new();
        for lane in &mut self.lanes {
            if lane.iter().any(&dead) {
                let (out, stay): (Vec<_>, VecDeque<_>) = lane.drain(..).fold(Default::default(), |mut split, item| {
                    if dead(&item) {
                        split.0.push(item);
                    } else {
                        split.1.push_back(item);
                    }
                    split
                });
                taken.extend(out);
                *lane = stay;
            }
        }
        taken
    }
}

impl Queue<Job> {
    /// Adds a request; `room` bounds the queue, and `most` the requests of the provider in all. Returns the displaced
    /// ones, this one among them where nothing gives way, each with its reason: the replies are foreign code, to be
    /// called without a lock.
    pub(super) fn enter(&mut self, job: Job, room: usize, most: usize, name: &str) -> Vec<(Reply, Error)> {
        let (priority, now) = (job.request.priority, job.came);
        let mut leaving = Vec::new();
        if self.len() >= room {
            let dead = self.take_if(|job| job.of_use(now).is_err());
            leaving.extend(dead.into_iter().filter_map(|job| Some((job.of_use(now).err()?, job.reply))));
        }
        let turned_away = match self.push(priority, job, room) {
            Entry::Taken => None,
            Entry::Instead(job) => Some((job, "and more important ones came")),
            Entry::Refused(job) => Some((job, "and none is less important than this one")),
        };
        leaving.extend(turned_away.map(|(job, why)| {
            (Error::overloaded(format!("{name} has {most} requests in flight already, {why}")), job.reply)
        }));
        leaving.into_iter().map(|(why, reply)| (reply, why)).collect()
    }
}

const fn lane(priority: Priority) -> usize {
    match priority {
        Priority::Low => 0,
        Priority::Normal => 1,
        Priority::Critical => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Priority::{Critical, Low, Normal};

    #[test]
    fn by_priority_and_then_by_age() {
        let mut queue = Queue::new();
        for (priority, item) in [(Low, 1), (Normal, 2), (Critical, 3), (Normal, 4), (Critical, 5)] {
            assert_eq!(queue.push(priority, item, 5), Entry::Taken);
        }
        let order: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(order, [3, 5, 2, 4, 1]);
    }

    #[test]
    fn a_full_queue_gives_up_the_newest_of_the_lowest() {
        let mut queue = Queue::new();
        for (priority, item) in [(Low, 1), (Low, 2), (Normal, 3)] {
            queue.push(priority, item, 3);
        }
        assert_eq!(queue.push(Low, 9, 3), Entry::Refused(9));
        assert_eq!(queue.push(Critical, 4, 3), Entry::Instead(2));
        assert_eq!(queue.push(Normal, 5, 3), Entry::Instead(1));
        assert_eq!(queue.push(Normal, 9, 3), Entry::Refused(9));
        assert_eq!(queue.push(Critical, 6, 3), Entry::Instead(5));
        assert_eq!(queue.push(Critical, 7, 3), Entry::Instead(3));
        assert_eq!(queue.push(Critical, 9, 3), Entry::Refused(9));
        assert_eq!(queue.len(), 3);
        assert_eq!(queue.take_if(|item| *item == 6), [6]);
        assert_eq!(std::iter::from_fn(|| queue.pop()).collect::<Vec<_>>(), [4, 7]);
    }
}
