//! Frames out of video files: an `ffmpeg` program decodes in a process of its own.

mod child;
mod config;
mod ending;
mod input;
mod log;
mod nut;
mod program;

pub use config::SourceConfig;

use crate::clock::Timestamp;
use crate::error::{Error, ErrorCode, Result};
use crate::frame::{CameraId, Frame, FrameMeta, Layout};
use crate::geometry::Size;
use child::Child;
use config::MAX_SIDE;
use ending::Exit;
use input::{Input, OFFSET_S};
use log::Log;
use program::Program;
use std::ffi::OsStr;
use std::io::{BufReader, Read};
use std::path::Path;
use std::process::{ChildStderr, ChildStdout, Command};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

/// The program that decodes, where no config names one, and who named it.
pub(crate) fn program() -> Result<(std::path::PathBuf, &'static str)> {
    program::find(None).map(|found| (found.path, found.origin))
}

/// Frames of a video file, each with its own presentation time.
///
/// An `ffmpeg` program (4.2 or newer) decodes in a child process, so that a hostile file has another process to break.
/// It is, in this order: [`SourceConfig::ffmpeg`]; the program that the variable `GUARITA_FFMPEG` names; `ffmpeg` on
/// `PATH`; the one of the PyPI package `imageio-ffmpeg` in `$VIRTUAL_ENV`, or in `.venv` of the working folder. The first
/// two are binding. The child ends with the source: when it is dropped, when a panic unwinds, and on Linux also when
/// the host is killed.
///
/// The iterator gives every frame that could be decoded. If the file turns out to be damaged, or cut off, the last item
/// is one error that says so; after an error or the end there is nothing more. At most four frames are in memory
/// besides those that the caller keeps: a slow reader stops the decoder.
///
/// ```no_run
/// use guarita::VideoSource;
/// use guarita::source::SourceConfig;
///
/// let config = SourceConfig { width: Some(640), fps: Some(5.0), ..SourceConfig::default() };
/// for frame in VideoSource::open("yard.mp4", config)? {
///     let frame = frame?;
///     println!("{:>9} ms {}", frame.meta().pts.as_nanos() / 1_000_000, frame.size());
/// }
/// # Ok::<(), guarita::Error>(())
/// ```
#[derive(Debug)]
pub struct VideoSource {
    /// Nothing after the end or an error.
    stream: Option<Stream>,
    name: String,
    program: Program,
    layout: Layout,
    frame_rate: Option<f64>,
    duration: Option<Duration>,
    camera: CameraId,
    timeout: Duration,
    /// For how long the next frame has been waited for.
    waited: Duration,
    seq: u64,
}

impl VideoSource {
    /// Starts the program and waits for its first frame.
    ///
    /// `path_or_url` is a file or a named pipe; whatever stands in a path, it is only a name. With one of the schemes
    /// `http`, `https`, `rtsp`, `rtp`, `udp` or `tcp`, in small letters or capitals, it is a stream. Streams are opened as they are given; reconnecting,
    /// and what else a live camera wants, is not there yet.
    ///
    /// # Errors
    /// `InvalidConfig`, `InvalidArgument` for a folder or an unknown scheme, `NotFound` or `PermissionDenied` for the
    /// file, `RuntimeUnavailable` where there is no usable program, `DataCorrupt` for a file that is no video,
    /// `Unsupported` for a container or a codec that is not opened, `ResourceExhausted` past `max_pixels` or
    /// `max_memory_mib`, `DeadlineExceeded` where no frame comes in `timeout_s`.
    pub fn open(path_or_url: impl AsRef<OsStr>, config: SourceConfig) -> Result<Self> {
        config.validate()?;
        let input = Input::new(path_or_url.as_ref())?;
        let program = program::find(config.ffmpeg.as_deref())?;
        let mut stream = Stream::start(&program, &input, &config)?;
        let (name, timeout) = (input.name(), config.timeout());
        let failed = |error: Error| in_source(&name, &program, error);
        let (size, frame_rate) = match stream.receive(timeout).map_err(failed)? {
            Some(Event::Opened { size, frame_rate }) => (size, frame_rate),
            Some(Event::Fault(what)) => return Err(failed(stream.no_ffmpeg(&what))),
            Some(Event::Frame { .. }) => return Err(Error::internal("a frame came before the header")),
            None => return Err(failed(stream.end(0).unwrap_or_else(no_frame))),
        };
        let layout = checked_layout(size, &config).map_err(failed)?;
        Ok(Self {
            duration: stream.duration(),
            stream: Some(stream),
            layout,
            frame_rate,
            camera: CameraId::new(&config.camera),
            timeout,
            waited: Duration::ZERO,
            seq: 0,
            name,
            program,
        })
    }

    /// What was opened, as messages call it: a path, or a URL without name, password and the values of its query.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Width and height of every frame, in pixels, after the video's own rotation was applied.
    pub fn size(&self) -> Size {
        self.layout.size()
    }

