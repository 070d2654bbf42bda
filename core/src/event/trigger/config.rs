use super::condition::{Condition, check_name};
use crate::check::{inside, within, wrong};
use crate::error::{Error, Result};
use crate::event::{PictureWanted, Schedule};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// When a camera's event is fired. Plain data; unknown fields are refused.
///
/// ```
/// use guarita::TriggerConfig;
/// let trigger: TriggerConfig = toml::from_str(r#"
///     name = "night at the door"
///     when = { present = { classes = ["person"], zone = "door" } }
///     for_s = 2
///     cooldown_s = 60
///     picture = "crop"
///     [schedule]
///     time_zone = "America/Sao_Paulo"
///     windows = [{ days = ["mon", "tue"], from = "22:00", to = "06:00" }]
/// "#).unwrap();
/// trigger.validate()?;
/// # Ok::<(), guarita::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TriggerConfig {
    /// The name that its events carry, unique among those of a camera; 1..256 bytes.
    pub name: Arc<str>,
    /// What it waits for.
    pub when: Condition,
    /// It fires when the condition has held without a break for so long, 0..86400; default 0: at once. Of a gap longer
    /// than `max_gap_s`, nothing counts.
    #[serde(default)]
    pub for_s: f64,
    /// The least time between two of its events, 0..604800; default 10. Where the condition begins to hold sooner, it
    /// fires at the end of that time if it still holds, and else the event is suppressed and counted.
    #[serde(default = "ten")]
    pub cooldown_s: f64,
    /// A longer time between two frames counts as not watched, 0.001..86400; default 60. It must be longer than the time
    /// between two frames of the camera.
    #[serde(default = "sixty")]
    pub max_gap_s: f64,
    /// When it may fire; default none: at any time. Outside it watches on, and fires when the hours begin where its
    /// condition holds then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// The picture that goes with its events; default none.
    #[serde(default)]
    pub picture: PictureWanted,
}

fn ten() -> f64 {
    10.0
}

fn sixty() -> f64 {
    60.0
}

impl TriggerConfig {
    /// A trigger of this name that fires when this holds, with the defaults for everything else.
    pub fn new(name: &str, when: Condition) -> Self {
        Self {
            name: name.into(),
            when,
            for_s: 0.0,
            cooldown_s: ten(),
            max_gap_s: sixty(),
            schedule: None,
            picture: PictureWanted::None,
        }
    }

    /// Checks every field. That the zones exist is checked when the trigger is made.
    ///
    /// # Errors
    /// `InvalidConfig` naming the trigger, the field and its range.
    pub fn validate(&self) -> Result<()> {
        check_name("name", &self.name)?;
        self.check_fields().map_err(|error| self.named(error))
    }

    fn check_fields(&self) -> Result<()> {
        within("for_s", self.for_s, 0.0, 86_400.0)?;
        within("cooldown_s", self.cooldown_s, 0.0, 604_800.0)?;
        within("max_gap_s", self.max_gap_s, 0.001, 86_400.0)?;
        self.when.validate("when")?;
        if self.for_s > 0.0 && self.when.is_instant() {
            let why = "the condition holds for one scene only, since it needs an enter or a leave: it would never fire";
            return Err(wrong("for_s", format!("is {}, but {why}; it must be 0", self.for_s)).with_limit(0.0));
        }
        inside("schedule", self.schedule.as_ref().map_or(Ok(()), Schedule::validate))
    }

    /// The error with the trigger's name in front: a camera has several.
    pub(super) fn named(&self, error: Error) -> Error {
        error.prefixed(format_args!("trigger {:?}", self.name))
    }
}
