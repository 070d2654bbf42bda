//! The scheduler: a state machine that holds every frame in flight, and decides on each call, with the time that it is
//! given, which frame goes where. The executor's threads do the work.

mod admission;
mod cameras;
mod ending;
mod expiry;
mod progress;
mod turns;

use super::Outcome;
use super::account::{Account, Books};
use super::batcher::Batcher;
use super::config::CameraConfig;
use super::fair::{FairQueue, Key};
use super::frame_time::{FrameTime, StreamOrigin};
use super::histogram::Histogram;
use super::job::{Found, Item, Job, Leftover, Slow, Stage};
use super::sampler::Sampler;
use crate::clock::Timestamp;
use crate::error::ErrorCode;
use crate::provider::{Cancellation, Request};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// Scheduler limits, set by the builder.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    pub(super) max_bytes: u64,
    pub(super) max_in_flight: usize,
    pub(super) max_batch: usize,
    pub(super) batch_wait: Duration,
    pub(super) provider_timeout: Duration,
    pub(super) slow_frame: Duration,
}

/// Something for a thread to do.
#[derive(Debug)]
pub(super) enum Work {
    /// Show a frame to its camera's gate, then [`Scheduler::gated`].
    Gate(Box<Job>),
    /// Decode the whole picture, then [`Scheduler::prepared`].
    Prepare(Box<Job>),
    /// Give this to the provider; the answer goes to [`Scheduler::answered`].
    Submit(u64, Request),
    /// Show these to the camera's triggers in this order, then [`Scheduler::finished`].
    Finish(Key, Vec<Item>),
}

/// What the gate and the cache said.
#[derive(Debug)]
pub(super) enum Verdict {
    Closed,
    Open,
    Known(Found),
    Failed(ErrorCode),
}

#[derive(Debug)]
struct Lane {
    config: Arc<CameraConfig>,
    books: Arc<Books>,
    sampler: Sampler,
    origin: StreamOrigin,
    paused: bool,
    /// Input of its triggers, in order; pending answers have a slot already.
    out: VecDeque<(u64, Place)>,
    next_slot: u64,
    /// A thread has some of it in hand.
    finishing: bool,
}

#[derive(Debug)]
enum Place {
    Awaited,
    Ready(Item),
    Gone,
}

#[derive(Debug)]
struct Batch {
    #[expect(clippy::vec_box, reason = "they come from a queue of boxes and go to another one")]
    jobs: Vec<Box<Job>>,
    sent: Timestamp,
    expires: Timestamp,
    cancellation: Cancellation,
}

#[derive(Debug)]
pub(super) struct Scheduler {
    limits: Limits,
    lanes: BTreeMap<Key, Lane>,
    gate: FairQueue<Box<Job>>,
    look: FairQueue<Box<Job>>,
    preparing: usize,
    prepared: VecDeque<Box<Job>>,
    batcher: Batcher,
    in_flight: BTreeMap<u64, Batch>,
    next_batch: u64,
    /// Requests that timed out; each occupies a slot of the provider until it is answered.
    overdue: BTreeSet<u64>,
    /// Cameras whose triggers have something to see.
    ready: VecDeque<Key>,
    /// Frames that have not ended, and their memory.
    jobs: usize,
    bytes: u64,
    next_sweep: Timestamp,
    closed: bool,
    cancelled: bool,
    paused: bool,
    stages: [Histogram; Stage::ALL.len()],
    gate_age: Histogram,
    age: Histogram,
    /// Waits for the host to let them go, outside the lock.
    leftovers: Vec<Leftover>,
    /// The books of cameras that were removed while frames of theirs were on their way, and of those that were before.
    removed: Vec<Arc<Books>>,
    removed_total: Account,
}

/// How the scheduler stands, for statistics.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    pub(super) waiting_gate: usize,
    pub(super) waiting_look: usize,
    pub(super) prepared: usize,
    pub(super) requests: usize,
    pub(super) overdue: usize,
    pub(super) bytes: u64,
    pub(super) batches: u64,
    pub(super) batched: u64,
    pub(super) max_batch: usize,
    pub(super) stages: [Histogram; Stage::ALL.len()],
    pub(super) gate_age: Histogram,
    pub(super) age: Histogram,
}

