//! An outlet isolates the pipeline from code that may be slow, fail, panic or hang: a bounded queue, and one thread.

mod config;
mod queue;
mod shared_queue;
mod stats;

pub use config::OutletConfig;
pub(crate) use queue::{Backlog, Counts, Offered};
pub use stats::OutletStats;

use super::{Delivery, DeliveryError, RetryAfter, Sink, deliver_each};
use crate::clock::{Clock, Timestamp};
use crate::error::{Advice, Error, ErrorCode, Result};
use crate::provider::LastError;
use crate::resilience::{RetryDecision, RetryPolicy, RetryTokens};
use crate::throttle::LogThrottle;
use queue::{Batching, DeliveryQueue, Fault, Step};
use shared_queue::SharedQueue;
use std::any::Any;
use std::error::Error as _;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{JoinHandle, ThreadId};
use std::time::Duration;

/// Time that a thread has to end after it was told to; one that takes longer hangs.
pub(crate) const GRACE: Duration = Duration::from_millis(200);

/// The consumer of an outlet's queue. It runs on a thread of its own, with one batch at a time.
pub(crate) trait Handler<T>: Send {
    /// Handles a batch; for the meaning of the error, see [`Sink::deliver`].
    fn handle(&mut self, batch: &[T]) -> Result<(), DeliveryError>;

    /// Items of a batch at most.
    fn max_batch(&self) -> usize;
}

/// A function gets one item at a time.
impl<T, F: FnMut(&T) -> Result<()> + Send> Handler<T> for F {
    fn handle(&mut self, batch: &[T]) -> Result<(), DeliveryError> {
        deliver_each(batch, self)
    }

    fn max_batch(&self) -> usize {
        1
    }
}

/// A sink as the code at the end of the queue.
pub(crate) struct ToSink(pub(crate) Box<dyn Sink>);

impl Handler<Delivery> for ToSink {
    fn handle(&mut self, batch: &[Delivery]) -> Result<(), DeliveryError> {
        self.0.deliver(batch)
    }

    fn max_batch(&self) -> usize {
        self.0.max_batch()
    }
}

/// A bounded queue with a thread of its own that hands the items to a [`Handler`], in order, in batches, with retries.
///
/// Offering never waits for the handler, and every item is accounted for: see [`OutletStats`].
pub(crate) struct Outlet<T: Clone> {
    name: Arc<str>,
    queue: Arc<SharedQueue<T>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    id: ThreadId,
}

impl<T: Clone + Send + 'static> Outlet<T> {
    /// Starts the thread. `backlog` is the undelivered items of another outlet, or the default; equal seeds give equal
    /// retry delays.
    ///
    /// # Errors
    /// `InvalidConfig` naming the field, `ResourceExhausted` where the system gives no thread.
    pub(crate) fn start(
        name: &str,
        config: &OutletConfig,
        handler: impl Handler<T> + 'static,
        clock: Arc<dyn Clock>,
        seed: u64,
        backlog: Backlog<T>,
    ) -> Result<Self> {
        config.validate()?;
        let policy = RetryPolicy::new(config.retry.clone(), seed)?;
        let most = catch_unwind(AssertUnwindSafe(|| handler.max_batch()))
            .map_err(|panic| Error::internal(format!("{name} cannot say its max_batch: {}", words(&*panic))))?;
        // On a clock that stands still, no batch would ever have waited for long enough.
        let linger = if clock.runs() { Duration::from_secs_f64(config.linger_s) } else { Duration::ZERO };
        let batching = Batching { max: config.max_batch.min(most), linger };
        let queue = Arc::new(SharedQueue::new(DeliveryQueue::new(config.capacity, batching, backlog)));
        let failures = LogThrottle::default();
        let worker = Worker { name: name.into(), queue: Arc::clone(&queue), clock, policy, failures };
        let thread = std::thread::Builder::new()
            // The system's names end at a zero byte, and std panics at one.
            .name(format!("guarita-{name}").replace('\0', " "))
            .spawn(move || worker.run(Box::new(handler)))
            .map_err(|error| {
                Error::resource_exhausted(format!("cannot start a thread for {name}: {error}")).with_source(error)
            })?;
        let id = thread.thread().id();
        Ok(Self { name: name.into(), queue, thread: Mutex::new(Some(thread)), id })
    }

    /// Puts an item into the queue; never waits for the handler.
    pub(crate) fn offer(&self, item: T) -> Offered<T> {
        self.queue.offer(item)
    }

    pub(crate) fn stats(&self) -> OutletStats {
        OutletStats { name: Arc::clone(&self.name), ..self.queue.stats() }
    }

    /// What has not been delivered, and the counts, for a checkpoint.
    pub(crate) fn backlog(&self) -> Backlog<T> {
        self.queue.backlog()
    }
}

impl<T: Clone> Outlet<T> {
    /// Accepts no more, delivers what is queued for at most `deadline` of real time, then drops and counts the rest.
    /// True where the thread has ended; otherwise its code hangs, and it is abandoned. Takes at most 0.2 s longer.
    pub(crate) fn close(&self, deadline: Duration) -> bool {
        if !self.drain(deadline) {
            self.give_up();
        }
        self.end(GRACE)
    }

    /// Takes no more, and delivers what waits for at most so long of real time; whether the thread has ended by then.
    pub(crate) fn drain(&self, within: Duration) -> bool {
        self.queue.close();
        !self.is_current() && self.queue.wait_for_end(within)
    }

