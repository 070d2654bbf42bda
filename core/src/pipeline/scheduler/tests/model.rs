//! What the scheduler should do, told in other words: where each frame is, and how it may end from there.

use super::*;

/// Where a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum At {
    WaitsForGate,
    Gate,
    WaitsForLook,
    Prepare,
    Prepared,
    Provider(u64),
    Ready,
    Finish,
}

#[derive(Debug)]
pub(super) struct Known {
    pub(super) key: Key,
    pub(super) at: At,
    pub(super) pushed: Timestamp,
    pub(super) bytes: u64,
    /// As it was when the frame was pushed.
    pub(super) config: Arc<CameraConfig>,
}

impl Known {
    pub(super) fn is_stale(&self, now: Timestamp) -> bool {
        now - self.pushed > Duration::from_secs_f64(self.config.queue.max_age_s)
    }
}

#[derive(Debug)]
pub(super) struct Camera {
    pub(super) config: Arc<CameraConfig>,
    pub(super) books: Arc<Books>,
    pub(super) paused: bool,
    pub(super) removed: bool,
    pub(super) finishing: bool,
    /// The last frame that its triggers saw.
    pub(super) shown: u64,
    /// The frame of each presentation time, for what the gate left out.
    pub(super) times: BTreeMap<Timestamp, u64>,
    /// The largest queue that it was allowed.
    pub(super) most_queue: usize,
    pub(super) account: Account,
}

#[derive(Debug)]
pub(super) struct Model {
    pub(super) limits: Limits,
    pub(super) now: Timestamp,
    pub(super) frames: BTreeMap<u64, Known>,
    pub(super) cameras: BTreeMap<Key, Camera>,
    /// Frames and expiry of requests that were neither answered nor given up.
    pub(super) requests: BTreeMap<u64, (Vec<u64>, Timestamp)>,
    pub(super) overdue: BTreeSet<u64>,
    pub(super) paused: bool,
    pub(super) closed: bool,
    pub(super) cancelled: bool,
}

impl Model {
    pub(super) fn is_gone(&self, key: Key) -> bool {
        self.cancelled || self.cameras[&key].removed
    }

    pub(super) fn priority(&self, key: Key) -> Priority {
        self.cameras[&key].config.priority
    }

    pub(super) fn count(&self, of: impl Fn(&Known) -> bool) -> usize {
        self.frames.values().filter(|frame| of(frame)).count()
    }

    /// The oldest frame of a camera that is there.
    pub(super) fn oldest(&self, key: Key, at: At) -> Option<u64> {
        self.frames.iter().find(|(_, frame)| frame.key == key && frame.at == at).map(|(id, _)| *id)
    }

    /// Of answers that wait for an earlier one of the camera.
    fn keeps_too_much(&self, key: Key) -> bool {
        let ready = || self.frames.values().filter(|frame| frame.key == key && frame.at == At::Ready);
        let bytes: u64 = ready().map(|frame| frame.bytes).sum();
        ready().count() >= self.cameras[&key].config.queue.capacity && bytes >= self.limits.max_bytes / 8
    }

    pub(super) fn places(&self) -> usize {
        self.limits.max_in_flight - self.requests.len() - self.overdue.len()
    }

    /// Something ended: exactly once, in a way that fits where it was and what was just done.
    pub(super) fn ended(&mut self, id: u64, outcome: Outcome, step: &Step) {
        use At::*;
        use DropReason::*;
        let frame = self.frames.get(&id).unwrap_or_else(|| panic!("{id} ended as {outcome} once more: {step:?}"));
        let (key, at, stale) = (frame.key, frame.at, frame.is_stale(self.now));
        let (mine, camera_is_gone) = (self.priority(key), self.cameras[&key].removed);
        let fits = match (outcome, at, step) {
            (Outcome::Dropped(Newer), WaitsForGate, Step::Push(by)) => *by == key && self.oldest(key, at) == Some(id),
            (Outcome::Dropped(Newer), WaitsForLook, Step::Gated { id: by, .. }) => {
                let policy = self.cameras[&key].config.policy();
                self.frames[by].key == key && policy == QueuePolicy::DropOldest && self.oldest(key, at) == Some(id)
            }
            (Outcome::Dropped(QueueFull), WaitsForGate | WaitsForLook, Step::Push(by)) => {
                let theirs = self.priority(*by);
                mine < theirs || mine == theirs && mine != Priority::Critical
            }
            (Outcome::Dropped(QueueFull), Gate, Step::Gated { id: by, verdict: verdict @ ("open" | "known") }) => {
                let policy = self.cameras[&key].config.policy();
                let dropped_newest = *verdict == "open" && policy == QueuePolicy::DropNewest;
                let too_much = policy != QueuePolicy::NeverDropCritical && self.keeps_too_much(key);
                *by == id && (dropped_newest || too_much)
            }
            (Outcome::Dropped(Stale), WaitsForGate | WaitsForLook | Prepared, Step::Next | Step::OnTime) => stale,
            (Outcome::Dropped(Stale), Provider(of), Step::Answered { id: by, code }) => {
                stale && of == *by && *code == Some(ErrorCode::DeadlineExceeded)
            }
            (Outcome::Dropped(Shutdown), WaitsForGate | WaitsForLook | Prepared | Ready, Step::Remove(of)) => {
                *of == key
            }
            (
                Outcome::Dropped(Shutdown),
                WaitsForGate | WaitsForLook | Prepared | Ready | Provider(_),
                Step::Cancel,
            ) => true,
            (Outcome::Dropped(Shutdown), Gate, Step::Gated { id: by, .. })
            | (Outcome::Dropped(Shutdown), Prepare, Step::Prepared { id: by, .. }) => *by == id && self.is_gone(key),
            (Outcome::Skipped(SkipReason::NoMotion), Gate, Step::Gated { id: by, verdict: "closed" })
            | (Outcome::Failed(ErrorCode::DataCorrupt), Gate, Step::Gated { id: by, verdict: "failed" }) => {
                *by == id && !self.is_gone(key)
            }
            (Outcome::Failed(ErrorCode::DataCorrupt), Prepare, Step::Prepared { id: by, good: false }) => *by == id,
            (Outcome::Failed(ErrorCode::DeadlineExceeded), Provider(of), Step::OnTime) => {
                self.requests[&of].1 <= self.now
            }
            (Outcome::Failed(said), Provider(of), Step::Answered { id: by, code: Some(code) }) => {
                of == *by && said == *code && !(said == ErrorCode::DeadlineExceeded && stale)
            }
            (Outcome::Analysed, Provider(of), Step::Answered { id: by, code: None }) => of == *by && camera_is_gone,
            (outcome, Finish, Step::Finished { ends, .. }) => ends.contains(&(id, outcome)),
            _ => false,
        };
        assert!(fits, "{id}, {at:?}, ended as {outcome} by {step:?}; stale {stale}, gone {camera_is_gone}");
        self.frames.remove(&id);
        let account = &mut self.cameras.get_mut(&key).unwrap().account;
        account.in_flight -= 1;
        account.outcomes.add(outcome);
    }

