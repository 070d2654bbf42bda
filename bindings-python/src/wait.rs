//! Waiting with the interpreter lock released, checking signals ten times a second, so that Ctrl-C works.

use crate::error::{OrRaise, detached, raise};
use crate::fork::generation;
use guarita::ErrorCode;
use guarita_face::{caught, start_thread};
use pyo3::prelude::*;
use std::cell::Cell;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

/// The interval between two checks of signals.
pub(crate) const LOOK_UP: Duration = Duration::from_millis(100);

/// The next value; None where all senders are gone or the time is over. An exception of a signal handler, such as
/// `KeyboardInterrupt`, ends it.
pub(crate) fn receive<T: Send>(py: Python<'_>, from: &Receiver<T>, most: Option<Duration>) -> PyResult<Option<T>> {
    let mut left = most;
    loop {
        let slice = left.map_or(LOOK_UP, |left| left.min(LOOK_UP));
        let from = Shared(from);
        match py.detach(move || from.get().recv_timeout(slice)) {
            Ok(value) => return Ok(Some(value)),
            Err(RecvTimeoutError::Disconnected) => return Ok(None),
            Err(RecvTimeoutError::Timeout) => {}
        }
        py.check_signals()?;
        if let Some(left) = &mut left {
            *left = left.saturating_sub(slice);
            if left.is_zero() {
                return Ok(None);
            }
        }
    }
}

/// A receiver that its only user takes along while the lock is released.
struct Shared<'a, T>(&'a Receiver<T>);

impl<'a, T> Shared<'a, T> {
    fn get(&self) -> &'a Receiver<T> {
        self.0
    }
}

// SAFETY: the thread that calls `detach` is the one that runs its closure, so that the receiver never leaves it.
#[allow(unsafe_code, reason = "detach asks for Send though the closure stays on its thread")]
unsafe impl<T: Send> Send for Shared<'_, T> {}

/// Runs `work` so that Ctrl-C can end the wait: from the main thread, on another one, whose result is then discarded.
pub(crate) fn interruptible<T: Send + 'static>(
    py: Python<'_>,
    work: impl FnOnce() -> guarita::Result<T> + Send + 'static,
) -> PyResult<T> {
    if !is_main_thread(py) {
        return detached(py, work);
    }
    let (sender, done) = mpsc::channel();
    start_thread("guarita-wait", move || drop(sender.send(caught(work)))).or_raise()?;
    let lost = || raise(ErrorCode::Internal, "a thread ended without a result");
    receive(py, &done, None)?.ok_or_else(lost)?.or_raise()
}

thread_local! {
    /// Whether signals come to this thread, in the process of this generation.
    static IS_MAIN: Cell<Option<(u64, bool)>> = const { Cell::new(None) };
}

/// Whether signals are handled on this thread: which one that is, Python knows, whoever imported guarita. After a fork it is the
/// one that forked.
pub(crate) fn is_main_thread(py: Python<'_>) -> bool {
    if let Some((at, is_main)) = IS_MAIN.get()
        && at == generation()
    {
        return is_main;
    }
    let ask = || {
        let threading = py.import("threading")?;
        let main = threading.call_method0("main_thread")?.getattr("ident")?;
        threading.call_method0("get_ident")?.eq(main)
    };
    let is_main = ask().unwrap_or(false);
    IS_MAIN.set(Some((generation(), is_main)));
    is_main
}
