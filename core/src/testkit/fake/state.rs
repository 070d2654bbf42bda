//! What the clones of a fake and its thread share.

use super::FakeCall;
use crate::budget::MicroDollars;
use crate::clock::{Clock, Timestamp};
use crate::detection::Detections;
use crate::error::{Error, ErrorCode, Result};
use crate::provider::{Capability, HealthLog, Latency, Reply, Request, Response, Want};
use crate::testkit::Step;
use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Dropping the last one ends the provider, whose thread holds the shared state.
pub(super) struct Handle(pub(super) Arc<Shared>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.close();
    }
}

#[derive(Default)]
pub(super) struct Shared {
    pub(super) state: Mutex<State>,
    pub(super) wake: Condvar,
}

pub(super) type AnswerBy = Arc<dyn Fn(&Request) -> Result<Vec<Detections>> + Send + Sync>;

pub(super) struct State {
    pub(super) capability: Capability,
    pub(super) latency: Duration,
    pub(super) answer_by: Option<AnswerBy>,
    pub(super) script: VecDeque<Step>,
    pub(super) always: Option<Step>,
    pub(super) down: Option<ErrorCode>,
    pub(super) ready: bool,
    pub(super) expected_wait: Duration,
    pub(super) closed: bool,
    pub(super) has_thread: bool,
    /// Requests that were taken up and not answered yet: those of `pending`, and those inside `submit`.
    pub(super) taken: usize,
    pub(super) pending: Vec<Pending>,
    pub(super) calls: Vec<FakeCall>,
    pub(super) billed: MicroDollars,
    pub(super) paid: BTreeSet<Arc<str>>,
    pub(super) cancelled: usize,
    pub(super) log: HealthLog,
}

/// A request that waits for its time.
pub(super) struct Pending {
    pub(super) reply: Reply,
    pub(super) came: Timestamp,
    /// None for never.
    pub(super) due: Option<Timestamp>,
    pub(super) answer: Outcome,
    pub(super) billed: bool,
    pub(super) frames: usize,
    pub(super) key: Option<Arc<str>>,
}

pub(super) enum Outcome {
    Answer(Result<Vec<Detections>>),
    Drop,
}

impl Default for State {
    fn default() -> Self {
        Self {
            capability: Capability::local(&[Want::Labels], 8, 1_000),
            latency: Duration::ZERO,
            answer_by: None,
            script: VecDeque::new(),
            always: None,
            down: None,
            ready: true,
            expected_wait: Duration::ZERO,
            closed: false,
            has_thread: false,
            taken: 0,
            pending: Vec::new(),
            calls: Vec::new(),
            billed: MicroDollars::ZERO,
            paid: BTreeSet::new(),
            cancelled: 0,
            log: HealthLog::default(),
        }
    }
}

/// An answer on its way, to be given without the lock.
pub(super) struct Give(Reply, Option<Result<Response>>);

impl Give {
    pub(super) fn send(self) {
        if let Some(answer) = self.1 {
            self.0.send(answer);
        }
    }
}

impl State {
    /// Accepts a request, or returns why not.
    pub(super) fn admit(&mut self, name: &str, request: &Request, now: Timestamp) -> Result<()> {
        if self.closed {
            return Err(Error::cancelled(format!("{name} is closed")));
        }
        self.capability.admit(name, request, now)?;
        if self.taken >= self.capability.max_in_flight {
            let most = self.capability.max_in_flight;
            return Err(Error::overloaded(format!("{name} has {most} requests in flight already")));
        }
        if !request.cancellation.begin() {
            return Err(Error::cancelled(format!("{name}: the request was taken back before it was begun")));
        }
        self.taken += 1;
        self.calls.push(FakeCall::new(request, now));
        Ok(())
    }

    /// Accounts for an answer that is given now.
    pub(super) fn settle(&mut self, pending: Pending, name: &Arc<str>, now: Timestamp) -> Give {
        let Pending { reply, came, answer, billed, frames, key, .. } = pending;
        self.taken -= 1;
        let pays = billed || matches!(answer, Outcome::Answer(Ok(_)));
        let first = match key {
            Some(key) if pays => self.paid.insert(key),
            _ => true,
        };
        let mut cost = MicroDollars::ZERO;
        if pays && first {
            cost = self.capability.price.times(frames as u64);
            self.billed = self.billed + cost;
        }
        let answer = match answer {
            Outcome::Drop => {
                self.cancelled += 1;
                return Give(reply, None);
            }
            Outcome::Answer(answer) => answer,
        };
        match &answer {
            Ok(_) => self.log.answered(now - came),
            Err(error) => self.log.failed(error, now),
        }
        Give(
            reply,
            Some(answer.map(|detections| {
                let latency = Latency { call: now - came, ..Latency::default() };
                let mut response = Response::new(detections, name, latency);
                response.cost = cost;
                response.calls = u32::from(self.capability.leaves_machine && first);
                response
            })),
        )
    }
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let left = std::mem::take(&mut state.pending);
        state.cancelled += left.len();
        state.taken -= left.len();
        drop(state);
        self.wake.notify_all();
        // Dropped replies answer, and may call back in here.
        drop(left);
    }

    pub(super) fn give_due(&self, name: &Arc<str>, now: Timestamp) -> usize {
        let mut state = self.lock();
        let is_due = |pending: &Pending| pending.due.is_some_and(|at| at <= now);
        let (mut due, later): (Vec<_>, Vec<_>) = std::mem::take(&mut state.pending).into_iter().partition(is_due);
        state.pending = later;
        // Stable: of one time, the first that came.
        due.sort_by_key(|pending| pending.due);
        let give: Vec<_> = due.into_iter().map(|pending| state.settle(pending, name, now)).collect();
        drop(state);
        let count = give.len();
        give.into_iter().for_each(Give::send);
        count
    }

    pub(super) fn give_in_time(&self, name: &Arc<str>, clock: &dyn Clock) {
        loop {
            self.give_due(name, clock.now());
            let state = self.lock();
            if state.closed {
                return;
            }
            let wait = state.pending.iter().filter_map(|pending| pending.due).min().map(|at| at - clock.now());
            // Woken too early, or for something else: the loop looks again.
            match wait {
                Some(Duration::ZERO) => drop(state),
                Some(wait) => drop(self.wake.wait_timeout(state, wait)),
                None => drop(self.wake.wait(state)),
            }
        }
    }
}
