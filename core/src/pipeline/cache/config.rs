use crate::check::within;
use crate::error::Result;
use serde::{Deserialize, Serialize};

/// How long the result of a picture serves for another one of the same camera. Plain data; unknown fields are refused.
///
/// ```
/// use guarita::pipeline::ResultCacheConfig;
/// assert!(ResultCacheConfig { near: Some(2.0), ..Default::default() }.validate().is_ok());
/// assert!(ResultCacheConfig { ttl_s: f64::NAN, ..Default::default() }.validate().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct ResultCacheConfig {
    /// Pictures that are known for each camera; 0..1024, default 8. 0 switches the cache off.
    pub capacity: usize,
    /// Results serve for so long after they were worked out; 0.001..86400, default 10.
    pub ttl_s: f64,
    /// Where given, a result also serves for a picture of which no part differs by more than so many gray levels, 0..64.
    /// The parts are the cells of a grid of 32×18 over the picture (18×32 of an upright one), as far as they lie in the
    /// region of interest. Something small that covers a tenth of a cell and stands out by 50 levels changes it by 5:
    /// at 2, it is seen. Default none: only the very same picture, bit by bit.
    pub near: Option<f32>,
}

impl Default for ResultCacheConfig {
    fn default() -> Self {
        Self { capacity: 8, ttl_s: 10.0, near: None }
    }
}

impl ResultCacheConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// `InvalidConfig` naming the field and its range.
    pub fn validate(&self) -> Result<()> {
        within("capacity", self.capacity, 0, 1024)?;
        within("ttl_s", self.ttl_s, 0.001, 86_400.0)?;
        within("near", self.near.unwrap_or(0.0), 0.0, 64.0)
    }
}
