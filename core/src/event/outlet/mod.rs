//! What stands between the pipeline and code that may be slow, fail, panic or hang: a bounded queue, and one thread.

mod config;
mod desk;
mod line;
mod stats;

pub use config::OutletConfig;
pub(crate) use line::{Backlog, Counts, Offered};
pub use stats::OutletStats;

use super::{Event, RetryAfter, Sink};
use crate::clock::{Clock, Timestamp};
use crate::error::{Advice, Error, ErrorCode, Result};
use crate::provider::LastError;
use crate::resilience::{RetryDecision, RetryPolicy, RetryTokens};
use crate::throttle::LogThrottle;
use desk::Desk;
use line::{Ending, Line, Step};
use std::any::Any;
use std::error::Error as _;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{JoinHandle, ThreadId};
use std::time::Duration;

/// A flush comes when nothing has come for so long: one for a burst, and soon enough for a power cut.
const QUIET: Duration = Duration::from_secs(1);
/// A thread that is not stuck has ended so long after it was told to, last flush included.
pub(crate) const GRACE: Duration = Duration::from_millis(200);

/// The code at the end of the queue. It runs on a thread of its own, with one item at a time.
pub(crate) trait Handler<T>: Send {
    /// Does its work with one item. An error whose advice is to retry later brings the same item again.
    fn handle(&mut self, item: &T) -> Result<()>;

    /// Makes its work last.
    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

impl<T, F: FnMut(&T) -> Result<()> + Send> Handler<T> for F {
    fn handle(&mut self, item: &T) -> Result<()> {
        self(item)
    }
}

/// A sink as the code at the end of the queue.
pub(crate) struct ToSink(pub(crate) Box<dyn Sink>);

impl Handler<Arc<Event>> for ToSink {
    fn handle(&mut self, event: &Arc<Event>) -> Result<()> {
        self.0.deliver(event)
    }

    fn flush(&mut self) -> Result<()> {
        self.0.flush()
    }
}

/// A bounded queue with a thread of its own that hands each item to a [`Handler`], in order, with retries.
///
/// Whatever the handler does, whoever offers never waits for it, and every item is accounted for: see [`OutletStats`].
pub(crate) struct Outlet<T: Clone> {
    name: Arc<str>,
    desk: Arc<Desk<T>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    id: ThreadId,
}

impl<T: Clone + Send + 'static> Outlet<T> {
    /// Starts the thread. `backlog` is what another outlet left, or the default; the same seed draws the same waits.
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
        // Where time stands still, nothing would ever be quiet for long enough.
        let quiet = if clock.runs() { QUIET } else { Duration::ZERO };
        let desk = Arc::new(Desk::new(Line::new(config.capacity, quiet, backlog)));
        let worker =
            Worker { name: name.into(), desk: Arc::clone(&desk), clock, policy, failures: LogThrottle::default() };
        let thread = std::thread::Builder::new()
            // The system's names end at a zero byte, and std panics at one.
            .name(format!("guarita-{name}").replace('\0', " "))
            .spawn(move || worker.run(Box::new(handler)))
            .map_err(|error| {
                Error::resource_exhausted(format!("cannot start a thread for {name}: {error}")).with_source(error)
            })?;
        let id = thread.thread().id();
        Ok(Self { name: name.into(), desk, thread: Mutex::new(Some(thread)), id })
    }

    /// Puts an item into the queue; never waits for the handler.
    pub(crate) fn offer(&self, item: T) -> Offered<T> {
        self.desk.offer(item)
    }

    pub(crate) fn stats(&self) -> OutletStats {
        OutletStats { name: Arc::clone(&self.name), ..self.desk.stats() }
    }

    /// What has not been delivered, and the counts, for a checkpoint.
    pub(crate) fn backlog(&self) -> Backlog<T> {
        self.desk.backlog()
    }
}

impl<T: Clone> Outlet<T> {
    /// Takes no more, delivers what waits for at most `deadline` of real time, then drops and counts the rest. True where
    /// the thread has ended; otherwise its code hangs, and it is left alone. Takes at most 0.2 s longer.
    pub(crate) fn close(&self, deadline: Duration) -> bool {
        if !self.drain(deadline) {
            self.give_up();
        }
        self.end(GRACE)
    }

