//! The end of the process while threads are in ONNX Runtime. `exit` runs the library's own destructors under them: what they
//! see then is taken for a bad model, or crashes.
//!
//! Functions given to `atexit` run in reverse. One registered after the library was loaded runs before the library's
//! destructors; it waits until no thread is inside, and lets none in from then on.

use crate::error::{Error, Result};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

/// The longest wait at exit, even with threads still inside.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
const STEP: Duration = Duration::from_millis(1);

/// The process id in the upper half, and the number of its threads inside in the lower one: a forked child has none.
static INSIDE: AtomicU64 = AtomicU64::new(0);
static ENDS: AtomicBool = AtomicBool::new(false);

/// A thread that is in the library, or holds something that the library has to free.
pub(super) struct Inside(());

/// # Errors
/// `Cancelled` where the process is ending.
pub(super) fn enter() -> Result<Inside> {
    change(|count| count + 1);
    let inside = Inside(());
    // Either this sees that the process ends, or the end sees this thread.
    if ENDS.load(Ordering::SeqCst) {
        return Err(Error::cancelled("the process is ending"));
    }
    Ok(inside)
}

impl Drop for Inside {
    fn drop(&mut self) {
        change(|count| count.saturating_sub(1));
    }
}

fn change(by: impl Fn(u64) -> u64) {
    let _ = INSIDE.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |now| Some(own() << 32 | by(of_own(now))));
}

fn own() -> u64 {
    std::process::id().into()
}

/// Those of them that are of this process.
fn of_own(inside: u64) -> u64 {
    if inside >> 32 == own() { inside & u64::from(u32::MAX) } else { 0 }
}

/// What the library was used for: each makes statics of its own, whose destructors are registered then.
#[derive(Clone, Copy)]
pub(super) enum Use {
    Loaded = 1,
    Opened = 2,
    Ran = 4,
}

/// Registers the wait, once after the first of each use.
pub(super) fn wait_at_exit(after: Use) {
    static REGISTERED: AtomicU8 = AtomicU8::new(0);
    let bit = after as u8;
    if REGISTERED.load(Ordering::Relaxed) & bit == 0 && REGISTERED.fetch_or(bit, Ordering::Relaxed) & bit == 0 {
        // SAFETY: the function takes nothing, does not unwind, and is there until the process ends.
        #[allow(unsafe_code, reason = "the only way to run something before the destructors of a library")]
        let refused = unsafe { libc::atexit(wait) } != 0;
        if refused {
            tracing::warn!("no place left for a function at exit: looks in flight may fail when the process ends");
        }
    }
}

extern "C" fn wait() {
    ENDS.store(true, Ordering::SeqCst);
    let steps = LONGEST_WAIT.as_millis() / STEP.as_millis();
    for _ in 0..steps {
        if of_own(INSIDE.load(Ordering::SeqCst)) == 0 {
            return;
        }
        #[expect(clippy::disallowed_methods, reason = "the process ends: there is nobody left to be told")]
        std::thread::sleep(STEP);
    }
}
