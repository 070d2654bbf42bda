//! Checkpoints: the state of a pipeline as data, which the next process restores.

use super::Pipeline;
use super::account::Account;
use super::histogram::Histogram;
use super::saved::{CameraCheckpoint, Flow, json};
use crate::error::{Error, Result};
use crate::event::{Backlog, Counts};
use crate::frame::CameraId;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The state of a pipeline, consistent for each camera: accounts, decisions, samplers, motion gates, confirmation,
/// triggers, and undelivered events and results.
///
/// Frames in flight are not in it; they count as `Dropped(Shutdown)`. Neither are cached answers, tokens of the rate
/// limit, and money, which a `Budget` keeps in a journal of its own.
///
/// ```
/// # fn main() -> guarita::Result<()> { guarita_example() }
/// # #[cfg(not(feature = "testkit"))] fn guarita_example() -> guarita::Result<()> { Ok(()) }
/// # #[cfg(feature = "testkit")]
/// # fn guarita_example() -> guarita::Result<()> {
/// use guarita::{CameraConfig, Pipeline};
/// use guarita::pipeline::PipelineCheckpoint;
/// use guarita::testkit::FakeProvider;
/// use std::sync::Arc;
/// let provider = Arc::new(FakeProvider::new("fake"));
/// let pipeline = Pipeline::builder(provider.clone()).build()?;
/// pipeline.add_camera(CameraConfig::new("gate-7"))?;
/// let bytes = pipeline.checkpoint().to_bytes(); // written to a new file, which then takes the old one's name
/// drop(pipeline);
///
/// let checkpoint = PipelineCheckpoint::from_bytes(&bytes)?;
/// let pipeline = Pipeline::builder(provider).restore(checkpoint).build()?;
/// let gate_7 = pipeline.add_camera(CameraConfig::new("gate-7"))?; // goes on where it was
/// # assert_eq!(gate_7.stats().account.pushed, 0);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PipelineCheckpoint {
    pub(super) flow: Flow,
    /// Of cameras that were removed.
    pub(super) removed: Account,
    pub(super) cameras: Vec<CameraCheckpoint>,
    pub(super) outlets: SavedOutlets,
}

/// Undelivered items for the host's code, by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct SavedOutlets {
    pub(super) events: Vec<(CameraId, Arc<str>, u64)>,
    pub(super) triggers: BTreeMap<Arc<str>, SavedOutlet>,
    pub(super) sinks: BTreeMap<Arc<str>, SavedOutlet>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct SavedOutlet {
    counts: Counts,
    /// Each as JSON.
    waiting: Vec<String>,
}

impl SavedOutlet {
    pub(super) fn new<T: Serialize>(backlog: &Backlog<T>) -> Self {
        Self { counts: backlog.counts, waiting: backlog.waiting.iter().map(json).collect() }
    }

    /// Removes and returns the undelivered items of this name.
    pub(super) fn take<T: DeserializeOwned>(list: &mut BTreeMap<Arc<str>, Self>, name: &str) -> Backlog<T> {
        let Some(Self { mut counts, waiting }) = list.remove(name) else { return Backlog::default() };
        let all = waiting.len();
        let waiting: std::collections::VecDeque<T> =
            waiting.iter().filter_map(|text| serde_json::from_str(text).ok()).collect();
        let lost = all - waiting.len();
        if lost > 0 {
            counts.dropped = counts.dropped.saturating_add(lost as u64);
            tracing::warn!(outlet = name, lost, "what waited in the checkpoint cannot be read");
        }
        Backlog { counts, waiting }
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }
}

const MARK: &[u8; 8] = b"guaritaP";
/// Raised whenever what is written, or what it means, changes; the snapshot of a gate has a version of its own.
const VERSION: u16 = 4;
const HEAD: usize = MARK.len() + size_of::<u16>();
const SUM: usize = size_of::<u32>();

