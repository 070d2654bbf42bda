//! A process that is killed while a receiver is slow.

use super::Folder;
use guarita::detection::Label;
use guarita::event::{Condition, Delivery, DeliveryError, JsonLinesConfig, JsonLinesSink, OutletConfig, deliver_each};
use guarita::frame::{FrameMeta, Layout};
use guarita::pipeline::PipelineCheckpoint;
use guarita::testkit::FakeProvider;
use guarita::{
    BoundingBox, CameraConfig, Detection, Detections, Event, Frame, Pipeline, PixelFormat, Sink, Size, Timestamp,
    TriggerConfig,
};
use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

const INSIDE: &str = "GUARITA_TEST_DELIVERY";
const EVENTS: usize = 600;
/// The time that the receiver takes for each event.
const SLOW: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(120);

/// Takes its time, and then knows the event for good.
struct Slow(fs::File);

impl Sink for Slow {
    fn deliver(&mut self, batch: &[Delivery]) -> Result<(), DeliveryError> {
        deliver_each(batch, |delivery| {
            std::thread::sleep(SLOW);
            self.0.write_all(format!("{}\n", delivery.id()).as_bytes()).unwrap();
            Ok(())
        })
    }

    fn max_batch(&self) -> usize {
        20
    }
}

fn log(path: &Path) -> fs::File {
    fs::OpenOptions::new().create(true).append(true).open(path).unwrap()
}

/// A pipeline that finds somebody in every other frame.
fn pipeline(folder: &Path, checkpoint: Option<PipelineCheckpoint>) -> Pipeline {
    let provider = FakeProvider::new("blinking").answering(|request| {
        let look = |frame: &Frame| {
            let there = frame.meta().pts.as_nanos() % 2_000_000 == 0;
            let person = Label { id: 0, name: "person".into() };
            let found = there.then(|| Detection::new(BoundingBox::from_xyxy(2.0, 2.0, 10.0, 14.0), person, 0.9));
            Detections::new(found.into_iter().collect(), frame.size(), Default::default())
        };
        Ok(request.frames.iter().map(look).collect())
    });
    let lines = JsonLinesSink::open(folder.join("events.jsonl"), JsonLinesConfig::default()).unwrap();
    let outlet = OutletConfig { capacity: 10_000, ..OutletConfig::default() };
    let mut builder = Pipeline::builder(Arc::new(provider))
        .sink_with("lines", Box::new(lines), outlet.clone())
        .sink_with("slow", Box::new(Slow(log(&folder.join("slow.log")))), outlet);
    if let Some(checkpoint) = checkpoint {
        builder = builder.restore(checkpoint);
    }
    builder.build().unwrap()
}

fn camera() -> CameraConfig {
    let mut config = CameraConfig::new("gate-7");
    (config.fps, config.motion, config.cache.capacity, config.queue.max_age_s) = (0.0, None, 0, 3600.0);
    config.queue.capacity = 1000;
    config.epoch_s = Some(1_700_000_000);
    let when = Condition::Present { classes: vec!["person".into()], zone: None, min_confidence: None };
    let mut trigger = TriggerConfig::new("somebody", when);
    trigger.cooldown_s = 0.0;
    config.triggers = vec![trigger];
    config
}

fn inside(folder: &Path) {
    let pipeline = pipeline(folder, None);
    let camera = pipeline.add_camera(camera()).unwrap();
    let layout = Layout::packed(PixelFormat::Gray8, Size::new(16, 16)).unwrap();
    for ms in 0..2 * EVENTS as i64 {
        let meta = FrameMeta { pts: Timestamp::from_millis(ms), ..FrameMeta::default() };
        let frame = Frame::from_owner(vec![100; 256], layout.clone()).unwrap().with_meta(meta);
        assert!(camera.push(frame).is_taken());
        while pipeline.stats().account.in_flight > 100 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    loop {
        // The checkpoint first: what it counts as delivered must be there, whatever happens from here on.
        let checkpoint = pipeline.checkpoint();
        fs::write(folder.join("checkpoint.new"), checkpoint.to_bytes()).unwrap();
        fs::rename(folder.join("checkpoint.new"), folder.join("checkpoint")).unwrap();
        if pipeline.stats().account.in_flight == 0 {
            println!("all are told of");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn ids(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
}

fn events(path: &Path) -> Vec<String> {
    // What a killed process was writing has no end of line, and is mended when the file is opened again.
    let text = fs::read_to_string(path).unwrap();
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().map(|line| serde_json::from_str::<Event>(line).expect(line).id.to_string()).collect()
}

#[test]
fn what_a_killed_process_has_not_delivered_is_delivered_by_the_next() {
    if let Some(folder) = std::env::var_os(INSIDE) {
        return inside(Path::new(&folder));
    }
    let folder = Folder::new("killed");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "killed::what_a_killed_process_has_not_delivered_is_delivered_by_the_next", "--nocapture"])
        .env(INSIDE, &folder.0)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    use std::io::{BufRead, BufReader};
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    // Twice: the checkpoint before the second time was made after all were told of.
    assert_eq!(lines.by_ref().filter(|line| line.contains("all are told of")).take(2).count(), 2);
    child.kill().unwrap();
    child.wait().unwrap();

    let (arrived, written) = (ids(&folder.0.join("slow.log")), events(&folder.0.join("events.jsonl")));
    assert!(arrived.len() < EVENTS / 2, "it was killed too late: {} had arrived", arrived.len());
    let bytes = fs::read(folder.0.join("checkpoint")).unwrap();
    let pipeline = pipeline(&folder.0, Some(PipelineCheckpoint::from_bytes(&bytes).unwrap()));
    let of = |name: &str| pipeline.stats().outlets.into_iter().find(|outlet| &*outlet.name == name).unwrap();
    let (slow, file) = (of("slow"), of("lines"));
    assert_eq!((slow.offered, file.offered), (EVENTS as u64, EVENTS as u64));
    // Only what was durable had been counted. Some more may have come to be delivered by now.
    let begun = Instant::now();
    while of("slow").delivered + of("lines").delivered < 2 * EVENTS as u64 {
        assert!(begun.elapsed() < PATIENCE, "{:?}", of("slow"));
        std::thread::sleep(Duration::from_millis(20));
    }
    pipeline.shutdown(PATIENCE);
    for (what, before, after) in [
        ("slow receiver", arrived, ids(&folder.0.join("slow.log"))),
        ("file", written, events(&folder.0.join("events.jsonl"))),
    ] {
        assert_eq!(after[..before.len()], before, "{what}: what was there stays");
        let all: BTreeSet<&String> = after.iter().collect();
        let twice = after.len() - all.len();
        println!(
            "{what}: {} before the kill, {} after it, {} lost, {twice} twice",
            before.len(),
            all.len(),
            EVENTS - all.len()
        );
        assert_eq!(all.len(), EVENTS, "{what}: none is lost");
        // A batch that was in hand, and those that were delivered after the checkpoint.
        assert!(twice <= 100, "{what}: {twice} twice");
    }
}
