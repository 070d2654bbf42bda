//! *guarita* finds objects in the pictures of security cameras, inside the process that already has them.
//!
//! A [`Frame`] is a picture in memory, in the format the camera or decoder gave it; [`ModelSpec::read`] tells what an
//! ONNX file is from the file itself; a [`Detector`] runs it, for any number of threads at once, and gives
//! [`Detections`] in pixels of the frame.
//!
//! ```no_run
//! use guarita::{DecodeOptions, Detector, DetectorConfig, Frame};
//!
//! let detector = Detector::open_file("coco_ssd_mobilenet_v2.onnx", DetectorConfig::default())?;
//! let frame = Frame::open("street.jpg", &DecodeOptions::default())?;
//! for found in &detector.detect(&frame)? {
//!     println!("{} {:.2} {:?}", found.label, found.confidence, found.bbox);
//! }
//! # Ok::<(), guarita::Error>(())
//! ```
//!
//! A [`Pipeline`] carries the frames of many [`Camera`]s through one [`Provider`]: it samples them, shows them to a
//! [`MotionGate`] each, queues and batches them fairly, fires triggers on what was found, delivers [`Event`]s to [`Sink`]s,
//! and can say what became of every frame.
//!
//! ONNX Runtime is loaded when it is first needed; [`onnx::runtime`] says where it is looked for. Every error has an
//! [`ErrorCode`] that never changes and an [`Advice`] that says what the caller can do. No call panics on bad input.

pub mod adapter;
pub mod budget;
mod check;
pub mod clock;
pub mod detection;
pub mod detector;
pub mod doctor;
pub mod error;
pub mod event;
pub mod frame;
pub mod geometry;
pub mod imaging;
pub mod journal;
pub mod model;
pub mod motion;
pub mod onnx;
pub mod pipeline;
pub mod provider;
pub mod registry;
pub mod resilience;
mod seconds;
#[cfg(feature = "video")]
pub mod source;
mod sync;
#[cfg(feature = "testkit")]
pub mod testkit;
mod threads;
mod throttle;
mod time_zone;
pub mod tracking;
pub mod zone;

pub use budget::Budget;
pub use clock::Timestamp;
pub use detection::{Detection, Detections};
pub use detector::{Detector, DetectorConfig};
pub use doctor::doctor;
pub use error::{Advice, Error, ErrorCode, Result};
pub use event::{Event, Sink, Trigger, TriggerConfig};
pub use frame::{CameraId, DecodeOptions, Frame, PixelFormat};
pub use geometry::{BoundingBox, Polygon, Size};

pub use model::ModelSpec;
pub use motion::{MotionGate, MotionGateConfig};

pub use pipeline::{Camera, CameraConfig, Pipeline, PipelineConfig};
pub use provider::{CallbackProvider, HybridProvider, LocalProvider, Provider};
pub use registry::{SinkConfig, check_config, read_config};
pub use resilience::CircuitBreaker;
#[cfg(feature = "video")]
pub use source::VideoSource;
pub use threads::Threads;

pub use zone::Zone;
