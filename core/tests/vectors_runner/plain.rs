//! Suites whose cases are single calls: config, errors, geometry, frame, model, detector.

use super::{Answer, bbox, code, config as read, detection_json, find, get, picture, size};
use crate::common;
use guarita::detection::Label;
use guarita::frame::{FrameMeta, Layout};
use guarita::model::ModelHints;
use guarita::registry::Registry;
use guarita::{
    BoundingBox, DecodeOptions, Detection, Detections, Detector, DetectorConfig, Error, ErrorCode, Frame, ModelSpec,
    Polygon, Timestamp, Zone,
};
use serde_json::{Value, json};

/// The config as it stands after its defaults were filled in and every field was checked.
pub(crate) fn config(input: &Value) -> Answer {
    let registry = Registry::new().with(guarita_rekognition::register)?.with(guarita_webhook::register)?;
    let checked = registry.check_config(&get::<String>(input, "type"), &input["value"].to_string())?;
    Ok(serde_json::from_str(&checked).unwrap())
}

pub(crate) fn errors(input: &Value) -> Answer {
    match get::<String>(input, "op").as_str() {
        "describe" => {
            let code = code(&get::<String>(input, "code"));
            Ok(json!({ "number": code.number(), "advice": format!("{:?}", code.advice()) }))
        }
        "list" => Ok(ErrorCode::ALL.iter().map(|code| json!([code.number(), code.to_string()])).collect()),
        "open_frame" => Frame::open(super::data(&get::<String>(input, "file")), &DecodeOptions::default())
            .map(|frame| json!([frame.size().width, frame.size().height])),
        "read_model" => {
            ModelSpec::read(super::data(&get::<String>(input, "file"))).map(|spec| json!(spec.family.name()))
        }
        "polygon" => Polygon::new(get::<Vec<[f32; 2]>>(input, "points")).map(|polygon| json!(polygon.area())),
        other => panic!("no op {other}"),
    }
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

pub(crate) fn geometry(input: &Value) -> Answer {
    let of = |key: &str| bbox(get(input, key));
    let frame = || size(get(input, "frame"));
    Ok(match get::<String>(input, "op").as_str() {
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
            let places: Vec<[f32; 2]> = find(input, "places").unwrap_or_default();
            let inside: Vec<bool> = places.into_iter().map(|place| polygon.contains(place)).collect();
            json!({ "area": polygon.area(), "contains": inside, "corners": polygon.points().len() })
        }
        "zone" => {
            let zone: Zone = read(&input["zone"])?;
            let found = Detection::new(of("box"), Label { id: 0, name: "person".into() }, 0.9);
            json!(zone.holds(&found, frame()))
        }
        other => panic!("no op {other}"),
    })
}

