use super::config::{Caps, KeyCaps, Rules};
use super::event::{Cap, CapPeriod, CapScope, ScopeOf};
use super::ledger::Ledger;
use super::tally::{Account, Tally};
use crate::budget::money::MicroDollars;
use crate::clock::UnixTime;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// Rows of a table for people; programs read the fields.
const ROWS: usize = 20;

/// Money of a period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Amounts {
    /// Committed, or of unknown result: see `unknown`.
    pub spent: MicroDollars,
    /// Set aside for calls under way.
    pub reserved: MicroDollars,
    /// Images that were billed.
    pub images: u64,
    /// Of `spent`: calls whose billing is unknown (a crash, a reservation dropped).
    pub unknown: MicroDollars,
    /// What the gate has saved.
    pub saved_by_gate: MicroDollars,
    /// What the cache has saved.
    pub saved_by_cache: MicroDollars,
}

impl Amounts {
    fn of(tally: &Tally) -> Self {
        let money = MicroDollars::from_micros;
        Self {
            spent: money(tally.spent),
            reserved: money(tally.reserved),
            images: tally.images,
            unknown: money(tally.unknown),
            saved_by_gate: money(tally.saved_by_gate),
            saved_by_cache: money(tally.saved_by_cache),
        }
    }
}

/// Money of one camera, tenant or API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyReport {
    /// Its name; `(others)` stands for those past `max_keys`.
    pub name: String,
    /// Today.
    pub today: Amounts,
    /// This month.
    pub month: Amounts,
}

/// Money of one day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DayReport {
    /// As 2026-11-21.
    pub date: String,
    /// Its money.
    pub amounts: Amounts,
}

/// The state of a cap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CapReport {
    /// Which one.
    pub cap: Cap,
    /// What it allows.
    pub limit: MicroDollars,
    /// Spent in its period.
    pub spent: MicroDollars,
    /// Set aside in its period.
    pub reserved: MicroDollars,
    /// What is left.
    pub remaining: MicroDollars,
    /// Seconds until its period is over; 0 for a minute that has not begun.
    pub frees_s: u64,
}

/// Where the money stands. `Display` is a table for people, cut to the largest rows; the fields hold everything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BudgetReport {
    /// The day in the calendar of the budget, as 2026-11-21.
    pub date: String,
    /// Civil time of the report in the budget's time zone, with its offset.
    pub time: String,
    /// Today.
    pub today: Amounts,
    /// This month.
    pub month: Amounts,
    /// Set aside by all reservations that are open, of whatever day.
    pub reserved: MicroDollars,
    /// Number of open reservations.
    pub reservations: usize,
    /// By camera, in order of name.
    pub cameras: Vec<KeyReport>,
    /// By tenant, in order of name.
    pub tenants: Vec<KeyReport>,
    /// By API, in order of name.
    pub apis: Vec<KeyReport>,
    /// This month's days and the `history_days` before today on which anything happened; the oldest first, today last.
    pub days: Vec<DayReport>,
    /// Every cap that is set.
    pub caps: Vec<CapReport>,
}

impl BudgetReport {
    pub(super) fn of(ledger: &Ledger, rules: &Rules, unix: UnixTime) -> Self {
        let keys = |accounts: &BTreeMap<String, Account>| -> Vec<KeyReport> {
            let one = |(name, account): (&String, &Account)| KeyReport {
                name: name.clone(),
                today: Amounts::of(&account.day),
                month: Amounts::of(&account.month),
            };
            accounts.iter().map(one).collect()
        };
        let day = |date: String, tally: &Tally| DayReport { date, amounts: Amounts::of(tally) };
        let past = ledger.past.iter().map(|(date, tally)| day(date.to_string(), tally));
        let today = day(ledger.today.to_string(), &ledger.total.day);
        let (reserved, reservations) = ledger.reserved();
        Self {
            date: ledger.today.to_string(),
            time: rules.calendar.text(unix),
            today: Amounts::of(&ledger.total.day),
            month: Amounts::of(&ledger.total.month),
            reserved: MicroDollars::from_micros(reserved),
            reservations,
            cameras: keys(&ledger.cameras),
            tenants: keys(&ledger.tenants),
            apis: keys(&ledger.apis),
            days: past.chain([today]).collect(),
            caps: caps(ledger, rules, unix),
        }
    }
}

