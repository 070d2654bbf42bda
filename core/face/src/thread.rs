//! Threads for one thing, and panics that stay on this side of a boundary.

use guarita::{Error, ErrorCode, Result};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

/// Runs `work` on a thread of its own, of this name.
///
/// # Errors
/// `ResourceExhausted` where the system gives no thread; `work` is then dropped.
pub fn start_thread(name: &str, work: impl FnOnce() + Send + 'static) -> Result<()> {
    let started = thread::Builder::new().name(name.to_owned()).spawn(work);
    started.map(drop).map_err(|error| {
        Error::new(ErrorCode::ResourceExhausted, format!("cannot start a thread: {error}")).with_source(error)
    })
}

/// Runs `work`; a panic in it is an error and goes no further.
///
/// # Errors
/// `Internal` with the words of the panic, or what `work` says.
pub fn caught<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| {
        let words = payload.downcast_ref::<&str>().map(ToString::to_string);
        let words = words.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default();
        // What a panic carries may panic when it is dropped.
        std::mem::forget(payload);
        Err(Error::new(ErrorCode::Internal, format!("a panic in guarita, please report it: {words}")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::time::Duration;

    #[test]
    fn a_panic_is_an_error_with_its_words() {
        /// A payload whose drop panics as well.
        struct Spiteful;
        impl Drop for Spiteful {
            fn drop(&mut self) {
                panic!("a fault in a fault, on purpose");
            }
        }
        assert_eq!(caught(|| Ok(7)).unwrap(), 7);
        let number = 3;
        let faults: [(&dyn Fn(), &str); 3] = [
            (&|| panic!("a fault, on purpose"), "a fault, on purpose"),
            (&move || panic!("fault {number}, on purpose"), "fault 3, on purpose"),
            (&|| std::panic::panic_any(Spiteful), ""),
        ];
        for (fault, words) in faults {
            let work = || {
                fault();
                Ok(())
            };
            let error = caught(work).unwrap_err();
            assert_eq!(error.code(), ErrorCode::Internal);
            assert!(error.to_string().ends_with(words), "{error}");
        }
    }

    #[test]
    fn a_thread_has_its_name() {
        let (sender, name) = mpsc::channel();
        let work = move || drop(sender.send(thread::current().name().map(str::to_owned)));
        start_thread("guarita-test", work).unwrap();
        assert_eq!(name.recv_timeout(Duration::from_secs(10)).unwrap().as_deref(), Some("guarita-test"));
    }
}