    /// How long the video is, as its container says or `ffmpeg` estimates; for progress bars, since both can be wrong.
    pub fn duration(&self) -> Option<Duration> {
        self.duration
    }

    /// Frames in a second of the video, where its container says so, without regard to [`SourceConfig::fps`]. With a
    /// variable frame rate it is a guess; the times of the frames are not.
    pub fn frame_rate(&self) -> Option<f64> {
        self.frame_rate
    }

    /// The program that decodes.
    pub fn program(&self) -> &Path {
        &self.program.path
    }

    /// The process that decodes; `None` once the source has ended. For reports and tests: it is not the host's to signal.
    pub fn process_id(&self) -> Option<u32> {
        self.stream.as_ref().map(|stream| stream.child.id())
    }

    /// As the iterator's `next`, but it waits for this long at most and is `Pending` then: for callers who look up in between.
    /// What was waited for counts towards `timeout_s`.
    pub fn poll_next(&mut self, most: Duration) -> Poll<Option<Result<Frame>>> {
        let Some(stream) = self.stream.as_mut() else { return Poll::Ready(None) };
        let left = self.timeout.saturating_sub(self.waited);
        match stream.events.recv_timeout(left.min(most)) {
            Err(RecvTimeoutError::Timeout) if most < left => {
                self.waited += most;
                Poll::Pending
            }
            Err(RecvTimeoutError::Timeout) => {
                let error = stream.timed_out(self.timeout);
                Poll::Ready(self.failed(error))
            }
            event => {
                self.waited = Duration::ZERO;
                Poll::Ready(self.take(event.ok()))
            }
        }
    }

    fn failed(&mut self, error: Error) -> Option<Result<Frame>> {
        self.stream = None;
        Some(Err(in_source(&self.name, &self.program, error)))
    }

    /// The frame of an event; none is the end of the stream.
    fn take(&mut self, event: Option<Event>) -> Option<Result<Frame>> {
        match event {
            Some(Event::Frame { pts_ns, pixels }) => {
                let meta = FrameMeta { camera: self.camera.clone(), pts: Timestamp::from_nanos(pts_ns), seq: self.seq };
                self.seq += 1;
                match Frame::from_owner(pixels, self.layout.clone()) {
                    Ok(frame) => Some(Ok(frame.with_meta(meta))),
                    Err(error) => self.failed(error),
                }
            }
            Some(Event::Fault(what)) => self
                .failed(Error::data_corrupt(format!("the decoder sends nonsense after {} frames: {what}", self.seq))),
            Some(Event::Opened { .. }) => self.failed(Error::internal("a second header")),
            None => match self.stream.as_mut()?.end(self.seq) {
                Some(error) => self.failed(error),
                None => {
                    self.stream = None;
                    None
                }
            },
        }
    }
}

impl Iterator for VideoSource {
    type Item = Result<Frame>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Poll::Ready(next) = self.poll_next(self.timeout) {
                return next;
            }
        }
    }
}

impl std::iter::FusedIterator for VideoSource {}

/// Adds the source's name to an error.
fn in_source(name: &str, program: &Program, error: Error) -> Error {
    let by = match error.code() {
        ErrorCode::RuntimeUnavailable => format!(" ({}, from {})", program.path.display(), program.origin),
        _ => String::new(),
    };
    let message = format!("{name}: {error}{by}");
    error.reworded(message)
}

fn no_frame() -> Error {
    Error::data_corrupt("it has no frame that can be decoded")
}

/// The layout of every frame, from an untrusted size.
fn checked_layout(size: Size, config: &SourceConfig) -> Result<Layout> {
    if size.width.max(size.height) > MAX_SIDE || size.pixels() > config.max_pixels {
        return Err(Error::resource_exhausted(format!(
            "its frames are {size}; max_pixels allows {}, and a side may have {MAX_SIDE}",
            config.max_pixels
        ))
        .with_advice(crate::error::Advice::ChangeInput)
        .with_field("max_pixels")
        .with_limit(config.max_pixels as f64));
    }
    Layout::packed(config.format, size)
}

/// What the thread that reads the pipe hands on.
enum Event {
    Opened {
        size: Size,
        frame_rate: Option<f64>,
    },
    Frame {
        pts_ns: i64,
        pixels: Vec<u8>,
    },
    /// Bytes that no `ffmpeg` sends; nothing follows.
    Fault(String),
}

/// Capacity of the queue of decoded frames.
const WAITING: usize = 2;

/// A child and the two threads that empty its pipes.
#[derive(Debug)]
struct Stream {
    // Dropped first: a reader that waits for a place gets an answer, and the child's pipe breaks.
    events: Receiver<Event>,
    child: Child,
    log: Arc<Mutex<Log>>,
    /// Says that the duration was read; closed when the log is complete.
    log_news: Receiver<()>,
}

