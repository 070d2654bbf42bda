//! What becomes of one request: who is asked, when the other one is, and whose answer counts. A machine: it is told what
//! happened and says what to do.

use crate::clock::Timestamp;
use crate::error::{Error, ErrorCode, Result};
use crate::provider::{AnswerReason, Response};
use std::fmt;
use std::time::Duration;

/// One of the two providers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// The one that is asked first.
    Primary,
    /// The one that stands in.
    Fallback,
}

impl Side {
    /// The other one.
    pub const fn other(self) -> Self {
        match self {
            Self::Primary => Self::Fallback,
            Self::Fallback => Self::Primary,
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Primary => "primary",
            Self::Fallback => "fallback",
        })
    }
}

/// What happened.
#[derive(Debug)]
pub(super) enum Event {
    Start,
    /// A breaker did not let the call through.
    Refused(Side, Error),
    Answered(Side, Result<Response>),
    /// What [`Action::TakeBack`] came to: whether the side had not begun.
    TakenBack(bool),
    /// The answer that is kept is worth a second look, or others were worth more.
    Ranked(bool),
    /// A time that was asked for by [`Action::WakeAt`] has come.
    Due,
}

/// What to do.
#[derive(Debug)]
pub(super) enum Action {
    /// Ask this side, if its breaker allows it.
    Call(Side),
    WakeAt(Timestamp),
    /// The call took too long: its breaker hears of it now, and of nothing later.
    TimedOut(Side),
    /// Take the request back from this side where it has not begun; [`Event::TakenBack`] says whether.
    TakeBack(Side),
    /// Nobody waits for this side any more.
    Forget(Side),
    /// Let the answer compete for a second look.
    Rank,
    Answer(Result<Response>),
}

/// What is known when a request comes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) first: Side,
    /// Whether the other side can do it too.
    pub(super) has_second: bool,
    /// Why the first one is the first.
    pub(super) reason: AnswerReason,
    pub(super) timeout: Duration,
    pub(super) deadline: Option<Timestamp>,
    /// Whether the second side is asked where the first is full.
    pub(super) overflows: bool,
    /// Confidences between which a detection is uncertain, where uncertain answers get a second look.
    pub(super) uncertain: Option<(f32, f32)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The first side works; the second may be asked yet.
    First,
    /// The first side works, and nobody else will.
    Late,
    /// The first side has failed; the second works.
    Second,
    /// Both work.
    Both,
    /// The first side's answer competes for a second look.
    Ranking,
    /// The second look is under way.
    Escalated,
    Done,
}

#[derive(Debug)]
pub(super) struct Flow {
    plan: Plan,
    stage: Stage,
    /// Why the second side answers, where it does.
    second_reason: AnswerReason,
    /// An answer of the first side that counts unless a better one comes.
    kept: Option<Response>,
    /// What was wrong with the side that failed first.
    failure: Option<Error>,
    /// When the side that was asked last counts as failed.
    patience_ends: Timestamp,
}

impl Flow {
    pub(super) fn new(plan: Plan) -> Self {
        Self {
            plan,
            stage: Stage::First,
            second_reason: AnswerReason::Asked,
            kept: None,
            failure: None,
            patience_ends: Timestamp::default(),
        }
    }

    /// The first side's answer while it competes for a second look.
    pub(super) fn kept(&self) -> Option<&Response> {
        self.kept.as_ref()
    }

