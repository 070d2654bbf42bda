//! A second breaker, so plain that it is seen to be right, and a million random steps of both.

use crate::Dice;
use guarita::resilience::BreakerState::{Closed, Disabled, ForcedOpen, HalfOpen, Open};
use guarita::resilience::TransitionReason as Why;
use guarita::resilience::{BreakerState, BreakerTransition, BreakerWindow, CircuitBreakerConfig, Permit};
use guarita::{CircuitBreaker, Timestamp};
use std::sync::{Arc, Mutex};

/// All numbers are milliseconds, or tenths for the rates.
#[derive(Clone, Debug)]
struct Rules {
    consecutive: usize,
    failure_tenths: usize,
    slow_tenths: usize,
    slow_ms: u64,
    /// The last so many calls, or 20 slices of so many milliseconds.
    calls: Option<usize>,
    slice_ms: u64,
    minimum: usize,
    open_ms: f64,
    growth: f64,
    max_ms: f64,
    jitter: f64,
    permits: usize,
    hung_ms: u64,
}

impl Rules {
    fn draw(dice: &mut Dice) -> Self {
        let calls = dice.one_in(2).then(|| 1 + dice.below(12) as usize);
        let failure_tenths = dice.pick(&[0, 3, 5, 9, 10]);
        let slow_tenths = dice.pick(&[0, 3, 7, 10]);
        let least = usize::from(failure_tenths + slow_tenths == 0);
        Self {
            consecutive: least + dice.below(4) as usize,
            failure_tenths,
            slow_tenths,
            slow_ms: dice.pick(&[300, 2_000]),
            calls,
            slice_ms: dice.pick(&[50, 200]),
            minimum: 1 + dice.below(calls.unwrap_or(8) as u64) as usize,
            open_ms: dice.pick(&[800.0, 3_000.0]),
            growth: dice.pick(&[1.0, 2.0, 10.0]),
            max_ms: dice.pick(&[3_000.0, 20_000.0]),
            jitter: dice.pick(&[0.0, 0.5, 1.0]),
            permits: 1 + dice.below(4) as usize,
            hung_ms: dice.pick(&[0, 1_500]),
        }
    }

    fn config(&self) -> CircuitBreakerConfig {
        CircuitBreakerConfig {
            consecutive_failures: self.consecutive as u32,
            failure_rate: self.failure_tenths as f32 / 10.0,
            slow_call_rate: self.slow_tenths as f32 / 10.0,
            slow_call_s: self.slow_ms as f64 / 1e3,
            window: match self.calls {
                Some(calls) => BreakerWindow::Calls(calls as u32),
                None => BreakerWindow::Time { seconds: self.slice_ms as f64 * 20.0 / 1e3 },
            },
            minimum_calls: self.minimum as u32,
            open_s: self.open_ms / 1e3,
            open_growth: self.growth,
            open_max_s: self.max_ms / 1e3,
            open_jitter: self.jitter,
            half_open_permits: self.permits as u32,
            half_open_max_s: self.hung_ms as f64 / 1e3,
        }
    }
}

/// A permit as the model sees it.
#[derive(Clone, Copy, Debug)]
struct Given {
    /// Which stretch between two changes it belongs to.
    stretch: u64,
    at: u64,
}

#[derive(Clone, Copy, Debug)]
struct Ended {
    at: u64,
    failed: bool,
    slow: bool,
}

/// Remembers everything since the last change, and counts it anew for every question.
struct Model {
    rules: Rules,
    /// Time that only goes forward, and the clock at its last move.
    felt: u64,
    clock: Option<i64>,
    state: BreakerState,
    stretch: u64,
    /// When the stretch began, and how many nanoseconds it may last, where it is an open one.
    since: u64,
    wait_ns: u64,
    /// Calls that ended since the breaker was closed or reset, or since it is half open.
    ended: Vec<Ended>,
    /// Permits that have not come back, of all stretches.
    given: Vec<Given>,
    /// The last permit given or reported in this stretch.
    news: u64,
    rounds: i32,
    refused: u64,
    opened: u64,
    expected: Vec<(BreakerState, BreakerState, Why)>,
}

impl Model {
    fn feel(&mut self, now: i64) {
        match self.clock {
            Some(clock) if now > clock => {
                self.felt += (now - clock) as u64;
                self.clock = Some(now);
            }
            Some(clock) if clock - now <= 10_000 => {}
            _ => self.clock = Some(now),
        }
    }

    fn change(&mut self, to: BreakerState, why: Why) {
        self.expected.push((self.state, to, why));
        if to == Open {
            self.rounds = if self.state == HalfOpen { self.rounds + 1 } else { 0 };
            self.opened += 1;
        }
        if to == Closed {
            self.rounds = 0;
        }
        self.state = to;
        self.begin();
    }

    fn begin(&mut self) {
        self.stretch += 1;
        self.since = self.felt;
        self.news = self.felt;
        self.ended.clear();
    }

