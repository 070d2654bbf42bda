//! Looks that no thread waits for.

use crate::{WITHIN, frame, repository};
use guarita::frame::FrameMeta;
use guarita::pipeline::EncodedFrame;
use guarita::provider::{Reply, Request, Response};
use guarita::testkit::FakeProvider;
use guarita::{CameraId, ErrorCode, Provider, Result};
use guarita_face::{Picture, submit};
use std::sync::{Arc, mpsc};
use std::thread;

fn encoded(bytes: &[u8]) -> Picture {
    Picture::Encoded(EncodedFrame::copy_from(bytes, FrameMeta::default()))
}

fn png() -> Picture {
    encoded(&std::fs::read(repository().join("core/tests/data/rgba.png")).unwrap())
}

/// Submits; the answer, and the name of the thread that it came on.
fn look(fake: &FakeProvider, request: Request, pictures: Vec<Picture>) -> (Result<Response>, Option<String>) {
    let provider: Arc<dyn Provider> = Arc::new(fake.clone());
    let (sender, answer) = mpsc::channel();
    let reply = Reply::new(move |answer| {
        sender.send((answer, thread::current().name().map(str::to_owned))).unwrap();
    });
    submit(&provider, request, pictures, "gate", reply);
    answer.recv_timeout(WITHIN).unwrap()
}

#[test]
fn encoded_pictures_are_decoded_aside_and_frames_go_at_once() {
    let fake = FakeProvider::new("fake");
    let (answer, name) = look(&fake, Request::new([]), vec![Picture::Frame(frame(40))]);
    assert_eq!(answer.unwrap().detections.len(), 1);
    assert_eq!(name.as_deref(), thread::current().name(), "nothing to decode: on the caller's thread");
    let (answer, name) = look(&fake, Request::new([frame(0)]), vec![png(), Picture::Frame(frame(40)), png()]);
    let answer = answer.unwrap();
    assert_eq!(answer.detections.len(), 3, "in place of the request's own frame");
    assert_eq!((answer.detections[1].frame.width, answer.detections[1].frame.height), (64, 48), "in their order");
    assert_eq!(answer.detections[0].frame, answer.detections[2].frame);
    assert!(name.as_deref().is_some_and(|name| name.starts_with("guarita-decode-")), "{name:?}");
}

#[test]
fn a_look_names_its_camera_and_keeps_the_frames_own_time() {
    let named = png().decoded_of("gate").unwrap();
    assert_eq!(named.meta().camera.as_str(), "gate");
    let named = Picture::Frame(frame(40)).decoded_of("gate").unwrap();
    assert_eq!((named.meta().camera.as_str(), named.meta().pts), ("gate", frame(40).meta().pts));
    let own = named.with_meta(FrameMeta { camera: CameraId::new("yard"), ..FrameMeta::default() });
    assert_eq!(Picture::Frame(own).decoded_of("").unwrap().meta().camera.as_str(), "yard");
}

#[test]
fn what_is_wrong_with_a_picture_is_the_answer_and_nobody_is_asked() {
    let fake = FakeProvider::new("fake");
    let (answer, _) = look(&fake, Request::new([]), vec![png(), encoded(b"\x89PNG\r\n\x1a\nno more")]);
    assert_eq!(answer.unwrap_err().code(), ErrorCode::DataCorrupt);
    assert_eq!(fake.calls(), 0);
}

#[test]
fn one_that_is_taken_back_is_neither_decoded_nor_asked() {
    let fake = FakeProvider::new("fake");
    for picture in [png(), Picture::Frame(frame(0))] {
        let request = Request::new([]);
        assert!(request.cancellation.cancel());
        let (answer, _) = look(&fake, request, vec![picture]);
        assert_eq!(answer.unwrap_err().code(), ErrorCode::Cancelled);
    }
    assert_eq!(fake.calls(), 0);
}
