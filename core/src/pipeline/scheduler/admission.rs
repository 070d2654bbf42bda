//! Admission of frames.

use super::Scheduler;
use crate::clock::Timestamp;
use crate::error::{Error, ErrorCode, Result};
use crate::pipeline::account::Passage;
use crate::pipeline::config::{CameraConfig, QueuePolicy};
use crate::pipeline::fair::Key;
use crate::pipeline::input::Input;
use crate::pipeline::job::{Job, StageTimes};
use crate::pipeline::sampler::Sample;
use crate::pipeline::{Decision, DropReason, Outcome, SkipReason};
use crate::provider::Priority;
use std::collections::BTreeMap;
use std::sync::Arc;

impl Scheduler {
    /// Admits a frame, or returns its immediate outcome; an error where it is in no account. The input is returned
    /// where it was not kept.
    pub(in crate::pipeline) fn push(
        &mut self,
        key: Key,
        input: Input,
        now: Timestamp,
        unix_ns: i64,
        allowed: impl FnOnce(&CameraConfig) -> bool,
    ) -> (Result<Option<Outcome>>, Option<Input>) {
        if self.closed {
            return (Err(Error::invalid_state("the pipeline is shut down")), Some(input));
        }
        let Some(lane) = self.lanes.get_mut(&key) else {
            return (Err(Error::invalid_state("the camera was removed from the pipeline")), Some(input));
        };
        let config = Arc::clone(&lane.config);
        let books = Arc::clone(&lane.books);
        let pts = input.meta().pts;
        let time = lane.origin.at(pts, unix_ns, lane.sampler.begins(pts), &config);
        let at_once = if self.paused || lane.paused {
            Some(Outcome::Skipped(SkipReason::Paused))
        } else {
            match lane.sampler.on(pts, config.fps) {
                Sample::Backwards => Some(Outcome::Failed(ErrorCode::InvalidArgument)),
                Sample::Leave => Some(Outcome::Skipped(SkipReason::SampledOut)),
                Sample::Take if !allowed(&config) => Some(Outcome::Skipped(SkipReason::RateLimited)),
                Sample::Take => None,
            }
        };
        let waiting = self.gate.waiting(key) + self.look.waiting(key);
        let ends = |outcome| {
            let mut decision = Decision::new(pts, time.time);
            decision.outcome = outcome;
            decision.waiting = u16::try_from(waiting).unwrap_or(u16::MAX);
            books.ended_at_once(decision);
        };
        if let Some(outcome) = at_once {
            ends(outcome);
            return (Ok(Some(outcome)), Some(input));
        }
        let bytes = input.byte_len();
        let full = Outcome::Dropped(DropReason::QueueFull);
        // However many others gave way, there would be no room for it.
        if bytes > self.limits.max_bytes {
            ends(full);
            return (Ok(Some(full)), Some(input));
        }
        match config.policy() {
            // More than one where an update made the queue smaller.
            QueuePolicy::DropOldest => {
                while self.gate.waiting(key) >= config.queue.capacity {
                    let Some(old) = self.gate.take_oldest(key) else { break };
                    self.end(*old, Outcome::Dropped(DropReason::Newer), now);
                }
            }
            QueuePolicy::DropNewest if self.gate.waiting(key) >= config.queue.capacity => {
                ends(full);
                return (Ok(Some(full)), Some(input));
            }
            QueuePolicy::DropNewest | QueuePolicy::NeverDropCritical => {}
        }
        if !self.make_room(key, config.priority, bytes, now) {
            ends(full);
            return (Ok(Some(full)), Some(input));
        }
        let job = Job {
            key,
            passage: Passage::begin(&books, pts, time.time, now, waiting),
            civil_ns: time.civil_ns,
            input,
            frame: None,
            luma: None,
            fingerprint: None,
            thumbnail: None,
            slot: None,
            alone: false,
            times: StageTimes::default(),
            config,
        };
        self.jobs += 1;
        self.bytes += bytes;
        self.gate.push(key, job.config.priority, Box::new(job));
        (Ok(None), None)
    }

    /// Makes room for a frame of this camera: frames of lower priority give way, then those of the cameras of its own
    /// priority that have the most, each time the oldest one. Critical frames give way to none.
    fn make_room(&mut self, key: Key, priority: Priority, bytes: u64, now: Timestamp) -> bool {
        while self.bytes.saturating_add(bytes) > self.limits.max_bytes {
            let mut waiting: BTreeMap<Key, (Priority, usize)> = BTreeMap::new();
            for (other, priority, count) in self.gate.cameras().chain(self.look.cameras()) {
                waiting.entry(other).or_insert((priority, 0)).1 += count;
            }
            let mine = waiting.get(&key).map_or(0, |(_, count)| *count);
            let victim = waiting
                .into_iter()
                .filter(|(other, (theirs, count))| {
                    *theirs < priority
                        || *theirs == priority && *theirs != Priority::Critical && (*count > mine || *other == key)
                })
                .min_by_key(|(_, (priority, count))| (*priority, std::cmp::Reverse(*count)));
            let Some((victim, _)) = victim else { return false };
            let taken = self.look.take_oldest(victim);
            match taken.or_else(|| self.gate.take_oldest(victim)) {
                Some(job) => self.give_up(*job, Outcome::Dropped(DropReason::QueueFull), now),
                None => return false,
            }
        }
        true
    }
}
