//! Cases that are single calls: configs, errors, geometry, frames, models, detectors.

use super::{Answer, bbox, code, config as read, error_json, find, get, picture, size};
use crate::common;
use guarita::detection::Label;
use guarita::frame::Layout;
use guarita::model::ModelHints;
use guarita::registry::Registry;
use guarita::{
    BoundingBox, DecodeOptions, Detection, Detector, DetectorConfig, Error, ErrorCode, Frame, ModelSpec, Polygon, Zone,
};
use serde_json::{Map, Value, json};

pub(crate) fn call(input: &Value) -> Answer {
    let of = |key: &str| bbox(get(input, key));
    let frame = || size(get(input, "frame"));
    Ok(match get::<String>(input, "op").as_str() {
        "check" => check(input)?,
        // What takes a config takes its struct.
        "make" => check(input).map(|_| Value::Null)?,
        "list" => ErrorCode::ALL.iter().map(|code| json!([code.number(), code])).collect(),
        "describe" => error_json(&Error::new(code(&get::<String>(input, "code")), "")),
        "iou" => json!(of("a").iou(&of("b"))),
        "clipped" => json!(of("box").clipped(frame()).to_array()),
        "normalized" => json!(of("box").normalized(frame()).to_array()),
        "from_cxcywh" => {
            let [cx, cy, width, height]: [f32; 4] = get(input, "cxcywh");
            json!(BoundingBox::from_cxcywh(cx, cy, width, height).to_array())
        }
        "measures" => {
            let one = of("box");
            json!({ "width": one.width(), "height": one.height(), "area": one.area() })
        }
        "polygon" => {
            let polygon = Polygon::new(get::<Vec<[f32; 2]>>(input, "points"))?;
            let places: Vec<[f32; 2]> = get(input, "places");
            let inside: Vec<bool> = places.into_iter().map(|place| polygon.contains(place)).collect();
            json!({ "area": polygon.area(), "contains": inside, "corners": polygon.points().len() })
        }
        "zone" => {
            let zone: Zone = read(&input["zone"])?;
            let found = Detection::new(of("box"), Label { id: 0, name: "person".into() }, 0.9);
            json!(zone.holds(&found, frame()))
        }
        "read" => model_json(&model(input, "file")?),
        "detect" => detect(input)?,
        _ => frame_json(&self::frame(input)?, input),
    })
}

/// The config as it stands after its defaults were filled in and every field was checked.
fn check(input: &Value) -> Answer {
    let registry = Registry::new().with(guarita_rekognition::register)?.with(guarita_webhook::register)?;
    let checked = registry.check_config(&get::<String>(input, "type"), &input["value"].to_string())?;
    Ok(serde_json::from_str(&checked).unwrap())
}

/// An error as a case describes it: a code, and an advice where it is not the usual one.
pub(crate) fn told(from: &Value) -> Error {
    use guarita::Advice;
    let error = Error::new(code(&get::<String>(from, "code")), "as told");
    let all = [Advice::Never, Advice::RetryLater, Advice::ChangeInput, Advice::ChangeConfig, Advice::FixHost];
    match find::<String>(from, "advice") {
        Some(name) => {
            let advice = all.into_iter().find(|advice| format!("{advice:?}") == name).expect("an advice");
            error.with_advice(advice)
        }
        None => error,
    }
}

fn frame(input: &Value) -> guarita::Result<Frame> {
    let encoded = || picture::encoded(&input["picture"]);
    match get::<String>(input, "op").as_str() {
        "decode" => Frame::decode(&encoded(), &read(&input["options"])?),
        "decode_reduced" => Frame::decode_reduced(&encoded(), &read(&input["options"])?, get(input, "min_width")),
        "draw" => picture::frame(&input["picture"]),
        "open" => Frame::open(get::<String>(input, "file"), &DecodeOptions::default()),
        "planes" => {
            let mut layout =
                Layout::packed(picture::format(input)?, size([get(input, "width"), get(input, "height")]))?;
            if let Some(strides) = find::<Vec<usize>>(input, "strides") {
                layout = layout.with_strides(&strides)?;
            }
            let planes: Vec<String> = get(input, "planes");
            let planes: Vec<Vec<u8>> = planes.iter().map(|file| picture::contents(file)).collect();
            Frame::from_planes(planes, |planes, k| &planes[k], layout)
        }
        other => panic!("no op {other}"),
    }
}

fn frame_json(frame: &Frame, input: &Value) -> Value {
    let planes = 0..frame.format().planes();
    let row = find::<u32>(input, "row").map(|y| planes.map(|plane| frame.row(plane, y)).collect::<Vec<_>>());
    let pixels: Vec<[u32; 2]> = find(input, "pixels").unwrap_or_default();
    json!({
        "size": [frame.size().width, frame.size().height],
        "format": frame.format(),
        "pts": super::seconds(frame.meta().pts),
        "encoded_bytes": frame.encoded().map(<[u8]>::len),
        "pixels": pixels.iter().map(|&[x, y]| picture::pixel(frame, x, y)).collect::<Vec<_>>(),
        "row": row,
    })
}

fn model(input: &Value, file: &str) -> guarita::Result<ModelSpec> {
    let path: String = get(input, file);
    match find::<Value>(input, "hints") {
        Some(hints) => ModelSpec::read_with(path, &read::<ModelHints>(&hints)?),
        None => ModelSpec::read(path),
    }
}

fn model_json(spec: &ModelSpec) -> Value {
    let size = spec.input.transform.size;
    json!({
        "path": spec.path,
        "family": spec.family.name(),
        "input_name": spec.input.name,
        "input_size": [size.width, size.height],
        "classes": spec.classes,
        "labels": spec.labels.iter().map(|(id, name)| (id.to_string(), json!(name))).collect::<Map<_, _>>(),
        "label_source": spec.labels.source().to_string(),
        "license": spec.license,
    })
}

fn detect(input: &Value) -> Answer {
    let mut config: DetectorConfig = read(&input["config"])?;
    config.onnxruntime = config.onnxruntime.or_else(common::onnxruntime);
    let detector = Detector::open(model(input, "model")?, config)?;
    let pictures: Vec<Value> = get(input, "pictures");
    let frames = pictures.iter().map(picture::frame).collect::<guarita::Result<Vec<_>>>()?;
    let found = if get(input, "batch") {
        detector.detect_batch(&frames)?
    } else {
        frames.iter().map(|frame| detector.detect(frame)).collect::<guarita::Result<_>>()?
    };
    let report = json!(detector.report());
    let asked: Vec<String> = get(input, "report");
    let report: Map<_, _> = asked.into_iter().map(|field| (field.clone(), report[&field].clone())).collect();
    Ok(json!({ "found": found, "report": report }))
}
