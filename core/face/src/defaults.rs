//! How long things may take, and how many may wait, where the host does not say. The same in every language.

use std::time::Duration;

/// How long a pipeline's `close` lets frames come to their end, and events arrive.
pub const CLOSE: Duration = Duration::from_secs(10);

/// For all pipelines together that nobody closed, when the process ends.
pub const CLOSE_AT_EXIT: Duration = Duration::from_secs(1);

/// How long the end of the process waits for calls into the host's code that are under way.
pub const CALLS_AT_EXIT: Duration = Duration::from_secs(1);

/// The name of the outlet that fills the event streams, as it is in statistics and metrics.
pub const EVENTS_OUTLET: &str = "events";

/// The name of the outlet of the host's callback for results.
pub const RESULTS_OUTLET: &str = "on_result";

/// Events that wait to be put into the streams, which takes no time except where a reader has to be woken and its language is
/// busy.
pub const EVENTS_OUTLET_CAPACITY: usize = 4096;

/// The most events that one stream can be asked to hold.
pub const MAX_STREAM_CAPACITY: usize = 1_000_000;

/// Requests without a waiting thread that a detector holds, and pictures that wait to be decoded for such ones; more is
/// `Overloaded`.
pub const BACKGROUND_QUEUE: usize = 100_000;

/// Threads that decode; more would take processors from those who look at the pictures.
pub const MAX_DECODE_THREADS: usize = 4;
