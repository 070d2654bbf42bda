use super::script::{Step, StepAnswer};
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::detection::{Detection, Detections, Timing};
use crate::error::{Error, ErrorCode, Result};
use crate::frame::{CameraId, Frame};
use crate::geometry::BoundingBox;
use crate::provider::{Capability, Health, HealthLog, Latency, Priority, Provider, Reply, Request, Response, Want};
use crate::resilience::MicroDollars;
use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A provider for tests that answers by script: with latency, failures and answers as they are told.
///
/// Clones are the same provider: keep one to look at and to steer, and give the other to what is tested. Without a script
/// it finds nothing in every frame, at once. Answers without latency are given before `submit` returns; later ones come
/// from a thread of its own, or, where [`with_clock`](FakeProvider::with_clock) has put time into the test's hands, from
/// [`tick`](FakeProvider::tick).
///
/// ```
/// use guarita::testkit::{FakeProvider, Step};
/// use guarita::{ErrorCode, Frame, Layout, PixelFormat, Provider, Reply, Request, Size};
/// # use guarita::{Clock, ManualClock};
/// # use std::{sync::Arc, time::Duration};
/// let clock = Arc::new(ManualClock::default());
/// let fake = FakeProvider::new("cloud")
///     .with_clock(clock.clone())
///     .script([Step::fail(ErrorCode::Unavailable, "503").after(Duration::from_secs(2))]);
/// let frame = Frame::from_owner(vec![0; 16], Layout::packed(PixelFormat::Gray8, Size::new(4, 4))?)?;
///
/// let (reply, answer) = Reply::channel();
/// fake.submit(Request::new([frame.clone()]), reply);
/// clock.advance(Duration::from_secs(2));
/// assert_eq!(fake.tick(), 1);
/// assert_eq!(answer.wait().unwrap_err().code(), ErrorCode::Unavailable);
/// // The script is over: nothing is found, at once.
/// assert!(fake.detect(Request::new([frame]))?.detections[0].is_empty());
/// # Ok::<(), guarita::Error>(())
/// ```
#[derive(Clone)]
pub struct FakeProvider {
    name: Arc<str>,
    clock: Arc<dyn Clock>,
    by_hand: bool,
    handle: Arc<Handle>,
}

/// One request that a [`FakeProvider`] took up.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct FakeCall {
    /// When it came, on the provider's clock.
    pub at: Timestamp,
    /// What it asked for.
    pub want: Want,
    /// How many frames it had.
    pub frames: usize,
    /// The camera of the first one.
    pub camera: CameraId,
    /// Its regions.
    pub regions: Vec<BoundingBox>,
    /// Its least confidence.
    pub min_confidence: f32,
    /// Its deadline.
    pub deadline: Option<Timestamp>,
    /// Its priority.
    pub priority: Priority,
    /// Its idempotency key.
    pub key: Option<Arc<str>>,
    /// Its tenant.
    pub tenant: Arc<str>,
}

/// The end of the last one is the end of the provider, while its thread holds what is shared.
struct Handle(Arc<Shared>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.close();
    }
}

struct Shared {
    state: Mutex<State>,
    wake: Condvar,
}

type AnswerBy = Arc<dyn Fn(&Request) -> Result<Vec<Detections>> + Send + Sync>;

struct State {
    capability: Capability,
    latency: Duration,
    answer_by: Option<AnswerBy>,
    script: VecDeque<Step>,
    always: Option<Step>,
    down: Option<ErrorCode>,
    ready: bool,
    expected_wait: Duration,
    closed: bool,
    has_thread: bool,
    /// Requests that were taken up and not answered yet: those of `pending`, and those inside `submit`.
    taken: usize,
    pending: Vec<Pending>,
    calls: Vec<FakeCall>,
    billed: MicroDollars,
    paid: BTreeSet<Arc<str>>,
    cancelled: usize,
    log: HealthLog,
}

/// A request that waits for its time.
struct Pending {
    reply: Reply,
    came: Timestamp,
    /// None for never.
    due: Option<Timestamp>,
    answer: Outcome,
    billed: bool,
    frames: usize,
    key: Option<Arc<str>>,
}

enum Outcome {
    Answer(Result<Vec<Detections>>),
    Drop,
}

