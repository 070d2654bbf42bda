use super::{Schedule, ScheduleWindow, Weekday};
use crate::check::wrong;
use crate::clock::UnixTime;
use crate::error::Result;
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A schedule with its time zone resolved, which is evaluated without further access to the system.
#[derive(Debug)]
pub(crate) struct Timetable {
    windows: Vec<ScheduleWindow>,
    zone: TimeZone,
}

impl Timetable {
    /// Looks the time zone up; the machine's own, where none is named.
    ///
    /// # Errors
    /// As [`Schedule::validate`]; `InvalidConfig` too where none is named and the machine reports none: the firing
    /// times would be undefined.
    pub(crate) fn new(schedule: &Schedule) -> Result<Self> {
        schedule.validate()?;
        let zone = match schedule.named_zone()? {
            Some(zone) => zone,
            None => TimeZone::try_system().map_err(|error| {
                let what = format!("is not set, and the machine does not say its own ({error})");
                wrong("time_zone", what).with_source(error)
            })?,
        };
        Ok(Self { windows: schedule.windows.clone(), zone })
    }

    /// Whether this time lies in any window. Times outside of the calendar's range count as its nearest one.
    pub(crate) fn holds(&self, time: UnixTime) -> bool {
        let seconds = time.as_secs().clamp(Timestamp::MIN.as_second() + 1, Timestamp::MAX.as_second() - 1);
        let Ok(at) = Timestamp::from_second(seconds) else { return false };
        let local = self.zone.to_datetime(at);
        let day = usize::try_from(local.weekday().to_monday_zero_offset()).unwrap_or(0) % 7;
        let (today, yesterday) = (Weekday::ALL[day], Weekday::ALL[(day + 6) % 7]);
        let minutes = u16::try_from(i32::from(local.hour()) * 60 + i32::from(local.minute())).unwrap_or(0);
        self.windows.iter().any(|hours| {
            let on = |day| hours.days.is_empty() || hours.days.contains(&day);
            let (from, to) = (hours.from.minutes(), hours.to.minutes());
            if from < to {
                on(today) && (from..to).contains(&minutes)
            } else {
                on(today) && minutes >= from || on(yesterday) && minutes < to
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timetable(zone: &str, windows: &str) -> Timetable {
        let text = format!(r#"{{"time_zone": "{zone}", "windows": {windows}}}"#);
        Timetable::new(&serde_json::from_str(&text).unwrap()).unwrap()
    }

    fn utc(text: &str) -> UnixTime {
        UnixTime::from_secs(text.parse::<Timestamp>().unwrap().as_second())
    }

    /// The times between two, to the minute, at which it holds, as spans in UTC.
    fn spans(table: &Timetable, from: &str, to: &str) -> Vec<(String, String)> {
        let (from, to) = (utc(from).as_secs(), utc(to).as_secs());
        let text = |seconds: i64| Timestamp::from_second(seconds).unwrap().strftime("%d %H:%M").to_string();
        let (mut spans, mut open) = (Vec::new(), None);
        for seconds in (from..=to).step_by(60) {
            match (open, table.holds(UnixTime::from_secs(seconds)) && seconds < to) {
                (None, true) => open = Some(seconds),
                (Some(start), false) => {
                    spans.push((text(start), text(seconds)));
                    open = None;
                }
                _ => {}
            }
        }
        spans
    }

    fn pairs(spans: &[(String, String)]) -> Vec<(&str, &str)> {
        spans.iter().map(|(from, to)| (from.as_str(), to.as_str())).collect()
    }

    #[test]
    fn windows_of_days_and_over_midnight() {
        // 2024-03-04 is a Monday.
        let week = ("2024-03-04T00:00:00Z", "2024-03-11T00:00:00Z");
        for (windows, expected) in [
            (r#"[{"days": ["wed"]}]"#, vec![("06 00:00", "07 00:00")]),
            (r#"[{"days": ["tue"], "from": "08:00", "to": "24:00"}]"#, vec![("05 08:00", "06 00:00")]),
            (
                r#"[{"days": ["fri", "mon"], "from": "22:00", "to": "06:00"}]"#,
                vec![("04 22:00", "05 06:00"), ("08 22:00", "09 06:00")],
            ),
            // From the Sunday before, and into the Monday after.
            (
                r#"[{"days": ["sun"], "from": "23:30", "to": "00:15"}]"#,
                vec![("04 00:00", "04 00:15"), ("10 23:30", "11 00:00")],
            ),
            (r#"[{"days": ["thu"], "from": "12:00", "to": "00:00"}]"#, vec![("07 12:00", "08 00:00")]),
            // Windows that touch are one.
            (
                r#"[{"days": ["sat"], "from": "08:00", "to": "09:00"}, {"days": ["sat"], "from": "09:00", "to": "09:01"}]"#,
                vec![("09 08:00", "09 09:01")],
            ),
            (r#"[{}]"#, vec![("04 00:00", "11 00:00")]),
        ] {
            assert_eq!(pairs(&spans(&timetable("UTC", windows), week.0, week.1)), expected, "{windows}");
        }
    }

    #[test]
    fn a_time_zone_moves_the_window() {
        // Three hours behind UTC all year since 2019.
        let table = timetable("America/Sao_Paulo", r#"[{"days": ["mon"], "from": "22:00", "to": "06:00"}]"#);
        let spans = spans(&table, "2024-07-01T00:00:00Z", "2024-07-04T00:00:00Z");
        assert_eq!(pairs(&spans), [("02 01:00", "02 09:00")]);
    }

    #[test]
    fn days_on_which_the_clocks_change() {
        // New York: 02:00 EST becomes 03:00 EDT on 2024-03-10 (07:00 UTC).
        let day = ("2024-03-10T05:00:00Z", "2024-03-11T04:00:00Z");
        let york = |windows| timetable("America/New_York", windows);
        for (windows, expected) in [
            (r#"[{"from": "01:30", "to": "03:30"}]"#, ("10 06:30", "10 07:30")),
            (r#"[{"from": "01:30", "to": "02:30"}]"#, ("10 06:30", "10 07:00")),
            // 04:00 of the summer time, an hour earlier than the days before.
            (r#"[{"from": "04:00", "to": "05:00"}]"#, ("10 08:00", "10 09:00")),
            // The day has 23 hours.
            (r#"[{"days": ["sun"]}]"#, ("10 05:00", "11 04:00")),
        ] {
            assert_eq!(pairs(&spans(&york(windows), day.0, day.1)), [expected], "{windows}");
        }
        assert!(spans(&york(r#"[{"from": "02:10", "to": "02:50"}]"#), day.0, day.1).is_empty(), "skipped");
        // Lisbon: 01:00 WET becomes 02:00 WEST on 2024-03-31 (01:00 UTC); 02:00 WEST becomes 01:00 WET on 2024-10-27
        // (01:00 UTC), so that 01:30 comes twice.
        let lisbon = |windows| timetable("Europe/Lisbon", windows);
        let table = lisbon(r#"[{"from": "00:30", "to": "02:30"}]"#);
        assert_eq!(pairs(&spans(&table, "2024-03-31T00:00:00Z", "2024-03-31T12:00:00Z")), [("31 00:30", "31 01:30")]);
        let table = lisbon(r#"[{"from": "01:30", "to": "01:45"}]"#);
        assert_eq!(
            pairs(&spans(&table, "2024-10-26T23:00:00Z", "2024-10-27T12:00:00Z")),
            [("27 00:30", "27 00:45"), ("27 01:30", "27 01:45")]
        );
        // Over midnight into the longer day: 22:00 WEST (21:00 UTC) to 06:00 WET (06:00 UTC).
        let table = lisbon(r#"[{"days": ["sat"], "from": "22:00", "to": "06:00"}]"#);
        assert_eq!(pairs(&spans(&table, "2024-10-26T12:00:00Z", "2024-10-27T12:00:00Z")), [("26 21:00", "27 06:00")]);
    }

    #[test]
    fn times_that_no_calendar_has_do_no_harm() {
        for zone in ["UTC", "Asia/Tokyo", "America/New_York"] {
            let table = timetable(zone, r#"[{"days": ["mon"], "from": "22:00", "to": "06:00"}]"#);
            for seconds in [i64::MIN, -400_000_000_000, -1, 0, 400_000_000_000, i64::MAX] {
                table.holds(UnixTime::from_secs(seconds));
            }
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, part) in [
            (r#"{"windows": []}"#, "windows has 0"),
            (r#"{"windows": [{}, {"from": "24:00", "to": "01:00"}]}"#, "windows[1].from"),
            (r#"{"windows": [{"from": "08:00", "to": "08:00"}]}"#, "windows[0]"),
            (r#"{"windows": [{}], "time_zone": "Mars/Olympus"}"#, "time_zone is \"Mars/Olympus\""),
            (r#"{"windows": [{}], "time_zone": ""}"#, "time_zone is \"\""),
            (r#"{"windows": [{}], "time_zone": "../../etc/passwd"}"#, "time_zone"),
        ] {
            let error = serde_json::from_str::<Schedule>(text).unwrap().validate().unwrap_err();
            assert_eq!(error.code(), crate::ErrorCode::InvalidConfig);
            assert!(error.to_string().contains(part), "{error}");
        }
        let long = Schedule { windows: vec![ScheduleWindow::default()], time_zone: Some("x".repeat(1_000_000)) };
        assert!(long.validate().unwrap_err().to_string().len() < 300);
        for text in [
            r#"{"windows": [{"days": ["monday"]}]}"#,
            r#"{"windows": [{"hours": 1}]}"#,
            r#"{"zone": "UTC", "windows": [{}]}"#,
            r#"{"windows": [{"from": "8"}]}"#,
        ] {
            assert!(serde_json::from_str::<Schedule>(text).is_err(), "{text}");
        }
        // The machine's own zone, whatever it is; some machines do not say.
        let own = Schedule { windows: vec![ScheduleWindow::default()], time_zone: None };
        match Timetable::new(&own) {
            Ok(table) => assert!(table.holds(UnixTime::from_secs(1_700_000_000))),
            Err(error) => assert!(error.to_string().starts_with("time_zone is not set"), "{error}"),
        }
    }
}
