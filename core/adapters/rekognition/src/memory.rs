//! What has been asked under which key, so that it is paid once.

use guarita::{Error, Latency, MicroDollars, Request, Response, Timestamp, Want};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// Answers that are kept.
const MOST: usize = 1_024;
/// And how long.
const KEPT: Duration = Duration::from_secs(600);

/// The want belongs to the key, so that somebody who asks for labels and for faces of a picture under its one name gets
/// both.
type Key = (Arc<str>, Want);

/// The end of a request that others wait for; none while it is under way.
pub(crate) type Ending = Option<Result<Response, Arc<Error>>>;

/// Requests under way and answers given, by key.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory(Arc<Mutex<Entries>>);

#[derive(Debug, Default)]
struct Entries {
    by_key: BTreeMap<Key, Entry>,
    /// Answered keys, oldest first.
    answered: VecDeque<(Timestamp, Key)>,
}

#[derive(Debug)]
enum Entry {
    UnderWay(watch::Receiver<Ending>),
    Answered(Response),
}

/// What is to be done about a request with a key.
#[derive(Debug)]
pub(crate) enum Seat {
    /// Nothing: here is the answer, already paid.
    Answered(Response),
    /// Wait for the one that is under way.
    Join(watch::Receiver<Ending>),
    /// Ask, and tell the others.
    Lead(Lead),
}

/// The request that asks for all of its key. Dropped without an answer, the key is free again.
#[derive(Debug)]
pub(crate) struct Lead {
    memory: Memory,
    key: Key,
    tell: watch::Sender<Ending>,
}

impl Memory {
    pub(crate) fn key(request: &Request) -> Option<Key> {
        request.idempotency_key.clone().map(|key| (key, request.want))
    }

    /// The answer to a key where there is one.
    pub(crate) fn answered(&self, key: &Key, now: Timestamp) -> Option<Response> {
        let mut entries = self.lock();
        entries.forget_old(now);
        match entries.by_key.get(key) {
            Some(Entry::Answered(response)) => Some(paid(response)),
            _ => None,
        }
    }

