use super::config::{BudgetConfig, Rules};
use super::entry::Entry;
use super::event::BudgetEvent;
use super::ledger::{Denied, Ledger};
use super::report::BudgetReport;
use crate::budget::money::MicroDollars;
use crate::clock::{Moment, Timestamp};
use crate::error::Result;
use crate::sync::{Arc, Mutex, PoisonError};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What is about to be paid for: images sent to an API, for a camera of a tenant.
///
/// An empty name is a name like any other: its caps hold, so that a forgotten name is no way around them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spend<'a> {
    /// As in the price table, such as `rekognition:DetectLabels`.
    pub api: &'a str,
    /// Up to 256 bytes.
    pub camera: &'a str,
    /// Up to 256 bytes.
    pub tenant: &'a str,
    /// At least 1; default 1.
    pub images: u32,
}

impl Default for Spend<'_> {
    fn default() -> Self {
        Self { api: "", camera: "", tenant: "", images: 1 }
    }
}

/// What saved the cost of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Saving {
    /// The motion gate was closed.
    Gate,
    /// The answer was known already.
    Cache,
}

/// Where entries are recorded before they are applied.
pub(super) trait Log: Send {
    /// Records an entry that is about to be applied to `ledger`. After an error nothing of it is kept, or the log stays
    /// unusable until it has been rewritten.
    fn append(&mut self, entry: &Entry, ledger: &Ledger, now: Timestamp) -> Result<()>;

    /// Makes everything recorded so far durable.
    fn sync(&mut self, ledger: &Ledger) -> Result<()>;
}

// std's in every build: what it holds is unsized, and it is no part of what the lock guards.
type Listener = std::sync::Arc<dyn Fn(&BudgetEvent) + Send + Sync>;

/// A spending budget: what is reserved and spent never exceeds a cap, also with concurrent callers.
///
/// Clones share one account. `now` comes from the caller; see `docs/guide/cost.md` for what clocks that jump do.
///
/// ```
/// use guarita::{Budget, ErrorCode};
/// use guarita::budget::{BudgetConfig, Caps, MicroDollars, Spend};
/// use guarita::clock::Moment;
/// let total = Caps { per_day: Some(MicroDollars::from_micros(2_500)), ..Caps::default() };
/// let budget = Budget::new(BudgetConfig { total, ..BudgetConfig::default() })?;
/// let (spend, now) = (Spend { api: "rekognition:DetectLabels", camera: "gate", ..Spend::default() }, Moment::default());
///
/// let first = budget.reserve(&spend, now)?;            // before the call
/// let second = budget.reserve(&spend, now)?;
/// assert_eq!(budget.reserve(&spend, now).unwrap_err().code(), ErrorCode::BudgetExhausted);
///
/// assert_eq!(first.commit(now).as_micros(), 1_000);    // the call was billed
/// second.release(now);                                 // this one was not
/// assert_eq!(budget.report(now).today.spent.as_micros(), 1_000);
/// # Ok::<(), guarita::Error>(())
/// ```
#[derive(Clone)]
pub struct Budget(Arc<Inner>);

struct Inner {
    rules: Rules,
    state: Mutex<State>,
}

struct State {
    ledger: Ledger,
    log: Option<Box<dyn Log>>,
    listener: Option<Listener>,
}

impl Budget {
    /// A budget in memory only.
    ///
    /// # Errors
    /// `InvalidConfig` naming the field.
    pub fn new(config: BudgetConfig) -> Result<Self> {
        Ok(Self::with_ledger(Rules::new(config)?, Ledger::default(), None))
    }

    pub(super) fn with_ledger(rules: Rules, ledger: Ledger, log: Option<Box<dyn Log>>) -> Self {
        Self(Arc::new(Inner { rules, state: Mutex::new(State { ledger, log, listener: None }) }))
    }

    /// Sets the listener for warnings and refusals, for all clones; the last one set replaces others. It is called on
    /// the spending thread, without the lock, so it may ask for a report; it should be quick. A panic in it is caught
    /// and discarded.
    pub fn with_listener(self, listener: impl Fn(&BudgetEvent) + Send + Sync + 'static) -> Self {
        self.0.lock(|state| state.listener = Some(std::sync::Arc::new(listener)));
        self
    }

    /// The config it was made with.
    pub fn config(&self) -> &BudgetConfig {
        &self.0.rules.config
    }

    /// Reserves money for a call that is about to be made: the most the call can cost, at the price for the volume
    /// billed so far this month.
    ///
    /// # Errors
    /// `BudgetExhausted` naming the cap and when it frees (with advice `ChangeConfig` where the call alone is more than
    /// the cap); `InvalidConfig` for an API without a price; `InvalidArgument` for no images or too long a name;
    /// `ResourceExhausted` where the journal cannot be written, or 100,000 reservations are open. The call must not go.
    pub fn reserve(&self, spend: &Spend<'_>, now: Moment) -> Result<Reservation> {
        let rules = &self.0.rules;
        self.0.change(|state, events| {
            let State { ledger, log, .. } = state;
            ledger.observe(rules, now);
            let (entry, id, amount) = ledger.plan(rules, spend, now.unix).map_err(|denied| match denied {
                Denied::Error(error) => error,
                Denied::Cap(refusal) => {
                    if ledger.first_refusal(&refusal.cap) {
                        events.push(refusal.event());
                    }
                    refusal.error()
                }
            })?;
            // On disk first: no spend without a record.
            if let Some(log) = log {
                log.append(&entry, ledger, now.monotonic)?;
            }
            ledger.apply(&entry, rules, events);
            let amount = MicroDollars::from_micros(amount);
            Ok(Reservation { inner: Arc::clone(&self.0), id, amount, open: true })
        })
    }

