use super::TriggerConfig;
use crate::check::nanos;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Debounces a condition: from whether it holds, scene by scene, to when it fires.
///
/// Times are added up from step to step, so that clock jumps have no effect: a step back counts as none, and one over a
/// gap that was not watched counts for the cooldown only.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Debounce {
    /// For how long it has held; none where it does not.
    held_ns: Option<u64>,
    /// Whether it fired since it began to hold.
    fired: bool,
    /// Whether it would have fired since it began to hold, were it not too soon.
    too_soon: bool,
    /// Since the last event.
    since_fired_ns: Option<u64>,
    /// Civil times of the last frames at which it fired: event ids are made of them, and must stay unique.
    fired_at: VecDeque<i64>,
    pub(super) suppressed: u64,
}

/// The debouncing settings of a config.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) for_ns: u64,
    pub(super) cooldown_ns: u64,
    /// Each scene in which the condition holds is a case of its own.
    pub(super) instant: bool,
}

/// From the scene before to this one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Step {
    pub(super) civil_ns: i64,
    pub(super) passed_ns: u64,
    /// The part of it that was watched.
    pub(super) watched_ns: u64,
    /// Time went backwards, or this is the first scene.
    pub(super) anew: bool,
}

/// Firings that are remembered; where time goes backwards further than that, an id may repeat.
const MOST_FIRED: usize = 64;

impl Rules {
    pub(super) fn new(config: &TriggerConfig) -> Self {
        let instant = config.when.is_instant();
        Self { for_ns: nanos(config.for_s), cooldown_ns: nanos(config.cooldown_s), instant }
    }
}

impl Debounce {
    /// Whether it fires now. `on_duty` is called only where all else holds.
    pub(super) fn on(&mut self, holds: bool, step: &Step, rules: &Rules, on_duty: impl FnOnce() -> bool) -> bool {
        if let Some(since) = &mut self.since_fired_ns {
            *since = since.saturating_add(step.passed_ns);
        }
        if !holds || rules.instant {
            if self.too_soon && !self.fired {
                self.suppressed = self.suppressed.saturating_add(1);
            }
            (self.held_ns, self.fired, self.too_soon) = (None, false, false);
        }
        if !holds {
            return false;
        }
        let held = match self.held_ns {
            Some(held) if !step.anew => held.saturating_add(step.watched_ns),
            _ => 0,
        };
        self.held_ns = Some(held);
        if self.fired || held < rules.for_ns || !on_duty() {
            return false;
        }
        let cooling = self.since_fired_ns.is_some_and(|since| since < rules.cooldown_ns);
        if cooling || self.fired_at.contains(&step.civil_ns) {
            self.too_soon = true;
            return false;
        }
        self.fired = true;
        self.since_fired_ns = Some(0);
        while self.fired_at.len() >= MOST_FIRED {
            self.fired_at.pop_front();
        }
        self.fired_at.push_back(step.civil_ns);
        true
    }
}
