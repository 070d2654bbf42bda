//! The rules of sinks, and how to try them.

use super::report::{Verdict, ensure, failed};
use super::{BehaviourReport, Outcome};
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::detection::Detections;
use crate::error::{Advice, Error};
use crate::event::{Delivery, DeliveryError, Event, EventId, FrameResult, Sink};
use crate::frame::CameraId;
use crate::geometry::Size;
use crate::provider::{Answer, AnswerReason};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// A sink and the receiver at its other end, for [`check_sink`](super::check_sink).
pub trait SinkSetup {
    /// Opens a sink. All of them have the same receiver, one after the other.
    fn open(&self) -> Box<dyn Sink>;

    /// The ids of all that the receiver has, in the order in which it came; what it has twice is there twice. Of what it holds,
    /// not of what it was sent: as another program finds it.
    fn received(&self) -> Vec<String>;

    /// Makes the receiver unreachable, or reachable again; false where the test cannot do that.
    fn set_reachable(&self, reachable: bool) -> bool {
        let _ = reachable;
        false
    }
}

/// Deliveries of a large batch.
const MANY: usize = 50;
/// Tries until a receiver that is back counts as lost; it waits between them.
const TRIES: usize = 200;
const WAIT: Duration = Duration::from_millis(20);

struct Suite<'a> {
    setup: &'a dyn SinkSetup,
    /// Unique between runs and between checks.
    next_ns: Cell<i64>,
}

type Run<'a> = fn(&Suite<'a>) -> Verdict;

const fn checks<'a>() -> [(&'static str, Run<'a>); 10] {
    [
        ("max_batch is 1 or more, and stays", Suite::max_batch),
        ("an empty batch is delivered, and is nothing", Suite::empty),
        ("one by one, each is there when it is durable", Suite::one_by_one),
        ("a batch is there, in order, when it is durable", Suite::many),
        ("dropped without a word, it has lost nothing", Suite::dropped),
        ("what comes again has the same id", Suite::again),
        ("out of reach, it says to retry later, and no more than is durable", Suite::out_of_reach),
        ("back in reach, the rest arrives under its ids, in order", Suite::back_in_reach),
        ("large and odd text arrives or is refused, alone", Suite::odd_text),
        ("a frame result is carried or refused", Suite::result),
    ]
}

pub(super) fn run(name: &str, setup: &dyn SinkSetup) -> BehaviourReport {
    let suite = Suite { setup, next_ns: Cell::new(SystemClock.unix_ns()) };
    BehaviourReport::of(name, &suite, checks())
}

fn refused(error: &DeliveryError) -> Outcome {
    failed(format!("{}: {error}", error.error().code()))
}

fn ids(batch: &[Delivery]) -> Vec<String> {
    batch.iter().map(|delivery| delivery.id().to_owned()).collect()
}

