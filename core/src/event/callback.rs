use crate::error::Result;
use crate::event::{Delivery, DeliveryError, Event, FrameResult, Sink, deliver_each};
use std::fmt;

/// Passes events, or results of frames, to a host function, one at a time.
///
/// ```
/// use guarita::Sink;
/// use guarita::event::CallbackSink;
/// let sink: Box<dyn Sink> = Box::new(CallbackSink::new(|event| {
///     println!("{} {}: {}", event.camera.as_str(), event.trigger, event.why);
/// }));
/// # drop(sink);
/// ```
pub struct CallbackSink(Call);

type Call = Box<dyn FnMut(&Delivery) -> Result<()> + Send>;

impl CallbackSink {
    /// Calls this with each event, on the sink's thread.
    pub fn new(mut call: impl FnMut(&Event) + Send + 'static) -> Self {
        Self(Box::new(move |delivery| delivery.event().map(|event| call(event))))
    }

    /// Calls this with the result of each frame, on the sink's thread; for an outlet whose `deliveries` are `results`.
    pub fn results(mut call: impl FnMut(&FrameResult) + Send + 'static) -> Self {
        Self(Box::new(move |delivery| delivery.result().map(|result| call(result))))
    }
}

impl Sink for CallbackSink {
    fn deliver(&mut self, batch: &[Delivery]) -> Result<(), DeliveryError> {
        deliver_each(batch, &mut self.0)
    }

    /// One, so that a panic ends one event only.
    fn max_batch(&self) -> usize {
        1
    }
}

impl fmt::Debug for CallbackSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallbackSink")
    }
}
