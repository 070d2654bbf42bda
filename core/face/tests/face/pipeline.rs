//! Pipelines that a host holds, their streams, and their end.

use crate::{WITHIN, frame};
use guarita::detection::{Label, Timing};
use guarita::event::Condition;
use guarita::testkit::FakeProvider;
use guarita::{BoundingBox, Camera, CameraConfig, Detection, Detections, ErrorCode, Pipeline, Provider, TriggerConfig};
use guarita_face::{EventStreams, PipelineHandle, Taken, end_pipelines};
use std::sync::Arc;
use std::time::Duration;

/// Somebody in the frames of even seconds.
fn open() -> Arc<PipelineHandle> {
    let provider: Arc<dyn Provider> = Arc::new(FakeProvider::new("fake").answering(|request| {
        let person = || Label { id: 0, name: "person".into() };
        let found = || Detection::new(BoundingBox::from_xyxy(8.0, 8.0, 24.0, 40.0), person(), 0.9);
        let each = |frame: &guarita::Frame| {
            let is_even = frame.meta().pts.as_nanos() % 2_000_000_000 == 0;
            let items = is_even.then(found).into_iter().collect();
            Detections::new(items, frame.size(), Timing::default())
        };
        Ok(request.frames.iter().map(each).collect())
    }));
    let streams = Arc::new(EventStreams::default());
    let builder = streams.fill_from(Pipeline::builder(Arc::clone(&provider)));
    PipelineHandle::build(builder, provider, streams).unwrap()
}

/// An event each time that somebody comes.
fn camera(handle: &PipelineHandle) -> Camera {
    let mut config = CameraConfig::new("gate");
    config.fps = 0.0;
    config.motion = None;
    config.cache.capacity = 0;
    config.queue.max_age_s = 3600.0;
    config.queue.capacity = 1000;
    let when = Condition::Present { classes: vec!["person".into()], zone: None, min_confidence: None };
    let mut trigger = TriggerConfig::new("somebody", when);
    trigger.cooldown_s = 0.0;
    config.triggers = vec![trigger];
    handle.pipeline().add_camera(config).unwrap()
}

#[test]
fn events_come_through_the_streams_until_the_end() {
    let handle = open();
    let (camera, stream, small) =
        (camera(&handle), handle.streams().open(100).unwrap(), handle.streams().open(3).unwrap());
    (0..20).for_each(|k| assert!(camera.push(frame(k * 1000)).is_taken()));
    let mut ids: Vec<_> = (0..10)
        .map(|_| match stream.take_within(WITHIN) {
            Taken::Item(event) => event.id.as_str().to_owned(),
            other => panic!("{other:?}"),
        })
        .collect();
    ids.dedup();
    assert_eq!(ids.len(), 10);
    assert!(!handle.is_ended() && !stream.has_ended());
    let report = handle.shutdown(WITHIN);
    assert!(report.drained && report.account.balances() && handle.is_ended());
    assert_eq!(stream.take_within(WITHIN), Taken::Ended);
    assert_eq!((small.waiting(), small.dropped()), (3, 7));
    assert_eq!(
        handle.streams().open(1).unwrap().take().within(Duration::ZERO).unwrap_err().code(),
        ErrorCode::Cancelled
    );
}

#[test]
fn streams_end_with_a_pipeline_that_is_let_go() {
    let handle = open();
    let stream = handle.streams().open(1).unwrap();
    drop(handle);
    assert_eq!(stream.take_within(WITHIN), Taken::Ended);
}

/// One test, since it ends those of the others too.
#[test]
fn what_nobody_ended_ends_with_the_process() {
    // A process of its own: those of the tests beside it are not to end.
    if std::env::var_os("GUARITA_FACE_END").is_none() {
        let done = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "pipeline::what_nobody_ended_ends_with_the_process", "--nocapture"])
            .env("GUARITA_FACE_END", "1")
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        return;
    }
    let (ended, kept, other) = (open(), open(), open());
    let streams = [&kept, &other].map(|handle| handle.streams().open(10).unwrap());
    ended.shutdown(WITHIN);
    drop(other);
    assert!(camera(&kept).push(frame(0)).is_taken());
    end_pipelines();
    assert!(kept.is_ended());
    assert!(matches!(streams[0].take(), Taken::Item(_)), "what waited was delivered");
    assert_eq!(streams.map(|stream| stream.take()), [Taken::Ended, Taken::Ended]);
    end_pipelines();
}

#[test]
fn numbers_are_shared_and_begin_anew_with_a_new_camera() {
    let handle = open();
    let (one, same, other) = (handle.numbers("a"), handle.numbers("a"), handle.numbers("b"));
    assert_eq!([one.next(None), same.next(None), other.next(None), one.next(None)], [0, 1, 0, 2]);
    handle.number_anew("a");
    assert_eq!([handle.numbers("a").next(None), one.next(None)], [0, 3]);
}
