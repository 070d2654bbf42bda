//! Runs the flows of a hybrid provider: it holds pending requests, calls the providers, and keeps the time. The flow
//! decides what to do.

use super::balance::Balance;
use super::config::{Escalation, HybridConfig, HybridMode};
use super::flow::{self, Action, Circumstances, Event, Flow, Plan, Side};
use super::latency_estimate::LatencyEstimate;
use super::rank::Ranking;
use crate::clock::Timestamp;
use crate::error::{Error, ErrorCode, Result};
use crate::provider::{
    Cancellation, Capability, Health, HealthLog, Priority, Provider, Reply, Request, Response, Want,
};
use crate::resilience::{CircuitBreaker, Permit};
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

pub(super) struct Dispatcher {
    pub(super) name: Arc<str>,
    /// The primary and the fallback.
    pub(super) providers: [Arc<dyn Provider>; 2],
    pub(super) capabilities: [Capability; 2],
    /// Combined capability of the two; requests are admitted by it.
    pub(super) together: Capability,
    pub(super) config: HybridConfig,
    pub(super) breakers: BTreeMap<(Side, Want), CircuitBreaker>,
    pub(super) state: Mutex<State>,
    pub(super) wake: Condvar,
}

pub(super) struct State {
    pub(super) pending: BTreeMap<u64, Pending>,
    pub(super) next_id: u64,
    pub(super) wakes: BTreeSet<(Timestamp, u64)>,
    pub(super) balance: Option<Balance>,
    pub(super) ranking: Option<Ranking>,
    pub(super) log: HealthLog,
    /// Of the primary and the fallback.
    pub(super) latencies: [LatencyEstimate; 2],
    pub(super) closed: bool,
}

/// One request on its way.
pub(super) struct Pending {
    pub(super) request: Request,
    pub(super) reply: Reply,
    pub(super) flow: Flow,
    pub(super) since: Timestamp,
    pub(super) calls: [Option<Call>; 2],
    /// Its places in `State::wakes`.
    pub(super) wakes: Vec<Timestamp>,
}

/// One call of a side.
#[derive(Clone)]
pub(super) struct Call {
    /// Taken by the first to report the result of the call.
    pub(super) permit: Arc<Mutex<Option<(Permit, Timestamp)>>>,
    pub(super) cancellation: Cancellation,
}

/// Actions of a flow's step, run outside the lock: they call foreign code.
enum Step {
    Call(Side, Box<Request>, Call),
    TimedOut(Side, Call),
    TakeBack(Call),
    Answer(Box<Reply>, Result<Response>),
}

/// Pseudo id of a request, for the end of the ranking's window.
const RANKING: u64 = u64::MAX;

impl Dispatcher {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> Timestamp {
        self.providers[0].clock().now()
    }

    pub(super) fn provider(&self, side: Side) -> &Arc<dyn Provider> {
        &self.providers[side as usize]
    }

    pub(super) fn start(self: &Arc<Self>, mut request: Request, reply: Reply) {
        let now = self.now();
        let latest = now + self.config.request_timeout();
        request.deadline = Some(request.deadline.map_or(latest, |deadline| deadline.min(latest)));
        // The health of a provider is queried outside the lock.
        let wait = match self.config.mode {
            HybridMode::Overflow => self.health_of(Side::Primary).expected_wait,
            _ => Duration::ZERO,
        };
        let id = {
            let mut state = self.lock();
            if state.closed || !request.cancellation.begin() {
                drop(state);
                return reply.send(Err(Error::cancelled("the request was taken back, or the provider is closed")));
            }
            let plan = self.plan(&mut state, &request, wait, now);
            let id = state.next_id;
            state.next_id += 1;
            let flow = Flow::new(plan);
            let pending = Pending { request, reply, flow, since: now, calls: [None, None], wakes: Vec::new() };
            state.pending.insert(id, pending);
            id
        };
        self.step(id, Event::Start);
    }

    fn plan(&self, state: &mut State, request: &Request, wait: Duration, now: Timestamp) -> Plan {
        let State { balance, latencies, .. } = state;
        let [primary, fallback] = &self.capabilities;
        let circumstances = Circumstances {
            can: [primary.wants.contains(&request.want), fallback.wants.contains(&request.want)],
            leaves_machine: [primary.leaves_machine, fallback.leaves_machine],
            wait,
            latency: &latencies[Side::Primary as usize],
            deadline: request.deadline,
        };
        Plan::new(&self.config, &circumstances, balance.as_mut(), now)
    }

    /// How a side does; nothing is known of one that panics when asked.
    pub(super) fn health_of(&self, side: Side) -> Health {
        catch_unwind(AssertUnwindSafe(|| self.provider(side).health())).unwrap_or_default()
    }

    /// Reports the result of a call to the side's breaker, once. A time-out counts against the side only where it had
    /// enough time.
    fn settle(&self, side: Side, call: &Call, error: Option<&Error>) {
        let Some((permit, since)) = call.permit.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            return;
        };
        let now = self.now();
        let had_time = {
            let mut state = self.lock();
            let latency = &mut state.latencies[side as usize];
            if error.is_none() {
                latency.answered(now - since);
            }
            latency.had_time(now - since, self.config.fallback_timeout())
        };
        match error {
            Some(error) if error.code() == ErrorCode::DeadlineExceeded && !had_time => permit.ignore(),
            _ => self.config.failure_policy.settle(permit, error, now),
        }
    }

    /// Applies an event to a request, and runs the resulting actions.
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
                        steps.extend(pending.calls[side as usize].clone().map(|call| Step::TimedOut(side, call)));
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
                    Err(error) if self.config.failure_policy.counts(error) => log.failed(error, now),
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
                Step::TimedOut(side, call) => {
                    self.settle(side, &call, Some(&Error::deadline_exceeded("no answer in time")));
                }
                Step::TakeBack(call) => self.step(id, Event::TakenBack(call.cancellation.cancel())),
                Step::Answer(reply, result) => reply.send(result),
            }
        }
    }

    /// A separate request for a side: cancelling one leaves the other alone.
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
        let now = self.now();
        call.keep_permit(permit, now);
        self.lock().latencies[side as usize].asked(now);
        let dispatcher: Weak<Self> = Arc::downgrade(self);
        // Without a dispatcher nobody waits, and the permit goes back by itself.
        let reply = Reply::new(move |answer| {
            if let Some(dispatcher) = dispatcher.upgrade() {
                dispatcher.settle(side, &call, answer.as_ref().err());
                dispatcher.step(id, Event::Answered(side, answer));
            }
        });
        // Where it panics, the reply is dropped, which is an answer; this may be the thread of the time-outs.
        let _ = catch_unwind(AssertUnwindSafe(|| self.provider(side).submit(request, reply)));
    }

    pub(super) fn tick(self: &Arc<Self>) {
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

    pub(super) fn keep_time(self: &Arc<Self>) {
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
}

impl Call {
    fn keep_permit(&self, permit: Permit, now: Timestamp) {
        *self.permit.lock().unwrap_or_else(PoisonError::into_inner) = Some((permit, now));
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

/// Removes detections below the requested confidence: the primary may have been asked for less sure ones.
fn least_confident_removed(mut response: Response, request: &Request) -> Response {
    for detections in &mut response.detections {
        detections.items.retain(|item| item.confidence >= request.min_confidence);
        detections.image_labels.retain(|label| label.confidence >= request.min_confidence);
    }
    response
}
