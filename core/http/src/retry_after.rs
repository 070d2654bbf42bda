use guarita::clock::UnixTime;
use jiff::fmt::{rfc2822, strtime};
use std::time::Duration;

/// Dates as HTTP had them once, which are still to be understood (RFC 9110, 5.6.7).
const OLD_DATES: [&str; 2] = ["%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];

/// How long the header `Retry-After` asks to wait from `now` on: seconds, or a date (RFC 9110, 10.2.3). None where it is neither.
pub fn retry_after(value: &str, now: UnixTime) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // Too many digits are many seconds.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let old =
        |format: &&str| strtime::parse(format, value).ok()?.to_datetime().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok();
    let at = match rfc2822::DateTimeParser::new().parse_timestamp(value) {
        Ok(at) => at,
        Err(_) => OLD_DATES.iter().find_map(old)?.timestamp(),
    };
    Some(Duration::from_secs(u64::try_from(at.as_second().saturating_sub(now.as_secs())).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates_of_all_three_kinds() {
        let now = UnixTime::from_secs(1_445_412_470);
        for (value, seconds) in [
            ("0", Some(0)),
            (" 7 ", Some(7)),
            ("3600", Some(3600)),
            ("99999999999999999999999999", Some(u64::MAX)),
            ("Wed, 21 Oct 2015 07:28:00 GMT", Some(10)),
            ("Wednesday, 21-Oct-15 07:28:00 GMT", Some(10)),
            ("Wed Oct 21 07:28:00 2015", Some(10)),
            ("Wed, 21 Oct 2015 07:27:00 GMT", Some(0)),
            ("-1", None),
            ("1.5", None),
            ("", None),
            ("soon", None),
        ] {
            assert_eq!(retry_after(value, now), seconds.map(Duration::from_secs), "{value}");
        }
        let (last, past) = (UnixTime::from_secs(i64::MIN), "Wed, 21 Oct 2015 07:28:00 GMT");
        assert!(retry_after(past, last).is_some_and(|wait| wait > Duration::from_secs(1 << 60)));
    }
}