    pub(crate) fn enter(&self, key: &Key, now: Timestamp) -> Seat {
        let mut entries = self.lock();
        entries.forget_old(now);
        match entries.by_key.get(key) {
            Some(Entry::Answered(response)) => Seat::Answered(paid(response)),
            Some(Entry::UnderWay(ending)) => Seat::Join(ending.clone()),
            None => {
                let (tell, ending) = watch::channel(None);
                entries.by_key.insert(key.clone(), Entry::UnderWay(ending));
                Seat::Lead(Lead { memory: self.clone(), key: key.clone(), tell })
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    fn forget_old(&mut self, now: Timestamp) {
        while let Some((at, _)) = self.answered.front() {
            if self.answered.len() <= MOST && now - *at < KEPT {
                break;
            }
            if let Some((_, key)) = self.answered.pop_front() {
                self.by_key.remove(&key);
            }
        }
    }
}

impl Lead {
    /// Keeps a good answer and tells everybody who joined; a failed key is free again.
    pub(crate) fn end(self, answer: &Result<Response, Error>, now: Timestamp) {
        let ending = match answer {
            Ok(response) => {
                let mut entries = self.memory.lock();
                entries.by_key.insert(self.key.clone(), Entry::Answered(response.clone()));
                entries.answered.push_back((now, self.key.clone()));
                entries.forget_old(now);
                Ok(paid(response))
            }
            Err(error) => {
                // Before they are told: one of them may ask anew at once.
                self.free();
                Err(Arc::new(repeated(error)))
            }
        };
        // Nobody may have joined.
        let _ = self.tell.send(Some(ending));
    }

    fn free(&self) {
        let mut entries = self.memory.lock();
        // Not an answer, nor another lead's place.
        if matches!(entries.by_key.get(&self.key), Some(Entry::UnderWay(ending)) if ending.same_channel(&self.tell.subscribe()))
        {
            entries.by_key.remove(&self.key);
        }
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        self.free();
    }
}

/// Somebody else has paid for it.
fn paid(response: &Response) -> Response {
    let mut paid = response.clone();
    (paid.cost, paid.calls, paid.latency) = (MicroDollars::ZERO, 0, Latency::default());
    paid
}

/// The same error for another one who waits.
pub(crate) fn repeated(error: &Error) -> Error {
    Error::new(error.code(), error.to_string()).with_advice(error.advice())
}

#[cfg(test)]
mod tests {
    use super::*;
    use guarita::ErrorCode;

    fn response(cost: u64) -> Response {
        let mut response = Response::new(Vec::new(), &"x".into(), Latency::default());
        response.cost = MicroDollars::from_micros(cost);
        response.calls = 1;
        response
    }

    fn lead(memory: &Memory, key: &Key, at: Timestamp) -> Lead {
        match memory.enter(key, at) {
            Seat::Lead(lead) => lead,
            other => panic!("{other:?}"),
        }
    }

    fn key(n: usize) -> Key {
        (n.to_string().into(), Want::Labels)
    }

    #[test]
    fn the_second_joins_and_the_third_gets_what_is_stored() {
        let (memory, at) = (Memory::default(), Timestamp::from_millis(5));
        let first = lead(&memory, &key(1), at);
        let Seat::Join(ending) = memory.enter(&key(1), at) else { panic!("not joined") };
        assert!(matches!(memory.enter(&(key(1).0, Want::Faces), at), Seat::Lead(_)), "another want is another request");
        assert!(memory.answered(&key(1), at).is_none() && ending.borrow().is_none());
        first.end(&Ok(response(1_000)), at);
        let told = ending.borrow().as_ref().unwrap().as_ref().unwrap().clone();
        assert_eq!((told.cost, told.calls), (MicroDollars::ZERO, 0));
        assert_eq!(memory.answered(&key(1), at).unwrap().cost, MicroDollars::ZERO);
        assert!(matches!(memory.enter(&key(1), at), Seat::Answered(_)));
    }

    #[test]
    fn a_failed_or_dropped_one_frees_its_key() {
        let (memory, at) = (Memory::default(), Timestamp::default());
        let first = lead(&memory, &key(1), at);
        let Seat::Join(ending) = memory.enter(&key(1), at) else { panic!("not joined") };
        first.end(&Err(Error::new(ErrorCode::Unavailable, "503")), at);
        assert_eq!(ending.borrow().as_ref().unwrap().as_ref().unwrap_err().code(), ErrorCode::Unavailable);
        let second = lead(&memory, &key(1), at);
        let Seat::Join(mut ending) = memory.enter(&key(1), at) else { panic!("not joined") };
        drop(second);
        assert!(ending.borrow_and_update().is_none() && ending.has_changed().is_err(), "the sender is gone");
        // One that has told its end, and is dropped only when the next one leads already.
        let (third, _fourth) = (lead(&memory, &key(1), at), {
            memory.lock().by_key.clear();
            lead(&memory, &key(1), at)
        });
        drop(third);
        assert!(matches!(memory.enter(&key(1), at), Seat::Join(_)));
    }

    #[test]
    fn answers_are_bounded_by_number_and_by_age() {
        let (memory, ms) = (Memory::default(), Timestamp::from_millis);
        for n in 0..MOST + 10 {
            lead(&memory, &key(n), ms(0)).end(&Ok(response(1)), ms(0));
        }
        assert!(memory.answered(&key(9), ms(0)).is_none() && memory.answered(&key(10), ms(0)).is_some());
        assert!(memory.answered(&key(10), ms(599_999)).is_some());
        // A clock that went back forgets nothing and breaks nothing.
        assert!(memory.answered(&key(10), Timestamp::from_nanos(i64::MIN)).is_some());
        assert!(memory.answered(&key(10), ms(600_000)).is_none());
        let entries = memory.lock();
        assert!(entries.by_key.is_empty() && entries.answered.is_empty());
    }
}
