use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A histogram of durations with eight steps for each doubling (7 to 13 %), from a microsecond to half an hour:
/// percentiles are off by no more than a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Histogram {
    counts: Vec<u64>,
    count: u64,
    sum_us: u64,
    max_us: u64,
}

/// Steps for each doubling.
const STEPS: u32 = 8;
/// Doublings of a microsecond.
const OCTAVES: u32 = 31;

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; (STEPS * OCTAVES) as usize], count: 0, sum_us: 0, max_us: 0 }
    }
}

impl Histogram {
    pub(super) fn record(&mut self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let step = Self::step(us).min(self.counts.len().saturating_sub(1));
        if let Some(count) = self.counts.get_mut(step) {
            *count = count.saturating_add(1);
        }
        self.count = self.count.saturating_add(1);
        self.sum_us = self.sum_us.saturating_add(us);
        self.max_us = self.max_us.max(us);
    }

    /// Whether data that was read forms a valid histogram.
    pub(super) fn is_sound(&self) -> bool {
        let sum = self.counts.iter().try_fold(0_u64, |sum, count| sum.checked_add(*count));
        self.counts.len() == (STEPS * OCTAVES) as usize && sum == Some(self.count)
    }

    /// Index of a duration's bucket: its leading bits, as in a floating point number.
    fn step(us: u64) -> usize {
        if us < u64::from(STEPS) {
            return us as usize;
        }
        let octave = us.ilog2();
        let within = (us >> (octave - STEPS.ilog2())) & u64::from(STEPS - 1);
        ((octave - STEPS.ilog2() + 1) as u64 * u64::from(STEPS) + within) as usize
    }

    /// The first microsecond after a step.
    fn end_of(step: usize) -> u64 {
        let (octave, within) = (step as u32 / STEPS, step as u64 % u64::from(STEPS));
        match octave {
            0 => within + 1,
            octave => (u64::from(STEPS) + within + 1) << (octave - 1),
        }
    }

    /// The durations recorded since an earlier state of the same histogram. The maximum remains that of all time.
    pub fn since(&self, earlier: &Self) -> Self {
        let counts = self.counts.iter().zip(&earlier.counts).map(|(now, then)| now.saturating_sub(*then)).collect();
        Self {
            counts,
            count: self.count.saturating_sub(earlier.count),
            sum_us: self.sum_us.saturating_sub(earlier.sum_us),
            max_us: self.max_us,
        }
    }

    /// Number of recorded durations.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Sum of all durations.
    pub fn sum(&self) -> Duration {
        Duration::from_micros(self.sum_us)
    }

    /// The longest.
    pub fn max(&self) -> Duration {
        Duration::from_micros(self.max_us)
    }

    /// The percentile for this share, 0..1; zero where nothing was recorded.
    pub fn percentile(&self, share: f64) -> Duration {
        let wanted = (self.count as f64 * share.clamp(0.0, 1.0)).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (step, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted && seen > 0 {
                return Duration::from_micros(Self::end_of(step).min(self.max_us));
            }
        }
        Duration::ZERO
    }

    /// Number of durations up to this one, to within a step.
    pub fn at_most(&self, took: Duration) -> u64 {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.counts
            .iter()
            .enumerate()
            .take_while(|(step, _)| Self::end_of(*step) <= us.saturating_add(1))
            .map(|(_, n)| n)
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_off_by_a_step_at_most() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.percentile(0.99), Duration::ZERO);
        for us in 1..=100_000 {
            histogram.record(Duration::from_micros(us));
        }
        for share in [0.01, 0.5, 0.9, 0.99, 1.0] {
            let exact = share * 100_000.0;
            let got = histogram.percentile(share).as_micros() as f64;
            assert!(got >= exact && got <= exact * 1.13, "{share}: {got} for {exact}");
        }
        assert_eq!(histogram.count(), 100_000);
        assert_eq!(histogram.max(), Duration::from_millis(100));
        let earlier = histogram.clone();
        histogram.record(Duration::from_secs(7));
        let since = histogram.since(&earlier);
        assert_eq!((since.count(), since.sum()), (1, Duration::from_secs(7)));
        assert!(since.percentile(0.5) >= Duration::from_secs(7));
        let half = histogram.at_most(Duration::from_millis(50)) as f64;
        assert!((44_000.0..=50_000.0).contains(&half), "{half}");
    }

    #[test]
    fn every_duration_has_a_place() {
        for us in [0, 1, 7, 8, 9, 15, 16, 17, 1023, 1024, 1_000_000_007, u64::MAX >> 1, u64::MAX] {
            let step = Histogram::step(us);
            let most = (STEPS * OCTAVES) as usize - 1;
            assert!(
                step > most || Histogram::end_of(step) > us && (step == 0 || Histogram::end_of(step - 1) <= us),
                "{us}"
            );
        }
        let mut histogram = Histogram::default();
        histogram.record(Duration::MAX);
        assert_eq!(histogram.count(), 1);
    }
}
