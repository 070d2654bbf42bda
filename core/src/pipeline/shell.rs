//! Runs what the scheduler decides: work goes to the threads that the host lent, and one more thread waits for time.

use super::account::{Account, Books};
use super::checkpoint::CameraCheckpoint;
use super::classes;
use super::config::CameraConfig;
use super::fair::Key;
use super::job::{Found, Item, Leftover};
use super::outlets::Outlets;
use super::scheduler::{Scheduler, Verdict, Work};
use super::tickets::Tickets;
use super::work::{GateSeen, GateWork, SceneWork, whole};
use super::{Outcome, PipelineHealth, SkipReason};
use crate::budget::{Budget, Saving, Spend};
use crate::clock::{Clock, Timestamp};
use crate::detection::Detections;
use crate::error::{Error, ErrorCode, Result};
use crate::frame::CameraId;
use crate::provider::{Capability, Provider, Reply, Request};
use crate::resilience::RateLimit;
use crate::threads::{Threads, caught};
use crate::throttle::LogThrottle;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What a pipeline's cameras and threads have in common.
pub(super) struct Shared {
    pub(super) provider: Arc<dyn Provider>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) threads: Threads,
    pub(super) outlets: Outlets,
    pub(super) limit: Option<RateLimit>,
    pub(super) budget: Option<(Budget, Arc<str>)>,
    leaves_machine: bool,
    state: Mutex<State>,
    /// Somebody changed when the next thing is due.
    timer: Condvar,
    /// The last frame ended.
    drained: Condvar,
    /// Money as the metrics count it.
    #[cfg(feature = "prometheus")]
    pub(super) cost: Mutex<super::metrics::Cost>,
    /// Frames that took long, and failures of the provider, that are told of.
    slow: LogThrottle,
    failures: LogThrottle,
    /// What the provider has found, where it does not say what it can find.
    found: Option<Mutex<BTreeSet<Arc<str>>>>,
}

/// So many names are kept.
const MOST_FOUND: usize = 4_096;
/// So many possible slips are told of at once.
const MOST_SLIPS: usize = 32;

pub(super) struct State {
    pub(super) scheduler: Scheduler,
    pub(super) cameras: BTreeMap<Key, Arc<CameraWork>>,
    pub(super) next_key: u64,
    /// Cameras of a checkpoint that were not added yet.
    pub(super) pending: BTreeMap<CameraId, CameraCheckpoint>,
    tickets: Tickets,
    /// When a frame was last pushed, and whether the timer looks every [`POLL`] for what was.
    last_push: Option<Timestamp>,
    polling: bool,
    ended: bool,
    timer_ended: bool,
}

/// What threads do their work on, for one camera.
pub(super) struct CameraWork {
    pub(super) books: Arc<Books>,
    pub(super) config: Mutex<Arc<CameraConfig>>,
    pub(super) gate: Mutex<GateWork>,
    pub(super) scene: Mutex<SceneWork>,
    seen: Mutex<GateSeen>,
}

impl State {
    /// The account of all cameras, also of those that were removed and of those that a checkpoint has and nobody added.
    pub(super) fn account(&mut self) -> Account {
        let mut account = self.scheduler.account();
        for camera in self.pending.values() {
            account.merge(&camera.books.account);
        }
        account
    }
}

impl CameraWork {
    /// All that is known of the camera, between two frames; none where it was removed.
    pub(super) fn checkpoint(&self, key: Key, shared: &Shared) -> Option<CameraCheckpoint> {
        // Gate, triggers and books of the same moment: locked in this order, which is that of a frame's way.
        let gate = lock(&self.gate);
        let scene = lock(&self.scene);
        let (books, lane) = shared.lock().scheduler.camera(key)?;
        let (confirm, triggers, frame) = scene.checkpoint();
        drop(scene);
        let (seen, gate) = (gate.seen, gate.snapshot());
        Some(CameraCheckpoint { id: self.books.camera.clone(), books, lane, seen, gate, confirm, triggers, frame })
    }

    /// Goes on where a camera of this name was. What does not fit any more starts cold, and the log says so.
    pub(super) fn resume(&self, saved: &CameraCheckpoint) {
        let mut cold = lock(&self.scene).resume(&saved.confirm, &saved.triggers, saved.frame);
        if let Err(error) = lock(&self.gate).resume(saved.seen, saved.gate.as_deref()) {
            cold.push(format!("motion gate: {error}"));
        }
        tracing::info!(camera = saved.id.as_str(), cold = cold.len(), "camera restored");
        for what in cold {
            tracing::warn!(camera = saved.id.as_str(), what, "starts cold");
        }
    }

