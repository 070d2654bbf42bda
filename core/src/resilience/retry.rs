use crate::check::within;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::resilience::failure::{Verdict, classify, is_retryable};
use crate::resilience::random::Random;
use crate::sync::{Arc, Mutex, MutexGuard, PoisonError};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How often and when a failed call is made again. Plain data; unknown fields are refused. Times are seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct RetryConfig {
    /// Calls in all, the first one included; 1..100, default 3.
    pub attempts: u32,
    /// The first wait is drawn evenly from 0 to this, and doubles with each attempt; 0.001..3600, default 0.05.
    pub base_s: f64,
    /// The same, where the other side throttled; 0.001..3600, default 1.
    pub throttle_base_s: f64,
    /// No drawn wait is longer; 0.001..3600, default 20.
    pub cap_s: f64,
    /// The longest wait that the other side may ask for; 0..3600, default 60. Where it asks for more, the call is given
    /// up.
    pub retry_after_max_s: f64,
    /// Tokens for retries, shared by all calls of this policy; 1..1000000, default 500.
    pub bucket: u32,
    /// Tokens that a retry takes; 1..1000000, default 5.
    pub retry_cost: u32,
    /// Tokens that a retry after a timeout takes; 1..1000000, default 10.
    pub timeout_cost: u32,
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self {
            attempts: 3,
            base_s: 0.05,
            throttle_base_s: 1.0,
            cap_s: 20.0,
            retry_after_max_s: 60.0,
            bucket: 500,
            retry_cost: 5,
            timeout_cost: 10,
        }
    }
}

impl RetryConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// `InvalidConfig` naming the field and its range.
    pub fn validate(&self) -> Result<()> {
        within("attempts", self.attempts, 1, 100)?;
        within("base_s", self.base_s, 0.001, 3600.0)?;
        within("throttle_base_s", self.throttle_base_s, 0.001, 3600.0)?;
        within("cap_s", self.cap_s, 0.001, 3600.0)?;
        within("retry_after_max_s", self.retry_after_max_s, 0.0, 3600.0)?;
        within("bucket", self.bucket, 1, 1_000_000)?;
        within("retry_cost", self.retry_cost, 1, 1_000_000)?;
        within("timeout_cost", self.timeout_cost, 1, 1_000_000)
    }
}

/// Whether a failed call is made again.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum RetryDecision {
    /// Yes.
    Again {
        /// Wait for this long first.
        after: Duration,
        /// What the retry took from the bucket; goes to [`RetryPolicy::succeeded`] if it succeeds.
        taken: RetryTokens,
    },
    /// No.
    GiveUp(GiveUpReason),
}

/// Why a failed call is not made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GiveUpReason {
    /// It would fail again.
    NotRetryable,
    /// It was made often enough.
    Attempts,
    /// The other side asks for a longer wait than `retry_after_max_s`.
    RetryAfter,
    /// The wait would end at the deadline or after it.
    Deadline,
    /// Too many calls failed lately: the bucket is empty.
    Bucket,
}

/// Tokens that a retry took from the bucket of a [`RetryPolicy`]. The default is none: a first attempt.
#[derive(Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct RetryTokens(u32);

impl RetryTokens {
    /// This many tokens, for a host that stores the number, for instance with a queued job. No more are returned than
    /// the bucket holds.
    pub const fn new(count: u32) -> Self {
        Self(count)
    }

    /// The number of tokens.
    pub const fn count(&self) -> u32 {
        self.0
    }
}

