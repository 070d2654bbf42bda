//! The journal on disk: the only file here with I/O.

use super::config::BudgetConfig;
use super::entry::Entry;
use super::ledger::Ledger;
use super::record;
use super::shared::{Budget, Log};
use crate::clock::{Moment, Timestamp};
use crate::error::{Advice, Error, ErrorCode, Result};
use serde::{Deserialize, Serialize};
use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// While the journal cannot be written, it is tried anew no more often.
const RETRY: Duration = Duration::from_secs(1);

/// When what was written (spend in a journal, events in a file) is made to outlive a power cut. A crash of the process alone
/// loses nothing in any case.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fsync {
    /// With every reservation, before the call goes, and with every event: a power cut loses nothing. Milliseconds each on
    /// most disks, one after the other.
    Always,
    /// With the first record so long after the last time: a power cut loses at most what came in such a time.
    Every {
        /// 0.001..86400.
        seconds: f64,
    },
    /// When the operating system likes.
    Never,
}

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

impl Fsync {
    pub(crate) fn validate(self) -> Result<()> {
        match self {
            Self::Every { seconds } if !(0.001..=86_400.0).contains(&seconds) => {
                Err(Error::invalid_config(format!("fsync.every.seconds is {seconds}; it must lie in 0.001..86400")))
            }
            _ => Ok(()),
        }
    }
}

impl JournalOptions {
    /// Checks every field.
    ///
    /// # Errors
    /// `InvalidConfig` naming the field and its range.
    pub fn validate(&self) -> Result<()> {
        self.fsync.validate()?;
        if !(4096..=1 << 30).contains(&self.compact_bytes) {
            let bytes = self.compact_bytes;
            return Err(Error::invalid_config(format!("compact_bytes is {bytes}; it must lie in 4096..1073741824")));
        }
        Ok(())
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
        config.validate()?;
        journal.validate()?;
        // Two names of one file must not be two journals.
        let path = &std::fs::canonicalize(path.as_ref()).unwrap_or_else(|_| path.as_ref().to_path_buf());
        let (disk, before) = FileDisk::open(path)?;
        let mut ledger = match before {
            Some(bytes) => record::read(&bytes, &config, path)?,
            None => Ledger::default(),
        };
        ledger.take_over(&config, now);
        let mut journal = Journal::new(Box::new(disk), path, journal, now.monotonic);
        journal.rewrite(&ledger, now.monotonic)?;
        Ok(Self::with_ledger(config, ledger, Some(Box::new(journal))))
    }
}

/// Where bytes go; a trait so that tests can have it fail.
trait Disk: Send {
    /// Adds bytes at the end; on error, any part of them may stand there.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    fn sync(&mut self) -> io::Result<()>;
    /// Puts other content in place, at once and for good. On error it is the old or the new one.
    fn replace(&mut self, bytes: &[u8]) -> io::Result<()>;
}

struct Journal {
    disk: Box<dyn Disk>,
    path: PathBuf,
    options: JournalOptions,
    /// The check that the next record continues.
    sum: u32,
    length: u64,
    /// The length from which on it is written anew.
    compact_at: u64,
    synced: Timestamp,
    /// The disk does not hold what the ledger says, or nobody knows: since when. It must be written anew.
    behind: Option<Timestamp>,
}

impl Journal {
    fn new(disk: Box<dyn Disk>, path: &Path, options: JournalOptions, now: Timestamp) -> Self {
        let path = path.to_path_buf();
        Self { disk, path, options, sum: 0, length: 0, compact_at: 0, synced: now, behind: None }
    }

    fn rewrite(&mut self, ledger: &Ledger, now: Timestamp) -> Result<()> {
        let (bytes, sum) = record::snapshot(ledger)?;
        if let Err(error) = self.disk.replace(&bytes) {
            // Old or new content: either way the next one to write must begin here again.
            self.behind = Some(now);
            return Err(failed("write", &self.path, error));
        }
        self.sum = sum;
        self.length = bytes.len() as u64;
        self.compact_at = self.length.saturating_add(self.options.compact_bytes);
        self.synced = now;
        self.behind = None;
        Ok(())
    }

