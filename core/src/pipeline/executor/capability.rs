//! Whether a camera's config asks for what the provider can find.

use super::Executor;
use crate::detection::Detections;
use crate::error::{Error, Result};
use crate::pipeline::camera_work::lock;
use crate::pipeline::classes;
use crate::pipeline::config::CameraConfig;
use crate::provider::Capability;
use crate::threads::caught;
use std::collections::BTreeSet;
use std::sync::Arc;

/// So many names are kept.
const MOST_FOUND: usize = 4_096;

impl Executor {
    /// Checks that the provider supports a camera's config.
    pub(in crate::pipeline) fn check(&self, config: &CameraConfig) -> Result<()> {
        config.validate()?;
        self.outlets.check(config)?;
        let capability = self.provider.capability();
        if capability.wants.contains(&config.look.want) {
            return classes::check(config, self.provider.name(), &capability);
        }
        let can: Vec<_> = capability.wants.iter().map(|want| want.as_str()).collect();
        Err(Error::unsupported(format!(
            "want is {}, which {} cannot look for; it can look for {}",
            config.look.want,
            self.provider.name(),
            can.join(", ")
        )))
    }

    /// Keeps what was found, where the provider does not say what it can find.
    pub(super) fn note_found(&self, detections: &Detections) {
        let Some(found) = &self.found else { return };
        let mut found = lock(found);
        for item in detections.iter() {
            if found.len() < MOST_FOUND && !found.contains(&item.label.name) {
                found.insert(Arc::clone(&item.label.name));
            }
        }
    }

    /// Possible typos in a camera's config.
    pub(super) fn slips(&self, config: &CameraConfig, capability: &Capability) -> Vec<String> {
        let none = BTreeSet::new();
        match &self.found {
            Some(found) => classes::notes(config, self.provider.name(), capability, &lock(found)),
            None => classes::notes(config, self.provider.name(), capability, &none),
        }
    }

    /// Logs possible typos in a config.
    pub(in crate::pipeline) fn warn_of_slips(&self, config: &CameraConfig) {
        for slip in self.slips(config, &self.provider.capability()) {
            caught(|| tracing::warn!("{slip}"));
        }
    }
}