    /// Drops and counts what still waits.
    pub(crate) fn give_up(&self) {
        self.queue.give_up();
    }

    /// Joins the thread, after it was told to end; returns whether it ends within this time.
    pub(crate) fn end(&self, within: Duration) -> bool {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if self.is_current() || !self.queue.wait_for_end(within) {
            return false;
        }
        if let Some(thread) = thread {
            // It has said that it is over; and it does not panic, as what it calls is caught.
            drop(thread.join());
        }
        true
    }

    /// Inside the handler, on the thread that would wait for itself. It ends all the same.
    fn is_current(&self) -> bool {
        self.id == std::thread::current().id()
    }
}

impl<T: Clone> Drop for Outlet<T> {
    fn drop(&mut self) {
        self.close(Duration::ZERO);
    }
}

impl<T: Clone> fmt::Debug for Outlet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outlet").field("name", &self.name).finish_non_exhaustive()
    }
}

struct Worker<T: Clone> {
    name: Arc<str>,
    queue: Arc<SharedQueue<T>>,
    clock: Arc<dyn Clock>,
    policy: RetryPolicy,
    failures: LogThrottle,
}

/// Marks the thread as ended on drop, however it ends.
struct SayEnded<'a, T: Clone>(&'a SharedQueue<T>);

impl<T: Clone> Drop for SayEnded<'_, T> {
    fn drop(&mut self) {
        self.0.ended();
    }
}

/// Tries without progress: none of a batch became durable.
#[derive(Default)]
struct Attempts {
    failed: u32,
    tokens: RetryTokens,
}

impl<T: Clone> Worker<T> {
    fn run(&self, mut handler: Box<dyn Handler<T>>) {
        let _end = SayEnded(&self.queue);
        let mut attempts = Attempts::default();
        loop {
            match self.queue.next(&*self.clock) {
                Step::Deliver(batch) => self.deliver(&mut *handler, &batch, &mut attempts),
                // `next` sleeps by itself.
                Step::Sleep { .. } => {}
                Step::End => break,
            }
        }
        // The host's code may run once more, and may panic once more.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(handler)));
    }

    fn deliver(&self, handler: &mut dyn Handler<T>, batch: &[T], attempts: &mut Attempts) {
        let result = catch_unwind(AssertUnwindSafe(|| handler.handle(batch)));
        let now = self.clock.now();
        let (durable, fault) = match result {
            Ok(Ok(())) => (batch.len(), None),
            Ok(Err(error)) => {
                let error = believable(error, batch.len());
                (error.durable(), Some(error))
            }
            Err(panic) => {
                *attempts = Attempts::default();
                let error = LastError { code: ErrorCode::Internal, message: words(&*panic), at: now };
                let error = self.warn(error, "panic in code of the host's");
                let fault = Fault { error, is_about_next: false, again: None, panicked: true };
                return self.queue.settle(0, Some(fault), &*self.clock);
            }
        };
        if durable > 0 {
            self.policy.succeeded(std::mem::take(attempts).tokens);
        }
        let fault = fault.map(|error| self.judge(&error, batch.len(), attempts, now));
        self.queue.settle(durable, fault, &*self.clock);
    }

    /// Decides what happens to the undelivered items after an error.
    fn judge(&self, found: &DeliveryError, size: usize, attempts: &mut Attempts, now: Timestamp) -> Fault {
        let error = found.error();
        let asked = error.source().and_then(|cause| cause.downcast_ref::<RetryAfter>()).map(|asked| asked.0);
        let told = LastError { code: error.code(), message: error.to_string(), at: now };
        attempts.failed = attempts.failed.saturating_add(1);
        // A sink's advice is enough, whatever its code: a full channel is no fault, and yet it empties.
        let decision = match error.advice() {
            Advice::RetryLater => Some(self.policy.again(error, attempts.failed, asked, now, None)),
            _ => None,
        };
        let (again, error) = if let Some(RetryDecision::Again { after, taken }) = decision {
            attempts.tokens = taken;
            // Nobody waits for a clock that stands still.
            (Some(if self.clock.runs() { after } else { Duration::ZERO }), told)
        } else {
            *attempts = Attempts::default();
            let alone = found.is_about_next() || size - found.durable() == 1;
            (None, if alone { self.warn(told, "given up") } else { told })
        };
        Fault { error, is_about_next: found.is_about_next(), again, panicked: false }
    }

    /// Logs a failure, once per burst; its message is that of host code or a sink, and names no secret.
    fn warn(&self, error: LastError, what: &'static str) -> LastError {
        if let Some(untold) = self.failures.on(error.at) {
            tracing::warn!(outlet = &*self.name, code = %error.code, error = error.message, untold, "{what}");
        }
        error
    }
}

/// An error with all items durable is contradictory: it becomes `Internal`, with none durable.
fn believable(error: DeliveryError, size: usize) -> DeliveryError {
    if error.durable() < size {
        return error;
    }
    let said = error.durable();
    let message = format!("the sink says that {said} of {size} are durable, and also: {}", error.error());
    Error::internal(message).with_advice(Advice::Never).into()
}

/// The message of a panic.
fn words(panic: &(dyn Any + Send)) -> String {
    let words = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let words: String = words.unwrap_or("without words").chars().take(300).collect();
    format!("panic: {words}")
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
