use super::ladder::Ladder;
use super::look::{About, Look};
use super::worker::CpuLook;
use crate::clock::Clock;
use crate::error::Error;
use crate::provider::health::ServiceTime;
use crate::provider::queue::{Job, Queue};
use crate::provider::{Capability, Health, HealthLog, Reply, Request};
use crate::threads::Threads;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// What the threads and the provider have in common.
pub(super) struct Shared {
    pub(super) name: Arc<str>,
    pub(super) look: Arc<dyn Look>,
    pub(super) about: About,
    pub(super) cpu: CpuLook,
    pub(super) capability: Capability,
    pub(super) workers: usize,
    /// The host's threads, where the provider has none of its own.
    pub(super) lent: Option<Threads>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) state: Mutex<State>,
    pub(super) wake: Condvar,
}

pub(super) struct State {
    pub(super) queue: Queue<Job>,
    pub(super) running: usize,
    /// Tickets on the way to a lent thread.
    pub(super) tickets: usize,
    /// Lent threads that are at an answer, its reply included.
    pub(super) answering: usize,
    pub(super) closed: bool,
    pub(super) ladder: Ladder,
    pub(super) log: HealthLog,
    pub(super) service: ServiceTime,
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn closed(&self) -> Error {
        Error::cancelled(format!("the provider {} is closed", self.name))
    }

    pub(super) fn submit(self: &Arc<Self>, request: Request, reply: Reply) {
        let now = self.clock.now();
        if let Err(error) = self.capability.admit(&self.name, &request, now) {
            return reply.send(Err(error));
        }
        let mut state = self.lock();
        if state.closed {
            drop(state);
            return reply.send(Err(self.closed()));
        }
        // Threads that are free have room of their own, whether they have woken yet or not.
        let most = self.capability.max_in_flight;
        let room = most.saturating_sub(state.running);
        let leaving = state.queue.enter(Job { request, reply, came: now }, room, most, &self.name);
        for (_, why) in &leaving {
            state.log.blamed(why, now);
        }
        self.wake_one(state);
        for (reply, why) in leaving {
            reply.send(Err(why));
        }
    }

    pub(super) fn health(&self) -> Health {
        let now = self.clock.now();
        let state = self.lock();
        let in_flight = state.queue.len() + state.running;
        Health {
            live: !state.closed,
            ready: !state.closed && in_flight < self.capability.max_in_flight && state.ladder.ready(now),
            degraded: state.ladder.degraded(self.about.device.name()),
            in_flight,
            expected_wait: state.service.expected_wait(in_flight, self.workers),
            ..state.log.health()
        }
    }
}
