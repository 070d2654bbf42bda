//! What has been paid for under which key, so that it is paid once.

use crate::budget::MicroDollars;
use crate::clock::Timestamp;
use crate::provider::queue::Job;
use crate::provider::{Latency, Request, Response, Want};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// Answers that are kept.
const MOST: usize = 1_024;
/// And how long.
const KEPT: Duration = Duration::from_secs(600);

/// Labels and faces of one picture are two things to pay for.
pub(super) type Key = (Arc<str>, Want);

/// Requests under way and answers given, by key.
#[derive(Debug, Default)]
pub(super) struct Memory {
    by_key: BTreeMap<Key, Entry>,
    /// Answered keys, oldest first.
    answered: VecDeque<(Timestamp, Key)>,
    /// Requests that wait for one under way.
    pub(super) joined: usize,
}

#[derive(Debug)]
enum Entry {
    UnderWay(Vec<Job>),
    Answered(Response),
}

/// What is to be done about a request with a key.
#[derive(Debug)]
pub(super) enum Seat {
    /// Ask, and [`end`](Memory::end) it.
    Lead(Job),
    /// Nothing: it was paid before.
    Answered(Job, Response),
    /// Nothing: the one that is under way will end it.
    Joined,
}

impl Memory {
    pub(super) fn key(request: &Request) -> Option<Key> {
        request.idempotency_key.clone().map(|key| (key, request.want))
    }

    pub(super) fn enter(&mut self, key: &Key, job: Job, now: Timestamp) -> Seat {
        self.forget_old(now);
        match self.by_key.get_mut(key) {
            Some(Entry::Answered(response)) => Seat::Answered(job, response.clone()),
            Some(Entry::UnderWay(joined)) => {
                joined.push(job);
                self.joined += 1;
                Seat::Joined
            }
            None => {
                self.by_key.insert(key.clone(), Entry::UnderWay(Vec::new()));
                Seat::Lead(job)
            }
        }
    }

    /// Keeps a good answer; without one, the key is free again. Returns those that joined.
    pub(super) fn end(&mut self, key: &Key, answer: Option<&Response>, now: Timestamp) -> Vec<Job> {
        let before = self.by_key.remove(key);
        if let Some(response) = answer {
            let paid = Response { cost: MicroDollars::ZERO, calls: 0, latency: Latency::default(), ..response.clone() };
            self.by_key.insert(key.clone(), Entry::Answered(paid));
            self.answered.push_back((now, key.clone()));
            self.forget_old(now);
        }
        let Some(Entry::UnderWay(joined)) = before else { return Vec::new() };
        self.joined -= joined.len();
        joined
    }

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::Reply;

    fn job() -> Job {
        Job { request: Request::new([]), reply: Reply::new(|_| ()), came: Timestamp::default() }
    }

    fn response() -> Response {
        let mut response = Response::new(Vec::new(), &"x".into(), Latency::default());
        (response.cost, response.calls) = (MicroDollars::from_micros(5), 1);
        response
    }

    fn key(n: usize) -> Key {
        (n.to_string().into(), Want::Labels)
    }

    #[test]
    fn others_join_the_first_and_later_ones_are_free() {
        let (mut memory, now) = (Memory::default(), Timestamp::default());
        assert!(matches!(memory.enter(&key(1), job(), now), Seat::Lead(_)));
        assert!(matches!(memory.enter(&key(1), job(), now), Seat::Joined));
        assert!(matches!(memory.enter(&(key(1).0, Want::Faces), job(), now), Seat::Lead(_)));
        assert_eq!((memory.joined, memory.end(&key(1), Some(&response()), now).len(), memory.joined), (1, 1, 0));
        let Seat::Answered(_, paid) = memory.enter(&key(1), job(), now) else { panic!("not kept") };
        assert_eq!((paid.cost, paid.calls), (MicroDollars::ZERO, 0));
    }

    #[test]
    fn a_failed_one_frees_its_key() {
        let (mut memory, now) = (Memory::default(), Timestamp::default());
        assert!(matches!(memory.enter(&key(1), job(), now), Seat::Lead(_)));
        assert!(matches!(memory.enter(&key(1), job(), now), Seat::Joined));
        assert_eq!(memory.end(&key(1), None, now).len(), 1);
        assert!(matches!(memory.enter(&key(1), job(), now), Seat::Lead(_)));
    }

    #[test]
    fn answers_are_bounded_by_number_and_by_age() {
        let (mut memory, ms) = (Memory::default(), Timestamp::from_millis);
        for n in 0..MOST + 10 {
            assert!(matches!(memory.enter(&key(n), job(), ms(0)), Seat::Lead(_)));
            memory.end(&key(n), Some(&response()), ms(0));
        }
        assert_eq!((memory.by_key.len(), memory.answered.len()), (MOST, MOST));
        assert!(matches!(memory.enter(&key(10), job(), ms(599_999)), Seat::Answered(..)));
        assert!(matches!(memory.enter(&key(10), job(), ms(600_000)), Seat::Lead(_)));
    }
}
