//! Running ONNX models. The only place that knows ONNX Runtime; everything above sees `Engine`.

mod discovery;
mod engine;
mod execution;
mod exit;
mod runtime;
mod session;

pub use execution::{ExecutionProvider, ExecutionProviderChoice};
pub use runtime::{RuntimeInfo, runtime};

pub(crate) use engine::{Engine, EngineReport, InputTensor, OutputTensor, TensorData};
pub(crate) use session::{OrtEngine, SessionOptions, Source};
