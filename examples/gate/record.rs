//! What is kept of a clip, and its summary in words.

use guarita::Detections;
use guarita::motion::{MotionState, OpenReason};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// One frame.
pub(crate) struct Moment {
    pub(crate) at_s: f64,
    pub(crate) state: MotionState,
    pub(crate) fraction: f32,
    /// Why the gate is open; none where it is closed.
    pub(crate) reason: Option<OpenReason>,
    /// Whether the detector looked at it.
    pub(crate) looks: bool,
}

/// A clip that was watched.
pub(crate) struct Record {
    pub(crate) name: String,
    pub(crate) moments: Vec<Moment>,
    /// Times of detections of each class; a time stands there once for each box.
    pub(crate) found: BTreeMap<(String, u32), Vec<f64>>,
    pub(crate) min_fraction: f32,
    every_s: f64,
    duration: Option<Duration>,
    /// Time inside the calls of the gate and of the detector, each on one thread.
    pub(crate) gate: Duration,
    pub(crate) detector: Duration,
    /// From opening the clip to its end, decoding included.
    pub(crate) wall: Duration,
}

impl Record {
    pub(crate) fn new(name: String, min_fraction: f32, every_s: f64, duration: Option<Duration>) -> Self {
        Self {
            name,
            moments: Vec::new(),
            found: BTreeMap::new(),
            min_fraction,
            every_s,
            duration,
            gate: Duration::ZERO,
            detector: Duration::ZERO,
            wall: Duration::ZERO,
        }
    }

    pub(crate) fn count(&mut self, at_s: f64, found: &Detections) {
        for one in found {
            self.found.entry((one.label.name.to_string(), one.label.id)).or_default().push(at_s);
        }
    }

    /// Frames that the gate let pass.
    pub(crate) fn opened(&self) -> usize {
        self.moments.iter().filter(|moment| moment.reason.is_some()).count()
    }

    pub(crate) fn opened_for(&self, reason: OpenReason) -> usize {
        self.moments.iter().filter(|moment| moment.reason == Some(reason)).count()
    }

    pub(crate) fn analysed(&self) -> usize {
        self.moments.iter().filter(|moment| moment.looks).count()
    }

    /// Classes with their number and the times of their boxes, the most frequent first.
    pub(crate) fn labels(&self) -> Vec<(&str, u32, &[f64])> {
        let mut labels: Vec<_> =
            self.found.iter().map(|((name, id), times)| (name.as_str(), *id, times.as_slice())).collect();
        labels.sort_by_key(|(_, _, times)| std::cmp::Reverse(times.len()));
        labels
    }

    /// The end of the last frame: as long after it as it is after the one before.
    pub(crate) fn end_s(&self) -> f64 {
        let at = |back: usize| self.moments.iter().rev().nth(back).map(|moment| moment.at_s);
        let last = at(0).unwrap_or(0.0);
        last + at(1).map_or(0.1, |before| (last - before).clamp(1e-3, 10.0))
    }
}

/// A time of the clip as a person reads it.
pub(crate) fn clock_time(at_s: f64) -> String {
    let tenths = (at_s * 10.0).round().max(0.0) as u64;
    let (minutes, seconds) = (tenths / 600, tenths % 600);
    let rest = format!("{:02}.{}", seconds / 10, seconds % 10);
    if minutes < 60 { format!("{minutes:02}:{rest}") } else { format!("{}:{:02}:{rest}", minutes / 60, minutes % 60) }
}

/// What the gate took the picture for, in words.
pub(crate) fn state_name(state: MotionState) -> &'static str {
    match state {
        MotionState::Learning => "learning",
        MotionState::Stable => "stable",
        MotionState::Moving => "moving",
        MotionState::LightShift => "light shift",
        MotionState::IrSwitch => "infrared switch",
        MotionState::CameraMoved => "camera moved",
        MotionState::Frozen => "frozen",
        MotionState::Obscured => "obscured",
        _ => "other",
    }
}

/// Says that some labels are not named.
pub(crate) fn others(count: usize) -> Option<String> {
    match count {
        0 => None,
        1 => Some("1 more label".to_owned()),
        _ => Some(format!("{count} more labels")),
    }
}

