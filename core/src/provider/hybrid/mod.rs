//! Two providers as one: failover, balancing, overflow, or escalation.

mod balance;
mod config;
mod dispatcher;
mod flow;
mod health;
mod latency_estimate;
mod rank;

pub use config::{Escalation, HybridConfig, HybridMode};
pub use flow::Side;

use super::{Capability, Health, HealthLog, LabelConfidences, Provider, Reply, Request, Want};
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::resilience::{BreakerTransition, CircuitBreaker};
use balance::Balance;
use dispatcher::{Dispatcher, State};
use rank::Ranking;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

/// Two providers as one: a primary, usually local, and a fallback, usually a cloud.
///
/// Each side stands behind circuit breakers, one for each operation. A request makes at most one call on each side. A
/// validation error is answered as it is: the other side would say the same, for money.
///
/// ```
/// use guarita::provider::{HybridConfig, Request};
/// # use guarita::*;
/// # use std::sync::Arc;
/// # fn look(local: Arc<dyn Provider>, cloud: Arc<dyn Provider>, frame: Frame) -> Result<()> {
/// let config = HybridConfig { fallback_timeout_s: 2.0, ..HybridConfig::default() };
/// let hybrid = HybridProvider::new(local, cloud, config)?;
/// let response = hybrid.detect(Request::new([frame]).with_idempotency_key("gate-7/1234"))?;
/// println!("{}: {} objects, {}", response.answer, response.detections[0].len(), response.cost);
/// # Ok(())
/// # }
/// ```
pub struct HybridProvider {
    dispatcher: Arc<Dispatcher>,
    timer: Option<JoinHandle<()>>,
}

/// Sees the breakers of both sides change.
type Listener = dyn Fn(Side, Want, &BreakerTransition) + Send + Sync;

impl HybridProvider {
    /// Joins two providers. They should read the same clock; deadlines are read on the primary's.
    ///
    /// # Errors
    /// `InvalidConfig` naming the field; `ResourceExhausted` where the system gives no thread for the time-outs.
    pub fn new(primary: Arc<dyn Provider>, fallback: Arc<dyn Provider>, config: HybridConfig) -> Result<Self> {
        Self::build(primary, fallback, config, None)
    }

    /// Like `new`, with a listener for every change of a breaker. The listener is called on the thread that caused the
    /// change, and should return soon; a panic there is caught and lost.
    ///
    /// # Errors
    /// As [`HybridProvider::new`].
    pub fn with_listener(
        primary: Arc<dyn Provider>,
        fallback: Arc<dyn Provider>,
        config: HybridConfig,
        listener: impl Fn(Side, Want, &BreakerTransition) + Send + Sync + 'static,
    ) -> Result<Self> {
        Self::build(primary, fallback, config, Some(Arc::new(listener)))
    }

    fn build(
        primary: Arc<dyn Provider>,
        fallback: Arc<dyn Provider>,
        config: HybridConfig,
        listener: Option<Arc<Listener>>,
    ) -> Result<Self> {
        config.validate()?;
        let mut breakers = BTreeMap::new();
        for (side, settings) in [(Side::Primary, &config.primary_breaker), (Side::Fallback, &config.fallback_breaker)] {
            for want in Want::ALL {
                let mut breaker = CircuitBreaker::new(settings.clone())?;
                if let Some(listener) = listener.clone() {
                    // A panic there would lose the answer that is on its way, or end the thread of the time-outs.
                    breaker = breaker.with_listener(move |transition| {
                        let _ = catch_unwind(AssertUnwindSafe(|| listener(side, want, transition)));
                    });
                }
                breakers.insert((side, want), breaker);
            }
        }
        let balance = match config.mode {
            HybridMode::Balance { primary, fallback } => Some(Balance::new(primary, fallback)),
            _ => None,
        };
        let ranking = match &config.mode {
            HybridMode::Escalate(escalation) => Some(Ranking::new(escalation)?),
            _ => None,
        };
        let state = State {
            pending: BTreeMap::new(),
            next_id: 0,
            wakes: BTreeSet::new(),
            balance,
            ranking,
            log: HealthLog::default(),
            latencies: Default::default(),
            closed: false,
        };
        let capabilities = [primary.capability(), fallback.capability()];
        let dispatcher = Arc::new(Dispatcher {
            name: format!("{}+{}", primary.name(), fallback.name()).into(),
            together: joined(&capabilities[0], &capabilities[1]),
            capabilities,
            providers: [primary, fallback],
            config,
            breakers,
            state: Mutex::new(state),
            wake: Condvar::new(),
        });
        let mut hybrid = Self { dispatcher: Arc::clone(&dispatcher), timer: None };
        if hybrid.clock().runs() {
            let thread =
                std::thread::Builder::new().name("guarita-hybrid".into()).spawn(move || dispatcher.keep_time());
            hybrid.timer = Some(thread.map_err(|error| {
                Error::resource_exhausted(format!("cannot start a thread: {error}")).with_source(error)
            })?);
        }
        Ok(hybrid)
    }

