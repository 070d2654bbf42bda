use super::account::{Books, State};
use super::config::CameraConfig;
use super::gate_stage::{GateSeen, GateStage};
use super::saved::{CameraCheckpoint, SavedLane};
use super::scene_stage::SceneStage;
use crate::error::Result;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Worker-side state of one camera: its gate and scene stages, with the current config.
pub(super) struct CameraWork {
    pub(super) books: Arc<Books>,
    pub(super) config: Mutex<Arc<CameraConfig>>,
    pub(super) gate: Mutex<GateStage>,
    pub(super) scene: Mutex<SceneStage>,
    seen: Mutex<GateSeen>,
}

impl CameraWork {
    /// The camera's checkpoint, between two frames; `None` where it was removed. `of_scheduler` gives the scheduler's
    /// part.
    pub(super) fn checkpoint(
        &self,
        of_scheduler: impl FnOnce() -> Option<(State, SavedLane)>,
    ) -> Option<CameraCheckpoint> {
        // A consistent snapshot of gate, triggers and account: locked in the order in which a frame passes them.
        let gate = lock(&self.gate);
        let scene = lock(&self.scene);
        let (books, lane) = of_scheduler()?;
        let (confirm, triggers, frame) = scene.checkpoint();
        drop(scene);
        let (seen, gate) = (gate.seen, gate.snapshot());
        Some(CameraCheckpoint { id: self.books.camera.clone(), books, lane, seen, gate, confirm, triggers, frame })
    }

    /// Restores a camera's checkpoint. State that no longer fits the config starts cold, and is logged.
    pub(super) fn resume(&self, saved: &CameraCheckpoint) {
        let mut cold = lock(&self.scene).resume(&saved.confirm, &saved.triggers, saved.frame);
        if let Err(error) = lock(&self.gate).resume(saved.seen, saved.gate.as_deref()) {
            cold.push(format!("motion gate: {error}"));
        }
        tracing::info!(camera = saved.id.as_str(), cold = cold.len(), "camera restored");
        for what in cold {
            tracing::warn!(camera = saved.id.as_str(), what, "starts cold");
        }
    }

    pub(super) fn new(books: Arc<Books>, config: &Arc<CameraConfig>) -> Result<Self> {
        Ok(Self {
            books,
            config: Mutex::new(Arc::clone(config)),
            gate: Mutex::new(GateStage::new(Arc::clone(config))?),
            scene: Mutex::new(SceneStage::new(Arc::clone(config))?),
            seen: Mutex::default(),
        })
    }

    pub(super) fn config(&self) -> Arc<CameraConfig> {
        Arc::clone(&lock(&self.config))
    }

    /// The gate stage with the current config. A config change is applied here, on a thread of the pipeline, so that
    /// the host does not wait for the frame being processed.
    pub(super) fn current_gate(&self) -> Result<MutexGuard<'_, GateStage>> {
        let mut gate = lock(&self.gate);
        gate.update(self.config())?;
        Ok(gate)
    }

    /// State of the gate as of the last frame, without waiting for the frame being processed.
    pub(super) fn seen(&self) -> GateSeen {
        if let Ok(gate) = self.gate.try_lock() {
            *lock(&self.seen) = gate.seen;
        }
        *lock(&self.seen)
    }

    pub(super) fn current_scene(&self) -> Result<MutexGuard<'_, SceneStage>> {
        let mut scene = lock(&self.scene);
        scene.update(self.config())?;
        Ok(scene)
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