impl FakeProvider {
    /// A provider that finds nothing in every frame, at once, on the machine's clock, for labels, free of charge.
    pub fn new(name: &str) -> Self {
        let state = State {
            capability: Capability::local(&[Want::Labels], 8, 1_000),
            latency: Duration::ZERO,
            answer_by: None,
            script: VecDeque::new(),
            always: None,
            down: None,
            ready: true,
            expected_wait: Duration::ZERO,
            closed: false,
            has_thread: false,
            taken: 0,
            pending: Vec::new(),
            calls: Vec::new(),
            billed: MicroDollars::ZERO,
            paid: BTreeSet::new(),
            cancelled: 0,
            log: HealthLog::default(),
        };
        let shared = Shared { state: Mutex::new(state), wake: Condvar::new() };
        Self {
            name: name.into(),
            clock: Arc::new(SystemClock),
            by_hand: false,
            handle: Arc::new(Handle(Arc::new(shared))),
        }
    }

    /// Sets what it can be asked for.
    pub fn with_wants(self, wants: &[Want]) -> Self {
        self.state().capability.wants = wants.to_vec();
        self
    }

    /// Sets the price of a frame; with one, pictures leave the machine.
    pub fn with_price(self, price: MicroDollars) -> Self {
        let mut state = self.state();
        state.capability.price = price;
        state.capability.leaves_machine = price > MicroDollars::ZERO;
        drop(state);
        self
    }

    /// Puts time into the test's hands: answers with latency come from [`tick`](FakeProvider::tick) alone, and no thread
    /// is started. For a provider that was not cloned and not used yet.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self.by_hand = true;
        self
    }

    /// Sets how many requests it takes before it answers `Overloaded`; default 1000.
    pub fn with_max_in_flight(self, most: usize) -> Self {
        self.state().capability.max_in_flight = most;
        self
    }

    /// Sets how long answers take that are not of the script.
    pub fn with_latency(self, latency: Duration) -> Self {
        self.state().latency = latency;
        self
    }

    /// Answers what is not of the script with this; it is asked inside `submit`, and its answer is taken as it is.
    pub fn answering(self, answer: impl Fn(&Request) -> Result<Vec<Detections>> + Send + Sync + 'static) -> Self {
        self.state().answer_by = Some(Arc::new(answer));
        self
    }

    /// Adds steps, one for each request from now on; then it is as before.
    pub fn script(self, steps: impl IntoIterator<Item = Step>) -> Self {
        let steps: Vec<_> = steps.into_iter().collect();
        self.state().script.extend(steps);
        self
    }

    /// After the script, does this with every request.
    pub fn always(self, step: Step) -> Self {
        self.state().always = Some(step);
        self
    }

    /// From now on fails everything with this code, at once, whatever the script says; `None` is as before.
    pub fn set_down(&self, code: Option<ErrorCode>) {
        self.state().down = code;
    }

    /// From now on says in its health whether it is ready; it answers all the same.
    pub fn set_ready(&self, ready: bool) {
        self.state().ready = ready;
    }

    /// From now on says in its health that a request would wait so long; it does not.
    pub fn set_expected_wait(&self, wait: Duration) {
        self.state().expected_wait = wait;
    }

    /// Gives the answers that are due by the clock, in the order of their times, and says how many.
    pub fn tick(&self) -> usize {
        self.handle.0.give_due(&self.name, self.clock.now())
    }

    /// Ends the provider: what waits is answered `Cancelled`, and so is what comes. The last clone that is dropped does
    /// the same.
    pub fn close(&self) {
        self.handle.0.close();
    }

    /// Requests that it took up; those that it refused (as invalid, too late or too many) are not among them.
    pub fn calls(&self) -> usize {
        self.state().calls.len()
    }

    /// Those requests, in their order.
    pub fn requests(&self) -> Vec<FakeCall> {
        self.state().calls.clone()
    }

    /// Requests that wait for their answer.
    pub fn in_flight(&self) -> usize {
        self.state().taken
    }

    /// Requests that ended as `Cancelled`: by a step, or at the end of the provider.
    pub fn cancelled(&self) -> usize {
        self.state().cancelled
    }

    /// What it has taken: the price of each frame that was answered, once for each idempotency key, and of steps that
    /// are billed although they fail.
    pub fn billed(&self) -> MicroDollars {
        self.state().billed
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.handle.0.lock()
    }

    /// The step for this request: of the script, or as usual.
    fn decide(&self, request: &Request, now: Timestamp) -> (Option<Timestamp>, Outcome, bool) {
        let mut state = self.state();
        let step = match state.down {
            Some(code) => Some(Step::fail(code, "the provider is down")),
            None => state.script.pop_front().or_else(|| state.always.clone()),
        };
        let (latency, answer_by) = (state.latency, state.answer_by.clone());
        drop(state);
        let Some(step) = step else {
            let answer = match answer_by {
                // The test's own code: outside the lock, and no way out for its panics.
                Some(answer) => catch_unwind(AssertUnwindSafe(|| answer(request)))
                    .unwrap_or_else(|_| Err(Error::internal("the closure of the test panicked"))),
                None => Ok(found_in_all(&[], request)),
            };
            return (Some(now + latency), Outcome::Answer(answer), false);
        };
        let outcome = match &step.answer {
            StepAnswer::Detections(found) => Outcome::Answer(Ok(found_in_all(found, request))),
            StepAnswer::Fail(code, message) => Outcome::Answer(Err(Error::new(*code, message.to_string()))),
            StepAnswer::Drop | StepAnswer::Never => Outcome::Drop,
        };
        let due = (!matches!(step.answer, StepAnswer::Never)).then_some(now + step.after);
        (due, outcome, step.billed)
    }

    /// Starts the thread that gives late answers, where there is none yet.
    fn start_thread(&self, state: &mut State) -> Result<()> {
        if self.by_hand || state.has_thread {
            return Ok(());
        }
        let (shared, name, clock) = (Arc::clone(&self.handle.0), Arc::clone(&self.name), Arc::clone(&self.clock));
        std::thread::Builder::new()
            .name(format!("fake-{name}"))
            .spawn(move || shared.give_in_time(&name, &*clock))
            .map_err(|error| Error::resource_exhausted(format!("cannot start a thread: {error}")))?;
        state.has_thread = true;
        Ok(())
    }
}

