//! Cache of recent results, reused for identical and nearly identical pictures.

mod config;
mod fingerprint;
mod thumbnail;

pub use config::ResultCacheConfig;
pub(crate) use fingerprint::Fingerprint;
pub(crate) use thumbnail::Thumbnail;

use crate::check::nanos;
use crate::clock::Timestamp;
use crate::error::Result;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::Duration;

/// The last results of one camera, keyed by picture content.
///
/// A state machine: time is an argument, and its state is plain data. A result expires `ttl_s` after insertion,
/// regardless of hits; the oldest is evicted when full. Time that goes back makes ages meaningless, and clears it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ResultCache<V> {
    config: ResultCacheConfig,
    /// The oldest first.
    entries: VecDeque<Entry<V>>,
    latest: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Entry<V> {
    exact: Fingerprint,
    near: Option<Thumbnail>,
    since: Timestamp,
    value: V,
}

/// A result that was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Hit<'a, V> {
    pub(crate) value: &'a V,
    /// The very same picture, not only one that is near.
    pub(crate) exact: bool,
    /// The time since the result was put in.
    pub(crate) age: Duration,
}

impl<V> ResultCache<V> {
    /// An empty cache.
    ///
    /// # Errors
    /// `InvalidConfig` naming the field and its range.
    pub(crate) fn new(config: ResultCacheConfig) -> Result<Self> {
        config.validate()?;
        Ok(Self { config, entries: VecDeque::new(), latest: None })
    }

    /// Whether lookups use a [`Thumbnail`]; making one costs a pass over the picture.
    pub(crate) fn wants_thumbnail(&self) -> bool {
        self.config.capacity > 0 && self.config.near.is_some()
    }

    /// The result of this picture, or else the newest one of a picture that is near.
    pub(crate) fn get(&mut self, exact: &Fingerprint, near: Option<&Thumbnail>, now: Timestamp) -> Option<Hit<'_, V>> {
        self.on_time(now);
        let found = |entry: &&Entry<V>| entry.exact == *exact;
        if let Some(entry) = self.entries.iter().rev().find(found) {
            return Some(Hit { value: &entry.value, exact: true, age: now - entry.since });
        }
        let (most, near) = (self.config.near?, near?);
        let entry =
            self.entries.iter().rev().find(|e| e.near.as_ref().is_some_and(|other| other.is_near(near, most)))?;
        Some(Hit { value: &entry.value, exact: false, age: now - entry.since })
    }

    /// Stores a result computed for exactly this picture. Cached results are not stored again: each would be near the
    /// one before it, and so the last one far from the first.
    pub(crate) fn put(&mut self, exact: Fingerprint, near: Option<Thumbnail>, value: V, now: Timestamp) {
        self.on_time(now);
        self.entries.retain(|entry| entry.exact != exact);
        while self.entries.len() >= self.config.capacity.max(1) {
            self.entries.pop_front();
        }
        if self.config.capacity > 0 {
            self.entries.push_back(Entry { exact, near, since: now, value });
        }
    }

    /// Number of entries, including expired ones not evicted yet.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    fn on_time(&mut self, now: Timestamp) {
        if self.latest.is_some_and(|latest| now < latest) {
            self.entries.clear();
        }
        self.latest = Some(now);
        let life = Duration::from_nanos(nanos(self.config.ttl_s));
        while self.entries.front().is_some_and(|entry| now - entry.since >= life) {
            self.entries.pop_front();
        }
    }
}

#[cfg(test)]
mod tests;
