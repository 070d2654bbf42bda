//! A budget's spend on disk.

use super::config::{BudgetConfig, Rules};
use super::entry::Entry;
use super::ledger::Ledger;
use super::record::{self, FORMAT};
use super::shared::{Budget, Log};
use crate::check::within;
use crate::clock::{Moment, Timestamp};
use crate::error::{Error, ErrorCode, Result};
use crate::journal::{Disk, FileDisk, Fsync, Journal};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// How a [`Budget`] keeps its journal. Plain data; unknown fields are refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct JournalOptions {
    /// Default every second.
    pub fsync: Fsync,
    /// The journal is written anew, as a snapshot, when it has grown by so many bytes; 4096..1073741824, default
    /// 16 MiB.
    pub compact_bytes: u64,
}

impl Default for JournalOptions {
    fn default() -> Self {
        Self { fsync: Fsync::Every { seconds: 1.0 }, compact_bytes: 16 << 20 }
    }
}

impl JournalOptions {
    /// Checks every field.
    ///
    /// # Errors
    /// `InvalidConfig` naming the field and its range.
    pub fn validate(&self) -> Result<()> {
        self.fsync.validate()?;
        within("compact_bytes", self.compact_bytes, 4096, 1 << 30)
    }
}

impl Budget {
    /// A budget whose spend outlives the process, in a journal at `path`, which is made where there is none. Beside it
    /// stand `path.lock` and, for moments, `path.new`; the folder must exist.
    ///
    /// Calls that were open when the last process ended count as spent. What was spent stays as recorded, whatever
    /// prices and caps say now. Minute caps go on with what the last minute spent, for 60 s from now.
    ///
    /// # Errors
    /// `InvalidConfig` naming the field; `InvalidState` where another `Budget` has the journal open; `DataCorrupt` for a
    /// damaged journal, saying what to do; `Unsupported` for one of another version; `NotFound`, `PermissionDenied` or
    /// `ResourceExhausted` where it cannot be read or written.
    pub fn open(path: impl AsRef<Path>, config: BudgetConfig, journal: JournalOptions, now: Moment) -> Result<Self> {
        let rules = Rules::new(config)?;
        journal.validate()?;
        // Two names of one file must not be two journals.
        let path = &std::fs::canonicalize(path.as_ref()).unwrap_or_else(|_| path.as_ref().to_path_buf());
        let (disk, before) = FileDisk::open(path).map_err(|error| locked(error, path))?;
        let mut ledger = match before {
            Some(bytes) => record::read(&bytes, &rules, path)?,
            None => Ledger::default(),
        };
        ledger.take_over(&rules, now);
        Self::with_journal(rules, ledger, Box::new(disk), path, &journal, now.monotonic)
    }

    fn with_journal(
        rules: Rules,
        ledger: Ledger,
        disk: Box<dyn Disk>,
        path: &Path,
        options: &JournalOptions,
        now: Timestamp,
    ) -> Result<Self> {
        let mut journal = Journal::new(disk, path, FORMAT, options.fsync, options.compact_bytes, now);
        journal.rewrite(&record::bytes(&ledger)?, now)?;
        Ok(Self::with_ledger(rules, ledger, Some(Box::new(journal))))
    }
}

fn locked(error: Error, path: &Path) -> Error {
    if error.code() != ErrorCode::InvalidState {
        return error;
    }
    Error::invalid_state(format!(
        "another budget, here or in another process, has the journal {} open; two would overspend. Share one by its \
         clones, or give each process a journal and a part of the money",
        path.display()
    ))
    .with_advice(error.advice())
}

impl Log for Journal {
    fn append(&mut self, entry: &Entry, ledger: &Ledger, now: Timestamp) -> Result<()> {
        // After a write that failed, a new snapshot also takes less room than what stands there, and keeps the end of a
        // call that counts although it is not on disk.
        if self.needs_rewrite(now)? {
            self.rewrite(&record::bytes(ledger)?, now)?;
        }
        // The end of a call may be lost: it then counts as spent in full.
        let vital = matches!(entry, Entry::Reserve { .. });
        Journal::append(self, &record::bytes(entry)?, vital, now)
    }

    fn sync(&mut self, ledger: &Ledger) -> Result<()> {
        let now = ledger.now();
        if self.is_behind() { self.rewrite(&record::bytes(ledger)?, now) } else { Journal::sync(self, now) }
    }
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
