//! The model on this machine as a provider: a queue, some threads, and a way down when memory runs out.

mod config;
mod ladder;
mod look;
mod queue;
mod worker;

#[cfg(test)]
mod tests;

pub use config::LocalProviderConfig;

use super::{Capability, Health, HealthLog, Provider, Reply, Request, Response, Want};
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::detector::Detector;
use crate::error::{Advice, Error, ErrorCode, Result};
use crate::onnx::ExecutionProvider;
use ladder::Ladder;
use look::{About, Look};
use queue::{Entry, Queue};
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use worker::CpuLook;

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
///   returns when the running calls are answered; on one of the provider's own threads (inside a [`Reply`]) it does not
///   wait.
///
/// Labels come always; faces where the model has a class `face`; text never.
///
/// ```no_run
/// use guarita::{DecodeOptions, Detector, DetectorConfig, Frame, LocalProvider, LocalProviderConfig, Provider, Request};
///
/// let detector = Detector::open_file("coco_ssd_mobilenet_v2.onnx", DetectorConfig::default())?;
/// let local = LocalProvider::new(detector, LocalProviderConfig::default())?;
/// let frame = Frame::open("street.jpg", &DecodeOptions::default())?;
/// let response = local.detect(Request::new([frame]))?;
/// println!("{} objects, {:?}", response.detections[0].len(), response.latency.total());
/// # Ok::<(), guarita::Error>(())
/// ```
pub struct LocalProvider {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// What the threads and the provider have in common.
struct Shared {
    name: Arc<str>,
    look: Arc<dyn Look>,
    about: About,
    cpu: CpuLook,
    capability: Capability,
    workers: usize,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    wake: Condvar,
}

struct State {
    queue: Queue<Job>,
    running: usize,
    closed: bool,
    ladder: Ladder,
    log: HealthLog,
    /// The time of a request on a thread: a mean that forgets.
    service: Option<Duration>,
}

/// A request that waits.
struct Job {
    request: Request,
    reply: Reply,
    came: Timestamp,
}

/// An answer on its way, to be given without the lock: replies are somebody else's code.
type Given = (Reply, Result<Response>);

impl LocalProvider {
    /// Starts the threads, on the machine's clock.
    ///
    /// # Errors
    /// `InvalidConfig` naming the field, `ResourceExhausted` where the system gives no more threads.
    pub fn new(detector: impl Into<Arc<Detector>>, config: LocalProviderConfig) -> Result<Self> {
        Self::with_clock(detector, config, Arc::new(SystemClock))
    }

    /// The same with a clock of the host's, which deadlines of requests are then read on.
    ///
    /// # Errors
    /// As [`LocalProvider::new`].
    pub fn with_clock(
        detector: impl Into<Arc<Detector>>,
        config: LocalProviderConfig,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        Self::over(detector.into(), config, clock)
    }

    fn over(look: Arc<dyn Look>, config: LocalProviderConfig, clock: Arc<dyn Clock>) -> Result<Self> {
        config.validate()?;
        let about = look.about();
        let has_device = about.device != ExecutionProvider::Cpu;
        let processors = std::thread::available_parallelism().map_or(1, |count| count.get());
        let workers = config.threads(processors, has_device);
        let wants: &[Want] = if about.finds_faces { &[Want::Labels, Want::Faces] } else { &[Want::Labels] };
        let recover = Duration::from_secs_f64(config.recover_after_s);
        let state = State {
            queue: Queue::new(),
            running: 0,
            closed: false,
            ladder: Ladder::new(about.max_batch, about.shrinks, has_device && config.cpu_fallback, recover),
            log: HealthLog::default(),
            service: None,
        };
        let shared = Arc::new(Shared {
            name: "local".into(),
            look,
            capability: Capability::local(wants, about.max_batch, config.queue + workers),
            about,
            cpu: CpuLook::new(recover),
            workers,
            clock,
            state: Mutex::new(state),
            wake: Condvar::new(),
        });
        // From here on a failure drops `local`, which ends the threads that were started.
        let local = Self { shared, threads: Mutex::default() };
        for k in 0..workers {
            let shared = Arc::clone(&local.shared);
            let thread = std::thread::Builder::new()
                .name(format!("guarita-local-{k}"))
                .spawn(move || shared.work())
                .map_err(|error| {
                    Error::resource_exhausted(format!("cannot start {workers} threads: {error}")).with_source(error)
                })?;
            local.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        }
        Ok(local)
    }

    /// Ends the provider: what waits, and what comes, is answered `Cancelled`. Returns when the running calls are
    /// answered, except on one of the provider's own threads.
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
        // Inside a reply, on a thread that would wait for itself. The threads end all the same.
        let me = std::thread::current().id();
        if threads.iter().all(|thread| thread.thread().id() != me) {
            for thread in threads {
                // A thread does not panic: what it calls is caught.
                drop(thread.join());
            }
        }
    }
}

impl Drop for LocalProvider {
    fn drop(&mut self) {
        self.close();
    }
}

impl Provider for LocalProvider {
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

impl fmt::Debug for LocalProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalProvider").field("look", &self.shared.look).finish_non_exhaustive()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn closed(&self) -> Error {
        Error::cancelled(format!("the provider {} is closed", self.name))
    }

    fn submit(&self, request: Request, reply: Reply) {
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
        drop(state);
        self.wake.notify_one();
        for (reply, answer) in given {
            reply.send(answer);
        }
    }

    fn health(&self) -> Health {
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
    fn note_service(&mut self, took: Duration) {
        // A fifth of the way: a change of the ladder's level shows after a few requests.
        self.service = Some(self.service.map_or(took, |mean| mean.saturating_mul(4).saturating_add(took) / 5));
    }

    /// An error that is the request's, or the asker's, says nothing about the provider.
    fn note_error(&mut self, error: &Error, now: Timestamp) {
        if error.advice() != Advice::ChangeInput && error.code() != ErrorCode::Cancelled {
            self.log.failed(error, now);
        }
    }
}
