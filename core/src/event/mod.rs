//! Events: triggers evaluate scenes and fire events, sinks deliver them.

mod callback;
mod channel;
mod delivery;
mod frame_result;
mod json_lines;
mod outlet;
mod picture;
mod retry_after;
mod scene;
mod schedule;
mod trigger;

pub use callback::CallbackSink;
pub use channel::{ChannelSink, EventReceiver};
pub use delivery::{Deliveries, Delivery, DeliveryError, deliver_each};
pub use frame_result::FrameResult;
pub use json_lines::{JsonLinesConfig, JsonLinesSink};
pub(crate) use outlet::{Backlog, Counts, GRACE, Outlet, ToSink};
pub use outlet::{OutletConfig, OutletStats};
pub use picture::PictureWanted;
pub use retry_after::RetryAfter;
pub use scene::Scene;
pub use schedule::{Schedule, ScheduleWindow, TimeOfDay, Weekday};
pub use trigger::{Condition, TriggerConfig, TriggerMachine, TriggerState};

pub(crate) use picture::picture;

use crate::clock::{Timestamp, UnixTime};
use crate::error::Result;
use crate::frame::CameraId;
use crate::geometry::{BoundingBox, Size};
use crate::tracking::Object;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// The name of one event: 32 hexadecimal digits, of which the first two are the version of how it is made. It is the same
/// however often the event is delivered, after a restored checkpoint, and where the same recording is looked at once more
/// with the same `epoch_s`; two runs never share one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventId(Arc<str>);

/// Raised whenever the input of ids changes, so that no new one is equal to an old one.
const ID_VERSION: u8 = 2;

impl EventId {
    /// The id of the event that this trigger fires at the frame of this civil time, in nanoseconds since 1970; a trigger fires
    /// at most once for a frame. See [`Scene::civil_ns`].
    pub fn new(camera: &CameraId, trigger: &str, civil_ns: i64) -> Self {
        Self(digits(&[camera.as_str(), trigger], civil_ns).into())
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Hashes the input of an id to 32 hexadecimal digits, the first two of which are the version.
fn digits(names: &[&str], civil_ns: i64) -> String {
    use sha2::{Digest, Sha256};
    let mut hash = Sha256::new();
    hash.update([ID_VERSION]);
    // Length prefixes, so that no two lists of names give the same input.
    for name in names {
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name);
    }
    hash.update(civil_ns.to_le_bytes());
    let hash = hash.finalize();
    [ID_VERSION].iter().chain(hash.iter().take(15)).map(|byte| format!("{byte:02x}")).collect()
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// An event fired by a trigger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Event {
    /// Stays the same over retries, restored checkpoints and a second look at the same recording: whoever receives an event
    /// twice can tell by this. Made of the camera, the trigger and the civil time of the frame.
    pub id: EventId,
    /// Where it happened.
    pub camera: CameraId,
    /// The name of the trigger that fired.
    pub trigger: Arc<str>,
    /// Presentation time of the frame that made it fire, in nanoseconds of the host's origin (`pts_ns` in JSON).
    #[serde(rename = "pts_ns")]
    pub pts: Timestamp,
    /// The civil time of that frame, in seconds since 1970.
    pub time: UnixTime,
    /// The zone it happened in, where the trigger has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<Arc<str>>,
    /// Why it fired, in words for people.
    pub why: String,
    /// The objects it is about, surest first.
    pub objects: Vec<Object>,
    /// The size of the frame whose pixels the boxes are in.
    pub frame: Size,
    /// A picture, where the trigger asks for one. In JSON: Base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<EventPicture>,
}

/// A picture that goes with an event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EventPicture {
    /// The bytes of a JPEG file.
    #[serde(rename = "jpeg_base64", serialize_with = "to_base64", deserialize_with = "from_base64")]
    pub jpeg: Arc<[u8]>,
    /// The part of the frame that it shows, in pixels of the frame: left, top, right, bottom.
    pub region: BoundingBox,
}

impl EventPicture {
    /// A JPEG of this part of the frame.
    pub fn new(jpeg: impl Into<Arc<[u8]>>, region: BoundingBox) -> Self {
        Self { jpeg: jpeg.into(), region }
    }
}

fn to_base64<S: serde::Serializer>(jpeg: &Arc<[u8]>, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(jpeg))
}

fn from_base64<'de, D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Arc<[u8]>, D::Error> {
    let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
    STANDARD.decode(text.as_bytes()).map(Into::into).map_err(serde::de::Error::custom)
}

/// A firing of a trigger: its zone, reason and objects.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Firing {
    /// The zone it is about.
    pub zone: Option<Arc<str>>,
    /// Why, in words for people.
    pub why: String,
    /// The objects it is about.
    pub objects: Vec<Object>,
}

impl Firing {
    /// A firing for this reason, about these objects.
    pub fn new(why: impl Into<String>, objects: Vec<Object>) -> Self {
        Self { zone: None, why: why.into(), objects }
    }

    /// Sets the zone.
    pub fn with_zone(mut self, zone: &str) -> Self {
        self.zone = Some(zone.into());
        self
    }
}

/// Evaluates the scenes of cameras in the order of time, and decides when to fire an event.
///
/// The built-in one is [`TriggerMachine`]. A host trigger is called on a thread of its own, with the scenes of every
/// camera that names it: it may be slow, panic or hang without blocking a camera.
pub trait Trigger: Send {
    /// Evaluates the next scene.
    fn observe(&mut self, scene: &Scene<'_>) -> Option<Firing>;
}

/// Delivers events and results of frames. It is called on a thread of its own, with one batch at a time: it may block,
/// fail or panic without blocking a camera or another sink.
///
/// Only what a sink reports as durable counts as delivered. The rest is delivered again, in the same order and with the
/// same ids, so a receiver can detect duplicates by [`Delivery::id`]. `testkit::check_sink` tests a sink against these
/// rules.
///
/// ```
/// use guarita::{Error, ErrorCode, Sink};
/// use guarita::event::{Delivery, DeliveryError};
/// use std::io::Write;
/// /// Prints ids; durable is what the other end of the pipe has.
/// struct Ids(std::io::Stdout);
/// impl Sink for Ids {
///     fn deliver(&mut self, batch: &[Delivery]) -> Result<(), DeliveryError> {
///         let text: String = batch.iter().map(|delivery| format!("{}\n", delivery.id())).collect();
///         let written = self.0.write_all(text.as_bytes()).and_then(|()| self.0.flush());
///         Ok(written.map_err(|error| Error::new(ErrorCode::Unavailable, format!("nobody reads: {error}")))?)
///     }
/// }
/// Ids(std::io::stdout()).deliver(&[])?;
/// # Ok::<(), DeliveryError>(())
/// ```
pub trait Sink: Send {
    /// Delivers a batch, the oldest first, and returns when all of it is durable: at the end of a transaction, after a
    /// sync, once the receiver has confirmed it. An empty batch is delivered at once.
    ///
    /// # Errors
    /// Where not all of it is durable: how many are, from the front, and the reason. Where the error's advice is to
    /// retry later, the rest is delivered again after a while, not before the time in its cause where that is a
    /// [`RetryAfter`]. Otherwise the failed delivery is given up and counted; where the sink cannot tell which one that
    /// is, it is found by halving the batch.
    fn deliver(&mut self, batch: &[Delivery]) -> Result<(), DeliveryError>;

    /// Upper bound of deliveries per call, beside the outlet's `max_batch`; read once. There is none by default. 1
    /// suits a sink that gains nothing by batches: the result of each delivery is then known, and counted, at once.
    fn max_batch(&self) -> usize {
        usize::MAX
    }
}
