//! The accounting: pure arithmetic over entries, without I/O; time is an argument.

use super::calendar::Day;
use super::config::{Caps, KeyCaps, MAX_NAME, Rules};
use super::entry::{Entry, Keys};
use super::event::{BudgetEvent, Cap, CapPeriod, CapScope, Refusal, ScopeOf};
use super::shared::{Saving, Spend};
use super::tally::{Account, End, Tally, Told, Window};
use crate::budget::money::MicroDollars;
use crate::clock::{Moment, Timestamp, UnixTime};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The account of all keys past `max_keys`.
pub(super) const OTHERS: &str = "(others)";
/// The largest value of a counter, with or without a cap: nine trillion dollars; the sum of two still fits.
const MOST: u64 = i64::MAX as u64;
/// The most open reservations. Calls in flight are hundreds; this many means that reservations leak.
const MAX_OPEN: usize = 100_000;

/// A reservation that has neither been committed nor released.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Open {
    day: Day,
    keys: Keys,
    images: u32,
    amount: u64,
    /// The minutes it falls into: total, camera, tenant, API.
    windows: [u64; 4],
}

/// Why a spend cannot be reserved.
pub(super) enum Denied {
    /// A cap.
    Cap(Box<Refusal>),
    /// Something else.
    Error(Error),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Ledger {
    /// The latest day seen: the calendar never goes back.
    pub(super) today: Day,
    /// The latest monotonic time seen, in nanoseconds.
    latest: i64,
    pub(super) total: Account,
    pub(super) cameras: BTreeMap<String, Account>,
    pub(super) tenants: BTreeMap<String, Account>,
    pub(super) apis: BTreeMap<String, Account>,
    /// Days before today.
    pub(super) past: BTreeMap<Day, Tally>,
    open: BTreeMap<u64, Open>,
    /// The last number given to a reservation or a window.
    next: u64,
}

impl Default for Ledger {
    fn default() -> Self {
        Self {
            today: Day::NEVER,
            latest: i64::MIN,
            total: Account::default(),
            cameras: BTreeMap::new(),
            tenants: BTreeMap::new(),
            apis: BTreeMap::new(),
            past: BTreeMap::new(),
            open: BTreeMap::new(),
            next: 0,
        }
    }
}

impl Ledger {
    /// Opens a new day or month where it is time. A clock that was set back changes nothing.
    pub(super) fn observe(&mut self, rules: &Rules, now: Moment) {
        self.latest = self.latest.max(now.monotonic.as_nanos());
        self.roll(rules.calendar.day(now.unix), rules.config.history_days);
    }

    pub(super) fn now(&self) -> Timestamp {
        Timestamp::from_nanos(self.latest)
    }

    fn roll(&mut self, day: Day, history_days: u32) {
        if day <= self.today {
            return;
        }
        let new_month = day.month() != self.today.month();
        let over = std::mem::take(&mut self.total.day);
        if !over.is_empty() {
            self.past.insert(self.today, over);
        }
        self.today = day;
        // Keeps the days of this month and the last `history_days`.
        let oldest = day.back(history_days);
        self.past.retain(|&past, _| past >= oldest || past.month() == day.month());
        let now = self.now();
        if new_month {
            self.total.month = Tally::default();
        }
        for accounts in [&mut self.cameras, &mut self.tenants, &mut self.apis] {
            // Only a minute outlives a month.
            accounts.retain(|_, account| !new_month || account.minute.left(now).is_some());
            for account in accounts.values_mut() {
                account.day = Tally::default();
                if new_month {
                    account.month = Tally::default();
                }
            }
        }
    }

