use super::checkpoint::SavedOutlets;
use super::executor::Executor;
use super::outlets::{Outlets, Wanted};
use super::scheduler::{Limits, Scheduler};
use super::{Pipeline, PipelineCheckpoint};
use crate::budget::Budget;
use crate::check::{inside, within};
use crate::clock::{Clock, Timestamp, UnixTime};
use crate::error::Result;
use crate::event::{CallbackSink, Deliveries, FrameResult, OutletConfig, Sink, Trigger};
use crate::provider::Provider;
use crate::resilience::{RateLimit, RateLimitConfig};
use crate::threads::Threads;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How a pipeline works. Plain data; unknown fields are refused. Times are seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct PipelineConfig {
    /// Threads that compute, where the builder is not given some; 0..256, where 0 (the default) is one for each
    /// processor.
    pub threads: usize,
    /// Memory that frames which were pushed may take until they end, in bytes; 1048576..281474976710656, default
    /// 512 MiB. Encoded frames count as
    /// they came, and each frame as 1 KiB at least.
    pub max_bytes: u64,
    /// Requests that the provider is given at a time; 0..4096, where 0 (the default) is one more than there are threads where it works on
    /// this machine, and 16 where it does not. Never more than it takes.
    pub max_in_flight: usize,
    /// Frames of a request; 0..1024, where 0 (the default) is as many as the provider looks at in one go.
    pub max_batch: usize,
    /// The longest wait for the rest of a batch; 0..10, default 0.1. It waits only where that gains something.
    pub batch_wait_s: f64,
    /// A request that is not answered so long after its deadline is given up; 0.01..3600, default 10.
    pub provider_timeout_s: f64,
    /// Frames that take longer than this from push to end are told of in the log, with the stage that was slow; 0.001..3600,
    /// default 2.
    pub slow_frame_s: f64,
    /// How many frames a camera, or all cameras of a client, may have looked at; none (the default) for no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimitConfig>,
}

impl Default for PipelineConfig {
    fn default() -> Self {
        Self {
            threads: 0,
            max_bytes: 512 << 20,
            max_in_flight: 0,
            max_batch: 0,
            batch_wait_s: 0.1,
            provider_timeout_s: 10.0,
            slow_frame_s: 2.0,
            rate_limit: None,
        }
    }
}

/// Requests that a provider elsewhere is given at a time: enough to hide its latency, and not many pictures in memory.
const REMOTE_IN_FLIGHT: usize = 16;

impl PipelineConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// `InvalidConfig` naming the field and its range.
    pub fn validate(&self) -> Result<()> {
        within("threads", self.threads, 0, 256)?;
        within("max_bytes", self.max_bytes, 1 << 20, 1 << 48)?;
        within("max_in_flight", self.max_in_flight, 0, 4096)?;
        within("max_batch", self.max_batch, 0, 1024)?;
        within("batch_wait_s", self.batch_wait_s, 0.0, 10.0)?;
        within("provider_timeout_s", self.provider_timeout_s, 0.01, 3600.0)?;
        within("slow_frame_s", self.slow_frame_s, 0.001, 3600.0)?;
        inside("rate_limit", self.rate_limit.as_ref().map_or(Ok(()), RateLimitConfig::validate))
    }

    /// One pool for each size that is asked for.
    fn own_threads(&self) -> Result<Threads> {
        let processors = || std::thread::available_parallelism().map_or(1, |count| count.get()).min(256);
        Threads::new(if self.threads == 0 { processors() } else { self.threads })
    }
}

/// Collects what a [`Pipeline`] is made of.
#[must_use = "a builder does nothing before build()"]
pub struct PipelineBuilder {
    provider: Arc<dyn Provider>,
    config: PipelineConfig,
    threads: Option<Threads>,
    wanted: Wanted,
    budget: Option<(Budget, Arc<str>)>,
    checkpoint: Option<PipelineCheckpoint>,
}

impl PipelineBuilder {
    pub(super) fn new(provider: Arc<dyn Provider>) -> Self {
        let (config, wanted) = (PipelineConfig::default(), Wanted::default());
        Self { provider, config, threads: None, wanted, budget: None, checkpoint: None }
    }

    /// Sets the pipeline's config.
    pub fn config(mut self, config: PipelineConfig) -> Self {
        self.config = config;
        self
    }

    /// Lends it the compute threads. Where the same ones are given to `LocalProvider::on_threads`, their number is the
    /// total of compute threads, inference included.
    pub fn threads(mut self, threads: &Threads) -> Self {
        self.threads = Some(threads.clone());
        self
    }

