//! The streams of a pipeline's events.

use crate::defaults::{EVENTS_OUTLET, EVENTS_OUTLET_CAPACITY};
use crate::stream::{Stream, Streams};
use guarita::event::{Delivery, DeliveryError, OutletConfig, deliver_each};
use guarita::pipeline::PipelineBuilder;
use guarita::{Event, Result, Sink};
use std::sync::Arc;

/// The event streams of one pipeline.
pub type EventStreams = Streams<Arc<Event>>;

/// Events for one reader.
pub type EventStream = Stream<Arc<Event>>;

impl EventStreams {
    /// Has the pipeline that is built fill the streams, and end them with its own end.
    pub fn fill_from(self: &Arc<Self>, builder: PipelineBuilder) -> PipelineBuilder {
        let outlet = OutletConfig { capacity: EVENTS_OUTLET_CAPACITY, ..OutletConfig::default() };
        builder.sink_with(EVENTS_OUTLET, Box::new(Fill(Arc::clone(self))), outlet)
    }
}

/// The sink that fills them.
struct Fill(Arc<EventStreams>);

impl Sink for Fill {
    fn deliver(&mut self, batch: &[Delivery]) -> Result<(), DeliveryError> {
        deliver_each(batch, |delivery| {
            let event = delivery.event()?;
            self.0.put_with(|| Arc::clone(event));
            Ok(())
        })
    }
}

impl Drop for Fill {
    /// The pipeline's end, however it came about.
    fn drop(&mut self) {
        self.0.end();
    }
}
