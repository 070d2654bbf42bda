//! Spending limits: reserve before a call, commit or release after it; caps hold at every moment.
//!
//! `Ledger` decides and does no I/O. [`Budget`] puts it behind one lock, so that two calls never spend
//! the same dollar. It reaches its journal through the trait `Log`.

mod calendar;
mod config;
mod entry;
mod event;
mod journal;
mod ledger;
mod money;
mod price;
mod record;
mod report;
mod shared;
mod tally;

pub use config::{BudgetConfig, Caps, KeyCaps};
pub use event::{BudgetEvent, Cap, CapPeriod, CapScope};
pub use journal::JournalOptions;
pub use money::MicroDollars;
pub use price::{PriceTable, PriceTier};
pub use report::{Amounts, BudgetReport, CapReport, DayReport, KeyReport};
pub use shared::{Budget, Reservation, Saving, Spend};
