//! The scheduler against a model of it: random steps in any legal order, with late answers, double ones, jumps of time and
//! cameras that come and go. What must hold is checked after every step.

mod model;

use super::expiry::SWEEP;
use super::turns::MOST_PREPARED;
use super::*;
use crate::detection::{Detections, Timing};
use crate::error::Error;
use crate::frame::{CameraId, Frame, FrameMeta, Layout, PixelFormat};
use crate::geometry::Size;
use crate::pipeline::config::QueuePolicy;
use crate::pipeline::input::{Input, LEAST_BYTES};
use crate::pipeline::{DropReason, SkipReason};
use crate::provider::{Answer, AnswerReason, Latency};
use crate::provider::{Priority, Response, Want};
use crate::resilience::random::Random;
use model::{At, Camera, Known, Model};
use std::collections::BTreeSet;
use std::fmt::Write;

/// What was just done.
#[derive(Clone, Debug)]
#[expect(dead_code, reason = "some of it is only for the log")]
enum Step {
    Push(Key),
    Next,
    Gated { id: u64, verdict: &'static str },
    Prepared { id: u64, good: bool },
    Answered { id: u64, code: Option<ErrorCode> },
    Finished { key: Key, ends: Vec<(u64, Outcome)> },
    OnTime,
    Remove(Key),
    Cancel,
    Other(&'static str),
}

/// What threads and the provider have.
enum Hand {
    Gate(Box<Job>),
    Prepare(Box<Job>),
    Finish(Key, Vec<Item>),
}

struct Bench {
    scheduler: Scheduler,
    model: Model,
    random: Random,
    hands: Vec<Hand>,
    /// Requests that were answered, for those who answer twice.
    answered: Vec<u64>,
    next_id: u64,
    /// The provider seldom answers.
    lazy: bool,
    log: String,
    /// How often each way to end was seen, over all steps.
    seen: BTreeSet<String>,
}

fn id_of(job: &Job) -> u64 {
    job.input.meta().seq
}

impl Bench {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut below = |end: u64| (random.fraction() * end as f64) as u64;
        let limits = Limits {
            max_bytes: [3_000, 20_000, 1 << 20][below(3) as usize],
            max_in_flight: 1 + below(4) as usize,
            max_batch: 1 + below(5) as usize,
            batch_wait: Duration::from_millis(below(3) * 40),
            provider_timeout: Duration::from_millis(200 + below(3_000)),
            // Each frame that ends is told of, with its outcome.
            slow_frame: Duration::ZERO,
        };
        let now = Timestamp::from_nanos([0, i64::MIN, i64::MAX - 3_600_000_000_000, 1 << 50][below(4) as usize]);
        let model = Model {
            limits: limits.clone(),
            now,
            frames: BTreeMap::new(),
            cameras: BTreeMap::new(),
            requests: BTreeMap::new(),
            overdue: BTreeSet::new(),
            paused: false,
            closed: false,
            cancelled: false,
        };
        let mut bench = Self {
            scheduler: Scheduler::new(limits),
            model,
            random,
            hands: Vec::new(),
            answered: Vec::new(),
            next_id: 0,
            lazy: seed.is_multiple_of(4),
            log: String::new(),
            seen: BTreeSet::new(),
        };
        for _ in 0..4 {
            bench.add();
        }
        bench
    }

    fn below(&mut self, end: usize) -> usize {
        (self.random.fraction() * end as f64) as usize
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    // --- Steps --------------------------------------------------------------------------------------------------------

    fn step(&mut self) {
        let step = match self.below(1000) {
            0..=299 => self.push(),
            300..=599 => self.next(),
            600..=799 => self.lay_down(),
            800..=869 if !self.lazy || self.below(20) == 0 => self.answer(),
            800..=869 => self.pass_time(),
            870..=939 => self.pass_time(),
            940..=964 => self.on_time(),
            965..=974 => self.update(),
            975..=982 => self.pause(),
            983..=988 => self.remove(),
            989..=999 => self.add(),
            _ => return,
        };
        self.settle(step);
    }

    /// Who ended, and whether all is as it should be.
    fn settle(&mut self, step: Step) {
        write!(self.log, "{:?} {step:?}:", self.model.now).unwrap();
        let leftovers = self.scheduler.take_leftovers();
        let mut victims = Vec::new();
        for leftover in &leftovers {
            let (id, outcome) = (leftover._input.as_ref().unwrap().meta().seq, leftover.slow.as_ref().unwrap().outcome);
            write!(self.log, " {id} {outcome}").unwrap();
            self.seen.insert(outcome.name());
            if outcome == Outcome::Dropped(DropReason::QueueFull) {
                victims.extend(self.model.frames.get(&id).map(|frame| self.model.priority(frame.key)));
            }
            self.model.ended(id, outcome, &step);
        }
        match &step {
            Step::Push(_) => {
                let waits = |frame: &&Known| matches!(frame.at, At::WaitsForGate | At::WaitsForLook);
                let least = self.model.frames.values().filter(waits).map(|frame| self.model.priority(frame.key)).min();
                let worst = victims.into_iter().max();
                assert!(
                    worst.is_none_or(|worst| least.is_none_or(|least| least >= worst)),
                    "the lowest gives way first"
                );
            }
            Step::Gated { id, verdict } => {
                if let Some(frame) = self.model.frames.get_mut(id) {
                    frame.at = match *verdict {
                        "open" => At::WaitsForLook,
                        "known" => At::Ready,
                        other => panic!("{id} did not end, though it was {other}"),
                    };
                }
            }
            Step::Prepared { id, good } => {
                if let Some(frame) = self.model.frames.get_mut(id) {
                    let key = frame.key;
                    assert!(*good && !self.model.cameras[&key].removed, "{id} did not end");
                    frame.at = At::Prepared;
                }
            }
            Step::Answered { id, code } => {
                self.model.overdue.remove(id);
                for frame in self.model.requests.remove(id).map_or(Vec::new(), |(frames, _)| frames) {
                    if let Some(known) = self.model.frames.get_mut(&frame) {
                        assert!(code.is_none(), "{frame} did not end");
                        known.at = At::Ready;
                    }
                }
            }
            Step::Finished { key, ends } => {
                self.model.cameras.get_mut(key).unwrap().finishing = false;
                assert!(ends.iter().all(|(id, _)| !self.model.frames.contains_key(id)));
            }
            Step::OnTime => {
                let now = self.model.now;
                let late: Vec<u64> =
                    self.model.requests.iter().filter(|(_, (_, end))| *end <= now).map(|(id, _)| *id).collect();
                for id in late {
                    let (frames, _) = self.model.requests.remove(&id).unwrap();
                    assert!(frames.iter().all(|id| !self.model.frames.contains_key(id)));
                    self.model.overdue.insert(id);
                }
                let waits = |at| matches!(at, At::WaitsForGate | At::WaitsForLook | At::Prepared);
                assert_eq!(self.model.count(|frame| waits(frame.at) && frame.is_stale(now)), 0, "stale ones are left");
            }
            Step::Remove(of) => {
                let waits = |at| !matches!(at, At::Gate | At::Prepare | At::Provider(_) | At::Finish);
                assert_eq!(self.model.count(|frame| frame.key == *of && waits(frame.at)), 0, "it waits for nothing");
            }
            Step::Cancel => {
                let given_up = std::mem::take(&mut self.model.requests);
                self.model.overdue.extend(given_up.into_keys());
            }
            Step::Next | Step::Other(_) => {}
        }
        self.model.check(&mut self.scheduler);
        let (now, has_work) = (self.model.now, self.scheduler.has_work(self.model.now));
        writeln!(self.log, " {has_work} {:?}", self.scheduler.due(now)).unwrap();
    }

    fn config(&mut self, id: &str) -> CameraConfig {
        let mut config = CameraConfig::new(id);
        config.fps = self.pick(&[0.0, 0.0, 0.0, 20.0]);
        config.priority = self.pick(&[Priority::Low, Priority::Normal, Priority::Normal, Priority::Critical]);
        let policies = [None, None, Some(QueuePolicy::DropOldest), Some(QueuePolicy::DropNewest)];
        config.queue.policy = self.pick(&policies);
        config.queue.capacity = self.pick(&[1, 2, 5]);
        config.queue.max_age_s = self.pick(&[0.05, 1.0, 5.0]);
        config.look.want = self.pick(&[Want::Labels, Want::Labels, Want::Text]);
        config.tenant = self.pick(&["", "", "port"]).into();
        // Whether the triggers see what did not move as well.
        config.host_triggers = self.pick(&[&[][..], &["host"]]).iter().map(|name| (*name).to_owned()).collect();
        config.explain = 16;
        config
    }

    fn add(&mut self) -> Step {
        if self.model.cameras.values().filter(|camera| !camera.removed).count() >= 8 {
            return Step::Other("enough cameras");
        }
        let key = Key(self.model.cameras.len() as u64);
        let config = Arc::new(self.config(&format!("camera-{}", key.0)));
        let books = Books::new(CameraId::new(config.id.as_str()), config.explain);
        self.scheduler.add(key, Arc::clone(&config), Arc::clone(&books));
        let camera = Camera {
            most_queue: allowed(&config),
            config,
            books,
            paused: false,
            removed: false,
            finishing: false,
            shown: 0,
            times: BTreeMap::new(),
            account: Account::default(),
        };
        self.model.cameras.insert(key, camera);
        Step::Other("add")
    }

    /// Any camera there ever was, rather one that is there.
    fn camera(&mut self) -> Key {
        let all = self.model.cameras.len();
        let key = Key(self.below(all) as u64);
        match self.model.cameras[&key].removed && self.below(50) > 0 {
            true => *self.model.cameras.iter().rev().find(|(_, camera)| !camera.removed).map_or(&key, |(key, _)| key),
            false => key,
        }
    }

    fn push(&mut self) -> Step {
        let key = self.camera();
        let (side, back) = (self.pick(&[8, 8, 16, 24, 70]), self.below(40) == 0);
        let may = self.below(30) > 0;
        let now = Timestamp::from_nanos(self.model.now.as_nanos().saturating_sub(self.below(2) as i64 * 1000));
        self.next_id += 1;
        let id = self.next_id;
        let camera = self.model.cameras.get_mut(&key).unwrap();
        // Each frame has a time of its own, at a grid of 7 ms.
        let pts = Timestamp::from_millis(if back { id as i64 * 7 - 900 } else { id as i64 * 7 });
        let layout = Layout::packed(PixelFormat::Gray8, Size::new(side, side)).unwrap();
        let frame = Frame::from_owner(vec![0_u8; (side * side) as usize], layout).unwrap();
        let frame = frame.with_meta(FrameMeta { pts, seq: id, ..FrameMeta::default() });
        let mut asked = false;
        let allowed = |_: &CameraConfig| {
            asked = true;
            may
        };
        let (taken, back) = self.scheduler.push(key, frame.into(), now, 0, allowed);
        let refused = self.model.closed || camera.removed;
        let paused = self.model.paused || camera.paused;
        assert_eq!(taken.is_err(), refused, "{taken:?}");
        assert_eq!(back.is_none(), matches!(taken, Ok(None)), "what is not kept comes back");
        let Ok(taken) = taken else { return Step::Other("push where there is nobody") };
        camera.account.pushed += 1;
        match taken {
            None => {
                assert!(asked && may && !paused);
                camera.account.in_flight += 1;
                camera.times.insert(pts, id);
                let (config, bytes) = (Arc::clone(&camera.config), u64::from(side * side).max(LEAST_BYTES));
                self.model.frames.insert(id, Known { key, at: At::WaitsForGate, pushed: now, bytes, config });
            }
            Some(outcome) => {
                camera.account.outcomes.add(outcome);
                self.seen.insert(format!("at once {outcome}"));
                match outcome {
                    Outcome::Skipped(SkipReason::Paused) => assert!(paused),
                    Outcome::Skipped(SkipReason::RateLimited) => assert!(asked && !may),
                    Outcome::Skipped(SkipReason::SampledOut) => assert!(camera.config.fps > 0.0 && !asked),
                    Outcome::Failed(ErrorCode::InvalidArgument) => assert!(!asked),
                    Outcome::Dropped(DropReason::QueueFull) => {
                        assert!(asked && may);
                        let policy = camera.config.policy();
                        if policy == QueuePolicy::NeverDropCritical
                            && u64::from(side * side).max(LEAST_BYTES) <= self.model.limits.max_bytes
                        {
                            let waits = |at| matches!(at, At::WaitsForGate | At::WaitsForLook);
                            let lower = |frame: &Known| self.model.priority(frame.key) < Priority::Critical;
                            let others = self.model.count(|frame| waits(frame.at) && lower(frame));
                            let spared = others - self.scheduler.leftovers.len();
                            assert_eq!(spared, 0, "a critical frame is dropped, and others wait");
                        }
                    }
                    other => panic!("{other}"),
                }
                assert_eq!(paused, outcome == Outcome::Skipped(SkipReason::Paused));
            }
        }
        Step::Push(key)
    }

    fn next(&mut self) -> Step {
        let now = self.model.now;
        let might = self.scheduler.has_work(now);
        let Some(work) = self.scheduler.next(now) else { return Step::Next };
        assert!(might, "{work:?} came out of nothing");
        let gone: Vec<u64> =
            self.scheduler.leftovers.iter().filter_map(|leftover| Some(leftover._input.as_ref()?.meta().seq)).collect();
        let stays = |id: &u64| !gone.contains(id);
        let model = &mut self.model;
        match work {
            Work::Gate(job) => {
                let (id, key) = (id_of(&job), job.key);
                let frame = &model.frames[&id];
                assert!(frame.at == At::WaitsForGate && !frame.is_stale(now), "{id}");
                let earlier = model
                    .frames
                    .range(..id)
                    .find(|(other, frame)| frame.key == key && frame.at == At::WaitsForGate && stays(other));
                assert!(earlier.is_none(), "{id} goes before {earlier:?}");
                let mine = model.priority(key);
                let first = |(other, frame): (&u64, &Known)| {
                    model.priority(frame.key) == Priority::Critical
                        && frame.at == At::WaitsForGate
                        && stays(other)
                        && model.oldest(frame.key, At::Gate).is_none()
                };
                assert!(
                    mine == Priority::Critical || !model.frames.iter().any(first),
                    "a critical one waits behind {id}"
                );
                model.frames.get_mut(&id).unwrap().at = At::Gate;
                self.hands.push(Hand::Gate(job));
            }
            Work::Prepare(job) => {
                let id = id_of(&job);
                let frame = &model.frames[&id];
                assert!(frame.at == At::WaitsForLook && !frame.is_stale(now), "{id}");
                let ahead = model.count(|frame| matches!(frame.at, At::Prepare | At::Prepared));
                let soon = model.places() + usize::from(!model.requests.is_empty());
                let most = (soon * model.limits.max_batch).min(MOST_PREPARED);
                assert!(ahead < most + gone.len(), "too many are decoded");
                model.frames.get_mut(&id).unwrap().at = At::Prepare;
                self.hands.push(Hand::Prepare(job));
            }
            Work::Submit(id, request) => {
                let frames: Vec<u64> = request.frames.iter().map(|frame| frame.meta().seq).collect();
                assert!((1..=model.limits.max_batch).contains(&frames.len()), "{frames:?}");
                assert!(model.places() > 0, "more requests than the provider takes");
                let known: Vec<_> = frames.iter().map(|id| &model.frames[id]).collect();
                assert!(known.iter().all(|frame| frame.at == At::Prepared && !frame.is_stale(now)), "{known:?}");
                assert!(
                    known.iter().all(|frame| {
                        frame.config.look.want == request.want && frame.config.tenant == request.tenant
                    })
                );
                let end = |frame: &&Known| frame.pushed + Duration::from_secs_f64(frame.config.queue.max_age_s);
                let deadline = known.iter().map(end).min();
                assert_eq!(request.deadline, deadline);
                let expires = deadline.unwrap().max(now) + model.limits.provider_timeout;
                for frame in &frames {
                    model.frames.get_mut(frame).unwrap().at = At::Provider(id);
                }
                assert!(model.requests.insert(id, (frames, expires)).is_none());
            }
            Work::Finish(key, items) => {
                assert!(!items.is_empty());
                let shown = items.iter().map(|item| match item {
                    Item::Found(job, _) => id_of(job),
                    Item::Unchanged(time) => model.cameras[&key].times[&time.pts],
                });
                let shown: Vec<u64> = shown.collect();
                for id in &shown {
                    let passed = |at| !matches!(at, At::WaitsForGate | At::Gate | At::Finish);
                    let earlier = model
                        .frames
                        .range(..id)
                        .find(|(earlier, frame)| frame.key == key && passed(frame.at) && !shown.contains(earlier));
                    assert!(earlier.is_none(), "{id} is shown before {earlier:?}");
                }
                let camera = model.cameras.get_mut(&key).unwrap();
                assert!(!std::mem::replace(&mut camera.finishing, true), "two threads show frames of one camera");
                for id in shown {
                    assert!(id > camera.shown, "{id} is shown after {}", camera.shown);
                    camera.shown = id;
                    if let Some(frame) = model.frames.get_mut(&id) {
                        assert_eq!((frame.at, frame.key), (At::Ready, key));
                        frame.at = At::Finish;
                    }
                }
                self.hands.push(Hand::Finish(key, items));
            }
        }
        Step::Next
    }

    /// Something that a thread has in hand is done.
    fn lay_down(&mut self) -> Step {
        if self.hands.is_empty() {
            return Step::Other("nothing in hand");
        }
        let which = self.below(self.hands.len());
        let now = self.model.now;
        match self.hands.swap_remove(which) {
            Hand::Gate(job) => {
                let id = id_of(&job);
                let (name, verdict) = match self.below(10) {
                    0..=2 => ("closed", Verdict::Closed),
                    3 => ("failed", Verdict::Failed(ErrorCode::DataCorrupt)),
                    4 => ("known", Verdict::Known(Found::Cached { detections: none(), answer: answer() })),
                    _ => ("open", Verdict::Open),
                };
                self.scheduler.gated(job, verdict, now);
                Step::Gated { id, verdict: name }
            }
            Hand::Prepare(job) => {
                let (id, good) = (id_of(&job), self.below(10) > 0);
                let Input::Raw(frame) = job.input.clone() else { unreachable!() };
                let frame = if good { Ok(frame) } else { Err(Error::data_corrupt("no JPEG")) };
                self.scheduler.prepared(job, frame, now);
                Step::Prepared { id, good }
            }
            Hand::Finish(key, items) => {
                let mut done = Vec::new();
                for item in items {
                    let outcome = match &item {
                        Item::Found(_, Found::Cached { .. }) => Outcome::Skipped(SkipReason::Cached),
                        Item::Found(..) if self.below(20) == 0 => Outcome::Failed(ErrorCode::Internal),
                        _ => Outcome::Analysed,
                    };
                    if let Item::Found(job, _) = item {
                        done.push((job, outcome));
                    }
                }
                let ends = done.iter().map(|(job, outcome)| (id_of(job), *outcome)).collect();
                self.scheduler.finished(key, done, now);
                Step::Finished { key, ends }
            }
        }
    }

    /// The provider answers: in time, late, twice, or something that nobody asked.
    fn answer(&mut self) -> Step {
        let known: Vec<u64> = self.model.requests.keys().chain(&self.model.overdue).copied().collect();
        let id = match self.below(20) {
            0 if !self.answered.is_empty() => self.pick(&self.answered.clone()),
            1 => 1 << 40,
            _ if known.is_empty() => return Step::Other("nothing was asked"),
            _ => self.pick(&known),
        };
        self.answered.push(id);
        let frames = self.model.requests.get(&id).map_or(1, |(frames, _)| frames.len());
        let codes = [ErrorCode::Unavailable, ErrorCode::DeadlineExceeded, ErrorCode::Cancelled];
        let (code, answer) = match self.below(10) {
            0 => {
                let code = self.pick(&codes);
                (Some(code), Err(Error::new(code, "no")))
            }
            1 => (Some(ErrorCode::Internal), Ok(frames + 1)),
            _ => (None, Ok(frames)),
        };
        let answer = answer.map(|frames| Response::new(vec![none(); frames], &"test".into(), Latency::default()));
        self.scheduler.answered(id, answer, self.model.now);
        Step::Answered { id, code }
    }

    fn pass_time(&mut self) -> Step {
        let ms = match self.below(400) {
            0 => 3_600_000,
            1 => -3_600_000,
            2..=20 => 700,
            _ => self.below(25) as i64,
        };
        let now = self.model.now.as_nanos().saturating_add(ms * 1_000_000);
        self.model.now = Timestamp::from_nanos(now);
        Step::Other("time")
    }

    fn on_time(&mut self) -> Step {
        self.scheduler.on_time(self.model.now);
        Step::OnTime
    }

    fn update(&mut self) -> Step {
        let key = self.camera();
        let config = Arc::new(self.config(&format!("camera-{}", key.0)));
        self.scheduler.update(key, Arc::clone(&config));
        let camera = self.model.cameras.get_mut(&key).unwrap();
        if !camera.removed {
            camera.most_queue = camera.most_queue.max(allowed(&config));
            camera.config = config;
        }
        Step::Other("update")
    }

    fn pause(&mut self) -> Step {
        let (key, paused) = (self.camera(), self.below(3) == 0);
        if self.below(4) == 0 {
            self.scheduler.set_paused(None, paused);
            self.model.paused = paused;
        } else {
            self.scheduler.set_paused(Some(key), paused);
            self.model.cameras.get_mut(&key).unwrap().paused = paused;
        }
        Step::Other("pause")
    }

    fn remove(&mut self) -> Step {
        let key = self.camera();
        self.scheduler.remove(key, self.model.now);
        let camera = self.model.cameras.get_mut(&key).unwrap();
        camera.removed = true;
        Step::Remove(key)
    }

    // --- The end ------------------------------------------------------------------------------------------------------

    /// Takes no more frames, and brings what there is to its end: by doing it, or by cancelling.
    fn end(&mut self, cancel: bool) {
        self.scheduler.close();
        self.model.closed = true;
        self.settle(Step::Other("close"));
        if cancel {
            self.scheduler.cancel(self.model.now);
            self.model.cancelled = true;
            self.settle(Step::Cancel);
        }
        let mut left = 100_000;
        while !self.model.frames.is_empty() {
            left -= 1;
            assert!(left > 0, "it does not end: {:?}", self.model.frames);
            let before = (self.model.frames.len(), self.hands.len());
            let step = match self.below(4) {
                0 => self.lay_down(),
                1 if !cancel => self.answer(),
                _ => self.next(),
            };
            self.settle(step);
            if before == (self.model.frames.len(), self.hands.len()) {
                let due = self.scheduler.due(self.model.now);
                self.model.now = due.map_or(self.model.now, |due| due.max(self.model.now));
                let step = self.on_time();
                self.settle(step);
            }
        }
        assert!(self.scheduler.is_drained());
        while self.scheduler.has_work(self.model.now) {
            let step = self.next();
            self.settle(step);
        }
        // Nothing is kept of frames that ended, or of cameras that went: at the latest, the next turn clears it away.
        assert!(self.scheduler.gate.pop(true).is_none() && self.scheduler.look.pop(false).is_none());
        let empty = format!("{:?}", FairQueue::<Box<Job>>::new());
        assert_eq!(format!("{:?} {:?}", self.scheduler.gate, self.scheduler.look), format!("{empty} {empty}"));
        assert_eq!(self.scheduler.bytes, 0);
        let total = self.scheduler.account();
        assert!(self.scheduler.removed.is_empty());
        let mut expected = Account::default();
        self.model.cameras.values().for_each(|camera| expected.merge(&camera.account));
        assert_eq!(total, expected);
        assert_eq!(total.in_flight, 0);
    }
}

/// The frames that wait for a camera's gate.
fn allowed(config: &CameraConfig) -> usize {
    if config.policy() == QueuePolicy::NeverDropCritical { usize::MAX } else { config.queue.capacity }
}

fn none() -> Detections {
    Detections::new(Vec::new(), Size::new(8, 8), Timing::default())
}

fn answer() -> Answer {
    Answer { provider: "test".into(), reason: AnswerReason::Asked }
}

/// One life of a scheduler: what happened, and what ends were seen.
fn live(seed: u64, steps: usize) -> (String, BTreeSet<String>) {
    let mut bench = Bench::new(seed);
    for step in 0..steps {
        bench.step();
        if step % 1000 == 999 {
            let whole = format!("{:?}", bench.scheduler);
            writeln!(bench.log, "{whole}").unwrap();
        }
    }
    bench.end(seed.is_multiple_of(3));
    (bench.log, bench.seen)
}

#[test]
fn whatever_happens_each_frame_ends_once_and_nothing_is_forgotten() {
    let mut seen = BTreeSet::new();
    for seed in 1..=60 {
        seen.extend(live(seed, 2_500).1);
    }
    for outcome in Outcome::all() {
        use ErrorCode::{Cancelled, DataCorrupt, DeadlineExceeded, Internal, InvalidArgument, Unavailable};
        let at_once = format!("at once {outcome}");
        let expected = match outcome {
            Outcome::Failed(DataCorrupt | DeadlineExceeded | Internal | Unavailable | Cancelled) => outcome.name(),
            Outcome::Failed(InvalidArgument) => at_once,
            Outcome::Failed(_) => continue,
            Outcome::Skipped(SkipReason::SampledOut | SkipReason::RateLimited | SkipReason::Paused) => at_once,
            _ => outcome.name(),
        };
        assert!(seen.contains(&expected), "no frame ended as {expected}: the steps are not random enough");
    }
}

#[test]
fn the_same_steps_lead_to_the_same_end_byte_by_byte() {
    for seed in [3, 77, 500] {
        let [one, other] = [(); 2].map(|()| live(seed, 3_000).0);
        assert!(one == other && one.len() > 100_000);
        assert!(live(seed + 1, 3_000).0 != one);
    }
}
