//! The examples of docs/guide/pipeline.md are what happens.

use crate::account::wait;
use crate::common;
use crate::scene::{at, meta};
use guarita::clock::ManualClock;
use guarita::detection::{Label, Timing};
use guarita::event::{CallbackSink, Condition};
use guarita::frame::Layout;
use guarita::testkit::FakeProvider;
use guarita::{
    BoundingBox, CameraConfig, Detection, Detections, Frame, Pipeline, PixelFormat, Polygon, Size, TriggerConfig, Zone,
};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const SIZE: Size = Size::new(320, 180);

/// Somebody at the gate: for people in its zone, and two minutes later, faint.
fn somebody(second: i64) -> Option<(f32, f32)> {
    match second {
        30..34 => Some((150.0 + 10.0 * (second - 30) as f32, 0.91)),
        120..124 => Some((200.0 + 10.0 * (second - 120) as f32, 0.62)),
        _ => None,
    }
}

fn picture(second: i64) -> Frame {
    let here = somebody(second);
    let mut noise = second.unsigned_abs() as u32 + 1;
    let pixels = (0..SIZE.pixels() as usize).map(|k| {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (x, y) = ((k % 320) as f32, k / 320);
        let level = 24 + ((k % 320 / 14 * 31 + y / 11 * 57) % 13) as u8;
        let covered = here.is_some_and(|(left, _)| (left..left + 18.0).contains(&x) && (100..150).contains(&y));
        (if covered { 90 } else { level }) + (noise >> 31) as u8
    });
    let layout = Layout::packed(PixelFormat::Gray8, SIZE).unwrap();
    Frame::from_owner(pixels.collect::<Vec<u8>>(), layout).unwrap().with_meta(meta(second * 1000))
}

#[test]
fn the_examples_of_the_guide_are_what_happens() {
    let clock = Arc::new(ManualClock::default());
    let provider = FakeProvider::new("fake").with_clock(clock.clone()).answering(|request| {
        let look = |frame: &Frame| {
            let person = Label { id: 0, name: "person".into() };
            let found = somebody(frame.meta().pts.as_nanos() / 1_000_000_000).map(|(x, confidence)| {
                Detection::new(BoundingBox::from_xyxy(x, 100.0, x + 18.0, 150.0), person, confidence)
            });
            Detections::new(found.into_iter().collect(), frame.size(), Timing::default())
        };
        Ok(request.frames.iter().map(look).collect())
    });
    let events = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&events);
    let pipeline = Pipeline::builder(Arc::new(provider))
        .sink("events", CallbackSink::new(move |event| sink.lock().unwrap().push(event.clone())))
        .build()
        .unwrap();
    let mut config = CameraConfig::new("gate-7");
    config.epoch_s = Some(1795230600);
    let half = Polygon::new([[0.4, 0.0], [1.0, 0.0], [1.0, 1.0], [0.4, 1.0]]).unwrap();
    config.zones = vec![Zone::new("gate", half)];
    let when = Condition::Present { classes: vec!["person".into()], zone: Some("gate".into()), min_confidence: None };
    config.triggers = vec![TriggerConfig::new("visitor", when)];
    let camera = pipeline.add_camera(config).unwrap();
    for second in 0..180 {
        clock.advance(Duration::from_secs(1));
        let _ = camera.push(picture(second));
        wait(|| pipeline.stats().account.in_flight == 0);
    }
    wait(|| pipeline.stats().outlets[0].delivered == 1);
    let json = serde_json::to_string_pretty(&events.lock().unwrap()[0]).unwrap();
    let why: Vec<_> = camera.explain(at(100_000), at(140_000)).iter().map(|decision| format!("{decision}\n")).collect();
    let account = serde_json::to_string_pretty(&pipeline.stats().account).unwrap();
    let guide = std::fs::read_to_string(common::repository().join("docs/guide/pipeline.md")).unwrap_or_default();
    let missing: Vec<_> =
        [json, why.concat(), account].into_iter().filter(|example| !guide.contains(example.trim_end())).collect();
    assert!(missing.is_empty(), "docs/guide/pipeline.md should have:\n{}", missing.join("\n----\n"));
}
