//! A request queue and its threads, shared by the providers that compute on this machine.

mod on_threads;
mod queue;

pub(super) use queue::Job;

use super::health::ServiceTime;
use super::{Capability, Health, HealthLog, Priority, Reply, Request, Response};
use crate::clock::{Clock, Timestamp};
use crate::error::{Error, Result};
use crate::threads::Threads;
use queue::{Queue, begin};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Processes the requests of a pool.
pub(super) trait Worker: Send + Sync + Sized + 'static {
    /// Looks at a request that has begun, and [`finish`](WorkQueue::finish)es it, now or later.
    fn work(&self, queue: &Arc<WorkQueue<Self>>, job: Job, begun: Timestamp);

    /// Requests that are neither finished nor in the queue, and that no thread has in hand.
    fn held(&self) -> usize {
        0
    }

    /// What it adds to the health of the queue and the threads.
    fn health(&self, health: Health, _now: Timestamp) -> Health {
        health
    }
}

/// A queue, and the threads that work it off: its own, or those that the host lends.
pub(super) struct Pool<W: Worker> {
    queue: Arc<WorkQueue<W>>,
    /// Its own.
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl<W: Worker> Pool<W> {
    /// Starts the threads, called `guarita-KIND-NUMBER`, unless the host lends some.
    ///
    /// # Errors
    /// `ResourceExhausted` where the system gives no more threads.
    pub(super) fn start(kind: &str, queue: WorkQueue<W>) -> Result<Self> {
        let workers = queue.workers;
        let to_start = if queue.lent.is_none() { workers } else { 0 };
        // From here on a failure drops `pool`, which ends the threads that were started.
        let pool = Self { queue: Arc::new(queue), threads: Mutex::default() };
        for k in 0..to_start {
            let queue = Arc::clone(&pool.queue);
            let thread = std::thread::Builder::new()
                .name(format!("guarita-{kind}-{k}"))
                .spawn(move || queue.run_thread())
                .map_err(|error| {
                    Error::resource_exhausted(format!("cannot start {workers} threads: {error}")).with_source(error)
                })?;
            pool.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        }
        Ok(pool)
    }

    pub(super) const fn queue(&self) -> &Arc<WorkQueue<W>> {
        &self.queue
    }

    /// Answers queued and new requests with `Cancelled`. Returns when the running calls are answered, except on one of
    /// the pool's threads, its own or lent.
    pub(super) fn close(&self) {
        let mut state = self.queue.lock();
        state.closed = true;
        let left: Vec<_> = std::iter::from_fn(|| state.queue.pop()).collect();
        drop(state);
        self.queue.wake.notify_all();
        for job in left {
            job.reply.send(Err(self.queue.closed()));
        }
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        // Inside a call or a reply, on a thread that would wait for itself. The threads end all the same.
        let me = std::thread::current().id();
        if threads.iter().all(|thread| thread.thread().id() != me) {
            for thread in threads {
                // A thread does not panic: what it calls is caught.
                drop(thread.join());
            }
        }
        self.queue.wait_for_lent_threads();
    }
}

impl<W: Worker> Drop for Pool<W> {
    fn drop(&mut self) {
        self.close();
    }
}

/// State that a provider and its threads share: waiting and running requests.
pub(super) struct WorkQueue<W> {
    pub(super) name: Arc<str>,
    pub(super) capability: Capability,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) worker: W,
    /// Requests that are looked at side by side.
    workers: usize,
    /// The host's threads, where the pool has none of its own.
    lent: Option<Threads>,
    state: Mutex<State>,
    wake: Condvar,
}

pub(super) struct State {
    pub(super) queue: Queue<Job>,
    /// Requests that threads have in hand.
    running: usize,
    /// Tickets on the way to a lent thread.
    pub(super) tickets: usize,
    /// Lent threads that are at an answer, its reply included.
    answering: usize,
    closed: bool,
    log: HealthLog,
    service: ServiceTime,
}

impl<W: Worker> WorkQueue<W> {
    pub(super) fn new(
        name: Arc<str>,
        capability: Capability,
        workers: usize,
        lent: Option<Threads>,
        clock: Arc<dyn Clock>,
        worker: W,
    ) -> Self {
        let state = State {
            queue: Queue::new(),
            running: 0,
            tickets: 0,
            answering: 0,
            closed: false,
            log: HealthLog::default(),
            service: ServiceTime::default(),
        };
        Self { name, capability, clock, worker, workers, lent, state: Mutex::new(state), wake: Condvar::new() }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn closed(&self) -> Error {
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
        let room = most.saturating_sub(state.running + self.worker.held());
        let leaving = state.queue.enter(Job { request, reply, came: now }, room, most, &self.name);
        for (_, why) in &leaving {
            state.log.blamed(why, now);
        }
        self.call_threads(state, 1);
        for (reply, why) in leaving {
            reply.send(Err(why));
        }
    }

    pub(super) fn health(&self) -> Health {
        let now = self.clock.now();
        let state = self.lock();
        let in_flight = state.queue.len() + state.running + self.worker.held();
        let health = Health {
            live: !state.closed,
            ready: !state.closed && in_flight < self.capability.max_in_flight,
            in_flight,
            expected_wait: state.service.expected_wait(in_flight, self.workers),
            ..state.log.health()
        };
        self.worker.health(health, now)
    }

    /// Loop of a thread of the pool's own, until it is closed.
    fn run_thread(self: &Arc<Self>) {
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
    fn take_up(self: &Arc<Self>, job: Job) {
        let begun = self.clock.now();
        match job.request.time_left(begun).and_then(|_| begin(&job.request)) {
            Ok(()) => self.worker.work(self, job, begun),
            Err(error) => self.finish(job, Err(error)),
        }
    }

    /// Notes how long a thread was busy with a request.
    pub(super) fn note_service(&self, took: Duration) {
        self.lock().service.note(took);
    }

    /// Counts a running request as done, and answers it.
    pub(super) fn finish(self: &Arc<Self>, job: Job, answer: Result<Response>) {
        let Job { request, reply, came } = job;
        let now = self.clock.now();
        let answer = answer.and_then(|response| request.time_left(now).map(|_| response));
        let mut state = self.lock();
        state.running -= 1;
        match &answer {
            Ok(_) => state.log.answered(now - came),
            Err(error) => state.log.blamed(error, now),
        }
        self.call_threads(state, 1);
        // Its pixels are not held while the host looks at the answer. They may belong to the host, whose own code runs then.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(request)));
        reply.send(answer);
    }

    /// Lets the worker decide whether it [`holds`](Worker::held) a request that a thread has in hand, while nothing else
    /// changes. Where it does (`None`), the thread is done with it.
    pub(super) fn hold<T>(self: &Arc<Self>, decide: impl FnOnce() -> Option<T>) -> Option<T> {
        let mut state = self.lock();
        let kept = decide();
        if kept.is_none() {
            state.running -= 1;
            self.call_threads(state, 1);
        }
        kept
    }

    /// Puts requests that the worker held back into the queue, before all others: there was room for them when they came.
    pub(super) fn put_back(self: &Arc<Self>, release: impl FnOnce() -> Vec<Job>) {
        let mut state = self.lock();
        let jobs = release();
        if state.closed {
            drop(state);
            for job in jobs {
                job.reply.send(Err(self.closed()));
            }
            return;
        }
        let count = jobs.len();
        for job in jobs {
            let _ = state.queue.push(Priority::Critical, job, usize::MAX);
        }
        self.call_threads(state, count);
    }
}
