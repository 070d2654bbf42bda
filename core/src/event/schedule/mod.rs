//! The hours in which triggers fire.

mod time_of_day;
mod timetable;

pub use time_of_day::TimeOfDay;

pub(crate) use timetable::Timetable;

use crate::check::wrong;
use crate::error::Result;
use crate::time_zone::time_zone;
use serde::{Deserialize, Serialize};

/// The hours in which a trigger may fire: inside any of its windows. Plain data; unknown fields are refused.
///
/// ```
/// use guarita::event::Schedule;
/// let nights: Schedule = serde_json::from_str(r#"{
///     "time_zone": "America/Sao_Paulo",
///     "windows": [
///         { "days": ["mon", "tue", "wed", "thu", "fri"], "from": "22:00", "to": "06:00" },
///         { "days": ["sat", "sun"] }
///     ]
/// }"#).unwrap();
/// nights.validate()?;
/// # Ok::<(), guarita::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// The windows, 1..64.
    pub windows: Vec<ScheduleWindow>,
    /// The name of a time zone of the IANA, such as `America/Sao_Paulo`, or `UTC`. Default none: that of the machine, as
    /// it is when the trigger is made; without a name, a recording may replay to another answer on another machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
}

/// A window of a [`Schedule`]: so many hours on some days of the week, by what a clock on the wall shows. The hour that
/// summer time skips is missing in it, and the hour that comes twice counts twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct ScheduleWindow {
    /// The days on which it begins; empty (the default) is every day.
    pub days: Vec<Weekday>,
    /// When it begins, 00:00..23:59; default 00:00.
    pub from: TimeOfDay,
    /// When it is over, 00:00..24:00; default 24:00. Where that is earlier than `from`, it is the next day.
    pub to: TimeOfDay,
}

impl Default for ScheduleWindow {
    fn default() -> Self {
        Self { days: Vec::new(), from: TimeOfDay::START, to: TimeOfDay::END }
    }
}

/// A day of the week. Written as its first three letters, in lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[allow(missing_docs, reason = "the names say it")]
pub enum Weekday {
    #[serde(rename = "mon")]
    Monday,
    #[serde(rename = "tue")]
    Tuesday,
    #[serde(rename = "wed")]
    Wednesday,
    #[serde(rename = "thu")]
    Thursday,
    #[serde(rename = "fri")]
    Friday,
    #[serde(rename = "sat")]
    Saturday,
    #[serde(rename = "sun")]
    Sunday,
}

impl Weekday {
    const ALL: [Self; 7] =
        [Self::Monday, Self::Tuesday, Self::Wednesday, Self::Thursday, Self::Friday, Self::Saturday, Self::Sunday];
}

/// One for every hour of two days is more than anybody means.
const MAX_WINDOWS: usize = 64;

impl Schedule {
    /// Checks every field, and looks the time zone up where one is named.
    ///
    /// # Errors
    /// `InvalidConfig` naming the field.
    pub fn validate(&self) -> Result<()> {
        if !(1..=MAX_WINDOWS).contains(&self.windows.len()) {
            let count = self.windows.len();
            let limit = if count == 0 { 1 } else { MAX_WINDOWS };
            let error = wrong("windows", format!("has {count}; it must have 1..{MAX_WINDOWS}"));
            return Err(error.with_limit(limit as f64));
        }
        for (at, hours) in self.windows.iter().enumerate() {
            if hours.from == TimeOfDay::END {
                return Err(wrong(&format!("windows[{at}].from"), "is 24:00; it must lie in 00:00..23:59"));
            }
            if hours.from == hours.to {
                let what =
                    format!("is from {} to {}: no time at all; leave both out for whole days", hours.from, hours.to);
                return Err(wrong(&format!("windows[{at}]"), what));
            }
            if hours.days.len() > Weekday::ALL.len() {
                let count = hours.days.len();
                let field = format!("windows[{at}].days");
                return Err(wrong(&field, format!("has {count}; a week has 7")).with_limit(7.0));
            }
        }
        self.named_zone().map(|_| ())
    }

    fn named_zone(&self) -> Result<Option<jiff::tz::TimeZone>> {
        self.time_zone.as_deref().map(time_zone).transpose()
    }
}