impl PipelineCheckpoint {
    /// Encodes it: a magic number, a version, the data, and a CRC-32 of all that. About 1.3 MB for each camera with a
    /// motion gate at its default width, and 45 bytes for each decision that `explain` reaches.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MARK.to_vec();
        bytes.extend(VERSION.to_le_bytes());
        // Plain data into memory: nothing that could fail.
        let mut bytes = postcard::to_extend(self, bytes).unwrap_or_default();
        let sum = crc32fast::hash(&bytes);
        bytes.extend(sum.to_le_bytes());
        bytes
    }

    /// Decodes a checkpoint from bytes.
    ///
    /// # Errors
    /// `DataCorrupt` for bytes that are cut off, damaged or no checkpoint, `Unsupported` for one of another version of
    /// guarita. Then a pipeline starts cold.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let torn =
            || Error::data_corrupt("no checkpoint of a pipeline, or one that was cut off or damaged; start cold");
        let (content, sum) = bytes.split_last_chunk::<SUM>().ok_or_else(torn)?;
        if content.len() < HEAD || !content.starts_with(MARK) || crc32fast::hash(content) != u32::from_le_bytes(*sum) {
            return Err(torn());
        }
        let (head, content) = content.split_at(HEAD);
        let version = head.last_chunk().map_or(0, |version| u16::from_le_bytes(*version));
        if version != VERSION {
            return Err(Error::unsupported(format!(
                "a checkpoint of version {version}; this is version {VERSION}: start cold"
            )));
        }
        let checkpoint: Self = postcard::from_bytes(content).map_err(|error| torn().with_source(error))?;
        let flow = &checkpoint.flow;
        let sound = flow.stages.iter().chain([&flow.gate_age, &flow.age]).all(Histogram::is_sound);
        let adds_up = |account: &Account| account.balances() && account.in_flight == 0;
        let sound = sound
            && adds_up(&checkpoint.removed)
            && checkpoint.cameras.iter().all(|camera| adds_up(&camera.books.account));
        // Of two cameras with one name, one would be lost.
        let names: BTreeSet<&CameraId> = checkpoint.cameras().collect();
        let sound = sound && names.len() == checkpoint.cameras.len();
        if sound { Ok(checkpoint) } else { Err(torn()) }
    }

    /// Removes the state of motion gates, which is nearly all of a checkpoint: they then start cold, and take some
    /// seconds to learn again.
    pub fn without_gates(mut self) -> Self {
        for camera in &mut self.cameras {
            camera.gate = None;
        }
        self
    }

    /// The cameras in it.
    pub fn cameras(&self) -> impl Iterator<Item = &CameraId> {
        self.cameras.iter().map(|camera| &camera.id)
    }

    /// The account of all frames up to the checkpoint. It balances, with no frame in flight.
    pub fn account(&self) -> Account {
        let mut total = self.removed.clone();
        for camera in &self.cameras {
            total.merge(&camera.books.account);
        }
        total
    }
}

impl Pipeline {
    /// Takes a checkpoint for [`PipelineBuilder::restore`](crate::pipeline::PipelineBuilder::restore), in this process
    /// or the next one. The pipeline keeps running: each camera pauses only for its own part, some milliseconds, after
    /// at most one frame in progress.
    ///
    /// An event that is fired meanwhile is in the checkpoint as fired and waiting, or not at all; never as fired and lost.
    /// One that is delivered after the checkpoint is delivered again after a restore, with the same id.
    ///
    /// Not to be called from a sink's, trigger's or log's code on behalf of the pipeline itself.
    pub fn checkpoint(&self) -> PipelineCheckpoint {
        let executor = &self.executor;
        let state = executor.lock();
        let works: Vec<_> = state.cameras.iter().map(|(key, work)| (*key, Arc::clone(work))).collect();
        // One that is added meanwhile is in the checkpoint as it was in the one before.
        let pending: Vec<_> = state.pending.values().cloned().collect();
        drop(state);
        let mut cameras: Vec<_> = works
            .iter()
            .filter_map(|(key, work)| Some((*key, work.checkpoint(|| executor.lock().scheduler.camera(*key))?)))
            .collect();
        // After the cameras: what they have fired by now waits there. Triggers of the host before the sinks, for the same
        // reason.
        let outlets = executor.outlets.checkpoint();
        let mut state = executor.lock();
        let (flow, removed) = (state.scheduler.flow(), state.scheduler.removed_account().without_flight());
        // One that was removed meanwhile is in the account of those.
        cameras.retain(|(key, _)| state.cameras.contains_key(key));
        let cameras = cameras.into_iter().map(|(_, camera)| camera).chain(pending).collect();
        PipelineCheckpoint { flow, removed, cameras, outlets }
    }
}
