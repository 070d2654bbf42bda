use crate::clock::Timestamp;
use crate::error::{Advice, Error, ErrorCode};
use crate::seconds;
use serde::Serialize;
use std::collections::VecDeque;
use std::time::Duration;

/// Health of a provider, from its past requests; no call is made to determine it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Health {
    /// It has not been closed, and its threads run.
    pub live: bool,
    /// It would take a request now, and expects to answer it.
    pub ready: bool,
    /// Why it does less than it should, where that is so: a smaller batch, another device, an open breaker.
    pub degraded: Option<String>,
    /// The last error that was the provider's and not the request's.
    pub last_error: Option<LastError>,
    /// Of the last answers, from `submit` on; none before the first one.
    pub latency: Option<LatencyPercentiles>,
    /// Requests taken and not answered yet.
    pub in_flight: usize,
    /// Expected time that a new request would wait, by the times of the last ones.
    #[serde(serialize_with = "seconds::serialize")]
    pub expected_wait: Duration,
}

/// An error, and when it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LastError {
    /// Its code.
    pub code: ErrorCode,
    /// Its message, for people.
    pub message: String,
    /// When, on the provider's clock.
    #[serde(serialize_with = "seconds::serialize")]
    pub at: Timestamp,
}

/// The times of the last answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LatencyPercentiles {
    /// Half of them took no longer.
    #[serde(serialize_with = "seconds::serialize")]
    pub p50: Duration,
    /// 95 of 100 took no longer.
    #[serde(serialize_with = "seconds::serialize")]
    pub p95: Duration,
    /// 99 of 100 took no longer.
    #[serde(serialize_with = "seconds::serialize")]
    pub p99: Duration,
}

/// Window of the percentiles: enough for a 99th one that is not simply the largest.
const LOOK_BACK: usize = 512;

/// Records a provider's answers, to report its health.
#[derive(Debug, Default)]
pub struct HealthLog {
    latencies: VecDeque<Duration>,
    last_error: Option<LastError>,
}

impl HealthLog {
    /// Notes an answer, and how long it took from `submit` on.
    pub fn answered(&mut self, took: Duration) {
        if self.latencies.len() == LOOK_BACK {
            self.latencies.pop_front();
        }
        self.latencies.push_back(took);
    }

    /// Notes an error that is the provider's.
    pub fn failed(&mut self, error: &Error, at: Timestamp) {
        self.last_error = Some(LastError { code: error.code(), message: error.to_string(), at });
    }

    /// Records an error, unless it is the fault of the request or the caller: that says nothing about the provider.
    pub fn blamed(&mut self, error: &Error, at: Timestamp) {
        if error.advice() != Advice::ChangeInput && error.code() != ErrorCode::Cancelled {
            self.failed(error, at);
        }
    }

    /// A health with the latencies and the last error filled in; the rest is the provider's to say.
    pub fn health(&self) -> Health {
        Health { last_error: self.last_error.clone(), latency: self.percentiles(), ..Health::default() }
    }

    /// The nearest-rank percentiles.
    fn percentiles(&self) -> Option<LatencyPercentiles> {
        let mut sorted: Vec<_> = self.latencies.iter().copied().collect();
        sorted.sort_unstable();
        let rank = |percent: usize| sorted.get((sorted.len() * percent).div_ceil(100).saturating_sub(1)).copied();
        Some(LatencyPercentiles { p50: rank(50)?, p95: rank(95)?, p99: rank(99)? })
    }
}

/// Moving average of the time that a request takes on a thread.
#[derive(Debug, Default)]
pub(super) struct ServiceTime(Option<Duration>);

impl ServiceTime {
    pub(super) fn note(&mut self, took: Duration) {
        // A fifth of the way: a change shows after a few requests.
        self.0 = Some(self.0.map_or(took, |mean| mean.saturating_mul(4).saturating_add(took) / 5));
    }

    /// Expected wait until one of `threads` threads is free: while all are busy, one becomes free every `mean /
    /// threads`.
    pub(super) fn expected_wait(&self, in_flight: usize, threads: usize) -> Duration {
        let before = if in_flight >= threads { (in_flight - threads).saturating_add(1) } else { 0 };
        let before = u32::try_from(before).unwrap_or(u32::MAX);
        let threads = u32::try_from(threads).unwrap_or(u32::MAX).max(1);
        self.0.unwrap_or_default().saturating_mul(before) / threads
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_last_answers() {
        let mut log = HealthLog::default();
        assert_eq!(log.health().latency, None);
        log.answered(Duration::from_secs(3_600));
        for ms in (1..=100).cycle().take(LOOK_BACK) {
            log.answered(Duration::from_millis(ms));
        }
        // 512 = 5 × 100 + 12: the hour has left, and the lowest twelve count once more.
        let ms = Duration::from_millis;
        let p = log.health().latency.unwrap();
        assert_eq!((p.p50, p.p95, p.p99), (ms(49), ms(95), ms(99)));
        log.failed(&Error::internal("x"), Timestamp::from_millis(5));
        let last = log.health().last_error.unwrap();
        assert_eq!((last.code, last.at), (ErrorCode::Internal, Timestamp::from_millis(5)));
    }
}
