//! Expiry of stale frames and overdue requests.

use super::Scheduler;
use crate::clock::Timestamp;
use crate::error::ErrorCode;
use crate::pipeline::batcher::Decision as BatchDecision;
use crate::pipeline::job::{Job, Stage};
use crate::pipeline::{DropReason, Outcome};
use std::time::Duration;

/// Interval at which queued frames are searched for stale ones.
pub(super) const SWEEP: Duration = Duration::from_millis(500);

impl Job {
    /// Whether it is too old for its camera.
    pub(super) fn is_stale(&self, now: Timestamp) -> bool {
        now - self.passage.pushed > self.config.max_age()
    }
}

impl Scheduler {
    /// Ends stale frames, and gives up overdue requests; returns the number of the latter.
    pub(in crate::pipeline) fn on_time(&mut self, now: Timestamp) -> usize {
        self.next_sweep = now + SWEEP;
        self.sweep(now);
        self.give_up_late(now)
    }

    fn sweep(&mut self, now: Timestamp) {
        for (_, job) in self.gate.take_if(None, |job| job.is_stale(now)) {
            self.end(*job, Outcome::Dropped(DropReason::Stale), now);
        }
        let mut stale: Vec<_> =
            self.look.take_if(None, |job| job.is_stale(now)).into_iter().map(|(_, job)| job).collect();
        // Those that are decoded wait as well, where the provider has no place left and may never have one again.
        stale.extend(self.take_prepared(|job| job.is_stale(now)));
        for job in stale {
            self.give_up(*job, Outcome::Dropped(DropReason::Stale), now);
        }
    }

    fn give_up_late(&mut self, now: Timestamp) -> usize {
        let late: Vec<u64> =
            self.in_flight.iter().filter(|(_, batch)| batch.expires <= now).map(|(id, _)| *id).collect();
        for &id in &late {
            let Some(batch) = self.in_flight.remove(&id) else { continue };
            // A cancelled request is answered soon; one that was begun may never be.
            batch.cancellation.cancel();
            self.overdue.insert(id);
            for mut job in batch.jobs {
                self.note(&mut job, Stage::Provider, now);
                self.give_up(*job, Outcome::Failed(ErrorCode::DeadlineExceeded), now);
            }
        }
        late.len()
    }

    /// When [`on_time`](Self::on_time) or [`next`](Self::next) has something to do that nothing but time brings about.
    pub(in crate::pipeline) fn due(&self, now: Timestamp) -> Option<Timestamp> {
        let batch = match self.batch(now) {
            BatchDecision::Wait(until) => Some(until),
            BatchDecision::Send(_) | BatchDecision::Nothing => None,
        };
        let answer = self.in_flight.values().map(|batch| batch.expires).min();
        let waits = self.gate.len() + self.look.len() + self.prepared.len() > 0;
        let sweep = waits.then(|| self.next_sweep.min(now + SWEEP));
        [batch, answer, sweep].into_iter().flatten().min()
    }
}
