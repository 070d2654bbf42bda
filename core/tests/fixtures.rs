//! Every tiny model of models/fixtures: what it is recognised as, and what it finds. The truth is
//! models/fixtures/expected.json, written by the script that makes the models and checked there with ONNX Runtime.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test")]

mod common;

use guarita::detector::BatchMode;
use guarita::model::{BatchSize, ModelHints};
use guarita::provider::{LocalProviderConfig, Request};
use guarita::{BoundingBox, Detector, ErrorCode, Frame, LocalProvider, ModelSpec, PixelFormat, Provider, Size};
use serde_json::Value;

fn expected() -> Vec<Value> {
    let text = std::fs::read_to_string(common::fixture("expected.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn read(case: &Value) -> guarita::Result<ModelSpec> {
    let hints =
        case.get("hints").cloned().map_or(ModelHints::default(), |hints| serde_json::from_value(hints).unwrap());
    ModelSpec::read_with(common::fixture(case["file"].as_str().unwrap()), &hints)
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

/// A shape that exporters fill in several ways is no evidence: what a hint says there, the file does not.
#[test]
fn without_its_hint_a_file_is_refused_and_the_words_name_what_is_missing() {
    let mut refused = 0;
    for case in expected().iter().filter(|case| case.get("hints").is_some()) {
        let file = case["file"].as_str().unwrap();
        let error = ModelSpec::read_with(common::fixture(file), &ModelHints::default()).expect_err(file);
        assert_eq!(error.code(), ErrorCode::ModelInvalid, "{file}: {error}");
        let hints = case["hints"].as_object().unwrap();
        for (section, fields) in hints {
            let words = if section == "labels" { "labels" } else { section };
            assert!(error.to_string().contains(words), "{file}: no {words} in: {error}");
            for field in fields.as_object().into_iter().flat_map(|fields| fields.keys()) {
                assert!(error.to_string().contains(field), "{file}: no {field} in: {error}");
                // Each of them alone is missed. Pixels are the unit of rows that says nothing else.
                let mut fewer = hints.clone();
                fewer[section].as_object_mut().unwrap().remove(field);
                let fewer = serde_json::from_value(Value::Object(fewer)).unwrap();
                let read = ModelSpec::read_with(common::fixture(file), &fewer);
                assert_eq!(read.is_err(), (&**section, &**field) != ("rows", "units"), "{file} without {field}");
            }
        }
        // That it is of the family is not enough.
        if case["hints"].get("labels").is_none() {
            let family = serde_json::from_value(case["family"].clone()).unwrap();
            let told = ModelHints { family: Some(family), ..ModelHints::default() };
            assert!(ModelSpec::read_with(common::fixture(file), &told).is_err(), "{file} as {family}");
        }
        refused += 1;
    }
    assert!(refused >= 9, "{refused}");
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
fn what_no_detector_can_say_is_an_error_or_left_out_and_counted() {
    let (mut errors, mut left_out) = (0, 0);
    for case in expected() {
        let file = case["file"].as_str().unwrap();
        let frame = || common::flat(Size::new(96, 96), PixelFormat::Rgb8, &[200, 200, 200]);
        if !case["run_error"].is_null() {
            let detector = common::open(file).unwrap();
            assert_error(file, &detector.detect(&frame()).expect_err(file), &case["run_error"]);
            // In a provider too, and in a batch of one that is fine and one that is not.
            let provider = LocalProvider::new(detector, LocalProviderConfig::default()).unwrap();
            let dark = common::flat(Size::new(96, 96), PixelFormat::Rgb8, &[0, 0, 0]);
            let error = provider.detect(Request::new([dark, frame()])).expect_err(file);
            assert_error(file, &error, &case["run_error"]);
            errors += 1;
        }
        if let Some(count) = case["left_out"].as_u64() {
            let detector = common::open(file).unwrap();
            assert_eq!(detector.report().boxes_left_out, 0);
            for calls in 1..=2 {
                let found = detector.detect(&frame()).unwrap_or_else(|error| panic!("{file}: {error}"));
                assert_eq!(found.len() as u64, case["found"].as_u64().unwrap_or(0), "{file}");
                assert_eq!(detector.report().boxes_left_out, count * calls, "{file}");
            }
            assert!(detector.report().to_string().contains("left out"), "{}", detector.report());
            left_out += 1;
        }
        if let Some(confidence) = case["confidence"].as_f64() {
            let found = common::open(file).unwrap().detect(&frame()).unwrap();
            assert_eq!(found.items[0].confidence, confidence as f32, "{file}");
        }
    }
    assert!(errors >= 6 && left_out >= 5, "{errors}, {left_out}");
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

/// The axis is a claim like any other: what cannot be run together is run one by one, and nothing is lost.
#[test]
fn a_batch_axis_that_is_free_in_name_only() {
    let mut tried = 0;
    for case in expected().iter().filter(|case| case["batch_refused"] == true) {
        let file = case["file"].as_str().unwrap();
        let open = || Detector::open(read(case).unwrap(), common::config()).unwrap();
        let detector = open();
        let frames = colours(&[250, 100, 200, 20, 150, 90, 240, 80, 70, 160]);
        assert_eq!(detector.report().batch, BatchMode::Together, "{file}");
        detector.detect(&frames[0]).unwrap();
        assert_eq!(detector.report().batch, BatchMode::Together, "{file}: one picture says nothing");
        for _ in 0..2 {
            let found = detector.detect_batch(&frames).unwrap_or_else(|error| panic!("{file}: {error}"));
            for (frame, found) in frames.iter().zip(&found) {
                assert_eq!(found.items, detector.detect(frame).unwrap().items, "{file}");
            }
            let sure: Vec<bool> = found.iter().map(|found| !found.is_empty()).collect();
            assert_eq!(sure, [true, true, true, false, true, true, true, true, true, true], "{file}");
        }
        let report = detector.report();
        assert_eq!(report.batch, BatchMode::Refused);
        assert!(report.batch_refused.as_ref().is_some_and(|why| !why.is_empty()));
        assert!(report.to_string().contains("free in name only"), "{report}");
        // Through a provider, from several threads at once.
        let provider = LocalProvider::new(open(), LocalProviderConfig::default()).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..10 {
                        let response = provider.detect(Request::new(frames.clone())).unwrap();
                        // A request wants half of the confidence at least.
                        assert_eq!(response.detections.iter().filter(|found| !found.is_empty()).count(), 5);
                    }
                });
            }
        });
        tried += 1;
    }
    assert_eq!(tried, 4);
    // What fails for one picture too is no fault of the batch.
    let detector = common::open("score_over_one.onnx").unwrap();
    assert!(detector.detect_batch(&colours(&[250, 100])).is_err());
    assert_eq!(detector.report().batch_refused, None);
}
