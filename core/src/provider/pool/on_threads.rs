//! Work on threads that the host lends.
//!
//! Every waiting request has a ticket queued for a thread. A ticket is not bound to its request: it takes the next one
//! by priority, whatever the order of the pool is. Where enough requests are running already, it is discarded, and the
//! first thread that is done sends another one.
//!
//! Invariant: `tickets ≥ min(requests that wait, workers − running)`. Otherwise a request waits for ever.

use super::{Job, State, WorkQueue, Worker};
use crate::error::Result;
use crate::provider::{Reply, Request, Response};
use std::sync::{Arc, MutexGuard, PoisonError};

impl<W: Worker> WorkQueue<W> {
    /// Lets go of the lock, and calls at most so many threads to the queue, where too few are on their way.
    pub(super) fn call_threads(self: &Arc<Self>, mut state: MutexGuard<'_, State>, most: usize) {
        let Some(threads) = &self.lent else {
            let somebody_waits = state.queue.len() > 0;
            drop(state);
            match most {
                _ if !somebody_waits => {}
                1 => self.wake.notify_one(),
                _ => self.wake.notify_all(),
            }
            return;
        };
        // Requests that left the queue by another way leave their tickets to the next ones: there are never more in
        // the pool than the queue was long.
        let mut called = 0;
        while called < most && state.tickets < state.queue.len() && state.running < self.workers {
            state.tickets += 1;
            called += 1;
        }
        drop(state);
        for _ in 0..called {
            let queue = Arc::clone(self);
            threads.spawn(move || queue.run_ticket());
        }
    }

    fn run_ticket(self: &Arc<Self>) {
        let mut state = self.lock();
        state.tickets = state.tickets.saturating_sub(1);
        if state.running < self.workers
            && let Some(job) = state.queue.pop()
        {
            self.take_up_lent(state, job);
        }
    }

    fn take_up_lent(self: &Arc<Self>, mut state: MutexGuard<'_, State>, job: Job) {
        state.running += 1;
        state.answering += 1;
        drop(state);
        let _answering = Answering(self);
        self.take_up(job);
    }

    /// Submits, and waits for the answer; on a lent thread it is looked at there.
    pub(in crate::provider) fn detect(self: &Arc<Self>, request: Request) -> Result<Response> {
        let (reply, answer) = Reply::channel();
        match self.is_on_lent_thread() {
            true => self.answer_here(request, reply),
            false => self.submit(request, reply),
        }
        answer.wait()
    }

    /// Whether the caller is on a lent thread, where waiting could be for ever: it may be the thread that is waited for.
    fn is_on_lent_thread(&self) -> bool {
        self.lent.as_ref().is_some_and(|threads| threads.is_current())
    }

    /// Processes a request on this thread, past the queue and past `workers`: the thread would only wait.
    fn answer_here(self: &Arc<Self>, request: Request, reply: Reply) {
        let now = self.clock.now();
        if let Err(error) = self.capability.admit(&self.name, &request, now) {
            return reply.send(Err(error));
        }
        let state = self.lock();
        if state.closed {
            drop(state);
            return reply.send(Err(self.closed()));
        }
        self.take_up_lent(state, Job { request, reply, came: now });
    }

    /// Until no lent thread is at an answer. None begins another one after the end.
    pub(super) fn wait_for_lent_threads(&self) {
        if self.lent.is_some() && !self.is_on_lent_thread() {
            let state = self.wake.wait_while(self.lock(), |state| state.answering > 0);
            drop(state.unwrap_or_else(PoisonError::into_inner));
        }
    }
}

/// A lent thread at an answer; it is counted out whatever happens to it.
struct Answering<'a, W: Worker>(&'a WorkQueue<W>);

impl<W: Worker> Drop for Answering<'_, W> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.answering = state.answering.saturating_sub(1);
        drop(state);
        self.0.wake.notify_all();
    }
}
