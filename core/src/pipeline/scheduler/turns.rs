//! Selection of the next work.

use super::{Batch, Place, Scheduler, Work};
use crate::clock::Timestamp;
use crate::pipeline::batcher::Decision as BatchDecision;
use crate::pipeline::fair::Key;
use crate::pipeline::job::{Item, Job, Stage};
use crate::pipeline::{DropReason, Outcome};
use crate::provider::{Request, Want};
use std::sync::Arc;

/// Whole pictures that are decoded ahead of a provider, however many places it has.
pub(super) const MOST_PREPARED: usize = 64;

impl Scheduler {
    /// Whether [`next`](Self::next) may have something; never false where it has.
    pub(in crate::pipeline) fn has_work(&self, now: Timestamp) -> bool {
        !self.ready.is_empty()
            || self.may_prepare() && self.look.len() > 0
            || self.gate.has_turn()
            || matches!(self.batch(now), BatchDecision::Send(_))
    }

    /// Takes the next thing to do.
    pub(in crate::pipeline) fn next(&mut self, now: Timestamp) -> Option<Work> {
        // Finished work frees memory; requests keep the provider busy; only then come new frames.
        while let Some(key) = self.ready.pop_front() {
            let items = self.take_ready(key);
            if !items.is_empty() {
                return Some(Work::Finish(key, items));
            }
        }
        if let Some(work) = self.submit(now) {
            return Some(work);
        }
        while self.may_prepare() {
            let Some((_, mut job)) = self.look.pop(false) else { break };
            if job.is_stale(now) {
                self.give_up(*job, Outcome::Dropped(DropReason::Stale), now);
                continue;
            }
            self.note(&mut job, Stage::Queue, now);
            self.preparing += 1;
            return Some(Work::Prepare(job));
        }
        while let Some((key, mut job)) = self.gate.pop(true) {
            if job.is_stale(now) {
                self.gate.release(key);
                self.end(*job, Outcome::Dropped(DropReason::Stale), now);
                continue;
            }
            self.note(&mut job, Stage::GateWait, now);
            return Some(Work::Gate(job));
        }
        None
    }

    /// The places that the provider has left.
    fn places(&self) -> usize {
        self.limits.max_in_flight.saturating_sub(self.in_flight.len() + self.overdue.len())
    }

    /// Frames are decoded only where they can be sent soon: decoded ones are large. While the provider is busy, one
    /// more batch is decoded: it fills until a slot is free, or all batches would be of one frame.
    fn may_prepare(&self) -> bool {
        let soon = self.places() + usize::from(!self.in_flight.is_empty());
        self.prepared.len() + self.preparing < soon.saturating_mul(self.batcher.max_batch()).min(MOST_PREPARED)
    }

    /// The frames that can share a request with the oldest one: those with the same want and tenant. A frame whose
    /// batch was refused goes alone.
    fn together(&self) -> impl Iterator<Item = usize> {
        let first = self.prepared.front().map(|job| (job.config.look.want, Arc::clone(&job.config.tenant), job.alone));
        self.prepared.iter().enumerate().filter_map(move |(at, job)| {
            let (want, tenant, alone) = first.as_ref()?;
            let same = *want == job.config.look.want && *tenant == job.config.tenant;
            (at == 0 || same && !alone && !job.alone).then_some(at)
        })
    }

    pub(super) fn batch(&self, now: Timestamp) -> BatchDecision {
        let Some(oldest) = self.prepared.front() else { return BatchDecision::Nothing };
        self.batcher.decide(self.together().count(), oldest.passage.since, self.places(), now)
    }

    fn submit(&mut self, now: Timestamp) -> Option<Work> {
        let most = match self.batch(now) {
            BatchDecision::Send(most) => most,
            BatchDecision::Wait(_) | BatchDecision::Nothing => return None,
        };
        let mut places: Vec<_> = self.together().take(most).collect();
        let mut jobs = Vec::with_capacity(places.len());
        while let Some(at) = places.pop() {
            jobs.extend(self.prepared.remove(at));
        }
        jobs.reverse();
        // Nothing that is too old reaches the provider.
        let (stale, mut jobs): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|job| job.is_stale(now));
        for job in stale {
            self.give_up(*job, Outcome::Dropped(DropReason::Stale), now);
        }
        let first = jobs.first()?;
        let (want, tenant) = (first.config.look.want, Arc::clone(&first.config.tenant));
        for job in &mut jobs {
            self.note(job, Stage::Batch, now);
        }
        let request = request(&jobs, want, tenant);
        let id = self.next_batch;
        self.next_batch += 1;
        self.batcher.sent(jobs.len());
        let expires = request.deadline.unwrap_or(now).max(now) + self.limits.provider_timeout;
        let cancellation = request.cancellation.clone();
        self.in_flight.insert(id, Batch { jobs, sent: now, expires, cancellation });
        Some(Work::Submit(id, request))
    }

    /// Takes what a camera's triggers may see now.
    fn take_ready(&mut self, key: Key) -> Vec<Item> {
        let Some(lane) = self.lanes.get_mut(&key).filter(|lane| !lane.finishing) else { return Vec::new() };
        let mut items = Vec::new();
        while let Some((_, Place::Ready(_) | Place::Gone)) = lane.out.front() {
            if let Some((_, Place::Ready(item))) = lane.out.pop_front() {
                items.push(item);
            }
        }
        lane.finishing = !items.is_empty();
        items
    }
}

/// One request for all of them. Its deadline is the earliest one of theirs.
fn request(jobs: &[Box<Job>], want: Want, tenant: Arc<str>) -> Request {
    let frames: Vec<_> = jobs.iter().filter_map(|job| job.frame.clone()).collect();
    let mut request = Request::new(frames).with_want(want);
    let sure = |job: &Job| job.config.least_of_all(job.luma.unwrap_or(u8::MAX));
    request.min_confidence = jobs.iter().map(|job| sure(job)).fold(1.0, f32::min);
    request.deadline = jobs.iter().map(|job| job.passage.pushed + job.config.max_age()).min();
    request.priority = jobs.iter().map(|job| job.config.priority).max().unwrap_or_default();
    request.tenant = tenant;
    if let [job] = jobs {
        // A picture that is pushed once more is not paid once more.
        request.idempotency_key =
            job.fingerprint.as_ref().map(|print| format!("{}/{print}", job.config.id.as_str()).into());
    }
    request
}
