//! A sink of one's own that settings can ask for by its kind.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]

use guarita::detection::{Label, Timing};
use guarita::event::{CallbackSink, Condition};
use guarita::frame::Layout;
use guarita::provider::CallbackProviderConfig;
use guarita::registry::{Registry, SinkConfig, SinkKind};
use guarita::{
    BoundingBox, CallbackProvider, CameraConfig, Detection, Detections, Error, ErrorCode, Frame, Pipeline, PixelFormat,
    Result, Sink, Size, TriggerConfig,
};
use guarita_examples::exit_status;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// A siren that is heard for some seconds: its kind in the settings, its fields, and how it is opened.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Siren {
    seconds: u8,
}

impl SinkKind for Siren {
    const KIND: &'static str = "siren";
    fn open(self) -> Result<Box<dyn Sink>> {
        Ok(Box::new(CallbackSink::new(move |event| {
            println!("{} s of siren: {} at {}", self.seconds, event.trigger, event.camera);
        })))
    }
}

/// Opens the sink that the first argument describes (default: `{"kind": "siren", "seconds": 3}`), shows one frame to a pipeline
/// whose provider sees a person in every picture, and ends.
fn main() -> ExitCode {
    let settings = std::env::args().nth(1).unwrap_or_else(|| r#"{"kind": "siren", "seconds": 3}"#.into());
    match run(&settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error {} ({:?}): {error}", error.code().number(), error.code());
            exit_status(&error)
        }
    }
}

fn run(settings: &str) -> Result<()> {
    let registry = Registry::new().with(Registry::add_sink::<Siren>)?;
    let config: SinkConfig =
        serde_json::from_str(settings).map_err(|error| Error::new(ErrorCode::InvalidConfig, error.to_string()))?;
    let sink = registry.open_sink(&config)?;

    let provider = CallbackProvider::new(CallbackProviderConfig::default(), |request| {
        let person = Label { id: 0, name: "person".into() };
        let seen = Detection::new(BoundingBox::from_xyxy(10.0, 10.0, 30.0, 40.0), person, 0.9);
        Ok(request
            .frames
            .iter()
            .map(|frame| Detections::new(vec![seen.clone()], frame.size(), Timing::default()))
            .collect())
    })?;
    let pipeline = Pipeline::builder(Arc::new(provider)).sink_with("siren", sink, Default::default()).build()?;
    let mut camera = CameraConfig { motion: None, ..CameraConfig::new("gate") };
    let when = Condition::Present { classes: vec!["person".into()], zone: None, min_confidence: None };
    camera.triggers = vec![TriggerConfig::new("visitor", when)];
    let gate = pipeline.add_camera(camera)?;
    let gray = Layout::packed(PixelFormat::Gray8, Size::new(64, 48))?;
    let admission = gate.push(Frame::from_owner(vec![128; gray.byte_len()], gray)?);
    if !admission.is_taken() {
        return Err(Error::new(ErrorCode::Internal, format!("the frame was not taken: {admission:?}")));
    }
    pipeline.shutdown(Duration::from_secs(10));
    Ok(())
}
