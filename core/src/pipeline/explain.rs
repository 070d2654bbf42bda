use super::{DropReason, Outcome, SkipReason};
use crate::clock::{Timestamp, UnixTime};
use crate::motion::{IgnoreReasons, MotionState, OpenReason};
use crate::seconds;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::fmt;

/// The outcome of a frame, or of a run of frames with the same one, and the measurements behind it. In JSON, `from`, `to` and
/// `age_ms` are `begin`, `end` and `age`, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Decision {
    /// Presentation time of the (first) frame.
    #[serde(rename = "begin", with = "seconds")]
    pub from: Timestamp,
    /// Presentation time of the (last) frame.
    #[serde(rename = "end", with = "seconds")]
    pub to: Timestamp,
    /// Civil time of the (first) frame.
    pub time: UnixTime,
    /// How many frames.
    pub frames: u32,
    /// How they ended.
    pub outcome: Outcome,
    /// State of the motion gate; none where it was not consulted.
    pub gate: Option<MotionState>,
    /// Why the gate was open; none where it was closed.
    pub open: Option<OpenReason>,
    /// The largest share of the picture that moved, 0..1.
    pub motion: f32,
    /// What other changes of the picture were ignored for.
    pub ignored: IgnoreReasons,
    /// The mean luma of the picture, 0..255; 0 where nobody looked.
    pub luma: u8,
    /// From the push until it ended, in milliseconds; the longest.
    #[serde(rename = "age", with = "age")]
    pub age_ms: u32,
    /// Objects that the provider found.
    pub found: u16,
    /// Found objects that passed the filters of label, confidence and region.
    pub counted: u16,
    /// Events that it led to.
    pub events: u16,
    /// Frames of the camera that waited when it came.
    pub waiting: u16,
}

/// Milliseconds, which in JSON are seconds, as all times there.
mod age {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(ms: &u32, serializer: S) -> Result<S::Ok, S::Error> {
        match serializer.is_human_readable() {
            true => (f64::from(*ms) / 1e3).serialize(serializer),
            false => ms.serialize(serializer),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
        match deserializer.is_human_readable() {
            true => f64::deserialize(deserializer).map(|seconds| (seconds * 1e3).round() as u32),
            false => u32::deserialize(deserializer),
        }
    }
}

impl Decision {
    pub(super) fn new(pts: Timestamp, time: UnixTime) -> Self {
        Self {
            from: pts,
            to: pts,
            time,
            frames: 1,
            outcome: Outcome::Analysed,
            gate: None,
            open: None,
            motion: 0.0,
            ignored: IgnoreReasons::default(),
            luma: 0,
            age_ms: 0,
            found: 0,
            counted: 0,
            events: 0,
            waiting: 0,
        }
    }

    /// Whether both can be merged into one run; only for outcomes that are frequent and matter little.
    fn joins(&self, next: &Self) -> bool {
        let quiet = matches!(
            self.outcome,
            Outcome::Skipped(SkipReason::SampledOut | SkipReason::NoMotion | SkipReason::Paused)
                | Outcome::Dropped(DropReason::Newer | DropReason::QueueFull)
        );
        quiet && self.outcome == next.outcome && self.gate == next.gate && next.from >= self.to
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |at: Timestamp| at.as_nanos() as f64 / 1e9;
        write!(f, "{:.3}", seconds(self.from))?;
        if self.frames > 1 {
            write!(f, "..{:.3} s, {} frames", seconds(self.to), self.frames)?;
        } else {
            f.write_str(" s")?;
        }
        write!(f, ": {}", self.outcome)?;
        if let Some(state) = self.gate {
            write!(f, ", gate {state:?}")?;
            if let Some(open) = self.open {
                write!(f, " open for {open:?}")?;
            }
            write!(f, ", {:.3} % moved, luma {}", self.motion * 100.0, self.luma)?;
            for (k, reason) in self.ignored.iter().enumerate() {
                write!(f, "{}{reason:?}", if k == 0 { ", ignored " } else { " and " })?;
            }
        }
        if self.found > 0 {
            write!(f, ", {} found, {} counted, {} events", self.found, self.counted, self.events)?;
        }
        write!(f, ", age {} ms", self.age_ms)
    }
}

/// The last decisions of a camera.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Ring {
    runs: VecDeque<Decision>,
}

impl Ring {
    pub(super) fn push(&mut self, next: Decision, most: usize) {
        if most == 0 {
            self.runs.clear();
            return;
        }
        // Frames that are sampled out come between all others. They join the last run of theirs, if no more than one lies
        // between.
        if let Some(run) = self.runs.iter_mut().rev().take(2).find(|run| run.joins(&next)) {
            run.to = next.to;
            run.frames = run.frames.saturating_add(1);
            run.motion = run.motion.max(next.motion);
            run.ignored = run.ignored.union(next.ignored);
            run.age_ms = run.age_ms.max(next.age_ms);
            run.waiting = run.waiting.max(next.waiting);
            run.luma = next.luma;
            return;
        }
        while self.runs.len() >= most {
            self.runs.pop_front();
        }
        self.runs.push_back(next);
    }

    /// Those that have a frame between these times, both included.
    pub(super) fn between(&self, from: Timestamp, to: Timestamp) -> Vec<Decision> {
        self.runs.iter().filter(|run| run.to >= from && run.from <= to).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorCode;

    fn at(ms: i64, outcome: Outcome) -> Decision {
        Decision { outcome, ..Decision::new(Timestamp::from_millis(ms), UnixTime::default()) }
    }

    #[test]
    fn a_quiet_night_is_a_few_runs() {
        let mut ring = Ring::default();
        for k in 0..30_000 {
            let quiet = if k % 5 == 0 { SkipReason::NoMotion } else { SkipReason::SampledOut };
            ring.push(at(k * 200, Outcome::Skipped(quiet)), 16);
        }
        assert_eq!(ring.runs.len(), 2);
        assert_eq!(ring.runs.iter().map(|run| run.frames).sum::<u32>(), 30_000);
        ring.push(at(6_000_100, Outcome::Analysed), 16);
        ring.push(at(6_000_200, Outcome::Failed(ErrorCode::DataCorrupt)), 16);
        ring.push(at(6_000_300, Outcome::Skipped(SkipReason::NoMotion)), 16);
        assert_eq!(ring.between(Timestamp::from_millis(6_000_050), Timestamp::from_millis(6_000_250)).len(), 2);
        assert_eq!(ring.between(Timestamp::from_millis(1000), Timestamp::from_millis(1000)).len(), 2);
        assert_eq!(ring.between(Timestamp::from_millis(7_000_000), Timestamp::from_millis(8_000_000)).len(), 0);
    }

    #[test]
    fn the_ring_is_bounded_and_its_entries_are_small() {
        let mut ring = Ring::default();
        for k in 0..100 {
            ring.push(at(k, Outcome::Analysed), 7);
        }
        assert_eq!(ring.runs.len(), 7);
        assert_eq!(ring.runs[0].from, Timestamp::from_millis(93));
        assert!(size_of::<Decision>() <= 64, "{}", size_of::<Decision>());
    }
}
