use crate::clock::Timestamp;

/// A larger step back means that the clock was set; a smaller one, that two threads read the clock in one order and
/// reached this point in the other.
const SET_BACK_NS: u64 = 10_000_000_000;

/// Monotonic time derived from a clock that may be set back.
///
/// A step back takes no time. After a small one, time stands still until the clock is where it was; after a large one
/// it goes on from the new place at once. So nothing that waits for the end of a span waits longer than the span and
/// 10 s for one step back, and late readings of the clock do not make time run faster.
#[derive(Debug, Default)]
pub(crate) struct MonotonicTime {
    last: Option<Timestamp>,
    /// 128 bits hold more jumps from one end of a timestamp's range to the other than a process can make.
    elapsed_ns: u128,
}

impl MonotonicTime {
    /// Nanoseconds of forward time since the first reading.
    pub(crate) fn at(&mut self, now: Timestamp) -> u128 {
        match self.last {
            Some(last) if now > last => {
                let step = now.as_nanos().abs_diff(last.as_nanos());
                self.elapsed_ns = self.elapsed_ns.saturating_add(u128::from(step));
                self.last = Some(now);
            }
            Some(last) if now.as_nanos().abs_diff(last.as_nanos()) <= SET_BACK_NS => {}
            _ => self.last = Some(now),
        }
        self.elapsed_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_back_take_no_time() {
        let mut time = MonotonicTime::default();
        let seconds = [(100, 0), (110, 10), (109, 10), (110, 10), (111, 11), (100, 11), (101, 12), (3_701, 3_612)];
        for (now, elapsed) in seconds {
            assert_eq!(time.at(Timestamp::from_millis(now * 1_000)), elapsed * 1_000_000_000, "at {now}");
        }
        assert_eq!(time.at(Timestamp::from_millis(101_000)), 3_612_000_000_000);
        assert_eq!(time.at(Timestamp::from_millis(102_000)), 3_613_000_000_000);
    }

    #[test]
    fn the_ends_of_the_range_do_not_overflow() {
        let mut time = MonotonicTime::default();
        for _ in 0..100 {
            time.at(Timestamp::from_nanos(i64::MIN));
            time.at(Timestamp::from_nanos(i64::MAX));
        }
        assert_eq!(time.at(Timestamp::from_nanos(i64::MAX)), 100 * u128::from(u64::MAX));
    }
}
