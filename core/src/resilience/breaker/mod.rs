mod config;
mod machine;
mod types;
mod window;

pub use config::{BreakerWindow, CircuitBreakerConfig};
pub use types::{BreakerCounts, BreakerOpen, BreakerState, BreakerTransition, TransitionReason};

use crate::clock::Timestamp;
use crate::error::Result;
use crate::sync::{Arc, Mutex, MutexGuard, PoisonError};
use machine::{Machine, Ticket};
use std::fmt;

// A trait object needs the standard one: `crate::sync::Arc` may be instrumented.
type Listener = std::sync::Arc<dyn Fn(&BreakerTransition) + Send + Sync>;

/// Stops calls to a service that fails, and probes it later to detect when it works again.
///
/// Closed, every call passes; it opens on failures in a row, on a share of failures, or on a share of slow calls. Open,
/// every call is refused. After the open time, [`half_open_permits`](CircuitBreakerConfig::half_open_permits) calls pass
/// as probes: all succeed, and it is closed; one fails, and it is open again. A call asks for a [`Permit`] first and
/// reports with it; a result counts only if no change of state, and no reset, came between.
///
/// Clones share one breaker. It reads no clock: each call brings the time, which may go back. A step back takes no time;
/// after one of up to 10 s the breaker waits until the clock is where it was, after a longer one it goes on at once. So
/// a clock that is set back by an hour does not keep it open for that hour.
///
/// ```
/// use guarita::{CircuitBreaker, Timestamp};
/// use guarita::resilience::{BreakerState, CircuitBreakerConfig};
/// let config = CircuitBreakerConfig { consecutive_failures: 2, open_s: 30.0, ..Default::default() };
/// let breaker = CircuitBreaker::new(config)?.with_listener(|change| println!("{} -> {}", change.from, change.to));
/// let at = |seconds: i64| Timestamp::from_millis(seconds * 1_000);
///
/// for second in 0..2 {
///     breaker.try_acquire(at(second))?.failure(at(second));
/// }
/// let refusal = breaker.try_acquire(at(11)).unwrap_err();
/// assert_eq!((refusal.state, refusal.retry_after.unwrap().as_secs()), (BreakerState::Open, 20));
///
/// let probe = breaker.try_acquire(at(31))?;
/// assert!(breaker.try_acquire(at(31)).is_err()); // one probe at a time
/// probe.success(at(32));
/// assert_eq!(breaker.state(at(32)), BreakerState::Closed);
/// # Ok::<(), guarita::Error>(())
/// ```
#[derive(Clone)]
pub struct CircuitBreaker {
    shared: Arc<Shared>,
}

struct Shared {
    inner: Mutex<Inner>,
}

struct Inner {
    machine: Machine,
    listeners: Vec<Listener>,
    /// Whether a thread is calling the listeners; it also delivers transitions added meanwhile.
    telling: bool,
}

impl CircuitBreaker {
    /// A closed breaker.
    ///
    /// # Errors
    /// `InvalidConfig` naming the field and its range.
    pub fn new(config: CircuitBreakerConfig) -> Result<Self> {
        config.validate()?;
        let inner = Inner { machine: Machine::new(config, 0), listeners: Vec::new(), telling: false };
        Ok(Self { shared: Arc::new(Shared { inner: Mutex::new(inner) }) })
    }

    /// Sets the seed of [`open_jitter`](CircuitBreakerConfig::open_jitter); 0 without this. Breakers that should not
    /// probe in step need different ones.
    pub fn with_seed(self, seed: u64) -> Self {
        self.shared.lock().machine.reseed(seed);
        self
    }

    /// Adds a listener, for this breaker and its clones. It sees every transition from now on, one at a time and in order,
    /// on the thread of one of the calls that are under way, outside of the lock: it may use the breaker. It should be
    /// quick, and a call may return before its own transition has been told by another thread.
    pub fn with_listener(self, listener: impl Fn(&BreakerTransition) + Send + Sync + 'static) -> Self {
        self.shared.lock().listeners.push(std::sync::Arc::new(listener));
        self
    }

