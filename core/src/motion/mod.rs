//! What moves: the background model, and the gate that decides which frames are worth a look.

mod background;
mod gate;

pub use background::{BackgroundModel, BackgroundModelConfig, Kernel};
pub use gate::{IgnoreReason, IgnoreReasons, Motion, MotionGate, MotionGateConfig, MotionState, OpenReason};
