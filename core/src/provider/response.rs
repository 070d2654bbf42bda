use crate::budget::MicroDollars;
use crate::detection::Detections;
use crate::error::ErrorCode;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The answer of a provider: detections, latency and cost.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Response {
    /// One for each frame of the request, in its order.
    pub detections: Vec<Detections>,
    /// Who looked, and why it was that one.
    pub answer: Answer,
    /// The version of the model that looked, as the provider names it.
    pub model_version: Option<Arc<str>>,
    /// Where the time went.
    pub latency: Latency,
    /// What this answer cost, retries included; zero where it had been paid before.
    pub cost: MicroDollars,
    /// How often a remote side was called, retries included; zero for a local provider.
    pub calls: u32,
}

impl Response {
    /// An answer of this provider, free of charge.
    pub fn new(detections: Vec<Detections>, provider: &Arc<str>, latency: Latency) -> Self {
        Self {
            detections,
            answer: Answer { provider: Arc::clone(provider), reason: AnswerReason::Asked },
            model_version: None,
            latency,
            cost: MicroDollars::ZERO,
            calls: 0,
        }
    }
}

/// Who answered and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Answer {
    /// The provider that looked.
    pub provider: Arc<str>,
    /// Why it was that one.
    pub reason: AnswerReason,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.provider, self.reason)
    }
}

/// Why a provider was the one to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum AnswerReason {
    /// It was asked, and nobody else was.
    Asked,
    /// The primary was asked first, and answered.
    Primary,
    /// The other one was asked first, and failed with this code.
    OtherFailed(#[serde(serialize_with = "code_name", deserialize_with = "code_of_name")] ErrorCode),
    /// The other one was to be asked first, but its breaker was open.
    OtherOpen,
    /// The other one was asked first, and took longer than `fallback_timeout_s`.
    OtherSlow,
    /// The other one cannot look for that.
    OnlyOne,
    /// It was its turn by the weights.
    Balanced,
    /// The primary was full, or would have missed the deadline.
    Overflow,
    /// The primary was not sure, and a second look was worth its price.
    Escalated,
    /// The primary was not sure, but there was no second look: others were worth more, or there was no money or no time
    /// for it.
    NotEscalated,
}

fn code_name<S: serde::Serializer>(code: &ErrorCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(code)
}

fn code_of_name<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<ErrorCode, D::Error> {
    let name = std::borrow::Cow::<str>::deserialize(deserializer)?;
    let known = ErrorCode::ALL.into_iter().find(|code| code.to_string() == *name);
    known.ok_or_else(|| serde::de::Error::custom("no name of an error code"))
}

impl fmt::Display for AnswerReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked => f.pad("asked"),
            Self::Primary => f.pad("primary"),
            Self::OtherFailed(code) => f.pad(&format!("the other one failed: {code}")),
            Self::OtherOpen => f.pad("the other one's breaker is open"),
            Self::OtherSlow => f.pad("the other one is too slow"),
            Self::OnlyOne => f.pad("the only one that can"),
            Self::Balanced => f.pad("balanced"),
            Self::Overflow => f.pad("primary too busy"),
            Self::Escalated => f.pad("primary not sure"),
            Self::NotEscalated => f.pad("not sure, no second look"),
        }
    }
}

/// Where the time of a request went. Parts that a provider does not have are zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Latency {
    /// From `submit` until somebody took the request up.
    pub queue: Duration,
    /// Making pictures ready to send, or tensors.
    pub prepare: Duration,
    /// In the model, or on the wire and in the cloud, waits between retries included.
    pub call: Duration,
    /// From the raw answer to detections.
    pub parse: Duration,
}

impl Latency {
    /// From `submit` to the answer.
    pub fn total(&self) -> Duration {
        self.queue + self.prepare + self.call + self.parse
    }
}
