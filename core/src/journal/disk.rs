use super::file_error;
use crate::error::{Advice, Error, Result};
use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Where bytes go; a trait so that tests can have it fail.
pub(crate) trait Disk: Send {
    /// Adds bytes at the end; on error, any part of them may stand there.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    fn sync(&mut self) -> io::Result<()>;
    /// Puts other content in place, at once and for good. On error it is the old or the new one.
    fn replace(&mut self, bytes: &[u8]) -> io::Result<()>;
}

/// A file with its folder, locked against other processes.
#[derive(Debug)]
pub(crate) struct FileDisk {
    path: PathBuf,
    file: Option<File>,
    /// A file of its own, since the file is replaced. The system unlocks it when the process ends, however.
    _lock: File,
}

impl FileDisk {
    /// Opens and locks the file; also returns its content, where it exists.
    ///
    /// # Errors
    /// `InvalidState` where it is open already, here or in another process; `NotFound`, `PermissionDenied` or
    /// `ResourceExhausted` where it cannot be read or locked.
    pub(crate) fn open(path: &Path) -> Result<(Self, Option<Vec<u8>>)> {
        let lock_path = beside(path, ".lock");
        let lock = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&lock_path)
            .map_err(|error| file_error("lock", &lock_path, error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::invalid_state(format!(
                    "somebody else, here or in another process, has {} open",
                    path.display()
                ))
                .with_advice(Advice::RetryLater));
            }
            Err(TryLockError::Error(error)) => return Err(file_error("lock", &lock_path, error)),
        }
        let before = match std::fs::read(path) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(file_error("read", path, error)),
        };
        Ok((Self { path: path.to_path_buf(), file: None, _lock: lock }, before))
    }

    /// Makes the file's new name in the folder durable.
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
