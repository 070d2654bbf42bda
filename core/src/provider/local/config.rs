use crate::check::{within, wrong};
use crate::error::Result;
use serde::{Deserialize, Serialize};

/// How a [`LocalProvider`](crate::LocalProvider) works. Plain data; unknown fields are refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct LocalProviderConfig {
    /// Threads, which is requests looked at side by side; up to 256. Default 0, which is one for each processor but at
    /// most 4, and 2 where a device computes.
    ///
    /// A call uses one processor (`intra_op_threads` of the detector is 1) and has buffers of its own, so that the number
    /// of processors is the most that is of use; past 4, memory counts and the host wants some for decoding. A device
    /// takes one call at a time: the second thread prepares the next one.
    ///
    /// On lent threads ([`LocalProvider::on_threads`](crate::LocalProvider::on_threads)) this is how many of them look at
    /// requests at once, at most as many as there are; 0 is all of them, and 2 where a device computes.
    pub workers: usize,
    /// Requests that may wait beside those that are looked at, 0..100000; default 64. One more is `Overloaded`.
    pub queue: usize,
    /// How long without running out of device memory until the next larger batch is tried again, 1..3600; default 60.
    pub recover_after_s: f64,
    /// Where even one frame does not fit into the device's memory, opens the model on the processor; default true.
    pub cpu_fallback: bool,
}

impl Default for LocalProviderConfig {
    fn default() -> Self {
        Self { workers: 0, queue: 64, recover_after_s: 60.0, cpu_fallback: true }
    }
}

impl LocalProviderConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// `InvalidConfig` naming the field and its range.
    pub fn validate(&self) -> Result<()> {
        within("workers", self.workers, 0, 256)?;
        within("queue", self.queue, 0, 100_000)?;
        within("recover_after_s", self.recover_after_s, 1.0, 3_600.0)
    }

    /// The number of threads, on so many processors.
    pub(super) fn threads(&self, processors: usize, has_device: bool) -> usize {
        match (self.workers, has_device) {
            (0, true) => 2,
            (0, false) => processors.clamp(1, 4),
            (workers, _) => workers,
        }
    }

    /// How many of so many lent threads look at requests at once.
    pub(super) fn lent_threads(&self, count: usize, has_device: bool) -> Result<usize> {
        match (self.workers, has_device) {
            (0, true) => Ok(count.min(2)),
            (0, false) => Ok(count),
            (workers, _) if workers <= count => Ok(workers),
            (workers, _) => {
                Err(wrong("workers", format!("is {workers}; the lent threads are {count}")).with_limit(count as f64))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_range_is_checked_and_the_field_named() {
        let base = LocalProviderConfig::default;
        assert!(base().validate().is_ok());
        for (field, config) in [
            ("workers", LocalProviderConfig { workers: 257, ..base() }),
            ("queue", LocalProviderConfig { queue: usize::MAX, ..base() }),
            ("recover_after_s", LocalProviderConfig { recover_after_s: f64::NAN, ..base() }),
            ("recover_after_s", LocalProviderConfig { recover_after_s: 0.9, ..base() }),
            ("recover_after_s", LocalProviderConfig { recover_after_s: f64::INFINITY, ..base() }),
        ] {
            let error = config.validate().unwrap_err();
            assert_eq!(error.code(), crate::ErrorCode::InvalidConfig);
            assert!(error.to_string().contains(field), "{field}: {error}");
        }
        assert!(serde_json::from_str::<LocalProviderConfig>(r#"{"worker": 2}"#).is_err());
        let config: LocalProviderConfig = serde_json::from_str(r#"{"workers": 3}"#).unwrap();
        assert_eq!(config, LocalProviderConfig { workers: 3, ..base() });
    }

    #[test]
    fn as_many_threads_as_are_of_use() {
        let threads = |workers, processors, device| {
            LocalProviderConfig { workers, ..Default::default() }.threads(processors, device)
        };
        assert_eq!((threads(0, 0, false), threads(0, 2, false), threads(0, 64, false)), (1, 2, 4));
        assert_eq!((threads(0, 64, true), threads(7, 2, true), threads(7, 2, false)), (2, 7, 7));
        let lent = |workers, count, device| {
            LocalProviderConfig { workers, ..Default::default() }.lent_threads(count, device).ok()
        };
        assert_eq!((lent(0, 9, false), lent(0, 9, true), lent(0, 1, true)), (Some(9), Some(2), Some(1)));
        assert_eq!((lent(3, 3, true), lent(3, 2, false)), (Some(3), None), "refused, and not made smaller in secret");
    }
}
