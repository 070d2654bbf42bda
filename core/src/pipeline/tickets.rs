use crate::clock::Timestamp;

/// Decides which waiters to wake after a change: a thread, where there is work that not all of them know of; the timer,
/// where something is due sooner than it expects; and those that wait for the last frame to end.
///
/// It is guarded by the same lock as the work. Each change of the work calls [`call`](Self::call) before the lock is
/// released, and wakes the waiters it returns afterwards. A thread that finds no more work calls
/// [`give_back`](Self::give_back) under the lock under which it looked, and then `call`. So work that is added later
/// finds one active thread less, and none is forgotten. `core/loom` tries every interleaving.
#[derive(Debug)]
pub(super) struct Tickets {
    /// Tickets held by threads: each does one thing at a time, and takes the next one while there is some.
    out: usize,
    most: usize,
    /// What the timer waits for.
    armed: Option<Timestamp>,
    /// Those who wait for the last frame to end.
    draining: usize,
}

/// The waiters to wake.
#[derive(Clone, Copy, Debug)]
#[must_use = "whoever is not called now sleeps on"]
pub(super) struct Calls {
    pub(super) thread: bool,
    pub(super) timer: bool,
    pub(super) drained: bool,
}

impl Tickets {
    pub(super) fn new(most: usize) -> Self {
        Self { out: 0, most, armed: None, draining: 0 }
    }

    /// The waiters to wake once the lock is released. A thread that is woken has a ticket from here on.
    pub(super) fn call(&mut self, has_work: impl FnOnce() -> bool, due: Option<Timestamp>, is_drained: bool) -> Calls {
        let thread = self.wants_thread(has_work);
        self.out += usize::from(thread);
        let timer = due.is_some_and(|due| self.armed.is_none_or(|armed| due < armed));
        if timer {
            // Nobody needs to say it again.
            self.armed = due;
        }
        Calls { thread, timer, drained: self.draining > 0 && is_drained }
    }

    /// Whether there is work that no thread knows of.
    pub(super) fn wants_thread(&self, has_work: impl FnOnce() -> bool) -> bool {
        self.out < self.most && has_work()
    }

    /// A thread found nothing more to do.
    pub(super) fn give_back(&mut self) {
        self.out = self.out.saturating_sub(1);
    }

    /// The timer is going to sleep until then.
    pub(super) fn arm(&mut self, due: Option<Timestamp>) {
        self.armed = due;
    }

    /// Somebody is going to wait for the last frame to end.
    pub(super) fn begin_draining(&mut self) {
        self.draining += 1;
    }

    /// Somebody waits no more.
    pub(super) fn end_draining(&mut self) {
        self.draining = self.draining.saturating_sub(1);
    }
}
