//! Who steps onto the tracks? A detector, a zone, a trigger, and a recording in place of a camera.
#![allow(clippy::print_stdout, reason = "a program for a terminal")]

use guarita::event::{CallbackSink, Condition};
use guarita::pipeline::RunFileConfig;
use guarita::provider::LocalProviderConfig;
use guarita::{CameraConfig, Detector, DetectorConfig, LocalProvider, Pipeline, Polygon, TriggerConfig, Zone};
use std::{ops::ControlFlow::Continue, sync::Arc, time::Duration};

fn main() -> guarita::Result<()> {
    let detector = Detector::open_file(".models/coco_ssd_mobilenet_v2.onnx", DetectorConfig::default())?;
    let provider = LocalProvider::new(detector, LocalProviderConfig::default())?;
    let print = CallbackSink::new(|event| {
        println!("{:5.1} s  {}: {}", event.pts.as_secs_f64(), event.trigger, event.why);
    });
    let pipeline = Pipeline::builder(Arc::new(provider)).sink("print", print).build()?;
    let mut street = CameraConfig::new("street");
    street.fps = 2.0; // frames to look at in a second
    street.motion = None; // no motion gate: this camera rides on a cable car; one that stands still keeps it
    street.zones = vec![Zone::new("tracks", Polygon::new([[0.42, 0.45], [0.52, 0.45], [0.63, 1.0], [0.27, 1.0]])?)];
    let enter = Condition::Enter { classes: vec!["person".into()], zone: "tracks".into() };
    street.triggers = vec![TriggerConfig::new("steps", enter)];
    let end = pipeline.run_file(".clips/market_street.mp4", RunFileConfig::new(street), |_| Continue(()))?;
    pipeline.shutdown(Duration::from_secs(10)); // delivers what waits
    println!("{} frames, {} dropped, {} events", end.account.pushed, end.account.outcomes.dropped(), end.events);
    Ok(())
}