impl Scheduler {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            lanes: BTreeMap::new(),
            gate: FairQueue::new(),
            look: FairQueue::new(),
            preparing: 0,
            prepared: VecDeque::new(),
            batcher: Batcher::new(limits.max_batch, limits.batch_wait),
            in_flight: BTreeMap::new(),
            next_batch: 0,
            overdue: BTreeSet::new(),
            ready: VecDeque::new(),
            jobs: 0,
            bytes: 0,
            next_sweep: Timestamp::default(),
            closed: false,
            cancelled: false,
            paused: false,
            stages: Default::default(),
            gate_age: Histogram::default(),
            age: Histogram::default(),
            leftovers: Vec::new(),
            removed: Vec::new(),
            removed_total: Account::default(),
            limits,
        }
    }

    /// Ends a frame that has a slot in its camera's order; later frames no longer wait for it.
    fn give_up(&mut self, job: Job, outcome: Outcome, now: Timestamp) {
        let (key, slot) = (job.key, job.slot);
        self.end(job, outcome, now);
        if let Some(place) = self.lanes.get_mut(&key).and_then(|lane| lane.place(slot)) {
            *place = Place::Gone;
            self.announce(key);
        }
    }

    fn end(&mut self, job: Job, outcome: Outcome, now: Timestamp) {
        let Job { passage, input, frame, times, .. } = job;
        self.jobs = self.jobs.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(input.byte_len());
        let age = now - passage.pushed;
        let slow = (age >= self.limits.slow_frame).then(|| {
            let (stage, in_stage) = times.slowest(age);
            Slow { camera: passage.books().camera.clone(), pts: passage.decision.to, age, stage, in_stage, outcome }
        });
        passage.end(outcome, now);
        self.leftovers.push(Leftover { _input: Some(input), _frame: frame, slow });
    }

    /// Queues the camera for its triggers, where their next input is complete and no thread runs them.
    fn announce(&mut self, key: Key) {
        let Some(lane) = self.lanes.get_mut(&key).filter(|lane| !lane.finishing) else { return };
        while let Some((_, Place::Gone)) = lane.out.front() {
            lane.out.pop_front();
        }
        if matches!(lane.out.front(), Some((_, Place::Ready(_)))) && !self.ready.contains(&key) {
            self.ready.push_back(key);
        }
    }

    fn note(&mut self, job: &mut Job, stage: Stage, now: Timestamp) {
        let took = job.step(stage, now);
        if let Some(histogram) = self.stages.get_mut(stage as usize) {
            histogram.record(took);
        }
    }

    /// Removes and returns the decoded frames that match.
    fn take_prepared(&mut self, matches: impl Fn(&Job) -> bool) -> VecDeque<Box<Job>> {
        let (out, stay): (VecDeque<_>, VecDeque<_>) = self.prepared.drain(..).partition(|job| matches(job));
        self.prepared = stay;
        out
    }

    /// Requests that were given up, and may never be answered.
    pub(super) fn overdue(&self) -> usize {
        self.overdue.len()
    }

    pub(super) fn has_leftovers(&self) -> bool {
        !self.leftovers.is_empty()
    }

    /// What is to be dropped without the lock.
    pub(super) fn take_leftovers(&mut self) -> Vec<Leftover> {
        std::mem::take(&mut self.leftovers)
    }

    pub(super) fn standing(&self) -> Standing {
        let (batches, batched) = self.batcher.totals();
        Standing {
            waiting_gate: self.gate.len(),
            waiting_look: self.look.len(),
            prepared: self.prepared.len() + self.preparing,
            requests: self.in_flight.len(),
            overdue: self.overdue.len(),
            bytes: self.bytes,
            batches,
            batched,
            max_batch: self.batcher.max_batch(),
            stages: self.stages.clone(),
            gate_age: self.gate_age.clone(),
            age: self.age.clone(),
        }
    }

    /// Whether so many bytes fit now; none where they never will.
    #[cfg(feature = "video")]
    pub(super) fn room_for(&self, bytes: u64) -> Option<bool> {
        (bytes <= self.limits.max_bytes).then(|| self.bytes.saturating_add(bytes) <= self.limits.max_bytes)
    }

    pub(super) fn is_paused(&self, camera: Key) -> bool {
        self.paused || self.lanes.get(&camera).is_some_and(|lane| lane.paused)
    }
}

/// Divisor of the memory for frames: the share that one camera's answers may hold while they wait for an earlier one. A
/// missing answer must not displace frames of other cameras.
const MOST_BEHIND: u64 = 8;

impl Lane {
    /// Whether more waits for an earlier answer than one camera may keep, in number and in memory.
    fn is_full(&self, queue: usize, most_bytes: u64) -> bool {
        if self.out.len() <= queue {
            return false;
        }
        let waits = self.out.iter().filter_map(|(_, place)| match place {
            Place::Ready(Item::Found(job, _)) => Some(job.input.byte_len()),
            _ => None,
        });
        let (count, bytes) = waits.fold((0, 0_u64), |(count, bytes), more| (count + 1, bytes.saturating_add(more)));
        count >= queue && bytes >= most_bytes
    }

    fn place(&mut self, slot: Option<u64>) -> Option<&mut Place> {
        let slot = slot?;
        let first = self.out.front()?.0;
        let at = usize::try_from(slot.checked_sub(first)?).ok()?;
        self.out
            .get_mut(at)
            .filter(|(number, place)| *number == slot && matches!(place, Place::Awaited))
            .map(|(_, place)| place)
    }

    /// Nothing moved: of several such frames in a row the last one is enough.
    fn unchanged(&mut self, time: FrameTime) {
        if let Some((_, Place::Ready(Item::Unchanged(last)))) = self.out.back_mut() {
            *last = time;
            return;
        }
        self.out.push_back((self.next_slot, Place::Ready(Item::Unchanged(time))));
        self.next_slot += 1;
    }
}

#[cfg(test)]
mod tests;
