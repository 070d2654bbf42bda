//! The Rust side of `make compare-detect`: answers one JSON request a line on standard input with one line on standard
//! output, so that compare/detect.py can let both sides work turn by turn.

mod lines;

use guarita::clock::{Clock, SystemClock};
use guarita::frame::Layout;
use guarita::model::ModelHints;
use guarita::{DecodeOptions, Detections, Detector, DetectorConfig, Error, Frame, ModelSpec, PixelFormat, Size};
use lines::Failure;
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::PathBuf;

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
enum Request {
    Open { model: PathBuf, hints: Option<Hints>, confidence: f32, iou: f32 },
    Detect { file: PathBuf, width: u32, height: u32 },
    DetectJpeg { file: PathBuf },
    Time { runs: usize },
    TimeJpeg { file: PathBuf, runs: usize },
    Decode { file: PathBuf, out: PathBuf },
}

/// The hints as compare/detect.py words them: `ModelHints`, with `box_order` for an SSD's `boxes`.
#[derive(Deserialize)]
struct Hints(Value);

impl Hints {
    fn into_model_hints(mut self) -> Result<ModelHints, serde_json::Error> {
        if let Some(ssd) = self.0.get_mut("ssd").and_then(Value::as_object_mut)
            && let Some(order) = ssd.remove("box_order")
        {
            ssd.insert("boxes".into(), order);
        }
        serde_json::from_value(self.0)
    }
}

#[derive(Default)]
struct State {
    detector: Option<Detector>,
    frame: Option<Frame>,
}

fn main() -> Result<(), Failure> {
    let mut state = State::default();
    lines::serve(|request| state.answer(request))
}

impl State {
    fn answer(&mut self, request: Request) -> Result<Value, Failure> {
        match request {
            Request::Open { model, hints, confidence, iou } => {
                let hints = hints.map(Hints::into_model_hints).transpose()?;
                let spec = match &hints {
                    Some(hints) => ModelSpec::read_with(&model, hints)?,
                    None => ModelSpec::read(&model)?,
                };
                // By class number; a number without a name is null.
                let mut labels = Vec::new();
                for (id, name) in spec.labels.iter() {
                    labels.resize(id as usize, Value::Null);
                    labels.push(name.into());
                }
                let family = spec.family.name();
                self.detector = Some(Detector::open(
                    spec,
                    DetectorConfig { min_confidence: confidence, iou, ..DetectorConfig::default() },
                )?);
                Ok(json!({"ok": true, "family": family, "labels": labels}))
            }
            Request::Detect { file, width, height } => {
                let layout = Layout::packed(PixelFormat::Bgr8, Size::new(width, height))?;
                let frame = Frame::from_owner(std::fs::read(file)?, layout)?;
                let found = self.detector()?.detect(&frame)?;
                self.frame = Some(frame);
                Ok(detections(&found))
            }
            Request::DetectJpeg { file } => {
                let frame = Frame::open(file, &DecodeOptions::default())?;
                Ok(detections(&self.detector()?.detect(&frame)?))
            }
            Request::Time { runs } => {
                let frame = self.frame.clone().ok_or("no frame: detect one first")?;
                self.time(runs, || Ok(frame.clone()))
            }
            Request::TimeJpeg { file, runs } => {
                let encoded = std::fs::read(file)?;
                self.time(runs, || Frame::decode(&encoded, &DecodeOptions::default()))
            }
            Request::Decode { file, out } => {
                let frame = Frame::open(file, &DecodeOptions::default())?;
                std::fs::write(out, guarita::imaging::Canvas::from_frame(&frame).rgb())?;
                Ok(json!({"ok": true, "width": frame.size().width, "height": frame.size().height}))
            }
        }
    }

    fn detector(&self) -> Result<&Detector, Failure> {
        self.detector.as_ref().ok_or_else(|| "no model: open one first".into())
    }

    fn time(&self, runs: usize, frame: impl Fn() -> Result<Frame, Error>) -> Result<Value, Failure> {
        let (clock, detector) = (SystemClock, self.detector()?);
        let (mut total, mut inference) = (Vec::new(), Vec::new());
        for _ in 0..runs {
            let start = clock.now();
            let found = detector.detect(&frame()?)?;
            total.push((clock.now() - start).as_nanos() as u64);
            inference.push(found.timing.inference.as_nanos() as u64);
        }
        Ok(json!({"ok": true, "total_ns": total, "inference_ns": inference}))
    }
}

fn detections(found: &Detections) -> Value {
    let items: Vec<Value> = found
        .iter()
        .map(|one| json!({"class_id": one.label.id, "label": one.label.name, "confidence": one.confidence, "box": one.bbox.to_array()}))
        .collect();
    let ms = |time: std::time::Duration| time.as_secs_f64() * 1e3;
    json!({"ok": true, "detections": items, "ms": {"total": ms(found.timing.total()), "inference": ms(found.timing.inference)}})
}
