use super::Outcome;
use super::account::Account;
use super::camera_work::{CameraWork, lock};
use super::config::CameraConfig;
use super::executor::Executor;
use super::explain::Decision;
use super::fair::Key;
use super::input::{Admission, Input};
use super::stats::CameraStats;
use crate::check::wrong;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::frame::CameraId;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Handle of one camera of a [`Pipeline`](crate::Pipeline), to push its frames. Clones are the same camera, and may be
/// used on any thread.
#[derive(Clone)]
pub struct Camera {
    pub(super) executor: Arc<Executor>,
    pub(super) work: Arc<CameraWork>,
    pub(super) key: Key,
}

impl Camera {
    /// Its name.
    pub fn id(&self) -> &CameraId {
        &self.work.books.camera
    }

    /// The camera's config.
    pub fn config(&self) -> CameraConfig {
        (*self.work.config()).clone()
    }

    /// Pushes a frame, raw or encoded, without a copy of its pixels; never blocks. Frames must come in the order of
    /// their presentation times; one that is not later than the one before it ends as `Failed(InvalidArgument)`, except
    /// where the time goes back by a second or more: that counts as a new origin.
    pub fn push(&self, frame: impl Into<Input>) -> Admission {
        let input = frame.into();
        let (now, unix_ns) = (self.executor.clock.now(), self.executor.clock.unix_ns());
        let limit = self.executor.limit.as_ref();
        let mut state = self.executor.lock();
        let (taken, leftover) = state.scheduler.push(self.key, input, now, unix_ns, |config| {
            limit.is_none_or(|limit| limit.try_acquire(config.client(), now).is_ok())
        });
        self.executor.leave_push(state, now);
        drop(leftover);
        match taken {
            Ok(None) => Admission::Taken,
            Ok(Some(outcome)) => Admission::Ended(outcome),
            Err(error) => Admission::Refused(error),
        }
    }

    /// Applies another config from the next frame on. The state of gate, cache and triggers is kept where the new
    /// config concerns the same thing. Other cameras are not affected.
    ///
    /// # Errors
    /// `InvalidConfig` as [`CameraConfig::validate`], also where `id` differs or `host_triggers` names an unknown
    /// trigger; `Unsupported` where the provider does not support it; `InvalidState` after `remove`. The camera then
    /// keeps its previous config.
    pub fn update(&self, config: CameraConfig) -> Result<()> {
        if config.id != *self.id() {
            let (theirs, ours) = (config.id.as_str(), self.id().as_str());
            return Err(wrong("id", format!("is {theirs:?}; the camera is {ours:?}, and keeps its name")));
        }
        self.executor.check(&config)?;
        let config = Arc::new(config);
        let mut state = self.executor.lock();
        if !state.cameras.contains_key(&self.key) {
            return Err(self.gone());
        }
        *lock(&self.work.config) = Arc::clone(&config);
        state.scheduler.update(self.key, Arc::clone(&config));
        self.executor.leave(state);
        tracing::info!(camera = self.id().as_str(), "camera updated");
        self.executor.warn_of_slips(&config);
        Ok(())
    }

    /// Removes the camera from the pipeline. Queued frames end as `Dropped(Shutdown)`; those at the provider end when
    /// it has answered, and fire no triggers. Returns the account as of now, which stays part of the pipeline's.
    ///
    /// # Errors
    /// `InvalidState` where it was removed before.
    pub fn remove(&self) -> Result<Account> {
        let mut state = self.executor.lock();
        if state.cameras.remove(&self.key).is_none() {
            return Err(self.gone());
        }
        state.scheduler.remove(self.key, self.executor.clock.now());
        self.executor.leave(state);
        tracing::info!(camera = self.id().as_str(), "camera removed");
        Ok(self.work.books.lock().account.clone())
    }

    /// Pauses the camera: new frames end as `Skipped(Paused)` until [`resume`](Self::resume). Earlier ones go on.
    pub fn pause(&self) {
        self.set_paused(true);
    }

    /// Ends a pause of this camera.
    pub fn resume(&self) {
        self.set_paused(false);
    }

    fn set_paused(&self, paused: bool) {
        let mut state = self.executor.lock();
        state.scheduler.set_paused(Some(self.key), paused);
        self.executor.leave(state);
    }

    /// The decisions on its frames with presentation times from `from` to `to`, both included: why was there no event
    /// from gate 7 at 03:12? Goes back as far as `explain` of the config, in the order in which the frames ended.
    pub fn explain(&self, from: Timestamp, to: Timestamp) -> Vec<Decision> {
        self.work.books.lock().ring.between(from, to)
    }

    /// Statistics of the camera.
    pub fn stats(&self) -> CameraStats {
        let paused = self.executor.lock().scheduler.is_paused(self.key);
        self.stats_with(paused)
    }

    pub(super) fn stats_with(&self, paused: bool) -> CameraStats {
        let seen = self.work.seen();
        let books = self.work.books.lock();
        CameraStats {
            id: self.id().clone(),
            priority: self.work.config().priority,
            paused,
            account: books.account.clone(),
            gate: seen.state,
            gate_open: seen.open,
            gated: (seen.frames, seen.opened),
            events: books.events,
            last_pts: books.last_pts,
            last_failure: books.last_failure.and_then(|(outcome, at)| match outcome {
                Outcome::Failed(code) => Some((code, at)),
                _ => None,
            }),
            age: books.age_s.map(Duration::from_secs_f64),
        }
    }

    fn gone(&self) -> Error {
        Error::invalid_state(format!("the camera {:?} was removed from the pipeline", self.id().as_str()))
    }
}

impl fmt::Debug for Camera {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Camera").field(&self.id().as_str()).finish()
    }
}
