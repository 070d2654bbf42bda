//! Two providers as one: the second stands in, takes turns, takes what is too much, or looks again.

mod balance;
mod config;
mod flow;
mod rank;

pub use config::{Escalation, HybridConfig, HybridMode};
pub use flow::Side;

use super::{
    AnswerReason, Cancellation, Capability, Health, HealthLog, Priority, Provider, Reply, Request, Response, Want,
};
use crate::clock::{Clock, Timestamp};
use crate::error::{Error, ErrorCode, Result};
use crate::resilience::{BreakerState, BreakerTransition, CircuitBreaker, FailurePolicy, Permit};
use balance::Balance;
use flow::{Action, Event, Flow, Plan};
use rank::Ranking;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;

/// Two providers as one: a primary, usually local, and a fallback, usually a cloud.
///
/// Each side stands behind circuit breakers, one for each operation. A request makes at most one call on each side. A
/// validation error is answered as it is: the other side would say the same, for money.
///
/// ```no_run
/// # use guarita::*;
/// # use std::sync::Arc;
/// # fn providers() -> Result<(Arc<dyn Provider>, Arc<dyn Provider>)> { todo!() }
/// # let frame = Frame::open("street.jpg", &DecodeOptions::default())?;
/// let (local, cloud) = providers()?;
/// let config = HybridConfig { fallback_timeout_s: 2.0, ..HybridConfig::default() };
/// let hybrid = HybridProvider::new(local, cloud, config)?;
/// let response = hybrid.detect(Request::new([frame]).with_idempotency_key("gate-7/1234"))?;
/// println!("{}: {} objects, {}", response.answer, response.detections[0].len(), response.cost);
/// # Ok::<(), Error>(())
/// ```
pub struct HybridProvider {
    shared: Arc<Shared>,
    timer: Option<JoinHandle<()>>,
}

/// Sees the breakers of both sides change.
type Listener = dyn Fn(Side, Want, &BreakerTransition) + Send + Sync;

struct Shared {
    name: Arc<str>,
    /// The primary and the fallback.
    providers: [Arc<dyn Provider>; 2],
    capabilities: [Capability; 2],
    config: HybridConfig,
    breakers: BTreeMap<(Side, Want), CircuitBreaker>,
    state: Mutex<State>,
    wake: Condvar,
}

struct State {
    pending: BTreeMap<u64, Pending>,
    next_id: u64,
    wakes: BTreeSet<(Timestamp, u64)>,
    balance: Option<Balance>,
    ranking: Option<Ranking>,
    log: HealthLog,
    closed: bool,
}

/// One request on its way.
struct Pending {
    request: Request,
    reply: Reply,
    flow: Flow,
    since: Timestamp,
    calls: [Option<Call>; 2],
    /// Its places in `State::wakes`.
    wakes: Vec<Timestamp>,
}

/// One call of a side.
#[derive(Clone)]
struct Call {
    /// Taken by whoever is first to say how the call went.
    permit: Arc<Mutex<Option<Permit>>>,
    cancellation: Cancellation,
}

/// What a step of a flow leads to outside the lock: other people's code is called there.
enum Step {
    Call(Side, Box<Request>, Call),
    TimedOut(Call),
    TakeBack(Call),
    Answer(Box<Reply>, Result<Response>),
}

/// In the place of a request's number: the window of the ranking ends.
const RANKING: u64 = u64::MAX;

/// Whether an error means that the provider, not the request, is at fault.
fn counts(error: &Error) -> bool {
    FailurePolicy::default().counts(error)
}

impl HybridProvider {
    /// Joins two providers. They should read the same clock; deadlines are read on the primary's.
    ///
    /// # Errors
    /// `InvalidConfig` naming the field; `ResourceExhausted` where the system gives no thread for the time-outs.
    pub fn new(primary: Arc<dyn Provider>, fallback: Arc<dyn Provider>, config: HybridConfig) -> Result<Self> {
        Self::build(primary, fallback, config, None)
    }

