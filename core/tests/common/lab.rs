//! A place where a test makes its videos.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test")]
#![allow(
    dead_code,
    clippy::disallowed_methods,
    reason = "each test file uses a part of this; tests may read the environment"
)]

use guarita::source::SourceConfig;
use std::path::PathBuf;
use std::process::Command;

/// The program, or `None` after saying that the test is skipped.
pub(crate) fn ffmpeg(test: &str) -> Option<PathBuf> {
    let linked = crate::common::repository().join(".ffmpeg");
    let found = std::env::var_os("GUARITA_FFMPEG").map(PathBuf::from).or_else(|| linked.exists().then_some(linked));
    let on_path = || {
        let folders = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&folders).map(|folder| folder.join("ffmpeg")).find(|program| program.is_file())
    };
    let found = found.or_else(on_path);
    if found.is_none() {
        println!("{test}: SKIPPED, no ffmpeg (run `make setup` once, or set GUARITA_FFMPEG)");
    }
    found
}

/// A folder with a program and the videos of one test; gone with the value.
pub(crate) struct Lab {
    pub(crate) program: PathBuf,
    pub(crate) folder: PathBuf,
}

impl Lab {
    pub(crate) fn new(test: &str) -> Option<Self> {
        let program = ffmpeg(test)?;
        let folder = std::env::temp_dir().join(format!("guarita-video-{test}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        Some(Self { program, folder })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Runs the program in the folder and gives what it writes to standard output.
    pub(crate) fn run(&self, arguments: &str) -> Vec<u8> {
        let words = arguments.split_whitespace();
        let mut command = Command::new(&self.program);
        command.args(["-v", "error", "-nostdin", "-y"]).args(words).current_dir(&self.folder);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// A moving test picture.
    pub(crate) fn video(&self, name: &str, size: &str, frames: u32, more: &str) -> PathBuf {
        self.run(&format!("-f lavfi -i testsrc=size={size}:rate=25 -frames:v {frames} {more} {name}"));
        self.path(name)
    }

    pub(crate) fn config(&self) -> SourceConfig {
        SourceConfig { ffmpeg: Some(self.program.clone()), ..SourceConfig::default() }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
