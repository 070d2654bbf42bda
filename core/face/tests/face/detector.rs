//! A detector that a host holds.

use crate::{WITHIN, frame, repository};
use guarita::model::ModelHints;
use guarita::provider::Reply;
use guarita::{DetectorConfig, ErrorCode, ModelSpec};
use guarita_face::DetectorHandle;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

pub(crate) fn handle() -> DetectorHandle {
    let named = std::env::var_os("GUARITA_ONNXRUNTIME").is_some();
    let onnxruntime = (!named).then(|| repository().join(".runtime"));
    let file = repository().join("models/fixtures/v8_nc80.onnx");
    let spec = ModelSpec::read_with(file, &ModelHints::default()).unwrap();
    DetectorHandle::open(spec, DetectorConfig { onnxruntime, ..DetectorConfig::default() }).unwrap()
}

#[test]
fn it_learns_how_long_a_picture_takes() {
    let handle = handle();
    assert!(handle.is_open() && handle.expected(1) > Duration::from_secs(3600), "nobody knows yet");
    let found = handle.detect_batch(&[frame(0), frame(40)]).unwrap();
    assert_eq!(found.len(), 2);
    assert!((Duration::from_nanos(1)..WITHIN).contains(&handle.expected(1)));
    assert!(handle.expected(10) >= handle.expected(1) * 9);
    let answer = handle.background().unwrap().detect(DetectorHandle::request([frame(0)])).unwrap();
    handle.note_response(&answer);
    assert!((Duration::from_nanos(1)..WITHIN).contains(&handle.expected(1)));
    assert_eq!(handle.expected(0), Duration::ZERO);
}

#[test]
fn the_background_answers_as_the_detector_does_and_is_one() {
    let handle = handle();
    let here = handle.detect_batch(&[frame(0)]).unwrap();
    let provider = handle.background().unwrap();
    assert!(Arc::ptr_eq(&provider, &handle.background().unwrap()));
    let (sender, answer) = mpsc::channel();
    let reply = Reply::new(move |answer| sender.send(answer).unwrap());
    provider.submit(DetectorHandle::request([frame(0)]), reply);
    let there = answer.recv_timeout(WITHIN).unwrap().unwrap().detections;
    assert_eq!(there[0].items, here[0].items);
}

#[test]
fn a_closed_one_says_so_and_what_runs_comes_to_its_end() {
    let handle = handle();
    let (detector, background) = (handle.detector().unwrap(), handle.background().unwrap());
    handle.close();
    handle.close();
    assert!(handle.is_closed() && !handle.is_open());
    for error in [
        handle.detector().err().unwrap(),
        handle.background().err().unwrap(),
        handle.detect_batch(&[frame(0)]).err().unwrap(),
    ] {
        assert_eq!((error.code(), error.to_string()), (ErrorCode::InvalidState, "the detector is closed".into()));
    }
    assert_eq!(Arc::strong_count(&detector), 2, "the background provider's, and this one");
    assert_eq!(detector.detect_batch(&[frame(0)]).unwrap().len(), 1);
    assert_eq!(background.detect(DetectorHandle::request([frame(0)])).unwrap().detections.len(), 1);
    drop(background);
    assert_eq!(Arc::strong_count(&detector), 1);
}

#[test]
fn it_is_closed_while_many_use_it() {
    let handle = handle();
    let outcomes: Vec<_> = thread::scope(|scope| {
        let users: Vec<_> = (0..4)
            .map(|k| {
                let handle = &handle;
                scope.spawn(move || {
                    loop {
                        let done = if k % 2 == 0 {
                            handle.detect_batch(&[frame(0)]).map(drop)
                        } else {
                            handle.background().map(drop)
                        };
                        if let Err(error) = done {
                            return error.code();
                        }
                    }
                })
            })
            .collect();
        thread::sleep(Duration::from_millis(50));
        handle.close();
        users.into_iter().map(|user| user.join().unwrap()).collect()
    });
    assert_eq!(outcomes, [ErrorCode::InvalidState; 4]);
}
