use crate::clock::Timestamp;

/// Who is to be called when somebody has changed something: a thread, where there is work and not all of them know; the
/// timer, where something is due sooner than it thinks; and those who wait for the last frame to end.
///
/// It lies under the same lock as what there is to do. Everybody who changes that asks [`call`](Self::call) before the lock
/// is released, and calls whom it names afterwards. A thread that finds nothing more to do says so by
/// [`give_back`](Self::give_back) under the lock under which it looked, and asks `call` like everybody else. So whatever
/// comes after its look finds that one thread less knows, and no work is forgotten. `core/loom` tries every interleaving.
#[derive(Debug)]
pub(super) struct Tickets {
    /// With the threads: each does one thing at a time, and takes the next one while there is some.
    out: usize,
    most: usize,
    /// What the timer waits for.
    armed: Option<Timestamp>,
    /// Those who wait for the last frame to end.
    draining: usize,
}

/// Whom to call.
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

    /// Whom to call once the lock is released. A thread that is called has a ticket from here on.
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
