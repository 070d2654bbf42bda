use crate::clock::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Which frames of a camera are looked at, by their presentation time: at most `fps` a second in the long run, evenly.
///
/// The times wanted lie on a grid from the first frame on. A frame is taken from a quarter of a period before its place on
/// the grid, so that a camera whose rate is the wanted one, and whose times jitter, loses no frame; the grid keeps the rate
/// exact. After a gap the grid begins anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Sampler {
    last: Option<Timestamp>,
    due: Timestamp,
}

/// The sampler's decision on a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sample {
    /// To be looked at.
    Take,
    /// Too soon after the one before.
    Leave,
    /// Its time is not after that of the one before.
    Backwards,
}

/// A larger step back means that a clock was set, or a stream restarted. A smaller one is a frame that came late, or
/// twice.
const NEW_ORIGIN: Duration = Duration::from_secs(1);

impl Sampler {
    /// Whether the times of the stream begin with this frame: it is the first one, or of a new origin.
    pub(super) fn begins(&self, pts: Timestamp) -> bool {
        self.last.is_none_or(|last| pts <= last && last - pts >= NEW_ORIGIN)
    }

    /// Looks at the next frame; `fps` 0 takes all.
    pub(super) fn on(&mut self, pts: Timestamp, fps: f64) -> Sample {
        if self.begins(pts) {
            self.due = pts;
        } else if self.last.is_some_and(|last| pts <= last) {
            return Sample::Backwards;
        }
        self.last = Some(pts);
        if fps <= 0.0 {
            return Sample::Take;
        }
        let period = Duration::try_from_secs_f64(1.0 / fps).unwrap_or(Duration::MAX);
        if pts + period / 4 < self.due {
            return Sample::Leave;
        }
        let next = self.due + period;
        self.due = if next <= pts { pts + period } else { next };
        Sample::Take
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of the frames at these milliseconds are taken.
    fn taken(fps: f64, times: impl IntoIterator<Item = i64>) -> usize {
        let mut sampler = Sampler::default();
        times.into_iter().filter(|&ms| sampler.on(Timestamp::from_millis(ms), fps) == Sample::Take).count()
    }

    #[test]
    fn the_rate_is_exact_in_the_long_run() {
        for (fps, camera, seconds, expected) in [
            (1.0, 30.0, 100, 100),
            (5.0, 30.0, 100, 500),
            (0.2, 25.0, 100, 20),
            (7.0, 30.0, 100, 700),
            (2.5, 3.0, 100, 250),
        ] {
            let frames = (0..).map(|k| (f64::from(k) * 1e3 / camera) as i64).take_while(|ms| *ms < seconds * 1000);
            let taken = taken(fps, frames);
            assert!(taken.abs_diff(expected) <= 1, "{fps} of {camera}: {taken}");
        }
        assert_eq!(taken(0.0, 0..500), 500);
    }

    #[test]
    fn jitter_loses_no_frame_and_a_gap_makes_no_burst() {
        let jitter = [20, -15, 0, 30, -30, 10, -5, 25];
        assert_eq!(taken(1.0, (0..80).map(|k| k * 1000 + jitter[k as usize % 8])), 80);
        // Ten minutes of silence, then 30 fps: one a second again, and none on account of the silence.
        let taken = taken(1.0, (0..10).map(|k| k * 1000).chain((0..300).map(|k| 600_000 + k * 33)));
        assert!((20..=21).contains(&taken), "{taken}");
    }

    #[test]
    fn time_that_goes_back() {
        let mut sampler = Sampler::default();
        let mut at = |ms| sampler.on(Timestamp::from_millis(ms), 1.0);
        assert_eq!(at(10_000), Sample::Take);
        assert_eq!(at(10_000), Sample::Backwards);
        assert_eq!(at(9_500), Sample::Backwards);
        assert_eq!(at(10_300), Sample::Leave);
        assert_eq!(at(5_000), Sample::Take);
        assert_eq!(at(6_000), Sample::Take);
        assert_eq!(sampler.on(Timestamp::from_nanos(i64::MIN), 1.0), Sample::Take);
        assert_eq!(sampler.on(Timestamp::from_nanos(i64::MAX), 1.0), Sample::Take);
        assert_eq!(sampler.on(Timestamp::from_nanos(i64::MAX), 1e-9), Sample::Backwards);
    }
}
