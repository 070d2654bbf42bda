use super::config::Escalation;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::resilience::{RateLimit, RateLimitConfig};
use std::time::Duration;

/// Which of the uncertain answers of one window get a second look: the most worthwhile, as many as the rate allows.
#[derive(Debug)]
pub(super) struct Ranking {
    limit: RateLimit,
    window: Duration,
    candidates: Vec<Candidate>,
    window_ends: Option<Timestamp>,
}

#[derive(Debug)]
struct Candidate {
    worth: f32,
    id: u64,
}

impl Ranking {
    pub(super) fn new(config: &Escalation) -> Result<Self> {
        let limit = RateLimit::new(RateLimitConfig {
            per_second: f64::from(config.per_minute) / 60.0,
            burst: (config.per_minute / 10).max(1),
            max_keys: 1,
        })?;
        let window = Duration::from_secs_f64(config.window_s);
        Ok(Self { limit, window, candidates: Vec::new(), window_ends: None })
    }

    /// Takes a candidate; the answer says when its window ends.
    pub(super) fn offer(&mut self, id: u64, worth: f32, now: Timestamp) -> Timestamp {
        self.candidates.push(Candidate { worth, id });
        *self.window_ends.get_or_insert(now + self.window)
    }

    /// The candidates of a window that has ended, most worthwhile first, and whether each gets its look.
    pub(super) fn due(&mut self, now: Timestamp) -> Vec<(u64, bool)> {
        if self.window_ends.is_none_or(|end| now < end) {
            return Vec::new();
        }
        self.window_ends = None;
        let mut candidates = std::mem::take(&mut self.candidates);
        candidates.sort_by(|a, b| b.worth.total_cmp(&a.worth).then(a.id.cmp(&b.id)));
        candidates.iter().map(|candidate| (candidate.id, self.limit.try_acquire("", now).is_ok())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_worthwhile_of_a_window_win_and_the_rate_is_kept() {
        let at = Timestamp::from_millis;
        let config = Escalation { per_minute: 20, window_s: 0.25, ..Escalation::default() };
        let mut ranking = Ranking::new(&config).unwrap();
        for (id, worth) in [(1, 0.2), (2, 0.9), (3, 0.5), (4, 0.9)] {
            assert_eq!(ranking.offer(id, worth, at(100 + id as i64)), at(351));
        }
        assert_eq!(ranking.due(at(350)), []);
        // A tenth of 20 at once.
        assert_eq!(ranking.due(at(351)), [(2, true), (4, true), (3, false), (1, false)]);
        assert_eq!(ranking.due(at(400)), []);
        // Three seconds earn one more.
        ranking.offer(5, 0.1, at(3_200));
        ranking.offer(6, 0.2, at(3_210));
        assert_eq!(ranking.due(at(3_450)), [(6, true), (5, false)]);
    }
}
