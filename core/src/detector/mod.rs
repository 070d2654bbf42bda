//! From frames to detections: preprocess, run, decode, suppress, map back.

mod config;
mod decode;
mod report;

pub use config::DetectorConfig;
pub use report::{BatchMode, DetectorReport};

use crate::clock::{Clock, SystemClock};
use crate::detection::{Candidate, Detection, Detections, Timing, non_maximum_suppression, sort_surest_first, sound};
use crate::error::{Error, ErrorCode, Result};
use crate::frame::Frame;
use crate::geometry::Size;
use crate::imaging::{Placement, Preprocessor, TensorElement, TensorLayout};
use crate::model::{BatchSize, ElementType, ModelSpec};
use crate::onnx::{
    Engine, ExecutionProvider, ExecutionProviderChoice, InputTensor, OrtEngine, OutputTensor, SessionOptions, Source,
    TensorData,
};
use config::Thresholds;
use decode::Decoder;
use half::f16;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Finds objects in frames with one model. Share it between threads (`Arc<Detector>`): any number may call at once.
///
/// ```no_run
/// use guarita::{DecodeOptions, Detector, DetectorConfig, Frame, ModelSpec};
///
/// let spec = ModelSpec::read("coco_ssd_mobilenet_v2.onnx")?;
/// let detector = Detector::open(spec, DetectorConfig::default())?;
/// let frame = Frame::open("street.jpg", &DecodeOptions::default())?;
/// for found in &detector.detect(&frame)? {
///     println!("{} {:.2} {:?}", found.label, found.confidence, found.bbox);
/// }
/// # Ok::<(), guarita::Error>(())
/// ```
pub struct Detector {
    spec: ModelSpec,
    config: DetectorConfig,
    thresholds: Thresholds,
    engine: Box<dyn Engine>,
    /// As it was opened.
    report: DetectorReport,
    /// Why the model refused a batch, although its batch axis is free; from then on frames go one after the other.
    batch_refused: OnceLock<String>,
    /// Whether a batch was verified to give the same results as single frames.
    batch_proven: AtomicBool,
    /// Boxes without an area that were left out.
    boxes_left_out: AtomicU64,
    clock: Arc<dyn Clock>,
    /// Buffers of calls that are over, for calls to come; as many as there were callers at once.
    pool: Mutex<Vec<Scratch>>,
}

impl std::fmt::Debug for Detector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Detector").field("report", &self.report()).finish_non_exhaustive()
    }
}

/// Buffers of one call.
struct Scratch {
    preprocessor: Preprocessor,
    tensor: Tensor,
    /// Where the last frame lay in each place of the tensor, so that its pads need not be written again.
    pads: Vec<Option<Placement>>,
    placements: Vec<Placement>,
    target_sizes: Vec<i64>,
    decoder: Decoder,
    candidates: Vec<Candidate>,
}

enum Tensor {
    F32(Vec<f32>),
    F16(Vec<f16>),
    U8(Vec<u8>),
}

impl Detector {
    /// Opens a model on the device that the config names.
    ///
    /// # Errors
    /// `InvalidConfig` naming the field, `RuntimeUnavailable` where ONNX Runtime or the execution provider is not there,
    /// `ModelInvalid` where the model cannot be loaded or has changed since the spec was read (weights in files of their own
    /// are not compared).
    pub fn open(spec: ModelSpec, config: DetectorConfig) -> Result<Self> {
        config.validate()?;
        let thresholds = Thresholds::new(&config, &spec)?;
        let source =
            if spec.has_external_data { Source::File(spec.path.clone()) } else { Source::Bytes(spec.reread()?) };
        let engine = OrtEngine::open(
            &source,
            &spec.head.outputs,
            &SessionOptions {
                library: config.onnxruntime.as_deref(),
                providers: &config.execution_provider,
                intra_op_threads: config.intra_op_threads,
                spinning: config.spinning,
            },
        )?;
        let runtime = crate::onnx::runtime(config.onnxruntime.as_deref())?;
        let report = DetectorReport::new(&spec, runtime, engine.report());
        Ok(Self {
            spec,
            config,
            thresholds,
            engine: Box::new(engine),
            report,
            batch_refused: OnceLock::new(),
            batch_proven: AtomicBool::new(false),
            boxes_left_out: AtomicU64::new(0),
            clock: Arc::new(SystemClock),
            pool: Mutex::new(Vec::new()),
        })
    }

