//! What a host gets wrong: a typed error or an outcome, and the others go on.

use crate::WITHIN;
use crate::account::wait;
use crate::scene::{TestProvider, all_frames, jpeg, meta, raw};
use guarita::event::Condition;
use guarita::pipeline::{Admission, EncodedFrame, Outcome, QueueConfig, QueuePolicy};
use guarita::provider::{Priority, Want};
use guarita::{CameraConfig, ErrorCode, MotionGateConfig, Pipeline, PipelineConfig, Polygon, TriggerConfig, Zone};
use std::sync::Arc;
use std::time::Duration;

fn pipeline() -> Pipeline {
    Pipeline::builder(Arc::new(TestProvider::new(1, 1, |_| Duration::ZERO))).build().unwrap()
}

#[test]
fn configs_that_cannot_be() {
    let pipeline = pipeline();
    let refuse = |change: &dyn Fn(&mut CameraConfig), word: &str, code: ErrorCode| {
        let mut config = CameraConfig::new("one");
        change(&mut config);
        let error = pipeline.add_camera(config).unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().contains(word), "{word}: {error}");
    };
    let bad = ErrorCode::InvalidConfig;
    refuse(&|config| config.id = guarita::CameraId::new(""), "id", bad);
    refuse(&|config| config.id = guarita::CameraId::new(&"x".repeat(257)), "id", bad);
    refuse(&|config| config.fps = f64::NAN, "fps", bad);
    refuse(&|config| config.fps = -1.0, "fps", bad);
    refuse(&|config| config.queue.capacity = 0, "queue.capacity", bad);
    refuse(&|config| config.queue.max_age_s = f64::INFINITY, "queue.max_age_s", bad);
    refuse(&|config| config.look.min_confidence = 1.5, "look.min_confidence", bad);
    refuse(
        &|config| config.look.class_confidence.extend([("cat".to_owned(), f32::NAN)]),
        "look.class_confidence.cat",
        bad,
    );
    refuse(&|config| config.queue.policy = Some(QueuePolicy::NeverDropCritical), "queue.policy", bad);
    refuse(&|config| config.host_triggers = vec!["none".into()], "none", bad);
    refuse(
        &|config| config.motion = Some(MotionGateConfig { history_s: 0.0, ..Default::default() }),
        "motion.history_s",
        bad,
    );
    refuse(&|config| config.cache.ttl_s = f64::NAN, "ttl_s", bad);
    refuse(&|config| config.confirmation.k = 0, "k", bad);
    refuse(&|config| (config.fps, config.confirmation.k, config.confirmation.n) = (0.1, 2, 3), "max_gap_s", bad);
    // What is remembered from frame to frame is forgotten before the next one comes.
    let slow = |fps: f64, when: Condition, for_s: f64| {
        move |config: &mut CameraConfig| {
            config.fps = fps;
            config.zones = vec![Zone::new("yard", Polygon::new([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]).unwrap())];
            let mut trigger = TriggerConfig::new("slow", Condition::Not(Box::new(when.clone())));
            trigger.for_s = for_s;
            config.triggers = vec![trigger];
        }
    };
    let present = Condition::Present { classes: vec![], zone: None, min_confidence: None };
    let absent = Condition::Absent { classes: vec![], zone: None, for_s: 600.0 };
    let leave = Condition::Leave { classes: vec![], zone: "yard".into() };
    refuse(&slow(0.2, leave.clone(), 0.0), "confirmation.max_gap_s is 5, and frames are 5 s apart", bad);
    refuse(&slow(0.01, absent.clone(), 0.0), "trigger \"slow\": max_gap_s is 60", bad);
    refuse(&slow(0.01, present.clone(), 1.0), "set it to 300 or more", bad);
    for change in [slow(0.01, present, 0.0), slow(0.02, absent, 0.0), slow(0.3, leave, 0.0)] {
        let mut config = CameraConfig::new("slow");
        change(&mut config);
        config.validate().unwrap();
    }
    refuse(&|config| config.look.want = Want::Text, "text", ErrorCode::Unsupported);
    let zone = || Zone::new("door", Polygon::new([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]).unwrap());
    refuse(&|config| config.zones = vec![zone(), zone()], "door", bad);
    let enter = || TriggerConfig::new("in", Condition::Enter { classes: vec![], zone: "yard".into() });
    refuse(&|config| (config.zones, config.triggers) = (vec![zone()], vec![enter()]), "yard", bad);
    // None of them left anything behind.
    pipeline.add_camera(CameraConfig::new("one")).unwrap();
    refuse(&|_| {}, "already", bad);
    assert_eq!(pipeline.camera("two").unwrap_err().code(), ErrorCode::NotFound);
    let one = pipeline.camera("one").unwrap();
    assert_eq!(one.update(CameraConfig::new("two")).unwrap_err().code(), bad);
}

#[test]
fn pipelines_that_cannot_be() {
    let build = |config| {
        let provider = Arc::new(TestProvider::new(1, 1, |_| Duration::ZERO));
        Pipeline::builder(provider).config(config).build().unwrap_err()
    };
    let base = PipelineConfig::default;
    for (config, word) in [
        (PipelineConfig { threads: 1000, ..base() }, "threads"),
        (PipelineConfig { max_bytes: 0, ..base() }, "max_bytes"),
        (PipelineConfig { batch_wait_s: f64::NAN, ..base() }, "batch_wait_s"),
        (PipelineConfig { provider_timeout_s: 0.0, ..base() }, "provider_timeout_s"),
    ] {
        let error = build(config);
        assert!(error.code() == ErrorCode::InvalidConfig && error.to_string().contains(word), "{error}");
    }
    let provider = Arc::new(TestProvider::new(1, 1, |_| Duration::ZERO));
    let twice = Pipeline::builder(provider).on_result("a", |_| {}).on_result("a", |_| {}).build();
    assert!(twice.unwrap_err().to_string().contains("\"a\""));
}

