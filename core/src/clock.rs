//! Time: the one home of clocks. Everything else takes a [`Clock`] or a [`Timestamp`] as an argument.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::{Add, Sub};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A point in time in nanoseconds, from an origin that the clock chooses.
///
/// A frame's presentation time uses the host's origin; differences between two frames of one camera are what counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From nanoseconds after the origin.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// From milliseconds after the origin; saturates at the ends of the range (±292 years).
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// From seconds after the origin, rounded to the nearest nanosecond.
    ///
    /// # Errors
    /// `InvalidArgument` for what is no finite number, and outside ±292 years: what is further away was not in seconds.
    pub fn from_secs_f64(seconds: f64) -> Result<Self> {
        // NaN is in no range.
        if !(-LONGEST_S..=LONGEST_S).contains(&seconds) {
            let advice = match seconds.is_finite() {
                true => "; divide milliseconds by 1e3, microseconds by 1e6, nanoseconds by 1e9",
                false => "",
            };
            return Err(Error::invalid_argument(format!(
                "{seconds:e} is no time; a time is a number of seconds within ±{LONGEST_S} (292 years){advice}"
            )));
        }
        let whole = seconds.floor();
        let nanos = ((seconds - whole) * 1e9).round() as i64;
        // Apart, since the nanoseconds of a year are more than the digits of a float.
        Ok(Self(whole as i64 * NANOS + nanos))
    }

    /// Seconds after the origin, as near as a float comes.
    pub fn as_secs_f64(self) -> f64 {
        // Apart, as above.
        self.0.div_euclid(NANOS) as f64 + self.0.rem_euclid(NANOS) as f64 / 1e9
    }

    /// Nanoseconds after the origin.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }
}

/// The time between two timestamps; zero where the right one is the later one.
impl Sub for Timestamp {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        Duration::from_nanos(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// The time so much later; saturates at the end of the range.
impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, later: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(later.as_nanos()).unwrap_or(i64::MAX)))
    }
}

const NANOS: i64 = 1_000_000_000;
/// The whole seconds that an `i64` of nanoseconds holds, less the last one.
const LONGEST_S: f64 = 9_223_372_035.0;

/// A point in civil time: seconds since 1970-01-01T00:00:00 UTC, without leap seconds. Unlike a [`Timestamp`] it may
/// jump, when the system clock is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixTime(i64);

impl UnixTime {
    /// From seconds since 1970.
    pub const fn from_secs(seconds: i64) -> Self {
        Self(seconds)
    }

    /// Seconds since 1970.
    pub const fn as_secs(self) -> i64 {
        self.0
    }
}

/// One reading of both times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// For measuring how long something takes: it never goes back.
    pub monotonic: Timestamp,
    /// For days and months.
    pub unix: UnixTime,
}

/// A source of time.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The monotonic time now; never less than an earlier answer of the same clock.
    fn now(&self) -> Timestamp;

    /// The civil time now.
    fn unix(&self) -> UnixTime;

    /// The same in nanoseconds since 1970, as far as the clock knows them; whole seconds unless said otherwise. Ids of events
    /// of a stream without civil time are made of it: two runs that begin in the same second are told apart by the rest.
    fn unix_ns(&self) -> i64 {
        self.unix().as_secs().saturating_mul(NANOS)
    }

    /// Whether time passes by itself. Where it does not, no thread waits for it, and the code that advances it wakes
    /// those that are due.
    fn runs(&self) -> bool {
        true
    }

    /// Both.
    fn moment(&self) -> Moment {
        Moment { monotonic: self.now(), unix: self.unix() }
    }
}

/// The machine's monotonic clock; its origin is the first reading in this process.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one home of the machine's clock")]
    fn now(&self) -> Timestamp {
        use std::sync::OnceLock;
        use std::time::Instant;
        static ORIGIN: OnceLock<Instant> = OnceLock::new();
        let origin = *ORIGIN.get_or_init(Instant::now);
        let nanos = Instant::now().saturating_duration_since(origin).as_nanos();
        Timestamp(i64::try_from(nanos).unwrap_or(i64::MAX))
    }

    fn unix(&self) -> UnixTime {
        UnixTime(self.unix_ns().div_euclid(NANOS))
    }

    #[expect(clippy::disallowed_methods, reason = "the one home of the machine's clock")]
    fn unix_ns(&self) -> i64 {
        use std::time::{SystemTime, UNIX_EPOCH};
        let nanos = |time: Duration| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(after) => nanos(after),
            Err(before) => -nanos(before.duration()),
        }
    }
}

