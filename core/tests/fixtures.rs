//! Every tiny model of models/fixtures: what it is recognised as, and what it finds. The truth is
//! models/fixtures/expected.json, written by the script that makes the models and checked there with ONNX Runtime.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test")]

mod common;

use guarita::{BatchSize, BoundingBox, Detector, ErrorCode, Frame, ModelHints, ModelSpec, PixelFormat, Size};
use serde_json::Value;

fn expected() -> Vec<Value> {
    let text = std::fs::read_to_string(common::fixture("expected.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn read(case: &Value) -> guarita::Result<ModelSpec> {
    ModelSpec::read_with(common::fixture(case["file"].as_str().unwrap()), &ModelHints::default())
}

fn code(name: &Value) -> ErrorCode {
    match name.as_str().unwrap() {
        "ModelInvalid" => ErrorCode::ModelInvalid,
        "Unsupported" => ErrorCode::Unsupported,
        other => panic!("{other}"),
    }
}

fn assert_error(file: &str, error: &guarita::Error, expected: &Value) {
    assert_eq!(error.code(), code(&expected["code"]), "{file}: {error}");
    for words in expected["mentions"].as_array().unwrap() {
        assert!(error.to_string().contains(words.as_str().unwrap()), "{file}: no {words} in: {error}");
    }
}

#[test]
fn every_file_is_what_it_is() {
    let cases = expected();
    let valid = cases.iter().filter(|case| !case["family"].is_null()).count();
    assert!(valid >= 24 && cases.len() - valid >= 8, "{valid} of {}", cases.len());
    for case in &cases {
        let file = case["file"].as_str().unwrap();
        if !case["error"].is_null() {
            assert_error(file, &read(case).expect_err(file), &case["error"]);
            continue;
        }
        let spec = read(case).unwrap_or_else(|error| panic!("{file} ({}): {error}", case["why"]));
        assert_eq!(spec.family.name(), case["family"], "{file}");
        assert_eq!(spec.classes.map(|n| n as u64), case["classes"].as_u64(), "{file}: classes");
        let names: Vec<_> = spec.labels.iter().map(|(id, name)| (id.to_string(), name.to_owned())).collect();
        let wanted = case["names"].as_object().map_or(0, |names| names.len());
        assert_eq!(names.len(), wanted, "{file}: names");
        for (id, name) in names {
            assert_eq!(case["names"][&id], name, "{file}");
        }
        let input = &case["input"];
        let transform = &spec.input.transform;
        assert_eq!(
            (Some(u64::from(transform.size.width)), Some(u64::from(transform.size.height))),
            (input["width"].as_u64(), input["height"].as_u64()),
            "{file}"
        );
        assert_eq!(format!("{:?}", transform.layout).to_lowercase(), input["layout"], "{file}");
        assert_eq!(format!("{:?}", spec.input.element).to_lowercase(), input["dtype"], "{file}");
        match spec.input.batch {
            BatchSize::Dynamic => assert_eq!(input["batch"], "dynamic", "{file}"),
            BatchSize::Fixed(n) => assert_eq!(input["batch"], n, "{file}"),
        }
    }
    println!("{} fixtures", cases.len());
}

/// The models compute the planted score from channel 0 at the middle of their input, so the score tells the channel
/// order, the normalisation and the layout of the tensor that arrived.
#[test]
fn every_model_finds_what_is_planted_in_it() {
    const RED: u8 = 204;
    const BLUE: u8 = 153;
    let mut run = 0;
    for case in expected().iter().filter(|case| !case["planted"].is_null()) {
        let file = case["file"].as_str().unwrap();
        let detector =
            Detector::open(read(case).unwrap(), common::config()).unwrap_or_else(|error| panic!("{file}: {error}"));
        let input = detector.spec().input.transform.size;
        let planted: Vec<f32> =
            case["planted"]["box_input_px"].as_array().unwrap().iter().map(|n| n.as_f64().unwrap() as f32).collect();
        let wanted = BoundingBox::from_xyxy(planted[0], planted[1], planted[2], planted[3]);
        let level = if case["score_channel"] == "r" { RED } else { BLUE };
        for (format, pixel) in [(PixelFormat::Rgb8, vec![RED, 50, BLUE]), (PixelFormat::Bgra8, vec![BLUE, 50, RED, 9])]
        {
            // The frame's own size, so that boxes come back as they were planted.
            let found =
                detector.detect(&common::flat(input, format, &pixel)).unwrap_or_else(|error| panic!("{file}: {error}"));
            assert_eq!(found.len(), 1, "{file}: {:?}", found.items);
            let one = &found.items[0];
            assert_eq!(u64::from(one.label.id), case["planted"]["class_id"].as_u64().unwrap(), "{file}");
            assert!(
                (one.confidence - f32::from(level) / 255.0).abs() < 2e-3,
                "{file}: {} for level {level}",
                one.confidence
            );
            assert!(one.bbox.iou(&wanted) > 0.99, "{file}: {:?}, not {wanted:?}", one.bbox);
        }
        run += 1;
    }
    assert!(run >= 24, "{run}");
    println!("{run} models run");
}

#[test]
fn boxes_come_back_to_a_frame_of_another_shape() {
    // 96×96 input; a 192×96 frame lies in it at half size, 24 pixels from the top (centred), or at the top (YOLOX).
    let frame = common::flat(Size::new(192, 96), PixelFormat::Rgb8, &[204, 50, 204]);
    for (file, wanted) in [
        ("v8_nc80.onnx", [88.0, 28.0, 136.0, 52.0]),
        ("yolox_nc80.onnx", [88.0, 76.0, 136.0, 96.0]),
        ("ssd_nc90.onnx", [88.0, 38.0, 136.0, 50.0]),
        ("dfine_nc80.onnx", [88.0, 38.0, 136.0, 50.0]),
    ] {
        let found = common::open(file).unwrap().detect(&frame).unwrap();
        let got = found.items[0].bbox.to_array();
        assert!(
            got.iter().zip(wanted).all(|(got, wanted): (&f32, f32)| (got - wanted).abs() < 0.01),
            "{file}: {got:?}"
        );
    }
}

#[test]
fn nan_in_the_outputs_is_an_error() {
    for case in expected().iter().filter(|case| !case["run_error"].is_null()) {
        let file = case["file"].as_str().unwrap();
        let detector = common::open(file).unwrap();
        let frame = common::flat(Size::new(96, 96), PixelFormat::Rgb8, &[200, 200, 200]);
        assert_error(file, &detector.detect(&frame).expect_err(file), &case["run_error"]);
    }
}

fn colours(levels: &[u8]) -> Vec<Frame> {
    // Sizes and formats differ within the batch.
    let sizes = [Size::new(96, 96), Size::new(200, 100), Size::new(64, 128)];
    levels
        .iter()
        .zip(sizes.iter().cycle())
        .map(|(&level, &size)| common::flat(size, PixelFormat::Gray8, &[level]))
        .collect()
}

#[test]
fn a_batch_is_the_same_as_its_frames_one_by_one() {
    for (file, batch) in [
        ("v8_dynamic_batch.onnx", "true batches"),
        ("v8_fixed_batch4.onnx", "exactly 4"),
        ("v8_nc80.onnx", "one frame after"),
    ] {
        let detector = common::open(file).unwrap();
        assert!(detector.report().batch.to_string().contains(batch), "{file}: {}", detector.report().batch);
        let frames = colours(&[250, 100, 200, 20, 150, 90, 240, 80, 70, 160]);
        let together = detector.detect_batch(&frames).unwrap();
        assert_eq!(together.len(), frames.len());
        for (frame, together) in frames.iter().zip(&together) {
            assert_eq!(together.items, detector.detect(frame).unwrap().items, "{file}");
            assert_eq!(together.frame, frame.size());
        }
        let sure: Vec<bool> = together.iter().map(|found| !found.is_empty()).collect();
        assert_eq!(sure, [true, true, true, false, true, true, true, true, true, true], "{file}");
        assert!(detector.detect_batch(&[]).unwrap().is_empty());
    }
}
