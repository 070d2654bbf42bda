//! A host function as a provider.

mod answer;
mod config;
mod worker;

pub use config::CallbackProviderConfig;

use super::pool::{Pool, WorkQueue};
use super::{Capability, Health, Provider, Reply, Request};
use crate::clock::{Clock, SystemClock};
use crate::detection::Detections;
use crate::error::Result;
use std::fmt;
use std::sync::Arc;
use worker::CallbackWorker;

/// A host function as a provider: a model of its own, another cloud, a test double. Requests wait in a queue for
/// threads that call the function, the highest priority first.
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
/// use guarita::{BoundingBox, CallbackProvider, Detection, Detections, Frame, PixelFormat, Provider, Size};
/// use guarita::detection::{Label, Timing};
/// use guarita::frame::Layout;
/// use guarita::provider::{CallbackProviderConfig, Request};
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
    pool: Pool<CallbackWorker>,
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

    /// Like `new`, with a host clock for the deadlines of requests.
    ///
    /// # Errors
    /// As [`CallbackProvider::new`].
    pub fn with_clock(
        config: CallbackProviderConfig,
        clock: Arc<dyn Clock>,
        detect: impl Fn(&Request) -> Result<Vec<Detections>> + Send + Sync + 'static,
    ) -> Result<Self> {
        config.validate()?;
        let name = config.name.as_str().into();
        let worker = CallbackWorker::new(detect);
        let queue = WorkQueue::new(name, config.capability(), config.workers, None, clock, worker);
        Ok(Self { pool: Pool::start("callback", queue)? })
    }

    /// Closes the provider: queued and new requests are answered `Cancelled`. Returns when the running calls have
    /// returned, except on one of the provider's threads.
    pub fn close(&self) {
        self.pool.close();
    }
}

impl Provider for CallbackProvider {
    fn name(&self) -> &str {
        &self.pool.queue().name
    }

    fn capability(&self) -> Capability {
        self.pool.queue().capability.clone()
    }

    fn health(&self) -> Health {
        self.pool.queue().health()
    }

    fn submit(&self, request: Request, reply: Reply) {
        self.pool.queue().submit(request, reply);
    }

    fn clock(&self) -> &dyn Clock {
        &*self.pool.queue().clock
    }
}

impl fmt::Debug for CallbackProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallbackProvider").field("name", &self.pool.queue().name).finish_non_exhaustive()
    }
}
