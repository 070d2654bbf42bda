//! What the queue in front of sinks needs of core's `provider`.

#[path = "../../src/provider/health.rs"]
mod health;

pub use health::LastError;
