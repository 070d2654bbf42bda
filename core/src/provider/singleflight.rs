//! Requests with the same idempotency key are asked once: the first one leads, those that come meanwhile follow it, and later
//! ones get its answer.

use super::{Latency, Request, Response, Want};
use crate::budget::MicroDollars;
use crate::clock::Timestamp;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Answers that are kept.
const MAX_ANSWERS: usize = 1_024;
/// How long answers are kept.
const KEPT_FOR: Duration = Duration::from_secs(600);

/// Identity of a request. The want belongs to it, so that requests for labels and for faces of a picture under one key
/// get both.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct IdempotencyKey(Arc<str>, Want);

impl IdempotencyKey {
    /// None where the request has no key: then it is asked for itself.
    pub fn of(request: &Request) -> Option<Self> {
        request.idempotency_key.clone().map(|key| Self(key, request.want))
    }
}

/// Requests under way and answers given, by key: the last 1024 answers, for ten minutes. `F` is what a follower leaves
/// to be notified when its leader ends. A clone is the same.
pub struct Singleflight<F>(Arc<Mutex<Flights<F>>>);

struct Flights<F> {
    by_key: BTreeMap<IdempotencyKey, Flight<F>>,
    /// Answered keys, oldest first.
    answered: VecDeque<(Timestamp, IdempotencyKey)>,
    followers: usize,
    next_id: u64,
}

enum Flight<F> {
    UnderWay { id: u64, followers: Vec<F> },
    Answered(Response),
}

/// What is to be done about a request with a key.
#[derive(Debug)]
pub enum Role<F> {
    /// Ask, and [`finish`](Leader::finish) for all.
    Leader(F, Leader<F>),
    /// Nothing: the leader has what it left behind.
    Follower,
    /// Nothing: here is the answer, already paid.
    Answered(F, Response),
}

/// The right to call for all requests of a key. Dropped without an answer, the key is free again, and what the
/// followers left is dropped.
#[must_use = "the key is free again when it is dropped"]
pub struct Leader<F> {
    flights: Singleflight<F>,
    key: IdempotencyKey,
    id: u64,
}

impl<F> Singleflight<F> {
    /// The answer to a key where there is one, already paid.
    pub fn answered(&self, key: &IdempotencyKey, now: Timestamp) -> Option<Response> {
        let mut flights = self.lock();
        flights.forget_old(now);
        match flights.by_key.get(key) {
            Some(Flight::Answered(response)) => Some(response.clone()),
            _ => None,
        }
    }

    /// Joins the requests of a key.
    pub fn enter(&self, key: &IdempotencyKey, follower: F, now: Timestamp) -> Role<F> {
        let mut flights = self.lock();
        flights.forget_old(now);
        let Flights { by_key, followers: count, next_id, .. } = &mut *flights;
        match by_key.get_mut(key) {
            Some(Flight::Answered(response)) => Role::Answered(follower, response.clone()),
            Some(Flight::UnderWay { followers, .. }) => {
                followers.push(follower);
                *count += 1;
                Role::Follower
            }
            None => {
                let id = *next_id;
                *next_id += 1;
                by_key.insert(key.clone(), Flight::UnderWay { id, followers: Vec::new() });
                Role::Leader(follower, Leader { flights: self.clone(), key: key.clone(), id })
            }
        }
    }

    /// Requests that wait for a leader.
    pub fn followers(&self) -> usize {
        self.lock().followers
    }

    fn lock(&self) -> MutexGuard<'_, Flights<F>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F> Leader<F> {
    /// Keeps a good answer; without one, the key is free again. Returns what the followers left, in their order.
    pub fn finish(self, answer: Option<&Response>, now: Timestamp) -> Vec<F> {
        let mut flights = self.flights.lock();
        let followers = flights.end(&self.key, self.id);
        if let Some(response) = answer {
            flights.by_key.insert(self.key.clone(), Flight::Answered(paid(response)));
            flights.answered.push_back((now, self.key.clone()));
            flights.forget_old(now);
        }
        drop(flights);
        followers
    }
}

impl<F> Drop for Leader<F> {
    fn drop(&mut self) {
        let followers = self.flights.lock().end(&self.key, self.id);
        // Somebody else's code, perhaps: without the lock.
        drop(followers);
    }
}

impl<F> Flights<F> {
    /// Takes this flight out, and no later one of its key, nor an answer.
    fn end(&mut self, key: &IdempotencyKey, ended: u64) -> Vec<F> {
        if !matches!(self.by_key.get(key), Some(Flight::UnderWay { id, .. }) if *id == ended) {
            return Vec::new();
        }
        let Some(Flight::UnderWay { followers, .. }) = self.by_key.remove(key) else { return Vec::new() };
        self.followers -= followers.len();
        followers
    }

    fn forget_old(&mut self, now: Timestamp) {
        while let Some((at, _)) = self.answered.front() {
            if self.answered.len() <= MAX_ANSWERS && now - *at < KEPT_FOR {
                break;
            }
            if let Some((_, key)) = self.answered.pop_front() {
                self.by_key.remove(&key);
            }
        }
    }
}

/// The answer for a request that did not pay for it.
pub fn paid(response: &Response) -> Response {
    Response { cost: MicroDollars::ZERO, calls: 0, latency: Latency::default(), ..response.clone() }
}