    pub(super) fn on(&mut self, event: Event, now: Timestamp) -> Vec<Action> {
        let (first, second) = (self.plan.first, self.plan.first.other());
        match (self.stage, event) {
            (Stage::First, Event::Start) => vec![self.wait_from(now), Action::Call(first)],
            (Stage::First, Event::Refused(side, error)) if side == first => {
                self.fail(error, AnswerReason::OtherOpen, now)
            }
            (Stage::First, Event::Answered(side, Ok(response))) if side == first => self.first_answer(response),
            (Stage::First, Event::Answered(side, Err(error))) if side == first => {
                let reason = match error.code() {
                    ErrorCode::Overloaded if self.plan.overflows => AnswerReason::Overflow,
                    code => AnswerReason::OtherFailed(code),
                };
                if self.fails_over(&error) { self.fail(error, reason, now) } else { self.answer(Err(error)) }
            }
            (Stage::First, Event::Due) if self.deadline_passed(now) => self.too_late(),
            (Stage::First, Event::Due) if now < self.patience_ends => vec![],
            (Stage::First, Event::Due) if !self.plan.has_second => {
                // Nobody else can do it: the answer is waited for, but the breaker learns.
                self.stage = Stage::Late;
                self.at_deadline([Action::TimedOut(first)])
            }
            (Stage::First, Event::Due) => {
                self.stage = Stage::Both;
                self.second_reason = AnswerReason::OtherSlow;
                self.at_deadline([Action::TimedOut(first), Action::Call(second)])
            }

            (Stage::Both, Event::Answered(side, Ok(response))) if side == first => {
                self.kept = Some(response);
                vec![Action::TakeBack(second)]
            }
            (Stage::Both, Event::TakenBack(true)) => self.answer_kept(self.plan.reason),
            // It is paid: its answer counts, and the kept one stands by.
            (Stage::Both, Event::TakenBack(false)) => vec![],
            // Its breaker may have been asked late, by a thread that was held up until the time was over.
            (Stage::Both, Event::Answered(side, Err(error)) | Event::Refused(side, error)) if side == first => {
                self.failure = Some(error);
                self.stage = Stage::Second;
                vec![]
            }
            (Stage::Both, Event::Answered(_, Ok(response))) => {
                let mut actions = vec![Action::Forget(first)];
                actions.extend(self.answer_as(response, self.second_reason));
                actions
            }
            (Stage::Both, Event::Refused(_, error) | Event::Answered(_, Err(error))) => match self.kept {
                Some(_) => self.answer_kept(self.plan.reason),
                None => {
                    self.failure = Some(error);
                    self.stage = Stage::Late;
                    vec![]
                }
            },
            (Stage::Both, Event::Due) if self.deadline_passed(now) => match self.kept {
                Some(_) => self.answer_kept(self.plan.reason),
                None => self.too_late(),
            },

            (Stage::Late, Event::Answered(side, Ok(response))) if side == first => {
                self.answer_as(response, self.plan.reason)
            }
            (Stage::Late, Event::Answered(side, Err(error)) | Event::Refused(side, error)) if side == first => {
                // The second side's word says what can be done: `BudgetExhausted` rather than a time-out.
                let answer = match self.failure.take() {
                    Some(of_second) => both_failed(of_second, &error),
                    None => error,
                };
                self.answer(Err(answer))
            }
            (Stage::Second, Event::Answered(side, Ok(response))) if side == second => {
                self.answer_as(response, self.second_reason)
            }
            (Stage::Second, Event::Answered(side, Err(error)) | Event::Refused(side, error)) if side == second => {
                self.both_failed(error)
            }
            (Stage::Late | Stage::Second, Event::Due) if self.deadline_passed(now) => self.too_late(),

            (Stage::Ranking, Event::Ranked(true)) => {
                self.stage = Stage::Escalated;
                vec![self.wait_from(now), Action::Call(Side::Fallback)]
            }
            (Stage::Ranking, Event::Ranked(false)) => self.answer_kept(AnswerReason::NotEscalated),
            (Stage::Ranking, Event::Due) if self.deadline_passed(now) => self.answer_kept(AnswerReason::NotEscalated),
            (Stage::Escalated, Event::Answered(Side::Fallback, Ok(response))) => {
                self.answer_as(response, AnswerReason::Escalated)
            }
            (Stage::Escalated, Event::Answered(Side::Fallback, Err(_)) | Event::Refused(..)) => {
                self.answer_kept(AnswerReason::NotEscalated)
            }
            (Stage::Escalated, Event::Due) if now >= self.patience_ends || self.deadline_passed(now) => {
                let mut actions = vec![Action::TimedOut(Side::Fallback), Action::Forget(Side::Fallback)];
                actions.extend(self.answer_kept(AnswerReason::NotEscalated));
                actions
            }
            // A late word of somebody who is not waited for any more, or a wake-up of an earlier stage.
            _ => vec![],
        }
    }

    fn first_answer(&mut self, response: Response) -> Vec<Action> {
        let uncertain = self.plan.uncertain.is_some_and(|range| uncertainty(&response, range) > 0.0);
        if !uncertain || !self.plan.has_second || self.plan.first == Side::Fallback {
            return self.answer_as(response, self.plan.reason);
        }
        self.kept = Some(response);
        self.stage = Stage::Ranking;
        vec![Action::Rank]
    }

    /// The first side has failed; the second is asked where there is one.
    fn fail(&mut self, error: Error, reason: AnswerReason, now: Timestamp) -> Vec<Action> {
        if !self.plan.has_second {
            return self.answer(Err(error));
        }
        if self.deadline_passed(now) {
            return self.too_late();
        }
        self.failure = Some(error);
        self.second_reason = reason;
        self.stage = Stage::Second;
        self.at_deadline([Action::Call(self.plan.first.other())])
    }