    /// The same, with somebody who hears of every change of a breaker. The listener is called on the thread that caused
    /// the change, and should return soon; a panic there is caught and lost.
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
            closed: false,
        };
        let shared = Arc::new(Shared {
            name: format!("{}+{}", primary.name(), fallback.name()).into(),
            capabilities: [primary.capability(), fallback.capability()],
            providers: [primary, fallback],
            config,
            breakers,
            state: Mutex::new(state),
            wake: Condvar::new(),
        });
        let mut hybrid = Self { shared: Arc::clone(&shared), timer: None };
        if hybrid.clock().runs() {
            let thread = std::thread::Builder::new().name("guarita-hybrid".into()).spawn(move || shared.keep_time());
            hybrid.timer = Some(thread.map_err(|error| {
                Error::resource_exhausted(format!("cannot start a thread: {error}")).with_source(error)
            })?);
        }
        Ok(hybrid)
    }

    /// The breaker of one side for one operation, to look at it, force it open, or reset it.
    pub fn breaker(&self, side: Side, want: Want) -> Option<&CircuitBreaker> {
        self.shared.breakers.get(&(side, want))
    }

    /// Does what is due by the clock. A thread does this by itself, unless the primary's clock is moved by hand
    /// ([`Clock::runs`]): then call it after each move.
    pub fn tick(&self) {
        self.shared.tick();
    }
}

impl Drop for HybridProvider {
    fn drop(&mut self) {
        let pending = {
            let mut state = self.shared.lock();
            state.closed = true;
            state.wakes.clear();
            std::mem::take(&mut state.pending)
        };
        self.shared.wake.notify_all();
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
            .field("name", &self.shared.name)
            .field("mode", &self.shared.config.mode)
            .finish()
    }
}

impl Provider for HybridProvider {
    fn name(&self) -> &str {
        &self.shared.name
    }

    fn capability(&self) -> Capability {
        let [primary, fallback] = &self.shared.capabilities;
        let wants = Want::ALL.into_iter().filter(|want| primary.wants.contains(want) || fallback.wants.contains(want));
        Capability {
            wants: wants.collect(),
            max_batch: primary.max_batch,
            max_in_flight: primary.max_in_flight.saturating_add(fallback.max_in_flight),
            leaves_machine: primary.leaves_machine || fallback.leaves_machine,
            price: primary.price.max(fallback.price),
        }
    }

    fn health(&self) -> Health {
        self.shared.health()
    }

    fn submit(&self, request: Request, reply: Reply) {
        let admitted = self.capability().admit(&self.shared.name, &request, self.shared.now());
        match admitted {
            Ok(()) => self.shared.start(request, reply),
            Err(error) => reply.send(Err(error)),
        }
    }

