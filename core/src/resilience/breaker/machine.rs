use super::config::CircuitBreakerConfig;
use super::window::{Tally, Window};
use super::{BreakerCounts, BreakerOpen, BreakerState, BreakerTransition, TransitionReason};
use crate::check::nanos;
use crate::clock::Timestamp;
use crate::resilience::monotonic::MonotonicTime;
use crate::resilience::random::Random;
use std::collections::VecDeque;
use std::time::Duration;

/// The state, with what only that state knows. Times are of [`MonotonicTime`].
#[derive(Debug)]
enum Phase {
    Closed,
    Open { since_ns: u128, wait_ns: u64 },
    HalfOpen(Probes),
    ForcedOpen,
    Disabled,
}

/// One round of probes.
#[derive(Debug)]
struct Probes {
    /// Permits that have not come back.
    out: u32,
    succeeded: u32,
    /// Successful ones that were slow.
    slow: u32,
    /// When a permit was last given or reported.
    news_ns: u128,
}

/// What a permit remembers of the moment it was given.
#[derive(Debug)]
pub(super) struct Ticket {
    generation: u64,
    given_ns: u128,
}

/// All decisions of a breaker, without its lock.
#[derive(Debug)]
pub(super) struct Machine {
    config: CircuitBreakerConfig,
    slow_ns: u128,
    half_open_max_ns: u128,
    time: MonotonicTime,
    random: Random,
    phase: Phase,
    /// Goes up with every change of state and every reset: a ticket of another generation says nothing about this one.
    generation: u64,
    window: Window,
    consecutive: u32,
    /// Probe rounds that failed since the breaker opened out of the closed state.
    failed_rounds: u32,
    refused: u64,
    opened: u64,
    /// Transitions that the listeners have not received yet, oldest first.
    pub(super) news: VecDeque<BreakerTransition>,
}

impl Machine {
    /// `config` has been validated.
    pub(super) fn new(config: CircuitBreakerConfig, seed: u64) -> Self {
        Self {
            slow_ns: nanos(config.slow_call_s).into(),
            half_open_max_ns: nanos(config.half_open_max_s).into(),
            time: MonotonicTime::default(),
            random: Random::new(seed),
            phase: Phase::Closed,
            generation: 0,
            window: Window::new(config.window),
            consecutive: 0,
            failed_rounds: 0,
            refused: 0,
            opened: 0,
            news: VecDeque::new(),
            config,
        }
    }

    pub(super) fn reseed(&mut self, seed: u64) {
        self.random = Random::new(seed);
    }

    /// Requests permission to make a call.
    pub(super) fn acquire(&mut self, now: Timestamp) -> Result<Ticket, BreakerOpen> {
        let at = self.advance(now);
        let retry_after = match &mut self.phase {
            Phase::Closed | Phase::Disabled => return Ok(self.ticket(at)),
            Phase::HalfOpen(probes) if probes.out + probes.succeeded < self.config.half_open_permits => {
                probes.out += 1;
                probes.news_ns = at;
                return Ok(self.ticket(at));
            }
            Phase::HalfOpen(_) | Phase::ForcedOpen => None,
            Phase::Open { since_ns, wait_ns } => {
                let left = u128::from(*wait_ns).saturating_sub(at - *since_ns);
                Some(Duration::from_nanos(u64::try_from(left).unwrap_or(u64::MAX)))
            }
        };
        self.refused = self.refused.saturating_add(1);
        Err(BreakerOpen { state: self.stored(), retry_after })
    }

    fn ticket(&self, given_ns: u128) -> Ticket {
        Ticket { generation: self.generation, given_ns }
    }

    /// Records the result of this ticket's call.
    ///
    /// The timeout of the probes is not checked first: a late report is better than none.
    pub(super) fn report(&mut self, ticket: &Ticket, failed: bool, now: Timestamp) {
        if ticket.generation != self.generation {
            return;
        }
        let at = self.time.at(now);
        let slow = at - ticket.given_ns > self.slow_ns;
        match &mut self.phase {
            Phase::Closed => self.report_closed(failed, slow, at, now),
            Phase::HalfOpen(probes) => {
                probes.news_ns = at;
                probes.out = probes.out.saturating_sub(1);
                if failed {
                    self.open_again(at, now, TransitionReason::ProbeFailed);
                    return;
                }
                probes.succeeded += 1;
                probes.slow += u32::from(slow);
                if probes.succeeded < self.config.half_open_permits {
                    return;
                }
                if reaches(self.config.slow_call_rate, probes.slow.into(), probes.succeeded.into()) {
                    self.open_again(at, now, TransitionReason::ProbesSlow);
                } else {
                    self.close(now, TransitionReason::ProbesSucceeded);
                }
            }
            // Disabled counts nothing; the others give no tickets of their generation.
            Phase::Disabled | Phase::Open { .. } | Phase::ForcedOpen => {}
        }
    }

    fn report_closed(&mut self, failed: bool, slow: bool, at: u128, now: Timestamp) {
        self.window.record(failed, slow, at);
        self.consecutive = if failed { self.consecutive.saturating_add(1) } else { 0 };
        let tally = self.window.tally(at);
        if tally.failures == 0 && tally.slow == 0 {
            return;
        }
        if let Some(why) = self.trips(tally) {
            self.open(0, at, now, why);
        }
    }

