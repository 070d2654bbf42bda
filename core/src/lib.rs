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
//! ONNX Runtime is loaded when it is first needed; [`runtime()`] says where it is looked for. Every error has an
//! [`ErrorCode`] that never changes and an [`Advice`] that says what the caller can do. No call panics on bad input.

pub mod adapter;
mod budget;
mod check;
mod clock;
mod detection;
mod detector;
mod doctor;
mod error;
mod event;
mod frame;
mod geometry;
#[cfg(feature = "http")]
pub mod http;
pub mod imaging;
mod journal;
mod model;
mod motion;
mod onnx;
mod pipeline;
mod provider;
pub mod registry;
mod resilience;
#[cfg(feature = "video")]
mod source;
mod sync;
#[cfg(feature = "testkit")]
pub mod testkit;
mod threads;
mod throttle;
mod time_zone;
mod tracking;
mod zone;

pub use budget::{
    Amounts, Budget, BudgetConfig, BudgetEvent, BudgetReport, Cap, CapPeriod, CapReport, CapScope, Caps, DayReport,
    JournalOptions, KeyCaps, KeyReport, MicroDollars, PriceTable, PriceTier, Reservation, Saving, Spend,
};
pub use clock::{Clock, ManualClock, Moment, SystemClock, Timestamp, UnixTime};
pub use detection::{Detection, Detections, ImageLabel, Label, Timing};
pub use detector::{BatchMode, Detector, DetectorConfig, DetectorReport};
#[doc(hidden)]
pub use detector::{BenchScratch, bench_postprocess};
pub use doctor::{CertificatesInfo, DoctorReport, ProgramInfo, doctor};
pub use error::{Advice, Error, ErrorCode, ErrorContext, Result};
pub use event::{
    CallbackSink, ChannelSink, Condition, Deliveries, Delivery, DeliveryError, Event, EventId, EventPicture,
    EventReceiver, Firing, FrameResult, JsonLinesConfig, JsonLinesSink, OutletConfig, OutletStats, PictureWanted,
    RetryAfter, Scene, Schedule, ScheduleWindow, Sink, TimeOfDay, Trigger, TriggerConfig, TriggerMachine, TriggerState,
    Weekday, deliver_each,
};
#[cfg(feature = "webhook")]
pub use event::{WebhookConfig, WebhookSink};
pub use frame::{CameraId, DecodeLimits, DecodeOptions, Frame, FrameMeta, Layout, PixelFormat, Plane};
pub use geometry::{BoundingBox, Point, Polygon, Size};
pub use journal::Fsync;
pub use model::{
    BatchSize, BoxUnits, ElementType, Family, InputHints, InputSpec, LabelSource, Labels, ModelHints, ModelSpec,
    RowHints, RowOrder, SsdBoxes, SsdHints,
};
pub use motion::{
    BackgroundModel, BackgroundModelConfig, IgnoreReason, IgnoreReasons, Kernel, Motion, MotionGate, MotionGateConfig,
    MotionState, OpenReason,
};
pub use onnx::{ExecutionProvider, ExecutionProviderChoice, RuntimeInfo, runtime};
pub use pipeline::{
    Account, Admission, Camera, CameraConfig, CameraStats, Decision, DropReason, EncodedFrame, Histogram, Input,
    LookConfig, LowLight, Outcome, OutcomeCounts, Pipeline, PipelineBuilder, PipelineCheckpoint, PipelineConfig,
    PipelineHealth, PipelineStats, QueueConfig, QueuePolicy, ResultCacheConfig, ShutdownReport, SkipReason, Stage,
};
#[cfg(feature = "video")]
pub use pipeline::{ChunkReport, RunEnd, RunFileConfig, RunSummary};
pub use provider::{
    Answer, AnswerReason, CallbackProvider, CallbackProviderConfig, Cancellation, Capability, Escalation, Health,
    HybridConfig, HybridMode, HybridProvider, LabelMap, LastError, Latency, LatencyPercentiles, LocalProvider,
    LocalProviderConfig, PendingAnswer, Priority, Provider, Redact, RedactRegion, Reply, Request, Response, Side, Want,
};
pub use registry::{SinkConfig, check_config, read_config};
pub use resilience::{
    BreakerCounts, BreakerOpen, BreakerState, BreakerTransition, BreakerWindow, Bulkhead, BulkheadPermit,
    CircuitBreaker, CircuitBreakerConfig, FailurePolicy, GiveUpReason, Permit, RateLimit, RateLimitConfig, RetryConfig,
    RetryDecision, RetryPolicy, RetryTokens, Timeout, TransitionReason, Verdict, classify, is_retryable,
};
#[cfg(feature = "video")]
pub use source::{SourceConfig, VideoSource};
pub use threads::Threads;
pub use tracking::{Confirm, ConfirmState, Confirmation, Object, ObjectId};
pub use zone::{Anchor, Zone};

/// The programs in the texts compile, and those that can run do.
#[cfg(doctest)]
mod texts {
    #[doc = include_str!("../../README.md")]
    mod readme {}
    #[cfg(feature = "prometheus")]
    #[doc = include_str!("../../docs/guide/metrics.md")]
    mod metrics {}
    #[doc = include_str!("../../docs/guide/pipeline.md")]
    mod pipeline {}
}