    /// The breaker of one side for one operation, to look at it, force it open, or reset it.
    pub fn breaker(&self, side: Side, want: Want) -> Option<&CircuitBreaker> {
        self.dispatcher.breakers.get(&(side, want))
    }

    /// Runs what is due by the clock. A thread does this by itself, unless the primary's clock is moved by hand
    /// ([`Clock::runs`]): then call it after each move.
    pub fn tick(&self) {
        self.dispatcher.tick();
    }
}

impl Drop for HybridProvider {
    fn drop(&mut self) {
        let pending = {
            let mut state = self.dispatcher.lock();
            state.closed = true;
            state.wakes.clear();
            std::mem::take(&mut state.pending)
        };
        self.dispatcher.wake.notify_all();
        for call in pending.values().flat_map(|pending| pending.calls.iter().flatten()) {
            call.cancellation.cancel();
        }
        // Their replies say `Cancelled`.
        drop(pending);
        if let Some(timer) = self.timer.take() {
            // A reply may drop the provider on the very thread that it would wait for.
            if timer.thread().id() != std::thread::current().id() {
                let _ = timer.join();
            }
        }
    }
}

impl fmt::Debug for HybridProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HybridProvider")
            .field("name", &self.dispatcher.name)
            .field("mode", &self.dispatcher.config.mode)
            .finish()
    }
}

impl Provider for HybridProvider {
    fn name(&self) -> &str {
        &self.dispatcher.name
    }

    fn capability(&self) -> Capability {
        // Asked anew: the price of a cloud falls with its volume.
        let [primary, fallback] = &self.dispatcher.providers;
        joined(&primary.capability(), &fallback.capability())
    }

    fn health(&self) -> Health {
        self.dispatcher.health()
    }

    fn submit(&self, request: Request, reply: Reply) {
        let admitted = self.dispatcher.together.admit(&self.dispatcher.name, &request, self.dispatcher.now());
        match admitted {
            Ok(()) => self.dispatcher.start(request, reply),
            Err(error) => reply.send(Err(error)),
        }
    }

    fn clock(&self) -> &dyn Clock {
        self.dispatcher.providers[0].clock()
    }
}

/// What one of the two can find; none where one that can be asked for labels cannot say.
fn either(primary: &Capability, fallback: &Capability) -> Option<LabelConfidences> {
    let mut labels = LabelConfidences::new();
    for side in [primary, fallback].into_iter().filter(|side| side.wants.contains(&Want::Labels)) {
        for (name, &least) in side.labels.as_ref()? {
            labels.entry(Arc::clone(name)).and_modify(|known| *known = known.min(least)).or_insert(least);
        }
    }
    Some(labels)
}

fn joined(primary: &Capability, fallback: &Capability) -> Capability {
    let wants = Want::ALL.into_iter().filter(|want| primary.wants.contains(want) || fallback.wants.contains(want));
    Capability {
        wants: wants.collect(),
        max_batch: primary.max_batch,
        max_in_flight: primary.max_in_flight.saturating_add(fallback.max_in_flight),
        leaves_machine: primary.leaves_machine || fallback.leaves_machine,
        price: primary.price.max(fallback.price),
        labels: either(primary, fallback),
    }
}
