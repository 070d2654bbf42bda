//! Cases with cameras, a provider of the host's, and time that is moved by hand.

use super::machines::damaged;
use super::plain::told;
use super::{Answer, config, detections, each_step, get, picture, span, timestamp};
use guarita::clock::{Clock, ManualClock, UnixTime};
use guarita::detection::Timing;
use guarita::event::CallbackSink;
use guarita::frame::FrameMeta;
use guarita::pipeline::{Account, Admission, EncodedFrame, PipelineCheckpoint};
use guarita::provider::{CallbackProviderConfig, Request};
use guarita::{CallbackProvider, CameraConfig, Detections, Event, Frame, Pipeline};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Far longer than anything here takes.
const WITHIN: Duration = Duration::from_secs(30);

/// A pipeline as a case describes it, with its clock, and what its sink was given.
struct Stage {
    input: Value,
    clock: Arc<ManualClock>,
    told: Arc<Mutex<Vec<Event>>>,
    pipeline: Pipeline,
}

impl Stage {
    fn new(input: &Value) -> guarita::Result<Self> {
        let clock = Arc::new(ManualClock::new(UnixTime::from_secs(get(input, "unix_s"))));
        let told = Arc::default();
        let pipeline = start(input, &clock, &told, None)?;
        Ok(Self { input: input.clone(), clock, told, pipeline })
    }

    /// Ends the pipeline as a kill does, after what it knows was written down; another one goes on with that.
    fn restart(&mut self, step: &Value) -> guarita::Result<()> {
        let kept = self.pipeline.checkpoint().to_bytes();
        let checkpoint = PipelineCheckpoint::from_bytes(&damaged(&kept, step))?;
        self.pipeline = start(&self.input, &self.clock, &self.told, Some(checkpoint))?;
        Ok(())
    }

    /// Waits until every frame has ended and every event is delivered.
    fn settle(&self) {
        let begun = Instant::now();
        loop {
            let stats = self.pipeline.stats();
            let idle = |outlet: &guarita::event::OutletStats| outlet.waiting == 0 && outlet.in_hand == 0;
            if stats.account.in_flight == 0 && stats.outlets.iter().all(idle) {
                return;
            }
            assert!(begun.elapsed() < WITHIN, "frames are still on their way: {:?}", stats.account);
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn push(&self, step: &Value) -> Answer {
        self.clock.advance(span(get(step, "wait_s")));
        self.pipeline.on_time();
        let camera = self.pipeline.camera(&get::<String>(step, "camera"))?;
        let meta = FrameMeta { pts: timestamp(get(step, "pts_s")), ..FrameMeta::default() };
        let shown = &step["picture"];
        // Encoded ones are decoded by whoever looks at them.
        let admission = if picture::is_encoded(shown) {
            camera.push(EncodedFrame::from_owner(picture::encoded(shown), meta))
        } else {
            camera.push(picture::frame(shown)?.with_meta(meta))
        };
        self.settle();
        match admission {
            Admission::Taken => Ok(json!({ "taken": true, "outcome": null })),
            Admission::Ended(outcome) => Ok(json!({ "taken": false, "outcome": outcome })),
            Admission::Refused(error) => Err(error),
        }
    }

    fn accounts(&self) -> Value {
        let stats = self.pipeline.stats();
        stats.cameras.iter().map(|camera| (camera.id.to_string(), account(&camera.account))).collect::<Value>()
    }

    fn explain(&self, step: &Value) -> Answer {
        let camera = self.pipeline.camera(&get::<String>(step, "camera"))?;
        Ok(json!(camera.explain(timestamp(get(step, "from_s")), timestamp(get(step, "to_s")))))
    }

    fn step(&mut self, step: &Value) -> Answer {
        let camera = || self.pipeline.camera(&get::<String>(step, "camera"));
        match get::<String>(step, "op").as_str() {
            "push" => return self.push(step),
            "add_camera" => drop(self.pipeline.add_camera(config(&step["config"])?)?),
            "update" => camera()?.update(config(&step["config"])?)?,
            "remove" => return camera()?.remove().map(|left| account(&left)),
            "pause" if step["camera"].is_null() => self.pipeline.pause(),
            "resume" if step["camera"].is_null() => self.pipeline.resume(),
            "pause" => camera()?.pause(),
            "resume" => camera()?.resume(),
            "accounts" => return Ok(self.accounts()),
            "account" => return Ok(account(&self.pipeline.stats().account)),
            "explain" => return self.explain(step),
            "events" => return Ok(json!(std::mem::take(&mut *self.told.lock().unwrap()))),
            "health" => return Ok(json!(self.pipeline.health())),
            "restart" => self.restart(step)?,
            "shutdown" => return Ok(json!(self.pipeline.shutdown(WITHIN))),
            // It ends with the case.
            "close" => {}
            other => panic!("no op {other}"),
        }
        Ok(Value::Null)
    }
}

fn start(
    input: &Value,
    clock: &Arc<ManualClock>,
    told: &Arc<Mutex<Vec<Event>>>,
    checkpoint: Option<PipelineCheckpoint>,
) -> guarita::Result<Pipeline> {
    let answers = input["answers"].clone();
    let labels = get(input, "labels");
    let named = CallbackProviderConfig { name: "host".into(), labels, ..CallbackProviderConfig::default() };
    let clock = Arc::clone(clock) as Arc<dyn Clock>;
    let provider = CallbackProvider::with_clock(named, clock, move |request| look(&answers, request))?;
    let told = Arc::clone(told);
    let sink = CallbackSink::new(move |event: &Event| told.lock().unwrap().push(event.clone()));
    // Faces have one more, which fills their streams of events.
    let streams = CallbackSink::new(|_: &Event| ());
    let builder = Pipeline::builder(Arc::new(provider)).config(config(&input["config"])?);
    let mut builder = builder.sink("events", streams).sink("host", sink);
    if let Some(checkpoint) = checkpoint {
        builder = builder.restore(checkpoint);
    }
    let pipeline = builder.build()?;
    for camera in get::<Vec<Value>>(input, "cameras") {
        pipeline.add_camera(config::<CameraConfig>(&camera)?)?;
    }
    Ok(pipeline)
}

/// What the case says of each frame, by its camera and time.
fn look(answers: &Value, request: &Request) -> guarita::Result<Vec<Detections>> {
    let one = |frame: &Frame| {
        let of = format!("{} {}", frame.meta().camera, frame.meta().pts.as_nanos());
        let said = answers.get(&of).unwrap_or_else(|| panic!("no answer for {of}"));
        if said.get("code").is_some() {
            return Err(told(said));
        }
        Ok(Detections::new(detections(said, "detections"), frame.size(), Timing::default()))
    };
    request.frames.iter().map(one).collect()
}

fn account(account: &Account) -> Value {
    assert!(account.balances(), "{account:?}");
    json!(account)
}

pub(crate) fn pipeline(input: &Value) -> Answer {
    let mut stage = Stage::new(input)?;
    Ok(each_step(input, |step| stage.step(step)))
}