    /// What must hold after every step.
    pub(super) fn check(&self, scheduler: &mut Scheduler) {
        let now = self.now;
        let count = |at: At| self.count(|frame| frame.at == at);
        assert_eq!(scheduler.gate.len(), count(At::WaitsForGate), "waiting for the gate");
        assert_eq!(scheduler.look.len(), count(At::WaitsForLook), "waiting for a look");
        assert_eq!(scheduler.preparing, count(At::Prepare), "being decoded");
        assert_eq!(scheduler.prepared.len(), count(At::Prepared), "decoded");
        assert_eq!(scheduler.in_flight.len(), self.requests.len(), "requests");
        assert_eq!(scheduler.overdue.len(), self.overdue.len(), "requests that were given up");
        assert!(self.requests.len() + self.overdue.len() <= self.limits.max_in_flight, "places of the provider");
        let bytes: u64 = self.frames.values().map(|frame| frame.bytes).sum();
        assert_eq!(scheduler.bytes, bytes, "memory");
        assert!(bytes <= self.limits.max_bytes);
        assert_eq!(scheduler.jobs, self.frames.len());
        assert_eq!(scheduler.is_drained(), self.frames.is_empty());
        for (key, camera) in &self.cameras {
            let account = &camera.account;
            assert!(account.balances());
            assert_eq!(camera.books.lock().account, *account, "{key:?}");
            let waiting = self.count(|frame| frame.key == *key && frame.at == At::WaitsForGate);
            assert!(waiting <= camera.most_queue, "{key:?} has {waiting}");
            assert!(
                self.count(|frame| frame.key == *key && frame.at == At::Gate) <= 1,
                "{key:?} has two frames at its gate"
            );
        }
        if self.cancelled {
            let in_hand = |frame: &Known| matches!(frame.at, At::Gate | At::Prepare | At::Finish);
            assert!(self.frames.values().all(in_hand), "something is left after the end");
        }
        self.check_wakes(scheduler, now);
    }

    /// What waits is waited for: by a thread, by the provider, or by the one who waits for time.
    fn check_wakes(&self, scheduler: &mut Scheduler, now: Timestamp) {
        let due = scheduler.due(now);
        let waits = |frame: &Known| matches!(frame.at, At::WaitsForGate | At::WaitsForLook | At::Prepared);
        if self.frames.values().any(waits) && !scheduler.has_work(now) {
            assert!(due.is_some_and(|due| due <= now + SWEEP), "what waits grows stale, and nobody looks: {due:?}");
        }
        if let Some(first) = self.requests.values().map(|(_, expires)| *expires).min() {
            assert!(due.is_some_and(|due| due <= first), "a request expires at {first:?}, and nobody looks: {due:?}");
        }
        if !scheduler.has_work(now) {
            let work = scheduler.next(now);
            assert!(work.is_none() && scheduler.leftovers.is_empty(), "there was work after all: {work:?}");
            // Each that is not the last of its kind waits for somebody who will say more.
            for (id, frame) in &self.frames {
                let awaited = match frame.at {
                    At::Ready => {
                        self.cameras[&frame.key].finishing
                            || self.frames.range(..id).any(|(_, earlier)| {
                                earlier.key == frame.key && !matches!(earlier.at, At::Ready | At::WaitsForGate)
                            })
                    }
                    _ => true,
                };
                assert!(awaited, "{id} is ready to be seen, and nobody shows it");
            }
        }
    }
}