    /// Requests permission to make one call.
    ///
    /// # Errors
    /// [`BreakerOpen`] where the call must not be made; it turns into an [`Error`](crate::Error) with `?`.
    pub fn try_acquire(&self, now: Timestamp) -> Result<Permit, BreakerOpen> {
        let ticket = self.shared.with(|machine| machine.acquire(now))?;
        Ok(Permit { shared: self.shared.clone(), ticket: Some(ticket) })
    }

    /// The state at this time. An open time that is over ends here too.
    pub fn state(&self, now: Timestamp) -> BreakerState {
        self.shared.with(|machine| machine.state(now))
    }

    /// What has been counted up to this time.
    pub fn counts(&self, now: Timestamp) -> BreakerCounts {
        self.shared.with(|machine| machine.counts(now))
    }

    /// Refuses every call until [`reset`](Self::reset).
    pub fn force_open(&self, now: Timestamp) {
        self.shared.with(|machine| machine.force_open(now));
    }

    /// Lets every call pass, and counts none, until [`reset`](Self::reset).
    pub fn disable(&self, now: Timestamp) {
        self.shared.with(|machine| machine.disable(now));
    }

    /// Closes the breaker, whatever its state, and forgets what was counted. Permits from before count no more.
    pub fn reset(&self, now: Timestamp) {
        self.shared.with(|machine| machine.reset(now));
    }
}

impl fmt::Debug for CircuitBreaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitBreaker").field("machine", &self.shared.lock().machine).finish_non_exhaustive()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, act: impl FnOnce(&mut Machine) -> T) -> T {
        let mut inner = self.lock();
        let answer = act(&mut inner.machine);
        let news = !inner.machine.news.is_empty();
        drop(inner);
        if news {
            self.tell();
        }
        answer
    }

    /// Calls the listeners with new transitions, unless another thread is doing so.
    #[cold]
    fn tell(&self) {
        loop {
            let mut inner = self.lock();
            if inner.telling {
                return;
            }
            let Some(transition) = inner.machine.news.pop_front() else {
                return;
            };
            inner.telling = true;
            let listeners = inner.listeners.clone();
            drop(inner);
            // Released also where a listener panics; transitions it missed are delivered with the next one.
            let turn = Turn(self);
            for listener in &listeners {
                listener(&transition);
            }
            drop(turn);
        }
    }
}

/// The exclusive right to call the listeners.
struct Turn<'a>(&'a Shared);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.lock().telling = false;
    }
}

/// Permission to make one call, used to report its result. Dropped without a report, it counts as
/// [`ignore`](Self::ignore): a probe's slot is free again.
#[must_use = "a permit that is dropped says nothing about the call"]
pub struct Permit {
    shared: Arc<Shared>,
    ticket: Option<Ticket>,
}

impl Permit {
    /// The call succeeded. It counts as slow if more than `slow_call_s` passed since the permit was given.
    pub fn success(self, now: Timestamp) {
        self.report(false, now);
    }

    /// The call failed in a way that counts against the called service: see
    /// [`FailurePolicy`](crate::resilience::FailurePolicy).
    pub fn failure(self, now: Timestamp) {
        self.report(true, now);
    }

    /// The call says nothing about the other side: it was cancelled, not made, or its input was bad.
    pub fn ignore(self) {}

    fn report(mut self, failed: bool, now: Timestamp) {
        if let Some(ticket) = self.ticket.take() {
            self.shared.with(|machine| machine.report(&ticket, failed, now));
        }
    }
}

/// No listener is called here: giving back is no transition, and a drop may happen while a thread panics.
impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.shared.lock().machine.give_back(&ticket);
        }
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("ticket", &self.ticket).finish_non_exhaustive()
    }
}