    pub(super) fn new(books: Arc<Books>, config: &Arc<CameraConfig>) -> Result<Self> {
        Ok(Self {
            books,
            config: Mutex::new(Arc::clone(config)),
            gate: Mutex::new(GateWork::new(Arc::clone(config))?),
            scene: Mutex::new(SceneWork::new(Arc::clone(config))?),
            seen: Mutex::default(),
        })
    }

    pub(super) fn config(&self) -> Arc<CameraConfig> {
        Arc::clone(&lock(&self.config))
    }

    /// The gate, by the config of now. A change of it is made here, on a thread of the pipeline's, so that the host does not
    /// wait for the frame that is being looked at.
    fn gate(&self) -> Result<MutexGuard<'_, GateWork>> {
        let mut gate = lock(&self.gate);
        gate.update(self.config())?;
        Ok(gate)
    }

    /// How the gate stands, as of the last frame: a frame that is being looked at is not waited for.
    pub(super) fn seen(&self) -> GateSeen {
        if let Ok(gate) = self.gate.try_lock() {
            *lock(&self.seen) = gate.seen;
        }
        *lock(&self.seen)
    }

    fn scene(&self) -> Result<MutexGuard<'_, SceneWork>> {
        let mut scene = lock(&self.scene);
        scene.update(self.config())?;
        Ok(scene)
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How often the timer looks for frames that were pushed, and for how long after the last one.
const POLL: Duration = Duration::from_millis(1);
const LINGER: Duration = Duration::from_millis(100);
/// How long a thread works on what there is before others who share the threads get their turn.
const TURN: Duration = Duration::from_millis(2);
/// Turns in a row of one thread.
const TURNS: u32 = 8;
/// The timer looks up so often at least: whatever it was not told of is seen then.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

