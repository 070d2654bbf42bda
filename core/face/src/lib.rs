//! What the faces of *guarita* for other languages share: what all of them need, and none of them should decide for itself.
//!
//! No type of a language is in here. A face converts values, documents them, and follows the manners of its language; queues,
//! threads, what is dropped when, how long a close may take and what a fork leaves behind are the same in all of them, and so
//! have their home here. `core/face/README.md` says what a face may contain.
//!
//! | What | Where |
//! |---|---|
//! | streams of events: bounded, the oldest dropped and counted, readers woken | [`Streams`], [`EventStreams`] |
//! | pictures decoded and looked at off the caller's thread | [`submit`], [`Workers`], [`DetectorHandle`] |
//! | what a fork leaves behind, and what is let go how | [`generation`], [`ProcessBound`], [`PerProcess`], [`Held`] |
//! | the end of pipelines that nobody closed, and of calls into the host's code | [`PipelineHandle`], [`HostCalls`] |
//! | names of codes and advice | [`names`] |
//! | configs from values and text, with the path of the field that is wrong | [`config`] |
//! | how long things may take, and how many may wait | [`defaults`] |
//! | the clouds and sinks that every face carries | [`adapters`] |

pub mod adapters;
mod calls;
pub mod config;
pub mod defaults;
mod detector;
mod events;
mod fork;
mod look;
pub mod names;
mod pipeline;
mod stream;
mod sync;
mod thread;
mod url;
mod workers;

pub use calls::{HostCall, HostCalls};
pub use detector::DetectorHandle;
pub use events::{EventStream, EventStreams};
pub use fork::{AtOnce, Held, LetGo, PerProcess, ProcessBound, end_child, generation, watch_forks};
pub use look::{Picture, submit};
pub use pipeline::{FrameNumbers, PipelineHandle, end_pipelines};
pub use stream::{Stream, Streams, Taken, Ticket, WakeUp};
pub use thread::{caught, start_thread};
pub use url::origin;
pub use workers::Workers;
