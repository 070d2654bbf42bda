//! Files that a crash does not undercut: records with chained checks behind a snapshot, whole lines, and when either is synced.

mod disk;
mod fsync;
mod lines;
mod record;

pub(crate) use disk::{Disk, FileDisk};
pub use fsync::Fsync;
pub(crate) use lines::{Lines, put_aside};
pub(crate) use record::{Damage, Format, record};

use crate::clock::Timestamp;
use crate::error::{Advice, Error, ErrorCode, Result};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// While the file cannot be written, the least interval between attempts.
const RETRY: Duration = Duration::from_secs(1);

/// A snapshot and the records after it, on a disk. What the records mean is known to its user, who also says when they are
/// folded into a new snapshot.
pub(crate) struct Journal {
    disk: Box<dyn Disk>,
    path: PathBuf,
    format: Format,
    fsync: Fsync,
    compact_bytes: u64,
    /// The check that the next record continues.
    sum: u32,
    length: u64,
    /// The length from which on the file is compacted.
    compact_at: u64,
    synced: Timestamp,
    /// Since when the disk may not hold all that was recorded; none where it does. The file must then be rewritten.
    behind: Option<Timestamp>,
}

impl Journal {
    /// Nothing is written yet: [`rewrite`](Self::rewrite) comes first. It is to be written anew when it has grown by
    /// `compact_bytes`.
    pub(crate) fn new(
        disk: Box<dyn Disk>,
        path: &Path,
        format: Format,
        fsync: Fsync,
        compact_bytes: u64,
        now: Timestamp,
    ) -> Self {
        let path = path.to_path_buf();
        Self { disk, path, format, fsync, compact_bytes, sum: 0, length: 0, compact_at: 0, synced: now, behind: None }
    }

    /// Puts a snapshot in place of everything, at once and for good.
    ///
    /// # Errors
    /// As the disk's, with the advice to mend the host.
    pub(crate) fn rewrite(&mut self, snapshot: &[u8], now: Timestamp) -> Result<()> {
        let (bytes, sum) = self.format.begin(snapshot)?;
        if let Err(error) = self.disk.replace(&bytes) {
            // Old or new content: either way the next one to write must begin here again.
            self.behind = Some(now);
            return Err(self.failed("write", error));
        }
        self.sum = sum;
        self.length = bytes.len() as u64;
        self.compact_at = self.length.saturating_add(self.compact_bytes);
        self.synced = now;
        self.behind = None;
        Ok(())
    }

    /// Whether [`rewrite`](Self::rewrite) must come before the next record: the file has grown, or a write failed.
    ///
    /// # Errors
    /// `ResourceExhausted` for a second after a write failed.
    pub(crate) fn needs_rewrite(&self, now: Timestamp) -> Result<bool> {
        match self.behind {
            Some(since) if now >= since && now - since < RETRY => Err(Error::resource_exhausted(format!(
                "the journal {} could not be written a moment ago; nothing is done without a record",
                self.path.display()
            ))
            .with_advice(Advice::FixHost)),
            behind => Ok(behind.is_some() || self.length >= self.compact_at),
        }
    }

    /// Whether a write failed, so that the file may not hold what was given to it.
    pub(crate) fn is_behind(&self) -> bool {
        self.behind.is_some()
    }

    /// Adds a record. One that is not `vital` is not synced for [`Fsync::Always`].
    ///
    /// # Errors
    /// As the disk's. The record may or may not be there then, and nothing comes after it: the file needs to be written anew.
    pub(crate) fn append(&mut self, content: &[u8], vital: bool, now: Timestamp) -> Result<()> {
        let (bytes, sum) = record(content, self.sum)?;
        if let Err(error) = self.disk.append(&bytes) {
            // Half a record may stand at the end now.
            self.behind = Some(now);
            return Err(self.failed("write", error));
        }
        self.sum = sum;
        self.length = self.length.saturating_add(bytes.len() as u64);
        if (vital || self.fsync != Fsync::Always) && self.fsync.due(now - self.synced) {
            self.sync(now)?;
            self.synced = now;
        }
        Ok(())
    }

    /// Makes everything written so far durable.
    ///
    /// # Errors
    /// As the disk's.
    pub(crate) fn sync(&mut self, now: Timestamp) -> Result<()> {
        self.disk.sync().map_err(|error| {
            // After a failed fsync the system may have forgotten any of the writes before.
            self.behind = Some(now);
            self.failed("sync", error)
        })
    }

    fn failed(&self, what: &str, error: io::Error) -> Error {
        file_error(&format!("{what} the journal"), &self.path, error).with_advice(Advice::FixHost)
    }
}

/// The error of a file that cannot be written or read.
fn file_error(what: &str, path: &Path, error: io::Error) -> Error {
    let code = match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => ErrorCode::NotFound,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorCode::PermissionDenied,
        _ => ErrorCode::ResourceExhausted,
    };
    Error::new(code, format!("cannot {what} {}: {error}", path.display())).with_path(path).with_source(error)
}