#[test]
fn a_config_with_an_unknown_field_names_it() {
    let error = serde_json::from_str::<CameraConfig>(r#"{ "id": "a", "fsp": 2.0 }"#).unwrap_err();
    assert!(error.to_string().contains("fsp"), "{error}");
    let config = CameraConfig::new("a");
    let json = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<CameraConfig>(&json).unwrap(), config);
}

#[test]
fn pictures_that_are_none() {
    let pipeline = pipeline();
    let camera = pipeline
        .add_camera(CameraConfig {
            queue: QueueConfig { capacity: 100, ..QueueConfig::default() },
            fps: 0.0,
            ..CameraConfig::new("one")
        })
        .unwrap();
    let whole = jpeg(0).bytes().to_vec();
    let mut failed = 0;
    for (ms, bytes) in
        [Vec::new(), b"GIF89a".to_vec(), whole[..whole.len() / 2].to_vec(), vec![0xFF; 100_000], vec![0xFF, 0xD8]]
            .into_iter()
            .enumerate()
    {
        assert!(camera.push(EncodedFrame::from_owner(bytes, meta(ms as i64))).is_taken());
        failed += 1;
    }
    assert!(camera.push(jpeg(100)).is_taken());
    let report = pipeline.shutdown(WITHIN);
    assert!(report.drained && report.account.balances());
    assert_eq!(report.account.outcomes.failed(), failed, "{:?}", report.account);
    assert_eq!(report.account.outcomes.get(Outcome::Failed(ErrorCode::Internal)), 0);
    assert_eq!(camera.stats().last_failure.map(|(code, _)| code), Some(ErrorCode::DataCorrupt));
}

#[test]
fn time_that_goes_back_is_told_and_a_new_origin_is_taken() {
    let pipeline = pipeline();
    let camera = pipeline.add_camera(all_frames("one")).unwrap();
    assert!(camera.push(raw(100_000)).is_taken());
    for ms in [100_000, 99_500] {
        let Admission::Ended(outcome) = camera.push(raw(ms)) else { panic!("taken") };
        assert_eq!(outcome, Outcome::Failed(ErrorCode::InvalidArgument));
    }
    assert!(camera.push(raw(0)).is_taken());
    assert!(camera.push(raw(i64::MIN)).is_taken());
    assert!(camera.push(raw(i64::MAX)).is_taken());
    let report = pipeline.shutdown(WITHIN);
    assert!(report.drained && report.account.balances());
}

#[test]
fn used_after_the_end() {
    let pipeline = pipeline();
    let camera = pipeline.add_camera(all_frames("one")).unwrap();
    assert!(camera.push(raw(0)).is_taken());
    assert!(pipeline.shutdown(WITHIN).drained);
    assert!(matches!(camera.push(raw(1)), Admission::Refused(error) if error.code() == ErrorCode::InvalidState));
    assert_eq!(pipeline.add_camera(all_frames("two")).unwrap_err().code(), ErrorCode::InvalidState);
    let again = pipeline.shutdown(Duration::ZERO);
    assert_eq!((again.account.pushed, again.account.in_flight), (1, 0));
    assert!(!pipeline.health().live);
    drop(pipeline);
    assert!(matches!(camera.push(raw(2)), Admission::Refused(_)));
    assert_eq!(camera.stats().account.pushed, 1);
    camera.update(all_frames("one")).unwrap();
    camera.remove().unwrap();
}

#[test]
fn a_provider_that_never_answers() {
    use guarita::testkit::{FakeProvider, Step};
    let provider = FakeProvider::new("mute").always(Step::never());
    let config = PipelineConfig { provider_timeout_s: 0.05, max_in_flight: 2, ..PipelineConfig::default() };
    let pipeline = Pipeline::builder(Arc::new(provider)).config(config).build().unwrap();
    let mut config = all_frames("one");
    (config.queue.max_age_s, config.queue.capacity) = (0.1, 100);
    let camera = pipeline.add_camera(config).unwrap();
    for ms in 0..20 {
        assert!(camera.push(raw(ms)).is_taken());
    }
    wait(|| pipeline.stats().account.in_flight == 0);
    let stats = pipeline.stats();
    assert!(stats.account.balances());
    // Two places, which stay taken: no frame is kept for a provider that is mute.
    assert_eq!(stats.account.outcomes.get(Outcome::Failed(ErrorCode::DeadlineExceeded)), 2, "{:?}", stats.account);
    assert_eq!((stats.account.outcomes.dropped(), stats.overdue), (18, 2));
    assert!(pipeline.health().degraded.iter().any(|why| why.contains("mute")), "{:?}", pipeline.health());

    let report = pipeline.shutdown(WITHIN);
    assert!(report.drained && report.account.balances());
}

#[test]
fn a_shutdown_that_cannot_wait() {
    use guarita::testkit::{FakeProvider, Step};
    let pipeline = Pipeline::builder(Arc::new(FakeProvider::new("mute").always(Step::never()))).build().unwrap();
    let mut config = all_frames("one");
    (config.priority, config.queue.capacity) = (Priority::Critical, 100);
    let camera = pipeline.add_camera(config).unwrap();
    for ms in 0..20 {
        assert!(camera.push(raw(ms)).is_taken());
    }
    let begun = std::time::Instant::now();
    let report = pipeline.shutdown(Duration::from_millis(50));
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert!(!report.drained && report.account.balances());
    assert_eq!((report.account.in_flight, report.account.outcomes.dropped()), (0, 20), "{:?}", report.account);
}
