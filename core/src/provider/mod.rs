//! Providers look at pictures: on this machine, in a cloud, or one standing in for the other.
//!
//! A [`Provider`] takes a [`Request`] and gives a [`Response`] through a [`Reply`], exactly once, in the time that the
//! request allows. All of them speak alike: labels are COCO's names where there is one, boxes are in pixels of the frame
//! that was sent, confidence is 0..1.

mod callback;
mod cancellation;
mod crop;
pub(crate) mod health;
mod hybrid;
mod label_map;
mod local;
mod mask;
pub(crate) mod picture;
mod pool;
mod redact;
mod reply;
mod request;
mod response;
pub(crate) mod singleflight;

pub use callback::{CallbackProvider, CallbackProviderConfig};
pub use cancellation::Cancellation;
pub use health::{Health, LastError, LatencyPercentiles};
pub use hybrid::{Escalation, HybridConfig, HybridMode, HybridProvider, Side};
pub use label_map::LabelMap;
pub use local::{LocalProvider, LocalProviderConfig};
pub use redact::{Redact, RedactRegion};
pub use reply::{PendingAnswer, Reply};
pub use request::{Priority, Request, Want};
pub use response::{Answer, AnswerReason, Latency, Response};

pub(crate) use crop::Crop;
pub(crate) use health::HealthLog;

use crate::budget::MicroDollars;
use crate::clock::{Clock, Timestamp};
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Something that looks at pictures. Object-safe: hold it as `Arc<dyn Provider>`.
///
/// Third-party implementations are welcome; `testkit::check_provider` (feature `testkit`) checks that one follows the
/// rules.
pub trait Provider: Send + Sync + fmt::Debug {
    /// A short name, such as `local`; the same for the provider's whole life.
    fn name(&self) -> &str;

    /// Its capabilities and limits.
    fn capability(&self) -> Capability;

    /// Its health. Costs neither money nor time: no call is made.
    fn health(&self) -> Health;

    /// Submits a request and returns at once; the reply is sent later, from a thread of the provider, or now where the
    /// answer is known already (such as `Overloaded`). Every request gets exactly one answer: a `Reply` that is dropped
    /// answers `Cancelled`.
    fn submit(&self, request: Request, reply: Reply);

    /// The clock that deadlines of requests are read on.
    fn clock(&self) -> &dyn Clock;

    /// Submits, and waits for the answer. Not for threads that must not wait, such as those of an async runtime.
    ///
    /// # Errors
    /// What the provider answers: `DeadlineExceeded`, `Overloaded`, `Unavailable`, `RateLimited`, `BudgetExhausted`,
    /// `InvalidArgument` for a request that makes no sense, `Cancelled` where the provider is closed.
    fn detect(&self, request: Request) -> Result<Response> {
        let (reply, answer) = Reply::channel();
        self.submit(request, reply);
        answer.wait()
    }
}

/// Names of what a provider finds, with the least confidence of each that it reports, 0..1.
pub(crate) type LabelConfidences = BTreeMap<Arc<str>, f32>;

/// Capabilities and limits of a provider.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Capability {
    /// What it can be asked for.
    pub wants: Vec<Want>,
    /// Frames of one request that it looks at in one go; 1 where each is a call of its own.
    pub max_batch: usize,
    /// Requests that it takes before it answers `Overloaded`.
    pub max_in_flight: usize,
    /// Whether pictures leave the machine.
    pub leaves_machine: bool,
    /// The price of a frame now, for each thing that it can be asked for; zero for the local ones.
    pub price: MicroDollars,
    /// The labels that it can find, asked for `labels`; none where it cannot say. A camera that counts another one is refused.
    /// Each has the least confidence that is reported, 0..1.
    pub labels: Option<BTreeMap<Arc<str>, f32>>,
}

impl Capability {
    /// A provider that works on this machine and takes no money.
    pub fn local(wants: &[Want], max_batch: usize, max_in_flight: usize) -> Self {
        Self {
            wants: wants.to_vec(),
            max_batch,
            max_in_flight,
            leaves_machine: false,
            price: MicroDollars::ZERO,
            labels: None,
        }
    }

    /// A provider that sends pictures away, at this price for a frame.
    pub fn remote(wants: &[Want], max_batch: usize, max_in_flight: usize, price: MicroDollars) -> Self {
        Self { leaves_machine: true, price, ..Self::local(wants, max_batch, max_in_flight) }
    }

    /// The same of one that can say which labels it finds.
    #[must_use]
    pub fn with_labels(self, labels: BTreeMap<Arc<str>, f32>) -> Self {
        Self { labels: Some(labels), ..self }
    }

    /// Makes the checks common to all providers before a request is taken: that it is valid, that the provider supports
    /// it, and that there is time left.
    ///
    /// # Errors
    /// As [`Request::validate`]; `Unsupported` where the provider cannot be asked for this, `DeadlineExceeded` where the
    /// deadline has passed.
    pub fn admit(&self, provider: &str, request: &Request, now: Timestamp) -> Result<()> {
        request.validate()?;
        if !self.wants.contains(&request.want) {
            let can: Vec<_> = self.wants.iter().map(|want| want.as_str()).collect();
            return Err(Error::unsupported(format!(
                "{provider} cannot look for {}; it can look for {}",
                request.want,
                can.join(", ")
            )));
        }
        request.time_left(now).map(|_| ())
    }
}