    fn sync_if_due(&mut self, entry: &Entry, now: Timestamp) -> io::Result<()> {
        let due = match self.options.fsync {
            // The end of a call may be lost: it then counts as spent in full.
            Fsync::Always => matches!(entry, Entry::Reserve { .. }),
            Fsync::Every { seconds } => (now - self.synced).as_secs_f64() >= seconds,
            Fsync::Never => false,
        };
        if due {
            self.disk.sync()?;
            self.synced = now;
        }
        Ok(())
    }
}

impl Log for Journal {
    fn append(&mut self, entry: &Entry, ledger: &Ledger, now: Timestamp) -> Result<()> {
        if let Some(since) = self.behind
            && now >= since
            && now - since < RETRY
        {
            return Err(Error::resource_exhausted(format!(
                "the journal {} could not be written a moment ago; no money is spent without a record",
                self.path.display()
            ))
            .with_advice(Advice::FixHost));
        }
        if self.behind.is_some() || self.length >= self.compact_at {
            self.rewrite(ledger, now)?;
        }
        let (bytes, sum) = record::write(entry, self.sum)?;
        if let Err(error) = self.disk.append(&bytes) {
            // Half a record may stand at the end now, and nothing may come after it: the next try writes the journal
            // anew, which also takes less room, and keeps the end of a call that counts although it is not on disk.
            self.behind = Some(now);
            return Err(failed("write", &self.path, error));
        }
        self.sum = sum;
        self.length = self.length.saturating_add(bytes.len() as u64);
        self.sync_if_due(entry, now).map_err(|error| {
            // After a failed fsync the system may have forgotten any of the writes before.
            self.behind = Some(now);
            failed("sync", &self.path, error)
        })
    }

    fn sync(&mut self, ledger: &Ledger) -> Result<()> {
        let now = ledger.now();
        if self.behind.is_some() {
            return self.rewrite(ledger, now);
        }
        self.disk.sync().map_err(|error| {
            self.behind = Some(now);
            failed("sync", &self.path, error)
        })
    }
}

fn failed(what: &str, path: &Path, error: io::Error) -> Error {
    let code = match error.kind() {
        io::ErrorKind::NotFound => ErrorCode::NotFound,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorCode::PermissionDenied,
        _ => ErrorCode::ResourceExhausted,
    };
    Error::new(code, format!("cannot {what} the journal {}: {error}", path.display()))
        .with_advice(Advice::FixHost)
        .with_source(error)
}

struct FileDisk {
    path: PathBuf,
    file: Option<File>,
    /// A file of its own, since the journal is replaced. The system unlocks it when the process ends, however.
    _lock: File,
}

impl FileDisk {
    /// Also what stands in the file, where there is one.
    fn open(path: &Path) -> Result<(Self, Option<Vec<u8>>)> {
        let lock_path = beside(path, ".lock");
        let lock = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&lock_path)
            .map_err(|error| failed("lock", &lock_path, error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::invalid_state(format!(
                    "another budget, here or in another process, has the journal {} open; two would overspend. Share one \
                     by its clones, or give each process a journal and a part of the money",
                    path.display()
                ))
                .with_advice(Advice::RetryLater));
            }
            Err(TryLockError::Error(error)) => return Err(failed("lock", &lock_path, error)),
        }
        let before = match std::fs::read(path) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed("read", path, error)),
        };
        Ok((Self { path: path.to_path_buf(), file: None, _lock: lock }, before))
    }

    /// Has the new name in the folder outlive a power cut.
    #[cfg(unix)]
    fn sync_folder(&self) -> io::Result<()> {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }

    /// Other systems open no folders as files, and keep names in order by themselves.
    #[cfg(not(unix))]
    fn sync_folder(&self) -> io::Result<()> {
        Ok(())
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

impl Disk for FileDisk {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.as_mut().ok_or(io::ErrorKind::NotConnected)?.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.as_mut().ok_or(io::ErrorKind::NotConnected)?.sync_data()
    }

    fn replace(&mut self, bytes: &[u8]) -> io::Result<()> {
        let new = beside(&self.path, ".new");
        let written = File::create(&new).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()?;
            Ok(file)
        });
        match written {
            Ok(file) => {
                std::fs::rename(&new, &self.path)?;
                self.file = Some(file);
                self.sync_folder()
            }
            Err(error) => {
                // What is left of it would only fill the disk.
                let _ = std::fs::remove_file(&new);
                Err(error)
            }
        }
    }
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
