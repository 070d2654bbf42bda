//! The account of frames and the tickets of threads, with a shell around them that keeps to the same steps as core's: look
//! and change under the lock, call whom the tickets name after it.

#[path = "../../src/pipeline/account.rs"]
mod account;
#[path = "../../src/pipeline/explain.rs"]
mod explain;
#[path = "../../src/pipeline/outcome.rs"]
mod outcome;
#[path = "../../src/pipeline/tickets.rs"]
mod tickets;

pub use account::Account;
pub use explain::Decision;
pub use outcome::{DropReason, Outcome, OutcomeCounts, SkipReason};

use crate::clock::{Timestamp, UnixTime};
use crate::error::ErrorCode;
use crate::frame::CameraId;
use crate::sync::{Arc, Condvar, Mutex, MutexGuard};
use account::{Books, Passage};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use tickets::Tickets;

/// A pipeline of one camera, for tests: its frames are numbers of requests, and its gate lets all pass.
#[derive(Clone, Debug)]
pub struct Shell(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    books: Arc<Books>,
    state: Mutex<State>,
    drained: Condvar,
    /// Threads that were called; the test runs them, and knows when all have ended.
    threads: Mutex<Vec<loom::thread::JoinHandle<()>>>,
}

/// In the place of core's scheduler.
#[derive(Debug)]
struct State {
    waiting: VecDeque<Passage>,
    in_hand: usize,
    /// Threads that were called and have not ended, and how many there may be.
    running: usize,
    threads: usize,
    requests: BTreeMap<u64, Passage>,
    next_request: u64,
    cancelled: bool,
    tickets: Tickets,
}

impl State {
    fn is_drained(&self) -> bool {
        self.waiting.is_empty() && self.in_hand == 0 && self.requests.is_empty()
    }
}

const NOW: Timestamp = Timestamp::from_nanos(0);

impl Shell {
    /// With so many threads.
    pub fn new(threads: usize) -> Self {
        let state = State {
            waiting: VecDeque::new(),
            in_hand: 0,
            running: 0,
            threads,
            requests: BTreeMap::new(),
            next_request: 0,
            cancelled: false,
            tickets: Tickets::new(threads),
        };
        Self(Arc::new(Inner {
            books: Books::new(CameraId::new("gate"), 4),
            state: Mutex::new(state),
            drained: Condvar::new(),
            threads: Mutex::new(Vec::new()),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap()
    }

    fn begin(&self) -> Passage {
        Passage::begin(&self.0.books, NOW, UnixTime::default(), NOW, 0)
    }

    /// A frame comes, for the threads.
    pub fn push(&self) {
        let mut state = self.lock();
        let passage = self.begin();
        if state.cancelled {
            passage.end(Outcome::Dropped(DropReason::Shutdown), NOW);
        } else {
            state.waiting.push_back(passage);
        }
        self.leave(state);
    }

    fn leave(&self, mut state: MutexGuard<'_, State>) {
        let (has_work, is_drained) = (!state.waiting.is_empty(), state.is_drained());
        let calls = state.tickets.call(|| has_work, None, is_drained);
        drop(state);
        if calls.thread {
            let shell = self.clone();
            let thread = loom::thread::spawn(move || shell.run_ticket());
            self.0.threads.lock().unwrap().push(thread);
        }
        if calls.drained {
            self.0.drained.notify_all();
        }
    }

    fn run_ticket(&self) {
        let mut begun = false;
        loop {
            let mut state = self.lock();
            state.running += usize::from(!std::mem::replace(&mut begun, true));
            assert!(state.running <= state.threads, "more threads work than there are");
            let Some(passage) = state.waiting.pop_front() else {
                state.running -= 1;
                state.tickets.give_back();
                return self.leave(state);
            };
            state.in_hand += 1;
            self.leave(state);
            // Here it is worked on, without the lock.
            let mut state = self.lock();
            state.in_hand -= 1;
            passage.end(Outcome::Analysed, NOW);
            self.leave(state);
        }
    }

    /// A frame comes, and is with the provider at once.
    pub fn submit(&self) -> u64 {
        let mut state = self.lock();
        let passage = self.begin();
        let id = state.next_request;
        state.next_request += 1;
        state.requests.insert(id, passage);
        self.leave(state);
        id
    }

    /// The provider answers.
    pub fn answered(&self, id: u64) {
        self.ends(&[id], Outcome::Analysed);
    }

    /// Nobody waits for the answer any more.
    pub fn expired(&self, id: u64) {
        self.ends(&[id], Outcome::Failed(ErrorCode::DeadlineExceeded));
    }

    fn ends(&self, ids: &[u64], outcome: Outcome) {
        let mut state = self.lock();
        for passage in ids.iter().filter_map(|id| state.requests.remove(id)).collect::<Vec<_>>() {
            passage.end(outcome, NOW);
        }
        self.leave(state);
    }

    /// Ends what nobody has in hand.
    pub fn cancel(&self) {
        let mut state = self.lock();
        state.cancelled = true;
        let waiting = std::mem::take(&mut state.waiting);
        let requests = std::mem::take(&mut state.requests);
        for passage in waiting.into_iter().chain(requests.into_values()) {
            passage.end(Outcome::Dropped(DropReason::Shutdown), NOW);
        }
        self.leave(state);
    }

    /// Waits for the last frame; for ever where nobody tells, which loom finds.
    pub fn wait_drained(&self) {
        let mut state = self.lock();
        state.tickets.begin_draining();
        while !state.is_drained() {
            state = self.0.drained.wait(state).unwrap();
        }
        state.tickets.end_draining();
    }

    /// Waits until so few frames of the camera are on their way, as a recording does.
    pub fn wait_for_room(&self, most: u64) {
        while !self.0.books.wait_until(Duration::from_secs(3600), |account| account.in_flight < most) {}
    }

    /// What became of the frames, at this instant.
    pub fn account(&self) -> Account {
        self.0.books.lock().account.clone()
    }

    /// Waits until the threads that were called have ended.
    pub fn join(&self) {
        loop {
            let thread = self.0.threads.lock().unwrap().pop();
            let Some(thread) = thread else { return };
            thread.join().unwrap();
        }
    }
}