    /// Reads a model file, with the `.spec.toml` beside it where there is one, and opens it; see [`ModelSpec::read`].
    ///
    /// # Errors
    /// As [`ModelSpec::read`] and [`Detector::open`].
    pub fn open_file(path: impl AsRef<Path>, config: DetectorConfig) -> Result<Self> {
        Self::open(ModelSpec::read(path)?, config)
    }

    /// Finds the objects in one frame: boxes in pixels of the frame, surest first.
    ///
    /// # Errors
    /// `ModelInvalid` where the outputs are not what the spec says: scores that lie outside of 0..1 or are NaN, boxes of which
    /// none fits the input, another shape (the message names the output and the value). `ResourceExhausted` where the device
    /// is out of memory, `Unavailable` where a device fails that has run this model before.
    ///
    /// Single boxes without an area are left out, and counted in [`DetectorReport::boxes_left_out`].
    pub fn detect(&self, frame: &Frame) -> Result<Detections> {
        let mut found = self.detect_batch(std::slice::from_ref(frame))?;
        found.pop().ok_or_else(|| Error::internal("a batch of one frame gave no result"))
    }

    /// Finds the objects in several frames, which may differ in size and format; results in the order of the frames.
    ///
    /// The frames go through the model together where it allows that, and otherwise one after the other:
    /// [`DetectorReport::batch`] says which. A model whose batch axis is free in name only refuses the first batch; its frames
    /// go one after the other then, and from then on. No frames give no results.
    ///
    /// # Errors
    /// As [`Detector::detect`]; an error in one frame is an error of the batch.
    pub fn detect_batch(&self, frames: &[Frame]) -> Result<Vec<Detections>> {
        let pooled = self.pool.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut scratch = pooled.unwrap_or_else(|| Scratch::new(&self.spec));
        let mut found = Vec::with_capacity(frames.len());
        let result =
            frames.chunks(self.max_batch()).try_for_each(|frames| self.batch(frames, &mut scratch, &mut found));
        self.pool.lock().unwrap_or_else(PoisonError::into_inner).push(scratch);
        result.map(|()| found)
    }

    /// What runs this model, where, and with which settings, and what was seen of it up to now.
    pub fn report(&self) -> DetectorReport {
        let mut report = self.report.clone();
        if let Some(why) = self.batch_refused.get() {
            report.batch = BatchMode::Refused;
            report.batch_refused = Some(why.clone());
        }
        report.boxes_left_out = self.boxes_left_out.load(Ordering::Relaxed);
        report
    }

    /// What the model is.
    pub fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    /// The classes that it reports, each with its threshold; none where the model has no names.
    pub(crate) fn label_confidences(&self) -> Option<BTreeMap<Arc<str>, f32>> {
        self.thresholds.by_name(&self.spec.labels)
    }

    /// Frames that go through the model in one run, at most.
    pub(crate) fn max_batch(&self) -> usize {
        if self.batch_refused.get().is_some() { 1 } else { self.report.batch.at_once(self.config.max_batch) }
    }

    /// The same model with the same settings on the processor.
    pub(crate) fn reopen_on_cpu(&self) -> Result<Self> {
        let provider = ExecutionProviderChoice::Only(ExecutionProvider::Cpu);
        Self::open(self.spec.clone(), DetectorConfig { execution_provider: provider, ..self.config.clone() })
    }

