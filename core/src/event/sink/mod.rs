//! The sinks that come with the library.

mod callback;
mod channel;
mod json_lines;
mod retry_after;

pub use callback::CallbackSink;
pub use channel::{ChannelSink, EventReceiver};
pub use json_lines::{JsonLinesConfig, JsonLinesSink};
pub use retry_after::RetryAfter;