    fn fails_over(&self, error: &Error) -> bool {
        match error.code() {
            ErrorCode::Overloaded => self.plan.overflows,
            // A primary that costs nothing stands in for a cloud that may not be paid.
            ErrorCode::BudgetExhausted | ErrorCode::RateLimited if self.plan.first == Side::Fallback => true,
            // Somebody closed it; the request itself was not taken back.
            ErrorCode::Cancelled => true,
            // Also where a breaker of its own refused, which counts for no breaker.
            ErrorCode::Unavailable => true,
            _ => super::counts(error),
        }
    }

    fn both_failed(&mut self, of_second: Error) -> Vec<Action> {
        let answer = match self.failure.take() {
            Some(of_first) => both_failed(of_second, &of_first),
            None => of_second,
        };
        self.answer(Err(answer))
    }

    fn too_late(&mut self) -> Vec<Action> {
        // Who was asked and has not answered in the time there was is slow, whoever set the time.
        let sides = [Side::Primary, Side::Fallback].map(|side| [Action::TimedOut(side), Action::Forget(side)]);
        let what = match &self.failure {
            Some(earlier) => format!("nobody answered before the deadline; before that: {earlier}"),
            None => "nobody answered before the deadline".into(),
        };
        let mut actions: Vec<_> = sides.into_iter().flatten().collect();
        actions.extend(self.answer(Err(Error::deadline_exceeded(what))));
        actions
    }

    fn answer_kept(&mut self, reason: AnswerReason) -> Vec<Action> {
        match self.kept.take() {
            Some(response) => self.answer_as(response, reason),
            None => vec![],
        }
    }

    fn answer_as(&mut self, mut response: Response, reason: AnswerReason) -> Vec<Action> {
        response.answer.reason = reason;
        self.answer(Ok(response))
    }

    fn answer(&mut self, answer: Result<Response>) -> Vec<Action> {
        self.stage = Stage::Done;
        vec![Action::Answer(answer)]
    }

    fn wait_from(&mut self, now: Timestamp) -> Action {
        let patience_ends = now + self.plan.timeout;
        self.patience_ends = self.plan.deadline.map_or(patience_ends, |deadline| deadline.min(patience_ends));
        Action::WakeAt(self.patience_ends)
    }

    fn at_deadline<const N: usize>(&self, actions: [Action; N]) -> Vec<Action> {
        let wake = self.plan.deadline.map(Action::WakeAt);
        wake.into_iter().chain(actions).collect()
    }

    fn deadline_passed(&self, now: Timestamp) -> bool {
        self.plan.deadline.is_some_and(|deadline| now >= deadline)
    }
}

/// The code and the advice of the one that could have helped, and the words of both.
fn both_failed(of_second: Error, of_first: &Error) -> Error {
    let (code, advice) = (of_second.code(), of_second.advice());
    Error::new(code, format!("{of_second}; before that: {of_first}")).with_advice(advice).with_source(of_second)
}

