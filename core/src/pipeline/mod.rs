//! From frames to events: what becomes of every frame of every camera.

#[allow(dead_code, reason = "its user, the scheduler, is not here yet")]
mod cache;

pub use cache::ResultCacheConfig;
