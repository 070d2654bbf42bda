//! Days and months of the civil calendar in a time zone.

use crate::clock::UnixTime;
use crate::error::Result;
use crate::time_zone::time_zone;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Years 1 to 9999, the ones that people can read; a clock outside is taken to stand at the nearer end.
const FIRST_S: i64 = -62_135_596_800;
const LAST_S: i64 = 253_402_100_000;

/// 0001-01-01 and 9999-12-31.
const FIRST_DAY: i32 = -719_162;
const LAST_DAY: i32 = 2_932_896;

/// 1970-01-01.
const EPOCH: Date = Date::constant(1970, 1, 1);

/// A day, counted from 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Day(i32);

impl Day {
    /// Before every day that a clock can show.
    pub(super) const NEVER: Self = Self(i32::MIN);

    fn of(date: Date) -> Self {
        Self(date.since(EPOCH).map_or(i32::MAX, |days| days.get_days()))
    }

    fn date(self) -> Date {
        EPOCH.saturating_add(self.0.clamp(FIRST_DAY, LAST_DAY).days())
    }

    /// So many days earlier.
    pub(super) fn back(self, days: u32) -> Self {
        Self(self.0.saturating_sub_unsigned(days))
    }

    /// Year and month.
    pub(super) fn month(self) -> (i16, i8) {
        (self.date().year(), self.date().month())
    }
}

/// ISO 8601.
impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.date().to_string())
    }
}

/// The calendar of a time zone, found once.
#[derive(Clone, Debug)]
pub(super) struct Calendar(TimeZone);

impl Calendar {
    /// # Errors
    /// `InvalidConfig` where the time zone is not known.
    pub(super) fn new(name: &str) -> Result<Self> {
        time_zone(name).map(Self)
    }

    /// The day at this time.
    pub(super) fn day(&self, unix: UnixTime) -> Day {
        Day::of(self.0.to_datetime(timestamp(unix)).date())
    }

    /// When this day is over.
    pub(super) fn end(&self, day: Day) -> UnixTime {
        self.start(day.date().saturating_add(1.day()))
    }

    /// When this day's month is over.
    pub(super) fn end_of_month(&self, day: Day) -> UnixTime {
        self.start(day.date().last_of_month().saturating_add(1.day()))
    }

    /// The first moment of a day; where a change of the clocks leaves midnight out, the first one after it.
    fn start(&self, date: Date) -> UnixTime {
        let seconds = date.to_zoned(self.0.clone()).map_or(Timestamp::MAX, |start| start.timestamp()).as_second();
        UnixTime::from_secs(seconds)
    }

    /// A time as people write it, with its offset.
    pub(super) fn text(&self, unix: UnixTime) -> String {
        timestamp(unix).to_zoned(self.0.clone()).strftime("%Y-%m-%d %H:%M %:z").to_string()
    }
}

fn timestamp(unix: UnixTime) -> Timestamp {
    Timestamp::from_second(unix.as_secs().clamp(FIRST_S, LAST_S)).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calendar(name: &str) -> Calendar {
        Calendar::new(name).unwrap()
    }

    #[test]
    fn every_day_of_2024_ends_where_the_next_begins() {
        for zone in ["UTC", "America/Sao_Paulo", "Europe/Lisbon", "Asia/Kolkata", "Pacific/Apia"] {
            let calendar = calendar(zone);
            let mut at = UnixTime::from_secs(1_704_110_400);
            for _ in 0..366 {
                let day = calendar.day(at);
                let end = calendar.end(day);
                assert_eq!(calendar.day(UnixTime::from_secs(end.as_secs() - 1)), day, "{zone}");
                assert_eq!(calendar.day(end), Day(day.0 + 1), "{zone}");
                let month_end = calendar.end_of_month(day);
                assert_eq!(calendar.day(UnixTime::from_secs(month_end.as_secs() - 1)).month(), day.month());
                assert_ne!(calendar.day(month_end).month(), day.month());
                assert!(month_end >= end);
                at = UnixTime::from_secs(end.as_secs() + 1);
            }
        }
    }

    #[test]
    fn days_of_23_and_25_hours_and_a_midnight_that_is_left_out() {
        let hours = |zone: &str, noon: i64| {
            let calendar = calendar(zone);
            let day = calendar.day(UnixTime::from_secs(noon));
            let before = Day(day.0 - 1);
            (calendar.end(day).as_secs() - calendar.end(before).as_secs()) / 3600
        };
        // 2024-03-31 and 2024-10-27; 2018-11-04, whose clocks went from midnight to one o'clock.
        assert_eq!(hours("Europe/Lisbon", 1_711_886_400), 23);
        assert_eq!(hours("Europe/Lisbon", 1_730_030_400), 25);
        assert_eq!(hours("America/Sao_Paulo", 1_541_343_600), 23);
    }

    #[test]
    fn dates_and_texts() {
        let evening = UnixTime::from_secs(23 * 3600);
        assert_eq!(calendar("UTC").day(evening).to_string(), "1970-01-01");
        assert_eq!(calendar("Europe/Berlin").day(evening).to_string(), "1970-01-02");
        assert_eq!(calendar("America/Sao_Paulo").day(UnixTime::from_secs(0)).to_string(), "1969-12-31");
        assert_eq!(calendar("Asia/Kolkata").text(evening), "1970-01-02 04:30 +05:30");
        assert_eq!(calendar("UTC").text(evening), "1970-01-01 23:00 +00:00");
        assert_eq!(Day(-1).to_string(), "1969-12-31");
        assert_eq!((Day(31).month(), Day(58).month(), Day(59).month()), ((1970, 2), (1970, 2), (1970, 3)));
    }

    #[test]
    fn no_clock_is_too_wrong() {
        for seconds in [i64::MIN, i64::MAX] {
            for zone in ["UTC", "Pacific/Kiritimati", "Etc/GMT+12"] {
                let calendar = calendar(zone);
                let day = calendar.day(UnixTime::from_secs(seconds));
                assert!(day > Day::NEVER && calendar.end_of_month(day) >= calendar.end(day));
                assert!(!calendar.text(UnixTime::from_secs(seconds)).is_empty());
            }
        }
        for day in [Day::NEVER, Day(i32::MAX)] {
            let _ = (calendar("UTC").end_of_month(day), calendar("UTC").end(day), day.back(400));
            assert!(["0001-01-01", "9999-12-31"].contains(&&*day.to_string()));
        }
    }
}
