//! The local provider over real models in ONNX Runtime.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test")]

mod common;

use guarita::provider::{LocalProviderConfig, Reply, Request, Want};
use guarita::{BoundingBox, Detector, ErrorCode, Frame, LocalProvider, PixelFormat, Provider, Size, Threads};
use std::sync::{Arc, mpsc};

fn frame() -> Frame {
    common::flat(Size::new(200, 120), PixelFormat::Bgr8, &[204, 50, 204])
}

fn local(name: &str) -> (Arc<Detector>, LocalProvider) {
    let detector = Arc::new(common::open(name).unwrap());
    let config = LocalProviderConfig { workers: 2, ..LocalProviderConfig::default() };
    (Arc::clone(&detector), LocalProvider::new(detector, config).unwrap())
}

#[test]
fn the_answer_is_the_detector_s() {
    let (detector, local) = local("v8_dynamic_batch.onnx");
    let frames = [frame(), common::flat(Size::new(64, 90), PixelFormat::Gray8, &[150]), frame()];
    let response = local.detect(Request::new(frames.clone()).with_min_confidence(0.0)).unwrap();
    assert_eq!(response.detections.len(), 3);
    for (found, frame) in response.detections.iter().zip(&frames) {
        let alone = detector.detect(frame).unwrap();
        assert!(!alone.is_empty(), "or this shows nothing");
        assert_eq!((found.items.len(), found.frame), (alone.items.len(), alone.frame));
        for (a, b) in found.iter().zip(&alone) {
            assert_eq!(a.label, b.label);
            assert!((a.confidence - b.confidence).abs() < 1e-5 && a.bbox.iou(&b.bbox) > 0.999, "{a:?} {b:?}");
        }
    }
    assert!(response.latency.call > std::time::Duration::ZERO);
    assert!(response.model_version.unwrap().starts_with("v8_dynamic_batch.onnx@"));
    assert_eq!(local.capability().wants, [Want::Labels], "COCO has no faces");
}

#[test]
fn a_region_is_looked_at_alone_and_answered_in_pixels_of_the_frame() {
    let (detector, local) = local("v8_nc80.onnx");
    let region = BoundingBox::from_xyxy(60.0, 20.0, 140.0, 100.0);
    let request = Request::new([frame()]).with_regions([region]).with_min_confidence(0.0);
    let found = &local.detect(request).unwrap().detections[0];
    // The frame is of one colour: the region is like any frame of its size.
    let alone = detector.detect(&common::flat(Size::new(80, 80), PixelFormat::Bgr8, &[204, 50, 204])).unwrap();
    assert!(!alone.is_empty());
    assert_eq!((found.len(), found.frame), (alone.len(), Size::new(200, 120)));
    for (a, b) in found.iter().zip(&alone) {
        let moved = BoundingBox::from_xyxy(b.bbox.x1 + 60.0, b.bbox.y1 + 20.0, b.bbox.x2 + 60.0, b.bbox.y2 + 20.0);
        assert!(a.bbox.iou(&moved) > 0.999, "{a:?} {moved:?}");
    }
}

#[test]
fn bad_outputs_of_a_model_are_an_error_and_not_the_end() {
    let (_, local) = local("broken_nan_outputs.onnx");
    for _ in 0..3 {
        assert_eq!(local.detect(Request::new([frame()])).unwrap_err().code(), ErrorCode::ModelInvalid);
    }
    let health = local.health();
    assert_eq!((health.last_error.unwrap().code, health.degraded), (ErrorCode::ModelInvalid, None));
}

#[test]
fn callers_share_one_model_and_the_provider_may_go_first() {
    let (_, local) = local("v8_nc80.onnx");
    let local = Arc::new(local);
    let (sender, answers) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let (local, sender) = (Arc::clone(&local), sender.clone());
            scope.spawn(move || {
                for _ in 0..20 {
                    let sender = sender.clone();
                    local.submit(Request::new([frame()]), Reply::new(move |answer| sender.send(answer).unwrap()));
                }
            });
        }
    });
    drop((local, sender));
    let codes: Vec<_> = answers.iter().map(|answer| answer.map(|_| ()).map_err(|error| error.code())).collect();
    assert_eq!(codes.len(), 80);
    let fine =
        |code: &Result<(), ErrorCode>| matches!(code, Ok(()) | Err(ErrorCode::Cancelled | ErrorCode::Overloaded));
    assert!(codes.iter().all(fine), "{codes:?}");
}

#[test]
fn a_config_out_of_range_is_refused() {
    let detector = common::open("v8_nc80.onnx").unwrap();
    let config = LocalProviderConfig { recover_after_s: -1.0, ..LocalProviderConfig::default() };
    let error = LocalProvider::new(detector, config).unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidConfig);
    assert!(error.to_string().contains("recover_after_s"), "{error}");
}

#[test]
fn threads_that_nobody_counts_are_refused() {
    let threads = Threads::new(2).unwrap();
    let config = guarita::DetectorConfig { intra_op_threads: 2, ..common::config() };
    let spec =
        guarita::ModelSpec::read_with(common::fixture("v8_nc80.onnx"), &guarita::model::ModelHints::default()).unwrap();
    let two = Arc::new(Detector::open(spec, config).unwrap());
    let one = Arc::new(common::open("v8_nc80.onnx").unwrap());
    for (field, detector, workers) in [("intra_op_threads", two, 0), ("workers", one, 3)] {
        let config = LocalProviderConfig { workers, ..LocalProviderConfig::default() };
        let error = LocalProvider::on_threads(detector, config, &threads).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidConfig);
        assert!(error.to_string().contains(field), "{error}");
    }
}

#[cfg(feature = "testkit")]
#[test]
fn the_local_provider_keeps_the_rules() {
    use guarita::testkit::{Outcome, check_provider};
    let config = guarita::DetectorConfig { min_confidence: 0.05, ..common::config() };
    let spec =
        guarita::ModelSpec::read_with(common::fixture("v8_nc80.onnx"), &guarita::model::ModelHints::default()).unwrap();
    let detector = Arc::new(Detector::open(spec, config).unwrap());
    let own = || -> Arc<dyn Provider> {
        Arc::new(LocalProvider::new(Arc::clone(&detector), LocalProviderConfig::default()).unwrap())
    };
    let on = |count| {
        let (threads, detector) = (Threads::new(count).unwrap(), Arc::clone(&detector));
        move || -> Arc<dyn Provider> {
            let config = LocalProviderConfig::default();
            Arc::new(LocalProvider::on_threads(Arc::clone(&detector), config, &threads).unwrap())
        }
    };
    for (whose, make) in [("own", &own as &dyn Fn() -> _), ("one lent", &on(1)), ("three lent", &on(3))] {
        let report = check_provider(make, &frame());
        println!("{whose}: {report}");
        let skipped = report.checks.iter().filter(|check| matches!(check.outcome, Outcome::NotApplicable(_))).count();
        assert_eq!(skipped, 2, "only the two about money");
        report.into_result().unwrap();
    }
}
