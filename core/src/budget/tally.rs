//! The counters of one payer: a minute, a day, a month.

use crate::clock::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The length of a minute cap's window.
pub(super) const WINDOW: Duration = Duration::from_secs(60);

/// Which events of a cap were sent in this period; not persisted, so that they are sent again after a restart.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Told {
    pub(super) warning: bool,
    pub(super) exhausted: bool,
}

/// Money of one period, in millionths of a dollar. `spent + reserved` never grows but by a reservation.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Tally {
    pub(super) spent: u64,
    pub(super) reserved: u64,
    /// Images of commits: the volume that tiers count.
    pub(super) images: u64,
    /// Of `spent`: calls whose billing is unknown.
    pub(super) unknown: u64,
    pub(super) saved_by_gate: u64,
    pub(super) saved_by_cache: u64,
    #[serde(skip)]
    pub(super) told: Told,
}

/// How a reservation ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// This many images were billed, for this amount.
    Billed { amount: u64, images: u32 },
    /// No image was billed.
    Released,
    /// The result is unknown.
    Unknown,
}

impl End {
    /// How much of the reserved amount is spent.
    pub(super) fn spent(self, reserved: u64) -> u64 {
        match self {
            Self::Billed { amount, .. } => amount.min(reserved),
            Self::Released => 0,
            Self::Unknown => reserved,
        }
    }
}

impl Tally {
    pub(super) fn used(&self) -> u64 {
        self.spent.saturating_add(self.reserved)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.used() == 0 && self.images == 0 && self.saved_by_gate == 0 && self.saved_by_cache == 0
    }

    pub(super) fn end(&mut self, reserved: u64, end: End) {
        self.reserved = self.reserved.saturating_sub(reserved);
        self.spent = self.spent.saturating_add(end.spent(reserved));
        match end {
            End::Billed { images, .. } => self.images = self.images.saturating_add(images.into()),
            End::Unknown => self.unknown = self.unknown.saturating_add(reserved),
            End::Released => {}
        }
    }
}

/// 60 s of monotonic time, from the first spend on.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Window {
    /// The window's number, over all accounts; 0 before the first. A call that ends in a later window finds its own
    /// expired.
    pub(super) serial: u64,
    start: i64,
    pub(super) spent: u64,
    pub(super) reserved: u64,
    #[serde(skip)]
    pub(super) told: Told,
}

impl Window {
    pub(super) fn begin(serial: u64, now: Timestamp) -> Self {
        Self { serial, start: now.as_nanos(), ..Self::default() }
    }

    /// The time left; none once it is over.
    pub(super) fn left(&self, now: Timestamp) -> Option<Duration> {
        let left = WINDOW.saturating_sub(now - Timestamp::from_nanos(self.start));
        (self.serial != 0 && !left.is_zero()).then_some(left)
    }

    /// The same money in a window that begins now: another process has another monotonic time.
    pub(super) fn restart(&mut self, now: Timestamp) {
        self.start = now.as_nanos();
    }

    pub(super) fn end(&mut self, reserved: u64, end: End) {
        self.reserved = self.reserved.saturating_sub(reserved);
        self.spent = self.spent.saturating_add(end.spent(reserved));
    }
}

/// All counters of one account.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Account {
    pub(super) minute: Window,
    pub(super) day: Tally,
    pub(super) month: Tally,
}

impl Account {
    /// Spent and reserved in the minute that is open now.
    pub(super) fn minute_used(&self, now: Timestamp) -> (u64, u64) {
        self.minute.left(now).map_or((0, 0), |_| (self.minute.spent, self.minute.reserved))
    }

    /// Reserves an amount; returns the serial number of the window it falls into.
    pub(super) fn reserve(&mut self, amount: u64, now: Timestamp, next: &mut u64) -> u64 {
        if self.minute.left(now).is_none() {
            *next = next.saturating_add(1);
            self.minute = Window::begin(*next, now);
        }
        for reserved in [&mut self.minute.reserved, &mut self.day.reserved, &mut self.month.reserved] {
            *reserved = reserved.saturating_add(amount);
        }
        self.minute.serial
    }
}
