//! Classes that a camera counts, and what the provider can find.

use crate::account::wait;
use crate::scene::{all_frames, raw};
use guarita::detection::{Label, Timing};
use guarita::provider::Request;
use guarita::testkit::FakeProvider;
use guarita::{BoundingBox, Detection, Detections, Frame, Pipeline};
use std::sync::Arc;

/// Finds a forklift in every picture, and does not say what it can find.
fn finds_forklifts(request: &Request) -> guarita::Result<Vec<Detections>> {
    let look = |frame: &Frame| {
        let label = Label { id: Label::UNNUMBERED, name: "forklift".into() };
        let found = Detection::new(BoundingBox::from_xyxy(1.0, 1.0, 9.0, 9.0), label, 0.9);
        Detections::new(vec![found], frame.size(), Timing::default())
    };
    Ok(request.frames.iter().map(look).collect())
}

#[test]
fn what_may_be_a_slip_is_said_until_it_is_found() {
    let provider = FakeProvider::new("cloud").answering(finds_forklifts);
    let pipeline = Pipeline::builder(Arc::new(provider)).build().unwrap();
    let mut config = all_frames("yard");
    config.look.classes = ["person", "persn", "forklift"].map(String::from).to_vec();
    let camera = pipeline.add_camera(config.clone()).unwrap();
    let said = || pipeline.health().degraded;
    assert_eq!(said().len(), 2, "{:?}", said());
    assert!(
        said()[0].contains("camera yard: look.classes: cloud does not say whether it can find \"persn\""),
        "{:?}",
        said()
    );
    assert!(said()[0].ends_with("is \"person\" meant?"), "{:?}", said());
    assert!(pipeline.health().ready);

    assert!(camera.push(raw(0)).is_taken());
    wait(|| pipeline.stats().account.in_flight == 0);
    assert!(said().len() == 1 && said()[0].contains("persn"), "{:?}", said());

    config.look.classes.retain(|class| class != "persn");
    camera.update(config).unwrap();
    assert_eq!(said(), [""; 0]);
}
