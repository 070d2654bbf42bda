use crate::clock::Timestamp;
use std::time::Duration;

/// Where frames run, and how many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Setting {
    /// On the device, so many frames at once.
    Device(usize),
    /// On the processor, so many frames at once.
    Cpu(usize),
}

impl Setting {
    pub(super) const fn batch(self) -> usize {
        match self {
            Self::Device(batch) | Self::Cpu(batch) => batch,
        }
    }
}

/// What a call runs with: which setting, counted from the preferred one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Level {
    at: usize,
    pub(super) setting: Setting,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A call is about to be made.
    Begins,
    /// A call of this level went through.
    Fits(Level),
    /// A call of this level with so many frames ran out of memory.
    OutOfMemory(Level, usize),
}

/// How long at most until a step up is tried again.
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);

/// Handles a shortage of device memory: smaller batches, then the processor, and careful steps up again.
///
/// A step down is taken at once. A step up is taken after `recover` without a step down; where memory runs out again
/// within `recover` of it, the next one waits twice as long, up to an hour.
#[derive(Debug)]
pub(super) struct BatchFallback {
    /// Never empty.
    settings: Vec<Setting>,
    at: usize,
    recover: Duration,
    /// From the last change of setting until the next try to step up.
    wait: Duration,
    changed: Timestamp,
    /// The last change was a step up, and has not proved itself: a call must go through, and `recover` pass.
    on_trial: bool,
    fits: bool,
    /// When no setting was left for a call, until one goes through.
    failed: Option<Timestamp>,
}

impl BatchFallback {
    /// Batches of `top` and halves of it (where the model's batch can shrink), then the processor where there is another
    /// device above it.
    pub(super) fn new(top: usize, shrinks: bool, cpu: bool, recover: Duration) -> Self {
        let top = top.max(1);
        let mut settings = vec![Setting::Device(top)];
        let mut batch = top;
        while shrinks && batch > 1 {
            batch /= 2;
            settings.push(Setting::Device(batch));
        }
        if cpu {
            settings.push(Setting::Cpu(batch));
        }
        Self {
            settings,
            at: 0,
            recover,
            wait: recover,
            changed: Timestamp::default(),
            on_trial: false,
            fits: false,
            failed: None,
        }
    }

    /// The level for the next try of a call; none where it has to fail.
    pub(super) fn on(&mut self, event: Event, now: Timestamp) -> Option<Level> {
        if self.on_trial && self.fits && now - self.changed >= self.recover {
            self.on_trial = false;
            self.wait = self.recover;
        }
        match event {
            Event::Begins => {
                if self.at > 0 && now - self.changed >= self.wait {
                    self.change(self.at - 1, now);
                    self.on_trial = true;
                }
            }
            Event::Fits(level) => {
                self.fits |= level.at == self.at;
                self.failed = None;
            }
            Event::OutOfMemory(tried, frames) => return self.out_of_memory(tried, frames, now),
        }
        Some(self.level())
    }

    fn out_of_memory(&mut self, tried: Level, frames: usize, now: Timestamp) -> Option<Level> {
        // A call on this setting would be the same call again.
        let same = |setting: &Setting| matches!((setting, tried.setting), (Setting::Device(batch), Setting::Device(_)) if *batch >= frames);
        let lower =
            self.settings.iter().enumerate().skip(tried.at + 1).find(|(_, setting)| !same(setting)).map(|(at, _)| at);
        let target = lower.unwrap_or(self.settings.len() - 1);
        // Otherwise another call has taken the step already.
        if target > self.at {
            if self.on_trial {
                self.wait = self.wait.saturating_mul(2).min(LONGEST_WAIT).max(self.recover);
            }
            self.change(target, now);
        }
        if lower.is_none() {
            self.failed = Some(now);
            return None;
        }
        Some(self.level())
    }

    fn change(&mut self, at: usize, now: Timestamp) {
        self.at = at;
        self.changed = now;
        self.on_trial = false;
        self.fits = false;
    }

    fn level(&self) -> Level {
        Level { at: self.at, setting: self.settings[self.at] }
    }

    /// Whether a call is expected to go through: the lowest setting has not failed of late.
    pub(super) fn ready(&self, now: Timestamp) -> bool {
        self.failed.is_none_or(|at| now - at >= self.recover)
    }

