//! Frame accounting: frames in flight, outcomes, and recorded decisions.

use super::explain::{Decision, Ring};
use super::{DropReason, Outcome, OutcomeCounts, SkipReason};
use crate::clock::{Timestamp, UnixTime};
use crate::error::ErrorCode;
use crate::frame::CameraId;
use crate::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Frame counts of one camera, or of all cameras. `pushed = outcomes + in_flight` holds at all times.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Account {
    /// Frames that were pushed.
    pub pushed: u64,
    /// Frames that have not ended yet.
    pub in_flight: u64,
    /// Ended frames, by outcome.
    pub outcomes: OutcomeCounts,
}

impl Account {
    /// Whether `pushed = outcomes + in_flight` holds.
    pub fn balances(&self) -> bool {
        self.pushed == self.outcomes.total().saturating_add(self.in_flight)
    }

    /// What came after an earlier state of the same account.
    #[allow(dead_code, reason = "only recordings need it, which are a feature")]
    pub(super) fn since(&self, earlier: &Self) -> Self {
        let outcomes = self.outcomes.since(&earlier.outcomes);
        Self { pushed: self.pushed.saturating_sub(earlier.pushed), in_flight: self.in_flight, outcomes }
    }

    /// As it stands after a crash: what was on its way will not come.
    pub(super) fn without_flight(mut self) -> Self {
        self.outcomes.add_many(Outcome::Dropped(DropReason::Shutdown), std::mem::take(&mut self.in_flight));
        self
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.pushed = self.pushed.saturating_add(other.pushed);
        self.in_flight = self.in_flight.saturating_add(other.in_flight);
        self.outcomes.merge(&other.outcomes);
    }
}

/// The shared account of one camera, updated by every holder of one of its frames.
#[derive(Debug)]
pub(super) struct Books {
    pub(super) camera: CameraId,
    state: Mutex<State>,
    /// Notified when a frame ends while a thread waits for it.
    ended: Condvar,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) account: Account,
    pub(super) ring: Ring,
    /// Runs that the ring keeps.
    pub(super) explain: usize,
    pub(super) events: u64,
    pub(super) last_pts: Option<Timestamp>,
    pub(super) last_failure: Option<(Outcome, Timestamp)>,
    /// Moving average of the age at the end of analysed frames, in seconds.
    pub(super) age_s: Option<f64>,
    /// Number of threads that wait for a frame to end.
    #[serde(skip)]
    waiting: usize,
}

impl Books {
    pub(super) fn new(camera: CameraId, explain: usize) -> Arc<Self> {
        let state = Mutex::new(State { explain, ..State::default() });
        Arc::new(Self { camera, state, ended: Condvar::new() })
    }

    /// Restores the account of a camera from a saved state.
    pub(super) fn with_state(camera: CameraId, state: State) -> Arc<Self> {
        Arc::new(Self { camera, state: Mutex::new(state), ended: Condvar::new() })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the next end of a frame, or `within` of real time; returns whether the account satisfies `enough`.
    #[allow(dead_code, reason = "only recordings need it, which are a feature")]
    pub(super) fn wait_until(&self, within: Duration, enough: impl Fn(&Account) -> bool) -> bool {
        let mut state = self.lock();
        if enough(&state.account) {
            return true;
        }
        state.waiting += 1;
        let mut state = self.ended.wait_timeout(state, within).unwrap_or_else(PoisonError::into_inner).0;
        state.waiting -= 1;
        enough(&state.account)
    }

    /// A frame that ended where it was pushed.
    pub(super) fn ended_at_once(&self, decision: Decision) {
        let mut state = self.lock();
        state.account.pushed = state.account.pushed.saturating_add(1);
        state.end(decision, None);
    }
}

impl State {
    /// The state as saved in a checkpoint.
    pub(super) fn saved(&self) -> Self {
        let account = self.account.clone().without_flight();
        // Its time is on a clock that ends with the process.
        Self { account, last_failure: None, ..self.clone() }
    }

    pub(super) fn with_explain(mut self, explain: usize) -> Self {
        self.explain = explain;
        self
    }

    fn end(&mut self, decision: Decision, ended: Option<(Timestamp, Duration)>) {
        let Decision { outcome, to, events, .. } = decision;
        self.account.outcomes.add(outcome);
        self.last_pts = Some(to);
        self.events = self.events.saturating_add(events.into());
        if let (Outcome::Failed(_), Some((at, _))) = (outcome, ended) {
            self.last_failure = Some((outcome, at));
        }
        if let (Outcome::Analysed | Outcome::Skipped(SkipReason::Cached), Some((_, age))) = (outcome, ended) {
            let age = age.as_secs_f64();
            self.age_s = Some(self.age_s.map_or(age, |mean| mean + (age - mean) / 8.0));
        }
        let explain = self.explain;
        self.ring.push(decision, explain);
    }
}

/// Tracks a frame from the push to its single outcome. Not `Clone`; if it is dropped without an outcome, which is a
/// bug, the frame counts as `Failed(Internal)` and the account still balances.
#[derive(Debug)]
pub(super) struct Passage {
    books: Arc<Books>,
    /// When it was pushed, on the pipeline's clock.
    pub(super) pushed: Timestamp,
    /// When it came to the stage it is in.
    pub(super) since: Timestamp,
    pub(super) decision: Decision,
    ended: bool,
}

impl Passage {
    pub(super) fn begin(books: &Arc<Books>, pts: Timestamp, time: UnixTime, now: Timestamp, waiting: usize) -> Self {
        let mut state = books.lock();
        state.account.pushed = state.account.pushed.saturating_add(1);
        state.account.in_flight += 1;
        drop(state);
        let mut decision = Decision::new(pts, time);
        decision.waiting = u16::try_from(waiting).unwrap_or(u16::MAX);
        Self { books: Arc::clone(books), pushed: now, since: now, decision, ended: false }
    }

    pub(super) fn books(&self) -> &Arc<Books> {
        &self.books
    }

    pub(super) fn end(mut self, outcome: Outcome, now: Timestamp) {
        self.finish(outcome, now);
    }

    fn finish(&mut self, outcome: Outcome, now: Timestamp) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let age = now - self.pushed;
        self.decision.outcome = outcome;
        self.decision.age_ms = u32::try_from(age.as_millis()).unwrap_or(u32::MAX);
        let mut state = self.books.lock();
        state.account.in_flight = state.account.in_flight.saturating_sub(1);
        state.end(self.decision, Some((now, age)));
        let waited_for = state.waiting > 0;
        drop(state);
        if waited_for {
            self.books.ended.notify_all();
        }
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        let since = self.since;
        self.finish(Outcome::Failed(ErrorCode::Internal), since);
    }
}