impl<F> Clone for Singleflight<F> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<F> Default for Singleflight<F> {
    fn default() -> Self {
        let flights = Flights { by_key: BTreeMap::new(), answered: VecDeque::new(), followers: 0, next_id: 0 };
        Self(Arc::new(Mutex::new(flights)))
    }
}

impl<F> fmt::Debug for Singleflight<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Singleflight").field("followers", &self.followers()).finish_non_exhaustive()
    }
}

impl<F> fmt::Debug for Leader<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Leader").field(&self.key).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::Priority;

    fn response(cost: u64) -> Response {
        let mut response = Response::new(Vec::new(), &"x".into(), Latency::default());
        (response.cost, response.calls) = (MicroDollars::from_micros(cost), 1);
        response
    }

    fn key(n: usize) -> IdempotencyKey {
        IdempotencyKey(n.to_string().into(), Want::Labels)
    }

    fn lead<F: fmt::Debug>(flights: &Singleflight<F>, key: &IdempotencyKey, own: F, at: Timestamp) -> Leader<F> {
        match flights.enter(key, own, at) {
            Role::Leader(_, leader) => leader,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_key_is_the_hosts_key_and_what_is_wanted() {
        let request = || Request::new([]).with_idempotency_key("1");
        assert_eq!(IdempotencyKey::of(&request().with_priority(Priority::Critical)), Some(key(1)));
        assert_ne!(IdempotencyKey::of(&request().with_want(Want::Faces)), Some(key(1)));
        assert_eq!(IdempotencyKey::of(&Request::new([])), None);
    }

    #[test]
    fn others_follow_the_first_and_later_ones_are_free() {
        let (flights, now) = (Singleflight::default(), Timestamp::from_millis(5));
        let leader = lead(&flights, &key(1), 'a', now);
        for follower in ['b', 'c'] {
            assert!(matches!(flights.enter(&key(1), follower, now), Role::Follower));
        }
        let faces = IdempotencyKey(key(1).0, Want::Faces);
        let other = lead(&flights, &faces, 'd', now);
        assert!(flights.answered(&key(1), now).is_none());
        assert_eq!(flights.followers(), 2);
        assert_eq!(leader.finish(Some(&response(1_000)), now), ['b', 'c']);
        assert_eq!(flights.followers(), 0);
        let Role::Answered('e', answer) = flights.enter(&key(1), 'e', now) else { panic!("not kept") };
        assert_eq!((answer.cost, answer.calls), (MicroDollars::ZERO, 0));
        assert_eq!(flights.answered(&key(1), now).unwrap().calls, 0);
        assert!(flights.answered(&faces, now).is_none());
        drop(other);
    }

    #[test]
    fn a_failed_or_dropped_one_frees_its_key() {
        let (flights, now) = (Singleflight::default(), Timestamp::default());
        let failed = lead(&flights, &key(1), 'a', now);
        assert!(matches!(flights.enter(&key(1), 'b', now), Role::Follower));
        assert_eq!(failed.finish(None, now), ['b']);
        let dropped = lead(&flights, &key(1), 'c', now);
        assert!(matches!(flights.enter(&key(1), 'd', now), Role::Follower));
        drop(dropped);
        assert_eq!(flights.followers(), 0);
        // One that is dropped only when the next one leads already leaves it alone.
        let late = lead(&flights, &key(1), 'e', now);
        flights.lock().by_key.clear();
        let _next = lead(&flights, &key(1), 'f', now);
        drop(late);
        assert!(matches!(flights.enter(&key(1), 'g', now), Role::Follower));
    }

    #[test]
    fn what_a_follower_left_is_dropped_without_the_lock() {
        /// Looks at its flights when it is dropped, as the host's code may.
        #[derive(Debug)]
        struct Looks(Singleflight<Option<Self>>);
        impl Drop for Looks {
            fn drop(&mut self) {
                assert_eq!(self.0.followers(), 0);
            }
        }
        let (flights, now) = (Singleflight::default(), Timestamp::default());
        let leader = lead(&flights, &key(1), None, now);
        assert!(matches!(flights.enter(&key(1), Some(Looks(flights.clone())), now), Role::Follower));
        drop(leader);
        assert_eq!(flights.followers(), 0);
    }

    #[test]
    fn answers_are_bounded_by_number_and_by_age() {
        let (flights, ms) = (Singleflight::default(), Timestamp::from_millis);
        for n in 0..MAX_ANSWERS + 10 {
            assert!(lead(&flights, &key(n), (), ms(0)).finish(Some(&response(1)), ms(0)).is_empty());
        }
        assert!(flights.answered(&key(9), ms(0)).is_none() && flights.answered(&key(10), ms(0)).is_some());
        assert!(flights.answered(&key(10), ms(599_999)).is_some());
        // A clock that went back forgets nothing and breaks nothing.
        assert!(flights.answered(&key(10), Timestamp::from_nanos(i64::MIN)).is_some());
        assert!(flights.answered(&key(10), ms(600_000)).is_none());
        let flights = flights.lock();
        assert!(flights.by_key.is_empty() && flights.answered.is_empty());
    }
}
