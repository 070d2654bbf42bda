//! JSON lines: one request a line on standard input, one answer a line on standard output.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::io::{BufRead, Write};

/// Whatever may go wrong; the driver gets its words.
pub(crate) type Failure = Box<dyn std::error::Error>;

/// Answers requests until the input ends. A failure is answered `{"ok": false, "error": …}`.
pub(crate) fn serve<R: DeserializeOwned>(mut answer: impl FnMut(R) -> Result<Value, Failure>) -> Result<(), Failure> {
    for line in std::io::stdin().lock().lines() {
        let answer = serde_json::from_str(&line?).map_err(Failure::from).and_then(&mut answer);
        let answer = answer.unwrap_or_else(|error| json!({"ok": false, "error": error.to_string()}));
        let mut out = std::io::stdout().lock();
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}
