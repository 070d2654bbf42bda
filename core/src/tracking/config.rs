use crate::check::within;
use crate::error::Result;
use serde::{Deserialize, Serialize};

/// How often something must be found before it is an object for triggers. Plain data; unknown fields are refused.
///
/// ```
/// use guarita::tracking::Confirmation;
/// let twice_of_three = Confirmation { k: 2, n: 3, ..Confirmation::default() };
/// twice_of_three.validate()?;
/// # Ok::<(), guarita::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Confirmation {
    /// In at least so many of the last `n` frames that were looked at, 1..`n`; default 1.
    pub k: u32,
    /// How many frames count, 1..64; default 1.
    pub n: u32,
    /// How much the boxes of one object overlap from one look to the next, as intersection over union, 0.01..1;
    /// default 0.3.
    pub min_overlap: f32,
    /// Something not seen for longer than this is another object when it is seen again, 0.001..86400; default 5. It must
    /// be longer than the time between two frames of the camera, or else nothing is ever seen twice.
    pub max_gap_s: f64,
}

impl Default for Confirmation {
    fn default() -> Self {
        Self { k: 1, n: 1, min_overlap: 0.3, max_gap_s: 5.0 }
    }
}

/// Looks that may count: about what one would wait for at the slowest rate.
pub(super) const MAX_LOOKS: u32 = 64;

impl Confirmation {
    /// Checks every field.
    ///
    /// # Errors
    /// `InvalidConfig` naming the field and its range.
    pub fn validate(&self) -> Result<()> {
        within("n", self.n, 1, MAX_LOOKS)?;
        within("k", self.k, 1, self.n)?;
        within("min_overlap", self.min_overlap, 0.01, 1.0)?;
        within("max_gap_s", self.max_gap_s, 0.001, 86_400.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_out_of_range_are_named() {
        Confirmation::default().validate().unwrap();
        let default = Confirmation::default;
        for (config, field) in [
            (Confirmation { n: 0, ..default() }, "n "),
            (Confirmation { n: 65, ..default() }, "n "),
            (Confirmation { k: 0, ..default() }, "k "),
            (Confirmation { k: 4, n: 3, ..default() }, "k "),
            (Confirmation { min_overlap: 0.0, ..default() }, "min_overlap "),
            (Confirmation { min_overlap: f32::NAN, ..default() }, "min_overlap "),
            (Confirmation { max_gap_s: f64::NAN, ..default() }, "max_gap_s "),
            (Confirmation { max_gap_s: f64::INFINITY, ..default() }, "max_gap_s "),
        ] {
            let error = config.validate().unwrap_err();
            assert_eq!(error.code(), crate::ErrorCode::InvalidConfig);
            assert!(error.to_string().starts_with(field), "{error}");
        }
        assert!(serde_json::from_str::<Confirmation>(r#"{"min_iou": 0.5}"#).is_err());
    }
}