    fn clock(&self) -> &dyn Clock {
        self.shared.providers[0].clock()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Timestamp {
        self.providers[0].clock().now()
    }

    fn provider(&self, side: Side) -> &Arc<dyn Provider> {
        &self.providers[side as usize]
    }

    fn start(self: &Arc<Self>, request: Request, reply: Reply) {
        let now = self.now();
        // Asking a provider how it does is not for inside the lock.
        let misses_deadline = matches!(self.config.mode, HybridMode::Overflow) && self.would_miss(&request, now);
        let id = {
            let mut state = self.lock();
            if state.closed || !request.cancellation.begin() {
                drop(state);
                return reply.send(Err(Error::cancelled("the request was taken back, or the provider is closed")));
            }
            let plan = self.plan(&mut state, &request, misses_deadline);
            let id = state.next_id;
            state.next_id += 1;
            let flow = Flow::new(plan);
            state
                .pending
                .insert(id, Pending { request, reply, flow, since: now, calls: [None, None], wakes: Vec::new() });
            id
        };
        self.step(id, Event::Start);
    }

    fn plan(&self, state: &mut State, request: &Request, misses_deadline: bool) -> Plan {
        let can = |side: Side| self.capabilities[side as usize].wants.contains(&request.want);
        let has_second = can(Side::Primary) && can(Side::Fallback);
        let (first, reason) = if !has_second {
            let only = if can(Side::Primary) { Side::Primary } else { Side::Fallback };
            (only, AnswerReason::OnlyOne)
        } else if let Some(balance) = &mut state.balance {
            (balance.next(), AnswerReason::Balanced)
        } else if misses_deadline {
            (Side::Fallback, AnswerReason::Overflow)
        } else {
            (Side::Primary, AnswerReason::Primary)
        };
        let uncertain = match self.config.mode {
            HybridMode::Escalate(Escalation { from, to, .. }) if has_second => Some((from, to)),
            _ => None,
        };
        Plan {
            first,
            has_second,
            reason,
            timeout: self.config.fallback_timeout(),
            deadline: request.deadline,
            overflows: matches!(self.config.mode, HybridMode::Overflow),
            uncertain,
        }
    }

    /// Whether the primary would answer after the deadline, by how long its last answers took.
    fn would_miss(&self, request: &Request, now: Timestamp) -> bool {
        let Some(deadline) = request.deadline else {
            return false;
        };
        let health = self.provider(Side::Primary).health();
        let usual = health.latency.map_or(std::time::Duration::ZERO, |latency| latency.p50);
        // The usual latency has its own wait in it; an idle queue is judged by it, a busy one by the wait.
        now + health.expected_wait.max(usual) >= deadline
    }

    /// Lets something happen to a request, and does what follows.
    fn step(self: &Arc<Self>, id: u64, event: Event) {
        let steps = {
            let now = self.now();
            let mut state = self.lock();
            let State { pending: all, wakes, ranking, log, .. } = &mut *state;
            let Some(pending) = all.get_mut(&id) else {
                return;
            };
            let mut steps = Vec::new();
            let mut answer = None;
            let mut woken = false;
            for action in pending.flow.on(event, now) {
                match action {
                    Action::Call(side) => {
                        let request = self.request_for(side, &pending.request);
                        let call = Call { permit: Arc::default(), cancellation: request.cancellation.clone() };
                        pending.calls[side as usize] = Some(call.clone());
                        steps.push(Step::Call(side, Box::new(request), call));
                    }
                    Action::WakeAt(at) => {
                        pending.wakes.push(at);
                        woken |= wakes.insert((at, id));
                    }
                    Action::TimedOut(side) => {
                        steps.extend(pending.calls[side as usize].clone().map(Step::TimedOut));
                    }
                    Action::TakeBack(side) => {
                        steps.extend(pending.calls[side as usize].clone().map(Step::TakeBack));
                    }
                    Action::Forget(side) => {
                        if let Some(call) = &pending.calls[side as usize] {
                            call.cancellation.cancel();
                        }
                    }
                    Action::Rank => {
                        if let Some(ranking) = ranking {
                            let worth = worth(pending, &self.config.mode);
                            woken |= wakes.insert((ranking.offer(id, worth, now), RANKING));
                        }
                    }
                    Action::Answer(result) => answer = Some(result),
                }
            }
            if let Some(result) = answer
                && let Some(pending) = all.remove(&id)
            {
                for &at in &pending.wakes {
                    wakes.remove(&(at, id));
                }
                match &result {
                    Ok(_) => log.answered(now - pending.since),
                    Err(error) if counts(error) => log.failed(error, now),
                    Err(_) => {}
                }
                let result = result.map(|response| least_confident_removed(response, &pending.request));
                steps.push(Step::Answer(Box::new(pending.reply), result));
            }
            drop(state);
            if woken {
                self.wake.notify_all();
            }
            steps
        };
        for step in steps {
            match step {
                Step::Call(side, request, call) => self.call(id, side, *request, call),
                Step::TimedOut(call) => {
                    if let Some(permit) = call.take_permit() {
                        permit.failure(self.now());
                    }
                }
                Step::TakeBack(call) => self.step(id, Event::TakenBack(call.cancellation.cancel())),
                Step::Answer(reply, result) => reply.send(result),
            }
        }
    }

    /// A request of its own for a side: taking one back leaves the other alone.
    fn request_for(&self, side: Side, request: &Request) -> Request {
        let mut request = request.clone();
        request.cancellation = Cancellation::default();
        if let (Side::Primary, HybridMode::Escalate(escalation)) = (side, &self.config.mode) {
            // What is uncertain must be seen to be looked at again.
            request.min_confidence = request.min_confidence.min(escalation.from);
        }
        request
    }

    fn call(self: &Arc<Self>, id: u64, side: Side, request: Request, call: Call) {
        let Some(breaker) = self.breakers.get(&(side, request.want)) else {
            return self.step(id, Event::Refused(side, Error::internal("an operation without a breaker")));
        };
        let permit = match breaker.try_acquire(self.now()) {
            Ok(permit) => permit,
            Err(open) => {
                let name = self.provider(side).name();
                let error = Error::new(ErrorCode::Unavailable, format!("{name}: {open}")).with_source(open);
                return self.step(id, Event::Refused(side, error));
            }
        };
        call.keep_permit(permit);
        let shared: Weak<Self> = Arc::downgrade(self);
        let clock_of = Arc::clone(self.provider(side));
        let reply = Reply::new(move |answer| {
            if let Some(permit) = call.take_permit() {
                match &answer {
                    Ok(_) => permit.success(clock_of.clock().now()),
                    Err(error) if counts(error) => permit.failure(clock_of.clock().now()),
                    Err(_) => permit.ignore(),
                }
            }
            if let Some(shared) = shared.upgrade() {
                shared.step(id, Event::Answered(side, answer));
            }
        });
        // Where it panics, the reply is dropped, which is an answer; this may be the thread of the time-outs.
        let _ = catch_unwind(AssertUnwindSafe(|| self.provider(side).submit(request, reply)));
    }

    fn tick(self: &Arc<Self>) {
        let (due, ranked) = {
            let now = self.now();
            let mut state = self.lock();
            let mut due = Vec::new();
            while let Some(&(at, id)) = state.wakes.first()
                && at <= now
            {
                state.wakes.pop_first();
                due.push(id);
            }
            let ranked = state.ranking.as_mut().map(|ranking| ranking.due(now)).unwrap_or_default();
            (due, ranked)
        };
        for (id, chosen) in ranked {
            self.step(id, Event::Ranked(chosen));
        }
        for id in due.into_iter().filter(|&id| id != RANKING) {
            self.step(id, Event::Due);
        }
    }

    fn keep_time(self: &Arc<Self>) {
        loop {
            self.tick();
            let state = self.lock();
            if state.closed {
                return;
            }
            let now = self.now();
            let waited = match state.wakes.first() {
                Some(&(at, _)) if at <= now => continue,
                Some(&(at, _)) => self.wake.wait_timeout(state, at - now).map(|(state, _)| state).ok(),
                None => self.wake.wait(state).ok(),
            };
            drop(waited);
        }
    }

    fn health(&self) -> Health {
        let now = self.now();
        let [primary, fallback] = [Side::Primary, Side::Fallback].map(|side| (side, self.provider(side).health()));
        let mut reasons = Vec::new();
        let mut ready = [false; 2];
        for (side, health) in [&primary, &fallback] {
            let name = self.provider(*side).name();
            let open: Vec<_> = self
                .breakers
                .iter()
                .filter(|((of, want), breaker)| {
                    of == side
                        && self.capabilities[*side as usize].wants.contains(want)
                        && matches!(breaker.state(now), BreakerState::Open | BreakerState::ForcedOpen)
                })
                .map(|((_, want), _)| want.as_str())
                .collect();
            if !open.is_empty() {
                reasons.push(format!("{name}: the breaker is open for {}", open.join(", ")));
            }
            if !health.live {
                reasons.push(format!("{name}: not live"));
            }
            reasons.extend(health.degraded.iter().map(|why| format!("{name}: {why}")));
            ready[*side as usize] = health.ready && open.len() < self.capabilities[*side as usize].wants.len();
        }
        let state = self.lock();
        Health {
            live: !state.closed && (primary.1.live || fallback.1.live),
            ready: !state.closed && ready.contains(&true),
            degraded: (!reasons.is_empty()).then(|| reasons.join("; ")),
            in_flight: state.pending.len(),
            expected_wait: if ready[0] { primary.1.expected_wait } else { fallback.1.expected_wait },
            ..state.log.health()
        }
    }
}

impl Call {
    fn keep_permit(&self, permit: Permit) {
        *self.permit.lock().unwrap_or_else(PoisonError::into_inner) = Some(permit);
    }

    fn take_permit(&self) -> Option<Permit> {
        self.permit.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

fn worth(pending: &Pending, mode: &HybridMode) -> f32 {
    let (HybridMode::Escalate(Escalation { from, to, .. }), Some(kept)) = (mode, pending.flow.kept()) else {
        return 0.0;
    };
    let weight = match pending.request.priority {
        Priority::Critical => 4.0,
        Priority::Normal => 1.0,
        Priority::Low => 0.25,
    };
    flow::uncertainty(kept, (*from, *to)) * weight
}

/// The primary may have been asked for less sure findings than the host wants.
fn least_confident_removed(mut response: Response, request: &Request) -> Response {
    for detections in &mut response.detections {
        detections.items.retain(|item| item.confidence >= request.min_confidence);
        detections.image_labels.retain(|label| label.confidence >= request.min_confidence);
    }
    response
}
