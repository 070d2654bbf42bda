//! A clip that stands in for a camera: one thread pushes its frames at their times.

use guarita::clock::{Clock, SystemClock};
use guarita::pipeline::Admission;
use guarita::{Camera, Error, ErrorCode, Timestamp, VideoSource};
use std::str::FromStr;
use std::thread::JoinHandle;
use std::time::Duration;

/// How fast clips go by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Speed {
    /// So many seconds of video in a second.
    Times(f64),
    /// No faster than frames are looked at.
    Fastest,
}

impl FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "realtime" => return Ok(Self::Times(1.0)),
            "fastest" => return Ok(Self::Fastest),
            _ => {}
        }
        let times = text.strip_suffix('x').and_then(|number| number.parse().ok());
        // NaN is in no range.
        let times = times.filter(|times| (0.01..=1000.0).contains(times));
        times.map(Self::Times).ok_or_else(|| "write realtime, fastest, or 0.01x to 1000x".to_owned())
    }
}

/// Everything that a decoder's thread needs.
pub(crate) struct Feed {
    pub(crate) camera: Camera,
    pub(crate) source: VideoSource,
    pub(crate) speed: Speed,
    /// When all of them began.
    pub(crate) begun: Timestamp,
    /// How much of the clip is shown.
    pub(crate) seconds: Option<f64>,
}

/// How often a thread looks whether there is room for the next frame.
const LOOK: Duration = Duration::from_millis(1);

impl Feed {
    pub(crate) fn start(self) -> Result<JoinHandle<Result<(), Error>>, Error> {
        let name = format!("decode-{}", self.camera.id().as_str());
        std::thread::Builder::new().name(name).spawn(move || self.run()).map_err(|error| {
            Error::new(ErrorCode::ResourceExhausted, format!("cannot start a thread: {error}")).with_source(error)
        })
    }

    fn run(self) -> Result<(), Error> {
        let room = u64::try_from(self.camera.config().queue.capacity).unwrap_or(u64::MAX);
        let mut first = None;
        for frame in self.source {
            let frame = frame?;
            let pts = frame.meta().pts;
            let at = pts - *first.get_or_insert(pts);
            if self.seconds.is_some_and(|seconds| at.as_secs_f64() >= seconds) {
                break;
            }
            match self.speed {
                Speed::Times(times) => wait_until(self.begun + at.div_f64(times)),
                // As many as wait at one stage: then none has to give way.
                Speed::Fastest => {
                    while self.camera.stats().account.in_flight >= room {
                        std::thread::park_timeout(LOOK);
                    }
                }
            }
            if let Admission::Refused(error) = self.camera.push(frame) {
                return Err(error);
            }
        }
        Ok(())
    }
}

fn wait_until(time: Timestamp) {
    loop {
        let left = time - SystemClock.now();
        if left.is_zero() {
            return;
        }
        std::thread::park_timeout(left);
    }
}
