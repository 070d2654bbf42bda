use crate::detection::Detections;
use crate::detector::{BatchMode, Detector};
use crate::error::Result;
use crate::frame::Frame;
use crate::onnx::ExecutionProvider;
use crate::provider::LabelConfidences;
use std::fmt;
use std::sync::Arc;

/// A model that runs on this machine: a detector, or what stands in for one in tests.
pub(super) trait Inference: Send + Sync + fmt::Debug {
    fn about(&self) -> ModelInfo;

    fn detect_batch(&self, frames: &[Frame]) -> Result<Vec<Detections>>;

    /// The same model on the processor.
    fn on_cpu(&self) -> Result<Arc<dyn Inference>>;
}

/// Fixed properties of a model.
#[derive(Clone, Debug)]
pub(super) struct ModelInfo {
    /// Frames of one call.
    pub(super) max_batch: usize,
    /// Whether a smaller batch takes less memory.
    pub(super) shrinks: bool,
    pub(super) device: ExecutionProvider,
    /// Threads of one call: the one that makes it, and others of the engine's.
    pub(super) intra_op_threads: usize,
    pub(super) finds_faces: bool,
    pub(super) version: Arc<str>,
    /// What it can find; none where the model has no names.
    pub(super) labels: Option<LabelConfidences>,
}

/// What a face is called.
pub(super) fn is_face(label: &str) -> bool {
    label.eq_ignore_ascii_case("face")
}

impl Inference for Detector {
    fn about(&self) -> ModelInfo {
        let (report, spec) = (self.report(), self.spec());
        let file = report.model.file_name().unwrap_or_default().to_string_lossy();
        // 48 bits tell the models of one machine apart; the report has all.
        let sha256 = report.model_sha256.get(..12).unwrap_or_default();
        ModelInfo {
            max_batch: self.max_batch(),
            // A batch of a fixed size is filled up, whatever comes.
            shrinks: report.batch == BatchMode::Together,
            device: report.execution_provider,
            intra_op_threads: report.intra_op_threads,
            finds_faces: spec.labels.iter().any(|(_, name)| is_face(name)),
            version: format!("{file}@{sha256}").into(),
            labels: self.label_confidences(),
        }
    }

    fn detect_batch(&self, frames: &[Frame]) -> Result<Vec<Detections>> {
        Detector::detect_batch(self, frames)
    }

    fn on_cpu(&self) -> Result<Arc<dyn Inference>> {
        Ok(Arc::new(self.reopen_on_cpu()?))
    }
}