impl Provider for FakeProvider {
    fn name(&self) -> &str {
        &self.name
    }

    fn capability(&self) -> Capability {
        self.state().capability.clone()
    }

    fn health(&self) -> Health {
        let state = self.state();
        let full = state.taken >= state.capability.max_in_flight;
        Health {
            live: !state.closed,
            ready: !state.closed && !full && state.ready,
            in_flight: state.taken,
            expected_wait: state.expected_wait,
            ..state.log.health()
        }
    }

    fn submit(&self, request: Request, reply: Reply) {
        let now = self.clock.now();
        let admitted = self.state().admit(&self.name, &request, now);
        if let Err(error) = admitted {
            return reply.send(Err(error));
        }
        let (mut due, mut answer, billed) = self.decide(&request, now);
        // `Never` is for a provider that does not even keep deadlines.
        if let (Some(at), Some(deadline)) = (due, request.deadline)
            && at >= deadline
        {
            due = Some(deadline);
            answer = Outcome::Answer(Err(Error::deadline_exceeded("the deadline passed before the fake answered")));
        }
        let (frames, key) = (request.frames.len(), request.idempotency_key);
        let pending = Pending { reply, came: now, due, answer, billed, frames, key };
        let mut state = self.state();
        if pending.due.is_some_and(|at| at <= now) {
            let give = state.settle(pending, &self.name, now);
            drop(state);
            return give.send();
        }
        // Closed meanwhile, by another thread.
        let closed = if state.closed { Err(Error::cancelled(format!("{} is closed", self.name))) } else { Ok(()) };
        if let Err(error) = closed.and_then(|()| self.start_thread(&mut state)) {
            state.taken -= 1;
            drop(state);
            return pending.reply.send(Err(error));
        }
        state.pending.push(pending);
        drop(state);
        self.handle.0.wake.notify_all();
    }

    fn clock(&self) -> &dyn Clock {
        &*self.clock
    }
}

impl fmt::Debug for FakeProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeProvider").field("name", &self.name).finish_non_exhaustive()
    }
}

/// An answer on its way, to be given without the lock.
struct Give(Reply, Option<Result<Response>>);

impl Give {
    fn send(self) {
        if let Some(answer) = self.1 {
            self.0.send(answer);
        }
    }
}

