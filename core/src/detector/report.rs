use crate::model::{BatchSize, Family, LabelSource, ModelSpec};
use crate::onnx::{EngineReport, ExecutionProvider, RuntimeInfo};
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;

/// What runs a model, where, and with which settings.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct DetectorReport {
    /// The model file.
    pub model: std::path::PathBuf,
    /// SHA-256 of the model file.
    pub model_sha256: String,
    /// What the model was recognised as.
    pub family: Family,
    /// The input: size, type, layout, as text.
    pub input: String,
    /// Number of classes, where known, and where their names come from.
    pub classes: (Option<usize>, LabelSource),
    /// The licence that the model file names for itself.
    pub license: Option<String>,
    /// How several frames go through the model.
    pub batch: BatchMode,
    /// Why the model refused a batch; none unless [`batch`](Self::batch) says so.
    pub batch_refused: Option<String>,
    /// Boxes that were left out up to now, since they have no area in the frame.
    pub boxes_left_out: u64,
    /// The ONNX Runtime library in use.
    pub runtime: RuntimeInfo,
    /// The execution provider that runs the model. Single operators that it does not know run on the processor.
    pub execution_provider: ExecutionProvider,
    /// Providers that were asked for before that one and are not there, with the reason.
    pub skipped: Vec<(ExecutionProvider, String)>,
    /// Threads of one run.
    pub intra_op_threads: usize,
    /// Whether the engine's threads wait in a busy loop.
    pub spinning: bool,
    /// Instruction sets of this processor.
    pub cpu_features: Vec<&'static str>,
}

/// How [`Detector::detect_batch`](crate::Detector::detect_batch) feeds several frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchMode {
    /// Together, as many as `max_batch` says.
    Together,
    /// In runs of exactly this many; the last run is filled up.
    Fixed(usize),
    /// One after the other: the model's batch axis is fixed at 1.
    OneByOne,
    /// One after the other: the model's batch axis is free in name only, and the model refused a batch.
    Refused,
}

impl BatchMode {
    pub(super) fn at_once(self, max_batch: usize) -> usize {
        match self {
            Self::Together => max_batch,
            Self::Fixed(n) => n,
            Self::OneByOne | Self::Refused => 1,
        }
    }
}

impl fmt::Display for BatchMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Together => f.write_str("true batches (the model's batch axis is free)"),
            Self::Fixed(n) => write!(f, "true batches of exactly {n}; shorter ones are filled up"),
            Self::OneByOne => f.write_str("one frame after the other (the model's batch axis is fixed at 1)"),
            Self::Refused => f.write_str(
                "one frame after the other (the model's batch axis is free in name only: it refused a batch)",
            ),
        }
    }
}

impl DetectorReport {
    pub(super) fn new(spec: &ModelSpec, runtime: RuntimeInfo, engine: &EngineReport) -> Self {
        let transform = &spec.input.transform;
        Self {
            model: spec.path.clone(),
            model_sha256: spec.sha256.clone(),
            family: spec.family,
            input: format!(
                "{:?} {} {:?} {:?} {:?}, {:?}",
                spec.input.name,
                transform.size,
                spec.input.element,
                transform.layout,
                transform.color,
                transform.resize
            ),
            classes: (spec.classes, spec.labels.source()),
            license: spec.license.clone(),
            batch: match spec.input.batch {
                BatchSize::Fixed(1) => BatchMode::OneByOne,
                BatchSize::Fixed(n) => BatchMode::Fixed(n),
                BatchSize::Dynamic => BatchMode::Together,
            },
            batch_refused: None,
            boxes_left_out: 0,
            runtime,
            execution_provider: engine.provider,
            skipped: engine.skipped.clone(),
            intra_op_threads: engine.intra_op_threads,
            spinning: engine.spinning,
            cpu_features: crate::imaging::cpu_features(),
        }
    }
}

/// As plain values: families, batches and sources of names in words.
impl Serialize for DetectorReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let skipped: BTreeMap<_, _> = self.skipped.iter().map(|(provider, why)| (provider.name(), why)).collect();
        let mut data = serializer.serialize_struct("DetectorReport", 17)?;
        data.serialize_field("model", &self.model.display().to_string())?;
        data.serialize_field("model_sha256", &self.model_sha256)?;
        data.serialize_field("family", self.family.name())?;
        data.serialize_field("input", &self.input)?;
        data.serialize_field("classes", &self.classes.0)?;
        data.serialize_field("label_source", &self.classes.1.to_string())?;
        data.serialize_field("license", &self.license)?;
        data.serialize_field("batch", &self.batch.to_string())?;
        data.serialize_field("batch_refused", &self.batch_refused)?;
        data.serialize_field("boxes_left_out", &self.boxes_left_out)?;
        data.serialize_field("onnxruntime", &self.runtime.library.display().to_string())?;
        data.serialize_field("onnxruntime_version", &self.runtime.version)?;
        data.serialize_field("execution_provider", &self.execution_provider)?;
        data.serialize_field("skipped", &skipped)?;
        data.serialize_field("intra_op_threads", &self.intra_op_threads)?;
        data.serialize_field("spinning", &self.spinning)?;
        data.serialize_field("cpu_features", &self.cpu_features)?;
        data.end()
    }
}

impl fmt::Display for DetectorReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (classes, names) = &self.classes;
        let providers: Vec<&str> = self.runtime.providers.iter().map(|provider| provider.name()).collect();
        writeln!(f, "model            {}", self.model.display())?;
        writeln!(f, "  sha256         {}", self.model_sha256)?;
        writeln!(f, "  family         {}", self.family)?;
        writeln!(f, "  input          {}", self.input)?;
        let count = classes.map_or("number unknown".into(), |n| n.to_string());
        writeln!(f, "  classes        {count}, names from {names}")?;
        writeln!(f, "  licence        {}", self.license.as_deref().unwrap_or("the file does not say"))?;
        writeln!(f, "  batches        {}", self.batch)?;
        if let Some(why) = &self.batch_refused {
            writeln!(f, "    it said      {}", why.lines().next().unwrap_or_default())?;
        }
        if self.boxes_left_out > 0 {
            writeln!(f, "  boxes left out {}, without an area", self.boxes_left_out)?;
        }
        writeln!(f, "ONNX Runtime     {}", self.runtime.version)?;
        writeln!(f, "  library        {}", self.runtime.library.display())?;
        writeln!(f, "  built with     {}", providers.join(", "))?;
        writeln!(f, "runs on          {}", self.execution_provider)?;
        for (provider, why) in &self.skipped {
            writeln!(f, "  not on {provider}: {why}")?;
        }
        writeln!(
            f,
            "  threads        {} a run, spinning {}",
            self.intra_op_threads,
            if self.spinning { "on" } else { "off" }
        )?;
        write!(f, "processor        {}", self.cpu_features.join(" "))
    }
}
