use crate::error::{Error, Result};
use crate::event::{Delivery, DeliveryError, Event, Sink, deliver_each};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::time::Duration;

/// The most events that a channel holds.
const MOST: usize = 100_000;

/// Puts events into a bounded channel, from which the host takes them when it likes.
///
/// Where the channel is full, delivery answers `Overloaded` and is tried again; meanwhile events wait in the sink's own
/// queue, and drops are counted there. Where the receiver is gone, it answers `Cancelled`.
///
/// ```
/// use guarita::Sink;
/// use guarita::event::ChannelSink;
/// use std::time::Duration;
/// let (sink, events) = ChannelSink::new(100);
/// let sink: Box<dyn Sink> = Box::new(sink); // goes to the pipeline
/// assert!(events.try_recv()?.is_none());
/// drop(sink);
/// assert_eq!(events.count(), 0); // a loop over them ends with the pipeline
/// # Ok::<(), guarita::Error>(())
/// ```
#[derive(Debug)]
pub struct ChannelSink {
    // Boxed, as the channel makes room for all of them at once.
    sender: SyncSender<Box<Event>>,
}

impl ChannelSink {
    /// Creates a channel for this many events, limited to 1..100000.
    pub fn new(capacity: usize) -> (Self, EventReceiver) {
        let (sender, receiver) = sync_channel(capacity.clamp(1, MOST));
        (Self { sender }, EventReceiver { receiver })
    }
}

impl Sink for ChannelSink {
    fn deliver(&mut self, batch: &[Delivery]) -> Result<(), DeliveryError> {
        deliver_each(batch, |delivery| {
            let event = Event::clone(delivery.event()?);
            self.sender.try_send(Box::new(event)).map_err(|error| match error {
                TrySendError::Full(_) => Error::overloaded("the channel is full; nobody takes events from it"),
                TrySendError::Disconnected(_) => Error::cancelled("the channel's receiver is gone"),
            })
        })
    }

    fn max_batch(&self) -> usize {
        1
    }
}

/// The receiving end of a [`ChannelSink`]. As an iterator it waits for each event, and ends when the sink is gone and
/// the channel is empty.
#[derive(Debug)]
pub struct EventReceiver {
    receiver: Receiver<Box<Event>>,
}

impl EventReceiver {
    /// Waits for the next event.
    ///
    /// # Errors
    /// `Cancelled` where the sink is gone and nothing is left.
    pub fn recv(&self) -> Result<Event> {
        self.receiver.recv().map(|event| *event).map_err(|_| gone())
    }

    /// Waits for the next event for at most this long.
    ///
    /// # Errors
    /// `DeadlineExceeded` where none came, `Cancelled` where the sink is gone and nothing is left.
    pub fn recv_timeout(&self, most: Duration) -> Result<Event> {
        self.receiver.recv_timeout(most).map(|event| *event).map_err(|error| match error {
            RecvTimeoutError::Timeout => Error::deadline_exceeded(format!("no event within {} s", most.as_secs_f64())),
            RecvTimeoutError::Disconnected => gone(),
        })
    }

    /// The next event, where there is one already.
    ///
    /// # Errors
    /// `Cancelled` where the sink is gone and nothing is left.
    pub fn try_recv(&self) -> Result<Option<Event>> {
        match self.receiver.try_recv() {
            Ok(event) => Ok(Some(*event)),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(gone()),
        }
    }
}

impl Iterator for EventReceiver {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        self.recv().ok()
    }
}

fn gone() -> Error {
    Error::cancelled("the sink is gone, and no event is left")
}
