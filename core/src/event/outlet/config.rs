use crate::check::{inside, within};
use crate::error::Result;
use crate::resilience::RetryConfig;
use serde::{Deserialize, Serialize};

/// How events wait for a sink, and how often they are tried. Plain data; unknown fields are refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct OutletConfig {
    /// Events that may wait, 1..1000000; default 1024. Where one more comes, the oldest of them is dropped and counted.
    /// They hold their pictures in memory.
    pub capacity: usize,
    /// How often and when a delivery is tried again where its error's advice is to retry later; default 8 times in about
    /// half a minute. Later events wait meanwhile, so that their order stays.
    pub retry: RetryConfig,
}

impl Default for OutletConfig {
    fn default() -> Self {
        // Full jitter: the waits are half of 0.5, 1, 2, 4, 8, 16 and 30 s on average.
        let retry = RetryConfig { attempts: 8, base_s: 0.5, cap_s: 30.0, ..RetryConfig::default() };
        Self { capacity: 1024, retry }
    }
}

impl OutletConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// `InvalidConfig` naming the field and its range.
    pub fn validate(&self) -> Result<()> {
        within("capacity", self.capacity, 1, 1_000_000)?;
        inside("retry", self.retry.validate())
    }
}
