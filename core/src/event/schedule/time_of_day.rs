use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What a clock on the wall shows, from `00:00` to `24:00`, to the minute. Written as `"HH:MM"` in configurations.
///
/// ```
/// use guarita::event::TimeOfDay;
/// let evening: TimeOfDay = "22:30".parse()?;
/// assert_eq!(evening.minutes(), 22 * 60 + 30);
/// assert!("22:60".parse::<TimeOfDay>().is_err() && "24:01".parse::<TimeOfDay>().is_err());
/// # Ok::<(), guarita::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(extend("pattern" = "^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$")))]
#[serde(try_from = "String", into = "String")]
pub struct TimeOfDay(u16);

impl TimeOfDay {
    /// When a day begins.
    pub const START: Self = Self(0);
    /// When a day is over.
    pub const END: Self = Self(24 * 60);

    /// Minutes since the day began, 0..1440.
    pub const fn minutes(self) -> u16 {
        self.0
    }
}

impl FromStr for TimeOfDay {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let two = |part: &str| {
            let digits = part.len() == 2 && part.bytes().all(|digit| digit.is_ascii_digit());
            part.parse::<u16>().ok().filter(|_| digits)
        };
        let parts = text.split_once(':').and_then(|(hours, minutes)| Some((two(hours)?, two(minutes)?)));
        match parts {
            Some((hours, minutes)) if minutes < 60 && hours * 60 + minutes <= Self::END.0 => {
                Ok(Self(hours * 60 + minutes))
            }
            _ => {
                let shown: String = text.chars().take(20).collect();
                Err(Error::invalid_config(format!("{shown:?} is no time of day; it must be \"HH:MM\", 00:00..24:00")))
            }
        }
    }
}

impl TryFrom<String> for TimeOfDay {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<TimeOfDay> for String {
    fn from(time: TimeOfDay) -> Self {
        time.to_string()
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:02}:{:02}", self.0 / 60, self.0 % 60))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_full_times_are_read() {
        for (text, minutes) in [("00:00", 0), ("06:05", 365), ("23:59", 1439), ("24:00", 1440)] {
            let time: TimeOfDay = text.parse().unwrap();
            assert_eq!((time.minutes(), time.to_string().as_str()), (minutes, text));
        }
        for text in ["", ":", "6:00", "06:0", "06", "06:00:00", "+6:00", " 6:00", "24:01", "99:99", "-1:00", "०६:००"]
        {
            let error = text.parse::<TimeOfDay>().unwrap_err();
            assert!(error.to_string().contains("HH:MM"), "{error}");
        }
        assert!(serde_json::from_str::<TimeOfDay>("\"25:00\"").is_err());
        assert_eq!(serde_json::to_string(&TimeOfDay::END).unwrap(), "\"24:00\"");
    }
}