    /// What a call would cost now at most, without reserving it.
    ///
    /// # Errors
    /// `InvalidConfig` for an API without a price.
    pub fn estimate(&self, spend: &Spend<'_>, now: Moment) -> Result<MicroDollars> {
        let rules = &self.0.rules;
        self.0.lock(|state| {
            state.ledger.observe(rules, now);
            state.ledger.estimate(rules, spend).map(MicroDollars::from_micros)
        })
    }

    /// Counts money that was not spent, at the price of the month's next image. An API without a price counts nothing.
    /// It is information: where the journal cannot keep it, it is lost with the process.
    pub fn saved(&self, spend: &Spend<'_>, by: Saving, now: Moment) {
        let rules = &self.0.rules;
        self.0.lock(|state| {
            state.ledger.observe(rules, now);
            if let Some(entry) = state.ledger.saved(rules, spend, by) {
                state.settle(&entry, rules, now.monotonic, &mut Vec::new());
            }
        });
    }

    /// Reports spending, reservations and caps.
    pub fn report(&self, now: Moment) -> BudgetReport {
        let rules = &self.0.rules;
        self.0.lock(|state| {
            state.ledger.observe(rules, now);
            BudgetReport::of(&state.ledger, rules, now.unix)
        })
    }

    /// Makes everything recorded so far durable, whatever the fsync policy: for an orderly shutdown.
    ///
    /// # Errors
    /// `ResourceExhausted` where the journal cannot be written.
    pub fn sync(&self) -> Result<()> {
        self.0.lock(|state| {
            let State { ledger, log, .. } = state;
            log.as_mut().map_or(Ok(()), |log| log.sync(ledger))
        })
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget").field("config", &self.0.rules.config).finish_non_exhaustive()
    }
}

impl Inner {
    /// Runs `work` under the one lock: checking the caps and the change after it are atomic.
    fn lock<R>(&self, work: impl FnOnce(&mut State) -> R) -> R {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A change, and then, without the lock, the word to the listener.
    fn change<R>(&self, work: impl FnOnce(&mut State, &mut Vec<BudgetEvent>) -> R) -> R {
        let mut events = Vec::new();
        let (answer, listener) = self.lock(|state| {
            let answer = work(state, &mut events);
            let listener = if events.is_empty() { None } else { state.listener.clone() };
            (answer, listener)
        });
        if let Some(listener) = listener {
            // This may be a reservation that is dropped while its thread panics: a second panic would end the process.
            let tell = || events.iter().for_each(|event| listener(event));
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(tell));
        }
        answer
    }
}

impl State {
    /// Applies an entry that must count even where it cannot be written. The log is then marked as behind, and takes no
    /// reservation before it has been rewritten.
    fn settle(&mut self, entry: &Entry, rules: &Rules, now: Timestamp, events: &mut Vec<BudgetEvent>) {
        if let Some(log) = &mut self.log {
            let _ = log.append(entry, &self.ledger, now);
        }
        self.ledger.apply(entry, rules, events);
    }
}

/// Money reserved for one call. Dropped without [`commit`](Self::commit) or [`release`](Self::release), it counts as
/// spent in full, since the call may have been billed.
#[must_use = "dropped, it counts as spent"]
pub struct Reservation {
    inner: Arc<Inner>,
    id: u64,
    amount: MicroDollars,
    open: bool,
}

impl Reservation {
    /// The reserved amount.
    pub fn amount(&self) -> MicroDollars {
        self.amount
    }

    /// Commits a billed call: returns its actual cost, never more than was reserved. It is charged to the minute, day
    /// and month of the reservation, at the price for the volume billed so far.
    pub fn commit(self, now: Moment) -> MicroDollars {
        self.commit_images(u32::MAX, now)
    }

    /// Commits only this many of the images; the money of the others is released.
    pub fn commit_images(mut self, images: u32, now: Moment) -> MicroDollars {
        self.open = false;
        let (rules, id) = (&self.inner.rules, self.id);
        let charged = self.inner.change(|state, events| {
            state.ledger.observe(rules, now);
            let entry = state.ledger.commit(rules, id, images)?;
            state.settle(&entry, rules, now.monotonic, events);
            if let Entry::Commit { amount, .. } = entry { Some(amount) } else { None }
        });
        MicroDollars::from_micros(charged.unwrap_or(0))
    }

    /// The call was not billed: it never went, or its provider bills no such failure.
    pub fn release(mut self, now: Moment) {
        self.open = false;
        let (rules, id) = (&self.inner.rules, self.id);
        self.inner.change(|state, events| {
            state.ledger.observe(rules, now);
            state.settle(&Entry::Release { id }, rules, now.monotonic, events);
        });
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.open {
            let (rules, id) = (&self.inner.rules, self.id);
            self.inner.change(|state, events| {
                let now = state.ledger.now();
                state.settle(&Entry::Unknown { id }, rules, now, events);
            });
        }
    }
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reservation").field("amount", &self.amount).finish_non_exhaustive()
    }
}
