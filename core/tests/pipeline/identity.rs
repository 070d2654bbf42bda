//! Which event is which, and what a trigger goes on with: over runs, restarts and other configs.

use crate::WITHIN;
use crate::account::wait;
use crate::scene::{TestProvider, all_frames, person, raw};
use guarita::event::{CallbackSink, Condition, Delivery, DeliveryError, OutletConfig, deliver_each};
use guarita::pipeline::PipelineCheckpoint;
use guarita::tracking::Confirmation;
use guarita::{Camera, CameraConfig, Error, ErrorCode, Event, Pipeline, Polygon, Sink, Timestamp, TriggerConfig, Zone};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

type Told = Arc<Mutex<Vec<(String, Timestamp)>>>;

/// Finds somebody in the frames of these times, in milliseconds.
fn pipeline(told: &Told, here: fn(i64) -> bool, checkpoint: Option<PipelineCheckpoint>) -> Pipeline {
    let provider = TestProvider::answering(
        1,
        1,
        |_| Duration::ZERO,
        move |request| {
            let ms = request.frames[0].meta().pts.as_nanos() / 1_000_000;
            Ok(vec![if here(ms) { vec![person(0.9)] } else { Vec::new() }])
        },
    );
    let told = Arc::clone(told);
    let sink = CallbackSink::new(move |event: &Event| told.lock().unwrap().push((event.id.to_string(), event.pts)));
    let builder = Pipeline::builder(Arc::new(provider)).sink("told", sink);
    match checkpoint {
        Some(checkpoint) => builder.restore(checkpoint),
        None => builder,
    }
    .build()
    .unwrap()
}

fn present(name: &str, zone: Option<&str>) -> TriggerConfig {
    let when = Condition::Present { classes: vec!["person".into()], zone: zone.map(Into::into), min_confidence: None };
    TriggerConfig { cooldown_s: 0.0, ..TriggerConfig::new(name, when) }
}

fn watching(epoch_s: Option<i64>) -> CameraConfig {
    CameraConfig { epoch_s, triggers: vec![present("somebody", None)], ..all_frames("gate") }
}

fn push(pipeline: &Pipeline, camera: &Camera, times: impl IntoIterator<Item = i64>) {
    for ms in times {
        assert!(camera.push(raw(ms)).is_taken());
        wait(|| pipeline.stats().account.in_flight == 0);
    }
    wait(|| pipeline.stats().outlets.iter().all(|outlet| outlet.waiting == 0 && outlet.in_hand == 0));
}

fn ids(told: &Told) -> Vec<String> {
    std::mem::take(&mut *told.lock().unwrap()).into_iter().map(|(id, _)| id).collect()
}

fn every_other(ms: i64) -> bool {
    ms % 2_000 == 0
}

#[test]
fn two_runs_of_a_stream_share_no_id() {
    let told = Told::default();
    let mut all = Vec::new();
    for _ in 0..3 {
        let pipeline = pipeline(&told, every_other, None);
        let camera = pipeline.add_camera(watching(None)).unwrap();
        // Its times begin anew in the middle, as those of a camera that was restarted.
        push(&pipeline, &camera, (0..20).map(|k| k * 1_000));
        push(&pipeline, &camera, (0..20).map(|k| k * 1_000));
        // A camera that goes and comes is another stream as well.
        camera.remove().unwrap();
        let camera = pipeline.add_camera(watching(None)).unwrap();
        push(&pipeline, &camera, (0..20).map(|k| k * 1_000));
        all.extend(ids(&told));
    }
    assert_eq!(all.len(), 3 * 3 * 10);
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    assert!(all.iter().all(|id| id.len() == 32 && id.starts_with("02")), "{all:?}");
}

