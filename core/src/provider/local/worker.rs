use super::batch_fallback::{BatchFallback, Event, Level, Setting};
use super::inference::{Inference, ModelInfo, is_face};
use crate::clock::{Clock, Timestamp};
use crate::detection::Detections;
use crate::error::{Advice, Error, ErrorCode, Result};
use crate::frame::Frame;
use crate::provider::pool::{Job, WorkQueue, Worker};
use crate::provider::{Crop, Health, Latency, Request, Response, Want};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Runs the model, in batches that fit into the device's memory.
pub(super) struct LocalWorker {
    pub(super) inference: Arc<dyn Inference>,
    about: ModelInfo,
    cpu: CpuInference,
    fallback: Mutex<BatchFallback>,
}

/// The model on the processor, opened when it is first needed.
struct CpuInference {
    opened: Mutex<Option<Opened>>,
    /// How long after a failure until it is tried again: reading a model takes its time.
    retry: Duration,
}

enum Opened {
    Model(Arc<dyn Inference>),
    Failed(Timestamp, String),
}

impl CpuInference {
    const fn new(retry: Duration) -> Self {
        Self { opened: Mutex::new(None), retry }
    }

    /// Opens it; others who want it wait meanwhile.
    fn get(&self, inference: &dyn Inference, now: Timestamp) -> Result<Arc<dyn Inference>> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let why = match &*opened {
            Some(Opened::Model(model)) => return Ok(Arc::clone(model)),
            Some(Opened::Failed(at, why)) if now - *at < self.retry => why.clone(),
            _ => match inference.on_cpu() {
                Ok(model) => {
                    *opened = Some(Opened::Model(Arc::clone(&model)));
                    return Ok(model);
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

impl Worker for LocalWorker {
    fn work(&self, queue: &Arc<WorkQueue<Self>>, job: Job, begun: Timestamp) {
        let answer = catch_unwind(AssertUnwindSafe(|| self.look_at(queue, &job, begun)))
            .unwrap_or_else(|_| Err(Error::internal("a panic while looking at the request")));
        queue.note_service(queue.clock.now() - begun);
        queue.finish(job, answer);
    }

    fn health(&self, health: Health, now: Timestamp) -> Health {
        let fallback = self.fallback();
        Health {
            ready: health.ready && fallback.ready(now),
            degraded: fallback.degraded(self.about.device.name()),
            ..health
        }
    }
}

impl LocalWorker {
    /// On the device of `inference`, and, where `use_cpu` says so, on the processor if all else fails.
    pub(super) fn new(inference: Arc<dyn Inference>, about: ModelInfo, use_cpu: bool, recover: Duration) -> Self {
        let fallback = Mutex::new(BatchFallback::new(about.max_batch, about.shrinks, use_cpu, recover));
        Self { inference, about, cpu: CpuInference::new(recover), fallback }
    }

    fn fallback(&self) -> MutexGuard<'_, BatchFallback> {
        self.fallback.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look_at(&self, queue: &WorkQueue<Self>, job: &Job, taken_up: Timestamp) -> Result<Response> {
        let (clock, request) = (&*queue.clock, &job.request);
        let begun = clock.now();
        let crops: Vec<_> = (request.frames.iter().zip(&request.regions))
            .map(|(frame, region)| Crop::new(frame, region))
            .collect::<Result<_>>()?;
        let parts: Vec<_> = crops.iter().map(|crop| crop.frame.clone()).collect();
        let frames = if crops.is_empty() { &request.frames } else { &parts };
        let mut detections = self.run(frames, request, clock)?;
        let mut latency = Latency { queue: taken_up - job.came, ..Latency::default() };
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
        latency.call += (clock.now() - begun).saturating_sub(accounted);
        let mut response = Response::new(detections, &queue.name, latency);
        response.model_version = Some(Arc::clone(&self.about.version));
        Ok(response)
    }

    /// All frames, in batches of the fallback's size; a batch that does not fit is tried again on the next level.
    fn run(&self, frames: &[Frame], request: &Request, clock: &dyn Clock) -> Result<Vec<Detections>> {
        let mut detections = Vec::with_capacity(frames.len());
        let mut level = None;
        while let Some(rest) = frames.get(detections.len()..).filter(|rest| !rest.is_empty()) {
            let now = clock.now();
            request.time_left(now)?;
            // After a failure, on the level that followed it: a step up now would be the same call again.
            let Some(at) = level.take().or_else(|| self.fallback().on(Event::Begins, now)) else {
                return Err(Error::internal("a call that has not failed has no level"));
            };
            let batch = &rest[..rest.len().min(at.setting.batch())];
            match self.call(batch, at, clock) {
                Ok(found) if found.len() == batch.len() => {
                    detections.extend(found);
                    let now = clock.now();
                    self.fallback().on(Event::Fits(at), now);
                }
                Ok(found) => {
                    let (found, asked) = (found.len(), batch.len());
                    return Err(Error::internal(format!("{found} results for a batch of {asked} frames")));
                }
                Err(error) if is_out_of_memory(&error) => {
                    let now = clock.now();
                    let next = self.fallback().on(Event::OutOfMemory(at, batch.len()), now);
                    level = Some(next.ok_or(error)?);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(detections)
    }

    fn call(&self, batch: &[Frame], level: Level, clock: &dyn Clock) -> Result<Vec<Detections>> {
        match level.setting {
            Setting::Device(_) => self.inference.detect_batch(batch),
            Setting::Cpu(_) => self.cpu.get(&*self.inference, clock.now())?.detect_batch(batch),
        }
    }
}

/// Whether device memory ran out, and it is not a picture that is too large for our limits.
fn is_out_of_memory(error: &Error) -> bool {
    error.code() == ErrorCode::ResourceExhausted && error.advice() == Advice::RetryLater
}
