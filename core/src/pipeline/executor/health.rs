//! Health and log messages of the executor.

use super::Executor;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::pipeline::PipelineHealth;
use crate::pipeline::job::Leftover;
use crate::threads::caught;
use std::time::Duration;

/// Host code that is busy with one call for this long is reported as possibly hanging.
const HANGS: Duration = Duration::from_secs(5);
/// Possible typos that are reported at once, at most.
const MOST_SLIPS: usize = 32;

impl Executor {
    pub(in crate::pipeline) fn health(&self) -> PipelineHealth {
        let (live, overdue, configs) = {
            let state = self.lock();
            let configs: Vec<_> = state.cameras.values().map(|camera| camera.config()).collect();
            (!state.scheduler.is_closed(), state.scheduler.overdue(), configs)
        };
        let provider = self.provider.health();
        let mut degraded: Vec<_> = provider.degraded.clone().into_iter().collect();
        if overdue > 0 {
            degraded.push(format!("{} did not answer {overdue} requests in time, and may never", self.provider.name()));
        }
        let now = self.clock.now();
        for outlet in self.outlets.stats() {
            if let Some(since) = outlet.busy_since.filter(|since| now - *since >= HANGS) {
                degraded.push(format!("{} has been busy for {:.0} s", outlet.name, (now - since).as_secs_f64()));
            }
            if outlet.panics > 0 {
                degraded.push(format!("{} panicked {} times", outlet.name, outlet.panics));
            }
        }
        let capability = self.provider.capability();
        degraded.extend(configs.iter().flat_map(|config| self.slips(config, &capability)).take(MOST_SLIPS));
        PipelineHealth { live, ready: live && provider.ready, degraded, provider }
    }

    pub(super) fn tell_of_slow(&self, leftovers: &[Leftover], now: Timestamp) {
        for leftover in leftovers {
            if let Some(slow) = &leftover.slow
                && let Some(untold) = self.slow.on(now)
            {
                caught(|| {
                    tracing::warn!(
                        camera = slow.camera.as_str(),
                        pts_ns = slow.pts.as_nanos(),
                        age_ms = u64::try_from(slow.age.as_millis()).unwrap_or(u64::MAX),
                        stage = slow.stage.as_str(),
                        stage_ms = u64::try_from(slow.in_stage.as_millis()).unwrap_or(u64::MAX),
                        outcome = %slow.outcome,
                        untold,
                        "slow frame"
                    );
                });
            }
        }
    }

    /// Logs a failure of the provider, once per burst.
    pub(super) fn warn_of(&self, error: &Error, now: Timestamp) {
        if let Some(untold) = self.failures.on(now) {
            caught(|| {
                tracing::warn!(provider = self.provider.name(), code = %error.code(), %error, untold, "provider failed");
            });
        }
    }

    pub(super) fn warn_of_late(&self, requests: usize, now: Timestamp) {
        if requests > 0 {
            self.warn_of(
                &Error::deadline_exceeded(format!("{requests} requests were not answered, and were given up")),
                now,
            );
        }
    }
}
