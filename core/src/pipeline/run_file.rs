use super::account::Account;
use super::camera::Camera;
use super::config::{CameraConfig, QueuePolicy};
use super::executor::Executor;
use super::input::Input;
use super::{Admission, Pipeline};
use crate::check::within;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::frame::Frame;
use crate::source::{SourceConfig, VideoSource};
use serde::{Deserialize, Serialize};
use std::ffi::OsStr;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

/// How [`Pipeline::run_file`] goes through a recording. Plain data; unknown fields are refused. Times are seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct RunFileConfig {
    /// The camera that it was recorded by. Its `queue` is not used: the recording waits
    /// until there is room. `epoch_s` says when it was recorded.
    pub camera: CameraConfig,
    /// How it is decoded. Frames that `fps` leaves out here are not even scaled, and are in no account; those that the `fps`
    /// of the camera leaves out are.
    pub source: SourceConfig,
    /// Video between two reports; 0.1..86400, default 60.
    pub chunk_s: f64,
    /// Frames that are on their way at a time; 1..1024, default 16. They bound the memory, whatever the recording's length.
    pub in_flight: usize,
    /// How long one frame may take before it ends as `Dropped(Stale)`; 0.001..86400, default 86400. Less of it keeps a
    /// provider that never answers from holding up everything.
    pub patience_s: f64,
}

impl Default for RunFileConfig {
    fn default() -> Self {
        Self {
            camera: CameraConfig::default(),
            source: SourceConfig::default(),
            chunk_s: 60.0,
            in_flight: 16,
            patience_s: 86_400.0,
        }
    }
}

impl RunFileConfig {
    /// The usual settings, for this camera.
    pub fn new(camera: CameraConfig) -> Self {
        Self { camera, ..Self::default() }
    }

    /// Checks every field.
    ///
    /// # Errors
    /// `InvalidConfig` naming the field and its range, as those of the camera and of the source.
    pub fn validate(&self) -> Result<()> {
        within("chunk_s", self.chunk_s, 0.1, 86_400.0)?;
        within("in_flight", self.in_flight, 1, 1024)?;
        within("patience_s", self.patience_s, 0.001, 86_400.0)?;
        self.source.validate().map_err(|error| error.with_parent("source"))?;
        self.camera.validate().map_err(|error| error.with_parent("camera"))
    }

    /// The camera's config for the run: `in_flight` bounds its queue, and frames are not dropped for newer ones.
    fn waiting_camera(&self) -> CameraConfig {
        let mut camera = self.camera.clone();
        camera.queue.capacity = self.in_flight;
        camera.queue.policy = Some(QueuePolicy::DropNewest);
        camera.queue.max_age_s = self.patience_s;
        camera
    }
}

/// Report on one chunk of a recording, whose frames have all ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ChunkReport {
    /// Its number, from 0 on. A chunk of the grid without a frame has no report, and no number.
    pub number: u64,
    /// Presentation time of its first frame.
    pub from: Timestamp,
    /// Presentation time of its last frame.
    pub to: Timestamp,
    /// What became of its frames; none is in flight.
    pub account: Account,
    /// Events of the camera's own triggers that it led to.
    pub events: u64,
    /// The video that it stands for: from the last frame of the chunk before to its own last one.
    pub video: Duration,
    /// How long it took, on the pipeline's clock.
    pub wall: Duration,
    /// The length of the whole recording, as its container says; it can be wrong.
    pub duration: Option<Duration>,
}

impl ChunkReport {
    /// Processing speed, in seconds of video per second; 0 where no time passed.
    pub fn speed(&self) -> f64 {
        speed(self.video, self.wall)
    }
}

/// Summary of a run through a recording.
#[derive(Debug)]
#[non_exhaustive]
#[must_use = "the end may be an error"]
pub struct RunSummary {
    /// Chunks that were reported.
    pub chunks: u64,
    /// What became of all frames; none is in flight.
    pub account: Account,
    /// Events of the camera's own triggers.
    pub events: u64,
    /// Presentation time of the last frame; none where there was no frame.
    pub position: Option<Timestamp>,
    /// The video between the first and the last frame.
    pub video: Duration,
    /// How long it took, on the pipeline's clock.
    pub wall: Duration,
    /// The length of the whole recording, as its container says; it can be wrong.
    pub duration: Option<Duration>,
    /// Why it ended.
    pub end: RunEnd,
}