    fn out(&self) -> usize {
        self.given.iter().filter(|given| given.stretch == self.stretch).count()
    }

    fn advance(&mut self, now: i64) {
        self.feel(now);
        if self.state == Open && (self.felt - self.since) * 1_000_000 >= self.wait_ns {
            self.change(HalfOpen, Why::OpenTimeOver);
        } else if self.state == HalfOpen && self.rules.hung_ms > 0 {
            let all = self.out() + self.ended.len() >= self.rules.permits;
            if all && self.out() > 0 && self.felt - self.news >= self.rules.hung_ms {
                self.change(Open, Why::ProbesHung);
            }
        }
    }

    fn acquire(&mut self, now: i64) -> bool {
        self.advance(now);
        let passes = match self.state {
            Closed | Disabled => true,
            HalfOpen => self.out() + self.ended.len() < self.rules.permits,
            Open | ForcedOpen => false,
        };
        if passes {
            self.given.push(Given { stretch: self.stretch, at: self.felt });
            self.news = self.felt;
        } else {
            self.refused += 1;
        }
        passes
    }

    fn report(&mut self, which: usize, failed: bool, now: i64) {
        let given = self.given.swap_remove(which);
        if given.stretch != self.stretch {
            return;
        }
        self.feel(now);
        let ended = Ended { at: self.felt, failed, slow: self.felt - given.at > self.rules.slow_ms };
        self.news = self.felt;
        match self.state {
            Closed => {
                self.ended.push(ended);
                if let Some(why) = self.trips() {
                    self.change(Open, why);
                }
            }
            HalfOpen if failed => self.change(Open, Why::ProbeFailed),
            HalfOpen => {
                self.ended.push(ended);
                if self.ended.len() < self.rules.permits {
                    return;
                }
                let slow = self.ended.iter().filter(|ended| ended.slow).count();
                if self.rules.slow_tenths > 0 && slow * 10 >= self.rules.slow_tenths * self.ended.len() {
                    self.change(Open, Why::ProbesSlow);
                } else {
                    self.change(Closed, Why::ProbesSucceeded);
                }
            }
            Open | ForcedOpen | Disabled => {}
        }
    }

    /// Calls, failures and slow ones in the window.
    fn window(&self) -> (usize, usize, usize) {
        let slice = |at: u64| at / self.rules.slice_ms;
        let recent = self.ended.iter().rev().enumerate().take_while(|(back, ended)| match self.rules.calls {
            Some(calls) => *back < calls,
            None => slice(self.felt) - slice(ended.at) < 20,
        });
        recent.fold((0, 0, 0), |(calls, failures, slow), (_, ended)| {
            (calls + 1, failures + usize::from(ended.failed), slow + usize::from(ended.slow))
        })
    }

    fn in_a_row(&self) -> usize {
        self.ended.iter().rev().take_while(|ended| ended.failed).count()
    }

    fn trips(&self) -> Option<Why> {
        let (calls, failures, slow) = self.window();
        let rules = &self.rules;
        let over = |some: usize, tenths: usize| tenths > 0 && calls >= rules.minimum && some * 10 >= tenths * calls;
        if rules.consecutive > 0 && self.in_a_row() >= rules.consecutive {
            Some(Why::ConsecutiveFailures)
        } else if over(failures, rules.failure_tenths) {
            Some(Why::FailureRate)
        } else if over(slow, rules.slow_tenths) {
            Some(Why::SlowCallRate)
        } else {
            None
        }
    }

    /// Compares what the listener was told, and takes over the open time, which is drawn, after checking its bounds.
    fn compare(&mut self, told: &[BreakerTransition], now: i64) {
        let seen: Vec<_> = told.iter().map(|change| (change.from, change.to, change.why)).collect();
        assert_eq!(seen, self.expected);
        self.expected.clear();
        for change in told {
            assert_eq!(change.at, Timestamp::from_millis(now));
            assert_eq!(change.open_for.is_some(), change.to == Open);
            if let Some(wait) = change.open_for {
                let least = (self.rules.open_ms * self.rules.growth.powi(self.rounds)).min(self.rules.max_ms);
                let wait_ms = wait.as_secs_f64() * 1e3;
                assert!(wait_ms >= least && wait_ms <= least * (1.0 + self.rules.jitter), "{wait_ms} of {least}");
                self.wait_ns = wait.as_nanos() as u64;
            }
        }
    }
}

