use crate::clock::Timestamp;
use crate::frame::CameraId;
use crate::geometry::BoundingBox;
use crate::provider::{Priority, Request, Want};
use std::sync::Arc;

/// One request that a [`FakeProvider`](super::FakeProvider) took up.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct FakeCall {
    /// When it came, on the provider's clock.
    pub at: Timestamp,
    /// What it asked for.
    pub want: Want,
    /// How many frames it had.
    pub frames: usize,
    /// The camera of the first one.
    pub camera: CameraId,
    /// Its regions.
    pub regions: Vec<BoundingBox>,
    /// Its least confidence.
    pub min_confidence: f32,
    /// Its deadline.
    pub deadline: Option<Timestamp>,
    /// Its priority.
    pub priority: Priority,
    /// Its idempotency key.
    pub key: Option<Arc<str>>,
    /// Its tenant.
    pub tenant: Arc<str>,
}

impl FakeCall {
    pub(super) fn new(request: &Request, at: Timestamp) -> Self {
        Self {
            at,
            want: request.want,
            frames: request.frames.len(),
            camera: request.frames.first().map(|frame| frame.meta().camera.clone()).unwrap_or_default(),
            regions: request.regions.clone(),
            min_confidence: request.min_confidence,
            deadline: request.deadline,
            priority: request.priority,
            key: request.idempotency_key.clone(),
            tenant: Arc::clone(&request.tenant),
        }
    }
}
