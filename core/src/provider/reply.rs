use super::Response;
use crate::detection::sound;
use crate::error::{Error, Result};
use std::fmt;
use std::sync::mpsc;

/// Where the answer to one request goes. It is given once: by [`send`](Reply::send), or, where the reply is dropped
/// instead, as `Cancelled`.
///
/// ```
/// use guarita::ErrorCode;
/// use guarita::provider::Reply;
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
        // The receiver may be gone; then the answer is of no use.
        let reply = Self::new(move |answer| drop(sender.try_send(answer)));
        (reply, PendingAnswer(receiver))
    }

    /// Gives the answer. Boxes are cut to their frame, and those without an area left out; a confidence outside of 0..1, and
    /// boxes of which none fits the frame, turn it into an `Internal` that says what came.
    pub fn send(mut self, answer: Result<Response>) {
        self.give(answer.and_then(settled));
    }

    fn give(&mut self, answer: Result<Response>) {
        if let Some(take) = self.0.take() {
            // Somebody else's code, on a thread that has other requests to answer.
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| take(answer)));
        }
    }
}

/// Checks every answer, also those of third-party providers.
fn settled(mut response: Response) -> Result<Response> {
    for found in &mut response.detections {
        sound::settle(found)
            .map_err(|what| Error::internal(format!("the provider {} answered {what}", response.answer.provider)))?;
    }
    Ok(response)
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

/// The receiving end of a [`Reply`].
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
    fn what_comes_through_is_an_answer() {
        use crate::detection::{Detection, Detections, Label, Timing};
        use crate::geometry::{BoundingBox, Size};
        use crate::provider::Latency;
        let through = |confidence, boxes: &[[f32; 4]]| {
            let label = || Label { id: 0, name: "person".into() };
            let items = boxes
                .iter()
                .map(|&[a, b, c, d]| Detection::new(BoundingBox::from_xyxy(a, b, c, d), label(), confidence));
            let found = Detections::new(items.collect(), Size::new(640, 480), Timing::default());
            let (reply, answer) = Reply::channel();
            reply.send(Ok(Response::new(vec![found], &"other".into(), Latency::default())));
            answer.wait().map(|response| response.detections[0].items.clone())
        };
        let sound = [8.0, 16.0, 40.0, 32.0];
        assert_eq!(through(0.9, &[sound]).unwrap().len(), 1);
        // Over the edge: cut. Empty, turned over, of no numbers, and outside: left out.
        let more =
            [[600.0, 400.0, 700.0, 500.0], [5.0, 5.0, 5.0, 9.0], [9.0, 9.0, 1.0, 1.0], [f32::NAN, 0.0, 1.0, 1.0]];
        let cut = through(0.9, &[&[sound][..], &more, &[[700.0, 10.0, 760.0, 90.0]]].concat()).unwrap();
        assert_eq!(
            cut.iter().map(|item| item.bbox.to_array()).collect::<Vec<_>>(),
            [sound, [600.0, 400.0, 640.0, 480.0]]
        );
        for confidence in [37.0, f32::INFINITY, f32::NAN, -0.1] {
            let error = through(confidence, &[sound]).unwrap_err();
            assert_eq!(error.code(), ErrorCode::Internal);
            assert!(error.to_string().contains("other") && error.to_string().contains("0..1"), "{error}");
        }
        // Fractions, and pixels of a larger picture.
        for boxes in [
            [[0.1, 0.2, 0.6, 0.9], [0.0, 0.0, 1.0, 1.0]],
            [[3000.0, 2000.0, 3300.0, 2400.0], [2000.0, 1500.0, 2100.0, 1600.0]],
        ] {
            let error = through(0.9, &boxes).unwrap_err();
            assert!(error.to_string().contains("640×480"), "{error}");
        }
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
