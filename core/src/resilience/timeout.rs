use crate::check::{nanos, within};
use crate::clock::Timestamp;
use crate::error::Result;
use std::time::Duration;

/// How long a call may take, whatever its caller asks for.
///
/// ```
/// use guarita::Timestamp;
/// use guarita::resilience::Timeout;
/// let timeout = Timeout::new(5.0)?;
/// let at = Timestamp::from_millis;
/// assert_eq!(timeout.deadline(at(1_000), None), at(6_000));
/// assert_eq!(timeout.deadline(at(1_000), Some(at(2_000))), at(2_000));
/// assert_eq!(timeout.deadline(at(1_000), Some(at(60_000))), at(6_000));
/// # Ok::<(), guarita::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeout {
    after: Duration,
}

impl Timeout {
    /// A timeout of this many seconds, 0.001..86400.
    ///
    /// # Errors
    /// `InvalidConfig` for another number.
    pub fn new(seconds: f64) -> Result<Self> {
        within("the seconds of a timeout", seconds, 0.001, 86_400.0)?;
        Ok(Self { after: Duration::from_nanos(nanos(seconds)) })
    }

    /// When a call that begins now must have ended: after this time, or at the deadline that was asked for where that is
    /// earlier. It may lie in the past.
    pub fn deadline(&self, now: Timestamp, requested: Option<Timestamp>) -> Timestamp {
        let own = now + self.after;
        requested.map_or(own, |requested| requested.min(own))
    }

    /// The time a call may take.
    pub fn after(&self) -> Duration {
        self.after
    }
}