/// How uncertain the least certain detection is: 1 in the middle of the range, 0 at its ends and outside.
pub(super) fn uncertainty(response: &Response, (from, to): (f32, f32)) -> f32 {
    let half = (to - from) / 2.0;
    let found = response.detections.iter().flat_map(|detections| &detections.items);
    found.map(|item| 1.0 - ((item.confidence - from - half) / half).abs()).fold(0.0, f32::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detection::{Detection, Detections, Label, Timing};
    use crate::geometry::{BoundingBox, Size};
    use crate::provider::Latency;

    fn found(confidence: f32) -> Response {
        let label = Label { id: 0, name: "person".into() };
        let item = Detection::new(BoundingBox::default(), label, confidence);
        let detections = Detections::new(vec![item], Size::new(9, 9), Timing::default());
        Response::new(vec![detections], &"x".into(), Latency::default())
    }

    /// `P.9` the primary answers with one detection this sure, `F!Unavailable` the fallback fails, `P-` the primary's
    /// breaker refuses, `F<` the fallback was taken back and `F>` had begun, `+` and `-` chosen or not for a second look,
    /// `@500` the time, `due`, `start`.
    fn event(text: &str) -> Event {
        let (side, rest) = match text.split_at(1) {
            ("P", rest) => (Side::Primary, rest),
            ("F", rest) => (Side::Fallback, rest),
            ("+", _) => return Event::Ranked(true),
            ("-", _) => return Event::Ranked(false),
            _ if text == "due" => return Event::Due,
            _ => return Event::Start,
        };
        match rest.split_at(1) {
            ("-", _) => Event::Refused(side, Error::new(ErrorCode::Unavailable, "the breaker is open")),
            ("<", _) => Event::TakenBack(true),
            (">", _) => Event::TakenBack(false),
            ("!", name) => {
                let code = [
                    ErrorCode::Unavailable,
                    ErrorCode::DeadlineExceeded,
                    ErrorCode::InvalidArgument,
                    ErrorCode::BudgetExhausted,
                    ErrorCode::Overloaded,
                    ErrorCode::Cancelled,
                    ErrorCode::PermissionDenied,
                ]
                .into_iter()
                .find(|code| code.to_string() == name);
                Event::Answered(side, Err(Error::new(code.unwrap(), "a fault")))
            }
            _ => Event::Answered(side, Ok(found(rest.parse().unwrap()))),
        }
    }

    fn word(action: &Action) -> String {
        let letter = |side: &Side| if *side == Side::Primary { "P" } else { "F" };
        match action {
            Action::Call(side) => format!("call {}", letter(side)),
            Action::WakeAt(at) => format!("@{}", at.as_nanos() / 1_000_000),
            Action::TimedOut(side) => format!("slow {}", letter(side)),
            Action::TakeBack(side) => format!("take back {}", letter(side)),
            Action::Forget(side) => format!("forget {}", letter(side)),
            Action::Rank => "rank".into(),
            Action::Answer(Ok(response)) => {
                format!("{} {:?}", response.detections[0].items[0].confidence, response.answer.reason)
            }
            Action::Answer(Err(error)) => format!("{}", error.code()),
        }
    }

    fn run(plan: Plan, script: &str) -> String {
        let mut flow = Flow::new(plan);
        let mut now = Timestamp::default();
        let mut said = Vec::new();
        for text in script.split_whitespace() {
            if let Some(ms) = text.strip_prefix('@') {
                now = Timestamp::from_millis(ms.parse().unwrap());
                continue;
            }
            let actions: Vec<_> = flow.on(event(text), now).iter().map(word).collect();
            said.push(if actions.is_empty() { "·".to_owned() } else { actions.join(", ") });
        }
        said.join(" | ")
    }

    fn failover() -> Plan {
        Plan {
            first: Side::Primary,
            has_second: true,
            reason: AnswerReason::Primary,
            timeout: Duration::from_secs(5),
            deadline: Some(Timestamp::from_millis(20_000)),
            overflows: false,
            uncertain: None,
        }
    }

    #[test]
    fn failover_step_by_step() {
        for (script, expected) in [
            ("start P.9 F.8", "@5000, call P | 0.9 Primary | ·"),
            ("start P!Unavailable F.8", "@5000, call P | @20000, call F | 0.8 OtherFailed(Unavailable)"),
            ("start P!Cancelled F.8", "@5000, call P | @20000, call F | 0.8 OtherFailed(Cancelled)"),
            ("start P!InvalidArgument", "@5000, call P | InvalidArgument"),
            ("start P!PermissionDenied", "@5000, call P | PermissionDenied"),
            ("start P!Overloaded", "@5000, call P | Overloaded"),
            ("start P- F.8", "@5000, call P | @20000, call F | 0.8 OtherOpen"),
            ("start P- F-", "@5000, call P | @20000, call F | Unavailable"),
            ("start P!Unavailable F!BudgetExhausted", "@5000, call P | @20000, call F | BudgetExhausted"),
            // Slow: the other one is asked, once.
            ("start @4999 due", "@5000, call P | ·"),
            ("start @5000 due F.8 P.9", "@5000, call P | @20000, slow P, call F | forget P, 0.8 OtherSlow | ·"),
            // A late answer wins where the other one has not begun, and stands by where it has.
            ("start @5000 due P.9 F<", "@5000, call P | @20000, slow P, call F | take back F | 0.9 Primary"),
            (
                "start @5000 due P.9 F> F.8",
                "@5000, call P | @20000, slow P, call F | take back F | · | forget P, 0.8 OtherSlow",
            ),
            (
                "start @5000 due P.9 F> F!Unavailable",
                "@5000, call P | @20000, slow P, call F | take back F | · | 0.9 Primary",
            ),
            (
                "start @5000 due P.9 F> @20000 due",
                "@5000, call P | @20000, slow P, call F | take back F | · | 0.9 Primary",
            ),
            ("start @5000 due P!Unavailable F.8", "@5000, call P | @20000, slow P, call F | · | 0.8 OtherSlow"),
            // Nobody is asked a second time.
            ("start @5000 due F!Unavailable P!Unavailable", "@5000, call P | @20000, slow P, call F | · | Unavailable"),
            ("start @5000 due F!BudgetExhausted P.9", "@5000, call P | @20000, slow P, call F | · | 0.9 Primary"),
            (
                "start @5000 due F!BudgetExhausted P!DeadlineExceeded",
                "@5000, call P | @20000, slow P, call F | · | BudgetExhausted",
            ),
            ("start @5000 due F- P.9", "@5000, call P | @20000, slow P, call F | · | 0.9 Primary"),
            // The first one's breaker was asked only after its time was over.
            ("start @5000 due P- F.8", "@5000, call P | @20000, slow P, call F | · | 0.8 OtherSlow"),
            ("start @5000 due F- P-", "@5000, call P | @20000, slow P, call F | · | Unavailable"),
            // The deadline ends everything.
            ("start @20000 due P.9", "@5000, call P | slow P, forget P, slow F, forget F, DeadlineExceeded | ·"),
            ("start @20000 P!Unavailable", "@5000, call P | slow P, forget P, slow F, forget F, DeadlineExceeded"),
            (
                "start P!Unavailable @20000 due F.8",
                "@5000, call P | @20000, call F | slow P, forget P, slow F, forget F, DeadlineExceeded | ·",
            ),
            (
                "start @5000 due F- @20000 due",
                "@5000, call P | @20000, slow P, call F | · | slow P, forget P, slow F, forget F, DeadlineExceeded",
            ),
        ] {
            assert_eq!(run(failover(), script), expected, "{script}");
        }
    }

    #[test]
    fn other_plans_step_by_step() {
        let alone = Plan { has_second: false, reason: AnswerReason::OnlyOne, ..failover() };
        let cloud_first = Plan { first: Side::Fallback, reason: AnswerReason::Overflow, overflows: true, ..failover() };
        let overflow = Plan { overflows: true, ..failover() };
        let hurried = Plan { deadline: Some(Timestamp::from_millis(1_000)), ..failover() };
        let patient = Plan { deadline: None, ..failover() };
        let unsure = Plan { uncertain: Some((0.25, 0.75)), ..failover() };
        for (plan, script, expected) in [
            (alone, "start P!Unavailable", "@5000, call P | Unavailable"),
            (alone, "start P-", "@5000, call P | Unavailable"),
            (alone, "start @5000 due P.9", "@5000, call P | @20000, slow P | 0.9 OnlyOne"),
            (cloud_first, "start F.8", "@5000, call F | 0.8 Overflow"),
            // No money, or the cloud is down: the primary tries, late as it may be.
            (cloud_first, "start F!Unavailable P.9", "@5000, call F | @20000, call P | 0.9 OtherFailed(Unavailable)"),
            (
                cloud_first,
                "start F!BudgetExhausted P.9",
                "@5000, call F | @20000, call P | 0.9 OtherFailed(BudgetExhausted)",
            ),
            (overflow, "start P!Overloaded F.8", "@5000, call P | @20000, call F | 0.8 Overflow"),
            (hurried, "start @1000 due", "@1000, call P | slow P, forget P, slow F, forget F, DeadlineExceeded"),
            (patient, "start @5000 due F.8", "@5000, call P | slow P, call F | forget P, 0.8 OtherSlow"),
            (patient, "start P!Unavailable F.8", "@5000, call P | call F | 0.8 OtherFailed(Unavailable)"),
            (unsure, "start P.9", "@5000, call P | 0.9 Primary"),
            (unsure, "start P.5 + F.8", "@5000, call P | rank | @5000, call F | 0.8 Escalated"),
            (unsure, "start P.5 -", "@5000, call P | rank | 0.5 NotEscalated"),
            (unsure, "start P.5 + F!BudgetExhausted", "@5000, call P | rank | @5000, call F | 0.5 NotEscalated"),
            (unsure, "start P.5 + F-", "@5000, call P | rank | @5000, call F | 0.5 NotEscalated"),
            (
                unsure,
                "start P.5 @300 + @5000 due @5300 due F.8",
                "@5000, call P | rank | @5300, call F | · | slow F, forget F, 0.5 NotEscalated | ·",
            ),
            (unsure, "start P.5 @20000 due", "@5000, call P | rank | 0.5 NotEscalated"),
            (unsure, "start P!Unavailable F.5", "@5000, call P | @20000, call F | 0.5 OtherFailed(Unavailable)"),
        ] {
            assert_eq!(run(plan, script), expected, "{script}");
        }
    }

    #[test]
    fn uncertainty_is_highest_in_the_middle() {
        for (confidence, expected) in [(0.5, 1.0), (0.375, 0.5), (0.25, 0.0), (0.9, 0.0), (0.1, 0.0)] {
            assert!((uncertainty(&found(confidence), (0.25, 0.75)) - expected).abs() < 1e-6, "{confidence}");
        }
    }
}
