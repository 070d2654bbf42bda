//! Values that do not survive a fork, and values that are dropped with the interpreter lock released.

use crate::error::OrRaise;
use crate::host;
pub(crate) use guarita_face::generation;
use guarita_face::{Held, LetGo, ProcessBound};
use pyo3::prelude::*;

/// Where Python frameworks create per-process objects.
const MAKERS: &str = "Celery: worker_process_init; gunicorn: post_fork; multiprocessing: the initializer";

/// The end of a provider waits for its threads, and those may wait for the interpreter lock.
pub(crate) struct Unlocked;

impl LetGo for Unlocked {
    fn let_go<T: Send>(value: T) {
        // Leaked when the interpreter shuts down: the threads that the drop would wait for may be stopped for ever
        // inside Python.
        if host::is_ending() {
            return std::mem::forget(value);
        }
        let mut value = Some(value);
        Python::try_attach(|py| {
            let value = value.take();
            py.detach(move || drop(value));
        });
    }
}

/// A value that is dropped with the interpreter lock released.
pub(crate) type Shared<T> = Held<T, Unlocked>;

/// A value that belongs to the process that made it; see [`ProcessBound`].
pub(crate) struct Native<T: Send>(ProcessBound<T, Unlocked>);

impl<T: Send> Native<T> {
    /// Belongs to this process.
    pub(crate) fn new(value: T) -> Self {
        Self(ProcessBound::new(value))
    }

    /// Whether it was made before a fork.
    pub(crate) fn is_foreign(&self) -> bool {
        self.0.is_foreign()
    }

    /// The value; `InvalidState` in a child of the process that made it.
    pub(crate) fn get(&self, what: &str) -> PyResult<&T> {
        self.0.get(what, MAKERS).or_raise()
    }

    /// The value for good; as [`get`](Self::get).
    pub(crate) fn into_inner(self, what: &str) -> PyResult<T> {
        self.0.into_inner(what, MAKERS).or_raise()
    }

    /// The value whatever process this is, for what is read only.
    pub(crate) fn peek(&self) -> &T {
        self.0.peek()
    }
}
