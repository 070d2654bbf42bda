//! Cameras come, change and go.

use super::{Lane, Place, Scheduler};
use crate::clock::Timestamp;
use crate::pipeline::account::{Account, Books, State};
use crate::pipeline::config::CameraConfig;
use crate::pipeline::fair::Key;
use crate::pipeline::frame_time::StreamOrigin;
use crate::pipeline::job::Item;
use crate::pipeline::sampler::Sampler;
use crate::pipeline::saved::{Flow, SavedLane};
use crate::pipeline::{DropReason, Outcome};
use std::collections::VecDeque;
use std::sync::Arc;

impl Scheduler {
    pub(in crate::pipeline) fn add(&mut self, key: Key, config: Arc<CameraConfig>, books: Arc<Books>) {
        let lane = Lane {
            config,
            books,
            sampler: Sampler::default(),
            origin: StreamOrigin::default(),
            paused: false,
            out: VecDeque::new(),
            next_slot: 0,
            finishing: false,
        };
        self.lanes.insert(key, lane);
    }

    /// Restores the state of an earlier process.
    pub(in crate::pipeline) fn resume(&mut self, flow: Flow, removed: Account) {
        let Flow { paused, batcher, stages, gate_age, age } = flow;
        self.batcher.resume(batcher);
        for (mine, saved) in self.stages.iter_mut().zip(stages) {
            *mine = saved;
        }
        (self.paused, self.gate_age, self.age, self.removed_total) = (paused, gate_age, age, removed);
    }

    pub(in crate::pipeline) fn flow(&self) -> Flow {
        Flow {
            paused: self.paused,
            batcher: self.batcher.clone(),
            stages: self.stages.to_vec(),
            gate_age: self.gate_age.clone(),
            age: self.age.clone(),
        }
    }

    /// Restores the state of a camera.
    pub(in crate::pipeline) fn resume_camera(&mut self, key: Key, saved: SavedLane) {
        if let Some(lane) = self.lanes.get_mut(&key) {
            (lane.sampler, lane.origin, lane.paused) = (saved.sampler, saved.origin, saved.paused);
        }
    }

    /// What it knows of a camera.
    pub(in crate::pipeline) fn camera(&self, key: Key) -> Option<(State, SavedLane)> {
        let lane = self.lanes.get(&key)?;
        let books = lane.books.lock().saved();
        Some((books, SavedLane { sampler: lane.sampler, origin: lane.origin, paused: lane.paused }))
    }

    pub(in crate::pipeline) fn update(&mut self, key: Key, config: Arc<CameraConfig>) {
        let Some(lane) = self.lanes.get_mut(&key) else { return };
        lane.books.lock().explain = config.explain;
        self.gate.set_priority(key, config.priority);
        self.look.set_priority(key, config.priority);
        lane.config = config;
    }

    pub(in crate::pipeline) fn set_paused(&mut self, camera: Option<Key>, paused: bool) {
        match camera {
            None => self.paused = paused,
            Some(key) => {
                if let Some(lane) = self.lanes.get_mut(&key) {
                    lane.paused = paused;
                }
            }
        }
    }

    /// Removes a camera. Queued frames end now; those at the provider end when it answers.
    pub(in crate::pipeline) fn remove(&mut self, key: Key, now: Timestamp) {
        self.end_waiting(Some(key), DropReason::Shutdown, now);
        let Some(mut lane) = self.lanes.remove(&key) else { return };
        for (_, place) in std::mem::take(&mut lane.out) {
            if let Place::Ready(Item::Found(job, _)) = place {
                self.end(*job, Outcome::Dropped(DropReason::Shutdown), now);
            }
        }
        self.removed.push(lane.books);
        self.settle_removed();
    }

    fn settle_removed(&mut self) {
        let total = &mut self.removed_total;
        self.removed.retain(|books| {
            let account = books.lock().account.clone();
            if account.in_flight == 0 {
                total.merge(&account);
            }
            account.in_flight > 0
        });
    }

    /// The account of all cameras, those that were removed included.
    pub(in crate::pipeline) fn account(&mut self) -> Account {
        let mut total = self.removed_account();
        for lane in self.lanes.values() {
            total.merge(&lane.books.lock().account);
        }
        total
    }

    /// That of the cameras that were removed.
    pub(in crate::pipeline) fn removed_account(&mut self) -> Account {
        self.settle_removed();
        let mut total = self.removed_total.clone();
        for books in &self.removed {
            total.merge(&books.lock().account);
        }
        total
    }
}
