use crate::clock::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Decides when to send the waiting frames as a batch, and how many.
///
/// A full batch is sent at once; so are the waiting frames while the provider is idle and gains nothing by a larger
/// batch. Waiting pays only where all of this holds:
/// - the provider takes less time for a frame of a full batch than for a single one: less than [`GAIN`] of it, by what was
///   measured;
/// - at the present rate, the batch fills within twice the time that it takes to run. Slower arrivals are far from the
///   provider's limit, and a wait would gain nothing but age.
///
/// Then it waits that long at most, and never longer than `max_wait`. While no slot of the provider is free, frames
/// accumulate by themselves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Batcher {
    max_batch: usize,
    max_wait: Duration,
    /// Moving average of the run time for each batch size; index 0 is a batch of one.
    runs: Vec<Option<Duration>>,
    /// Moving average of the time between arrivals.
    distance: Option<Duration>,
    last_arrival: Option<Timestamp>,
    sent: u64,
    frames: u64,
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Send this many of the frames that have waited longest.
    Send(usize),
    /// Wait until this time, unless a frame arrives.
    Wait(Timestamp),
    /// No frame is waiting, or no slot is free.
    Nothing,
}

/// A frame of a full batch must take less than this share of the time of a single frame.
const GAIN: f64 = 0.8;
/// Arrivals that the mean distance remembers.
const MEMORY: u32 = 16;
/// A pause this long says nothing about the rate before and after it.
const PAUSE: Duration = Duration::from_secs(2);
/// Longer runs are as good as this one.
const LONGEST: Duration = Duration::from_secs(3600);
/// Sizes of batch that are told apart; larger ones share the last place.
const SIZES: usize = 64;

impl Batcher {
    pub(super) fn new(max_batch: usize, max_wait: Duration) -> Self {
        let max_batch = max_batch.max(1);
        let runs = vec![None; max_batch.min(SIZES)];
        Self { max_batch, max_wait, runs, distance: None, last_arrival: None, sent: 0, frames: 0 }
    }

    /// Goes on where another one was. What it measured counts for the same size of batch.
    pub(super) fn resume(&mut self, saved: Self) {
        (self.sent, self.frames) = (saved.sent, saved.frames);
        if saved.max_batch == self.max_batch && saved.runs.len() == self.runs.len() {
            self.runs = saved.runs.into_iter().map(|run| run.map(|run| run.min(LONGEST))).collect();
            self.distance = saved.distance.filter(|distance| *distance < PAUSE);
        }
    }

    /// A frame is on its way to a batch.
    pub(super) fn arrived(&mut self, now: Timestamp) {
        if let Some(last) = self.last_arrival {
            let distance = now - last;
            if distance < PAUSE {
                // Both are less than a pause: no overflow.
                let mean = self.distance.map_or(distance, |mean| (mean * (MEMORY - 1) + distance) / MEMORY);
                self.distance = Some(mean);
            } else {
                self.distance = None;
            }
        }
        self.last_arrival = Some(self.last_arrival.map_or(now, |last| last.max(now)));
    }

    /// Records the run time of a batch of this many frames.
    pub(super) fn ran(&mut self, frames: usize, took: Duration) {
        let took = took.min(LONGEST);
        if let Some(run) = self.run_of(frames) {
            *run = Some(run.map_or(took, |mean| (mean * 3 + took) / 4));
        }
    }

    fn run_of(&mut self, frames: usize) -> Option<&mut Option<Duration>> {
        let last = self.runs.len().checked_sub(1)?;
        self.runs.get_mut(frames.checked_sub(1)?.min(last))
    }

    /// Decides for `waiting` ready frames, the oldest since `oldest`, and `places` free slots of the provider.
    pub(super) fn decide(&self, waiting: usize, oldest: Timestamp, places: usize, now: Timestamp) -> Decision {
        if waiting == 0 || places == 0 {
            return Decision::Nothing;
        }
        if waiting >= self.max_batch {
            return Decision::Send(self.max_batch);
        }
        let Some(window) = self.window(waiting) else { return Decision::Send(waiting) };
        let until = oldest + window.min(self.max_wait);
        if now >= until { Decision::Send(waiting) } else { Decision::Wait(until) }
    }

    /// A batch of so many frames was sent.
    pub(super) fn sent(&mut self, frames: usize) {
        self.sent = self.sent.saturating_add(1);
        self.frames = self.frames.saturating_add(frames as u64);
    }

    /// How long waiting pays, from the arrival of the oldest frame; `None` where it does not.
    fn window(&self, waiting: usize) -> Option<Duration> {
        // Of the full size, or of the largest that there was. Small ones are made by themselves, when frames gather.
        let (size, run) = self.runs.iter().enumerate().rev().find_map(|(k, run)| run.map(|run| (k + 1, run)))?;
        let single = self.runs.first().copied().flatten().filter(|_| size > 1)?;
        if run.as_secs_f64() / (size as f64) >= GAIN * single.as_secs_f64() {
            return None;
        }
        // A run has a fixed cost, plus a cost per frame.
        let each = run.saturating_sub(single) / u32::try_from(size - 1).unwrap_or(u32::MAX);
        let full = run + each * u32::try_from(self.max_batch.saturating_sub(size)).unwrap_or(0);
        let missing = u32::try_from(self.max_batch - waiting).unwrap_or(u32::MAX);
        let fills_in = self.distance?.checked_mul(missing)?;
        // Time for a whole batch to arrive, from its first frame on.
        let whole = self.distance?.checked_mul(u32::try_from(self.max_batch).unwrap_or(u32::MAX))?;
        (whole <= full * 2 && fills_in <= full * 2).then_some(whole.max(fills_in) * 5 / 4)
    }