pub(crate) fn frame(input: &Value) -> Answer {
    let frame = match get::<String>(input, "op").as_str() {
        "decode" => Frame::decode(&picture::encoded(&input["picture"]), &options(input)?)?,
        "decode_reduced" => {
            let bytes = picture::encoded(&input["picture"]);
            Frame::decode_reduced(&bytes, &options(input)?, get(input, "min_width"))?
        }
        "draw" => picture::draw(&input["picture"], 0, FrameMeta::default())?,
        "raw" => {
            let format = serde_json::from_value(input["format"].clone())
                .map_err(|error| Error::new(ErrorCode::InvalidArgument, error.to_string()))?;
            let mut layout = Layout::packed(format, size([get(input, "width"), get(input, "height")]))?;
            if let Some(strides) = find::<Vec<usize>>(input, "strides") {
                layout = layout.with_strides(&strides)?;
            }
            // Byte k is k modulo 251: no row is like another.
            let bytes: Vec<u8> = (0..get::<usize>(input, "bytes")).map(|k| (k % 251) as u8).collect();
            let pts = Timestamp::from_secs_f64(find(input, "pts").unwrap_or(0.0))?;
            Frame::copy_from(&bytes, layout)?.with_meta(FrameMeta { pts, ..FrameMeta::default() })
        }
        "planes" => {
            let format = serde_json::from_value(input["format"].clone())
                .map_err(|error| Error::new(ErrorCode::InvalidArgument, error.to_string()))?;
            let mut layout = Layout::packed(format, size([get(input, "width"), get(input, "height")]))?;
            if let Some(strides) = find::<Vec<usize>>(input, "strides") {
                layout = layout.with_strides(&strides)?;
            }
            // Byte k of plane p is k + 10p modulo 251.
            let lens: Vec<usize> = get(input, "bytes");
            let planes: Vec<Vec<u8>> =
                (0..).zip(lens).map(|(p, len)| (0..len).map(|k| ((k + 10 * p) % 251) as u8).collect()).collect();
            Frame::from_planes(planes, |planes, k| &planes[k], layout)?
        }
        other => panic!("no op {other}"),
    };
    let planes = 0..frame.format().planes();
    let row = find::<u32>(input, "row").map(|y| planes.map(|plane| frame.row(plane, y)).collect::<Vec<_>>());
    let pixels: Vec<[u32; 2]> = find(input, "pixels").unwrap_or_default();
    Ok(json!({
        "width": frame.size().width,
        "height": frame.size().height,
        "format": frame.format(),
        "pts": super::seconds(frame.meta().pts),
        "encoded_bytes": frame.encoded().map(<[u8]>::len),
        "pixels": pixels.iter().map(|&[x, y]| picture::pixel(&frame, x, y)).collect::<Vec<_>>(),
        "row": row,
    }))
}

fn options(input: &Value) -> guarita::Result<DecodeOptions> {
    read(&input["options"])
}

pub(crate) fn model(input: &Value) -> Answer {
    let path = super::data(&get::<String>(input, "file"));
    let spec = match input.get("hints") {
        Some(hints) => ModelSpec::read_with(path, &read::<ModelHints>(hints)?)?,
        None => ModelSpec::read(path)?,
    };
    let size = spec.input.transform.size;
    Ok(json!({
        "family": spec.family.name(),
        "classes": spec.classes,
        "label_count": spec.labels.len(),
        "labels": spec.labels.iter().map(|(id, name)| (id.to_string(), json!(name))).collect::<serde_json::Map<_, _>>(),
        "label_source": spec.labels.source().to_string(),
        "license": spec.license,
        "input_name": spec.input.name,
        "input_size": [size.width, size.height],
    }))
}

pub(crate) fn detector(input: &Value) -> Answer {
    let mut config: DetectorConfig = read(&input["config"])?;
    config.onnxruntime = config.onnxruntime.or_else(common::onnxruntime);
    let path = super::data(&get::<String>(input, "model"));
    let spec = match input.get("hints") {
        Some(hints) => ModelSpec::read_with(path, &read::<ModelHints>(hints)?)?,
        None => ModelSpec::read(path)?,
    };
    let detector = Detector::open(spec, config)?;
    let pictures: Vec<Value> = get(input, "pictures");
    let frames = pictures.iter().map(|picture| {
        if picture::is_encoded(picture) {
            return Frame::decode(&picture::encoded(picture), &DecodeOptions::default());
        }
        picture::draw(picture, 0, FrameMeta::default())
    });
    let frames = frames.collect::<guarita::Result<Vec<_>>>()?;
    let found = if find(input, "batch").unwrap_or(false) {
        detector.detect_batch(&frames)?
    } else {
        frames.iter().map(|frame| detector.detect(frame)).collect::<guarita::Result<_>>()?
    };
    let one = |found: &Detections| {
        json!({
            "frame": [found.frame.width, found.frame.height],
            "detections": found.iter().map(detection_json).collect::<Vec<_>>(),
        })
    };
    let found: Value = found.iter().map(one).collect();
    let Some(fields) = find::<Vec<String>>(input, "report") else { return Ok(found) };
    let report = json!(detector.report());
    let report: serde_json::Map<_, _> =
        fields.into_iter().map(|field| (field.clone(), report[&field].clone())).collect();
    Ok(json!({ "found": found, "report": report }))
}
