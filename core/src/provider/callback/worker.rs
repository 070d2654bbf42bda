use super::answer::checked;
use super::memory::{Key, Memory, Seat};
use crate::budget::MicroDollars;
use crate::clock::{Clock, Timestamp};
use crate::detection::Detections;
use crate::error::{Error, Result};
use crate::provider::health::ServiceTime;
use crate::provider::queue::{Job, Queue, begin};
use crate::provider::{Capability, Crop, Health, HealthLog, Latency, Priority, Reply, Request, Response};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The host's function.
type Detect = dyn Fn(&Request) -> Result<Vec<Detections>> + Send + Sync;

/// What the threads and the provider have in common.
pub(super) struct Shared {
    pub(super) name: Arc<str>,
    pub(super) capability: Capability,
    pub(super) workers: usize,
    pub(super) detect: Box<Detect>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) state: Mutex<State>,
    pub(super) wake: Condvar,
}

pub(super) struct State {
    pub(super) queue: Queue<Job>,
    pub(super) running: usize,
    pub(super) closed: bool,
    pub(super) memory: Memory,
    pub(super) log: HealthLog,
    pub(super) service: ServiceTime,
}

impl State {
    /// Requests that are not answered, beside those in the queue.
    fn under_way(&self) -> usize {
        self.running + self.memory.joined
    }
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn closed(&self) -> Error {
        Error::cancelled(format!("the provider {} is closed", self.name))
    }

    pub(super) fn submit(&self, request: Request, reply: Reply) {
        let now = self.clock.now();
        if let Err(error) = self.capability.admit(&self.name, &request, now) {
            return reply.send(Err(error));
        }
        let mut state = self.lock();
        if state.closed {
            drop(state);
            return reply.send(Err(self.closed()));
        }
        let most = self.capability.max_in_flight;
        let room = most.saturating_sub(state.under_way());
        let leaving = state.queue.enter(Job { request, reply, came: now }, room, most, &self.name);
        for (_, why) in &leaving {
            state.log.blamed(why, now);
        }
        drop(state);
        self.wake.notify_one();
        for (reply, why) in leaving {
            reply.send(Err(why));
        }
    }

    pub(super) fn health(&self) -> Health {
        let state = self.lock();
        let in_flight = state.queue.len() + state.under_way();
        Health {
            live: !state.closed,
            ready: !state.closed && in_flight < self.capability.max_in_flight,
            in_flight,
            expected_wait: state.service.expected_wait(in_flight, self.workers),
            ..state.log.health()
        }
    }

    /// What a thread does until the provider is closed.
    pub(super) fn work(&self) {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.queue.pop() {
                state.running += 1;
                drop(state);
                self.take_up(job);
                state = self.lock();
            } else if state.closed {
                return;
            } else {
                state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    /// A request whose turn has come; it is counted in `running`.
    fn take_up(&self, job: Job) {
        let now = self.clock.now();
        if let Err(error) = job.request.time_left(now).and_then(|_| begin(&job.request)) {
            return self.answer(job, Err(error));
        }
        // Only what is paid for needs to be remembered.
        let key = Memory::key(&job.request).filter(|_| self.capability.price > MicroDollars::ZERO);
        let Some(key) = key else {
            let answer = self.look_at(&job, now);
            return self.answer(job, answer);
        };
        let mut state = self.lock();
        let seat = state.memory.enter(&key, job, now);
        if matches!(seat, Seat::Joined) {
            state.running -= 1;
        }
        drop(state);
        match seat {
            Seat::Joined => {}
            Seat::Answered(job, response) => self.answer(job, Ok(response)),
            Seat::Lead(job) => {
                let answer = self.look_at(&job, now);
                self.end_key(&key, answer.as_ref().ok());
                self.answer(job, answer);
            }
        }
    }

    /// Those that joined come up again: for the answer that is there now, or, where there is none, to ask themselves.
    fn end_key(&self, key: &Key, answer: Option<&Response>) {
        let now = self.clock.now();
        let mut state = self.lock();
        let joined = state.memory.end(key, answer, now);
        let closed = state.closed;
        let mut left = Vec::new();
        for job in joined {
            if closed {
                left.push(job);
            } else {
                // There was room for them when they came.
                let _ = state.queue.push(Priority::Critical, job, usize::MAX);
            }
        }
        drop(state);
        self.wake.notify_all();
        for job in left {
            job.reply.send(Err(self.closed()));
        }
    }

    /// Counts a request that is done, and answers it.
    fn answer(&self, job: Job, answer: Result<Response>) {
        let Job { request, reply, came } = job;
        let now = self.clock.now();
        let answer = answer.and_then(|response| request.time_left(now).map(|_| response));
        let mut state = self.lock();
        state.running -= 1;
        match &answer {
            Ok(_) => state.log.answered(now - came),
            Err(error) => state.log.blamed(error, now),
        }
        drop(state);
        // Its pixels are not held while the host looks at the answer. They may belong to the host, whose own code runs then.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(request)));
        reply.send(answer);
    }

    fn look_at(&self, job: &Job, begun: Timestamp) -> Result<Response> {
        catch_unwind(AssertUnwindSafe(|| self.ask(job, begun))).unwrap_or_else(|payload| {
            // What a panic carries may panic when it is dropped.
            std::mem::forget(payload);
            Err(Error::internal(format!("a panic in the function of the provider {}", self.name)))
        })
    }

    /// Cuts out the regions, asks the host, in calls of `max_batch` frames, and puts the answers together.
    fn ask(&self, job: &Job, begun: Timestamp) -> Result<Response> {
        let request = &job.request;
        let crops: Vec<_> = (request.frames.iter().zip(&request.regions))
            .map(|(frame, region)| Crop::new(frame, region))
            .collect::<Result<_>>()?;
        let parts: Vec<_> = crops.iter().map(|crop| crop.frame.clone()).collect();
        let frames = if crops.is_empty() { &request.frames } else { &parts };
        let prepare = self.clock.now() - begun;
        let mut detections = Vec::with_capacity(frames.len());
        let mut calls = 0;
        for batch in frames.chunks(self.capability.max_batch) {
            request.time_left(self.clock.now())?;
            let asked = Request { frames: batch.to_vec(), regions: Vec::new(), ..request.clone() };
            let answer = (self.detect)(&asked)?;
            calls += 1;
            detections.extend(checked(&self.name, &asked, answer)?);
        }
        if !crops.is_empty() {
            detections = crops.iter().zip(detections).map(|(crop, found)| crop.back(found)).collect();
        }
        let call = (self.clock.now() - begun).saturating_sub(prepare);
        self.lock().service.note(prepare + call);
        let latency = Latency { queue: begun - job.came, prepare, call, parse: Duration::ZERO };
        let mut response = Response::new(detections, &self.name, latency);
        if self.capability.leaves_machine {
            response.cost = self.capability.price.times(request.frames.len() as u64);
            response.calls = calls;
        }
        Ok(response)
    }
}