impl Shared {
    pub(super) fn new(
        provider: Arc<dyn Provider>,
        clock: Arc<dyn Clock>,
        threads: Threads,
        scheduler: Scheduler,
        outlets: Outlets,
        limit: Option<RateLimit>,
        budget: Option<(Budget, Arc<str>)>,
    ) -> Self {
        let capability = provider.capability();
        let leaves_machine = capability.leaves_machine;
        let state = State {
            scheduler,
            cameras: BTreeMap::new(),
            next_key: 0,
            pending: BTreeMap::new(),
            tickets: Tickets::new(threads.count()),
            last_push: None,
            polling: false,
            ended: false,
            timer_ended: false,
        };
        Self {
            provider,
            clock,
            threads,
            outlets,
            limit,
            budget,
            leaves_machine,
            state: Mutex::new(state),
            timer: Condvar::new(),
            drained: Condvar::new(),
            #[cfg(feature = "prometheus")]
            cost: Mutex::default(),
            slow: LogThrottle::default(),
            failures: LogThrottle::default(),
            found: capability.labels.is_none().then(Mutex::default),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Ends a push. To wake a thread takes the host ten microseconds and more where the machine is a virtual one; while
    /// frames come often, the timer does it, a little later.
    pub(super) fn leave_push(self: &Arc<Self>, mut state: MutexGuard<'_, State>, now: Timestamp) {
        state.last_push = Some(now);
        if !state.polling {
            return self.leave(state);
        }
        let leftovers = state.scheduler.take_leftovers();
        drop(state);
        self.drop_leftovers(leftovers, now);
    }

    /// Ends a look at the state: has the threads do what there is to do, the timer know what is due, and the host's frames
    /// dropped, all of it without the lock.
    pub(super) fn leave(self: &Arc<Self>, mut state: MutexGuard<'_, State>) {
        let now = self.clock.now();
        let State { scheduler, tickets, .. } = &mut *state;
        let calls = tickets.call(|| scheduler.has_work(now), scheduler.due(now), scheduler.is_drained());
        let leftovers = scheduler.take_leftovers();
        drop(state);
        if calls.thread {
            self.spawn_ticket();
        }
        if calls.timer {
            self.timer.notify_one();
        }
        if calls.drained {
            self.drained.notify_all();
        }
        self.drop_leftovers(leftovers, now);
    }

    fn drop_leftovers(&self, leftovers: Vec<Leftover>, now: Timestamp) {
        self.tell_of_slow(&leftovers, now);
        let_go(leftovers);
    }

    fn tell_of_slow(&self, leftovers: &[Leftover], now: Timestamp) {
        for leftover in leftovers {
            if let Some(slow) = &leftover.slow
                && let Some(untold) = self.slow.on(now)
            {
                caught(|| {
                    tracing::warn!(
                        camera = slow.camera.as_str(),
                        pts_ns = slow.pts.as_nanos(),
                        age_ms = u64::try_from(slow.age.as_millis()).unwrap_or(u64::MAX),
                        stage = slow.stage.as_str(),
                        stage_ms = u64::try_from(slow.in_stage.as_millis()).unwrap_or(u64::MAX),
                        outcome = %slow.outcome,
                        untold,
                        "slow frame"
                    );
                });
            }
        }
    }

    fn spawn_ticket(self: &Arc<Self>) {
        self.spawn_turn(0);
    }

    fn spawn_turn(self: &Arc<Self>, turn: u32) {
        let shared = Arc::clone(self);
        self.threads.spawn(move || shared.run_ticket(turn));
    }

    /// Does what there is to do for a while, and goes to the end of the threads' queue: work of others, such as the
    /// model's, gets its turn. That is the queue of this very thread, which goes before what comes from outside; so after
    /// some turns the ticket is given back, and the timer sends another one, from outside.
    fn run_ticket(self: Arc<Self>, turn: u32) {
        let begun = self.clock.now();
        {
            let state = self.lock();
            let often = state.last_push.is_some_and(|last| begun - last < LINGER);
            if often && !state.polling {
                // Frames come again: from the next one on, the timer looks for them.
                drop(state);
                self.timer.notify_one();
            }
        }
        loop {
            let mut state = self.lock();
            let now = self.clock.now();
            let Some(work) = state.scheduler.next(now) else {
                state.tickets.give_back();
                return self.leave(state);
            };
            let camera = match &work {
                Work::Gate(job) | Work::Prepare(job) => state.cameras.get(&job.key).cloned(),
                Work::Finish(key, _) => state.cameras.get(key).cloned(),
                Work::Submit(..) => None,
            };
            // This may call in one more thread, while this one works.
            self.leave(state);
            self.work(work, camera.as_deref());
            if self.clock.now() - begun >= TURN {
                if turn < TURNS {
                    return self.spawn_turn(turn + 1);
                }
                self.lock().tickets.give_back();
                self.timer.notify_one();
                return;
            }
        }
    }

    fn work(self: &Arc<Self>, work: Work, camera: Option<&CameraWork>) {
        match work {
            Work::Gate(mut job) => {
                let verdict = match camera {
                    Some(camera) => caught(|| camera.gate().and_then(|mut gate| gate.look(&mut job, self.clock.now())))
                        .unwrap_or_else(|| Err(Error::internal("a panic in the motion gate")))
                        .unwrap_or_else(|error| Verdict::Failed(error.code())),
                    // It was removed meanwhile.
                    None => Verdict::Closed,
                };
                let saved = match &verdict {
                    Verdict::Closed => Some(Saving::Gate),
                    Verdict::Known(_) => Some(Saving::Cache),
                    Verdict::Open | Verdict::Failed(_) => None,
                };
                if let (Some(by), Some((budget, api))) = (saved, &self.budget) {
                    let (camera, tenant) = (job.config.id.as_str(), &*job.config.tenant);
                    budget.saved(&Spend { api, camera, tenant, ..Spend::default() }, by, self.clock.moment());
                }
                let mut state = self.lock();
                state.scheduler.gated(job, verdict, self.clock.now());
                self.leave(state);
            }
            Work::Prepare(mut job) => {
                let frame = caught(|| whole(&mut job, self.leaves_machine))
                    .unwrap_or_else(|| Err(Error::internal("a panic while decoding")));
                let mut state = self.lock();
                state.scheduler.prepared(job, frame, self.clock.now());
                self.leave(state);
            }
            Work::Submit(id, request) => self.submit(id, request),
            Work::Finish(key, items) => {
                let done = items.into_iter().filter_map(|item| self.finish(item, camera)).collect();
                let mut state = self.lock();
                state.scheduler.finished(key, done, self.clock.now());
                self.leave(state);
            }
        }
    }

    fn submit(self: &Arc<Self>, id: u64, request: Request) {
        let shared = Arc::downgrade(self);
        let reply = Reply::new(move |answer| {
            // Nobody waits for it any more where the pipeline is gone.
            if let Some(shared) = shared.upgrade() {
                let now = shared.clock.now();
                // One that was taken back did what it was told.
                if let Some(error) = answer.as_ref().err().filter(|error| error.code() != ErrorCode::Cancelled) {
                    shared.warn_of(error, now);
                }
                let mut state = shared.lock();
                state.scheduler.answered(id, answer, now);
                shared.leave(state);
            }
        });
        // Where the provider panics, the reply is dropped, which is an answer.
        caught(|| self.provider.submit(request, reply));
    }

    /// Tells of a failure of the provider, one for a burst.
    fn warn_of(&self, error: &Error, now: Timestamp) {
        if let Some(untold) = self.failures.on(now) {
            caught(|| {
                tracing::warn!(provider = self.provider.name(), code = %error.code(), %error, untold, "provider failed");
            });
        }
    }

    /// Shows what was found to the camera's triggers, and hands on what comes of it.
    fn finish(&self, mut item: Item, camera: Option<&CameraWork>) -> Option<(Box<super::job::Job>, Outcome)> {
        let mut outcome = match &item {
            Item::Found(_, Found::Cached { .. }) => Outcome::Skipped(SkipReason::Cached),
            _ => Outcome::Analysed,
        };
        if let Item::Found(_, Found::Looked { detections, .. }) = &item {
            self.note_found(detections);
        }
        if let Some(camera) = camera {
            // Without a cache there is nothing to learn, and the gate, which may be at the next frame, is not waited for.
            if let Item::Found(job, Found::Looked { detections, answer }) = &item
                && let Some(fingerprint) = job.fingerprint
            {
                lock(&camera.gate).learn(job, fingerprint, detections, answer, self.clock.now());
            }
            let wants_results = self.outlets.wants_results();
            let config = camera.config();
            // Handed on before the triggers are let go: a checkpoint has both, or neither.
            let shown = caught(|| {
                camera.scene().map(|mut scene| self.outlets.hand_on(scene.look(&mut item, wants_results), &config))
            });
            if !matches!(shown, Some(Ok(()))) {
                outcome = Outcome::Failed(ErrorCode::Internal);
            }
        }
        match item {
            Item::Found(job, _) => Some((job, outcome)),
            Item::Unchanged(_) => None,
        }
    }

    /// Whether a camera can be treated so.
    pub(super) fn check(&self, config: &CameraConfig) -> Result<()> {
        config.validate()?;
        self.outlets.check(config)?;
        let capability = self.provider.capability();
        if capability.wants.contains(&config.look.want) {
            return classes::check(config, self.provider.name(), &capability);
        }
        let can: Vec<_> = capability.wants.iter().map(|want| want.as_str()).collect();
        Err(Error::unsupported(format!(
            "want is {}, which {} cannot look for; it can look for {}",
            config.look.want,
            self.provider.name(),
            can.join(", ")
        )))
    }

    /// Keeps what was found, where the provider does not say what it can find.
    fn note_found(&self, detections: &Detections) {
        let Some(found) = &self.found else { return };
        let mut found = lock(found);
        for item in detections.iter() {
            if found.len() < MOST_FOUND && !found.contains(&item.label.name) {
                found.insert(Arc::clone(&item.label.name));
            }
        }
    }

    /// What in a camera's config may be a slip.
    fn slips(&self, config: &CameraConfig, capability: &Capability) -> Vec<String> {
        let none = BTreeSet::new();
        match &self.found {
            Some(found) => classes::notes(config, self.provider.name(), capability, &lock(found)),
            None => classes::notes(config, self.provider.name(), capability, &none),
        }
    }

    /// Tells the log what in a config may be a slip.
    pub(super) fn warn_of_slips(&self, config: &CameraConfig) {
        for slip in self.slips(config, &self.provider.capability()) {
            caught(|| tracing::warn!("{slip}"));
        }
    }

    pub(super) fn health(&self) -> PipelineHealth {
        let (live, overdue, configs) = {
            let state = self.lock();
            let configs: Vec<_> = state.cameras.values().map(|camera| camera.config()).collect();
            (!state.scheduler.is_closed(), state.scheduler.overdue(), configs)
        };
        let provider = self.provider.health();
        let mut degraded: Vec<_> = provider.degraded.clone().into_iter().collect();
        if overdue > 0 {
            degraded.push(format!("{} did not answer {overdue} requests in time, and may never", self.provider.name()));
        }
        let now = self.clock.now();
        for outlet in self.outlets.stats() {
            if let Some(since) = outlet.busy_since.filter(|since| now - *since >= HANGS) {
                degraded.push(format!("{} has been busy for {:.0} s", outlet.name, (now - since).as_secs_f64()));
            }
            if outlet.panics > 0 {
                degraded.push(format!("{} panicked {} times", outlet.name, outlet.panics));
            }
        }
        let capability = self.provider.capability();
        degraded.extend(configs.iter().flat_map(|config| self.slips(config, &capability)).take(MOST_SLIPS));
        PipelineHealth { live, ready: live && provider.ready, degraded, provider }
    }

    /// Has what is due done, for clocks that do not run by themselves.
    pub(super) fn on_time(self: &Arc<Self>) {
        let now = self.clock.now();
        let mut state = self.lock();
        let late = state.scheduler.on_time(now);
        self.leave(state);
        self.warn_of_late(late, now);
    }

    fn warn_of_late(&self, requests: usize, now: Timestamp) {
        if requests > 0 {
            self.warn_of(
                &Error::deadline_exceeded(format!("{requests} requests were not answered, and were given up")),
                now,
            );
        }
    }

    /// What the timer's thread does until the pipeline ends.
    pub(super) fn keep_time(self: &Arc<Self>) {
        let mut state = self.lock();
        while !state.ended {
            let now = self.clock.now();
            let is_due = state.scheduler.due(now).is_some_and(|due| due <= now);
            let late = if is_due { state.scheduler.on_time(now) } else { 0 };
            let wants_thread = state.tickets.wants_thread(|| state.scheduler.has_work(now));
            if late > 0 || wants_thread || state.scheduler.has_leftovers() {
                // Until it looks again, whoever pushes wakes the threads.
                state.polling = false;
                let leftovers = state.scheduler.take_leftovers();
                self.leave(state);
                if !leftovers.is_empty() {
                    self.tell_of_slow(&leftovers, now);
                    // The host's code may take long: not here, where all others are waited for.
                    self.threads.spawn(move || let_go(leftovers));
                }
                self.warn_of_late(late, now);
                state = self.lock();
                continue;
            }
            let due = state.scheduler.due(now);
            state.tickets.arm(due);
            let runs = self.clock.runs();
            state.polling = runs && state.last_push.is_some_and(|last| now - last < LINGER);
            let longest = if state.polling { POLL } else { LONGEST_SLEEP };
            let sleep = match due {
                Some(due) if runs => (due - now).clamp(SHORTEST_SLEEP, longest),
                _ => longest,
            };
            state = self.timer.wait_timeout(state, sleep).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.timer_ended = true;
        drop(state);
        self.drained.notify_all();
    }

    /// Whether the timer's thread ends soon, after it was told to: it may be in the host's log.
    pub(super) fn wait_timer(&self) -> bool {
        let waited = self.drained.wait_timeout_while(self.lock(), TIMER_ENDS, |state| !state.timer_ended);
        waited.unwrap_or_else(PoisonError::into_inner).0.timer_ended
    }

    pub(super) fn end(self: &Arc<Self>) {
        let mut state = self.lock();
        state.ended = true;
        self.leave(state);
        self.timer.notify_all();
    }

    /// Waits until no frame is on its way, for at most so long of real time.
    pub(super) fn wait_drained(&self, within: Duration) -> bool {
        let mut state = self.lock();
        state.tickets.begin_draining();
        let waited = self.drained.wait_timeout_while(state, within, |state| !state.scheduler.is_drained());
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        state.tickets.end_draining();
        state.scheduler.is_drained()
    }
}

/// Code of the host's that is busy with one thing for so long may hang.
const HANGS: Duration = Duration::from_secs(5);
/// How long the timer's thread is waited for.
pub(super) const TIMER_ENDS: Duration = Duration::from_millis(200);
const SHORTEST_SLEEP: Duration = Duration::from_micros(100);

/// The pixels may be the host's, whose code runs when they are let go.
fn let_go(leftovers: Vec<Leftover>) {
    for leftover in leftovers {
        caught(|| drop(leftover));
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("provider", &self.provider)
            .field("threads", &self.threads)
            .finish_non_exhaustive()
    }
}