/// Decides whether and when a failed call is made again.
///
/// Waits are drawn evenly from 0 to a bound that doubles (full jitter). All calls of one policy, and of its clones, share a
/// bucket of tokens, so that an outage is not answered with three times the load: make one for each provider.
///
/// ```
/// use guarita::{Error, ErrorCode, Timestamp};
/// use guarita::resilience::{RetryConfig, RetryDecision, RetryPolicy, RetryTokens};
/// let policy = RetryPolicy::new(RetryConfig::default(), 7)?;
/// let mut held = RetryTokens::default();
/// for attempt in 1.. {
///     let answer = if attempt < 3 { Err(Error::new(ErrorCode::Unavailable, "503")) } else { Ok("a cat") };
///     match answer {
///         Ok(_) => {
///             policy.succeeded(held);
///             break;
///         }
///         Err(error) => match policy.next(&error, attempt, None, Timestamp::default(), None) {
///             RetryDecision::Again { after, taken } => {
///                 assert!(after.as_secs_f64() <= 0.1);
///                 held = taken; // and wait
///             }
///             RetryDecision::GiveUp(why) => panic!("{why:?}"),
///         },
///     }
/// }
/// assert_eq!(policy.tokens(), 495); // two retries took 10, the last one's 5 came back
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct RetryPolicy {
    config: RetryConfig,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug)]
struct Shared {
    tokens: u32,
    random: Random,
}

impl RetryPolicy {
    /// A policy with a full bucket. The same seed draws the same waits.
    ///
    /// # Errors
    /// `InvalidConfig` naming the field and its range.
    pub fn new(config: RetryConfig, seed: u64) -> Result<Self> {
        config.validate()?;
        let shared = Shared { tokens: config.bucket, random: Random::new(seed) };
        Ok(Self { shared: Arc::new(Mutex::new(shared)), config })
    }

    /// What to do after a call failed. `attempt` counts from 1: 1 is the first call. `retry_after` is the wait that the
    /// other side asked for: it is waited in full, and the drawn wait is added, so that not all come back at once. Nothing
    /// is taken from the bucket unless the answer is [`RetryDecision::Again`].
    pub fn next(
        &self,
        error: &Error,
        attempt: u32,
        retry_after: Option<Duration>,
        now: Timestamp,
        deadline: Option<Timestamp>,
    ) -> RetryDecision {
        if !is_retryable(error) {
            return RetryDecision::GiveUp(GiveUpReason::NotRetryable);
        }
        self.again(error, attempt, retry_after, now, deadline)
    }

    /// As [`next`](Self::next), where the caller already knows that the call is retryable, whatever the error's code.
    pub(crate) fn again(
        &self,
        error: &Error,
        attempt: u32,
        retry_after: Option<Duration>,
        now: Timestamp,
        deadline: Option<Timestamp>,
    ) -> RetryDecision {
        if attempt >= self.config.attempts {
            return RetryDecision::GiveUp(GiveUpReason::Attempts);
        }
        let asked = retry_after.unwrap_or(Duration::ZERO);
        if asked.as_secs_f64() > self.config.retry_after_max_s {
            return RetryDecision::GiveUp(GiveUpReason::RetryAfter);
        }
        let (base_s, cost) = match classify(error) {
            Verdict::Throttled => (self.config.throttle_base_s, self.config.retry_cost),
            Verdict::TimedOut => (self.config.base_s, self.config.timeout_cost),
            _ => (self.config.base_s, self.config.retry_cost),
        };
        // At most 99 doublings: no f64 overflows.
        let doublings = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
        let bound_s = (base_s * 2f64.powi(doublings)).min(self.config.cap_s);
        let mut shared = self.lock();
        let drawn = Duration::from_secs_f64(bound_s * shared.random.fraction());
        let after = asked.saturating_add(drawn);
        if deadline.is_some_and(|deadline| now + after >= deadline) {
            return RetryDecision::GiveUp(GiveUpReason::Deadline);
        }
        let Some(left) = shared.tokens.checked_sub(cost) else {
            return RetryDecision::GiveUp(GiveUpReason::Bucket);
        };
        shared.tokens = left;
        RetryDecision::Again { after, taken: RetryTokens(cost) }
    }

    /// A call succeeded: what its last retry took comes back, or 1 token where it was a first attempt, up to the full
    /// bucket.
    pub fn succeeded(&self, taken: RetryTokens) {
        let mut shared = self.lock();
        shared.tokens = shared.tokens.saturating_add(taken.0.max(1)).min(self.config.bucket);
    }

    /// Tokens in the bucket.
    pub fn tokens(&self) -> u32 {
        self.lock().tokens
    }

    /// The config that this policy was made from.
    pub fn config(&self) -> &RetryConfig {
        &self.config
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