    /// The first of the three rules that opens the breaker, if any.
    fn trips(&self, tally: Tally) -> Option<TransitionReason> {
        let config = &self.config;
        if config.consecutive_failures > 0 && self.consecutive >= config.consecutive_failures {
            return Some(TransitionReason::ConsecutiveFailures);
        }
        if tally.calls < config.minimum_calls.into() {
            return None;
        }
        if reaches(config.failure_rate, tally.failures, tally.calls) {
            return Some(TransitionReason::FailureRate);
        }
        reaches(config.slow_call_rate, tally.slow, tally.calls).then_some(TransitionReason::SlowCallRate)
    }

    /// Returns a ticket without a result.
    pub(super) fn give_back(&mut self, ticket: &Ticket) {
        if let Phase::HalfOpen(probes) = &mut self.phase
            && ticket.generation == self.generation
        {
            probes.out = probes.out.saturating_sub(1);
        }
    }

    pub(super) fn state(&mut self, now: Timestamp) -> BreakerState {
        self.advance(now);
        self.stored()
    }

    pub(super) fn counts(&mut self, now: Timestamp) -> BreakerCounts {
        let at = self.advance(now);
        let tally = self.window.tally(at);
        BreakerCounts {
            calls: tally.calls,
            failures: tally.failures,
            slow: tally.slow,
            consecutive_failures: self.consecutive,
            probes_out: if let Phase::HalfOpen(probes) = &self.phase { probes.out } else { 0 },
            refused: self.refused,
            opened: self.opened,
        }
    }

    pub(super) fn force_open(&mut self, now: Timestamp) {
        if !matches!(self.phase, Phase::ForcedOpen) {
            self.go(Phase::ForcedOpen, now, TransitionReason::Forced, None);
        }
    }

    pub(super) fn disable(&mut self, now: Timestamp) {
        if !matches!(self.phase, Phase::Disabled) {
            self.go(Phase::Disabled, now, TransitionReason::Disabled, None);
        }
    }

    pub(super) fn reset(&mut self, now: Timestamp) {
        if matches!(self.phase, Phase::Closed) {
            // No transition, but what was asked for before must not count after.
            self.generation = self.generation.wrapping_add(1);
            self.forget();
        } else {
            self.close(now, TransitionReason::Reset);
        }
    }

    /// Applies transitions that are due by now; returns the machine's own time.
    fn advance(&mut self, now: Timestamp) -> u128 {
        let at = self.time.at(now);
        match &self.phase {
            Phase::Open { since_ns, wait_ns } if at - since_ns >= u128::from(*wait_ns) => {
                let probes = Probes { out: 0, succeeded: 0, slow: 0, news_ns: at };
                self.go(Phase::HalfOpen(probes), now, TransitionReason::OpenTimeOver, None);
            }
            Phase::HalfOpen(probes)
                if self.half_open_max_ns > 0
                    && probes.out > 0
                    && probes.out + probes.succeeded >= self.config.half_open_permits
                    && at - probes.news_ns >= self.half_open_max_ns =>
            {
                self.open_again(at, now, TransitionReason::ProbesHung);
            }
            _ => {}
        }
        at
    }

    fn open_again(&mut self, at: u128, now: Timestamp, why: TransitionReason) {
        self.open(self.failed_rounds.saturating_add(1), at, now, why);
    }

    fn open(&mut self, failed_rounds: u32, at: u128, now: Timestamp, why: TransitionReason) {
        self.failed_rounds = failed_rounds;
        self.opened = self.opened.saturating_add(1);
        let config = &self.config;
        // Growth is at least 1, so this may be infinite, but not NaN.
        let growth = config.open_growth.powi(i32::try_from(failed_rounds).unwrap_or(i32::MAX));
        let wait_s = (config.open_s * growth).min(config.open_max_s);
        let wait_ns = nanos(wait_s * (1.0 + config.open_jitter * self.random.fraction()));
        self.go(Phase::Open { since_ns: at, wait_ns }, now, why, Some(Duration::from_nanos(wait_ns)));
    }

    fn close(&mut self, now: Timestamp, why: TransitionReason) {
        self.forget();
        self.go(Phase::Closed, now, why, None);
    }

    fn forget(&mut self) {
        self.window.clear();
        self.consecutive = 0;
    }

    fn go(&mut self, to: Phase, now: Timestamp, why: TransitionReason, open_for: Option<Duration>) {
        let from = self.stored();
        self.phase = to;
        self.generation = self.generation.wrapping_add(1);
        self.news.push_back(BreakerTransition { from, to: self.stored(), at: now, why, open_for });
    }

    fn stored(&self) -> BreakerState {
        match self.phase {
            Phase::Closed => BreakerState::Closed,
            Phase::Open { .. } => BreakerState::Open,
            Phase::HalfOpen(_) => BreakerState::HalfOpen,
            Phase::ForcedOpen => BreakerState::ForcedOpen,
            Phase::Disabled => BreakerState::Disabled,
        }
    }
}

/// Whether the share `some / all` reaches the rate. It is rounded to f32 as the config's rate is, so that 10 of 100
/// reach 0.1.
fn reaches(rate: f32, some: u64, all: u64) -> bool {
    rate > 0.0 && all > 0 && (some as f64 / all as f64) as f32 >= rate
}
