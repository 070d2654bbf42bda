//! Files of lines: whole ones only, and one writer.

use super::file_error;
use crate::error::{Advice, Error, Result};
use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// The longest tail without a line break that is searched: an event with a large picture is shorter.
const LONGEST_TAIL: u64 = 256 << 20;
const BLOCK: u64 = 64 << 10;

/// An open file of lines, each of them JSON.
#[derive(Debug)]
pub(crate) struct Lines {
    file: File,
    path: PathBuf,
    /// How every line begins; what a crash leaves of one begins so too.
    beginning: &'static [u8],
    /// Where the last whole line ends, while something after it could not be cut off.
    torn_at: Option<u64>,
}

impl Lines {
    /// Opens or makes the file, locks it and mends its end. A new one gets these permissions.
    pub(crate) fn open(path: &Path, beginning: &'static [u8], permissions: Option<&Permissions>) -> Result<Self> {
        // Opening a pipe would block until it has a reader.
        if let Ok(found) = std::fs::metadata(path)
            && !found.is_file()
        {
            return Err(not_a_file(path));
        }
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path).map_err(|error| file_error("open", path, error))?;
        if !metadata(&file, path)?.is_file() {
            return Err(not_a_file(path));
        }
        lock(&file, path)?;
        if let Some(permissions) = permissions {
            // The old one's readers read the new one as well; where that is refused, the file is private, and still right.
            let _ = file.set_permissions(permissions.clone());
        }
        let mut lines = Self { file, path: path.to_path_buf(), beginning, torn_at: None };
        lines.mend()?;
        Ok(lines)
    }

    /// Whether the name still stands for this file. Where the system cannot say, it does.
    pub(crate) fn is_at(&self, path: &Path) -> bool {
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            let which = |found: &Metadata| (found.dev(), found.ino());
            matches!((self.file.metadata(), std::fs::metadata(path)), (Ok(a), Ok(b)) if which(&a) == which(&b))
        }
        #[cfg(not(unix))]
        {
            let _ = path;
            true
        }
    }

    pub(crate) fn length(&self) -> Result<u64> {
        Ok(self.metadata()?.len())
    }

    pub(crate) fn permissions(&self) -> Result<Permissions> {
        Ok(self.metadata()?.permissions())
    }

    /// Adds a line, or nothing.
    pub(crate) fn add(&mut self, line: &[u8]) -> Result<()> {
        if let Some(torn_at) = self.torn_at {
            self.cut(torn_at)?;
        }
        // Asked each time, since others may empty the file.
        let before = self.length()?;
        self.file.write_all(line).map_err(|error| {
            // Where this fails too, it is tried again before anything else is written.
            let _ = self.cut(before);
            file_error("write to", &self.path, error)
        })
    }

    pub(crate) fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(|error| file_error("sync", &self.path, error))
    }

    /// Cuts off what stands behind this length, the end of a line; where that fails, before the next line is added.
    pub(crate) fn cut(&mut self, length: u64) -> Result<()> {
        self.torn_at = Some(length);
        // Never longer: if the file was truncated meanwhile, that would fill it with zeros.
        if self.length()? > length {
            // Not through the file itself: on Windows, what is open for adding cannot be cut.
            #[cfg(not(unix))]
            let cut = OpenOptions::new().write(true).open(&self.path).and_then(|file| file.set_len(length));
            #[cfg(unix)]
            let cut = self.file.set_len(length);
            cut.map_err(|error| file_error("mend", &self.path, error))?;
        }
        self.torn_at = None;
        Ok(())
    }

    /// What a crash left behind the last line break is ended or cut off, if it is the beginning of a line.
    fn mend(&mut self) -> Result<()> {
        let length = self.length()?;
        let start = self.last_break(length)?;
        if start == length {
            return Ok(());
        }
        let tail = self.read(start, length - start)?;
        // After a power cut there may be zeros where nothing was written yet.
        let filled = tail.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        let tail = &tail[..filled];
        let beginning = &self.beginning[..self.beginning.len().min(tail.len())];
        if !tail.starts_with(beginning) {
            return Err(Error::data_corrupt(format!(
                "{} does not end in an event; is it the right file? Nothing was changed",
                self.path.display()
            ))
            .with_advice(Advice::ChangeConfig));
        }
        if serde_json::from_slice::<serde::de::IgnoredAny>(tail).is_err() {
            return self.cut(start);
        }
        self.cut(start + filled as u64)?;
        self.add(b"\n")
    }

    /// The place behind the last line break.
    fn last_break(&mut self, length: u64) -> Result<u64> {
        let mut end = length;
        while end > 0 && length - end < LONGEST_TAIL {
            let start = end.saturating_sub(BLOCK);
            let block = self.read(start, end - start)?;
            if let Some(at) = memchr::memrchr(b'\n', &block) {
                return Ok(start + at as u64 + 1);
            }
            end = start;
        }
        if end == 0 {
            return Ok(0);
        }
        Err(Error::data_corrupt(format!(
            "{} has no line break in its last {LONGEST_TAIL} bytes; is it the right file? Nothing was changed",
            self.path.display()
        ))
        .with_advice(Advice::ChangeConfig))
    }

    fn read(&mut self, from: u64, count: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.file
            .seek(SeekFrom::Start(from))
            .and_then(|_| (&self.file).take(count).read_to_end(&mut bytes))
            .map_err(|error| file_error("read", &self.path, error))?;
        Ok(bytes)
    }

    fn metadata(&self) -> Result<Metadata> {
        metadata(&self.file, &self.path)
    }
}

/// Rotates the file: `events.jsonl` becomes `events.1.jsonl`, and so on; `keep` of those stay.
pub(crate) fn put_aside(path: &Path, keep: u32) -> Result<()> {
    let aside = |n: u32| if n == 0 { path.to_path_buf() } else { numbered(path, n) };
    // Only up to the first gap: where an earlier try stopped halfway, nothing is moved, or deleted, twice.
    let gap = (1..=keep).find(|&n| !exists(&aside(n))).unwrap_or(keep);
    for n in (0..gap).rev() {
        std::fs::rename(aside(n), aside(n + 1)).map_err(|error| file_error("put aside", &aside(n), error))?;
    }
    if keep == 0 {
        std::fs::remove_file(path).map_err(|error| file_error("delete", path, error))?;
    }
    Ok(())
}

/// Whether there is something at the name, if only a link to nothing.
fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

fn numbered(path: &Path, n: u32) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(format!(".{n}"));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

/// One writer: two would cut off each other's lines. On Windows a lock keeps readers out too, so there is none.
#[cfg(unix)]
fn lock(file: &File, path: &Path) -> Result<()> {
    use std::fs::TryLockError;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(Error::invalid_state(format!(
            "another sink, here or in another process, writes to {}; give each one a file of its own",
            path.display()
        ))
        .with_advice(Advice::ChangeConfig)),
        // Some network file systems know no locks.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
    }
}

#[cfg(not(unix))]
fn lock(_: &File, _: &Path) -> Result<()> {
    Ok(())
}

fn metadata(file: &File, path: &Path) -> Result<Metadata> {
    file.metadata().map_err(|error| file_error("look at", path, error))
}

fn not_a_file(path: &Path) -> Error {
    Error::invalid_argument(format!("{} is no file", path.display())).with_path(path)
}