    /// The accounts charged for a spend.
    fn keys(&self, rules: &Rules, spend: &Spend<'_>) -> Result<Keys> {
        if rules.config.prices.tiers(spend.api).is_none() {
            let known: Vec<_> = rules.config.prices.apis().collect();
            return Err(Error::invalid_config(format!(
                "prices has no price for the API {:?}; it has {known:?}",
                spend.api
            ))
            .with_field("prices"));
        }
        for (what, name) in [("camera", spend.camera), ("tenant", spend.tenant)] {
            if name.len() > MAX_NAME {
                return Err(Error::invalid_argument(format!(
                    "a {what} with a name of {} bytes; it may have {MAX_NAME}",
                    name.len()
                )));
            }
        }
        let payer = |caps: &KeyCaps, known: &BTreeMap<String, Account>, name: &str| {
            let own = known.len() < rules.config.max_keys || known.contains_key(name) || caps.named.contains_key(name);
            if own { name.to_owned() } else { OTHERS.to_owned() }
        };
        Ok(Keys {
            camera: payer(&rules.config.camera, &self.cameras, spend.camera),
            tenant: payer(&rules.config.tenant, &self.tenants, spend.tenant),
            api: spend.api.to_owned(),
        })
    }

    /// Images of this API that were billed this month.
    pub(super) fn volume(&self, api: &str) -> u64 {
        self.apis.get(api).map_or(0, |account| account.month.images)
    }

    /// The most that a spend can cost: other reservations may be released, so they do not lower the tier price yet.
    pub(super) fn cost(&self, rules: &Rules, spend: &Spend<'_>) -> u64 {
        rules
            .config
            .prices
            .cost(spend.api, self.volume(spend.api), spend.images.into())
            .map_or(0, MicroDollars::as_micros)
    }

    /// What a spend would cost at most, where its API has a price.
    pub(super) fn estimate(&self, rules: &Rules, spend: &Spend<'_>) -> Result<u64> {
        self.keys(rules, spend).map(|_| self.cost(rules, spend))
    }

    /// The entry that reserves a spend, with its number and amount, where every cap allows it. Nothing changes.
    pub(super) fn plan(&self, rules: &Rules, spend: &Spend<'_>, unix: UnixTime) -> Result<(Entry, u64, u64), Denied> {
        if spend.images == 0 {
            return Err(Denied::Error(Error::invalid_argument("a spend for 0 images; it must be at least 1")));
        }
        let keys = self.keys(rules, spend).map_err(Denied::Error)?;
        let amount = self.cost(rules, spend);
        let none = Account::default();
        let camera = self.cameras.get(&keys.camera).unwrap_or(&none);
        let tenant = self.tenants.get(&keys.tenant).unwrap_or(&none);
        let api = self.apis.get(&keys.api).unwrap_or(&none);
        let accounts: [(&Account, &Caps, ScopeOf, &str); 4] = [
            (&self.total, &rules.config.total, |_| CapScope::Total, ""),
            (tenant, rules.config.tenant.of(&keys.tenant), CapScope::Tenant, &keys.tenant),
            (api, rules.config.api.of(&keys.api), CapScope::Api, &keys.api),
            (camera, rules.config.camera.of(&keys.camera), CapScope::Camera, &keys.camera),
        ];
        // Names the cap that frees last.
        for period in [CapPeriod::Month, CapPeriod::Day, CapPeriod::Minute] {
            for (account, caps, scope, name) in &accounts {
                let (used, limit) = self.standing(account, caps, period);
                let limit = limit.unwrap_or(MOST);
                if used.saturating_add(amount) <= limit {
                    continue;
                }
                let cap = Cap { scope: scope((*name).to_owned()), period };
                let (frees_s, frees_at) = self.frees(rules, account, period, unix);
                let frees_at = frees_at.map(|at| rules.calendar.text(at));
                let refusal = Refusal { cap, used, limit, asked: amount, frees_s, frees_at };
                return Err(Denied::Cap(Box::new(refusal)));
            }
        }
        if self.open.len() >= MAX_OPEN {
            return Err(Denied::Error(Error::resource_exhausted(format!(
                "{MAX_OPEN} reservations are open; commit, release or drop them"
            ))));
        }
        let id = self.next.saturating_add(1);
        let entry = Entry::Reserve { id, day: self.today, at: self.latest, keys, images: spend.images, amount };
        Ok((entry, id, amount))
    }