/// Steps of one breaker and its model.
fn run(seed: u64, steps: usize) -> Vec<(BreakerState, Why)> {
    let mut dice = Dice(seed);
    let rules = Rules::draw(&mut dice);
    let told: Arc<Mutex<Vec<BreakerTransition>>> = Arc::default();
    let breaker = CircuitBreaker::new(rules.config()).unwrap().with_seed(seed).with_listener({
        let told = told.clone();
        move |change| told.lock().unwrap().push(*change)
    });
    let mut model = Model {
        rules,
        felt: 0,
        clock: None,
        state: Closed,
        stretch: 0,
        since: 0,
        wait_ns: 0,
        ended: Vec::new(),
        given: Vec::new(),
        news: 0,
        rounds: 0,
        refused: 0,
        opened: 0,
        expected: Vec::new(),
    };
    let mut permits: Vec<Permit> = Vec::new();
    let mut seen = Vec::new();
    let mut now_ms = dice.below(1_000_000) as i64;
    for step in 0..steps {
        now_ms += match dice.below(1_000) {
            0 => -3_600_000,
            1 => 3_600_000,
            2..10 => -(dice.below(15_000) as i64),
            10..60 => dice.below(5_000) as i64,
            60..500 => dice.below(120) as i64,
            _ => 0,
        };
        let now = Timestamp::from_millis(now_ms);
        let which = dice.below(permits.len().max(1) as u64) as usize;
        match dice.below(1_000) {
            _ if permits.len() > 12 => {
                model.report(which, true, now_ms);
                permits.swap_remove(which).failure(now);
            }
            0..3 => {
                if model.state != ForcedOpen {
                    model.change(ForcedOpen, Why::Forced);
                }
                breaker.force_open(now);
            }
            3..6 => {
                if model.state != Disabled {
                    model.change(Disabled, Why::Disabled);
                }
                breaker.disable(now);
            }
            6..26 => {
                if model.state == Closed {
                    model.begin();
                } else {
                    model.change(Closed, Why::Reset);
                }
                breaker.reset(now);
            }
            26..450 => {
                let passes = model.acquire(now_ms);
                match breaker.try_acquire(now) {
                    Ok(permit) => {
                        assert!(passes, "seed {seed} step {step}: a call passes");
                        permits.push(permit);
                    }
                    Err(refusal) => {
                        assert!(!passes, "seed {seed} step {step}: {refusal}");
                        assert_eq!(refusal.state, model.state);
                        let left = (model.state == Open)
                            .then(|| u128::from(model.wait_ns - (model.felt - model.since) * 1_000_000));
                        // A breaker that has just opened again has told its wait, but the model has not heard it.
                        if model.expected.is_empty() {
                            assert_eq!(
                                refusal.retry_after.map(|left| left.as_nanos()),
                                left,
                                "seed {seed} step {step}"
                            );
                        }
                    }
                }
            }
            450..900 if !permits.is_empty() => {
                let failed = dice.one_in(3);
                model.report(which, failed, now_ms);
                let permit = permits.swap_remove(which);
                if failed { permit.failure(now) } else { permit.success(now) }
            }
            900..950 if !permits.is_empty() => {
                model.given.swap_remove(which);
                let permit = permits.swap_remove(which);
                if dice.one_in(2) { permit.ignore() } else { drop(permit) }
            }
            _ => {
                model.advance(now_ms);
                assert_eq!(breaker.state(now), model.state, "seed {seed} step {step}");
            }
        }
        let news = std::mem::take(&mut *told.lock().unwrap());
        seen.extend(news.iter().map(|change| (change.to, change.why)));
        model.compare(&news, now_ms);
        if dice.one_in(4) {
            model.advance(now_ms);
            let counts = breaker.counts(now);
            let news = std::mem::take(&mut *told.lock().unwrap());
            seen.extend(news.iter().map(|change| (change.to, change.why)));
            model.compare(&news, now_ms);
            let window = if model.state == Closed { model.window() } else { (0, 0, 0) };
            if model.state == Closed {
                let counted = (counts.calls as usize, counts.failures as usize, counts.slow as usize);
                assert_eq!(counted, window, "seed {seed} step {step}");
                assert_eq!(counts.consecutive_failures as usize, model.in_a_row(), "seed {seed} step {step}");
            }
            let out = if model.state == HalfOpen { model.out() } else { 0 };
            assert_eq!(counts.probes_out as usize, out, "seed {seed} step {step}");
            assert_eq!((counts.refused, counts.opened), (model.refused, model.opened), "seed {seed} step {step}");
        }
    }
    seen
}

#[test]
fn a_million_random_steps_agree_with_the_model() {
    let mut seen = Vec::new();
    for seed in 1..=1_000 {
        seen.extend(run(seed, 1_000));
    }
    // Agreement says something only where all ways were gone, and often.
    for why in [
        Why::ConsecutiveFailures,
        Why::FailureRate,
        Why::SlowCallRate,
        Why::OpenTimeOver,
        Why::ProbesSucceeded,
        Why::ProbeFailed,
        Why::ProbesSlow,
        Why::ProbesHung,
        Why::Forced,
        Why::Disabled,
        Why::Reset,
    ] {
        let times = seen.iter().filter(|(_, seen)| *seen == why).count();
        println!("{why:?}: {times}");
        assert!(times > 100, "{why:?}: {times}");
    }
}
