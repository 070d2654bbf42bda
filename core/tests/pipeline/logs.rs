//! What is told in the log.

use crate::WITHIN;
use crate::account::wait;
use crate::scene::{TestProvider, all_frames, person, raw};
use guarita::event::{CallbackSink, Condition};
use guarita::{ErrorCode, Pipeline, PipelineConfig, TriggerConfig};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

pub(crate) type Line = (Level, String, BTreeMap<String, String>);

/// Events and slow frames of a camera of this name are too much for the log.
pub(crate) const PANICS: &str = "too much for the log";

/// Keeps every line.
struct Log(Arc<Mutex<Vec<Line>>>);

struct Fields(BTreeMap<String, String>);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().into(), value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name().into(), format!("{value:?}"));
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("guarita")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields(BTreeMap::new());
        event.record(&mut fields);
        let message = fields.0.remove("message").unwrap_or_default();
        // Not where a test calls it itself.
        let panics = ["event", "slow frame"].contains(&message.as_str());
        if panics && fields.0.get("camera").is_some_and(|camera| camera == PANICS) {
            panic!("the host's log, on purpose");
        }
        self.0.lock().unwrap().push((*event.metadata().level(), message, fields.0));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The lines of the whole process so far with this message and this field.
pub(crate) fn lines(message: &str, field: &str, value: &str) -> Vec<Line> {
    static LOG: OnceLock<Arc<Mutex<Vec<Line>>>> = OnceLock::new();
    let log = LOG.get_or_init(|| {
        let log = Arc::new(Mutex::new(Vec::new()));
        tracing::subscriber::set_global_default(Log(Arc::clone(&log))).unwrap();
        log
    });
    let log = log.lock().unwrap();
    log.iter().filter(|line| line.1 == message && line.2.get(field).is_some_and(|is| is == value)).cloned().collect()
}

#[test]
fn a_slow_frame_names_the_stage_that_was_slow() {
    lines("", "", "");
    let config = PipelineConfig { slow_frame_s: 0.1, max_in_flight: 1, ..PipelineConfig::default() };
    let slow = |name: &str, provider: Arc<dyn guarita::Provider>, max_age_s: f64, frames: i64| {
        let pipeline = Pipeline::builder(provider).config(config.clone()).build().unwrap();
        let mut config = all_frames(name);
        (config.queue.capacity, config.queue.max_age_s) = (100, max_age_s);
        let camera = pipeline.add_camera(config).unwrap();
        for ms in 0..frames {
            assert!(camera.push(raw(ms)).is_taken());
        }
        wait(|| pipeline.stats().account.outcomes.total() > 0);
        pipeline.shutdown(Duration::ZERO);
    };
    slow("slow provider", Arc::new(TestProvider::new(1, 1, |_| Duration::from_millis(150))), 3600.0, 1);
    let found = lines("slow frame", "camera", "slow provider");
    assert_eq!(found.len(), 1, "{found:?}");
    let (level, _, fields) = &found[0];
    assert_eq!((*level, fields["stage"].as_str(), fields["outcome"].as_str()), (Level::WARN, "provider", "analysed"));
    let of = |name: &str| fields[name].parse::<u64>().unwrap();
    assert!(of("stage_ms") >= 150 && of("age_ms") >= of("stage_ms") && of("untold") == 0, "{fields:?}");
    assert_eq!(fields["pts_ns"], "0");

    // One that dies of old age was slow where it died, though it never came out of there.
    let mute = guarita::testkit::FakeProvider::new("mute").always(guarita::testkit::Step::never());
    slow("slow batch", Arc::new(mute), 0.1, 2);
    let found = lines("slow frame", "camera", "slow batch");
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].2["stage"].as_str(), found[0].2["outcome"].as_str()), ("batch", "dropped_stale"));
}

#[test]
fn failures_are_told_of_once_for_a_burst_with_their_code() {
    lines("", "", "");
    let provider = TestProvider::answering(
        1,
        1,
        |_| Duration::ZERO,
        |request| match request.frames[0].meta().pts.as_nanos() / 1_000_000 % 3 {
            0 => Ok(vec![vec![person(0.9)]]),
            1 => Ok(vec![Vec::new()]),
            _ => Err(guarita::Error::new(ErrorCode::Unavailable, "the log knows me by these words")),
        },
    );
    let pipeline = Pipeline::builder(Arc::new(provider))
        .sink("a sink that panics", CallbackSink::new(|_| panic!("words of a panic")))
        .build()
        .unwrap();
    let mut config = all_frames("told of");
    config.queue.capacity = 100;
    let when = Condition::Present { classes: Vec::new(), zone: None, min_confidence: None };
    let mut trigger = TriggerConfig::new("somebody", when);
    trigger.cooldown_s = 0.0;
    config.triggers = vec![trigger];
    let camera = pipeline.add_camera(config.clone()).unwrap();
    for ms in 0..40 {
        assert!(camera.push(raw(ms)).is_taken());
    }
    wait(|| pipeline.stats().outlets[0].panics == 14);
    camera.update(config).unwrap();
    camera.remove().unwrap();
    pipeline.shutdown(WITHIN);
    let failed = lines("provider failed", "error", "the log knows me by these words");
    assert_eq!(failed.len(), 1, "{failed:?}");
    let fields = &failed[0].2;
    assert_eq!((fields["provider"].as_str(), fields["code"].as_str()), ("test", "Unavailable"));
    let panics = lines("panic in code of the host's", "outlet", "a sink that panics");
    assert_eq!(panics.len(), 1, "{panics:?}");
    let fields = &panics[0].2;
    assert_eq!((fields["code"].as_str(), fields["error"].as_str()), ("Internal", "panic: words of a panic"));
    assert_eq!((failed[0].0, panics[0].0), (Level::WARN, Level::WARN));
    assert_eq!(lines("event", "camera", "told of").len(), 14);
    for message in ["camera added", "camera updated", "camera removed"] {
        assert_eq!(lines(message, "camera", "told of").len(), 1, "{message}");
    }
}
