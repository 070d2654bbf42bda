use crate::error::Result;
use crate::event::{Event, Sink};
use std::fmt;

/// Hands events to a function of the host's.
///
/// ```
/// use guarita::{CallbackSink, Sink};
/// let sink: Box<dyn Sink> = Box::new(CallbackSink::new(|event| {
///     println!("{} {}: {}", event.camera.as_str(), event.trigger, event.why);
/// }));
/// # drop(sink);
/// ```
pub struct CallbackSink(Box<dyn FnMut(&Event) + Send>);

impl CallbackSink {
    /// Calls this with each event, on the sink's thread.
    pub fn new(call: impl FnMut(&Event) + Send + 'static) -> Self {
        Self(Box::new(call))
    }
}

impl Sink for CallbackSink {
    fn deliver(&mut self, event: &Event) -> Result<()> {
        (self.0)(event);
        Ok(())
    }
}

impl fmt::Debug for CallbackSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallbackSink")
    }
}
