//! Who is asked first, and whether the other side may be asked as well.

use super::Side;
use crate::clock::Timestamp;
use crate::provider::AnswerReason;
use crate::provider::hybrid::balance::Balance;
use crate::provider::hybrid::config::{Escalation, HybridConfig, HybridMode};
use crate::provider::hybrid::latency_estimate::LatencyEstimate;
use crate::resilience::FailurePolicy;
use std::time::Duration;

/// The situation when a request comes; pairs are of the primary and the fallback.
#[derive(Debug)]
pub(in crate::provider::hybrid) struct Circumstances<'a> {
    /// Whether the side can look for what is wanted.
    pub(in crate::provider::hybrid) can: [bool; 2],
    /// Whether pictures leave the machine, which may cost money.
    pub(in crate::provider::hybrid) leaves_machine: [bool; 2],
    /// How long the request would wait for the primary to take it up, where requests overflow.
    pub(in crate::provider::hybrid) wait: Duration,
    /// Of the primary.
    pub(in crate::provider::hybrid) latency: &'a LatencyEstimate,
    pub(in crate::provider::hybrid) deadline: Option<Timestamp>,
}

/// Decisions that are made when a request comes.
#[derive(Clone, Copy, Debug)]
pub(in crate::provider::hybrid) struct Plan {
    pub(in crate::provider::hybrid) first: Side,
    /// Whether the other side can do it too.
    pub(in crate::provider::hybrid) has_second: bool,
    /// Whether the other side takes no money.
    pub(in crate::provider::hybrid) second_is_free: bool,
    /// Why the first one is the first.
    pub(in crate::provider::hybrid) reason: AnswerReason,
    pub(in crate::provider::hybrid) timeout: Duration,
    pub(in crate::provider::hybrid) deadline: Option<Timestamp>,
    /// Whether the second side is asked where the first is full.
    pub(in crate::provider::hybrid) overflows: bool,
    /// Confidences between which a detection is uncertain, where uncertain answers get a second look.
    pub(in crate::provider::hybrid) uncertain: Option<(f32, f32)>,
    /// Which errors speak against a side.
    pub(in crate::provider::hybrid) failures: FailurePolicy,
}

impl Plan {
    /// Takes a turn of the `balance` where requests are balanced and both sides can do it.
    pub(in crate::provider::hybrid) fn new(
        config: &HybridConfig,
        circumstances: &Circumstances<'_>,
        balance: Option<&mut Balance>,
        now: Timestamp,
    ) -> Self {
        let Circumstances { can: [primary_can, fallback_can], leaves_machine, deadline, .. } = *circumstances;
        let has_second = primary_can && fallback_can;
        let mut timeout = config.fallback_timeout();
        let (first, reason) = match (has_second, balance, &config.mode, deadline) {
            (false, ..) if primary_can => (Side::Primary, AnswerReason::OnlyOne),
            (false, ..) => (Side::Fallback, AnswerReason::OnlyOne),
            (true, Some(balance), ..) => (balance.next(), AnswerReason::Balanced),
            (true, None, HybridMode::Overflow, Some(deadline)) => match load(circumstances, deadline, now) {
                Load::InTime => (Side::Primary, AnswerReason::Primary),
                Load::Unknown => {
                    // This request probes whether it is still slow, with half of its time left for the other.
                    timeout = timeout.min((deadline - now) / 2);
                    (Side::Primary, AnswerReason::Primary)
                }
                Load::TooMuch => (Side::Fallback, AnswerReason::Overflow),
            },
            (true, None, ..) => (Side::Primary, AnswerReason::Primary),
        };
        let uncertain = match config.mode {
            HybridMode::Escalate(Escalation { from, to, .. }) if has_second => Some((from, to)),
            _ => None,
        };
        Self {
            first,
            has_second,
            second_is_free: !leaves_machine[first.other() as usize],
            reason,
            timeout,
            deadline,
            overflows: matches!(config.mode, HybridMode::Overflow),
            uncertain,
            failures: config.failure_policy,
        }
    }
}

/// Whether the primary is expected to answer before the deadline.
enum Load {
    InTime,
    /// Its queue is short enough; it was slow once, and has not been asked of late.
    Unknown,
    TooMuch,
}

