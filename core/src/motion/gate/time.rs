//! The gate's own time: seconds that never go back, whatever the timestamps do.

use crate::clock::Timestamp;
use serde::{Deserialize, Serialize};

/// The assumed duration of a frame where timestamps give none, in seconds.
const USUAL_S: f64 = 0.04;
/// The longest step that a timestamp is believed, a day; and by how much frames come out of order.
const MOST_S: f64 = 86_400.0;
const OUT_OF_ORDER_NS: i64 = 1_000_000_000;
/// This many timestamps in a row without an increase mean a stopped clock, not repeated frames.
const STALLED: u32 = 5;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Time {
    now_ns: i64,
    last_ns: Option<i64>,
    /// A recent interval that was sound, in seconds; 0 before there is one.
    interval_s: f64,
    stalled: u32,
}

impl Time {
    /// Takes the next timestamp; returns the seconds since the frame before. A timestamp that is not later counts as the same
    /// instant, until there are so many of them that the clock must have stopped.
    pub(super) fn advance(&mut self, pts: Timestamp) -> f64 {
        let pts = pts.as_nanos();
        let last = self.last_ns;
        // A frame out of order does not set the clock back, a clock that was set back does.
        if last.is_none_or(|last| pts > last || last.saturating_sub(pts) > OUT_OF_ORDER_NS) {
            self.last_ns = Some(pts);
        }
        let step = match last {
            None => 0.0,
            Some(last) => (pts.saturating_sub(last) as f64 * 1e-9).min(MOST_S),
        };
        let step = if step > 0.0 {
            self.stalled = 0;
            self.interval_s = step.min(1.0);
            step
        } else if last.is_none() {
            0.0
        } else {
            self.stalled = self.stalled.saturating_add(1);
            let usual = if self.interval_s > 0.0 { self.interval_s } else { USUAL_S };
            if self.stalled >= STALLED { usual } else { 0.0 }
        };
        self.now_ns = self.now_ns.saturating_add((step * 1e9).round() as i64);
        step
    }

    /// Seconds since the first frame.
    pub(super) fn now_s(&self) -> f64 {
        self.now_ns as f64 * 1e-9
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(millis: &[i64]) -> Vec<f64> {
        let mut time = Time::default();
        millis.iter().map(|&pts| (time.advance(Timestamp::from_millis(pts)) * 1e3).round()).collect()
    }

    #[test]
    fn time_does_not_go_back_or_stand_still_for_ever() {
        assert_eq!(steps(&[50, 150, 150, 250]), [0.0, 100.0, 0.0, 100.0]);
        // The clock was set back: it goes on from there.
        assert_eq!(steps(&[5000, 5100, 20, 120, 220]), [0.0, 100.0, 0.0, 100.0, 100.0]);
        // Frames in the order of decoding.
        assert_eq!(steps(&[0, 200, 100, 400, 300]), [0.0, 200.0, 0.0, 200.0, 0.0]);
        // One timestamp out of this world.
        let mut wild = Time::default();
        for pts in [0, i64::MAX, 100_000_000, 200_000_000] {
            wild.advance(Timestamp::from_nanos(pts));
        }
        assert!((wild.now_s() - 86_400.1).abs() < 1e-6, "{wild:?}");
        let stopped = steps(&[100; 9]);
        assert_eq!(stopped, [0.0, 0.0, 0.0, 0.0, 0.0, 40.0, 40.0, 40.0, 40.0]);
        let mut time = Time::default();
        time.advance(Timestamp::from_nanos(i64::MIN));
        assert!(time.advance(Timestamp::from_nanos(i64::MAX)).is_finite());
    }
}