fn caps(ledger: &Ledger, rules: &Rules, unix: UnixTime) -> Vec<CapReport> {
    let mut rows = Vec::new();
    let mut add = |scope: CapScope, account: &Account, caps: &Caps| {
        let minute = account.minute_used(ledger.now());
        for (period, limit, (spent, reserved)) in [
            (CapPeriod::Minute, caps.per_minute, minute),
            (CapPeriod::Day, caps.per_day, (account.day.spent, account.day.reserved)),
            (CapPeriod::Month, caps.per_month, (account.month.spent, account.month.reserved)),
        ] {
            let Some(limit) = limit else { continue };
            let (spent, reserved) = (MicroDollars::from_micros(spent), MicroDollars::from_micros(reserved));
            let (frees_s, _) = ledger.frees(rules, account, period, unix);
            let remaining = limit.saturating_sub(spent + reserved);
            rows.push(CapReport {
                cap: Cap { scope: scope.clone(), period },
                limit,
                spent,
                reserved,
                remaining,
                frees_s,
            });
        }
    };
    add(CapScope::Total, &ledger.total, &rules.config.total);
    let scopes: [(&BTreeMap<_, _>, &KeyCaps, ScopeOf); 3] = [
        (&ledger.apis, &rules.config.api, CapScope::Api),
        (&ledger.tenants, &rules.config.tenant, CapScope::Tenant),
        (&ledger.cameras, &rules.config.camera, CapScope::Camera),
    ];
    let nobody = Account::default();
    for (accounts, keys, scope) in scopes {
        for (name, account) in accounts {
            add(scope(name.clone()), account, keys.of(name));
        }
        // Cameras, tenants and APIs without any spend have caps as well.
        for (name, caps) in keys.named.iter().filter(|(name, _)| !accounts.contains_key(*name)) {
            add(scope(name.clone()), &nobody, caps);
        }
    }
    rows
}

impl fmt::Display for BudgetReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<28} {:>14} {:>14} {:>14} {:>14} {:>14}",
            self.time, "spent", "reserved", "images", "saved: gate", "cache"
        )?;
        let row = |f: &mut fmt::Formatter<'_>, name: &str, of: &Amounts| {
            let Amounts { spent, reserved, images, saved_by_gate, saved_by_cache, .. } = of;
            writeln!(f, "{name:<28} {spent:>14} {reserved:>14} {images:>14} {saved_by_gate:>14} {saved_by_cache:>14}")
        };
        row(f, "today", &self.today)?;
        row(f, "this month", &self.month)?;
        if self.month.unknown > MicroDollars::ZERO {
            writeln!(f, "of it {} for calls of which nobody knows whether they were billed", self.month.unknown)?;
        }
        for (what, keys) in [("API", &self.apis), ("tenant", &self.tenants), ("camera", &self.cameras)] {
            writeln!(f, "\nby {what}, this month")?;
            let mut keys: Vec<_> = keys.iter().collect();
            keys.sort_by(|a, b| b.month.spent.cmp(&a.month.spent).then_with(|| a.name.cmp(&b.name)));
            for one in keys.iter().take(ROWS) {
                row(f, if one.name.is_empty() { "(no name)" } else { &one.name }, &one.month)?;
            }
            more(f, keys.len())?;
        }
        writeln!(f, "\nby day")?;
        for one in self.days.iter().rev().take(ROWS) {
            row(f, &one.date, &one.amounts)?;
        }
        more(f, self.days.len())?;
        if !self.caps.is_empty() {
            writeln!(
                f,
                "\n{:<40} {:>14} {:>14} {:>14} {:>14} {:>10}",
                "cap", "limit", "spent", "reserved", "left", "frees in"
            )?;
            let mut caps: Vec<_> = self.caps.iter().collect();
            // The one with the smallest share left first; as a product, so that no share is rounded.
            let product = |a: MicroDollars, b: MicroDollars| u128::from(a.as_micros()) * u128::from(b.as_micros());
            caps.sort_by(|a, b| product(a.remaining, b.limit).cmp(&product(b.remaining, a.limit)));
            for CapReport { cap, limit, spent, reserved, remaining, frees_s } in caps.iter().take(ROWS) {
                writeln!(f, "{cap:<40} {limit:>14} {spent:>14} {reserved:>14} {remaining:>14} {frees_s:>8} s")?;
            }
            more(f, caps.len())?;
        }
        Ok(())
    }
}

fn more(f: &mut fmt::Formatter<'_>, rows: usize) -> fmt::Result {
    if rows > ROWS { writeln!(f, "… and {} more", rows - ROWS) } else { Ok(()) }
}
