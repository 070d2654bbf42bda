//! Days and months of the civil calendar, as numbers.

use crate::clock::UnixTime;
use serde::{Deserialize, Serialize};
use std::fmt;

const DAY_S: i64 = 86_400;
/// Years 1 to 9999, the ones that people can read; a clock outside is taken to stand at the nearer end.
const FIRST_S: i64 = -62_135_596_800;
const LAST_S: i64 = 253_402_300_799;

/// A day, counted from 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Day(i32);

impl Day {
    /// Before every day that a clock can show.
    pub(super) const NEVER: Self = Self(i32::MIN);

    /// The day at this time, where days begin `offset_minutes` before they do in UTC.
    pub(super) fn at(unix: UnixTime, offset_minutes: i32) -> Self {
        let local = unix.as_secs().clamp(FIRST_S, LAST_S) + i64::from(offset_minutes) * 60;
        Self(i32::try_from(local.div_euclid(DAY_S)).unwrap_or(i32::MAX))
    }

    /// So many days earlier.
    pub(super) fn back(self, days: u32) -> Self {
        Self(self.0.saturating_sub_unsigned(days))
    }

    /// Year, month 1..12 and day of the month.
    pub(super) fn date(self) -> (i64, i64, i64) {
        // Years are counted from March, so that the leap day is a year's last one, and in eras of 400 years, which are
        // all equally long: 146,097 days. 719,468 days lie between 0000-03-01 and 1970-01-01.
        let days = i64::from(self.0) + 719_468;
        let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        // From March the lengths of months repeat every five: 153 days.
        let from_march = (5 * of_year + 2) / 153;
        let day = of_year - (153 * from_march + 2) / 5 + 1;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        (era * 400 + year_of_era + i64::from(month <= 2), month, day)
    }

    /// The month as a number that grows by one each month.
    pub(super) fn month(self) -> i64 {
        let (year, month, _) = self.date();
        year * 12 + month - 1
    }

    /// When this day is over.
    pub(super) fn end(self, offset_minutes: i32) -> UnixTime {
        UnixTime::from_secs((i64::from(self.0) + 1) * DAY_S - i64::from(offset_minutes) * 60)
    }

    /// When this day's month is over.
    pub(super) fn end_of_month(self, offset_minutes: i32) -> UnixTime {
        let mut day = Self(self.0.saturating_add(28 - i32::try_from(self.date().2).unwrap_or(28)));
        // Day 28 of the month now; none has more than 31.
        while day.0 < i32::MAX && Self(day.0 + 1).month() == self.month() {
            day.0 += 1;
        }
        day.end(offset_minutes)
    }
}

/// ISO 8601.
impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.date();
        f.pad(&format!("{year:04}-{month:02}-{day:02}"))
    }
}

/// A civil time as people write it, with its offset.
pub(super) fn time_text(unix: UnixTime, offset_minutes: i32) -> String {
    let day = Day::at(unix, offset_minutes);
    let of_day = (unix.as_secs().clamp(FIRST_S, LAST_S) + i64::from(offset_minutes) * 60).rem_euclid(DAY_S);
    let sign = if offset_minutes < 0 { '-' } else { '+' };
    let offset = offset_minutes.unsigned_abs();
    format!("{day} {:02}:{:02} {sign}{:02}:{:02}", of_day / 3600, of_day / 60 % 60, offset / 60, offset % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_follows_the_one_before() {
        let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for count in 0..200_000 {
            assert_eq!(Day(count).date(), (year, month, day));
            let last = match month {
                2 => 28 + i64::from(leap(year)),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            let end = Day(count).end_of_month(0).as_secs() / DAY_S;
            assert_eq!(end, i64::from(count) + last - day + 1);
            day += 1;
            if day > last {
                (month, day) = (month + 1, 1);
            }
            if month > 12 {
                (year, month) = (year + 1, 1);
            }
        }
        assert_eq!(Day(-1).to_string(), "1969-12-31");
    }

    #[test]
    fn an_offset_moves_the_beginning_of_a_day() {
        let evening = UnixTime::from_secs(23 * 3600);
        assert_eq!(Day::at(evening, 0).to_string(), "1970-01-01");
        assert_eq!(Day::at(evening, 60).to_string(), "1970-01-02");
        assert_eq!(Day::at(UnixTime::from_secs(0), -1).to_string(), "1969-12-31");
        assert_eq!(Day::at(evening, 60).end(60).as_secs(), 47 * 3600);
        assert_eq!(time_text(evening, -90), "1970-01-01 21:30 -01:30");
    }

    #[test]
    fn no_clock_is_too_wrong() {
        for seconds in [i64::MIN, i64::MAX] {
            for offset in [-1440, 1440] {
                let day = Day::at(UnixTime::from_secs(seconds), offset);
                assert!(day > Day::NEVER && day.end_of_month(offset) >= day.end(offset));
            }
        }
        let _ = (Day(i32::MIN).end_of_month(0), Day(i32::MAX).end_of_month(0), Day(i32::MAX).to_string());
    }
}