    /// Batches sent, and frames in them.
    pub(super) fn totals(&self) -> (u64, u64) {
        (self.sent, self.frames)
    }

    pub(super) fn max_batch(&self) -> usize {
        self.max_batch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets frames come at this share of the most that a provider with this time of a batch can do, and gives the mean fill
    /// and the mean time that frames waited while the provider stood still.
    fn simulate(run_us: impl Fn(usize) -> u64, load: f64) -> (f64, Duration) {
        let max_batch = 8;
        let mut batcher = Batcher::new(max_batch, Duration::from_millis(100));
        let most = max_batch as f64 / run_us(max_batch) as f64;
        let distance = 1.0 / (most * load);
        let at = |us: f64| Timestamp::from_nanos((us * 1e3) as i64);
        let (mut waiting, mut busy_until, mut idle_wait) = (Vec::<f64>::new(), 0.0f64, 0.0);
        let mut running: Option<(usize, f64)> = None;
        let mut next_arrival = 0.0;
        let mut now = 0.0f64;
        // Arrivals that are not quite even.
        let mut k = 0u64;
        while now < 20e6 {
            if let Some((frames, since)) = running.filter(|_| busy_until <= now) {
                batcher.ran(frames, Duration::from_nanos(((now - since) * 1e3) as u64));
                running = None;
            }
            while next_arrival <= now {
                waiting.push(next_arrival);
                batcher.arrived(at(next_arrival));
                k += 1;
                next_arrival += distance * [0.6, 1.4, 1.0, 0.5, 1.5][k as usize % 5];
            }
            let oldest = waiting.first().copied().unwrap_or(now);
            let mut wake = next_arrival;
            match batcher.decide(waiting.len(), at(oldest), usize::from(running.is_none()), at(now)) {
                Decision::Send(frames) => {
                    batcher.sent(frames);
                    idle_wait += waiting.drain(..frames).map(|came| now - came.max(busy_until)).sum::<f64>();
                    busy_until = now + run_us(frames) as f64;
                    running = Some((frames, now));
                    wake = wake.min(busy_until);
                }
                Decision::Wait(until) => wake = wake.min(until.as_nanos() as f64 / 1e3),
                Decision::Nothing => {}
            }
            if running.is_some() {
                wake = wake.min(busy_until);
            }
            now = wake.max(now + 0.01);
        }
        let (sent, frames) = batcher.totals();
        (frames as f64 / sent as f64 / max_batch as f64, Duration::from_secs_f64(idle_wait / frames as f64 / 1e6))
    }

    #[test]
    fn batches_are_full_where_they_gain_and_the_load_is_high() {
        let gpu = |frames| 4_000 + 1_000 * frames as u64;
        for load in [0.7, 0.8, 0.95] {
            let (fill, _) = simulate(gpu, load);
            assert!(fill >= 0.8, "load {load}: {fill}");
        }
    }

    #[test]
    fn nobody_waits_where_nothing_is_gained_or_little_comes() {
        let cpu = |frames| 10_000 * frames as u64;
        let (fill, waited) = simulate(cpu, 0.7);
        assert!(waited < Duration::from_micros(200), "{waited:?} {fill}");
        let gpu = |frames| 4_000 + 1_000 * frames as u64;
        let (fill, waited) = simulate(gpu, 0.02);
        assert!(waited < Duration::from_millis(2) && fill < 0.2, "{waited:?} {fill}");
    }

    #[test]
    fn a_single_frame_of_an_idle_camera_goes_at_once() {
        let mut batcher = Batcher::new(8, Duration::from_millis(100));
        let at = Timestamp::from_millis;
        assert_eq!(batcher.decide(0, at(0), 1, at(0)), Decision::Nothing);
        batcher.arrived(at(0));
        assert_eq!(batcher.decide(1, at(0), 1, at(0)), Decision::Send(1));
        assert_eq!(batcher.decide(1, at(0), 0, at(0)), Decision::Nothing);
        assert_eq!(batcher.decide(20, at(0), 1, at(0)), Decision::Send(8));
        batcher.ran(0, Duration::ZERO);
        batcher.ran(8, Duration::MAX);
        batcher.ran(8, Duration::MAX);
        batcher.arrived(Timestamp::from_nanos(i64::MAX));
        batcher.arrived(Timestamp::from_nanos(i64::MIN));
        batcher.decide(3, Timestamp::from_nanos(i64::MIN), 1, Timestamp::from_nanos(i64::MAX));
    }
}
