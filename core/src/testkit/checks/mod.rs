//! The rules of providers, and how to try them.

mod answers;
mod conduct;
mod refusals;

use crate::budget::MicroDollars;
use crate::error::{ErrorCode, Result};
use crate::frame::Frame;
use crate::geometry::{BoundingBox, Size};
use crate::provider::{Crop, Provider, Reply, Request, Response};
use crate::testkit::report::{Verdict, ensure, failed};
use crate::testkit::{BehaviourReport, Outcome};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

/// Until an answer counts as lost: far more than any provider needs on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest that `submit` may take. It must not wait, but its thread can be preempted for tens of milliseconds.
const AT_ONCE: Duration = Duration::from_millis(50);

const THREADS: usize = 8;
const EACH: usize = 4;

type Answer = Result<Response>;

struct Suite<'a> {
    make: &'a dyn Fn() -> Arc<dyn Provider>,
    sample: &'a Frame,
}

type Run<'a> = fn(&Suite<'a>) -> Verdict;

const fn checks<'a>() -> [(&'static str, Run<'a>); 19] {
    [
        ("the name is there and stays", Suite::name),
        ("the capability makes sense", Suite::capability),
        ("healthy before the first request", Suite::health_before),
        ("one result for each frame, in order", Suite::results),
        ("boxes are pixels of the frame", Suite::boxes),
        ("nothing below min_confidence", Suite::min_confidence),
        ("boxes of a region lie in it", Suite::regions),
        ("other wants are Unsupported", Suite::unsupported),
        ("senseless requests are InvalidArgument", Suite::invalid),
        ("a deadline in the past is DeadlineExceeded", Suite::past_deadline),
        ("a short deadline is kept or DeadlineExceeded", Suite::short_deadline),
        ("what was taken back is Cancelled", Suite::taken_back),
        ("submit does not wait", Suite::submit_is_quick),
        ("many at once are each answered", Suite::many),
        ("a reply that panics does no harm", Suite::panicking_reply),
        ("dropped with requests in flight answers each", Suite::dropped),
        ("the same key is paid once, one after the other", Suite::same_key),
        ("the same key is paid once, at the same time", Suite::same_key_at_once),
        ("healthy after work", Suite::health_after),
    ]
}

pub(super) fn run(make: &dyn Fn() -> Arc<dyn Provider>, sample: &Frame) -> BehaviourReport {
    let suite = Suite { make, sample };
    BehaviourReport::of(make().name(), &suite, checks())
}

fn nothing_found() -> Outcome {
    Outcome::NotApplicable("nothing was found in the sample".into())
}

/// Where the answer will come.
fn submit(provider: &dyn Provider, request: Request) -> Receiver<Answer> {
    let (sender, answer) = mpsc::sync_channel(1);
    // Nobody may listen any more, once a check has failed.
    provider.submit(request, Reply::new(move |answer| drop(sender.try_send(answer))));
    answer
}

fn wait(answer: &Receiver<Answer>) -> std::result::Result<Answer, Outcome> {
    answer.recv_timeout(PATIENCE).map_err(|error| match error {
        RecvTimeoutError::Timeout => failed(format!("no answer within {} s", PATIENCE.as_secs())),
        RecvTimeoutError::Disconnected => failed("the reply was lost without an answer"),
    })
}

fn ask(provider: &dyn Provider, request: Request) -> std::result::Result<Answer, Outcome> {
    wait(&submit(provider, request))
}

fn ask_well(provider: &dyn Provider, request: Request) -> std::result::Result<Response, Outcome> {
    ask(provider, request)?.map_err(|error| failed(format!("{}: {error}", error.code())))
}

fn ensure_code(answer: Answer, code: ErrorCode, what: &str) -> Verdict {
    match answer {
        Err(error) if error.code() == code => Ok(()),
        Err(error) => Err(failed(format!("{what}: {} in place of {code}: {error}", error.code()))),
        Ok(_) => Err(failed(format!("{what}: an answer in place of {code}"))),
    }
}

impl Suite<'_> {
    fn request(&self) -> Request {
        Request::new([self.sample.clone()])
    }

    /// A request for what the provider can do first.
    fn usual(&self, provider: &dyn Provider) -> Request {
        self.request().with_want(provider.capability().wants.first().copied().unwrap_or_default())
    }

    /// The sample, and a part of it: two sizes, so that results in the wrong order show.
    fn two_frames(&self) -> std::result::Result<[Frame; 2], Outcome> {
        let Size { width, height } = self.sample.size();
        let part = BoundingBox::from_xyxy(0.0, 0.0, width as f32 * 0.75, height as f32 * 0.75);
        let part = Crop::new(self.sample, &part).map_err(|error| failed(error.to_string()))?;
        Ok([self.sample.clone(), part.frame])
    }

    fn with_price(&self) -> std::result::Result<Arc<dyn Provider>, Outcome> {
        let provider = (self.make)();
        if provider.capability().price == MicroDollars::ZERO {
            return Err(Outcome::NotApplicable("it costs nothing".into()));
        }
        Ok(provider)
    }

    /// An answer may be given just before it is counted.
    fn comes_to_rest(&self, provider: &dyn Provider) -> Verdict {
        let (_keep, never) = mpsc::channel::<()>();
        for _ in 0..100 {
            if provider.health().in_flight == 0 {
                return Ok(());
            }
            let _ = never.recv_timeout(Duration::from_millis(10));
        }
        Err(failed(format!("{} in flight, though all are answered", provider.health().in_flight)))
    }
}