    /// Frames of one run; one by one where the model refuses them together and takes each of them.
    ///
    /// A graph can take any number of pictures and answer with the first one's objects, or put those of all into one list: no
    /// shape shows that. So each frame runs alone too, until a batch has proved that frames keep their own objects: until
    /// something is seen in it, and not the same in all.
    fn batch(&self, frames: &[Frame], scratch: &mut Scratch, found: &mut Vec<Detections>) -> Result<()> {
        let before = found.len();
        let together = self.run(frames, scratch, found);
        let unproven = frames.len() > 1
            && self.spec.input.batch == BatchSize::Dynamic
            && !self.batch_proven.load(Ordering::Relaxed);
        match &together {
            Ok(()) if unproven => {}
            Err(error) if frames.len() > 1 && self.may_be_the_batch(error) => {}
            _ => return together,
        }
        let together = together.map(|()| found.split_off(before));
        found.truncate(before);
        frames.chunks(1).try_for_each(|frame| self.run(frame, scratch, found))?;
        let least = self.thresholds.least();
        let alone = &found[before..];
        let refused = match together {
            Err(error) => error.to_string(),
            Ok(together) => match together.iter().zip(alone).position(|(one, other)| !alike(one, other, least)) {
                Some(k) => format!(
                    "frame {k} of {} has {} object(s) alone, and {} or others in the batch",
                    frames.len(),
                    alone[k].len(),
                    together[k].len()
                ),
                None => {
                    if alone.iter().any(|other| !alike(other, &alone[0], least)) {
                        self.batch_proven.store(true, Ordering::Relaxed);
                    }
                    return Ok(());
                }
            },
        };
        // Another call may have said so already.
        let _ = self.batch_refused.set(refused);
        Ok(())
    }

    /// Whether running several frames together can cause this error.
    fn may_be_the_batch(&self, error: &Error) -> bool {
        self.spec.input.batch == BatchSize::Dynamic
            && matches!(error.code(), ErrorCode::ModelInvalid | ErrorCode::Unavailable)
    }

    fn run(&self, frames: &[Frame], scratch: &mut Scratch, found: &mut Vec<Detections>) -> Result<()> {
        let start = self.clock.now();
        let slots = match self.spec.input.batch {
            BatchSize::Fixed(n) => n,
            BatchSize::Dynamic => frames.len(),
        };
        let Scratch { preprocessor, tensor, pads, placements, target_sizes, decoder, candidates } = scratch;
        placements.clear();
        pads.resize(pads.len().max(slots), None);
        match tensor {
            Tensor::F32(tensor) => fill(preprocessor, tensor, frames, slots, pads, placements),
            Tensor::F16(tensor) => fill(preprocessor, tensor, frames, slots, pads, placements),
            Tensor::U8(tensor) => fill(preprocessor, tensor, frames, slots, pads, placements),
        }?;
        let input = &self.spec.input;
        let Size { width, height } = input.transform.size;
        let (w, h) = (width as usize, height as usize);
        let shape = match input.transform.layout {
            TensorLayout::Nchw => [slots, 3, h, w],
            TensorLayout::Nhwc => [slots, h, w, 3],
        };
        let len = slots * input.transform.len();
        let data = match tensor {
            Tensor::F32(tensor) => TensorData::F32(&tensor[..len]),
            Tensor::F16(tensor) => TensorData::F16(&tensor[..len]),
            Tensor::U8(tensor) => TensorData::U8(&tensor[..len]),
        };
        let image = InputTensor { name: &input.name, shape: &shape, data };
        // Boxes come in the units given here; the input's own keep one way back to the frame for every family.
        target_sizes.clear();
        target_sizes.extend([i64::from(width), i64::from(height)].repeat(slots));
        let sizes_shape = [slots, 2];
        let sizes = InputTensor {
            name: self.spec.target_sizes.as_deref().unwrap_or_default(),
            shape: &sizes_shape,
            data: TensorData::I64(target_sizes),
        };
        let both = [image, sizes];
        let inputs = if self.spec.target_sizes.is_some() { &both[..] } else { &both[..1] };

        let ready = self.clock.now();
        let count = frames.len() as u32;
        self.engine.run(inputs, &mut |outputs| {
            let done = self.clock.now();
            let mut last = done;
            for (k, (frame, placement)) in frames.iter().zip(&*placements).enumerate() {
                self.decode(outputs, k, slots, decoder, candidates)?;
                let items = candidates.iter().filter_map(|candidate| self.detection(candidate, placement)).collect();
                let now = self.clock.now();
                let timing = Timing {
                    preprocess: (ready - start) / count,
                    inference: (done - ready) / count,
                    postprocess: now - last,
                };
                last = now;
                found.push(Detections::new(items, frame.size(), timing));
            }
            Ok(())
        })
    }