fn share(part: usize, of: usize) -> f64 {
    100.0 * part as f64 / of.max(1) as f64
}

/// Where the gate is open for more of the clip than this, somebody will ask why.
const NEARLY_ALWAYS: f64 = 90.0;

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (frames, opened, analysed) = (self.moments.len(), self.opened(), self.analysed());
        let rate = frames as f64 / self.wall.as_secs_f64().max(1e-3);
        writeln!(f, "{}", self.name)?;
        write!(f, "  frames          {frames:>6}  in {} of video", clock_time(self.end_s()))?;
        if let Some(duration) = self.duration {
            write!(f, " (the file says {})", clock_time(duration.as_secs_f64()))?;
        }
        writeln!(f, "; watched in {:.1} s, {rate:.0} frames/s", self.wall.as_secs_f64())?;
        let reasons = [OpenReason::Motion, OpenReason::Linger, OpenReason::Heartbeat].map(|why| self.opened_for(why));
        let [motion, linger, heartbeat] = reasons;
        writeln!(
            f,
            "  opened          {opened:>6}  {:.1} %: motion {motion}, linger {linger}, heartbeat {heartbeat}",
            share(opened, frames)
        )?;
        let pace = if self.every_s > 0.0 {
            format!("open frames, at most one in {} s", self.every_s)
        } else {
            "every open frame".to_owned()
        };
        writeln!(f, "  analysed        {analysed:>6}  {:.1} %: {pace}", share(analysed, frames))?;
        let labels = self.labels();
        let boxes: usize = labels.iter().map(|(_, _, times)| times.len()).sum();
        let mut by_label: Vec<String> =
            labels.iter().take(8).map(|(name, _, times)| format!("{name} {}", times.len())).collect();
        by_label.extend(others(labels.len() - by_label.len()));
        writeln!(f, "  detections      {boxes:>6}  {}", by_label.join(", "))?;
        let (gate_ms, look_ms) = (
            self.gate.as_secs_f64() * 1e3 / frames.max(1) as f64,
            self.detector.as_secs_f64() * 1e3 / analysed.max(1) as f64,
        );
        writeln!(f, "  in the gate     {:>6.2}  s, {gate_ms:.2} ms a frame", self.gate.as_secs_f64())?;
        writeln!(f, "  in the detector {:>6.2}  s, {look_ms:.2} ms a look", self.detector.as_secs_f64())?;
        let (closed, between) = (share(frames - opened, frames), share(opened - analysed, frames));
        writeln!(
            f,
            "  share saved     {:>6.3}  {closed:.1} % gate closed, {between:.1} % between two looks; about {:.2} s of the \
             detector's time",
            1.0 - analysed as f64 / frames.max(1) as f64,
            (frames - analysed) as f64 * look_ms / 1e3
        )?;
        if share(opened, frames) > NEARLY_ALWAYS {
            writeln!(
                f,
                "  note            the gate was open nearly always: something moves all the time, or the camera does,"
            )?;
            writeln!(f, "                  which is the gate's worst case")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_adds_up() {
        let mut record = Record::new("yard.mp4".into(), 0.01, 0.2, None);
        for k in 0..10 {
            let reason = match k {
                0 => Some(OpenReason::Heartbeat),
                4..7 => Some(OpenReason::Motion),
                7 => Some(OpenReason::Linger),
                _ => None,
            };
            let moment = Moment {
                at_s: f64::from(k),
                state: MotionState::Stable,
                fraction: 0.0,
                reason,
                looks: k == 0 || k == 4,
            };
            record.moments.push(moment);
        }
        record.detector = Duration::from_millis(20);
        let words = record.to_string();
        assert!(words.contains("motion 3, linger 1, heartbeat 1"), "{words}");
        assert!(
            words.contains("0.800  50.0 % gate closed, 30.0 % between two looks; about 0.08 s of the detector's time"),
            "{words}"
        );
        assert_eq!(record.end_s(), 10.0);
    }

    #[test]
    fn times_are_rounded_once() {
        assert_eq!([0.0, 59.96, 61.25, 3599.97].map(clock_time), ["00:00.0", "01:00.0", "01:01.3", "1:00:00.0"]);
    }
}