/// A clock that stands still until it is advanced, for tests and simulations.
///
/// ```
/// use guarita::clock::{Clock, ManualClock, UnixTime};
/// use std::time::Duration;
/// let clock = ManualClock::new(UnixTime::from_secs(1_700_000_000));
/// clock.advance(Duration::from_secs(60));
/// assert_eq!(clock.now().as_nanos(), 60_000_000_000);
/// assert_eq!(clock.unix().as_secs(), 1_700_000_060);
/// ```
#[derive(Debug, Default)]
pub struct ManualClock(Mutex<Manual>);

#[derive(Debug, Default)]
struct Manual {
    now: Timestamp,
    /// Civil time less monotonic time, in nanoseconds.
    offset: i128,
}

impl ManualClock {
    /// A clock at monotonic time 0 and this civil time.
    pub fn new(unix: UnixTime) -> Self {
        let offset = i128::from(unix.as_secs()) * 1_000_000_000;
        Self(Mutex::new(Manual { now: Timestamp::default(), offset }))
    }

    /// Moves both times on.
    pub fn advance(&self, by: Duration) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.now = state.now + by;
    }

    fn unix_nanos(&self) -> i128 {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        i128::from(state.now.as_nanos()) + state.offset
    }

    /// Sets the civil time only, like a correction of the system clock.
    pub fn set_unix(&self, unix: UnixTime) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.offset = i128::from(unix.as_secs()) * 1_000_000_000 - i128::from(state.now.as_nanos());
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).now
    }

    fn runs(&self) -> bool {
        false
    }

    fn unix(&self) -> UnixTime {
        UnixTime(i64::try_from(self.unix_nanos().div_euclid(NANOS.into())).unwrap_or(i64::MAX))
    }

    fn unix_ns(&self) -> i64 {
        i64::try_from(self.unix_nanos()).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_never_negative() {
        let (early, late) = (Timestamp::from_millis(1), Timestamp::from_millis(3));
        assert_eq!(late - early, Duration::from_millis(2));
        assert_eq!(early - late, Duration::ZERO);
        assert_eq!(Timestamp::from_nanos(i64::MIN) - late, Duration::ZERO);
    }

    #[test]
    fn seconds_are_rounded_to_nanoseconds_and_what_is_no_time_is_refused() {
        for (seconds, nanos) in [
            (0.0, 0),
            (-0.5, -500_000_000),
            (1.000_000_001, 1_000_000_001),
            (0.999_999_999_9, NANOS),
            (1_764_000_000.25, 1_764_000_000_250_000_000),
            (-9_223_372_035.0, -9_223_372_035_000_000_000),
            (5e-324, 0),
        ] {
            assert_eq!(Timestamp::from_secs_f64(seconds).unwrap().as_nanos(), nanos, "{seconds}");
            assert!((Timestamp::from_nanos(nanos).as_secs_f64() - seconds).abs() <= 1e-9, "{seconds}");
        }
        // Milliseconds, microseconds and nanoseconds since 1970 among them.
        for seconds in [1.764e12, 1.764e15, 1.764e18, 1e300, -1e300, 9.3e9] {
            let error = Timestamp::from_secs_f64(seconds).unwrap_err();
            assert!(
                error.code() == crate::error::ErrorCode::InvalidArgument && error.to_string().contains("microseconds")
            );
        }
        for seconds in [f64::INFINITY, f64::NEG_INFINITY, f64::NAN] {
            let error = Timestamp::from_secs_f64(seconds).unwrap_err();
            assert!(error.to_string().contains("is no time") && !error.to_string().contains("micro"), "{error}");
        }
    }

    #[test]
    fn a_sum_saturates() {
        assert_eq!(Timestamp::from_millis(1) + Duration::from_millis(2), Timestamp::from_millis(3));
        assert_eq!(Timestamp::from_nanos(1) + Duration::MAX, Timestamp::from_nanos(i64::MAX));
    }

    #[test]
    fn a_manual_clock_can_be_corrected_without_going_back() {
        let clock = ManualClock::new(UnixTime::from_secs(7_200));
        clock.advance(Duration::from_millis(1_500));
        clock.set_unix(UnixTime::from_secs(3_600));
        assert_eq!(
            clock.moment(),
            Moment { monotonic: Timestamp::from_millis(1_500), unix: UnixTime::from_secs(3_600) }
        );
        clock.advance(Duration::from_secs(1));
        assert_eq!(clock.unix(), UnixTime::from_secs(3_601));
    }

    #[test]
    fn the_system_clock_does_not_go_back() {
        let clock = SystemClock;
        let first = clock.now();
        assert!(clock.now() >= first);
    }
}
