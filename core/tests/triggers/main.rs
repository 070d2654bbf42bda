//! Built-in triggers as a pipeline drives them: scene by scene, on time that the test makes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test")]

mod conditions;
mod config;
mod model;
mod time;

use guarita::clock::UnixTime;
use guarita::detection::Label;
use guarita::event::{Firing, Scene, TriggerMachine};
use guarita::tracking::{Object, ObjectId};
use guarita::{BoundingBox, CameraId, Detection, Polygon, Size, Timestamp, Trigger, TriggerConfig, Zone};

const SIZE: Size = Size::new(100, 100);

/// The left half, the right half, and a part of the right one.
fn zones() -> Vec<Zone> {
    let zone = |name, from: f32, to: f32| {
        Zone::new(name, Polygon::new([[from, 0.0], [to, 0.0], [to, 1.0], [from, 1.0]]).unwrap())
    };
    vec![zone("yard", 0.0, 0.5), zone("door", 0.5, 1.0), zone("desk", 0.8, 1.0)]
}

fn at(seconds: f64) -> Timestamp {
    Timestamp::from_nanos((seconds * 1e9).round() as i64)
}

/// An object whose feet are at this column, seen first at this time.
fn object(id: u64, class: &str, x: f32, confidence: f32, since: f64) -> Object {
    let label = Label { id: 0, name: class.into() };
    let bbox = BoundingBox::from_xyxy(x - 4.0, 40.0, x + 4.0, 60.0);
    Object::new(ObjectId(id), Detection::new(bbox, label, confidence), at(since))
}

fn person(id: u64, x: f32) -> Object {
    object(id, "person", x, 0.83, 0.0)
}

/// A trigger from the text of its config, without its name.
fn trigger(text: &str) -> TriggerMachine {
    try_trigger(text).unwrap()
}

fn try_trigger(text: &str) -> guarita::Result<TriggerMachine> {
    TriggerMachine::new(config(text), &zones())
}

fn config(text: &str) -> TriggerConfig {
    toml::from_str(&format!("name = \"test\"\n{text}")).unwrap()
}

fn look(trigger: &mut TriggerMachine, seconds: f64, objects: &[Object]) -> Option<Firing> {
    look_at(trigger, at(seconds), UnixTime::from_secs(0), objects)
}

fn look_at(trigger: &mut TriggerMachine, pts: Timestamp, time: UnixTime, objects: &[Object]) -> Option<Firing> {
    trigger.observe(&Scene::new(&CameraId::new("gate"), pts, SIZE, objects).with_time(time))
}

/// Nothing moved since the last scene.
fn still(trigger: &mut TriggerMachine, seconds: f64, objects: &[Object]) -> Option<Firing> {
    trigger.observe(&Scene::new(&CameraId::new("gate"), at(seconds), SIZE, objects).unchanged())
}

fn why(fired: Option<Firing>) -> String {
    fired.map(|fired| fired.why).unwrap_or_default()
}