#[test]
fn recordings_are_told_apart_by_when_they_were_filmed() {
    let told = Told::default();
    let run = |epoch_s| {
        let pipeline = pipeline(&told, every_other, None);
        let camera = pipeline.add_camera(watching(Some(epoch_s))).unwrap();
        push(&pipeline, &camera, (0..20).map(|k| k * 1_000));
        ids(&told)
    };
    let (first, second, again) = (run(1_700_000_000), run(1_700_003_600), run(1_700_000_000));
    assert_eq!(first, again);
    assert_eq!(first.iter().chain(&second).collect::<BTreeSet<_>>().len(), 20);
    // The same moment, however it is divided into the beginning and the time since then.
    assert_eq!(run(1_699_999_998)[1..], first[..9]);
}

#[test]
fn what_a_restored_checkpoint_sees_again_has_the_same_id() {
    let told = Told::default();
    for epoch_s in [None, Some(1_700_000_000)] {
        let first = pipeline(&told, every_other, None);
        let camera = first.add_camera(watching(epoch_s)).unwrap();
        push(&first, &camera, (0..10).map(|k| k * 1_000));
        let bytes = first.checkpoint().to_bytes();
        // What came after the checkpoint is lost with the process, and is pushed once more.
        push(&first, &camera, (10..20).map(|k| k * 1_000));
        let before = ids(&told);
        drop(first);
        let next = pipeline(&told, every_other, Some(PipelineCheckpoint::from_bytes(&bytes).unwrap()));
        let camera = next.add_camera(watching(epoch_s)).unwrap();
        push(&next, &camera, (10..20).map(|k| k * 1_000));
        assert_eq!(ids(&told), before[5..], "{epoch_s:?}");
    }
}

/// Takes an event at the third try.
struct Reluctant(Told, u32);

impl Sink for Reluctant {
    fn deliver(&mut self, batch: &[Delivery]) -> guarita::Result<(), DeliveryError> {
        deliver_each(batch, |delivery| {
            let event = delivery.event()?;
            self.0.lock().unwrap().push((event.id.to_string(), event.pts));
            self.1 += 1;
            if self.1.is_multiple_of(3) { Ok(()) } else { Err(Error::new(ErrorCode::Unavailable, "not now")) }
        })
    }
}

#[test]
fn a_delivery_that_is_tried_again_has_the_same_id() {
    let told = Told::default();
    let provider = TestProvider::answering(1, 1, |_| Duration::ZERO, |_| Ok(vec![vec![person(0.9)]]));
    let mut outlet = OutletConfig::default();
    outlet.retry.base_s = 0.001;
    let pipeline = Pipeline::builder(Arc::new(provider))
        .sink_with("reluctant", Box::new(Reluctant(Arc::clone(&told), 0)), outlet)
        .build()
        .unwrap();
    let camera = pipeline.add_camera(watching(None)).unwrap();
    push(&pipeline, &camera, [0]);
    pipeline.shutdown(WITHIN);
    let ids = ids(&told);
    assert_eq!((ids.len(), ids.iter().collect::<BTreeSet<_>>().len()), (3, 1));
}

fn zone(name: &str, left: f32) -> Zone {
    Zone::new(name, Polygon::new([[left, 0.0], [1.0, 0.0], [1.0, 1.0], [left, 1.0]]).unwrap())
}

/// Somebody stands in the zone all the time: a trigger with patience fires once, and again where it begins anew.
fn always(_: i64) -> bool {
    true
}

/// A camera with a trigger for `door` that has patience, one for the whole picture, and one for crossings.
fn patient(zones: Vec<Zone>) -> CameraConfig {
    let entering = Condition::Enter { classes: vec!["person".into()], zone: "door".into() };
    let triggers = vec![
        TriggerConfig { for_s: 3.0, ..present("stays", Some("door")) },
        present("there", None),
        TriggerConfig { cooldown_s: 0.0, ..TriggerConfig::new("enters", entering) },
    ];
    CameraConfig { epoch_s: Some(0), zones, triggers, ..all_frames("gate") }
}

