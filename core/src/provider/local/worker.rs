use super::ladder::{Event, Level, Rung};
use super::look::{Look, is_face};
use super::shared::Shared;
use crate::clock::Timestamp;
use crate::detection::Detections;
use crate::error::{Advice, Error, ErrorCode, Result};
use crate::frame::Frame;
use crate::provider::queue::{Job, begin};
use crate::provider::{Crop, Latency, Request, Response, Want};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The model on the processor, opened when it is first needed.
pub(super) struct CpuLook {
    opened: Mutex<Option<Opened>>,
    /// How long after a failure until it is tried again: reading a model takes its time.
    retry: Duration,
}

enum Opened {
    Look(Arc<dyn Look>),
    Failed(Timestamp, String),
}

impl CpuLook {
    pub(super) const fn new(retry: Duration) -> Self {
        Self { opened: Mutex::new(None), retry }
    }

    /// Opens it; others who want it wait meanwhile.
    fn get(&self, look: &dyn Look, now: Timestamp) -> Result<Arc<dyn Look>> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let why = match &*opened {
            Some(Opened::Look(look)) => return Ok(Arc::clone(look)),
            Some(Opened::Failed(at, why)) if now - *at < self.retry => why.clone(),
            _ => match look.on_cpu() {
                Ok(look) => {
                    *opened = Some(Opened::Look(Arc::clone(&look)));
                    return Ok(look);
                }
                Err(error) => {
                    let why = error.to_string();
                    *opened = Some(Opened::Failed(now, why.clone()));
                    why
                }
            },
        };
        Err(Error::resource_exhausted(format!(
            "the device is out of memory, and the model cannot be opened on the processor: {why}"
        )))
    }
}

impl Shared {
    /// What a thread does until the provider is closed.
    pub(super) fn work(self: &Arc<Self>) {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.queue.pop() {
                state.running += 1;
                drop(state);
                self.answer(job);
                state = self.lock();
            } else if state.closed {
                return;
            } else {
                state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    /// Looks at a request that is counted in `running`, and answers it.
    pub(super) fn answer(self: &Arc<Self>, job: Job) {
        let Job { request, reply, came } = job;
        let begun = self.clock.now();
        let in_time = request.time_left(begun).and_then(|_| begin(&request));
        let runs = in_time.is_ok();
        let answer = in_time.and_then(|()| {
            catch_unwind(AssertUnwindSafe(|| self.look_at(&request, begun - came)))
                .unwrap_or_else(|_| Err(Error::internal("a panic while looking at the request")))
        });
        let now = self.clock.now();
        let answer = answer.and_then(|response| request.time_left(now).map(|_| response));
        let mut state = self.lock();
        state.running -= 1;
        if runs {
            state.service.note(now - begun);
        }
        match &answer {
            Ok(_) => state.log.answered(now - came),
            Err(error) => state.log.blamed(error, now),
        }
        self.wake_one(state);
        // Its pixels are not held while the host looks at the answer.
        // They may belong to the host, whose own code runs then.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(request)));
        reply.send(answer);
    }

    fn look_at(&self, request: &Request, queue: Duration) -> Result<Response> {
        let begun = self.clock.now();
        let crops: Vec<_> = (request.frames.iter().zip(&request.regions))
            .map(|(frame, region)| Crop::new(frame, region))
            .collect::<Result<_>>()?;
        let parts: Vec<_> = crops.iter().map(|crop| crop.frame.clone()).collect();
        let frames = if crops.is_empty() { &request.frames } else { &parts };
        let mut detections = self.run(frames, request)?;
        let mut latency = Latency { queue, ..Latency::default() };
        for found in &detections {
            latency.prepare += found.timing.preprocess;
            latency.call += found.timing.inference;
            latency.parse += found.timing.postprocess;
        }
        if !crops.is_empty() {
            detections = crops.iter().zip(detections).map(|(crop, found)| crop.back(found)).collect();
        }
        for found in &mut detections {
            found.items.retain(|item| {
                item.confidence >= request.min_confidence && (request.want != Want::Faces || is_face(&item.label.name))
            });
        }
        // Tries that ran out of memory, and opening the model on the processor, are time of the call.
        let accounted = latency.prepare + latency.call + latency.parse;
        latency.call += (self.clock.now() - begun).saturating_sub(accounted);
        let mut response = Response::new(detections, &self.name, latency);
        response.model_version = Some(Arc::clone(&self.about.version));
        Ok(response)
    }

    /// All frames, in batches of the ladder's size; a batch that does not fit is tried again on the next level.
    fn run(&self, frames: &[Frame], request: &Request) -> Result<Vec<Detections>> {
        let mut detections = Vec::with_capacity(frames.len());
        let mut level = None;
        while let Some(rest) = frames.get(detections.len()..).filter(|rest| !rest.is_empty()) {
            let now = self.clock.now();
            request.time_left(now)?;
            // After a failure, on the level that followed it: a step up now would be the same call again.
            let Some(at) = level.take().or_else(|| self.lock().ladder.on(Event::Begins, now)) else {
                return Err(Error::internal("a call that has not failed has no level"));
            };
            let batch = &rest[..rest.len().min(at.rung.batch())];
            match self.call(batch, at) {
                Ok(found) if found.len() == batch.len() => {
                    detections.extend(found);
                    let now = self.clock.now();
                    self.lock().ladder.on(Event::Fits(at), now);
                }
                Ok(found) => {
                    let (found, asked) = (found.len(), batch.len());
                    return Err(Error::internal(format!("{found} results for a batch of {asked} frames")));
                }
                Err(error) if is_out_of_memory(&error) => {
                    let now = self.clock.now();
                    let next = self.lock().ladder.on(Event::OutOfMemory(at, batch.len()), now);
                    level = Some(next.ok_or(error)?);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(detections)
    }

    fn call(&self, batch: &[Frame], level: Level) -> Result<Vec<Detections>> {
        match level.rung {
            Rung::Device(_) => self.look.detect_batch(batch),
            Rung::Cpu(_) => self.cpu.get(&*self.look, self.clock.now())?.detect_batch(batch),
        }
    }
}

/// The device's memory, and not a picture that is too large for our limits.
fn is_out_of_memory(error: &Error) -> bool {
    error.code() == ErrorCode::ResourceExhausted && error.advice() == Advice::RetryLater
}