impl Stream {
    fn start(program: &Program, input: &Input, config: &SourceConfig) -> Result<Self> {
        let mut command = Command::new(&program.path);
        command.args(input.arguments(config));
        let (child, stdout, stderr) =
            Child::start(command, u64::from(config.max_memory_mib) << 20).map_err(|error| {
                Error::runtime_unavailable(format!(
                    "cannot run {} (from {}): {error}. {}",
                    program.path.display(),
                    program.origin,
                    program::REMEDY
                ))
                .with_source(error)
            })?;
        let log = Arc::new(Mutex::new(Log::new(input.secrets())));
        let (news, log_news) = sync_channel(1);
        let (sender, events) = sync_channel(WAITING);
        let written = Arc::clone(&log);
        thread("guarita-log", move || follow_log(stderr, &written, &news))?;
        let config = config.clone();
        thread("guarita-video", move || read_frames(stdout, &config, &sender))?;
        Ok(Self { events, child, log, log_news })
    }

    /// The next event; `None` when the child has sent all.
    fn receive(&mut self, timeout: Duration) -> Result<Option<Event>> {
        match self.events.recv_timeout(timeout) {
            Ok(event) => Ok(Some(event)),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            Err(RecvTimeoutError::Timeout) => Err(self.timed_out(timeout)),
        }
    }

    fn timed_out(&self, timeout: Duration) -> Error {
        let words = self.words();
        Error::deadline_exceeded(format!("no frame in {} s (timeout_s){words}", timeout.as_secs_f64()))
    }

    /// The error of a stream that has ended, if any.
    fn end(&mut self, frames: u64) -> Option<Error> {
        let exit = self.child.finish();
        // The pipe closes with the child; a grandchild that holds it is not waited for.
        while self.log_news.recv_timeout(Duration::from_secs(1)).is_ok() {}
        let log = self.log();
        if exit == Exit::Ended(0) && log.faults == 0 && (frames > 0 || log.any_level) {
            return None;
        }
        let (code, advice, what) = ending::verdict(&exit, frames > 0, &log.text(), log.any_level);
        drop(log);
        let after = if frames > 0 { format!(" after {frames} frames") } else { String::new() };
        let how = match exit {
            Exit::Crashed(signal) => format!(" (signal {signal})"),
            _ => String::new(),
        };
        let remedy = if code == ErrorCode::RuntimeUnavailable { program::REMEDY } else { "" };
        let separator = if remedy.is_empty() { "" } else { ". " };
        let error = Error::new(code, format!("{what}{how}{after}{separator}{remedy}{}", self.words()));
        Some(match advice {
            Some(advice) => error.with_advice(advice),
            None => error,
        })
    }

    /// An answer at the very start that is not ours: `ffmpeg` was not what was started.
    fn no_ffmpeg(&mut self, what: &str) -> Error {
        Error::runtime_unavailable(format!("the program does not answer as ffmpeg does: {what}. {}", program::REMEDY))
    }

    /// As the container says. The program says it before it decodes, but through the other pipe.
    fn duration(&self) -> Option<Duration> {
        let _ = self.log_news.recv_timeout(Duration::from_secs(1));
        self.log().duration.flatten()
    }

    fn words(&self) -> String {
        match self.log().text() {
            text if text.is_empty() => String::new(),
            text => format!("; ffmpeg says:\n  {text}"),
        }
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn thread(name: &str, work: impl FnOnce() + Send + 'static) -> Result<()> {
    std::thread::Builder::new().name(name.into()).spawn(work).map(drop).map_err(|error| {
        Error::resource_exhausted(format!("cannot start the thread {name}: {error}")).with_source(error)
    })
}

fn follow_log(stderr: ChildStderr, log: &Mutex<Log>, news: &SyncSender<()>) {
    let mut said = false;
    log::read_lines(stderr, |line| {
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        log.line(line);
        if !said && log.duration.is_some() {
            said = true;
            let _ = news.try_send(());
        }
    });
}

fn read_frames(stdout: ChildStdout, config: &SourceConfig, events: &SyncSender<Event>) {
    if let Err(nut::Fault::Wrong(what)) = pass_on(BufReader::new(stdout), config, events) {
        let _ = events.send(Event::Fault(what));
    }
}

/// Reads the pipe until it ends or the receiver is dropped. A pipe cut short also ends it: the child's exit tells why.
fn pass_on(pipe: impl Read, config: &SourceConfig, events: &SyncSender<Event>) -> Result<(), nut::Fault> {
    let Some(mut reader) = nut::Reader::open(pipe)? else { return Ok(()) };
    let size = reader.size();
    if events.send(Event::Opened { size, frame_rate: reader.frame_rate() }).is_err() {
        return Ok(());
    }
    // The caller refuses such a size with words of its own.
    let Ok(layout) = checked_layout(size, config) else { return Ok(()) };
    while let Some((pts_ns, pixels)) = reader.next(layout.byte_len())? {
        let pts_ns = pts_ns.saturating_sub(OFFSET_S * 1_000_000_000);
        if events.send(Event::Frame { pts_ns, pixels }).is_err() {
            break;
        }
    }
    Ok(())
}
