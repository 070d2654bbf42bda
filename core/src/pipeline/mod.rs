//! Many cameras through one fair, bounded pipeline: every frame that is pushed ends in exactly one [`Outcome`].
//!
//! ```text
//! push ─ sample ─ gate ─ cache ─ queue ─ prepare ─ batch ─ provider ─ filter ─ confirm ─ triggers ─ sinks
//! ```
//!
//! Decisions are made by state machines that take the time as an argument (`scheduler`, `batcher`, `fair`,
//! `sampler`, the gate, the cache, the triggers); `executor` runs them on the threads that the host lent.

mod account;
mod batcher;
mod builder;
mod cache;
mod camera;
mod camera_work;
mod checkpoint;
mod classes;
mod config;
mod executor;
mod explain;
mod fair;
mod frame_time;
mod gate_stage;
mod histogram;
mod input;
mod job;
#[cfg(feature = "prometheus")]
mod metrics;
mod outcome;
mod outlets;
mod prepare_stage;
#[cfg(feature = "video")]
mod run_file;
mod sampler;
mod saved;
mod scene_stage;
mod scheduler;
mod stats;
mod tickets;

pub use account::Account;
pub use builder::{PipelineBuilder, PipelineConfig};
pub use cache::ResultCacheConfig;
pub use camera::Camera;
pub use checkpoint::PipelineCheckpoint;
pub use config::{CameraConfig, LookConfig, LowLight, QueueConfig, QueuePolicy};
pub use explain::Decision;
pub use histogram::Histogram;
pub use input::{Admission, EncodedFrame, Input};
pub use job::Stage;
pub use outcome::{DropReason, Outcome, OutcomeCounts, SkipReason};
#[cfg(feature = "video")]
pub use run_file::{ChunkReport, RunEnd, RunFileConfig, RunSummary};
pub use stats::{CameraStats, PipelineHealth, PipelineStats, ShutdownReport};

use crate::check::wrong;
use crate::clock::{Clock, SystemClock};
use crate::error::{Error, Result};
use crate::event::GRACE;
use crate::provider::Provider;
use account::Books;
use camera_work::{CameraWork, lock};
use executor::{Executor, TIMER_ENDS};
use fair::Key;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// Processes the frames of many cameras with one provider: samples them, gates them by motion, queues them fairly,
/// batches them across cameras, filters detections, fires triggers, delivers events, and accounts for every frame.
///
/// - **Threads.** One number: the host lends [`Threads`](crate::Threads), and gives the same ones to
///   `LocalProvider::on_threads`. Beside them there is one thread that waits for time, and one for each sink, trigger and
///   callback of the host's.
/// - **Bounds.** Each camera's queues, the memory of all frames, the provider's requests, and the queue of each sink are
///   bounded. Nothing that is too old reaches the provider.
/// - **Fairness.** Critical cameras first; among the others, deficit round-robin: a camera that pushes thirty frames a
///   second gets no more looks than its neighbour while the neighbour has some waiting.
/// - **The account.** `pushed = Σ outcomes + in flight`, for each camera and for all of them, at every instant.
/// - **The end.** [`shutdown`](Pipeline::shutdown), or dropping the pipeline, which waits for nothing. Nothing hangs: code of
///   the host's that does is left alone and named.
///
/// ```
/// # fn main() -> guarita::Result<()> { guarita_example() }
/// # #[cfg(not(feature = "testkit"))] fn guarita_example() -> guarita::Result<()> { Ok(()) }
/// # #[cfg(feature = "testkit")]
/// # fn guarita_example() -> guarita::Result<()> {
/// use guarita::{CameraConfig, Pipeline, Timestamp};
/// use guarita::frame::FrameMeta;
/// use guarita::pipeline::EncodedFrame;
/// use guarita::testkit::FakeProvider;
/// use std::{sync::Arc, time::Duration};
///
/// let pipeline = Pipeline::builder(Arc::new(FakeProvider::new("fake"))).build()?;
/// let gate_7 = pipeline.add_camera(CameraConfig::new("gate-7"))?;
/// let meta = FrameMeta { pts: Timestamp::from_millis(40), ..FrameMeta::default() };
/// let admission = gate_7.push(EncodedFrame::from_owner(vec![0xFF, 0xD8], meta)); // no whole JPEG
/// assert!(admission.is_taken());
///
/// let report = pipeline.shutdown(Duration::from_secs(5));
/// assert!(report.drained && report.account.balances());
/// assert_eq!(report.account.outcomes.failed(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Pipeline {
    executor: Arc<Executor>,
    timer: Mutex<Option<JoinHandle<()>>>,
}

