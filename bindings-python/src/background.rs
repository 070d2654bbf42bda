//! Threads for what must not hold up an event loop: pictures that are awaited are decoded here.

use crate::error::caught;
use crate::fork::generation;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

type Job = Box<dyn FnOnce() + Send>;

/// More would take processors from those who look at the pictures.
const MOST: usize = 4;

/// Of the process that started them, by its number of forks. Only held for moments in which the interpreter lock is held too, so
/// that no fork finds it locked.
static WORKERS: Mutex<Option<(u64, Sender<Job>)>> = Mutex::new(None);

/// Runs `job` on one of the threads, in the order in which jobs come; here, where the system gives no threads.
pub(crate) fn run(job: impl FnOnce() + Send + 'static) {
    let mut workers = WORKERS.lock().unwrap_or_else(PoisonError::into_inner);
    if workers.as_ref().is_none_or(|(born, _)| *born != generation()) {
        // After a fork, what the threads of the parent share may be locked for ever; it is left where it is.
        std::mem::forget(workers.take());
        *workers = start().map(|sender| (generation(), sender));
    }
    let unsent = match &*workers {
        Some((_, sender)) => sender.send(Box::new(job)).err().map(|unsent| unsent.0),
        None => Some(Box::new(job) as Job),
    };
    drop(workers);
    if let Some(job) = unsent {
        job();
    }
}

/// They live as long as the process, and sleep while there is nothing to do.
fn start() -> Option<Sender<Job>> {
    let (sender, jobs) = mpsc::channel::<Job>();
    let jobs = Arc::new(Mutex::new(jobs));
    let count = thread::available_parallelism().map_or(1, usize::from).min(MOST);
    let started = (0..count).filter(|k| {
        let jobs = Arc::clone(&jobs);
        thread::Builder::new().name(format!("guarita-decode-{k}")).spawn(move || work(&jobs)).is_ok()
    });
    (started.count() > 0).then_some(sender)
}

fn work(jobs: &Mutex<Receiver<Job>>) {
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        // What a job owes, it gives when it is dropped.
        let _ = caught(|| {
            job();
            Ok(())
        });
    }
}
