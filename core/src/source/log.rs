//! What the program says on its standard error: the last faults, for messages, and the duration of the video.

use crate::error::address::without_secrets;
use std::collections::VecDeque;
use std::io::Read;
use std::time::Duration;

const MAX_LINES: usize = 20;
const MAX_LINE_CHARS: usize = 300;
/// Of a line that is read. Longer than what is kept, as an address that is cut off cannot be told from its secrets.
const MAX_LINE_BYTES: usize = 8_192;

/// The last lines that report an error. Bounded, whatever a video makes the program write.
#[derive(Default)]
pub(super) struct Log {
    lines: VecDeque<String>,
    /// Faults that were named, whether their lines are kept or not.
    pub(super) faults: u64,
    /// Whether any line had a level, as those of `ffmpeg` do.
    pub(super) any_level: bool,
    /// As the container says; `Some(None)` where it does not.
    pub(super) duration: Option<Option<Duration>>,
    /// Lines without a level go with the one before.
    keeping: bool,
    /// Text that is removed from lines.
    secrets: Vec<String>,
}

impl Log {
    pub(super) fn new(secrets: Vec<String>) -> Self {
        Self { secrets, ..Self::default() }
    }

    /// Takes one line, without its end.
    pub(super) fn line(&mut self, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        match split_level(&line) {
            Some(("info" | "verbose" | "debug" | "trace", text)) => {
                self.any_level = true;
                self.keeping = false;
                if let Some(duration) = text.trim_start().strip_prefix("Duration: ")
                    && self.duration.is_none()
                {
                    self.duration = Some(clock(duration));
                }
            }
            Some((level, text)) => {
                self.any_level = true;
                // A warning is no fault, but for the two that say that pictures were lost.
                if level != "warning" || text.contains("corrupt") {
                    self.faults += 1;
                }
                self.keeping = true;
                self.keep(text);
            }
            // What no ffmpeg says: words of a loader, or of a program that is none.
            None if self.keeping || !self.any_level => self.keep(&line),
            None => {}
        }
    }

    fn keep(&mut self, text: &str) {
        // The program repeats what videos hold, which is not for terminals.
        let mut text = without_secrets(text.trim()).into_owned();
        for secret in &self.secrets {
            text = text.replace(secret, "***");
        }
        let text: String = text.chars().take(MAX_LINE_CHARS).map(|c| if c.is_control() { '?' } else { c }).collect();
        if text.is_empty() {
            return;
        }
        if self.lines.len() == MAX_LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(text);
    }

    /// The lines kept, the last one last.
    pub(super) fn text(&self) -> String {
        self.lines.iter().map(String::as_str).collect::<Vec<_>>().join("\n  ")
    }
}

/// The level and the text behind it: `error` and `moov atom not found` of `[mov @ 0x5] [error] moov atom not found`.
fn split_level(line: &str) -> Option<(&str, &str)> {
    let mut rest = line;
    loop {
        let (word, behind) = rest.strip_prefix('[')?.split_once(']')?;
        rest = behind.trim_start();
        if matches!(word, "panic" | "fatal" | "error" | "warning" | "info" | "verbose" | "debug" | "trace") {
            return Some((word, rest));
        }
    }
}

/// `01:02:03.45`, up to a comma.
fn clock(text: &str) -> Option<Duration> {
    let mut parts = text.split(',').next()?.split(':');
    let mut part = || parts.next()?.parse::<f64>().ok().filter(|part| (0.0..1e6).contains(part));
    let seconds = part()? * 3600.0 + part()? * 60.0 + part()?;
    Some(Duration::from_secs_f64(seconds))
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log").field("lines", &self.lines).field("faults", &self.faults).finish_non_exhaustive()
    }
}

/// Cuts a stream into lines of bounded length and hands each on; the rest of a longer line is left out.
pub(super) fn read_lines(mut input: impl Read, mut take: impl FnMut(&[u8])) {
    let mut line = Vec::with_capacity(MAX_LINE_BYTES);
    let mut chunk = [0; 4096];
    loop {
        match input.read(&mut chunk) {
            Ok(0) => break,
            Ok(n) => {
                for &byte in &chunk[..n] {
                    if matches!(byte, b'\n' | b'\r') {
                        take(&line);
                        line.clear();
                    } else if line.len() < MAX_LINE_BYTES {
                        line.push(byte);
                    }
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    if !line.is_empty() {
        take(&line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(text: &str) -> Log {
        let mut log = Log::default();
        read_lines(text.as_bytes(), |line| log.line(line));
        log
    }

    #[test]
    fn faults_are_kept_and_descriptions_are_not() {
        let log = log("[info] Input #0, avi, from 'file:a':\n[info]   title : [error] Duration: 99:00:00.00\n\
                       [info]   Duration: 00:01:19.50, start: 0.000000\n\
                       [mov,mp4 @ 0x5] [error] moov atom not found\nmore of it\n[info] x\nnot kept\n\
                       [warning] deprecated\n[in#0 @ 0x1] [warning] corrupt input packet in stream 0\n");
        assert_eq!(log.text(), "moov atom not found\n  more of it\n  deprecated\n  corrupt input packet in stream 0");
        assert_eq!((log.faults, log.any_level), (2, true));
        assert_eq!(log.duration, Some(Some(Duration::from_millis(79_500))));
    }

    #[test]
    fn the_log_stays_small() {
        let mut text = "[error] begin\n".to_owned() + &"x".repeat(1 << 20) + "\n";
        (0..1000).for_each(|n| text += &format!("[error] \x1b[31m{n}\n"));
        let log = log(&text);
        assert_eq!(log.lines.len(), MAX_LINES);
        assert!(log.lines.iter().all(|line| line.chars().count() <= MAX_LINE_CHARS));
        assert_eq!(log.lines.back().unwrap(), "?[31m999");
        assert_eq!(log.faults, 1001);
    }

    #[test]
    fn no_secret_is_kept() {
        let mut log = Log::new(vec!["1234/s3cret".into(), "s3cret".into(), "1234".into()]);
        for line in [
            "[tcp @ 0x5] [error] Connection to tcp://admin:1234?timeout=0 failed",
            "[in#0 @ 0x5] [error] Error opening input file rtsp://admin:1234/s3cret@camera/1?a=b.",
            "[rtsp @ 0x5] [error] no user s3cret here",
        ] {
            log.line(line.as_bytes());
        }
        // An address that is longer than what is kept of a line.
        log.line(format!("[error] rtsp://{}:other@camera/1", "u".repeat(1_000)).as_bytes());
        assert_eq!(
            log.text(),
            "Connection to tcp://admin:***?timeout=*** failed\n  \
             Error opening input file rtsp://***@camera/1?a=***.\n  no user *** here\n  rtsp://***@camera/1"
        );
    }

    #[test]
    fn an_unknown_duration_is_known_to_be_unknown() {
        assert_eq!(log("[info]   Duration: N/A, start: 0.0\n").duration, Some(None));
        assert_eq!(log("[info]   Stream\n").duration, None);
        assert_eq!(log("cannot load library\n").text(), "cannot load library");
    }
}