impl State {
    /// Takes a request up, or says why not.
    fn admit(&mut self, name: &str, request: &Request, now: Timestamp) -> Result<()> {
        if self.closed {
            return Err(Error::cancelled(format!("{name} is closed")));
        }
        self.capability.admit(name, request, now)?;
        if self.taken >= self.capability.max_in_flight {
            let most = self.capability.max_in_flight;
            return Err(Error::overloaded(format!("{name} has {most} requests in flight already")));
        }
        self.taken += 1;
        self.calls.push(FakeCall {
            at: now,
            want: request.want,
            frames: request.frames.len(),
            camera: request.frames.first().map(|frame| frame.meta().camera.clone()).unwrap_or_default(),
            regions: request.regions.clone(),
            min_confidence: request.min_confidence,
            deadline: request.deadline,
            priority: request.priority,
            key: request.idempotency_key.clone(),
            tenant: Arc::clone(&request.tenant),
        });
        Ok(())
    }

    /// Keeps the books on an answer that is given now.
    fn settle(&mut self, pending: Pending, name: &Arc<str>, now: Timestamp) -> Give {
        let Pending { reply, came, answer, billed, frames, key, .. } = pending;
        self.taken -= 1;
        let pays = billed || matches!(answer, Outcome::Answer(Ok(_)));
        let first = match key {
            Some(key) if pays => self.paid.insert(key),
            _ => true,
        };
        let mut cost = MicroDollars::ZERO;
        if pays && first {
            cost = self.capability.price.times(frames as u64);
            self.billed = self.billed + cost;
        }
        let answer = match answer {
            Outcome::Drop => {
                self.cancelled += 1;
                return Give(reply, None);
            }
            Outcome::Answer(answer) => answer,
        };
        match &answer {
            Ok(_) => self.log.answered(now - came),
            Err(error) => self.log.failed(error, now),
        }
        Give(
            reply,
            Some(answer.map(|detections| {
                let latency = Latency { call: now - came, ..Latency::default() };
                let mut response = Response::new(detections, name, latency);
                response.cost = cost;
                response.calls = u32::from(self.capability.leaves_machine && first);
                response
            })),
        )
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let left = std::mem::take(&mut state.pending);
        state.cancelled += left.len();
        state.taken -= left.len();
        drop(state);
        self.wake.notify_all();
        // Dropped replies answer, and may call back in here.
        drop(left);
    }

    fn give_due(&self, name: &Arc<str>, now: Timestamp) -> usize {
        let mut state = self.lock();
        let is_due = |pending: &Pending| pending.due.is_some_and(|at| at <= now);
        let (mut due, later): (Vec<_>, Vec<_>) = std::mem::take(&mut state.pending).into_iter().partition(is_due);
        state.pending = later;
        // Stable: of one time, the first that came.
        due.sort_by_key(|pending| pending.due);
        let give: Vec<_> = due.into_iter().map(|pending| state.settle(pending, name, now)).collect();
        drop(state);
        let count = give.len();
        give.into_iter().for_each(Give::send);
        count
    }

    fn give_in_time(&self, name: &Arc<str>, clock: &dyn Clock) {
        loop {
            self.give_due(name, clock.now());
            let state = self.lock();
            if state.closed {
                return;
            }
            let wait = state.pending.iter().filter_map(|pending| pending.due).min().map(|at| at - clock.now());
            // Woken too early, or for something else: the loop looks again.
            match wait {
                Some(Duration::ZERO) => drop(state),
                Some(wait) => drop(self.wake.wait_timeout(state, wait)),
                None => drop(self.wake.wait(state)),
            }
        }
    }
}

/// These detections in every frame, as far as the request wants them.
fn found_in_all(found: &[Detection], request: &Request) -> Vec<Detections> {
    let in_frame = |(k, frame): (usize, &Frame)| {
        let mut items: Vec<_> = found
            .iter()
            .filter(|item| item.confidence >= request.min_confidence)
            .filter_map(|item| {
                let mut bbox = item.bbox.clipped(frame.size());
                if let Some(region) = request.regions.get(k) {
                    let region = region.clipped(frame.size());
                    let (x1, y1) = (bbox.x1.max(region.x1), bbox.y1.max(region.y1));
                    bbox = BoundingBox::from_xyxy(x1, y1, bbox.x2.min(region.x2), bbox.y2.min(region.y2));
                }
                (bbox.area() > 0.0).then(|| Detection { bbox, ..item.clone() })
            })
            .collect();
        items.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
        Detections::new(items, frame.size(), Timing::default())
    };
    request.frames.iter().enumerate().map(in_frame).collect()
}
