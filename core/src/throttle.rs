use crate::clock::Timestamp;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The least interval between two log messages of one kind.
const EVERY: Duration = Duration::from_secs(10);

/// Limits the rate of a repeated log message.
#[derive(Debug, Default)]
pub(crate) struct LogThrottle(Mutex<(Option<Timestamp>, u64)>);

impl LogThrottle {
    /// Counts one case; returns the number suppressed since the last message where a message is due, none otherwise.
    pub(crate) fn on(&self, now: Timestamp) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (told, quiet) = &mut *state;
        if told.is_some_and(|told| now - told < EVERY) {
            *quiet = quiet.saturating_add(1);
            return None;
        }
        *told = Some(now);
        Some(std::mem::take(quiet))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_ten_seconds_says_how_many_there_were() {
        let seldom = LogThrottle::default();
        let told: Vec<_> = (0..25_000).step_by(1000).map(|ms| seldom.on(Timestamp::from_millis(ms))).collect();
        let expected: Vec<_> = (0..25).map(|s| (s % 10 == 0).then_some(if s == 0 { 0 } else { 9 })).collect();
        assert_eq!(told, expected);
        assert_eq!(seldom.on(Timestamp::from_nanos(i64::MAX)), Some(4));
    }
}
