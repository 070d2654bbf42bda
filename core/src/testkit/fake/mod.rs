//! The provider that answers by script.

mod call;
mod state;

pub use call::FakeCall;

use super::script::{Step, StepAnswer};
use crate::budget::MicroDollars;
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::detection::{Detection, Detections, Timing};
use crate::error::{Error, ErrorCode, Result};
use crate::frame::Frame;
use crate::geometry::BoundingBox;
use crate::provider::{Capability, Health, Provider, Reply, Request, Want};
use state::{Handle, Outcome, Pending, State};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, MutexGuard};
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
/// use guarita::{ErrorCode, Frame, PixelFormat, Provider, Size};
/// use guarita::frame::Layout;
/// use guarita::provider::{Reply, Request};
/// # use guarita::clock::{Clock, ManualClock};
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

impl FakeProvider {
    /// A provider that finds nothing in every frame, at once, on the machine's clock, for labels, free of charge.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            clock: Arc::new(SystemClock),
            by_hand: false,
            handle: Arc::new(Handle(Arc::default())),
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

    /// Closes the provider: pending and later requests are answered `Cancelled`. Dropping the last clone does the same.
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
