mod config;

pub use config::JsonLinesConfig;

use crate::clock::{Clock, SystemClock, Timestamp};
use crate::error::{Advice, Error, Result};
use crate::event::{Delivery, DeliveryError, Sink};
use crate::journal::{Fsync, Lines, put_aside};
use std::fs::Permissions;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How every line begins: with the id of an event, or of a result.
const BEGINNING: &[u8] = b"{\"id\":\"";

/// Writes events, or results of frames, to a file, one to a line, as JSON (`.jsonl`, also known as NDJSON). A batch is synced
/// once, at its end, and is durable then: see [`JsonLinesConfig::fsync`].
///
/// The file is opened for adding, and belongs to its owner alone when it is new (mode 0600; pictures of people are in it).
/// Before it grows too large, `events.jsonl` becomes `events.1.jsonl`, that one `events.2.jsonl`, and so on; the new file
/// has the mode of the old one. On Unix the file is locked, so that two sinks do not write into it, and a file that somebody
/// moves or deletes is opened anew at its name.
///
/// A line is written in full or not at all: the remains of a failed write, such as on a full disk, are truncated, and
/// the event is tried again. After a crash in the middle of a write, [`open`](Self::open) repairs the end: an event
/// that lacks only the end of its line gets it, a partial event is truncated.
///
/// ```
/// use guarita::event::{JsonLinesConfig, JsonLinesSink};
/// let path = std::env::temp_dir().join(format!("guarita-example-{}.jsonl", std::process::id()));
/// let sink = JsonLinesSink::open(&path, JsonLinesConfig { keep: 3, ..JsonLinesConfig::default() })?;
/// // goes to the pipeline; then read it with `for line in open(path): json.loads(line)`
/// # drop(sink);
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), guarita::Error>(())
/// ```
#[derive(Debug)]
pub struct JsonLinesSink {
    path: PathBuf,
    config: JsonLinesConfig,
    /// None after the file could not be opened anew.
    lines: Option<Lines>,
    /// Permissions of the first file, which later ones get too.
    permissions: Permissions,
    clock: Arc<dyn Clock>,
    synced: Timestamp,
    unsynced: bool,
    batch: Batch,
}

/// What a call has written, and not yet made durable.
#[derive(Debug, Default)]
struct Batch {
    lines: usize,
    /// Where the first of them begins.
    begins_at: u64,
    /// Lines that were truncated again after a failed sync.
    undone: usize,
}

impl JsonLinesSink {
    /// Opens the file, or makes it; its folder must exist.
    ///
    /// # Errors
    /// `InvalidConfig` naming the field; `InvalidArgument` where the name is that of a folder, a pipe or a device;
    /// `InvalidState` where another sink has the file open; `DataCorrupt` where its end is nothing that a sink wrote;
    /// `NotFound`, `PermissionDenied` or `ResourceExhausted` where it cannot be opened or mended.
    pub fn open(path: impl AsRef<Path>, config: JsonLinesConfig) -> Result<Self> {
        config.validate()?;
        let lines = Lines::open(path.as_ref(), BEGINNING, None)?;
        let permissions = lines.permissions()?;
        // The process may change its folder; and where the name is a link, it is the file that is put aside.
        let path = std::fs::canonicalize(path.as_ref()).unwrap_or_else(|_| path.as_ref().to_path_buf());
        let clock = Arc::new(SystemClock);
        let synced = clock.now();
        let batch = Batch::default();
        Ok(Self { path, config, lines: Some(lines), permissions, clock, synced, unsynced: false, batch })
    }

    /// Takes the time for [`Fsync::Every`] from another clock.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.synced = clock.now();
        self.clock = clock;
        self
    }

    /// The file at its name.
    fn lines(&mut self) -> Result<&mut Lines> {
        match self.lines.take() {
            Some(lines) => Ok(self.lines.insert(lines)),
            None => Ok(self.lines.insert(Lines::open(&self.path, BEGINNING, Some(&self.permissions))?)),
        }
    }

    fn write(&mut self, line: &[u8]) -> Result<()> {
        let mut length = self.lines()?.length()?;
        if length > 0 && length.saturating_add(line.len() as u64) > self.config.max_bytes {
            // What was written would not be synced once the file is put aside.
            self.sync()?;
            put_aside(&self.path, self.config.keep)?;
            self.lines = None;
            length = self.lines()?.length()?;
        }
        self.lines()?.add(line)?;
        if self.batch.lines == 0 {
            self.batch.begins_at = length;
        }
        self.batch.lines += 1;
        self.unsynced = true;
        Ok(())
    }

    /// Makes what was written durable, in the way that the config asks for at the end of a batch.
    fn end_batch(&mut self) -> Result<()> {
        if self.config.fsync.due(self.clock.now() - self.synced) { self.sync() } else { Ok(()) }
    }

    /// Syncs what was not. Where that fails, the lines of the batch are truncated: they will be delivered again.
    fn sync(&mut self) -> Result<()> {
        if !self.unsynced || self.config.fsync == Fsync::Never {
            self.batch.lines = 0;
            return Ok(());
        }
        let now = self.clock.now();
        let written = std::mem::take(&mut self.batch.lines);
        if let Some(lines) = &mut self.lines
            && let Err(error) = lines.sync()
        {
            if written > 0 {
                self.batch.undone += written;
                let _ = lines.cut(self.batch.begins_at);
            }
            return Err(error);
        }
        self.unsynced = false;
        self.synced = now;
        Ok(())
    }
}

fn line(delivery: &Delivery) -> Result<Vec<u8>> {
    let mut line = serde_json::to_vec(delivery)
        .map_err(|error| Error::internal(format!("{} is no JSON: {error}", delivery.id())).with_source(error))?;
    line.push(b'\n');
    Ok(line)
}

impl Sink for JsonLinesSink {
    fn deliver(&mut self, batch: &[Delivery]) -> Result<(), DeliveryError> {
        // Full disks, missing folders and permissions can be fixed: events wait for it.
        let later = |error: Error| error.with_advice(Advice::RetryLater);
        self.batch = Batch::default();
        // Opened anew where the name has become that of another file.
        drop(self.lines.take_if(|lines| !lines.is_at(&self.path)));
        for (place, delivery) in batch.iter().enumerate() {
            if let Err(error) = line(delivery).and_then(|line| self.write(&line).map_err(later)) {
                // Those before it are made durable, or cut off and tried again.
                let ended = self.end_batch();
                return Err(match self.batch.undone {
                    0 if ended.is_ok() => DeliveryError::at(place, error),
                    undone => DeliveryError::after(place - undone, ended.err().map_or(error, later)),
                });
            }
        }
        self.end_batch().map_err(|error| DeliveryError::after(batch.len() - self.batch.undone, later(error)))
    }
}

impl Drop for JsonLinesSink {
    fn drop(&mut self) {
        // No caller is left to report an error to.
        let _ = self.sync();
    }
}