#[test]
fn triggers_go_on_over_what_does_not_concern_them() {
    type Change = fn(&mut CameraConfig);
    // What is changed, and which triggers fire once more for somebody who has been there all the time.
    let changes: [(&str, Change, &[&str]); 12] = [
        ("nothing", |_| {}, &[]),
        ("one zone more", |config| config.zones.insert(0, zone("yard", 0.5)), &[]),
        ("another zone moved", |config| config.zones[1] = zone("street", 0.3), &[]),
        ("another zone less", |config| drop(config.zones.remove(1)), &[]),
        ("the order of zones", |config| config.zones.reverse(), &[]),
        ("the picture", |config| config.triggers[0].picture = guarita::event::PictureWanted::Crop, &[]),
        ("the cooldown", |config| config.triggers[1].cooldown_s = 7.0, &[]),
        ("one trigger more", |config| config.triggers.insert(0, present("new", None)), &["new"]),
        ("the order of triggers", |config| config.triggers.reverse(), &[]),
        ("its own zone", |config| config.zones[0] = zone("door", 0.01), &["stays"]),
        (
            "its condition",
            |config| {
                config.triggers[1].when =
                    Condition::Present { classes: vec!["person".into()], zone: None, min_confidence: Some(0.5) };
            },
            &["there"],
        ),
        ("its name", |config| config.triggers[1].name = "renamed".into(), &["renamed"]),
    ];
    for restored in [false, true] {
        for (what, change, expected) in &changes {
            let fired = Arc::new(Mutex::new(Vec::new()));
            let start = |checkpoint| {
                let provider = TestProvider::answering(1, 1, |_| Duration::ZERO, |_| Ok(vec![vec![person(0.9)]]));
                let fired = Arc::clone(&fired);
                let sink =
                    CallbackSink::new(move |event: &Event| fired.lock().unwrap().push(event.trigger.to_string()));
                let builder = Pipeline::builder(Arc::new(provider)).sink("fired", sink);
                match checkpoint {
                    Some(checkpoint) => builder.restore(checkpoint),
                    None => builder,
                }
                .build()
                .unwrap()
            };
            let mut config = patient(vec![zone("door", 0.0), zone("street", 0.2)]);
            let first = start(None);
            let camera = first.add_camera(config.clone()).unwrap();
            push(&first, &camera, (0..5).map(|k| k * 1_000));
            assert_eq!(*fired.lock().unwrap(), ["there", "stays"], "{what}");
            fired.lock().unwrap().clear();
            change(&mut config);
            if restored {
                let checkpoint = first.checkpoint();
                drop(first);
                let next = start(Some(checkpoint));
                let camera = next.add_camera(config).unwrap();
                push(&next, &camera, (5..10).map(|k| k * 1_000));
            } else {
                camera.update(config).unwrap();
                push(&first, &camera, (5..10).map(|k| k * 1_000));
            }
            assert_eq!(*fired.lock().unwrap(), *expected, "{what}, restored: {restored}");
        }
    }
}

/// Who is on which side is told by numbers of objects, and those are given anew by another confirmation.
#[test]
fn crossings_do_not_outlast_the_objects_that_they_are_about() {
    for restored in [false, true] {
        let told = Told::default();
        // Somebody stands inside from the first frame on, and so never enters.
        let first = pipeline(&told, always, None);
        let mut config = patient(vec![zone("door", 0.0)]);
        config.triggers.drain(..2);
        let camera = first.add_camera(config.clone()).unwrap();
        push(&first, &camera, (0..4).map(|k| k * 1_000));
        config.confirmation = Confirmation { max_gap_s: 61.0, ..config.confirmation };
        if restored {
            let checkpoint = first.checkpoint();
            drop(first);
            let next = pipeline(&told, always, Some(checkpoint));
            let camera = next.add_camera(config).unwrap();
            push(&next, &camera, (4..8).map(|k| k * 1_000));
        } else {
            camera.update(config).unwrap();
            push(&first, &camera, (4..8).map(|k| k * 1_000));
        }
        assert_eq!(ids(&told), Vec::<String>::new(), "restored: {restored}");
    }
}
