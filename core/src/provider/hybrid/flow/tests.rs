use super::*;
use crate::detection::{Detection, Detections, Label, Timing};
use crate::geometry::{BoundingBox, Size};
use crate::provider::Latency;
use crate::resilience::FailurePolicy;
use std::time::Duration;

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
                ErrorCode::RateLimited,
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
        second_is_free: false,
        reason: AnswerReason::Primary,
        timeout: Duration::from_secs(5),
        deadline: Some(Timestamp::from_millis(20_000)),
        overflows: false,
        uncertain: None,
        failures: FailurePolicy::default(),
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
        ("start @5000 due P.9 F> @20000 due", "@5000, call P | @20000, slow P, call F | take back F | · | 0.9 Primary"),
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
        // The deadline ends everything, an answer that comes after it included.
        ("start @20001 P.9", "@5000, call P | slow P, forget P, slow F, forget F, DeadlineExceeded"),
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
    let cloud_first = Plan {
        first: Side::Fallback,
        second_is_free: true,
        reason: AnswerReason::Overflow,
        overflows: true,
        ..failover()
    };
    let overflow = Plan { overflows: true, ..failover() };
    let hurried = Plan { deadline: Some(Timestamp::from_millis(1_000)), ..failover() };
    let patient = Plan { deadline: None, ..failover() };
    let unsure = Plan { uncertain: Some((0.25, 0.75)), ..failover() };
    let throttled = Plan { failures: FailurePolicy { throttling_counts: false }, ..failover() };
    for (plan, script, expected) in [
        (throttled, "start P!RateLimited", "@5000, call P | RateLimited"),
        (failover(), "start P!RateLimited F.8", "@5000, call P | @20000, call F | 0.8 OtherFailed(RateLimited)"),
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
        (
            cloud_first,
            "start F!PermissionDenied P.9",
            "@5000, call F | @20000, call P | 0.9 OtherFailed(PermissionDenied)",
        ),
        (cloud_first, "start F!InvalidArgument", "@5000, call F | InvalidArgument"),
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