impl Suite<'_> {
    fn civil_ns(&self) -> i64 {
        self.next_ns.replace(self.next_ns.get() + 1)
    }

    fn event(&self, why: &str) -> Delivery {
        let (camera, trigger, civil_ns) = (CameraId::new("check-sink"), "check", self.civil_ns());
        Delivery::Event(Arc::new(Event {
            id: EventId::new(&camera, trigger, civil_ns),
            camera,
            trigger: trigger.into(),
            pts: Timestamp::from_nanos(civil_ns),
            time: SystemClock.unix(),
            zone: None,
            why: why.into(),
            objects: Vec::new(),
            frame: Size::new(640, 480),
            picture: None,
        }))
    }

    fn events(&self, count: usize) -> Vec<Delivery> {
        (0..count).map(|k| self.event(&format!("number {k}"))).collect()
    }

    /// Which of these the receiver has, in its order.
    fn received(&self, sent: &[Delivery]) -> Vec<String> {
        let sent: BTreeSet<String> = ids(sent).into_iter().collect();
        self.setup.received().into_iter().filter(|id| sent.contains(id)).collect()
    }

    /// Checks that the receiver got exactly these, in this order, after its first `before`.
    fn ensure_received(&self, sent: &[Delivery], before: usize) -> Verdict {
        let (got, all) = (self.received(sent), self.setup.received());
        ensure(got == ids(sent), || {
            let missing = ids(sent).iter().filter(|id| !got.contains(id)).count();
            format!("of {} the receiver has {}, {missing} missing, in order: {}", sent.len(), got.len(), missing == 0)
        })?;
        let more = all.len() - before.min(all.len());
        ensure(more == sent.len(), || format!("{} came, and the receiver has {more} ids more", sent.len()))
    }

    /// A batch of the sink's largest size.
    fn batch(&self, sink: &dyn Sink) -> Vec<Delivery> {
        self.events(sink.max_batch().clamp(1, MANY))
    }

    fn max_batch(&self) -> Verdict {
        let sink = self.setup.open();
        let first = sink.max_batch();
        ensure(first > 0, || "it takes nothing".into())?;
        ensure(sink.max_batch() == first, || format!("first {first}, then {}", sink.max_batch()))
    }

    fn empty(&self) -> Verdict {
        let before = self.setup.received().len();
        self.setup.open().deliver(&[]).map_err(|error| refused(&error))?;
        self.ensure_received(&[], before)
    }

    fn one_by_one(&self) -> Verdict {
        let before = self.setup.received().len();
        let mut sink = self.setup.open();
        let sent = self.events(5);
        for (k, delivery) in sent.iter().enumerate() {
            sink.deliver(std::slice::from_ref(delivery)).map_err(|error| refused(&error))?;
            self.ensure_received(sent.get(..=k).unwrap_or_default(), before)?;
        }
        Ok(())
    }

    fn many(&self) -> Verdict {
        let mut sink = self.setup.open();
        if sink.max_batch() == 1 {
            return Err(Outcome::NotApplicable("it takes one at a time".into()));
        }
        for _ in 0..2 {
            let before = self.setup.received().len();
            let sent = self.batch(&*sink);
            sink.deliver(&sent).map_err(|error| refused(&error))?;
            // Before it is dropped: a process may be killed.
            self.ensure_received(&sent, before)?;
        }
        Ok(())
    }

    fn dropped(&self) -> Verdict {
        let before = self.setup.received().len();
        let mut all = Vec::new();
        for _ in 0..3 {
            let mut sink = self.setup.open();
            let sent = self.batch(&*sink);
            sink.deliver(&sent).map_err(|error| refused(&error))?;
            all.extend(sent);
        }
        self.ensure_received(&all, before)
    }

    fn again(&self) -> Verdict {
        let before = self.setup.received();
        let mut sink = self.setup.open();
        let sent = self.batch(&*sink);
        sink.deliver(&sent).map_err(|error| refused(&error))?;
        // As after a crash between the delivery and the checkpoint.
        drop(sink);
        self.setup.open().deliver(&sent).map_err(|error| refused(&error))?;
        let sent: BTreeSet<String> = ids(&sent).into_iter().collect();
        let came: Vec<String> = self.setup.received().into_iter().skip(before.len()).collect();
        let foreign = came.iter().filter(|id| !sent.contains(*id)).count();
        ensure(foreign == 0, || format!("{foreign} ids of its own"))?;
        let came: BTreeSet<String> = came.into_iter().collect();
        ensure(came == sent, || format!("{} ids of {}", came.len(), sent.len()))
    }

    /// Attempts a batch while the receiver is unreachable; returns the remaining deliveries.
    fn try_out_of_reach(&self, sink: &mut dyn Sink, sent: &[Delivery]) -> std::result::Result<usize, Outcome> {
        if !self.setup.set_reachable(false) {
            return Err(Outcome::NotApplicable("the receiver cannot be taken away".into()));
        }
        let result = sink.deliver(sent);
        self.setup.set_reachable(true);
        let Err(error) = result else {
            return Err(failed("it says that all is durable while the receiver is away"));
        };
        let durable = error.durable();
        ensure(durable < sent.len(), || format!("it says that {durable} of {} are durable, and an error", sent.len()))?;
        let advice = error.error().advice();
        ensure(advice == Advice::RetryLater, || format!("{advice:?} in place of RetryLater: {error}"))?;
        Ok(durable)
    }

    fn out_of_reach(&self) -> Verdict {
        let mut sink = self.setup.open();
        let sent = self.batch(&*sink);
        let durable = self.try_out_of_reach(&mut *sink, &sent)?;
        let got = self.received(&sent);
        let missing = ids(&sent).into_iter().take(durable).filter(|id| !got.contains(id)).count();
        ensure(missing == 0, || format!("of {durable} that it calls durable {missing} are missing"))
    }

    fn back_in_reach(&self) -> Verdict {
        let mut sink = self.setup.open();
        let sent = self.batch(&*sink);
        let durable = self.try_out_of_reach(&mut *sink, &sent)?;
        let given_up = deliver_all(&mut *sink, sent.get(durable..).unwrap_or_default())?;
        ensure(given_up.is_empty(), || format!("{} were refused: {:?}", given_up.len(), given_up.first()))?;
        let mut got = self.received(&sent);
        // Deliveries that arrived without an acknowledgement may be there twice.
        let mut seen = BTreeSet::new();
        got.retain(|id| seen.insert(id.clone()));
        ensure(got == ids(&sent), || format!("of {} the receiver has {}, or in another order", sent.len(), got.len()))
    }

    fn odd_text(&self) -> Verdict {
        for (what, text) in [
            ("a megabyte", "x".repeat(1 << 20)),
            ("characters of control", "a\0b\u{1}\u{7f}\r\n\t\u{1b}[31m".to_owned()),
            ("quotes", "'; DROP TABLE events; --\" \\ ' $$ %s {} </script>".to_owned()),
            ("many alphabets", "Ünïcödé 日本語 العربية \u{202e}\u{1f469}\u{200d}\u{1f52c}\u{feff}".to_owned()),
            ("nothing", String::new()),
        ] {
            let mut sink = self.setup.open();
            let sent = [self.event("before"), self.event(&text), self.event("after")];
            let given_up = deliver_all(&mut *sink, &sent).map_err(|_| failed(format!("{what}: it never ends")))?;
            let mut expected = ids(&sent);
            if !given_up.is_empty() {
                ensure(given_up == [1], || format!("{what}: it refuses {given_up:?} of three, not the second"))?;
                expected.remove(1);
            }
            let got = self.received(&sent);
            ensure(got == expected, || format!("{what}: the receiver has {} of {}", got.len(), expected.len()))?;
        }
        Ok(())
    }

    fn result(&self) -> Verdict {
        let (camera, civil_ns) = (CameraId::new("check-sink"), self.civil_ns());
        let result = Delivery::Result(Arc::new(FrameResult {
            id: FrameResult::id_of(&camera, civil_ns),
            camera,
            pts: Timestamp::from_nanos(civil_ns),
            time: SystemClock.unix(),
            seq: 1,
            cached: false,
            detections: Detections::new(Vec::new(), Size::new(640, 480), Default::default()),
            objects: Vec::new(),
            answer: Answer { provider: "check".into(), reason: AnswerReason::Asked },
            luma: 128,
        }));
        let mut sink = self.setup.open();
        let sent = [result, self.event("after it")];
        let mut expected = ids(&sent);
        if deliver_all(&mut *sink, &sent)? == [0] {
            expected.remove(0);
        }
        let got = self.received(&sent);
        ensure(got == expected, || format!("the receiver has {} of {}", got.len(), expected.len()))
    }
}

/// Delivers as an outlet does, within `max_batch`; the places of those that are refused.
fn deliver_all(sink: &mut dyn Sink, sent: &[Delivery]) -> std::result::Result<Vec<usize>, Outcome> {
    let (mut begin, mut size, mut tries) = (0, sink.max_batch().max(1), 0);
    let mut given_up = Vec::new();
    while begin < sent.len() {
        let end = (begin + size).min(sent.len());
        let batch = sent.get(begin..end).unwrap_or_default();
        let Err(error) = sink.deliver(batch) else {
            (begin, tries) = (end, 0);
            continue;
        };
        ensure(error.durable() < batch.len(), || format!("all {} durable, and an error: {error}", batch.len()))?;
        begin += error.durable();
        let rest = end - begin;
        if error.error().advice() == Advice::RetryLater {
            tries += 1;
            ensure(tries < TRIES, || out_of_patience(error.error()))?;
            std::thread::park_timeout(WAIT);
        } else if error.is_about_next() || rest == 1 {
            given_up.push(begin);
            begin += 1;
        } else {
            size = rest / 2;
        }
    }
    Ok(given_up)
}

fn out_of_patience(error: &Error) -> String {
    format!("{TRIES} tries, and still {}: {error}", error.code())
}
