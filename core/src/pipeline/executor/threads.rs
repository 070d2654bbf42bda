//! Work loop of a lent thread: takes work from the scheduler and does it.

use super::Executor;
use super::timer::LINGER;
use crate::budget::{Saving, Spend};
use crate::error::{Error, ErrorCode};
use crate::pipeline::camera_work::{CameraWork, lock};
use crate::pipeline::job::{Found, Item, Job};
use crate::pipeline::prepare_stage::whole;
use crate::pipeline::scheduler::{Verdict, Work};
use crate::pipeline::{Outcome, SkipReason};
use crate::provider::{Reply, Request};
use crate::threads::caught;
use std::sync::Arc;
use std::time::Duration;

/// Time slice of a thread before it yields to other work on the shared threads.
const TURN: Duration = Duration::from_millis(2);
/// Turns in a row of one thread.
const TURNS: u32 = 8;

impl Executor {
    pub(super) fn spawn_ticket(self: &Arc<Self>) {
        self.spawn_turn(0);
    }

    fn spawn_turn(self: &Arc<Self>, turn: u32) {
        let executor = Arc::clone(self);
        self.threads.spawn(move || executor.run_ticket(turn));
    }

    /// Works for one time slice, then requeues itself, so that other work, such as the model's, gets its turn. It goes
    /// to the queue of this very thread, which is served before jobs from outside; so after some turns the ticket is
    /// given back, and the timer sends another one, from outside.
    fn run_ticket(self: Arc<Self>, turn: u32) {
        let begun = self.clock.now();
        {
            let state = self.lock();
            let often = state.last_push.is_some_and(|last| begun - last < LINGER);
            if often && !state.polling {
                // Frames come again: from the next one on, the timer looks for them.
                drop(state);
                self.timer.notify_one();
            }
        }
        loop {
            let mut state = self.lock();
            let now = self.clock.now();
            let Some(work) = state.scheduler.next(now) else {
                state.tickets.give_back();
                return self.leave(state);
            };
            let camera = match &work {
                Work::Gate(job) | Work::Prepare(job) => state.cameras.get(&job.key).cloned(),
                Work::Finish(key, _) => state.cameras.get(key).cloned(),
                Work::Submit(..) => None,
            };
            // This may call in one more thread, while this one works.
            self.leave(state);
            self.work(work, camera.as_deref());
            if self.clock.now() - begun >= TURN {
                if turn < TURNS {
                    return self.spawn_turn(turn + 1);
                }
                self.lock().tickets.give_back();
                self.timer.notify_one();
                return;
            }
        }
    }

    fn work(self: &Arc<Self>, work: Work, camera: Option<&CameraWork>) {
        match work {
            Work::Gate(mut job) => {
                let verdict = match camera {
                    Some(camera) => {
                        caught(|| camera.current_gate().and_then(|mut gate| gate.look(&mut job, self.clock.now())))
                            .unwrap_or_else(|| Err(Error::internal("a panic in the motion gate")))
                            .unwrap_or_else(|error| Verdict::Failed(error.code()))
                    }
                    // It was removed meanwhile.
                    None => Verdict::Closed,
                };
                let saved = match &verdict {
                    Verdict::Closed => Some(Saving::Gate),
                    Verdict::Known(_) => Some(Saving::Cache),
                    Verdict::Open | Verdict::Failed(_) => None,
                };
                if let (Some(by), Some((budget, api))) = (saved, &self.budget) {
                    let (camera, tenant) = (job.config.id.as_str(), &*job.config.tenant);
                    budget.saved(&Spend { api, camera, tenant, ..Spend::default() }, by, self.clock.moment());
                }
                let mut state = self.lock();
                state.scheduler.gated(job, verdict, self.clock.now());
                self.leave(state);
            }
            Work::Prepare(mut job) => {
                let frame = caught(|| whole(&mut job, self.leaves_machine))
                    .unwrap_or_else(|| Err(Error::internal("a panic while decoding")));
                let mut state = self.lock();
                state.scheduler.prepared(job, frame, self.clock.now());
                self.leave(state);
            }
            Work::Submit(id, request) => self.submit(id, request),
            Work::Finish(key, items) => {
                let done = items.into_iter().filter_map(|item| self.finish(item, camera)).collect();
                let mut state = self.lock();
                state.scheduler.finished(key, done, self.clock.now());
                self.leave(state);
            }
        }
    }

    fn submit(self: &Arc<Self>, id: u64, request: Request) {
        let executor = Arc::downgrade(self);
        let reply = Reply::new(move |answer| {
            // Nobody waits for it any more where the pipeline is gone.
            if let Some(executor) = executor.upgrade() {
                let now = executor.clock.now();
                // One that was taken back did what it was told.
                if let Some(error) = answer.as_ref().err().filter(|error| error.code() != ErrorCode::Cancelled) {
                    executor.warn_of(error, now);
                }
                let mut state = executor.lock();
                state.scheduler.answered(id, answer, now);
                executor.leave(state);
            }
        });
        // Where the provider panics, the reply is dropped, which is an answer.
        caught(|| self.provider.submit(request, reply));
    }

    /// Runs the camera's triggers on what was found, and passes on the results.
    fn finish(&self, mut item: Item, camera: Option<&CameraWork>) -> Option<(Box<Job>, Outcome)> {
        let mut outcome = match &item {
            Item::Found(_, Found::Cached { .. }) => Outcome::Skipped(SkipReason::Cached),
            _ => Outcome::Analysed,
        };
        if let Item::Found(_, Found::Looked { detections, .. }) = &item {
            self.note_found(detections);
        }
        if let Some(camera) = camera {
            // Without a cache there is nothing to learn, and the gate, which may be at the next frame, is not waited for.
            if let Item::Found(job, Found::Looked { detections, answer }) = &item
                && let Some(fingerprint) = job.fingerprint
            {
                lock(&camera.gate).learn(job, fingerprint, detections, answer, self.clock.now());
            }
            let wants_results = self.outlets.wants_results();
            let config = camera.config();
            // Handed on before the triggers are let go: a checkpoint has both, or neither.
            let shown = caught(|| {
                camera
                    .current_scene()
                    .map(|mut scene| self.outlets.hand_on(scene.look(&mut item, wants_results), &config))
            });
            if !matches!(shown, Some(Ok(()))) {
                outcome = Outcome::Failed(ErrorCode::Internal);
            }
        }
        match item {
            Item::Found(job, _) => Some((job, outcome)),
            Item::Unchanged(_) => None,
        }
    }
}
