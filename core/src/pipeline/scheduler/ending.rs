//! The end: of the pipeline, and of a frame.

use super::{Place, Scheduler};
use crate::clock::Timestamp;
use crate::pipeline::fair::Key;
use crate::pipeline::job::Item;
use crate::pipeline::{DropReason, Outcome};

impl Scheduler {
    /// Takes no more frames.
    pub(in crate::pipeline) fn close(&mut self) {
        self.closed = true;
    }

    /// Ends all frames, except those that a thread is processing: they end when it is done.
    pub(in crate::pipeline) fn cancel(&mut self, now: Timestamp) {
        self.closed = true;
        self.cancelled = true;
        self.end_waiting(None, DropReason::Shutdown, now);
        for (id, batch) in std::mem::take(&mut self.in_flight) {
            batch.cancellation.cancel();
            self.overdue.insert(id);
            for job in batch.jobs {
                self.give_up(*job, Outcome::Dropped(DropReason::Shutdown), now);
            }
        }
        let mut ready = Vec::new();
        for lane in self.lanes.values_mut() {
            ready.extend(std::mem::take(&mut lane.out).into_iter().filter_map(|(_, place)| match place {
                Place::Ready(Item::Found(job, _)) => Some(job),
                _ => None,
            }));
        }
        for job in ready {
            self.end(*job, Outcome::Dropped(DropReason::Shutdown), now);
        }
        self.ready.clear();
    }

    pub(super) fn end_waiting(&mut self, of: Option<Key>, why: DropReason, now: Timestamp) {
        let mut jobs: Vec<_> =
            self.gate.take_if(of, |_| true).into_iter().chain(self.look.take_if(of, |_| true)).collect();
        let prepared = self.take_prepared(|job| of.is_none_or(|of| of == job.key));
        jobs.extend(prepared.into_iter().map(|job| (job.key, job)));
        for (_, job) in jobs {
            self.give_up(*job, Outcome::Dropped(why), now);
        }
    }

    pub(in crate::pipeline) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Whether no frame is on its way.
    pub(in crate::pipeline) fn is_drained(&self) -> bool {
        self.jobs == 0
    }
}
