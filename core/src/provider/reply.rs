use super::Response;
use crate::error::{Error, Result};
use std::fmt;
use std::sync::mpsc;

/// Where the answer to one request goes. It is given once: by [`send`](Reply::send), or, where the reply is dropped
/// instead, as `Cancelled`.
///
/// ```
/// use guarita::{ErrorCode, Reply};
/// let (reply, answer) = Reply::channel();
/// drop(reply);
/// assert_eq!(answer.wait().unwrap_err().code(), ErrorCode::Cancelled);
/// ```
pub struct Reply(Option<Box<dyn FnOnce(Result<Response>) + Send>>);

impl Reply {
    /// Calls this with the answer, on whatever thread the answer comes from; it must not wait there, and should not
    /// panic (a panic is caught and lost).
    pub fn new(take: impl FnOnce(Result<Response>) + Send + 'static) -> Self {
        Self(Some(Box::new(take)))
    }

    /// A reply, and the other end to wait for it at.
    pub fn channel() -> (Self, PendingAnswer) {
        let (sender, receiver) = mpsc::sync_channel(1);
        // Nobody may wait any more; then the answer is of no use.
        let reply = Self::new(move |answer| drop(sender.try_send(answer)));
        (reply, PendingAnswer(receiver))
    }

    /// Gives the answer.
    pub fn send(mut self, answer: Result<Response>) {
        self.give(answer);
    }

    fn give(&mut self, answer: Result<Response>) {
        if let Some(take) = self.0.take() {
            // Somebody else's code, on a thread that has other requests to answer.
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| take(answer)));
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.give(Err(Error::cancelled("the provider ended before it answered")));
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reply")
    }
}

/// The end of a [`Reply`] at which the answer arrives.
#[derive(Debug)]
pub struct PendingAnswer(mpsc::Receiver<Result<Response>>);

impl PendingAnswer {
    /// Waits for the answer; it always comes, since a dropped reply is one.
    ///
    /// # Errors
    /// What the provider answered.
    pub fn wait(self) -> Result<Response> {
        self.0.recv().unwrap_or_else(|_| Err(Error::cancelled("the provider ended before it answered")))
    }

    /// The answer where it has come, without waiting.
    pub fn try_take(&self) -> Option<Result<Response>> {
        self.0.try_recv().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn an_answer_comes_once() {
        let count = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&count);
        Reply::new(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
        })
        .send(Err(Error::internal("x")));
        assert_eq!(count.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_reply_that_panics_takes_nobody_with_it() {
        let (reply, answer) = Reply::channel();
        Reply::new(|_| panic!("a fault of the host's, on purpose")).send(Err(Error::internal("x")));
        assert!(answer.try_take().is_none());
        drop(reply);
        assert_eq!(answer.wait().unwrap_err().code(), ErrorCode::Cancelled);
    }
}
