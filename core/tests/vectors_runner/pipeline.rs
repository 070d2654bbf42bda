//! Suites with cameras, a provider of the host's, and time that is moved by hand: pipeline and replay.

use super::machines::{damaged, observe};
use super::plain::told;
use super::{Answer, config, detections, each_step, find, get, object_json, picture, seconds, times, timestamp};
use guarita::clock::{Clock, ManualClock, UnixTime};
use guarita::detection::Timing;
use guarita::event::CallbackSink;
use guarita::frame::FrameMeta;
use guarita::pipeline::{Account, Admission, Decision, EncodedFrame, PipelineCheckpoint};
use guarita::provider::{CallbackProviderConfig, Request};
use guarita::{CallbackProvider, CameraConfig, Detections, Event, Frame, MotionGate, Pipeline};
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
        let clock = Arc::new(ManualClock::new(UnixTime::from_secs(find(input, "unix_s").unwrap_or(0))));
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

    /// Moves time on to this second, and has done what is due then.
    fn go_to(&self, at: f64) {
        self.clock.advance(timestamp(at) - self.clock.now());
        self.pipeline.on_time();
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
        let camera = self.pipeline.camera(&get::<String>(step, "camera"))?;
        let mut answer = Value::Null;
        for (turn, at) in times(step) {
            self.go_to(at);
            let meta = FrameMeta { pts: timestamp(find(step, "pts_s").unwrap_or(at)), ..FrameMeta::default() };
            let shown = &step["picture"];
            let admission = if picture::is_encoded(shown) {
                camera.push(EncodedFrame::from_owner(picture::encoded(shown), meta))
            } else {
                camera.push(picture::draw(shown, turn, meta)?)
            };
            answer = match admission {
                Admission::Taken => json!({ "admission": "taken", "outcome": null }),
                Admission::Ended(outcome) => json!({ "admission": "ended", "outcome": outcome }),
                Admission::Refused(error) => return Err(error),
            };
            self.settle();
        }
        Ok(answer)
    }

    fn accounts(&self) -> Value {
        let stats = self.pipeline.stats();
        stats.cameras.iter().map(|camera| (camera.id.to_string(), account(&camera.account))).collect::<Value>()
    }

    fn explain(&self, step: &Value) -> Answer {
        let camera = self.pipeline.camera(&get::<String>(step, "camera"))?;
        let (from, to) = (find(step, "from_s").unwrap_or(0.0), find(step, "to_s").unwrap_or(1e6));
        Ok(camera.explain(timestamp(from), timestamp(to)).iter().map(decision).collect())
    }

    fn step(&mut self, step: &Value) -> Answer {
        let camera = || self.pipeline.camera(&get::<String>(step, "camera"));
        match get::<String>(step, "op").as_str() {
            "push" => return self.push(step),
            "go_to" => self.go_to(get(step, "at_s")),
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
            "events" => {
                self.settle();
                return Ok(std::mem::take(&mut *self.told.lock().unwrap()).iter().map(event).collect());
            }
            "health" => {
                let health = self.pipeline.health();
                return Ok(json!({ "live": health.live, "ready": health.ready }));
            }
            "restart" => self.restart(step)?,
            "shutdown" => {
                let report = self.pipeline.shutdown(WITHIN);
                return Ok(json!({ "drained": report.drained, "account": account(&report.account) }));
            }
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
    let answers: Vec<Value> = find(input, "answers").unwrap_or_default();
    let labels = find(input, "labels").unwrap_or_default();
    let named = CallbackProviderConfig { name: "host".into(), labels, ..CallbackProviderConfig::default() };
    let clock = Arc::clone(clock) as Arc<dyn Clock>;
    let provider = CallbackProvider::with_clock(named, clock, move |request| look(&answers, request))?;
    let told = Arc::clone(told);
    let sink = CallbackSink::new(move |event: &Event| told.lock().unwrap().push(event.clone()));
    let mut builder = Pipeline::builder(Arc::new(provider)).config(config(&input["config"])?).sink("host", sink);
    if let Some(checkpoint) = checkpoint {
        builder = builder.restore(checkpoint);
    }
    let pipeline = builder.build()?;
    for camera in find::<Vec<Value>>(input, "cameras").unwrap_or_default() {
        pipeline.add_camera(config::<CameraConfig>(&camera)?)?;
    }
    Ok(pipeline)
}

/// What the host's provider says: the first answer for this camera whose time holds the frame's.
fn look(answers: &[Value], request: &Request) -> guarita::Result<Vec<Detections>> {
    let one = |frame: &Frame| {
        let (camera, at) = (frame.meta().camera.as_str(), seconds(frame.meta().pts));
        let holds = |answer: &&Value| {
            let named: Option<String> = find(answer, "camera");
            let (from, to) = (find(answer, "from_s").unwrap_or(0.0), find(answer, "to_s").unwrap_or(1e9));
            named.is_none_or(|named| named == camera) && (from - 1e-9..=to + 1e-9).contains(&at)
        };
        let items = match answers.iter().find(holds) {
            Some(answer) if answer.get("code").is_some() => return Err(told(answer)),
            Some(answer) => detections(answer, "detections"),
            None => Vec::new(),
        };
        Ok(Detections::new(items, frame.size(), Timing::default()))
    };
    request.frames.iter().map(one).collect()
}

fn account(account: &Account) -> Value {
    assert!(account.balances(), "{account:?}");
    json!({ "pushed": account.pushed, "in_flight": account.in_flight, "outcomes": account.outcomes })
}

fn decision(one: &Decision) -> Value {
    json!({
        "from_s": seconds(one.from),
        "to_s": seconds(one.to),
        "frames": one.frames,
        "outcome": one.outcome,
        "gate": one.gate,
        "open": one.open,
        "ignored": one.ignored,
        "luma": one.luma,
        "found": one.found,
        "counted": one.counted,
        "events": one.events,
    })
}

fn event(event: &Event) -> Value {
    let picture = event.picture.as_ref().map(|picture| {
        // What it is can be told from its first bytes; how many there are is the encoder's affair.
        json!({ "is_jpeg": picture.jpeg.starts_with(&[0xFF, 0xD8]), "region": picture.region.to_array() })
    });
    json!({
        "id": event.id,
        "camera": event.camera,
        "trigger": event.trigger,
        "pts_s": seconds(event.pts),
        "time_s": event.time.as_secs(),
        "zone": event.zone,
        "why": event.why,
        "frame": [event.frame.width, event.frame.height],
        "objects": event.objects.iter().map(object_json).collect::<Vec<_>>(),
        "picture": picture,
        // As sinks write it.
        "json": event,
    })
}

pub(crate) fn pipeline(input: &Value) -> Answer {
    let mut stage = Stage::new(input)?;
    Ok(each_step(input, |step| stage.step(step)))
}

/// Goes through the steps once without a break, and once more for each list of `cuts`, with a restart before each of these
/// steps: the end must be the same.
pub(crate) fn replay(input: &Value) -> Answer {
    let cuts: Vec<Vec<usize>> = find(input, "cuts").unwrap_or_default();
    let run = |cuts: &[usize]| match get::<String>(input, "machine").as_str() {
        "gate" => gate(input, cuts),
        _ => scene(input, cuts),
    };
    let whole = run(&[])?;
    for cuts in &cuts {
        let parts = run(cuts)?;
        assert!(parts == whole, "cut before the steps {cuts:?}: {parts}, not {whole}");
    }
    Ok(whole)
}

fn scene(input: &Value, cuts: &[usize]) -> Answer {
    let mut stage = Stage::new(input)?;
    let mut admissions = Vec::new();
    for (at, step) in get::<Vec<Value>>(input, "steps").iter().enumerate() {
        if cuts.contains(&at) {
            stage.restart(&json!({}))?;
        }
        admissions.push(stage.step(step)?);
    }
    stage.settle();
    let cameras: Vec<_> = stage.pipeline.cameras().iter().map(|camera| camera.id().to_string()).collect();
    let decisions: Vec<Value> =
        cameras.iter().map(|id| stage.explain(&json!({ "camera": id }))).collect::<Result<_, _>>()?;
    let events: Vec<Value> = stage.told.lock().unwrap().iter().map(event).collect();
    Ok(json!({ "accounts": stage.accounts(), "events": events, "admissions": admissions, "decisions": decisions }))
}

fn gate(input: &Value, cuts: &[usize]) -> Answer {
    let mut gate = MotionGate::new(config(&input["config"])?)?;
    let mut answers = Vec::new();
    for (at, step) in get::<Vec<Value>>(input, "steps").iter().enumerate() {
        if cuts.contains(&at) {
            let kept = gate.snapshot();
            gate = MotionGate::new(config(&input["config"])?)?;
            gate.restore(&kept)?;
        }
        answers.push(observe(&mut gate, step)?);
    }
    Ok(json!({ "answers": answers }))
}
