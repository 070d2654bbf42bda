use super::ladder::Ladder;
use super::look::{About, Look};
use super::queue::{Entry, Queue};
use super::worker::CpuLook;
use crate::clock::{Clock, Timestamp};
use crate::error::{Advice, Error, ErrorCode, Result};
use crate::provider::{Capability, Health, HealthLog, Reply, Request, Response};
use crate::threads::Threads;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

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
    /// The time of a request on a thread: a mean that forgets.
    pub(super) service: Option<Duration>,
}

/// A request that waits.
pub(super) struct Job {
    pub(super) request: Request,
    pub(super) reply: Reply,
    pub(super) came: Timestamp,
}

/// An answer on its way, to be given without the lock: replies are somebody else's code.
type Given = (Reply, Result<Response>);

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
        let mut given: Vec<Given> = Vec::new();
        let mut state = self.lock();
        if state.closed {
            drop(state);
            return reply.send(Err(self.closed()));
        }
        // Threads that are free have room of their own, whether they have woken yet or not.
        let room = self.capability.max_in_flight.saturating_sub(state.running);
        if state.queue.len() >= room {
            let of_use = |request: &Request| match request.cancellation.is_cancelled() {
                true => Err(Error::cancelled("the request was taken back before its turn came")),
                false => request.time_left(now).map(|_| ()),
            };
            let dead = state.queue.take_if(|job| of_use(&job.request).is_err());
            given.extend(dead.into_iter().filter_map(|job| {
                let why = of_use(&job.request).err()?;
                Some((job.reply, Err(why)))
            }));
        }
        let priority = request.priority;
        let turned_away = match state.queue.push(priority, Job { request, reply, came: now }, room) {
            Entry::Taken => None,
            Entry::Instead(job) => Some((job, "and more important ones came")),
            Entry::Refused(job) => Some((job, "and none is less important than this one")),
        };
        if let Some((job, why)) = turned_away {
            let most = self.capability.max_in_flight;
            let error = Error::overloaded(format!("{} has {most} requests in flight already, {why}", self.name));
            state.log.failed(&error, now);
            given.push((job.reply, Err(error)));
        }
        self.wake_one(state);
        for (reply, answer) in given {
            reply.send(answer);
        }
    }

    pub(super) fn health(&self) -> Health {
        let now = self.clock.now();
        let state = self.lock();
        let waiting = state.queue.len();
        let in_flight = waiting + state.running;
        // While all are busy, one becomes free every `service ÷ workers`.
        let before = if in_flight >= self.workers { (in_flight - self.workers).saturating_add(1) } else { 0 };
        let before = u32::try_from(before).unwrap_or(u32::MAX);
        let workers = u32::try_from(self.workers).unwrap_or(u32::MAX).max(1);
        Health {
            live: !state.closed,
            ready: !state.closed && in_flight < self.capability.max_in_flight && state.ladder.ready(now),
            degraded: state.ladder.degraded(self.about.device.name()),
            in_flight,
            expected_wait: state.service.unwrap_or_default().saturating_mul(before) / workers,
            ..state.log.health()
        }
    }
}

impl State {
    pub(super) fn note_service(&mut self, took: Duration) {
        // A fifth of the way: a change of the ladder's level shows after a few requests.
        self.service = Some(self.service.map_or(took, |mean| mean.saturating_mul(4).saturating_add(took) / 5));
    }

    /// An error that is the request's, or the asker's, says nothing about the provider.
    pub(super) fn note_error(&mut self, error: &Error, now: Timestamp) {
        if error.advice() != Advice::ChangeInput && error.code() != ErrorCode::Cancelled {
            self.log.failed(error, now);
        }
    }
}
