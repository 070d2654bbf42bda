use crate::check::within;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::resilience::monotonic::MonotonicTime;
use crate::sync::{Arc, Mutex, PoisonError};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How many calls a key may make. Plain data; unknown fields are refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct RateLimitConfig {
    /// Calls a second in the long run, for each key; 0.000001..1000000, default 10.
    pub per_second: f64,
    /// Calls at once after a rest, for each key; 1..1000000, default 10.
    pub burst: u32,
    /// Keys that are known at a time; 1..1000000, default 10000.
    pub max_keys: usize,
}

impl Default for RateLimitConfig {
    fn default() -> Self {
        Self { per_second: 10.0, burst: 10, max_keys: 10_000 }
    }
}

impl RateLimitConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// `InvalidConfig` naming the field and its range.
    pub fn validate(&self) -> Result<()> {
        within("per_second", self.per_second, 1e-6, 1e6)?;
        within("burst", self.burst, 1, 1_000_000)?;
        within("max_keys", self.max_keys, 1, 1_000_000)
    }
}

/// Parts of a nanosecond: a token of 1/3 s is off by 10⁻⁶ ns, not by 1.
const FINE: u128 = 1 << 20;

/// Bounds the calls of each key (a camera, a client, an API) with a bucket of tokens of its own: in any time t, a key
/// makes at most `per_second` × t + `burst` calls, to the call.
///
/// Clones share the buckets. An unknown key has a full bucket. At `max_keys`, a new key replaces one whose bucket is
/// full and which so loses nothing; while there is none, new keys are refused, so that forgetting a key never gains it
/// tokens. Set `max_keys` above the number of keys in use; memory is bounded by it and by the length of the keys.
///
/// A clock that goes back takes no time: no tokens come, none are lost
/// ([as for the breaker](crate::CircuitBreaker)).
///
/// ```
/// use guarita::Timestamp;
/// use guarita::resilience::{RateLimit, RateLimitConfig};
/// let limit = RateLimit::new(RateLimitConfig { per_second: 2.0, burst: 1, ..Default::default() })?;
/// let now = Timestamp::default();
/// assert_eq!(limit.try_acquire("door", now), Ok(()));
/// let wait = limit.try_acquire("door", now).unwrap_err();
/// assert_eq!(wait.as_millis(), 500);
/// assert_eq!(limit.try_acquire("yard", now), Ok(()));
/// assert_eq!(limit.try_acquire("door", now + wait), Ok(()));
/// # Ok::<(), guarita::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct RateLimit {
    shared: Arc<Mutex<Buckets>>,
}

#[derive(Debug)]
struct Buckets {
    /// Time between two tokens, and time to fill an empty bucket less one token; in parts of a nanosecond.
    token: u128,
    slack: u128,
    max_keys: usize,
    time: MonotonicTime,
    /// When the bucket of each key will be full, in parts of a nanosecond.
    full_at: BTreeMap<std::sync::Arc<str>, u128>,
    /// The same, ordered by that time: finds a key to forget without a search.
    order: BTreeSet<(u128, std::sync::Arc<str>)>,
}

impl RateLimit {
    /// A limit that knows no key yet.
    ///
    /// # Errors
    /// `InvalidConfig` naming the field and its range.
    pub fn new(config: RateLimitConfig) -> Result<Self> {
        config.validate()?;
        // Rounded up: never more than the rate.
        let token = (1e9 * FINE as f64 / config.per_second).ceil() as u128;
        let buckets = Buckets {
            token,
            slack: token * u128::from(config.burst - 1),
            max_keys: config.max_keys,
            time: MonotonicTime::default(),
            full_at: BTreeMap::new(),
            order: BTreeSet::new(),
        };
        Ok(Self { shared: Arc::new(Mutex::new(buckets)) })
    }

    /// Takes a token of this key.
    ///
    /// # Errors
    /// The time until there is one; for a key that is not known while there is no place for it, the time until there may be
    /// a place.
    pub fn try_acquire(&self, key: &str, now: Timestamp) -> Result<(), Duration> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).take(key, now)
    }

    /// Keys that are known now.
    pub fn keys(&self) -> usize {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).full_at.len()
    }
}

impl Buckets {
    fn take(&mut self, key: &str, now: Timestamp) -> Result<(), Duration> {
        let at = self.time.at(now).saturating_mul(FINE);
        let (key, full_at) = match self.full_at.get_key_value(key) {
            Some((key, &full_at)) => (key.clone(), full_at),
            None => {
                self.make_room(at)?;
                (key.into(), 0)
            }
        };
        if let Some(wait) = full_at.checked_sub(at.saturating_add(self.slack)).filter(|&wait| wait > 0) {
            return Err(duration(wait));
        }
        self.order.remove(&(full_at, key.clone()));
        let full_at = full_at.max(at).saturating_add(self.token);
        self.order.insert((full_at, key.clone()));
        self.full_at.insert(key, full_at);
        Ok(())
    }

    fn make_room(&mut self, at: u128) -> Result<(), Duration> {
        if self.full_at.len() < self.max_keys {
            return Ok(());
        }
        match self.order.first() {
            Some(&(full_at, _)) if full_at > at => Err(duration(full_at - at)),
            _ => {
                if let Some((_, key)) = self.order.pop_first() {
                    self.full_at.remove(&key);
                }
                Ok(())
            }
        }
    }
}

/// Rounded up, so that a token is available after the wait.
fn duration(parts: u128) -> Duration {
    Duration::from_nanos(u64::try_from(parts.div_ceil(FINE)).unwrap_or(u64::MAX))
}
