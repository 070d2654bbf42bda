//! What the account needs of core's `motion`.

#[path = "../../src/motion/gate/ignored.rs"]
mod ignored;

pub use ignored::IgnoreReasons;

use serde::{Deserialize, Serialize};

/// What the gate takes a picture for; here there is no gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MotionState {}

/// Why a gate is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OpenReason {}
