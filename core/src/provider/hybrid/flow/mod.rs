//! The flow of one request: which side is called first ([`Plan`]), when the other one is, and whose answer counts
//! ([`Flow`]). State machines: events in, actions out.

mod plan;

pub(super) use plan::{Circumstances, Plan};

use crate::clock::Timestamp;
use crate::error::{Advice, Error, ErrorCode, Result};
use crate::provider::{AnswerReason, Response};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One of the two providers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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
    /// Result of [`Action::TakeBack`]: true where the side had not begun.
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
    /// The call timed out: report it to the breaker now, and nothing later.
    TimedOut(Side),
    /// Take the request back from this side where it has not begun; [`Event::TakenBack`] says whether.
    TakeBack(Side),
    /// Stop waiting for this side.
    Forget(Side),
    /// Let the answer compete for a second look.
    Rank,
    Answer(Result<Response>),
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
    /// The first side's answer, which counts unless a better one comes.
    kept: Option<Response>,
    /// The error of the side that failed first.
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
        let waits = !matches!(self.stage, Stage::Ranking | Stage::Escalated | Stage::Done) && self.kept.is_none();
        if waits && self.deadline_passed(now) && matches!(event, Event::Answered(_, Ok(_))) {
            return self.too_late();
        }
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
                // There is no alternative: the answer is still awaited, but the breaker records the time-out.
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
            // A late answer that is no longer awaited, or a wake-up of an earlier stage.
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
            // The request's own fault: the other one would say the same.
            ErrorCode::InvalidArgument | ErrorCode::Unsupported | ErrorCode::DataCorrupt => false,
            _ if error.advice() == Advice::ChangeInput => false,
            // Whatever keeps a cloud from answering (rights, money, a fault of ours), to ask here costs nothing.
            _ if self.plan.second_is_free => true,
            ErrorCode::Overloaded => self.plan.overflows,
            // Somebody closed it, and the request itself was not taken back; or a breaker of its own refused, which counts
            // for no other breaker.
            ErrorCode::Cancelled | ErrorCode::Unavailable => true,
            _ => self.plan.failures.counts(error),
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
        // A side that did not answer in the time there was is slow, whoever set the limit.
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

/// The code and the advice of the second error, and the messages of both.
fn both_failed(of_second: Error, of_first: &Error) -> Error {
    let message = format!("{of_second}; before that: {of_first}");
    of_second.reworded(message)
}

/// How uncertain the least certain detection is: 1 in the middle of the range, 0 at its ends and outside.
pub(super) fn uncertainty(response: &Response, (from, to): (f32, f32)) -> f32 {
    let half = (to - from) / 2.0;
    let found = response.detections.iter().flat_map(|detections| &detections.items);
    found.map(|item| 1.0 - ((item.confidence - from - half) / half).abs()).fold(0.0, f32::max)
}

#[cfg(test)]
mod tests;