fn load(circumstances: &Circumstances<'_>, deadline: Timestamp, now: Timestamp) -> Load {
    let in_time = |takes: Duration| now + takes < deadline;
    if !in_time(circumstances.wait) {
        return Load::TooMuch;
    }
    match (in_time(circumstances.latency.usual()), circumstances.latency.is_stale(now)) {
        (true, _) => Load::InTime,
        (false, true) => Load::Unknown,
        (false, false) => Load::TooMuch,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use AnswerReason::{Balanced, OnlyOne, Overflow, Primary};

    const NOW: Timestamp = Timestamp::from_millis(100_000);

    fn config(mode: HybridMode) -> HybridConfig {
        HybridConfig { mode, fallback_timeout_s: 5.0, ..HybridConfig::default() }
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// A primary that usually takes so long, and was asked so long ago.
    fn latency(usual: Option<u64>, asked_before: Option<u64>) -> LatencyEstimate {
        let mut latency = LatencyEstimate::default();
        if let Some(usual) = usual {
            latency.answered(ms(usual));
        }
        if let Some(before) = asked_before {
            latency.asked(Timestamp::from_nanos(NOW.as_nanos() - i64::try_from(ms(before).as_nanos()).unwrap()));
        }
        latency
    }

    fn circumstances(latency: &LatencyEstimate) -> Circumstances<'_> {
        Circumstances {
            can: [true, true],
            leaves_machine: [false, true],
            wait: Duration::ZERO,
            latency,
            deadline: Some(NOW + ms(2_000)),
        }
    }

    #[test]
    fn the_mode_and_what_the_sides_can_do_say_who_is_first() {
        let idle = latency(None, None);
        let escalate = || HybridMode::Escalate(Escalation { from: 0.25, to: 0.75, ..Escalation::default() });
        let (failover, overflow) = (|| HybridMode::Failover, || HybridMode::Overflow);
        for (mode, can, first, reason, has_second, free, uncertain) in [
            (failover(), [true, true], Side::Primary, Primary, true, false, None),
            (failover(), [true, false], Side::Primary, OnlyOne, false, false, None),
            (failover(), [false, true], Side::Fallback, OnlyOne, false, true, None),
            // A request that nobody can do is not admitted; were it, the fallback's error says so.
            (failover(), [false, false], Side::Fallback, OnlyOne, false, true, None),
            (overflow(), [true, true], Side::Primary, Primary, true, false, None),
            (overflow(), [false, true], Side::Fallback, OnlyOne, false, true, None),
            (escalate(), [true, true], Side::Primary, Primary, true, false, Some((0.25, 0.75))),
            (escalate(), [true, false], Side::Primary, OnlyOne, false, false, None),
        ] {
            let said = format!("{mode:?} {can:?}");
            let overflows = matches!(mode, HybridMode::Overflow);
            let plan = Plan::new(&config(mode), &Circumstances { can, ..circumstances(&idle) }, None, NOW);
            assert_eq!((plan.first, plan.reason, plan.has_second), (first, reason, has_second), "{said}");
            assert_eq!((plan.second_is_free, plan.uncertain, plan.overflows), (free, uncertain, overflows), "{said}");
            assert_eq!((plan.timeout, plan.deadline), (ms(5_000), Some(NOW + ms(2_000))), "{said}");
        }
    }

    #[test]
    fn turns_are_taken_only_where_both_can_do_it() {
        let idle = latency(None, None);
        let mut balance = Balance::new(1, 1);
        let config = config(HybridMode::Balance { primary: 1, fallback: 1 });
        let mut next = |can| {
            let plan = Plan::new(&config, &Circumstances { can, ..circumstances(&idle) }, Some(&mut balance), NOW);
            (plan.first, plan.reason)
        };
        assert_eq!(next([true, true]), (Side::Primary, Balanced));
        for _ in 0..3 {
            assert_eq!(next([true, false]), (Side::Primary, OnlyOne));
        }
        assert_eq!(next([true, true]), (Side::Fallback, Balanced), "the turn was not used up");
        assert_eq!(next([true, true]), (Side::Primary, Balanced));
    }

    #[test]
    fn what_the_primary_cannot_do_in_time_overflows() {
        let config = config(HybridMode::Overflow);
        // The wait, the usual time, when the primary was asked last, the deadline; who is first, why, and how long it has.
        for (wait, usual, asked, deadline, first, reason, timeout) in [
            (0, None, None, Some(2_000), Side::Primary, Primary, 5_000),
            (1_999, Some(1_999), Some(1), Some(2_000), Side::Primary, Primary, 5_000),
            (2_000, None, None, Some(2_000), Side::Fallback, Overflow, 5_000),
            (0, Some(2_000), Some(9_999), Some(2_000), Side::Fallback, Overflow, 5_000),
            // It was slow once, and nobody has asked for long: it gets half of the time, to show whether it still is.
            (0, Some(2_000), Some(10_000), Some(2_000), Side::Primary, Primary, 1_000),
            (0, Some(60_000), Some(10_000), Some(20_000), Side::Primary, Primary, 5_000),
            (2_000, Some(2_000), Some(10_000), Some(2_000), Side::Fallback, Overflow, 5_000),
            (9_000, Some(9_000), Some(1), None, Side::Primary, Primary, 5_000),
        ] {
            let latency = latency(usual, asked);
            let deadline = deadline.map(|deadline| NOW + ms(deadline));
            let circumstances = Circumstances { wait: ms(wait), deadline, ..circumstances(&latency) };
            let plan = Plan::new(&config, &circumstances, None, NOW);
            let said = format!("{wait} {usual:?} {asked:?} {deadline:?}");
            assert_eq!((plan.first, plan.reason, plan.timeout), (first, reason, ms(timeout)), "{said}");
        }
    }
}