impl Pipeline {
    /// Starts building a pipeline that uses this provider.
    pub fn builder(provider: Arc<dyn Provider>) -> PipelineBuilder {
        PipelineBuilder::new(provider)
    }

    fn start(executor: Executor) -> Result<Self> {
        let executor = Arc::new(executor);
        let timer = Arc::clone(&executor);
        let thread = std::thread::Builder::new()
            .name("guarita-timer".into())
            .spawn(move || timer.keep_time())
            .map_err(|error| Error::resource_exhausted(format!("cannot start a thread: {error}")).with_source(error))?;
        Ok(Self { executor, timer: Mutex::new(Some(thread)) })
    }

    /// Adds a camera while the pipeline runs.
    ///
    /// # Errors
    /// `InvalidConfig` as [`CameraConfig::validate`], also where a camera of this name exists, `host_triggers` names an
    /// unknown trigger, or the provider is known not to find a named class; `Unsupported` where the provider does not
    /// support what is wanted; `InvalidState` after `shutdown`.
    pub fn add_camera(&self, config: CameraConfig) -> Result<Camera> {
        self.executor.check(&config)?;
        let config = Arc::new(config);
        let saved = self.executor.lock().pending.get(&config.id).cloned();
        let books = match &saved {
            Some(saved) => Books::with_state(config.id.clone(), saved.books.clone().with_explain(config.explain)),
            None => Books::new(config.id.clone(), config.explain),
        };
        let work = Arc::new(CameraWork::new(Arc::clone(&books), &config)?);
        if let Some(saved) = &saved {
            work.resume(saved);
        }
        let mut state = self.executor.lock();
        if state.scheduler.is_closed() {
            return Err(Error::invalid_state("the pipeline is shut down"));
        }
        if state.cameras.values().any(|camera| camera.books.camera == config.id) {
            let id = config.id.as_str();
            return Err(wrong("id", format!("is {id:?}; the pipeline has a camera of this name already")));
        }
        let key = Key(state.next_key);
        state.next_key += 1;
        state.cameras.insert(key, Arc::clone(&work));
        state.scheduler.add(key, config, books);
        if let Some(saved) = saved {
            state.pending.remove(&saved.id);
            state.scheduler.resume_camera(key, saved.lane);
        }
        drop(state);
        let camera = Camera { executor: Arc::clone(&self.executor), work, key };
        tracing::info!(camera = camera.id().as_str(), "camera added");
        self.executor.warn_of_slips(&camera.config());
        Ok(camera)
    }

    /// The camera of this name.
    ///
    /// # Errors
    /// `NotFound` where there is none.
    pub fn camera(&self, id: &str) -> Result<Camera> {
        let found = self.cameras().into_iter().find(|camera| camera.id().as_str() == id);
        found.ok_or_else(|| Error::new(crate::ErrorCode::NotFound, format!("the pipeline has no camera {id:?}")))
    }

    /// All cameras, in the order in which they came.
    pub fn cameras(&self) -> Vec<Camera> {
        let state = self.executor.lock();
        let camera = |(key, work): (&Key, &Arc<CameraWork>)| Camera {
            executor: Arc::clone(&self.executor),
            work: Arc::clone(work),
            key: *key,
        };
        state.cameras.iter().map(camera).collect()
    }

    /// Pauses the pipeline: new frames end as `Skipped(Paused)` until [`resume`](Self::resume). Earlier ones go on.
    pub fn pause(&self) {
        self.executor.lock().scheduler.set_paused(None, true);
    }

    /// Ends a pause of the pipeline; cameras that were paused themselves stay so.
    pub fn resume(&self) {
        self.executor.lock().scheduler.set_paused(None, false);
    }