    /// Spent and reserved in this period, and its cap.
    fn standing(&self, account: &Account, caps: &Caps, period: CapPeriod) -> (u64, Option<u64>) {
        let (used, cap) = match period {
            CapPeriod::Minute => {
                let (spent, reserved) = account.minute_used(self.now());
                (spent.saturating_add(reserved), caps.per_minute)
            }
            CapPeriod::Day => (account.day.used(), caps.per_day),
            CapPeriod::Month => (account.month.used(), caps.per_month),
        };
        (used, cap.map(MicroDollars::as_micros))
    }

    /// Seconds until a period is over, and its end in civil time.
    pub(super) fn frees(
        &self,
        rules: &Rules,
        account: &Account,
        period: CapPeriod,
        unix: UnixTime,
    ) -> (u64, Option<UnixTime>) {
        let end = match period {
            CapPeriod::Minute => {
                let left = account.minute.left(self.now()).unwrap_or_default();
                return (left.as_secs() + u64::from(left.subsec_nanos() > 0), None);
            }
            CapPeriod::Day => rules.calendar.end(self.today),
            CapPeriod::Month => rules.calendar.end_of_month(self.today),
        };
        let left = i128::from(end.as_secs()) - i128::from(unix.as_secs());
        (u64::try_from(left.max(0)).unwrap_or(u64::MAX), Some(end))
    }

    /// Whether a refusal is the first one of this cap in this period.
    pub(super) fn first_refusal(&mut self, cap: &Cap) -> bool {
        let account = match &cap.scope {
            CapScope::Total => &mut self.total,
            CapScope::Camera(name) => self.cameras.entry(name.clone()).or_default(),
            CapScope::Tenant(name) => self.tenants.entry(name.clone()).or_default(),
            CapScope::Api(name) => self.apis.entry(name.clone()).or_default(),
        };
        let told = match cap.period {
            CapPeriod::Minute => &mut account.minute.told,
            CapPeriod::Day => &mut account.day.told,
            CapPeriod::Month => &mut account.month.told,
        };
        !std::mem::replace(&mut told.exhausted, true)
    }

    /// The entry that saves a spend; none for an API without a price.
    pub(super) fn saved(&self, rules: &Rules, spend: &Spend<'_>, by: Saving) -> Option<Entry> {
        let keys = self.keys(rules, spend).ok()?;
        let amount =
            rules.config.prices.price(spend.api, self.volume(spend.api))?.times(spend.images.into()).as_micros();
        Some(Entry::Saved { day: self.today, keys, by, amount })
    }

    /// The entry that ends a reservation; `images` were billed.
    pub(super) fn commit(&self, rules: &Rules, id: u64, images: u32) -> Option<Entry> {
        let open = self.open.get(&id)?;
        let images = images.min(open.images);
        // Committed after its month: charged at the reserved price, since that month's volume is no longer known.
        let amount = if open.day.month() == self.today.month() {
            let spend = Spend { api: &open.keys.api, images, ..Spend::default() };
            // An API that has lost its price is charged as reserved.
            rules.config.prices.tiers(spend.api).map_or(open.amount, |_| self.cost(rules, &spend)).min(open.amount)
        } else {
            open.amount
        };
        Some(Entry::Commit { id, amount, images })
    }

    /// Applies an entry that was planned now, or read from a journal; false for one that does not fit.
    pub(super) fn apply(&mut self, entry: &Entry, rules: &Rules, events: &mut Vec<BudgetEvent>) -> bool {
        match entry {
            Entry::Reserve { id, day, at, keys, images, amount } => {
                if *id <= self.next || *day < self.today {
                    return false;
                }
                self.next = *id;
                self.latest = self.latest.max(*at);
                self.roll(*day, rules.config.history_days);
                let (now, amount) = (self.now(), *amount);
                let mut next = self.next;
                let windows = self.accounts(keys).map(|account| account.reserve(amount, now, &mut next));
                self.next = next;
                let open = Open { day: *day, keys: keys.clone(), images: *images, amount, windows };
                self.open.insert(*id, open);
                true
            }
            &Entry::Commit { id, amount, images } => self.end(id, End::Billed { amount, images }, rules, events),
            &Entry::Release { id } => self.end(id, End::Released, rules, events),
            &Entry::Unknown { id } => self.end(id, End::Unknown, rules, events),
            Entry::Saved { day, keys, by, amount } => {
                if *day < self.today {
                    return false;
                }
                self.roll(*day, rules.config.history_days);
                for account in self.accounts(keys) {
                    for tally in [&mut account.day, &mut account.month] {
                        let saved = match by {
                            Saving::Gate => &mut tally.saved_by_gate,
                            Saving::Cache => &mut tally.saved_by_cache,
                        };
                        *saved = saved.saturating_add(*amount);
                    }
                }
                true
            }
        }
    }

