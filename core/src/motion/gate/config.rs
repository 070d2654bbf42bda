use crate::check::{within, wrong};
use crate::error::{Error, Result};
use crate::geometry::Polygon;
use serde::{Deserialize, Serialize};

/// How a [`MotionGate`](crate::MotionGate) decides. Plain data; unknown fields are refused. Areas are shares of the
/// picture, times are seconds, so that a config fits any resolution and frame rate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct MotionGateConfig {
    /// Frames are reduced to this width before anything else, in pixels; 0, 32..16384, default 320. 0 keeps the full
    /// size. Narrower frames stay as they are.
    pub working_width: u32,
    /// Where to look: inside any of these. Empty (the default) is everywhere.
    pub include: Vec<Polygon>,
    /// Where not to look: inside none of these, whatever `include` says. Default none.
    pub exclude: Vec<Polygon>,
    /// Opens where at least this share of the region of interest moves, 0..1; default 0.01.
    pub min_fraction: f32,
    /// Opens also where one connected region has at least this share of the picture, 0..1; default 0.00005, which is a
    /// person of 2 % of the picture's height. 1 switches the rule off. Noise, rain and the like raise it by
    /// themselves.
    pub min_region: f32,
    /// How far back the background looks: what stands still for about a tenth of this is background; 1..86400,
    /// default 120.
    pub history_s: f64,
    /// The gate stays open this long after the last motion; 0..3600, default 2.
    pub linger_s: f64,
    /// A frame passes at least this often, whatever the gate sees; 0.001..86400, default 60.
    pub heartbeat_s: f64,
}

impl Default for MotionGateConfig {
    fn default() -> Self {
        Self {
            working_width: 320,
            include: Vec::new(),
            exclude: Vec::new(),
            min_fraction: 0.01,
            min_region: 0.000_05,
            history_s: 120.0,
            linger_s: 2.0,
            heartbeat_s: 60.0,
        }
    }
}

/// The narrowest working picture: below, a person is less than a pixel.
const MIN_WIDTH: u32 = 32;
/// Polygons in each list.
const MAX_POLYGONS: usize = 256;

impl MotionGateConfig {
    /// Checks every field. That the polygons leave something to look at is checked when the gate is made.
    ///
    /// # Errors
    /// `InvalidConfig` naming the field and its range.
    pub fn validate(&self) -> Result<()> {
        if self.working_width != 0 && !(MIN_WIDTH..=16_384).contains(&self.working_width) {
            let width = self.working_width;
            let what = format!("is {width}; it must be 0 (the full size) or {MIN_WIDTH}..16384");
            let limit = if width < MIN_WIDTH { MIN_WIDTH } else { 16_384 };
            return Err(wrong("working_width", what).with_limit(limit.into()));
        }
        for (field, list) in [("include", &self.include), ("exclude", &self.exclude)] {
            if list.len() > MAX_POLYGONS {
                let what = format!("has {} polygons; it may have {MAX_POLYGONS}", list.len());
                return Err(wrong(field, what).with_limit(MAX_POLYGONS as f64));
            }
        }
        within("min_fraction", self.min_fraction, 0.0, 1.0)?;
        within("min_region", self.min_region, 0.0, 1.0)?;
        within("history_s", self.history_s, 1.0, 86_400.0)?;
        within("linger_s", self.linger_s, 0.0, 3600.0)?;
        within("heartbeat_s", self.heartbeat_s, 0.001, 86_400.0)?;
        if self.min_fraction == 0.0 && self.min_region == 0.0 {
            let why = "min_fraction and min_region are both 0: the gate would never close";
            return Err(Error::invalid_config(why).with_field("min_fraction"));
        }
        Ok(())
    }
}
