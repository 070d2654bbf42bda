//! Time: the one home of clocks. Everything else takes a [`Clock`] or a [`Timestamp`] as an argument.

use std::fmt;
use std::ops::Sub;
use std::time::Duration;

/// A point in time in nanoseconds, from an origin that the clock chooses.
///
/// A frame's presentation time uses the host's origin; differences between two frames of one camera are what counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

/// A source of monotonic time.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The time now; never less than an earlier answer of the same clock.
    fn now(&self) -> Timestamp;
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
    fn the_system_clock_does_not_go_back() {
        let clock = SystemClock;
        let first = clock.now();
        assert!(clock.now() >= first);
    }
}
