//! Breaker, retry, rate, bulkhead and timeout as a provider sees them, on virtual time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test")]

mod breaker;
mod configs;
mod model;
mod rate;
mod retry;
mod table;

use guarita::{Error, ErrorCode, Timestamp};

fn at(seconds: f64) -> Timestamp {
    Timestamp::from_nanos((seconds * 1e9).round() as i64)
}

fn error(code: ErrorCode) -> Error {
    Error::new(code, "a test")
}

/// A small generator of the tests' own: xorshift64*.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11
    }

    fn below(&mut self, most: u64) -> u64 {
        self.roll() % most
    }

    fn one_in(&mut self, most: u64) -> bool {
        self.below(most) == 0
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
}
