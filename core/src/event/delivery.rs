use super::{Event, FrameResult};
use crate::error::{Advice, Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// What a [`Sink`](crate::Sink) carries. As JSON it is the event, or the result, itself: a result has `detections`, an event
/// has a `trigger`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Delivery {
    /// Something that a trigger found worth telling.
    Event(Arc<Event>),
    /// What was found in one frame.
    Result(Arc<FrameResult>),
}

impl Delivery {
    /// The id of the event or of the result: 32 hexadecimal digits, the same however often it is delivered.
    pub fn id(&self) -> &str {
        match self {
            Self::Event(event) => event.id.as_str(),
            Self::Result(result) => &result.id,
        }
    }

    /// The event.
    ///
    /// # Errors
    /// `Unsupported` for a result: for sinks that carry events alone.
    pub fn event(&self) -> Result<&Arc<Event>> {
        match self {
            Self::Event(event) => Ok(event),
            Self::Result(_) => Err(refused("events", "frame results")),
        }
    }

    /// The result of a frame.
    ///
    /// # Errors
    /// `Unsupported` for an event: for sinks that carry results alone.
    pub fn result(&self) -> Result<&Arc<FrameResult>> {
        match self {
            Self::Result(result) => Ok(result),
            Self::Event(_) => Err(refused("frame results", "events")),
        }
    }
}

fn refused(carried: &str, given: &str) -> Error {
    Error::unsupported(format!("this sink carries {carried}, and was given {given}; see deliveries of its outlet"))
        .with_advice(Advice::ChangeConfig)
}

/// Which deliveries a sink gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Deliveries {
    /// Every event, and nothing else.
    #[default]
    Events,
    /// The result of every frame that was looked at, and nothing else.
    Results,
    /// Both.
    All,
}

impl Deliveries {
    pub(crate) const fn events(self) -> bool {
        matches!(self, Self::Events | Self::All)
    }

    pub(crate) const fn results(self) -> bool {
        matches!(self, Self::Results | Self::All)
    }
}

/// A delivery error: how much of a batch is durable, and why not all of it.
///
/// ```
/// use guarita::{Error, ErrorCode};
/// use guarita::event::DeliveryError;
/// let down: DeliveryError = Error::new(ErrorCode::Unavailable, "no connection").into(); // `?` does this: nothing of the batch is durable
/// assert_eq!((down.durable(), down.is_about_next()), (0, false));
/// let bad = DeliveryError::at(3, Error::new(ErrorCode::InvalidArgument, "413")); // three are durable, and the fourth is too large
/// assert_eq!((bad.durable(), bad.is_about_next()), (3, true));
/// ```
#[derive(Debug)]
pub struct DeliveryError {
    durable: usize,
    is_about_next: bool,
    error: Error,
}

impl DeliveryError {
    /// The first `durable` items are durable; the error is about one or all of the others.
    pub const fn after(durable: usize, error: Error) -> Self {
        Self { durable, is_about_next: false, error }
    }

    /// Those before index `place` are durable, and the error is about the one at it: later ones were not tried.
    pub const fn at(place: usize, error: Error) -> Self {
        Self { durable: place, is_about_next: true, error }
    }

    /// How many, from the front of the batch, are durable.
    pub const fn durable(&self) -> usize {
        self.durable
    }

    /// Whether the error is about the first one that is not durable, and none behind it was tried.
    pub const fn is_about_next(&self) -> bool {
        self.is_about_next
    }

    /// The error.
    pub const fn error(&self) -> &Error {
        &self.error
    }

    /// The error alone.
    pub fn into_error(self) -> Error {
        self.error
    }
}

/// Nothing of the batch is durable.
impl From<Error> for DeliveryError {
    fn from(error: Error) -> Self {
        Self::after(0, error)
    }
}

impl fmt::Display for DeliveryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} durable, then: {}", self.durable, self.error)
    }
}

impl std::error::Error for DeliveryError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

/// Delivers a batch one by one, up to the first error: for a sink whose receiver takes no batches.
///
/// # Errors
/// The first error, with the place of its delivery.
pub fn deliver_each<T>(batch: &[T], mut deliver: impl FnMut(&T) -> Result<()>) -> Result<(), DeliveryError> {
    for (place, delivery) in batch.iter().enumerate() {
        deliver(delivery).map_err(|error| DeliveryError::at(place, error))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::detection::Detections;
    use crate::error::ErrorCode;
    use crate::frame::CameraId;
    use crate::geometry::Size;
    use crate::provider::{Answer, AnswerReason};

    fn result() -> FrameResult {
        FrameResult {
            id: FrameResult::id_of(&CameraId::new("gate-7"), 5),
            camera: CameraId::new("gate-7"),
            pts: Timestamp::from_nanos(5),
            time: Default::default(),
            seq: 3,
            cached: false,
            detections: Detections::new(Vec::new(), Size::new(640, 480), Default::default()),
            objects: Vec::new(),
            answer: Answer { provider: "cloud".into(), reason: AnswerReason::OtherFailed(ErrorCode::Unavailable) },
            luma: 90,
        }
    }

    #[test]
    fn what_is_written_is_read_as_the_same_kind() {
        let event: Event = serde_json::from_value(serde_json::json!({
            "id": "02", "camera": "gate-7", "trigger": "person", "pts_ns": 5, "time": 7, "why": "", "objects": [],
            "frame": {"width": 640, "height": 480},
        }))
        .unwrap();
        for delivery in [Delivery::Event(Arc::new(event)), Delivery::Result(Arc::new(result()))] {
            let text = serde_json::to_string(&delivery).unwrap();
            assert!(text.starts_with("{\"id\":\""), "as files of lines begin: {text}");
            assert_eq!(serde_json::from_str::<Delivery>(&text).unwrap(), delivery);
        }
        let text = serde_json::to_string(&result()).unwrap();
        assert!(text.contains(r#""reason":{"other-failed":"Unavailable"}"#), "{text}");
    }

    #[test]
    fn ids_of_results_are_of_their_frame_alone() {
        let (gate, yard) = (CameraId::new("gate"), CameraId::new("yard"));
        let id = FrameResult::id_of(&gate, 5);
        assert_eq!((id.len(), &id), (32, &FrameResult::id_of(&gate, 5)));
        assert_ne!(id, FrameResult::id_of(&yard, 5));
        assert_ne!(id, FrameResult::id_of(&gate, 6));
        assert_ne!(&*id, super::super::EventId::new(&gate, "", 5).as_str());
    }

    #[test]
    fn one_by_one_stops_at_the_first_error() {
        let batch = vec![Delivery::Result(Arc::new(result())); 4];
        let mut calls = 0;
        let error = deliver_each(&batch, |delivery| {
            calls += 1;
            if calls == 3 { delivery.event().map(drop) } else { Ok(()) }
        })
        .unwrap_err();
        assert_eq!((calls, error.durable(), error.is_about_next()), (3, 2, true));
        assert_eq!((error.error().code(), error.error().advice()), (ErrorCode::Unsupported, Advice::ChangeConfig));
    }
}
