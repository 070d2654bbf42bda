use crate::detection::Detection;
use crate::error::ErrorCode;
use std::sync::Arc;
use std::time::Duration;

/// What a [`FakeProvider`](super::FakeProvider) does with one request.
///
/// ```
/// use guarita::{ErrorCode, testkit::Step};
/// use std::time::Duration;
/// let slow_and_then_gone = [
///     Step::nothing().after(Duration::from_secs(4)),
///     Step::fail(ErrorCode::Unavailable, "503").billed(),
/// ];
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Step {
    /// How long after `submit`; zero answers before `submit` returns.
    pub after: Duration,
    /// What happens then.
    pub answer: StepAnswer,
    /// Whether it is paid although it fails.
    pub billed: bool,
}

/// What happens at the end of a [`Step`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum StepAnswer {
    /// These are found in every frame of the request. They are sorted, and those are left out that are less sure than
    /// the request asks for or outside its regions; boxes are clipped.
    Detections(Vec<Detection>),
    /// This error.
    Fail(ErrorCode, Arc<str>),
    /// The reply is dropped, as by a thread that died: the caller hears `Cancelled`.
    Drop,
    /// The reply is held, past any deadline, until the provider is closed.
    Never,
}

impl Step {
    const fn new(answer: StepAnswer) -> Self {
        Self { after: Duration::ZERO, answer, billed: false }
    }

    /// Finds these in every frame.
    pub fn detections(found: impl Into<Vec<Detection>>) -> Self {
        Self::new(StepAnswer::Detections(found.into()))
    }

    /// Looks, and finds nothing.
    pub const fn nothing() -> Self {
        Self::new(StepAnswer::Detections(Vec::new()))
    }

    /// Fails.
    pub fn fail(code: ErrorCode, message: &str) -> Self {
        Self::new(StepAnswer::Fail(code, message.into()))
    }

    /// Drops the reply.
    pub const fn dropped() -> Self {
        Self::new(StepAnswer::Drop)
    }

    /// Does not answer until the provider is closed.
    pub const fn never() -> Self {
        Self::new(StepAnswer::Never)
    }

    /// Sets how long after `submit`.
    pub const fn after(mut self, after: Duration) -> Self {
        self.after = after;
        self
    }

    /// It is paid although it fails, as a cloud call whose answer is lost on its way.
    pub const fn billed(mut self) -> Self {
        self.billed = true;
        self
    }
}
