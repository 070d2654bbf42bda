//! The model on this machine as a provider: a queue, some threads, and a fallback when memory runs out.

mod batch_fallback;
mod config;
mod inference;
mod worker;

#[cfg(test)]
mod on_threads_tests;
#[cfg(test)]
mod tests;

pub use config::LocalProviderConfig;

use super::pool::{Pool, WorkQueue};
use super::{Capability, Health, Provider, Reply, Request, Response, Want};
use crate::clock::{Clock, SystemClock};
use crate::detector::Detector;
use crate::error::{Error, Result};
use crate::onnx::ExecutionProvider;
use crate::threads::Threads;
use inference::Inference;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use worker::LocalWorker;

/// A [`Detector`] as a provider: requests wait in a queue for threads that share the detector.
///
/// - **Who is next.** The highest priority first, and of one priority the oldest. Where the queue is full, a request
///   pushes out the newest one of the lowest priority below its own, which is answered `Overloaded`; where there is none,
///   it is itself. Requests whose deadline has
///   passed, or that were taken back, make room first.
/// - **Deadlines** are looked at when a request is taken up, between its batches, and when it is done. A call that has
///   begun is not broken off.
/// - **Batches.** Frames of one request go through the model together, as many as the detector's `max_batch` says; those
///   of several requests do not.
/// - **Out of device memory.** The same frames are tried again in batches of half the size, down to one, and then on the
///   processor; only then is the answer `ResourceExhausted`. [`Health::degraded`] says so, and after `recover_after_s` one
///   step up is tried; when that fails, the next try waits twice as long, up to an hour. Both models stay open.
/// - **The end.** [`close`](LocalProvider::close), or dropping the provider, answers what waits with `Cancelled`, and
///   returns when the running calls are answered; on one of the provider's threads (inside a [`Reply`]), and on every
///   lent one, it does not wait.
/// - **Whose threads.** Its own ([`new`](LocalProvider::new)), or those that the host lends
///   ([`on_threads`](LocalProvider::on_threads)), so that one number counts all threads of a program.
///
/// Labels come always; faces where the model has a class `face`; text never.
///
/// ```no_run
/// use guarita::{DecodeOptions, Detector, DetectorConfig, Frame, LocalProvider, Provider};
/// use guarita::provider::{LocalProviderConfig, Request};
///
/// let detector = Detector::open_file("coco_ssd_mobilenet_v2.onnx", DetectorConfig::default())?;
/// let local = LocalProvider::new(detector, LocalProviderConfig::default())?;
/// let frame = Frame::open("street.jpg", &DecodeOptions::default())?;
/// let response = local.detect(Request::new([frame]))?;
/// println!("{} objects, {:?}", response.detections[0].len(), response.latency.total());
/// # Ok::<(), guarita::Error>(())
/// ```
pub struct LocalProvider {
    pool: Pool<LocalWorker>,
}

impl LocalProvider {
    /// Starts the threads, on the machine's clock.
    ///
    /// # Errors
    /// `InvalidConfig` naming the field, `ResourceExhausted` where the system gives no more threads.
    pub fn new(detector: impl Into<Arc<Detector>>, config: LocalProviderConfig) -> Result<Self> {
        Self::with_clock(detector, config, Arc::new(SystemClock))
    }

    /// Like `new`, with a host clock for the deadlines of requests.
    ///
    /// # Errors
    /// As [`LocalProvider::new`].
    pub fn with_clock(
        detector: impl Into<Arc<Detector>>,
        config: LocalProviderConfig,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        Self::over(detector.into(), config, clock, None)
    }

    /// Runs on threads that the host lends, which others may use beside it, and starts none.
    ///
    /// At most `config.workers` of them look at requests at once; 0 stands for all, and for 2 of them where a device
    /// computes. The model runs on the thread that looks, so that `threads` is the number of threads of a program, but
    /// for those that a device's driver starts. The others' work on `threads` waits while requests are looked at; work
    /// that never ends there stops the provider.
    ///
    /// On one of these threads, [`detect`](Provider::detect) does not wait for another one, which may never be free: it
    /// looks at the request right there, past the queue and past `workers`.
    ///
    /// ```no_run
    /// use guarita::{Detector, DetectorConfig, LocalProvider, Threads};
    /// use guarita::provider::LocalProviderConfig;
    ///
    /// let threads = Threads::new(2)?;
    /// let detector = Detector::open_file("coco_ssd_mobilenet_v2.onnx", DetectorConfig::default())?;
    /// let local = LocalProvider::on_threads(detector, LocalProviderConfig::default(), &threads)?;
    /// # Ok::<(), guarita::Error>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidConfig` naming the field: `workers` above the number of threads; `intra_op_threads` of the detector other
    /// than 1, which would be threads that nobody counts.
    pub fn on_threads(
        detector: impl Into<Arc<Detector>>,
        config: LocalProviderConfig,
        threads: &Threads,
    ) -> Result<Self> {
        Self::on_threads_with_clock(detector, config, threads, Arc::new(SystemClock))
    }

    /// Like `on_threads`, with a host clock for the deadlines of requests.
    ///
    /// # Errors
    /// As [`LocalProvider::on_threads`].
    pub fn on_threads_with_clock(
        detector: impl Into<Arc<Detector>>,
        config: LocalProviderConfig,
        threads: &Threads,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        Self::over(detector.into(), config, clock, Some(threads.clone()))
    }

    fn over(
        inference: Arc<dyn Inference>,
        config: LocalProviderConfig,
        clock: Arc<dyn Clock>,
        lent: Option<Threads>,
    ) -> Result<Self> {
        config.validate()?;
        let about = inference.about();
        let has_device = about.device != ExecutionProvider::Cpu;
        let workers = match &lent {
            None => {
                let processors = std::thread::available_parallelism().map_or(1, |count| count.get());
                config.threads(processors, has_device)
            }
            Some(_) if about.intra_op_threads != 1 => {
                return Err(Error::invalid_config(format!(
                    "intra_op_threads of the detector is {}; on lent threads it must be 1",
                    about.intra_op_threads
                ))
                .with_field("intra_op_threads")
                .with_limit(1.0));
            }
            Some(threads) => config.lent_threads(threads.count(), has_device)?,
        };
        let wants: &[Want] = if about.finds_faces { &[Want::Labels, Want::Faces] } else { &[Want::Labels] };
        let capability = Capability {
            labels: about.labels.clone(),
            ..Capability::local(wants, about.max_batch, config.queue + workers)
        };
        let recover = Duration::from_secs_f64(config.recover_after_s);
        let worker = LocalWorker::new(inference, about, has_device && config.cpu_fallback, recover);
        let queue = WorkQueue::new("local".into(), capability, workers, lent, clock, worker);
        Ok(Self { pool: Pool::start("local", queue)? })
    }

    /// Closes the provider: queued and new requests are answered `Cancelled`. Returns when the running calls are
    /// answered, except on one of the provider's threads, its own or lent.
    pub fn close(&self) {
        self.pool.close();
    }
}

impl Provider for LocalProvider {
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

    fn detect(&self, request: Request) -> Result<Response> {
        self.pool.queue().detect(request)
    }
}

impl fmt::Debug for LocalProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalProvider").field("inference", &self.pool.queue().worker.inference).finish_non_exhaustive()
    }
}
