//! What the account needs of core's `frame`.

use serde::{Deserialize, Serialize};

/// A camera's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CameraId(String);

impl CameraId {
    /// Of this name.
    pub fn new(name: &str) -> Self {
        Self(name.to_owned())
    }
}
