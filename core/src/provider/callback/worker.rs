use super::answer::checked;
use crate::budget::MicroDollars;
use crate::clock::Timestamp;
use crate::detection::Detections;
use crate::error::{Error, Result};
use crate::provider::pool::{Job, WorkQueue, Worker};
use crate::provider::singleflight::{IdempotencyKey, Role, Singleflight};
use crate::provider::{Crop, Latency, Request, Response};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

/// The host's function.
type Detect = dyn Fn(&Request) -> Result<Vec<Detections>> + Send + Sync;

/// Calls the host's function, once for each idempotency key.
pub(super) struct CallbackWorker {
    detect: Box<Detect>,
    once: Singleflight<Job>,
}

impl Worker for CallbackWorker {
    fn work(&self, queue: &Arc<WorkQueue<Self>>, job: Job, begun: Timestamp) {
        // Only what is paid for needs to be remembered.
        let key = IdempotencyKey::of(&job.request).filter(|_| queue.capability.price > MicroDollars::ZERO);
        let Some(key) = key else {
            let answer = self.look_at(queue, &job, begun);
            return queue.finish(job, answer);
        };
        let role = queue.hold(|| match self.once.enter(&key, job, begun) {
            Role::Follower => None,
            role => Some(role),
        });
        match role {
            None | Some(Role::Follower) => {}
            Some(Role::Answered(job, response)) => queue.finish(job, Ok(response)),
            Some(Role::Leader(job, leader)) => {
                let answer = self.look_at(queue, &job, begun);
                // Followers are queued again: for the answer that is there now or, where there is none, to call for
                // themselves.
                queue.put_back(|| leader.finish(answer.as_ref().ok(), queue.clock.now()));
                queue.finish(job, answer);
            }
        }
    }

    fn held(&self) -> usize {
        self.once.followers()
    }
}

impl CallbackWorker {
    pub(super) fn new(detect: impl Fn(&Request) -> Result<Vec<Detections>> + Send + Sync + 'static) -> Self {
        Self { detect: Box::new(detect), once: Singleflight::default() }
    }

    fn look_at(&self, queue: &WorkQueue<Self>, job: &Job, begun: Timestamp) -> Result<Response> {
        catch_unwind(AssertUnwindSafe(|| self.ask(queue, job, begun))).unwrap_or_else(|payload| {
            // What a panic carries may panic when it is dropped.
            std::mem::forget(payload);
            Err(Error::internal(format!("a panic in the function of the provider {}", queue.name)))
        })
    }

    /// Cuts out the regions, asks the host, in calls of `max_batch` frames, and puts the answers together.
    fn ask(&self, queue: &WorkQueue<Self>, job: &Job, begun: Timestamp) -> Result<Response> {
        let request = &job.request;
        let crops: Vec<_> = (request.frames.iter().zip(&request.regions))
            .map(|(frame, region)| Crop::new(frame, region))
            .collect::<Result<_>>()?;
        let parts: Vec<_> = crops.iter().map(|crop| crop.frame.clone()).collect();
        let frames = if crops.is_empty() { &request.frames } else { &parts };
        let prepare = queue.clock.now() - begun;
        let mut detections = Vec::with_capacity(frames.len());
        let mut calls = 0;
        for batch in frames.chunks(queue.capability.max_batch) {
            request.time_left(queue.clock.now())?;
            let asked = Request { frames: batch.to_vec(), regions: Vec::new(), ..request.clone() };
            let answer = (self.detect)(&asked)?;
            calls += 1;
            detections.extend(checked(&queue.name, &asked, answer)?);
        }
        if !crops.is_empty() {
            detections = crops.iter().zip(detections).map(|(crop, found)| crop.back(found)).collect();
        }
        let call = (queue.clock.now() - begun).saturating_sub(prepare);
        queue.note_service(prepare + call);
        let latency = Latency { queue: begun - job.came, prepare, call, parse: Duration::ZERO };
        let mut response = Response::new(detections, &queue.name, latency);
        if queue.capability.leaves_machine {
            response.cost = queue.capability.price.times(request.frames.len() as u64);
            response.calls = calls;
        }
        Ok(response)
    }
}
