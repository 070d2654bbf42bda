//! A few threads for what must not hold up the caller's.

use crate::fork::PerProcess;
use crate::thread::{caught, start_thread};
use std::collections::VecDeque;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

/// What a thread is to do. Where it is dropped instead, what it owes is due then.
type Job = Box<dyn FnOnce() + Send>;

/// Threads that start with the first job, live as long as the process, and sleep while there is nothing to do. Jobs begin in
/// the order in which they come. A child of a fork has threads of its own.
pub struct Workers {
    name: &'static str,
    threads: usize,
    capacity: usize,
    queue: PerProcess<Option<Arc<Queue>>>,
}

struct Queue {
    jobs: Mutex<VecDeque<Job>>,
    capacity: usize,
    came: Condvar,
}

impl Workers {
    /// At most `threads` of them (and as many as there are processors), called `name-0` and so on, and at most `capacity` jobs
    /// that wait. Starts nothing yet, so that it can be a static.
    pub const fn new(name: &'static str, threads: usize, capacity: usize) -> Self {
        Self { name, threads, capacity, queue: PerProcess::new() }
    }

    /// Runs `work` with `input` on one of the threads; here, where the system gives none. A panic in it is caught and lost.
    ///
    /// # Errors
    /// The input, where too many wait.
    pub fn run<T: Send + 'static>(&self, input: T, work: impl FnOnce(T) + Send + 'static) -> Result<(), T> {
        let mut kept = self.queue.lock();
        if kept.is_none() {
            *kept = self.start();
        }
        let queue = kept.clone();
        drop(kept);
        match queue {
            Some(queue) => queue.put(input, work),
            None => {
                caught_and_lost(|| work(input));
                Ok(())
            }
        }
    }

    fn start(&self) -> Option<Arc<Queue>> {
        let queue = Arc::new(Queue { jobs: Mutex::default(), capacity: self.capacity, came: Condvar::new() });
        let count = thread::available_parallelism().map_or(1, NonZeroUsize::get).min(self.threads);
        let started = (0..count).filter(|k| {
            let queue = Arc::clone(&queue);
            start_thread(&format!("{}-{k}", self.name), move || queue.work()).is_ok()
        });
        (started.count() > 0).then_some(queue)
    }
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Workers({})", self.name)
    }
}

impl Queue {
    fn put<T: Send + 'static>(&self, input: T, work: impl FnOnce(T) + Send + 'static) -> Result<(), T> {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        if jobs.len() >= self.capacity {
            return Err(input);
        }
        jobs.push_back(Box::new(move || work(input)));
        drop(jobs);
        self.came.notify_one();
        Ok(())
    }

    fn work(&self) {
        loop {
            let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
            let waited = self.came.wait_while(jobs, |jobs| jobs.is_empty());
            let job = waited.unwrap_or_else(PoisonError::into_inner).pop_front();
            job.into_iter().for_each(caught_and_lost);
        }
    }
}

fn caught_and_lost(job: impl FnOnce()) {
    // Nobody waits for it: what it owes, it gives when it is dropped.
    let _ = caught(|| {
        job();
        Ok(())
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::time::Duration;

    const LONG: Duration = Duration::from_secs(10);

    #[test]
    fn jobs_begin_in_their_order_and_a_panic_takes_nobody_with_it() {
        static WORKERS: Workers = Workers::new("guarita-test-order", 1, 1_000);
        let (sender, done) = mpsc::channel();
        for k in 0..100 {
            let sender = sender.clone();
            WORKERS.run((), |()| panic!("a fault, on purpose")).unwrap();
            WORKERS.run(k, move |k| sender.send((k, thread::current().name().map(str::to_owned))).unwrap()).unwrap();
        }
        let came: Vec<_> = (0..100).map(|_| done.recv_timeout(LONG).unwrap()).collect();
        assert!(came.iter().map(|(k, _)| k).is_sorted());
        assert!(came.iter().all(|(_, name)| name.as_deref() == Some("guarita-test-order-0")), "{came:?}");
    }

    #[test]
    fn one_that_is_too_many_is_given_back() {
        static WORKERS: Workers = Workers::new("guarita-test-full", 1, 2);
        let (open, gate) = mpsc::channel::<()>();
        let (began, begun) = mpsc::channel();
        let block = move |()| {
            began.send(()).unwrap();
            gate.recv_timeout(LONG).unwrap();
        };
        WORKERS.run((), block).unwrap();
        begun.recv_timeout(LONG).unwrap();
        let (sender, done) = mpsc::channel();
        let run = |k: u32| {
            let sender = sender.clone();
            WORKERS.run(k, move |k| sender.send(k).unwrap())
        };
        assert_eq!([1, 2, 3].map(run), [Ok(()), Ok(()), Err(3)]);
        open.send(()).unwrap();
        assert_eq!([(); 2].map(|()| done.recv_timeout(LONG).unwrap()), [1, 2]);
        drop(sender);
        assert!(done.recv_timeout(LONG).is_err(), "the third never ran");
    }
}
