//! A pipeline as hosts hold it: with its event streams, the numbers of its cameras' frames, and an end also where nobody closes
//! it.

use crate::defaults::CLOSE_AT_EXIT;
use crate::events::EventStreams;
use crate::fork::PerProcess;
use guarita::pipeline::{PipelineBuilder, ShutdownReport};
use guarita::{Pipeline, Provider, Result, Timestamp};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::Duration;

/// All of this process that were not ended.
static OPEN: PerProcess<Vec<Weak<PipelineHandle>>> = PerProcess::new();

/// A pipeline, its streams and its provider. It belongs to the process that made it.
pub struct PipelineHandle {
    /// The pipeline goes first: its end is that of the streams too.
    pipeline: Pipeline,
    streams: Arc<EventStreams>,
    provider: Arc<dyn Provider>,
    ended: AtomicBool,
    numbers: Mutex<BTreeMap<String, FrameNumbers>>,
}

impl PipelineHandle {
    /// Builds the pipeline, and ends it with the process where nobody does before ([`end_pipelines`]). `streams` are those that
    /// the builder was given ([`EventStreams::fill_from`]), and `provider` is its provider.
    ///
    /// # Errors
    /// As [`PipelineBuilder::build`].
    pub fn build(
        builder: PipelineBuilder,
        provider: Arc<dyn Provider>,
        streams: Arc<EventStreams>,
    ) -> Result<Arc<Self>> {
        let pipeline = builder.build()?;
        let handle =
            Arc::new(Self { pipeline, streams, provider, ended: AtomicBool::new(false), numbers: Mutex::default() });
        let mut open = OPEN.lock();
        open.retain(|other| other.strong_count() > 0);
        open.push(Arc::downgrade(&handle));
        Ok(handle)
    }

    /// The pipeline.
    pub fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    /// The streams of its events.
    pub fn streams(&self) -> &EventStreams {
        &self.streams
    }

    /// Its provider, whose name and clock never change.
    pub fn provider(&self) -> &Arc<dyn Provider> {
        &self.provider
    }

    /// Whether its end was asked for.
    pub fn is_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// The numbers of this camera's frames, shared by all who push them.
    pub fn numbers(&self, camera: &str) -> FrameNumbers {
        let mut numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        numbers.entry(camera.to_owned()).or_default().clone()
    }

    /// A camera of this name was added: its frames are numbered from 0 on.
    pub fn number_anew(&self, camera: &str) {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner).remove(camera);
    }

    /// Says that its end is asked for, before somebody else brings it about.
    pub fn set_ended(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    /// Ends the pipeline and its streams; see [`Pipeline::shutdown`].
    pub fn shutdown(&self, timeout: Duration) -> ShutdownReport {
        self.set_ended();
        let report = self.pipeline.shutdown(timeout);
        // Where its thread hangs, the sink of the streams did not end them.
        self.streams.end();
        report
    }
}

impl fmt::Debug for PipelineHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PipelineHandle(on {}, ended: {})", self.provider.name(), self.is_ended())
    }
}

/// Ends all pipelines of this process that nobody ended, at the same time and within a second: a face calls it before its
/// language goes down, so that no thread runs the host's code meanwhile.
pub fn end_pipelines() {
    let open = std::mem::take(&mut *OPEN.lock());
    let open: Vec<_> = open.iter().filter_map(Weak::upgrade).collect();
    thread::scope(|scope| {
        for handle in &open {
            let end = || drop(handle.shutdown(CLOSE_AT_EXIT));
            // Without a thread, one after the other.
            if thread::Builder::new().spawn_scoped(scope, end).is_err() {
                handle.shutdown(Duration::ZERO);
            }
        }
    });
}

/// Numbers the frames of a camera. Clones go on with the same numbers.
#[derive(Clone, Debug, Default)]
pub struct FrameNumbers(Arc<AtomicU64>);

impl FrameNumbers {
    /// The number of the next frame: the one that the host gives, after which counting goes on, or the next one.
    pub fn next(&self, given: Option<u64>) -> u64 {
        match given {
            Some(number) => {
                self.0.store(number.wrapping_add(1), Ordering::Relaxed);
                number
            }
            None => self.0.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// Time and number of a frame that is pushed: as the host gives them (`pts`, `number`); where it gives no time, those that
    /// the frame was made with (`own`); else now, and the next number.
    pub fn stamp(
        &self,
        pts: Option<Timestamp>,
        number: Option<u64>,
        own: Option<(Timestamp, u64)>,
        now: impl FnOnce() -> Timestamp,
    ) -> (Timestamp, u64) {
        match (pts, own) {
            (None, Some((pts, own))) => (pts, number.unwrap_or(own)),
            (None, None) => (now(), self.next(number)),
            (Some(pts), _) => (pts, self.next(number)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn frames_are_stamped_by_the_host_by_themselves_or_now() {
        let numbers = FrameNumbers::default();
        let stamp = |pts: Option<i64>, number, own: Option<(i64, u64)>| {
            numbers.stamp(pts.map(at), number, own.map(|(pts, number)| (at(pts), number)), || at(99))
        };
        assert_eq!(stamp(Some(1), None, None), (at(1), 0));
        assert_eq!(stamp(None, None, None), (at(99), 1));
        assert_eq!(stamp(Some(2), Some(7), None), (at(2), 7));
        assert_eq!(stamp(None, None, None), (at(99), 8), "counting goes on after a given number");
        assert_eq!(stamp(None, None, Some((5, 40))), (at(5), 40));
        assert_eq!(stamp(None, Some(3), Some((5, 40))), (at(5), 3));
        assert_eq!(stamp(Some(6), None, Some((5, 40))), (at(6), 9), "a frame's own number goes with its own time only");
        assert_eq!(numbers.next(Some(u64::MAX)), u64::MAX);
        assert_eq!(numbers.clone().next(None), 0);
    }
}
