//! Saved states of a pipeline's state machines: the parts of a checkpoint.

use super::account::State;
use super::batcher::Batcher;
use super::frame_time::StreamOrigin;
use super::gate_stage::GateSeen;
use super::histogram::Histogram;
use super::sampler::Sampler;
use crate::frame::CameraId;
use crate::geometry::Size;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// State of the scheduler, except its cameras.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Flow {
    pub(super) paused: bool,
    pub(super) batcher: Batcher,
    pub(super) stages: Vec<Histogram>,
    pub(super) gate_age: Histogram,
    pub(super) age: Histogram,
}

/// One camera.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct CameraCheckpoint {
    pub(super) id: CameraId,
    pub(super) books: State,
    pub(super) lane: SavedLane,
    pub(super) seen: GateSeen,
    /// A snapshot of the motion gate.
    #[serde(with = "bytes")]
    pub(super) gate: Option<Arc<[u8]>>,
    pub(super) confirm: Kept,
    pub(super) triggers: Vec<Kept>,
    /// The size of the last frame that was looked at.
    pub(super) frame: Size,
}

/// State of a camera in the scheduler.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct SavedLane {
    pub(super) sampler: Sampler,
    pub(super) origin: StreamOrigin,
    pub(super) paused: bool,
}

/// A state machine's state and the config it depends on, both as JSON: types that leave fields out, as these do, need a
/// format with field names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) name: String,
    made_of: String,
    state: String,
}

impl Kept {
    pub(super) fn new(name: &str, made_of: &impl Serialize, state: &impl Serialize) -> Self {
        Self { name: name.into(), made_of: json(made_of), state: json(state) }
    }

    /// The state, where it was saved with the same config.
    pub(super) fn state<T: DeserializeOwned>(&self, made_of: &impl Serialize) -> Option<T> {
        if self.made_of != json(made_of) {
            return None;
        }
        serde_json::from_str(&self.state).ok()
    }
}

/// Plain data; what could not be written would be read by nobody, and its machine starts cold.
pub(super) fn json(of: &impl Serialize) -> String {
    serde_json::to_string(of).unwrap_or_default()
}

/// Bytes as such: a sequence of numbers is slow.
mod bytes {
    use serde::de::{Error, SeqAccess, Visitor};
    use serde::{Deserializer, Serializer};
    use std::fmt;
    use std::sync::Arc;

    type Bytes = Option<Arc<[u8]>>;

    pub(super) fn serialize<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
        // A snapshot is never empty.
        serializer.serialize_bytes(bytes.as_deref().unwrap_or_default())
    }

    struct Reads;

    impl<'de> Visitor<'de> for Reads {
        type Value = Bytes;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("bytes")
        }

        fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
            Ok((!bytes.is_empty()).then(|| bytes.into()))
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Bytes, A::Error> {
            let mut bytes: Vec<u8> = Vec::new();
            while let Some(byte) = list.next_element()? {
                bytes.push(byte);
            }
            self.visit_bytes(&bytes)
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        deserializer.deserialize_bytes(Reads)
    }
}
