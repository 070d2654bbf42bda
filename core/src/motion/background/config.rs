use super::kernel::MAX_MIXTURES;
use crate::check::{within, wrong};
use crate::error::Result;
use serde::{Deserialize, Serialize};

/// The parameters of a [`BackgroundModel`](crate::motion::BackgroundModel); names and defaults are those of OpenCV's
/// `BackgroundSubtractorMOG2`. Plain data; unknown fields are refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct BackgroundModelConfig {
    /// Frames that the automatic learning rate looks back on; 1..2147483647, default 500.
    pub history: u32,
    /// A pixel belongs to a mode that is nearer than this many variances (squared Mahalanobis distance);
    /// 0..1000000000, default 16.
    pub var_threshold: f32,
    /// Components of the mixture of a pixel; 1..16, default 5.
    pub mixtures: usize,
    /// The heaviest modes up to this share of the weight are background; 0..1, default 0.9.
    pub background_ratio: f32,
    /// As `var_threshold`, for the mode that learns from the pixel; farther pixels make a new mode; 0..1000000000,
    /// default 9.
    pub var_threshold_gen: f32,
    /// Variance of a new mode, in squared levels; 0..1000000000, default 15.
    pub var_init: f32,
    /// The least variance; 0..`var_max`, default 4.
    pub var_min: f32,
    /// The largest variance; `var_min`..1000000000, default 75.
    pub var_max: f32,
    /// How fast modes without evidence go: the complexity reduction of Zivkovic 2004; 0..1, default 0.05.
    pub complexity_reduction: f32,
    /// Marks darker versions of the background with `shadow_value` in place of 255; default on.
    pub detect_shadows: bool,
    /// What shadows are in the mask; default 127.
    pub shadow_value: u8,
    /// A shadow keeps at least this share of the brightness (τ of Prati et al. 2003); 0..1, default 0.5.
    pub shadow_threshold: f32,
}

impl Default for BackgroundModelConfig {
    fn default() -> Self {
        Self {
            history: 500,
            var_threshold: 16.0,
            mixtures: 5,
            background_ratio: 0.9,
            var_threshold_gen: 9.0,
            var_init: 15.0,
            var_min: 4.0,
            var_max: 75.0,
            complexity_reduction: 0.05,
            detect_shadows: true,
            shadow_value: 127,
            shadow_threshold: 0.5,
        }
    }
}

impl BackgroundModelConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// `InvalidConfig` naming the field and its range.
    pub fn validate(&self) -> Result<()> {
        for (field, value) in [
            ("background_ratio", self.background_ratio),
            ("complexity_reduction", self.complexity_reduction),
            ("shadow_threshold", self.shadow_threshold),
        ] {
            within(field, value, 0.0, 1.0)?;
        }
        for (field, value) in [
            ("var_threshold", self.var_threshold),
            ("var_threshold_gen", self.var_threshold_gen),
            ("var_init", self.var_init),
            ("var_min", self.var_min),
            ("var_max", self.var_max),
        ] {
            within(field, value, 0.0, 1e9)?;
        }
        if self.var_min > self.var_max {
            let what = format!("is {}; it must not exceed var_max, {}", self.var_min, self.var_max);
            return Err(wrong("var_min", what).with_limit(self.var_max.into()));
        }
        within("history", self.history, 1, i32::MAX as u32)?;
        within("mixtures", self.mixtures, 1, MAX_MIXTURES)
    }
}
