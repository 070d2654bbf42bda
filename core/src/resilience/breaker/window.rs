use super::config::BreakerWindow;
use crate::check::nanos;

/// Counts of completed calls by result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) calls: u64,
    pub(super) failures: u64,
    pub(super) slow: u64,
}

impl Tally {
    fn one(failed: bool, slow: bool) -> Self {
        Self { calls: 1, failures: failed.into(), slow: slow.into() }
    }

    fn add(&mut self, other: Self) {
        self.calls += other.calls;
        self.failures += other.failures;
        self.slow += other.slow;
    }

    fn subtract(&mut self, other: Self) {
        self.calls -= other.calls;
        self.failures -= other.failures;
        self.slow -= other.slow;
    }
}

/// Parts of a window of time: few enough to be small, many enough that the window's edge is soft.
const SLICES: usize = 20;

const FAILED: u8 = 1;
const SLOW: u8 = 2;

/// The calls of the recent past, each recorded at a constant cost.
#[derive(Debug)]
pub(super) struct Window {
    sum: Tally,
    past: Past,
}

#[derive(Debug)]
enum Past {
    /// A ring of the last calls; `next` is the oldest one once the ring is full.
    Calls { marks: Vec<u8>, most: usize, next: usize },
    /// A ring of sums; the one at `head` began at `began_ns` and is still filling.
    Time { slices: Box<[Tally; SLICES]>, slice_ns: u64, head: usize, began_ns: u128 },
}

impl Window {
    pub(super) fn new(config: BreakerWindow) -> Self {
        let past = match config {
            BreakerWindow::Calls(calls) => {
                let most = usize::try_from(calls).unwrap_or(usize::MAX).max(1);
                // Allocated up front: recording a call never grows a buffer under the lock.
                Past::Calls { marks: Vec::with_capacity(most), most, next: 0 }
            }
            BreakerWindow::Time { seconds } => Past::Time {
                slices: Box::new([Tally::default(); SLICES]),
                slice_ns: (nanos(seconds) / SLICES as u64).max(1),
                head: 0,
                began_ns: 0,
            },
        };
        Self { sum: Tally::default(), past }
    }

    /// Forgets all calls.
    pub(super) fn clear(&mut self) {
        self.sum = Tally::default();
        match &mut self.past {
            Past::Calls { marks, next, .. } => {
                marks.clear();
                *next = 0;
            }
            Past::Time { slices, .. } => **slices = [Tally::default(); SLICES],
        }
    }

    /// Notes a call that ended now; `at_ns` never decreases from call to call.
    pub(super) fn record(&mut self, failed: bool, slow: bool, at_ns: u128) {
        self.forget(at_ns);
        let one = Tally::one(failed, slow);
        self.sum.add(one);
        match &mut self.past {
            Past::Calls { marks, most, next } => {
                let mark = u8::from(failed) * FAILED + u8::from(slow) * SLOW;
                if marks.len() < *most {
                    marks.push(mark);
                } else if let Some(oldest) = marks.get_mut(*next) {
                    self.sum.subtract(Tally::one(*oldest & FAILED != 0, *oldest & SLOW != 0));
                    *oldest = mark;
                    *next = if *next + 1 == *most { 0 } else { *next + 1 };
                }
            }
            Past::Time { slices, head, .. } => slices[*head].add(one),
        }
    }

    /// The counts of the calls in the window.
    pub(super) fn tally(&mut self, at_ns: u128) -> Tally {
        self.forget(at_ns);
        self.sum
    }

    /// Removes calls older than the time window.
    fn forget(&mut self, at_ns: u128) {
        let Past::Time { slices, slice_ns, head, began_ns } = &mut self.past else {
            return;
        };
        let slice_ns = u128::from(*slice_ns);
        let mut steps = 0;
        while at_ns >= began_ns.saturating_add(slice_ns) {
            if steps == SLICES {
                // All slices have expired: restart at the current one.
                *began_ns = at_ns - at_ns % slice_ns;
                break;
            }
            steps += 1;
            *began_ns += slice_ns;
            *head = (*head + 1) % SLICES;
            self.sum.subtract(std::mem::take(&mut slices[*head]));
        }
    }
}
