use crate::clock::Timestamp;
use std::time::Duration;

/// Moving average of a side's latency, and what to expect of it.
#[derive(Debug, Default)]
pub(super) struct LatencyEstimate {
    usual: Option<Duration>,
    asked: Option<Timestamp>,
}

/// Older measurements are stale: the side may have become fast again.
const FRESH: Duration = Duration::from_secs(10);

impl LatencyEstimate {
    pub(super) fn asked(&mut self, now: Timestamp) {
        self.asked = Some(now);
    }

    pub(super) fn answered(&mut self, took: Duration) {
        // Half of the way: a side that has become quick again is believed after a few answers.
        self.usual = Some(self.usual.map_or(took, |usual| usual.saturating_add(took) / 2));
    }

    /// How long it usually takes; zero before its first answer.
    pub(super) fn usual(&self) -> Duration {
        self.usual.unwrap_or_default()
    }

    /// Whether the latency should be measured anew.
    pub(super) fn is_stale(&self, now: Timestamp) -> bool {
        self.asked.is_none_or(|asked| now - asked >= FRESH)
    }

    /// Whether no answer in this time counts against the side: twice its usual time is enough for that, or a fifth of
    /// `timeout` where it has never answered; less is the fault of a short deadline.
    pub(super) fn had_time(&self, had: Duration, timeout: Duration) -> bool {
        had >= self.usual.map_or(timeout / 5, |usual| usual.saturating_mul(2).min(timeout))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hurry_speaks_against_nobody() {
        let ms = Duration::from_millis;
        let mut latency = LatencyEstimate::default();
        assert!(!latency.had_time(ms(999), ms(5_000)) && latency.had_time(ms(1_000), ms(5_000)));
        latency.answered(ms(30));
        assert!(!latency.had_time(ms(59), ms(5_000)) && latency.had_time(ms(60), ms(5_000)));
        latency.answered(ms(9_970));
        assert_eq!(latency.usual(), ms(5_000));
        assert!(!latency.had_time(ms(4_999), ms(5_000)) && latency.had_time(ms(5_000), ms(5_000)));
    }

    #[test]
    fn what_was_learnt_grows_old() {
        let mut latency = LatencyEstimate::default();
        assert!(latency.is_stale(Timestamp::default()));
        latency.asked(Timestamp::from_millis(1_000));
        assert!(!latency.is_stale(Timestamp::from_millis(10_999)) && latency.is_stale(Timestamp::from_millis(11_000)));
    }
}
