//! A detector as hosts hold it: it can be closed, is opened anew in a child of a fork, and knows how long it takes.

use crate::defaults::BACKGROUND_QUEUE;
use crate::fork::PerProcess;
use guarita::provider::{LocalProviderConfig, Request, Response};
use guarita::{
    Detections, Detector, DetectorConfig, Error, ErrorCode, Frame, LocalProvider, ModelSpec, Provider, Result,
};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Before the first picture, nobody knows how long one takes.
const UNKNOWN: u64 = u64::MAX;

/// A detector that can be closed while calls run, and that a child of a fork opens anew at its first call: sessions of the
/// parent wait for threads that are not there.
pub struct DetectorHandle {
    spec: ModelSpec,
    config: DetectorConfig,
    open: PerProcess<Open>,
    closed: AtomicBool,
    /// How long a picture took, lately, in nanoseconds.
    each: AtomicU64,
}

/// What belongs to one process.
#[derive(Default)]
struct Open {
    detector: Option<Arc<Detector>>,
    /// For looks that no thread waits for.
    background: Option<Arc<dyn Provider>>,
}

impl DetectorHandle {
    /// Opens the model.
    ///
    /// # Errors
    /// As [`Detector::open`].
    pub fn open(spec: ModelSpec, config: DetectorConfig) -> Result<Self> {
        let handle = Self {
            spec,
            config,
            open: PerProcess::new(),
            closed: AtomicBool::new(false),
            each: AtomicU64::new(UNKNOWN),
        };
        handle.detector()?;
        Ok(handle)
    }

    /// The detector of this process, which is opened where this is the first call in a child.
    ///
    /// # Errors
    /// `InvalidState` once it is closed; else as [`Detector::open`].
    pub fn detector(&self) -> Result<Arc<Detector>> {
        self.check_open()?;
        if let Some(detector) = &self.open.lock().detector {
            return Ok(Arc::clone(detector));
        }
        self.each.store(UNKNOWN, Ordering::Relaxed);
        let ours = Arc::new(Detector::open(self.spec.clone(), self.config.clone())?);
        let mut open = self.open.lock();
        // Closed by now; nobody would let it go.
        self.check_open()?;
        // Another thread may have been faster.
        let detector = Arc::clone(open.detector.get_or_insert_with(|| Arc::clone(&ours)));
        drop(open);
        Ok(detector)
    }

    /// Whether [`detector`](Self::detector) gives it without opening the model.
    pub fn is_open(&self) -> bool {
        !self.is_closed() && self.open.lock().detector.is_some()
    }

    /// The detector as a provider with a queue and threads of its own, for looks that no thread waits for.
    ///
    /// Who gets it may be the last to let it go, and then waits for its threads.
    ///
    /// # Errors
    /// As [`detector`](Self::detector); `ResourceExhausted` where the system gives no threads.
    pub fn background(&self) -> Result<Arc<dyn Provider>> {
        let detector = self.detector()?;
        if let Some(provider) = &self.open.lock().background {
            return Ok(Arc::clone(provider));
        }
        let config = LocalProviderConfig { queue: BACKGROUND_QUEUE, ..LocalProviderConfig::default() };
        let ours: Arc<dyn Provider> = Arc::new(LocalProvider::new(detector, config)?);
        let mut open = self.open.lock();
        self.check_open()?;
        let provider = Arc::clone(open.background.get_or_insert_with(|| Arc::clone(&ours)));
        drop(open);
        Ok(provider)
    }

    /// A request for the background provider: the detector's own thresholds decide what is reported.
    pub fn request(frames: impl Into<Vec<Frame>>) -> Request {
        Request::new(frames).with_min_confidence(0.0)
    }

    /// Looks at the frames on this thread, and notes how long that took.
    ///
    /// # Errors
    /// As [`Detector::detect_batch`], and as [`detector`](Self::detector).
    pub fn detect_batch(&self, frames: &[Frame]) -> Result<Vec<Detections>> {
        let found = self.detector()?.detect_batch(frames)?;
        self.note(found.iter().map(|found| found.timing.total()).sum(), found.len());
        Ok(found)
    }

    /// Notes how long the background provider computed for a response.
    pub fn note_response(&self, response: &Response) {
        let latency = &response.latency;
        self.note(latency.call + latency.prepare + latency.parse, response.detections.len());
    }

    /// How long so many pictures will take, by the last ones; the longest time there is before the first.
    pub fn expected(&self, pictures: usize) -> Duration {
        Duration::from_nanos(self.each.load(Ordering::Relaxed).saturating_mul(pictures as u64))
    }

    /// What the model is.
    pub fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    /// How it was opened.
    pub fn config(&self) -> &DetectorConfig {
        &self.config
    }

    /// Whether it was closed.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Lets the model go when no call uses it any more, and waits for the background threads where nobody else holds them. A
    /// second call does nothing.
    pub fn close(&self) {
        let mut open = self.open.lock();
        self.closed.store(true, Ordering::Relaxed);
        let taken = std::mem::take(&mut *open);
        drop(open);
        drop(taken);
    }

    fn check_open(&self) -> Result<()> {
        if self.is_closed() { Err(Error::new(ErrorCode::InvalidState, "the detector is closed")) } else { Ok(()) }
    }

    fn note(&self, took: Duration, pictures: usize) {
        let each = took.as_nanos() / (pictures.max(1) as u128);
        self.each.store(u64::try_from(each).unwrap_or(UNKNOWN), Ordering::Relaxed);
    }
}

impl fmt::Debug for DetectorHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DetectorHandle").field("path", &self.spec.path).field("closed", &self.is_closed()).finish()
    }
}