    /// Statistics of the pipeline.
    pub fn stats(&self) -> PipelineStats {
        let mut state = self.executor.lock();
        let account = state.account();
        let removed = state.scheduler.removed_account();
        let standing = state.scheduler.standing();
        let cameras: Vec<_> = state
            .cameras
            .iter()
            .map(|(key, work)| {
                let camera = Camera { executor: Arc::clone(&self.executor), work: Arc::clone(work), key: *key };
                (camera, state.scheduler.is_paused(*key))
            })
            .collect();
        drop(state);
        let mut cameras: Vec<_> = cameras.iter().map(|(camera, paused)| camera.stats_with(*paused)).collect();
        cameras.sort_by(|one, other| one.id.cmp(&other.id));
        PipelineStats {
            account,
            removed,
            cameras,
            waiting_gate: standing.waiting_gate,
            waiting_look: standing.waiting_look,
            prepared: standing.prepared,
            requests: standing.requests,
            overdue: standing.overdue,
            bytes: standing.bytes,
            batches: standing.batches,
            batched: standing.batched,
            max_batch: standing.max_batch,
            stages: Stage::ALL.map(Stage::as_str).into_iter().zip(standing.stages).collect(),
            gate_age: standing.gate_age,
            age: standing.age,
            events: self.executor.outlets.events(),
            outlets: self.executor.outlets.stats(),
            threads: self.executor.threads.count(),
            waiting_threads: 1 + self.executor.outlets.threads(),
            provider: self.executor.provider.health(),
        }
    }

    /// Health of the pipeline.
    pub fn health(&self) -> PipelineHealth {
        self.executor.health()
    }

    /// Runs everything that is due, after the provider's clock was moved by hand (such as
    /// [`ManualClock`](crate::clock::ManualClock)).
    pub fn on_time(&self) {
        self.executor.on_time();
    }

    /// Shuts the pipeline down: accepts no more frames, finishes those in flight, and delivers queued events; what is
    /// not done in time ends as `Dropped(Shutdown)`, or is dropped and counted. Returns by the deadline where that is 4
    /// seconds away or more: the last 0.9 s of it are for work in progress. After a shorter one it may take up to a
    /// second more. The provider is left as it is.
    ///
    /// Once it has ended, a further call gives the same account at once.
    pub fn shutdown(&self, deadline: Duration) -> ShutdownReport {
        // Of the real time: the provider's clock may stand still.
        let begun = SystemClock.now();
        self.executor.lock().scheduler.close();
        // What is left until so long before the deadline, and of a short one until three quarters of it.
        let left = |before: Duration| (deadline - before.min(deadline / 4)).saturating_sub(SystemClock.now() - begun);
        let mut drained = self.executor.wait_drained(left(IN_HAND + GRACE + TIMER_ENDS));
        if !drained {
            let mut state = self.executor.lock();
            state.scheduler.cancel(self.executor.clock.now());
            drained = state.scheduler.is_drained();
            self.executor.leave(state);
            // What a thread has in hand ends when it is done: decoding, a gate, a trigger of ours.
            if !drained {
                self.executor.wait_drained(IN_HAND);
            }
            drained = false;
        }
        let hanging = self.executor.outlets.close(left(GRACE + TIMER_ENDS));
        self.executor.end();
        if let Some(timer) = lock(&self.timer).take() {
            // A thread of the pipeline's own does not wait for itself.
            if timer.thread().id() != std::thread::current().id() && self.executor.wait_timer() {
                drop(timer.join());
            }
        }
        let account = self.executor.lock().account();
        tracing::info!(drained, pushed = account.pushed, in_flight = account.in_flight, "pipeline shut down");
        ShutdownReport { drained, account, outlets: self.executor.outlets.stats(), hanging }
    }
}

/// How long what a thread has in hand may take after a shutdown has given up waiting for the rest.
const IN_HAND: Duration = Duration::from_millis(500);

impl Drop for Pipeline {
    fn drop(&mut self) {
        if lock(&self.timer).is_some() {
            self.shutdown(Duration::ZERO);
        }
    }
}
