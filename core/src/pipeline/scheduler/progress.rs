//! Completion of work by threads and the provider.

use super::{MOST_BEHIND, Place, Scheduler, Verdict};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorCode, Result};
use crate::frame::Frame;
use crate::pipeline::config::QueuePolicy;
use crate::pipeline::fair::Key;
use crate::pipeline::input::Input;
use crate::pipeline::job::{Found, Item, Job, Leftover, Stage};
use crate::pipeline::{DropReason, Outcome, SkipReason};
use crate::provider::Response;

impl Scheduler {
    /// The gate looked at a frame.
    pub(in crate::pipeline) fn gated(&mut self, mut job: Box<Job>, verdict: Verdict, now: Timestamp) {
        let key = job.key;
        self.gate.release(key);
        self.note(&mut job, Stage::Gate, now);
        self.gate_age.record(now - job.passage.pushed);
        let most_behind = self.limits.max_bytes / MOST_BEHIND;
        let Some(lane) = self.lanes.get_mut(&key).filter(|_| !self.cancelled) else {
            return self.end(*job, Outcome::Dropped(DropReason::Shutdown), now);
        };
        let (queue, policy) = (lane.config.queue.capacity, lane.config.policy());
        if matches!(verdict, Verdict::Known(_) | Verdict::Open)
            && policy != QueuePolicy::NeverDropCritical
            && lane.is_full(queue, most_behind)
        {
            return self.end(*job, Outcome::Dropped(DropReason::QueueFull), now);
        }
        match verdict {
            Verdict::Closed => {
                if !lane.config.triggers.is_empty() || !lane.config.host_triggers.is_empty() {
                    lane.unchanged(job.time());
                    self.announce(key);
                }
                self.end(*job, Outcome::Skipped(SkipReason::NoMotion), now);
            }
            Verdict::Failed(code) => self.end(*job, Outcome::Failed(code), now),
            Verdict::Known(found) => {
                lane.out.push_back((lane.next_slot, Place::Ready(Item::Found(job, found))));
                lane.next_slot += 1;
                self.announce(key);
            }
            Verdict::Open => {
                match policy {
                    QueuePolicy::DropOldest => {
                        while self.look.waiting(key) >= queue {
                            let Some(old) = self.look.take_oldest(key) else { break };
                            self.give_up(*old, Outcome::Dropped(DropReason::Newer), now);
                        }
                    }
                    QueuePolicy::DropNewest if self.look.waiting(key) >= queue => {
                        return self.end(*job, Outcome::Dropped(DropReason::QueueFull), now);
                    }
                    QueuePolicy::DropNewest | QueuePolicy::NeverDropCritical => {}
                }
                let Some(lane) = self.lanes.get_mut(&key) else { return };
                job.slot = Some(lane.next_slot);
                lane.out.push_back((lane.next_slot, Place::Awaited));
                lane.next_slot += 1;
                self.look.push(key, lane.config.priority, job);
            }
        }
    }

    /// A frame was decoded, or could not be.
    pub(in crate::pipeline) fn prepared(&mut self, mut job: Box<Job>, frame: Result<Frame>, now: Timestamp) {
        self.preparing = self.preparing.saturating_sub(1);
        self.note(&mut job, Stage::Prepare, now);
        if self.cancelled || !self.lanes.contains_key(&job.key) {
            return self.give_up(*job, Outcome::Dropped(DropReason::Shutdown), now);
        }
        match frame {
            Ok(frame) => {
                job.frame = Some(frame);
                self.batcher.arrived(now);
                self.prepared.push_back(job);
            }
            Err(error) => self.give_up(*job, Outcome::Failed(error.code()), now),
        }
    }

    /// The provider answered.
    pub(in crate::pipeline) fn answered(&mut self, id: u64, answer: Result<Response>, now: Timestamp) {
        self.overdue.remove(&id);
        let Some(batch) = self.in_flight.remove(&id) else { return };
        let answer = answer.and_then(|response| match response.detections.len() == batch.jobs.len() {
            true => Ok(response),
            false => Err(Error::internal("the provider did not answer for each frame")),
        });
        match answer {
            Ok(response) => {
                self.batcher.ran(batch.jobs.len(), now - batch.sent);
                for (mut job, detections) in batch.jobs.into_iter().zip(response.detections) {
                    self.note(&mut job, Stage::Provider, now);
                    let found = Found::Looked { detections, answer: response.answer.clone() };
                    self.fill(job, found, now);
                }
            }
            // It may be the fault of one frame; the others are not lost with it.
            Err(error) if error.code() == ErrorCode::ModelInvalid && batch.jobs.len() > 1 && !self.cancelled => {
                for mut job in batch.jobs.into_iter().rev() {
                    job.alone = true;
                    self.prepared.push_front(job);
                }
            }
            Err(error) => {
                for mut job in batch.jobs {
                    self.note(&mut job, Stage::Provider, now);
                    // The deadline of a request is that of its oldest frame.
                    let outcome = match error.code() {
                        ErrorCode::DeadlineExceeded if job.is_stale(now) => Outcome::Dropped(DropReason::Stale),
                        ErrorCode::Cancelled if self.cancelled => Outcome::Dropped(DropReason::Shutdown),
                        code => Outcome::Failed(code),
                    };
                    self.give_up(*job, outcome, now);
                }
            }
        }
    }

    /// Puts an answer into its camera's order.
    fn fill(&mut self, mut job: Box<Job>, found: Found, now: Timestamp) {
        let (key, slot) = (job.key, job.slot);
        let is_next = self.lanes.get(&key).is_some_and(|lane| lane.out.front().map(|(first, _)| *first) == slot);
        if !is_next && matches!(job.input, Input::Encoded(_)) {
            // It waits for earlier ones, perhaps for long, and decoded pictures are large. Where a trigger wants it, it is
            // decoded once more.
            self.leftovers.push(Leftover { _input: None, _frame: job.frame.take(), slow: None });
        }
        let place = self.lanes.get_mut(&key).and_then(|lane| lane.place(slot));
        match place {
            Some(place) => {
                *place = Place::Ready(Item::Found(job, found));
                self.announce(key);
            }
            // The camera was removed; the provider looked all the same.
            None => self.end(*job, Outcome::Analysed, now),
        }
    }

    /// Frames were shown to their camera's triggers.
    pub(in crate::pipeline) fn finished(&mut self, key: Key, jobs: Vec<(Box<Job>, Outcome)>, now: Timestamp) {
        for (mut job, outcome) in jobs {
            self.note(&mut job, Stage::Finish, now);
            self.age.record(now - job.passage.pushed);
            self.end(*job, outcome, now);
        }
        if let Some(lane) = self.lanes.get_mut(&key) {
            lane.finishing = false;
        }
        self.announce(key);
    }
}
