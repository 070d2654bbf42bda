use crate::check::{inside, within};
use crate::error::Result;
use crate::event::Deliveries;
use crate::resilience::RetryConfig;
use serde::{Deserialize, Serialize};

/// What a sink gets, how that waits for it, in which batches it comes, and how often it is tried. Plain data; unknown fields
/// are refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct OutletConfig {
    /// Which deliveries: `events` (the default), `results` of frames, or `all`.
    pub deliveries: Deliveries,
    /// Deliveries that may wait, 1..1000000; default 1024. Where one more comes, the oldest of them is dropped and counted.
    /// Events hold their pictures in memory.
    pub capacity: usize,
    /// The most deliveries that the sink is given at a time, 1..10000; default 100. They are in hand, beside those that wait.
    /// A sink that takes fewer, such as a function, gets fewer.
    pub max_batch: usize,
    /// How long the first delivery of a batch waits for the batch to fill, in seconds; 0..3600, default 0. With 0 a batch is
    /// what came while the one before was delivered.
    pub linger_s: f64,
    /// How often and when a batch is tried again where its error's advice is to retry later; default 8 times in about half a
    /// minute. Later deliveries wait meanwhile, so that their order stays. A batch that was tried so often is cut in halves;
    /// one delivery that was is given up and counted.
    pub retry: RetryConfig,
}

impl Default for OutletConfig {
    fn default() -> Self {
        // Full jitter: the waits are half of 0.5, 1, 2, 4, 8, 16 and 30 s on average.
        let retry = RetryConfig { attempts: 8, base_s: 0.5, cap_s: 30.0, ..RetryConfig::default() };
        Self { deliveries: Deliveries::Events, capacity: 1024, max_batch: 100, linger_s: 0.0, retry }
    }
}

impl OutletConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// `InvalidConfig` naming the field and its range.
    pub fn validate(&self) -> Result<()> {
        within("capacity", self.capacity, 1, 1_000_000)?;
        within("max_batch", self.max_batch, 1, 10_000)?;
        within("linger_s", self.linger_s, 0.0, 3600.0)?;
        inside("retry", self.retry.validate())
    }
}