    /// Why this is not the top, in words; none where it is.
    pub(super) fn degraded(&self, device: &str) -> Option<String> {
        if self.failed.is_some() {
            return Some(format!("{device} is out of memory, and nothing is left to try"));
        }
        match (self.at, self.settings[self.at]) {
            (0, _) => None,
            (_, Setting::Device(batch)) => {
                Some(format!("batch {batch} of {} after {device} ran out of memory", self.settings[0].batch()))
            }
            (_, Setting::Cpu(_)) => Some(format!("on the processor after {device} ran out of memory")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    fn begin(fallback: &mut BatchFallback, seconds: i64) -> Level {
        fallback.on(Event::Begins, at(seconds)).unwrap()
    }

    fn fails(fallback: &mut BatchFallback, frames: usize, seconds: i64) -> Option<Setting> {
        let level = begin(fallback, seconds);
        fallback.on(Event::OutOfMemory(level, frames), at(seconds)).map(|level| level.setting)
    }

    #[test]
    fn down_to_the_processor_and_then_no_further() {
        let mut fallback = BatchFallback::new(8, true, true, MINUTE);
        assert_eq!((begin(&mut fallback, 0).setting, fallback.degraded("cuda")), (Setting::Device(8), None));
        assert_eq!(fails(&mut fallback, 8, 1), Some(Setting::Device(4)));
        assert_eq!(fallback.degraded("cuda").unwrap(), "batch 4 of 8 after cuda ran out of memory");
        assert_eq!(fails(&mut fallback, 4, 1), Some(Setting::Device(2)));
        assert_eq!(fails(&mut fallback, 2, 1), Some(Setting::Device(1)));
        assert_eq!(fails(&mut fallback, 1, 1), Some(Setting::Cpu(1)));
        assert_eq!(fallback.degraded("cuda").unwrap(), "on the processor after cuda ran out of memory");
        assert!(fallback.ready(at(1)));
        assert_eq!(fails(&mut fallback, 1, 2), None);
        assert!(!fallback.ready(at(3)) && fallback.degraded("cuda").unwrap().contains("nothing is left"));
        assert!(fallback.ready(at(62)), "asked again after a while, or nobody would ever find out");
    }

    #[test]
    fn no_setting_is_tried_that_would_be_the_same_call_again() {
        let mut fallback = BatchFallback::new(8, true, true, MINUTE);
        assert_eq!(fails(&mut fallback, 3, 0), Some(Setting::Device(2)));
        let mut fallback = BatchFallback::new(8, true, true, MINUTE);
        assert_eq!(fails(&mut fallback, 1, 0), Some(Setting::Cpu(1)));
        let mut fallback = BatchFallback::new(8, true, false, MINUTE);
        assert_eq!(fails(&mut fallback, 1, 0), None);
        assert_eq!(begin(&mut fallback, 1).setting, Setting::Device(1));
        // A batch that the model fixes cannot shrink.
        let mut fallback = BatchFallback::new(4, false, true, MINUTE);
        assert_eq!(fails(&mut fallback, 1, 0), Some(Setting::Cpu(4)));
        assert_eq!(BatchFallback::new(0, true, false, MINUTE).settings, [Setting::Device(1)]);
        assert_eq!(BatchFallback::new(6, true, true, MINUTE).settings.len(), 4, "6, 3, 1, processor");
    }

    #[test]
    fn one_step_up_a_time_and_longer_waits_when_it_fails() {
        let mut fallback = BatchFallback::new(4, true, false, MINUTE);
        fails(&mut fallback, 4, 0);
        fails(&mut fallback, 2, 10);
        for (second, batch) in [(69, 1), (70, 2), (129, 2), (130, 4)] {
            let level = begin(&mut fallback, second);
            assert_eq!(level.setting, Setting::Device(batch), "second {second}");
            fallback.on(Event::Fits(level), at(second));
        }
        assert_eq!(fallback.degraded("cuda"), None);
        // 4 had a minute to prove itself, and did not use it up: 2, 4, 8, … minutes until the next try.
        let mut now = 131;
        for wait in [120, 240, 480, 960, 1_920, 3_600, 3_600] {
            assert_eq!(fails(&mut fallback, 4, now), Some(Setting::Device(2)));
            assert_eq!(begin(&mut fallback, now + wait - 1).setting, Setting::Device(2));
            now += wait;
            assert_eq!(begin(&mut fallback, now).setting, Setting::Device(4), "after {wait} s");
        }
        // A call that goes through, and a minute: the next wait is a minute again.
        let level = begin(&mut fallback, now);
        fallback.on(Event::Fits(level), at(now));
        assert_eq!(fails(&mut fallback, 4, now + 60), Some(Setting::Device(2)));
        assert_eq!(begin(&mut fallback, now + 119).setting, Setting::Device(2));
        assert_eq!(begin(&mut fallback, now + 120).setting, Setting::Device(4));
    }

    #[test]
    fn calls_that_fail_together_take_one_step() {
        let mut fallback = BatchFallback::new(8, true, true, MINUTE);
        let together: Vec<_> = (0..4).map(|_| begin(&mut fallback, 0)).collect();
        for level in together {
            let next = fallback.on(Event::OutOfMemory(level, 8), at(0)).unwrap();
            assert_eq!(next.setting, Setting::Device(4));
        }
        // One that failed on a low setting, while another call has stepped up meanwhile.
        let low = fails(&mut fallback, 4, 1).map(|_| begin(&mut fallback, 1)).unwrap();
        assert_eq!(begin(&mut fallback, 61).setting, Setting::Device(4));
        let next = fallback.on(Event::OutOfMemory(low, 2), at(61)).unwrap();
        assert_eq!(next.setting, Setting::Device(1));
    }

    #[test]
    fn a_lowest_setting_that_always_fails_does_not_bar_the_way_up() {
        let mut fallback = BatchFallback::new(1, true, true, MINUTE);
        fails(&mut fallback, 1, 0);
        for second in 1..60 {
            assert_eq!(fails(&mut fallback, 1, second), None);
        }
        let level = begin(&mut fallback, 60);
        assert_eq!(level.setting, Setting::Device(1));
        fallback.on(Event::Fits(level), at(60));
        assert!(fallback.ready(at(60)) && fallback.degraded("cuda").is_none());
    }

    #[test]
    fn any_time_goes() {
        for recover in [Duration::ZERO, MINUTE, Duration::MAX] {
            let mut fallback = BatchFallback::new(8, true, true, recover);
            let times = [i64::MAX, i64::MIN, 0, -3_600_000_000_000, i64::MAX, i64::MIN].map(Timestamp::from_nanos);
            for now in times.into_iter().cycle().take(200) {
                let level = fallback.on(Event::Begins, now).unwrap();
                let next = fallback.on(Event::OutOfMemory(level, level.setting.batch()), now);
                assert!(next.is_none_or(|next| next.at > level.at), "or a call would be tried for ever");
                fallback.ready(now);
            }
        }
    }
}