    /// Adds a sink: it gets every event of every camera.
    pub fn sink(self, name: &str, sink: impl Sink + 'static) -> Self {
        self.sink_with(name, Box::new(sink), OutletConfig::default())
    }

    /// Adds a sink with an outlet config: its deliveries, batching and retries.
    pub fn sink_with(mut self, name: &str, sink: Box<dyn Sink>, config: OutletConfig) -> Self {
        self.wanted.sinks.push((name.into(), sink, config));
        self
    }

    /// Adds a host trigger; cameras name it in `host_triggers`. It observes the scenes of all of them, on its own
    /// thread.
    pub fn trigger(mut self, name: &str, trigger: impl Trigger + 'static) -> Self {
        self.wanted.triggers.push((name.into(), Box::new(trigger), OutletConfig::default()));
        self
    }

    /// Calls `take` with the result of every analysed frame, on its own thread; if it is slow, the oldest queued
    /// results are dropped and counted. The same as a [`CallbackSink::results`] whose outlet asks for `results`.
    pub fn on_result(self, name: &str, take: impl FnMut(&FrameResult) + Send + 'static) -> Self {
        let config = OutletConfig { deliveries: Deliveries::Results, ..OutletConfig::default() };
        self.sink_with(name, Box::new(CallbackSink::results(take)), config)
    }

    /// Records in this budget what gate and cache save, at the price of `api` in its table.
    pub fn budget(mut self, budget: &Budget, api: &str) -> Self {
        self.budget = Some((budget.clone(), api.into()));
        self
    }

    /// Restores another pipeline's state: its account, and each camera's state when a camera of that name is added.
    /// State that no longer fits a camera's config (a gate with another view, a changed trigger) starts cold, and is
    /// logged. Undelivered events and results go to the sinks of the same names.
    ///
    /// The frames' presentation times should go on too; what happened in between is a gap like any other.
    pub fn restore(mut self, checkpoint: PipelineCheckpoint) -> Self {
        self.checkpoint = Some(checkpoint);
        self
    }

    /// Starts the pipeline.
    ///
    /// # Errors
    /// `InvalidConfig` naming the field, or a sink or trigger whose name is empty or there twice; `ResourceExhausted` where
    /// the system gives no more threads.
    pub fn build(self) -> Result<Pipeline> {
        let Self { provider, config, threads, wanted, budget, checkpoint } = self;
        config.validate()?;
        let limit = config.rate_limit.clone().map(RateLimit::new).transpose()?;
        let threads = threads.map_or_else(|| config.own_threads(), Ok)?;
        let capability = provider.capability();
        let usual =
            |set: usize, usual: usize, most: usize| if set == 0 { usual.min(most) } else { set.min(most) }.max(1);
        let in_flight = if capability.leaves_machine { REMOTE_IN_FLIGHT } else { threads.count() + 1 };
        let limits = Limits {
            max_bytes: config.max_bytes,
            max_in_flight: usual(config.max_in_flight, in_flight, capability.max_in_flight),
            max_batch: usual(config.max_batch, capability.max_batch, capability.max_batch),
            batch_wait: Duration::from_secs_f64(config.batch_wait_s),
            provider_timeout: Duration::from_secs_f64(config.provider_timeout_s),
            slow_frame: Duration::from_secs_f64(config.slow_frame_s),
        };
        let clock: Arc<dyn Clock> = Arc::new(ProviderClock(Arc::clone(&provider)));
        let mut scheduler = Scheduler::new(limits);
        let (mut pending, mut waiting) = (BTreeMap::new(), SavedOutlets::default());
        if let Some(PipelineCheckpoint { flow, removed, cameras, outlets }) = checkpoint {
            scheduler.resume(flow, removed);
            pending = cameras.into_iter().map(|camera| (camera.id.clone(), camera)).collect();
            waiting = outlets;
        }
        let outlets = Outlets::start(wanted, &clock, waiting)?;
        let executor = Executor::new(provider, clock, threads, scheduler, outlets, limit, budget);
        executor.lock().pending = pending;
        Pipeline::start(executor)
    }
}

impl fmt::Debug for PipelineBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PipelineBuilder").field("config", &self.config).finish_non_exhaustive()
    }
}

/// The provider's clock: the one that deadlines of requests are read on.
#[derive(Debug)]
struct ProviderClock(Arc<dyn Provider>);

impl Clock for ProviderClock {
    fn now(&self) -> Timestamp {
        self.0.clock().now()
    }

    fn unix(&self) -> UnixTime {
        self.0.clock().unix()
    }

    fn unix_ns(&self) -> i64 {
        self.0.clock().unix_ns()
    }

    fn runs(&self) -> bool {
        self.0.clock().runs()
    }
}
