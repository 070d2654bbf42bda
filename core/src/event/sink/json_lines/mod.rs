mod config;

pub use config::JsonLinesConfig;

use crate::clock::{Clock, SystemClock, Timestamp};
use crate::error::{Advice, Error, Result};
use crate::event::{Event, Sink};
use crate::journal::{Fsync, Lines, put_aside};
use std::fs::Permissions;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How the line of an event begins.
const BEGINNING: &[u8] = b"{\"id\":\"";

/// Writes events to a file, one to a line, as JSON (`.jsonl`, also known as NDJSON).
///
/// The file is opened for adding, and belongs to its owner alone when it is new (mode 0600; pictures of people are in it).
/// Before it grows too large, `events.jsonl` becomes `events.1.jsonl`, that one `events.2.jsonl`, and so on; the new file
/// has the mode of the old one. On Unix the file is locked, so that two sinks do not write into it, and a file that somebody
/// moves or deletes is opened anew at its name.
///
/// A line is whole or not there: what a failed write leaves behind, such as on a full disk, is cut off, and the event is
/// tried again. After a crash in the middle of a write, [`open`](Self::open) mends the end: an event that lacks nothing but
/// the end of its line gets it, half of an event is cut off.
///
/// ```
/// use guarita::{JsonLinesConfig, JsonLinesSink};
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
    /// Of the file that was opened first: the ones that follow get them too.
    permissions: Permissions,
    clock: Arc<dyn Clock>,
    synced: Timestamp,
    unsynced: bool,
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
        Ok(Self { path, config, lines: Some(lines), permissions, clock, synced, unsynced: false })
    }

    /// Takes the time for [`Fsync::Every`] from another clock.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.synced = clock.now();
        self.clock = clock;
        self
    }

    /// The file at its name, opened anew where that has become another one.
    fn lines(&mut self) -> Result<&mut Lines> {
        if let Some(lines) = self.lines.take_if(|lines| lines.is_at(&self.path)) {
            return Ok(self.lines.insert(lines));
        }
        self.lines = None;
        Ok(self.lines.insert(Lines::open(&self.path, BEGINNING, Some(&self.permissions))?))
    }

    fn write(&mut self, line: &[u8]) -> Result<()> {
        let length = self.lines()?.length()?;
        if length > 0 && length.saturating_add(line.len() as u64) > self.config.max_bytes {
            // Afterwards nobody would think of it.
            self.flush()?;
            put_aside(&self.path, self.config.keep)?;
            self.lines = None;
        }
        let now = self.clock.now();
        let sync = self.config.fsync.due(now - self.synced);
        self.lines()?.add(line, sync)?;
        self.unsynced = !sync;
        if sync {
            self.synced = now;
        }
        Ok(())
    }
}

impl Sink for JsonLinesSink {
    fn deliver(&mut self, event: &Event) -> Result<()> {
        let mut line = serde_json::to_vec(event)
            .map_err(|error| Error::internal(format!("event {} is no JSON: {error}", event.id)).with_source(error))?;
        line.push(b'\n');
        // Disks are emptied, folders come back, rights are granted: the event waits for it.
        self.write(&line).map_err(|error| error.with_advice(Advice::RetryLater))
    }

    fn flush(&mut self) -> Result<()> {
        if !self.unsynced || self.config.fsync == Fsync::Never {
            return Ok(());
        }
        let now = self.clock.now();
        if let Some(lines) = &mut self.lines {
            lines.sync()?;
        }
        self.unsynced = false;
        self.synced = now;
        Ok(())
    }
}

impl Drop for JsonLinesSink {
    fn drop(&mut self) {
        // Nobody is left to be told.
        let _ = self.flush();
    }
}