impl RunSummary {
    /// Processing speed, in seconds of video per second; 0 where no time passed.
    pub fn speed(&self) -> f64 {
        speed(self.video, self.wall)
    }
}

/// Why a run through a recording ended.
#[derive(Debug)]
#[non_exhaustive]
pub enum RunEnd {
    /// The recording was over.
    Complete,
    /// `progress` returned `Break`.
    Stopped,
    /// It could not go on; what was done before is done. The error says at what position.
    Broken(Error),
}

fn speed(video: Duration, wall: Duration) -> f64 {
    if wall.is_zero() { 0.0 } else { video.as_secs_f64() / wall.as_secs_f64() }
}

/// Poll interval while waiting for a frame to end, for changes without a notification: the end of a pause, a shutdown.
const LOOK_UP: Duration = Duration::from_millis(100);

impl Pipeline {
    /// Processes a recording beside the other cameras, as fast as they let it, and returns when every frame of it has
    /// ended. The camera is added for it, and removed at the end, also after an error or a panic of `progress`.
    ///
    /// It waits, on the caller's thread, while `in_flight` frames are on their way, or while the frames of all cameras fill
    /// the memory for frames, or while the pipeline or the camera is paused. So no frame is dropped because others wait or
    /// because it is old; but where memory is short, those of more important cameras take the place of what waits, and the
    /// account says so. Frames are sampled by their own times, as `camera.fps` says.
    ///
    /// `progress` is called for each chunk once all its frames have ended, the last partial one included; if it returns
    /// `Break`, the run ends there.
    ///
    /// A recording that turns out to be damaged is no `Err`, since what was done up to there counts: see
    /// [`RunSummary::end`]. The same holds where the pipeline is shut down or the camera removed meanwhile.
    ///
    /// # Errors
    /// Nothing was done where there is an error: `InvalidConfig` as [`RunFileConfig::validate`] or
    /// [`add_camera`](Self::add_camera), what [`VideoSource::open`] gives, and `InvalidState` after a shutdown or on one of
    /// the threads that were lent, which would wait for itself.
    ///
    /// ```no_run
    /// use guarita::{CameraConfig, Pipeline, Provider};
    /// use guarita::pipeline::{RunEnd, RunFileConfig};
    /// use std::{ops::ControlFlow, sync::Arc};
    ///
    /// # fn run(provider: Arc<dyn Provider>) -> guarita::Result<()> {
    /// let pipeline = Pipeline::builder(provider).build()?;
    /// let mut config = RunFileConfig::new(CameraConfig::new("yard"));
    /// config.source.width = Some(1280);
    /// let summary = pipeline.run_file("yard.mp4", config, |chunk| {
    ///     let (frames, speed) = (chunk.account.pushed, chunk.speed());
    ///     println!("{:?}: {frames} frames, {} events, {speed:.1} times as fast", chunk.to, chunk.events);
    ///     ControlFlow::Continue(())
    /// })?;
    /// if let RunEnd::Broken(error) = &summary.end {
    ///     println!("{error}; up to there, {:?}", summary.account.outcomes);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn run_file(
        &self,
        path: impl AsRef<OsStr>,
        config: RunFileConfig,
        progress: impl FnMut(&ChunkReport) -> ControlFlow<()>,
    ) -> Result<RunSummary> {
        self.run_file_until(path, config, &AtomicBool::new(false), progress)
    }

    /// As [`run_file`](Self::run_file), and ends soon after `stop` was set, also in the middle of a chunk, which then is not
    /// reported. Frames that wait end as `Dropped(Shutdown)`; those that the provider has in hand are waited for.
    ///
    /// # Errors
    /// As [`run_file`](Self::run_file). The source is opened before `stop` is looked at.
    pub fn run_file_until(
        &self,
        path: impl AsRef<OsStr>,
        config: RunFileConfig,
        stop: &AtomicBool,
        mut progress: impl FnMut(&ChunkReport) -> ControlFlow<()>,
    ) -> Result<RunSummary> {
        config.validate()?;
        if self.executor.threads.is_current() {
            return Err(Error::invalid_state("run_file waits, and this thread is one of those that it waits for"));
        }
        let begun = self.executor.clock.now();
        let mut source = VideoSource::open(path, config.source.clone())?;
        let camera = Added(self.add_camera(config.waiting_camera())?);
        let mut run = Run {
            executor: &self.executor,
            camera: &camera.0,
            config: &config,
            stop,
            duration: source.duration(),
            chunk: None,
            chunks: 0,
            reported: (Account::default(), 0),
            first: None,
            last: None,
        };
        let end = run.through(&mut source, &mut progress);
        let (account, events) = run.so_far();
        let video = run.first.zip(run.last).map_or(Duration::ZERO, |(first, last)| last - first);
        Ok(RunSummary {
            chunks: run.chunks,
            account,
            events,
            position: run.last,
            video,
            wall: self.executor.clock.now() - begun,
            duration: run.duration,
            end,
        })
    }
}

