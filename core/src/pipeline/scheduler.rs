//! What is done next: the machine in the middle. It holds every frame that is on its way, and decides on each call, with
//! the time that it is given, which frame goes where. The threads that do the work are those of the shell.

use super::account::{Account, Books, Passage, State};
use super::batcher::{Batcher, Decision as BatchDecision};
use super::checkpoint::Flow;
use super::config::{CameraConfig, QueuePolicy};
use super::fair::{FairQueue, Key};
use super::histogram::Histogram;
use super::input::Input;
use super::job::{Found, Item, Job, Leftover, Slow, Stage, StageTimes};
use super::sampler::{Sample, Sampler};
use super::{DropReason, Outcome, SkipReason};
use crate::clock::{Timestamp, UnixTime};
use crate::error::{Error, ErrorCode, Result};
use crate::provider::{Cancellation, Priority, Request, Response, Want};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// What the scheduler goes by; of the builder.
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
    paused: bool,
    /// What its triggers are to see, in order; what is not known yet has a place already.
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
    /// Requests that were never answered, each with a place of the provider's that stays taken until it is.
    overdue: BTreeMap<u64, Timestamp>,
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

/// How often frames that wait are looked through for those that are of no use any more.
const SWEEP: Duration = Duration::from_millis(500);

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
            overdue: BTreeMap::new(),
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

    // --- Cameras ------------------------------------------------------------------------------------------------------

    pub(super) fn add(&mut self, key: Key, config: Arc<CameraConfig>, books: Arc<Books>) {
        let lane = Lane {
            config,
            books,
            sampler: Sampler::default(),
            paused: false,
            out: VecDeque::new(),
            next_slot: 0,
            finishing: false,
        };
        self.lanes.insert(key, lane);
    }

    /// Goes on where another one was, in a process before.
    pub(super) fn resume(&mut self, flow: Flow, removed: Account) {
        let Flow { paused, batcher, stages, gate_age, age } = flow;
        self.batcher.resume(batcher);
        for (mine, saved) in self.stages.iter_mut().zip(stages) {
            *mine = saved;
        }
        (self.paused, self.gate_age, self.age, self.removed_total) = (paused, gate_age, age, removed);
    }

    pub(super) fn flow(&self) -> Flow {
        Flow {
            paused: self.paused,
            batcher: self.batcher.clone(),
            stages: self.stages.to_vec(),
            gate_age: self.gate_age.clone(),
            age: self.age.clone(),
        }
    }

    /// A camera goes on where it was.
    pub(super) fn resume_camera(&mut self, key: Key, sampler: Sampler, paused: bool) {
        if let Some(lane) = self.lanes.get_mut(&key) {
            (lane.sampler, lane.paused) = (sampler, paused);
        }
    }

    /// What it knows of a camera.
    pub(super) fn camera(&self, key: Key) -> Option<(State, Sampler, bool)> {
        let lane = self.lanes.get(&key)?;
        let books = lane.books.lock().saved();
        Some((books, lane.sampler, lane.paused))
    }

    pub(super) fn update(&mut self, key: Key, config: Arc<CameraConfig>) {
        let Some(lane) = self.lanes.get_mut(&key) else { return };
        lane.books.lock().explain = config.explain;
        self.gate.set_priority(key, config.priority);
        self.look.set_priority(key, config.priority);
        lane.config = config;
    }

    pub(super) fn set_paused(&mut self, camera: Option<Key>, paused: bool) {
        match camera {
            None => self.paused = paused,
            Some(key) => {
                if let Some(lane) = self.lanes.get_mut(&key) {
                    lane.paused = paused;
                }
            }
        }
    }

    /// Takes a camera out. What waits ends; what the provider has in hand ends when it is answered.
    pub(super) fn remove(&mut self, key: Key, now: Timestamp) {
        self.end_waiting(Some(key), DropReason::Shutdown, now);
        let Some(mut lane) = self.lanes.remove(&key) else { return };
        for (_, place) in std::mem::take(&mut lane.out) {
            if let Place::Ready(Item::Found(job, _)) = place {
                self.end(*job, Outcome::Dropped(DropReason::Shutdown), now);
            }
        }
        self.removed.push(lane.books);
        self.settle_removed();
    }

    fn settle_removed(&mut self) {
        let total = &mut self.removed_total;
        self.removed.retain(|books| {
            let account = books.lock().account.clone();
            if account.in_flight == 0 {
                total.merge(&account);
            }
            account.in_flight > 0
        });
    }

    /// The account of all cameras, those that were removed included.
    pub(super) fn account(&mut self) -> Account {
        let mut total = self.removed_account();
        for lane in self.lanes.values() {
            total.merge(&lane.books.lock().account);
        }
        total
    }

    /// That of the cameras that were removed.
    pub(super) fn removed_account(&mut self) -> Account {
        self.settle_removed();
        let mut total = self.removed_total.clone();
        for books in &self.removed {
            total.merge(&books.lock().account);
        }
        total
    }

    // --- A frame comes ------------------------------------------------------------------------------------------------

    /// Takes a frame, or says how it ended at once; an error where it is in no account. The input comes back where it was
    /// not kept.
    pub(super) fn push(
        &mut self,
        key: Key,
        input: Input,
        now: Timestamp,
        unix: UnixTime,
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
        let time = match config.epoch_s {
            Some(epoch) => UnixTime::from_secs(epoch.saturating_add(pts.as_nanos().div_euclid(1_000_000_000))),
            None => unix,
        };
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
            let mut decision = super::Decision::new(pts, time);
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
                while self.gate.waiting(key) >= config.queue {
                    let Some(old) = self.gate.take_oldest(key) else { break };
                    self.end(*old, Outcome::Dropped(DropReason::Newer), now);
                }
            }
            QueuePolicy::DropNewest if self.gate.waiting(key) >= config.queue => {
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
            passage: Passage::begin(&books, pts, time, now, waiting),
            input,
            frame: None,
            luma: None,
            fingerprint: None,
            thumbnail: None,
            slot: None,
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

    // --- What is done next --------------------------------------------------------------------------------------------

    /// Whether [`next`](Self::next) may have something; never false where it has.
    pub(super) fn has_work(&self, now: Timestamp) -> bool {
        !self.ready.is_empty()
            || self.may_prepare() && self.look.len() > 0
            || self.gate.has_turn()
            || matches!(self.batch(now), BatchDecision::Send(_))
    }

    /// Takes the next thing to do.
    pub(super) fn next(&mut self, now: Timestamp) -> Option<Work> {
        // What is done frees memory; what is sent keeps the provider busy; only then comes what is new.
        while let Some(key) = self.ready.pop_front() {
            let items = self.take_ready(key);
            if !items.is_empty() {
                return Some(Work::Finish(key, items));
            }
        }
        if let Some(work) = self.submit(now) {
            return Some(work);
        }
        while self.may_prepare() {
            let Some((_, mut job)) = self.look.pop(false) else { break };
            if job.is_stale(now) {
                self.give_up(*job, Outcome::Dropped(DropReason::Stale), now);
                continue;
            }
            self.note(&mut job, Stage::Queue, now);
            self.preparing += 1;
            return Some(Work::Prepare(job));
        }
        while let Some((key, mut job)) = self.gate.pop(true) {
            if job.is_stale(now) {
                self.gate.release(key);
                self.end(*job, Outcome::Dropped(DropReason::Stale), now);
                continue;
            }
            self.note(&mut job, Stage::GateWait, now);
            return Some(Work::Gate(job));
        }
        None
    }

    /// The places that the provider has left.
    fn places(&self) -> usize {
        self.limits.max_in_flight.saturating_sub(self.in_flight.len() + self.overdue.len())
    }

    /// Frames are decoded only where they can be sent soon: decoded ones are large. One batch is made ready while all places
    /// are taken, so that frames gather and the provider does not wait for them.
    fn may_prepare(&self) -> bool {
        let batches = self.places().max(1);
        self.prepared.len() + self.preparing < batches.saturating_mul(self.batcher.max_batch()).min(MOST_PREPARED)
    }

    /// The frames that could go in one request with the oldest one: those that ask for the same, for the same tenant.
    fn together(&self) -> impl Iterator<Item = usize> {
        let first = self.prepared.front().map(|job| (job.config.want, Arc::clone(&job.config.tenant)));
        self.prepared.iter().enumerate().filter_map(move |(at, job)| {
            first
                .as_ref()
                .is_some_and(|(want, tenant)| *want == job.config.want && *tenant == job.config.tenant)
                .then_some(at)
        })
    }

    fn batch(&self, now: Timestamp) -> BatchDecision {
        let Some(oldest) = self.prepared.front() else { return BatchDecision::Nothing };
        self.batcher.decide(self.together().count(), oldest.passage.since, self.places(), now)
    }

    fn submit(&mut self, now: Timestamp) -> Option<Work> {
        let most = match self.batch(now) {
            BatchDecision::Send(most) => most,
            BatchDecision::Wait(_) | BatchDecision::Nothing => return None,
        };
        let mut places: Vec<_> = self.together().take(most).collect();
        let mut jobs = Vec::with_capacity(places.len());
        while let Some(at) = places.pop() {
            jobs.extend(self.prepared.remove(at));
        }
        jobs.reverse();
        // Nothing that is too old reaches the provider.
        let (stale, mut jobs): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|job| job.is_stale(now));
        for job in stale {
            self.give_up(*job, Outcome::Dropped(DropReason::Stale), now);
        }
        let first = jobs.first()?;
        let (want, tenant) = (first.config.want, Arc::clone(&first.config.tenant));
        for job in &mut jobs {
            self.note(job, Stage::Batch, now);
        }
        let request = request(&jobs, want, tenant);
        let id = self.next_batch;
        self.next_batch += 1;
        self.batcher.sent(jobs.len());
        let expires = request.deadline.unwrap_or(now).max(now) + self.limits.provider_timeout;
        let cancellation = request.cancellation.clone();
        self.in_flight.insert(id, Batch { jobs, sent: now, expires, cancellation });
        Some(Work::Submit(id, request))
    }

    /// Takes what a camera's triggers may see now.
    fn take_ready(&mut self, key: Key) -> Vec<Item> {
        let Some(lane) = self.lanes.get_mut(&key).filter(|lane| !lane.finishing) else { return Vec::new() };
        let mut items = Vec::new();
        while let Some((_, Place::Ready(_) | Place::Gone)) = lane.out.front() {
            if let Some((_, Place::Ready(item))) = lane.out.pop_front() {
                items.push(item);
            }
        }
        lane.finishing = !items.is_empty();
        items
    }

    // --- Something was done -------------------------------------------------------------------------------------------

    /// The gate looked at a frame.
    pub(super) fn gated(&mut self, mut job: Box<Job>, verdict: Verdict, now: Timestamp) {
        let key = job.key;
        self.gate.release(key);
        self.note(&mut job, Stage::Gate, now);
        self.gate_age.record(now - job.passage.pushed);
        let most_behind = self.limits.max_bytes / MOST_BEHIND;
        let Some(lane) = self.lanes.get_mut(&key).filter(|_| !self.cancelled) else {
            return self.end(*job, Outcome::Dropped(DropReason::Shutdown), now);
        };
        let (queue, policy) = (lane.config.queue, lane.config.policy());
        if matches!(verdict, Verdict::Known(_) | Verdict::Open)
            && policy != QueuePolicy::NeverDropCritical
            && lane.is_full(queue, most_behind)
        {
            return self.end(*job, Outcome::Dropped(DropReason::QueueFull), now);
        }
        match verdict {
            Verdict::Closed => {
                let (pts, time) = (job.passage.decision.to, job.passage.decision.time);
                if !lane.config.triggers.is_empty() || !lane.config.host_triggers.is_empty() {
                    lane.unchanged(pts, time);
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
    pub(super) fn prepared(&mut self, mut job: Box<Job>, frame: Result<crate::frame::Frame>, now: Timestamp) {
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
    pub(super) fn answered(&mut self, id: u64, answer: Result<Response>, now: Timestamp) {
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
    pub(super) fn finished(&mut self, key: Key, jobs: Vec<(Box<Job>, Outcome)>, now: Timestamp) {
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

    /// Time passed: what is too old ends, and requests that nobody answers are given up; gives how many these are.
    pub(super) fn on_time(&mut self, now: Timestamp) -> usize {
        self.next_sweep = now + SWEEP;
        self.sweep(now);
        self.give_up_late(now)
    }

    fn sweep(&mut self, now: Timestamp) {
        for (_, job) in self.gate.take_if(None, |job| job.is_stale(now)) {
            self.end(*job, Outcome::Dropped(DropReason::Stale), now);
        }
        let mut stale: Vec<_> =
            self.look.take_if(None, |job| job.is_stale(now)).into_iter().map(|(_, job)| job).collect();
        // Those that are decoded wait as well, where the provider has no place left and may never have one again.
        if self.prepared.iter().any(|job| job.is_stale(now)) {
            let (out, stay): (VecDeque<_>, VecDeque<_>) = self.prepared.drain(..).partition(|job| job.is_stale(now));
            self.prepared = stay;
            stale.extend(out);
        }
        for job in stale {
            self.give_up(*job, Outcome::Dropped(DropReason::Stale), now);
        }
    }

    fn give_up_late(&mut self, now: Timestamp) -> usize {
        let late: Vec<u64> =
            self.in_flight.iter().filter(|(_, batch)| batch.expires <= now).map(|(id, _)| *id).collect();
        for &id in &late {
            let Some(batch) = self.in_flight.remove(&id) else { continue };
            // One that was taken back is answered soon; one that was begun may never be.
            batch.cancellation.cancel();
            self.overdue.insert(id, now);
            for mut job in batch.jobs {
                self.note(&mut job, Stage::Provider, now);
                self.give_up(*job, Outcome::Failed(ErrorCode::DeadlineExceeded), now);
            }
        }
        late.len()
    }

    /// When [`on_time`](Self::on_time) or [`next`](Self::next) has something to do that nothing but time brings about.
    pub(super) fn due(&self, now: Timestamp) -> Option<Timestamp> {
        let batch = match self.batch(now) {
            BatchDecision::Wait(until) => Some(until),
            BatchDecision::Send(_) | BatchDecision::Nothing => None,
        };
        let answer = self.in_flight.values().map(|batch| batch.expires).min();
        let waits = self.gate.len() + self.look.len() + self.prepared.len() > 0;
        let sweep = waits.then(|| self.next_sweep.min(now + SWEEP));
        [batch, answer, sweep].into_iter().flatten().min()
    }

    // --- The end ------------------------------------------------------------------------------------------------------

    /// Takes no more frames.
    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    /// Ends everything that has not ended, except what a thread has in hand: that ends when it is given back.
    pub(super) fn cancel(&mut self, now: Timestamp) {
        self.closed = true;
        self.cancelled = true;
        self.end_waiting(None, DropReason::Shutdown, now);
        for (id, batch) in std::mem::take(&mut self.in_flight) {
            batch.cancellation.cancel();
            self.overdue.insert(id, now);
            for job in batch.jobs {
                self.give_up(*job, Outcome::Dropped(DropReason::Shutdown), now);
            }
        }
        let mut ready = Vec::new();
        for lane in self.lanes.values_mut() {
            ready.extend(std::mem::take(&mut lane.out).into_iter().filter_map(|(_, place)| match place {
                Place::Ready(Item::Found(job, _)) => Some(job),
                _ => None,
            }));
        }
        for job in ready {
            self.end(*job, Outcome::Dropped(DropReason::Shutdown), now);
        }
        self.ready.clear();
    }

    fn end_waiting(&mut self, of: Option<Key>, why: DropReason, now: Timestamp) {
        let mut jobs: Vec<_> =
            self.gate.take_if(of, |_| true).into_iter().chain(self.look.take_if(of, |_| true)).collect();
        let (out, stay): (VecDeque<_>, VecDeque<_>) =
            self.prepared.drain(..).partition(|job| of.is_none_or(|of| of == job.key));
        self.prepared = stay;
        jobs.extend(out.into_iter().map(|job| (job.key, job)));
        for (_, job) in jobs {
            self.give_up(*job, Outcome::Dropped(why), now);
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Whether no frame is on its way.
    pub(super) fn is_drained(&self) -> bool {
        self.jobs == 0
    }

    // --- Small things -------------------------------------------------------------------------------------------------

    /// Ends a frame that has a place in its camera's order; the frames behind it wait no more for it.
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

    /// The camera's triggers have something to see, if nobody shows them something already and nothing is awaited first.
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

/// Of the memory for frames, what answers of one camera may hold while they wait for an earlier one of it: so great a part.
/// One answer that does not come must not make the others' frames give way.
const MOST_BEHIND: u64 = 8;

/// Whole pictures that are decoded ahead of a provider, however many places it has.
const MOST_PREPARED: usize = 64;

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
    fn unchanged(&mut self, pts: Timestamp, time: UnixTime) {
        if let Some((_, Place::Ready(Item::Unchanged { pts: last, time: at }))) = self.out.back_mut() {
            (*last, *at) = (pts, time);
            return;
        }
        self.out.push_back((self.next_slot, Place::Ready(Item::Unchanged { pts, time })));
        self.next_slot += 1;
    }
}

/// One request for all of them. Its deadline is that of the first of them to be of no use any more.
fn request(jobs: &[Box<Job>], want: Want, tenant: Arc<str>) -> Request {
    let frames: Vec<_> = jobs.iter().filter_map(|job| job.frame.clone()).collect();
    let mut request = Request::new(frames).with_want(want);
    let sure = |job: &Job| job.config.least_of_all(job.luma.unwrap_or(u8::MAX));
    request.min_confidence = jobs.iter().map(|job| sure(job)).fold(1.0, f32::min);
    request.deadline = jobs.iter().map(|job| job.passage.pushed + job.config.max_age()).min();
    request.priority = jobs.iter().map(|job| job.config.priority).max().unwrap_or_default();
    request.tenant = tenant;
    if let [job] = jobs {
        // A picture that is pushed once more is not paid once more.
        request.idempotency_key =
            job.fingerprint.as_ref().map(|print| format!("{}/{print}", job.config.id.as_str()).into());
    }
    request
}

#[cfg(test)]
#[path = "scheduler_tests.rs"]
mod tests;