    /// The four that pay, made where they are new.
    fn accounts(&mut self, keys: &Keys) -> [&mut Account; 4] {
        [
            &mut self.total,
            self.cameras.entry(keys.camera.clone()).or_default(),
            self.tenants.entry(keys.tenant.clone()).or_default(),
            self.apis.entry(keys.api.clone()).or_default(),
        ]
    }

    /// Ends a reservation in the periods that it was made in.
    fn end(&mut self, id: u64, end: End, rules: &Rules, events: &mut Vec<BudgetEvent>) -> bool {
        let Some(open) = self.open.remove(&id) else { return false };
        let is_today = open.day == self.today;
        let is_this_month = open.day.month() == self.today.month();
        let Keys { camera, tenant, api } = &open.keys;
        let accounts = [
            (Some(&mut self.total), CapScope::Total, &rules.config.total),
            (self.cameras.get_mut(camera), CapScope::Camera(camera.clone()), rules.config.camera.of(camera)),
            (self.tenants.get_mut(tenant), CapScope::Tenant(tenant.clone()), rules.config.tenant.of(tenant)),
            (self.apis.get_mut(api), CapScope::Api(api.clone()), rules.config.api.of(api)),
        ];
        for ((account, scope, caps), window) in accounts.into_iter().zip(open.windows) {
            let Some(account) = account else { continue };
            let mut warn = |period, spent: u64, limit: Option<MicroDollars>, told: &mut Told| {
                if let Some(limit) = limit.filter(|limit| !told.warning && rules.config.warns(spent, limit.as_micros()))
                {
                    told.warning = true;
                    let cap = Cap { scope: scope.clone(), period };
                    events.push(BudgetEvent::Warning { cap, spent: MicroDollars::from_micros(spent), limit });
                }
            };
            if account.minute.serial == window {
                account.minute.end(open.amount, end);
                warn(CapPeriod::Minute, account.minute.spent, caps.per_minute, &mut account.minute.told);
            }
            if is_today {
                account.day.end(open.amount, end);
                warn(CapPeriod::Day, account.day.spent, caps.per_day, &mut account.day.told);
            }
            if is_this_month {
                account.month.end(open.amount, end);
                warn(CapPeriod::Month, account.month.spent, caps.per_month, &mut account.month.told);
            }
        }
        if let Some(past) = self.past.get_mut(&open.day).filter(|_| !is_today) {
            past.end(open.amount, end);
        }
        true
    }

    /// Money of all open reservations, and how many there are.
    pub(super) fn reserved(&self) -> (u64, usize) {
        (self.open.values().fold(0, |sum: u64, open| sum.saturating_add(open.amount)), self.open.len())
    }

    /// Takes over the state of another process: its open calls count as spent, since their results are unknown, and its
    /// minute windows restart, since its monotonic time is not comparable.
    pub(super) fn take_over(&mut self, rules: &Rules, now: Moment) {
        let left: Vec<u64> = self.open.keys().copied().collect();
        for id in left {
            self.end(id, End::Unknown, rules, &mut Vec::new());
        }
        let before = self.now();
        self.latest = now.monotonic.as_nanos();
        let total = std::iter::once(&mut self.total);
        let others = [&mut self.cameras, &mut self.tenants, &mut self.apis];
        for account in total.chain(others.into_iter().flat_map(BTreeMap::values_mut)) {
            match account.minute.left(before) {
                Some(_) => account.minute.restart(now.monotonic),
                None => account.minute = Window::default(),
            }
            for told in [&mut account.minute.told, &mut account.day.told, &mut account.month.told] {
                *told = Told::default();
            }
        }
        self.observe(rules, now);
    }
}