/// Removes the camera on drop, however the run ended.
struct Added(Camera);

impl Drop for Added {
    fn drop(&mut self) {
        // Somebody else may have removed it.
        drop(self.0.remove());
    }
}

struct Run<'a> {
    executor: &'a Executor,
    camera: &'a Camera,
    config: &'a RunFileConfig,
    stop: &'a AtomicBool,
    duration: Option<Duration>,
    chunk: Option<Chunk>,
    chunks: u64,
    /// What was reported up to now.
    reported: (Account, u64),
    first: Option<Timestamp>,
    last: Option<Timestamp>,
}

/// The chunk that is being gone through.
struct Chunk {
    begun: Timestamp,
    /// Where on the grid it ends.
    end: Timestamp,
    from: Timestamp,
    after: Timestamp,
}

impl Run<'_> {
    fn through(
        &mut self,
        source: &mut VideoSource,
        progress: &mut dyn FnMut(&ChunkReport) -> ControlFlow<()>,
    ) -> RunEnd {
        loop {
            if self.is_stopped() {
                return self.stopped();
            }
            let frame = match source.poll_next(LOOK_UP) {
                Poll::Pending => continue,
                Poll::Ready(None) => break,
                Poll::Ready(Some(frame)) => frame,
            };
            let end = frame.map_err(|error| self.located(error)).and_then(|frame| self.take(frame, progress));
            match end {
                Ok(ControlFlow::Continue(())) => {}
                Ok(ControlFlow::Break(())) => return self.stopped(),
                Err(error) => {
                    // What is on its way comes to its end, and is reported.
                    let _ = self.report(progress);
                    return RunEnd::Broken(error);
                }
            }
        }
        match self.report(progress) {
            ControlFlow::Continue(()) => RunEnd::Complete,
            ControlFlow::Break(()) => self.stopped(),
        }
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Drops queued frames, and waits for those at the provider.
    fn stopped(&self) -> RunEnd {
        drop(self.camera.remove());
        while !self.camera.work.books.wait_until(LOOK_UP, |account| account.in_flight == 0) {}
        RunEnd::Stopped
    }

    fn take(
        &mut self,
        frame: Frame,
        progress: &mut dyn FnMut(&ChunkReport) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>> {
        let pts = frame.meta().pts;
        if self.chunk.as_ref().is_some_and(|chunk| pts >= chunk.end) && self.report(progress).is_break() {
            return Ok(ControlFlow::Break(()));
        }
        let first = *self.first.get_or_insert(pts);
        if self.chunk.is_none() {
            let length = Duration::from_secs_f64(self.config.chunk_s);
            // The grid lies from the first frame on; gaps in the recording skip some of it.
            let passed = (pts - first).as_nanos() / length.as_nanos().max(1);
            let end = first + length.saturating_mul(u32::try_from(passed + 1).unwrap_or(u32::MAX));
            let after = self.last.unwrap_or(pts);
            self.chunk = Some(Chunk { begun: self.executor.clock.now(), end, from: pts, after });
        }
        let frame = Input::from(frame);
        self.wait_for_room(frame.byte_len())?;
        if self.is_stopped() {
            return Ok(ControlFlow::Break(()));
        }
        match self.camera.push(frame) {
            Admission::Taken | Admission::Ended(_) => self.last = self.last.max(Some(pts)),
            Admission::Refused(error) => return Err(self.located(error)),
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Waits until one more frame loses nothing.
    fn wait_for_room(&self, bytes: u64) -> Result<()> {
        let books = &self.camera.work.books;
        let most = self.config.in_flight as u64;
        loop {
            let few = books.wait_until(LOOK_UP, |account| account.in_flight < most);
            let state = self.executor.lock();
            let scheduler = &state.scheduler;
            if scheduler.is_closed() || self.is_stopped() {
                // What comes next says so.
                return Ok(());
            }
            let Some(has_room) = scheduler.room_for(bytes) else {
                return Err(self.located(Error::resource_exhausted(format!(
                    "a frame has {bytes} bytes, more than max_bytes of the pipeline"
                ))));
            };
            if few && has_room && !scheduler.is_paused(self.camera.key) {
                return Ok(());
            }
            drop(state);
            if few {
                // Others hold the memory, or it is paused: there is no notification when that ends.
                books.wait_until(LOOK_UP / 10, |_| false);
            }
        }
    }

    /// What became of all frames up to now.
    fn so_far(&self) -> (Account, u64) {
        let books = self.camera.work.books.lock();
        (books.account.clone(), books.events)
    }

    /// Waits until every frame of the chunk has ended, and tells of it.
    fn report(&mut self, progress: &mut dyn FnMut(&ChunkReport) -> ControlFlow<()>) -> ControlFlow<()> {
        while !self.camera.work.books.wait_until(LOOK_UP, |account| account.in_flight == 0) {
            if self.is_stopped() {
                return ControlFlow::Break(());
            }
        }
        let (account, events) = self.so_far();
        let (Some(chunk), Some(to)) = (self.chunk.take(), self.last) else { return ControlFlow::Continue(()) };
        if account.pushed == self.reported.0.pushed {
            return ControlFlow::Continue(());
        }
        let report = ChunkReport {
            number: self.chunks,
            from: chunk.from,
            to,
            account: account.since(&self.reported.0),
            events: events.saturating_sub(self.reported.1),
            video: to - chunk.after,
            wall: self.executor.clock.now() - chunk.begun,
            duration: self.duration,
        };
        self.chunks += 1;
        self.reported = (account, events);
        progress(&report)
    }

    /// Says where in the recording it was.
    fn located(&self, error: Error) -> Error {
        let frames = self.so_far().0.pushed;
        let at = match self.last {
            Some(last) => format!("after {:.3} s and {frames} frames", last.as_nanos() as f64 / 1e9),
            None => "at the first frame".to_owned(),
        };
        error.prefixed(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_range_is_checked_and_the_field_named() {
        let base = || RunFileConfig::new(CameraConfig::new("yard"));
        assert!(base().validate().is_ok());
        for (field, config) in [
            ("chunk_s", RunFileConfig { chunk_s: 0.0, ..base() }),
            ("chunk_s", RunFileConfig { chunk_s: f64::NAN, ..base() }),
            ("in_flight", RunFileConfig { in_flight: 0, ..base() }),
            ("in_flight", RunFileConfig { in_flight: 1025, ..base() }),
            ("patience_s", RunFileConfig { patience_s: f64::INFINITY, ..base() }),
            (
                "timeout_s",
                RunFileConfig { source: SourceConfig { timeout_s: 0.0, ..SourceConfig::default() }, ..base() },
            ),
            ("id", RunFileConfig::default()),
        ] {
            let error = config.validate().unwrap_err();
            assert_eq!(error.code(), crate::ErrorCode::InvalidConfig);
            assert!(error.to_string().contains(field), "{field}: {error}");
        }
        assert!(serde_json::from_str::<RunFileConfig>(r#"{ "chunks": 60 }"#).is_err());
    }
}