    fn decode(
        &self,
        outputs: &[OutputTensor<'_>],
        item: usize,
        slots: usize,
        decoder: &mut Decoder,
        candidates: &mut Vec<Candidate>,
    ) -> Result<()> {
        candidates.clear();
        let left_out = decoder.decode(&self.spec, outputs, item, slots, &self.thresholds, candidates)?;
        self.leave_out(left_out);
        if self.spec.family.needs_nms() {
            non_maximum_suppression(
                candidates,
                self.config.iou,
                self.config.class_agnostic,
                self.config.max_detections,
            );
        } else {
            sort_surest_first(candidates);
            candidates.truncate(self.config.max_detections);
        }
        Ok(())
    }

    /// A box in the frame's pixels; none where nothing of it lies in the frame.
    fn detection(&self, candidate: &Candidate, placement: &Placement) -> Option<Detection> {
        let bbox = placement.to_frame(&candidate.bbox);
        if !sound::is_box(&bbox) {
            self.leave_out(1);
            return None;
        }
        Some(Detection::new(bbox, self.spec.labels.label(candidate.class_id), candidate.score))
    }

    fn leave_out(&self, boxes: usize) {
        if boxes > 0 {
            self.boxes_left_out.fetch_add(boxes as u64, Ordering::Relaxed);
        }
    }
}

/// Rounding depends on the size of a batch: scores may differ by this much, and boxes overlap by this.
const SAME_SCORE: f32 = 0.05;
const SAME_IOU: f32 = 0.5;

/// Whether two answers are of the same objects, but for those that rounding may have brought over the threshold.
fn alike(one: &Detections, other: &Detections, least: f32) -> bool {
    let has = |of: &Detections, item: &Detection| {
        of.iter().any(|other| {
            other.label == item.label
                && (other.confidence - item.confidence).abs() <= SAME_SCORE
                && other.bbox.iou(&item.bbox) >= SAME_IOU
        })
    };
    let all_in = |of: &Detections, from: &Detections| {
        from.iter().filter(|item| item.confidence > least + SAME_SCORE).all(|item| has(of, item))
    };
    all_in(one, other) && all_in(other, one)
}

fn fill<E: TensorElement>(
    preprocessor: &mut Preprocessor,
    tensor: &mut Vec<E>,
    frames: &[Frame],
    slots: usize,
    pads: &mut [Option<Placement>],
    placements: &mut Vec<Placement>,
) -> Result<()> {
    let len = preprocessor.transform().len();
    if tensor.len() < slots * len {
        tensor.resize(slots * len, E::default());
    }
    for ((frame, slot), pad) in frames.iter().zip(tensor.chunks_exact_mut(len)).zip(pads) {
        let placement = preprocessor.rewrite(frame, slot, *pad)?;
        *pad = Some(placement);
        placements.push(placement);
    }
    Ok(())
}

impl Scratch {
    fn new(spec: &ModelSpec) -> Self {
        Self {
            preprocessor: Preprocessor::new(spec.input.transform.clone()),
            tensor: match spec.input.element {
                ElementType::F32 => Tensor::F32(Vec::new()),
                ElementType::F16 => Tensor::F16(Vec::new()),
                ElementType::U8 => Tensor::U8(Vec::new()),
            },
            pads: Vec::new(),
            placements: Vec::new(),
            target_sizes: Vec::new(),
            decoder: Decoder::default(),
            candidates: Vec::new(),
        }
    }
}

/// For the benchmark of post-processing alone: decodes one `[1, 4 + classes, anchors]` output and suppresses doubles.
#[doc(hidden)]
pub fn bench_postprocess(
    output: &[f32],
    spec: &ModelSpec,
    config: &DetectorConfig,
    keep: &mut BenchScratch,
) -> Result<usize> {
    let rows = 4 + spec.classes.unwrap_or(0);
    let shape = [1, rows as i64, (output.len() / rows) as i64];
    let tensor = OutputTensor { name: "output0", shape: &shape, data: TensorData::F32(output) };
    let (decoder, candidates, thresholds) = &mut keep.0;
    if thresholds.is_none() {
        *thresholds = Some(Thresholds::new(config, spec)?);
    }
    let Some(thresholds) = thresholds else {
        return Ok(0);
    };
    candidates.clear();
    decoder.decode(spec, &[tensor], 0, 1, thresholds, candidates)?;
    non_maximum_suppression(candidates, config.iou, config.class_agnostic, config.max_detections);
    Ok(candidates.len())
}

#[doc(hidden)]
#[derive(Default)]
pub struct BenchScratch((Decoder, Vec<Candidate>, Option<Thresholds>));