    /// Takes no more, and delivers what waits for at most so long of real time; whether the thread has ended by then.
    pub(crate) fn drain(&self, within: Duration) -> bool {
        self.desk.close();
        !self.is_current() && self.desk.wait_for_end(within)
    }

    /// Drops and counts what still waits.
    pub(crate) fn give_up(&self) {
        self.desk.give_up();
    }

    /// Lets the thread go, after it was told to end; whether it does within this time.
    pub(crate) fn end(&self, within: Duration) -> bool {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if self.is_current() || !self.desk.wait_for_end(within) {
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
    desk: Arc<Desk<T>>,
    clock: Arc<dyn Clock>,
    policy: RetryPolicy,
    failures: LogThrottle,
}

/// Says that the thread is over, however it ends.
struct SayEnded<'a, T: Clone>(&'a Desk<T>);

impl<T: Clone> Drop for SayEnded<'_, T> {
    fn drop(&mut self) {
        self.0.ended();
    }
}

impl<T: Clone> Worker<T> {
    fn run(&self, mut handler: Box<dyn Handler<T>>) {
        let _end = SayEnded(&self.desk);
        loop {
            match self.desk.next(&*self.clock) {
                Step::Handle(item) => self.hand_over(&mut *handler, &item),
                Step::Flush => self.flush(&mut *handler),
                // `next` sleeps by itself.
                Step::Sleep(_) => {}
                Step::End => break,
            }
        }
        // The host's code may run once more, and may panic once more.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(handler)));
    }

    fn hand_over(&self, handler: &mut dyn Handler<T>, item: &T) {
        let mut held = RetryTokens::default();
        for attempt in 1.. {
            let result = catch_unwind(AssertUnwindSafe(|| handler.handle(item)));
            let now = self.clock.now();
            let error = match result {
                Ok(Ok(())) => {
                    self.policy.succeeded(held);
                    return self.desk.settle(Ending::Delivered, &*self.clock);
                }
                Ok(Err(error)) => error,
                Err(panic) => {
                    let error = self.warn(told(&*panic, now), "panic in code of the host's");
                    return self.desk.settle(Ending::Panicked(error), &*self.clock);
                }
            };
            let failed = LastError { code: error.code(), message: error.to_string(), at: now };
            let asked = error.source().and_then(|cause| cause.downcast_ref::<RetryAfter>()).map(|asked| asked.0);
            // A sink's advice is enough, whatever its code: a full channel is no fault, and yet it empties.
            let decision = match error.advice() {
                Advice::RetryLater => Some(self.policy.again(&error, attempt, asked, now, None)),
                _ => None,
            };
            let Some(RetryDecision::Again { after, taken }) = decision else {
                return self.desk.settle(Ending::Failed(self.warn(failed, "given up")), &*self.clock);
            };
            held = taken;
            if !self.desk.wait_for_retry(failed, after, &*self.clock) {
                return;
            }
        }
    }

    fn flush(&self, handler: &mut dyn Handler<T>) {
        let result = catch_unwind(AssertUnwindSafe(|| handler.flush()));
        let now = self.clock.now();
        match result {
            Ok(Ok(())) => self.desk.flushed(None, false),
            Ok(Err(error)) => {
                let error = LastError { code: error.code(), message: error.to_string(), at: now };
                self.desk.flushed(Some(self.warn(error, "flush failed")), false);
            }
            Err(panic) => {
                let error = self.warn(told(&*panic, now), "panic in code of the host's");
                self.desk.flushed(Some(error), true);
            }
        }
    }

    /// Tells of a failure, one for a burst; its words are those of the host's code or of a sink's, which name no secret.
    fn warn(&self, error: LastError, what: &'static str) -> LastError {
        if let Some(untold) = self.failures.on(error.at) {
            tracing::warn!(outlet = &*self.name, code = %error.code, error = error.message, untold, "{what}");
        }
        error
    }
}

/// What a panic said.
fn told(panic: &(dyn Any + Send), at: Timestamp) -> LastError {
    let words = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let words: String = words.unwrap_or("without words").chars().take(300).collect();
    LastError { code: ErrorCode::Internal, message: format!("panic: {words}"), at }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
