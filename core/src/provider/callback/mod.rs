//! A function of the host's as a provider.

mod answer;
mod config;
mod memory;
mod worker;

pub use config::CallbackProviderConfig;

use super::health::ServiceTime;
use super::queue::Queue;
use super::{Capability, Health, HealthLog, Provider, Reply, Request};
use crate::clock::{Clock, SystemClock};
use crate::detection::Detections;
use crate::error::{Error, Result};
use memory::Memory;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use worker::{Shared, State};

/// A function of the host's as a provider: a model of its own, another cloud, a stand-in for tests. Requests wait in a queue
/// for threads that call the function, the highest priority first.
///
/// - **What the function gets** is a [`Request`] of at most `max_batch` frames. Regions are cut out before: it always sees
///   whole frames, and answers in their pixels.
/// - **What it answers** is one [`Detections`] for each frame, of the frame's size, in any order of confidence. Boxes are cut
///   to the frame; those without an area, and what is below `min_confidence`, are left out. Another number of results or
///   another size, a box that is not made of numbers, boxes of which none fits the frame (fractions), a confidence outside of
///   0..1 and a label without a name are its fault: `Internal`, saying what came. An error is passed on as it is, and a panic
///   is `Internal`.
/// - **Deadlines** are looked at before each call, and when the request is done. A call that has begun is not broken off.
/// - **Who is next** and who is `Overloaded`: as for a [`LocalProvider`](crate::LocalProvider).
/// - **Money.** An answer costs `price` for each frame. Requests with the same idempotency key are then called for once, as
///   long as the answer is kept: the last 1024, for ten minutes.
/// - **The end.** [`close`](CallbackProvider::close), or dropping the provider, answers what waits with `Cancelled`, and
///   returns when the running calls have returned; on one of the provider's own threads it does not wait. A function that
///   waits for its own provider may wait for ever: all threads can be busy waiting.
///
/// ```
/// use guarita::{
///     BoundingBox, CallbackProvider, CallbackProviderConfig, Detection, Detections, Frame, Label, Layout, PixelFormat, Provider,
///     Request, Size, Timing,
/// };
///
/// let everywhere = CallbackProvider::new(CallbackProviderConfig::default(), |request| {
///     let cat = || Detection::new(BoundingBox::from_xyxy(0.0, 0.0, 4.0, 3.0), Label { id: 15, name: "cat".into() }, 0.9);
///     Ok(request.frames.iter().map(|frame| Detections::new(vec![cat()], frame.size(), Timing::default())).collect())
/// })?;
/// let frame = Frame::from_owner(vec![0; 12], Layout::packed(PixelFormat::Gray8, Size::new(4, 3))?)?;
/// assert_eq!(&*everywhere.detect(Request::new([frame]))?.detections[0].items[0].label.name, "cat");
/// # Ok::<(), guarita::Error>(())
/// ```
pub struct CallbackProvider {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl CallbackProvider {
    /// Starts the threads, on the machine's clock.
    ///
    /// # Errors
    /// `InvalidConfig` naming the field, `ResourceExhausted` where the system gives no more threads.
    pub fn new(
        config: CallbackProviderConfig,
        detect: impl Fn(&Request) -> Result<Vec<Detections>> + Send + Sync + 'static,
    ) -> Result<Self> {
        Self::with_clock(config, Arc::new(SystemClock), detect)
    }

    /// The same with a clock of the host's, which deadlines of requests are then read on.
    ///
    /// # Errors
    /// As [`CallbackProvider::new`].
    pub fn with_clock(
        config: CallbackProviderConfig,
        clock: Arc<dyn Clock>,
        detect: impl Fn(&Request) -> Result<Vec<Detections>> + Send + Sync + 'static,
    ) -> Result<Self> {
        config.validate()?;
        let state = State {
            queue: Queue::new(),
            running: 0,
            closed: false,
            memory: Memory::default(),
            log: HealthLog::default(),
            service: ServiceTime::default(),
        };
        let shared = Arc::new(Shared {
            name: config.name.as_str().into(),
            capability: config.capability(),
            workers: config.workers,
            detect: Box::new(detect),
            clock,
            state: Mutex::new(state),
            wake: Condvar::new(),
        });
        // From here on a failure drops `provider`, which ends the threads that were started.
        let provider = Self { shared, threads: Mutex::default() };
        for k in 0..config.workers {
            let shared = Arc::clone(&provider.shared);
            let thread = std::thread::Builder::new().name(format!("guarita-callback-{k}")).spawn(move || shared.work());
            let thread = thread.map_err(|error| {
                Error::resource_exhausted(format!("cannot start {} threads: {error}", config.workers))
                    .with_source(error)
            })?;
            provider.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        }
        Ok(provider)
    }

    /// Ends the provider: what waits, and what comes, is answered `Cancelled`. Returns when the running calls have returned,
    /// except on one of the provider's threads.
    pub fn close(&self) {
        let mut state = self.shared.lock();
        state.closed = true;
        let left: Vec<_> = std::iter::from_fn(|| state.queue.pop()).collect();
        drop(state);
        self.shared.wake.notify_all();
        for job in left {
            job.reply.send(Err(self.shared.closed()));
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
    }
}

impl Drop for CallbackProvider {
    fn drop(&mut self) {
        self.close();
    }
}

impl Provider for CallbackProvider {
    fn name(&self) -> &str {
        &self.shared.name
    }

    fn capability(&self) -> Capability {
        self.shared.capability.clone()
    }

    fn health(&self) -> Health {
        self.shared.health()
    }

    fn submit(&self, request: Request, reply: Reply) {
        self.shared.submit(request, reply);
    }

    fn clock(&self) -> &dyn Clock {
        &*self.shared.clock
    }
}

impl fmt::Debug for CallbackProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallbackProvider").field("name", &self.shared.name).finish_non_exhaustive()
    }
}
