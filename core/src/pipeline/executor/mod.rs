//! Runs what the scheduler decides: work goes to the threads that the host lent, and one more thread waits for time.

mod capability;
mod health;
mod threads;
mod timer;

pub(super) use timer::TIMER_ENDS;

use super::account::Account;
use super::camera_work::{CameraWork, lock};
use super::fair::Key;
use super::job::Leftover;
use super::outlets::Outlets;
use super::saved::CameraCheckpoint;
use super::scheduler::Scheduler;
use super::tickets::Tickets;
use crate::budget::Budget;
use crate::clock::{Clock, Timestamp};
use crate::frame::CameraId;
use crate::provider::Provider;
use crate::resilience::RateLimit;
use crate::threads::{Threads, caught};
use crate::throttle::LogThrottle;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

/// Runs the scheduler's decisions on threads. Shared by a pipeline's cameras and threads.
pub(super) struct Executor {
    pub(super) provider: Arc<dyn Provider>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) threads: Threads,
    pub(super) outlets: Outlets,
    pub(super) limit: Option<RateLimit>,
    pub(super) budget: Option<(Budget, Arc<str>)>,
    leaves_machine: bool,
    state: Mutex<State>,
    /// Notified when the next due time changes.
    timer: Condvar,
    /// Notified when the last frame ends.
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

pub(super) struct State {
    pub(super) scheduler: Scheduler,
    pub(super) cameras: BTreeMap<Key, Arc<CameraWork>>,
    pub(super) next_key: u64,
    /// Cameras of a checkpoint that were not added yet.
    pub(super) pending: BTreeMap<CameraId, CameraCheckpoint>,
    tickets: Tickets,
    /// When a frame was last pushed, and whether the timer looks every `POLL` for what was.
    last_push: Option<Timestamp>,
    polling: bool,
    ended: bool,
    timer_ended: bool,
}

impl State {
    /// The account of all cameras, including removed ones and those of a checkpoint that were not added yet.
    pub(super) fn account(&mut self) -> Account {
        let mut account = self.scheduler.account();
        for camera in self.pending.values() {
            account.merge(&camera.books.account);
        }
        account
    }
}

impl Executor {
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

    /// Ends a push. Waking a thread costs the host ten microseconds and more on a virtual machine; while frames come
    /// often, the timer wakes it, a little later.
    pub(super) fn leave_push(self: &Arc<Self>, mut state: MutexGuard<'_, State>, now: Timestamp) {
        state.last_push = Some(now);
        if !state.polling {
            return self.leave(state);
        }
        let leftovers = state.scheduler.take_leftovers();
        drop(state);
        self.drop_leftovers(leftovers, now);
    }

    /// Releases the state, then wakes threads for pending work, updates the timer and drops the host's frames, all of
    /// it without the lock.
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
}

/// Drops leftovers. The pixels may be the host's, whose code runs on drop.
fn let_go(leftovers: Vec<Leftover>) {
    for leftover in leftovers {
        caught(|| drop(leftover));
    }
}

impl fmt::Debug for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Executor")
            .field("provider", &self.provider)
            .field("threads", &self.threads)
            .finish_non_exhaustive()
    }
}
