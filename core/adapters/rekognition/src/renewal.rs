//! Decides when credentials are renewed, and which ones sign a call meanwhile. No I/O.

use crate::failure::repeated;
use guarita::clock::{Moment, UnixTime};
use guarita::{Error, Timestamp};
use std::time::Duration;

/// Credentials are renewed this long before they expire, as a call takes a while and clocks differ.
const BEFORE_THE_END: Duration = Duration::from_secs(60);
/// The wait after the first failed renewal; each further one doubles it. A lookup takes seconds where no service
/// answers, and an overloaded credentials service must not get more load.
const FIRST_WAIT: Duration = Duration::from_secs(5);
/// The longest wait between renewals, and so how long requests may fail after an outage.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What is known by its credentials.
pub(crate) trait Signing: Clone {
    /// When the credentials expire, if they do.
    fn ends(&self) -> Option<UnixTime>;
    /// Whether the other one signs with the same credentials.
    fn is_same(&self, other: &Self) -> bool;
}

/// What a call does for its credentials.
#[derive(Debug)]
pub(crate) enum Step<T> {
    Use(T),
    /// Use these; renew them in the background.
    UseAndLook(T),
    /// No usable credentials: the call waits for the lookup.
    Look,
    /// No credentials, and it is too soon for another lookup.
    Fail(Error),
}

/// The last credentials, and the results of renewals.
///
/// Credentials are kept until there are others, also when they have ended or were refused: clocks differ, and the other side
/// decides. Looks that bring nothing new come further and further apart.
#[derive(Debug)]
pub(crate) struct Renewal<T> {
    known: Option<T>,
    /// Whether the service refused the known ones.
    refused: bool,
    /// Lookups since usable credentials were found.
    looks: u32,
    looked_at: Timestamp,
    /// Why the last lookup failed.
    trouble: Option<Error>,
}

impl<T> Default for Renewal<T> {
    fn default() -> Self {
        Self { known: None, refused: false, looks: 0, looked_at: Timestamp::from_nanos(0), trouble: None }
    }
}

impl<T: Signing> Renewal<T> {
    pub(crate) fn step(&self, now: Moment) -> Step<T> {
        match &self.known {
            Some(known) if self.serves(known, now.unix) => Step::Use(known.clone()),
            Some(known) if !self.may_look(now.monotonic) => Step::Use(known.clone()),
            Some(known) if !self.refused && !ends_within(known, now.unix, Duration::ZERO) => {
                Step::UseAndLook(known.clone())
            }
            None if !self.may_look(now.monotonic) => match &self.trouble {
                Some(trouble) => Step::Fail(repeated(trouble)),
                None => Step::Look,
            },
            _ => Step::Look,
        }
    }

    /// A look has ended; not when it began, as it may take longer than the wait for the next one. The answer is what a call
    /// that waited for it does.
    pub(crate) fn looked(&mut self, found: Result<T, Error>, now: Moment) -> Result<T, Error> {
        self.looks = self.looks.saturating_add(1);
        self.looked_at = now.monotonic;
        match found {
            Ok(found) => {
                self.trouble = None;
                let was_refused = self.refused;
                self.refused &= self.known.as_ref().is_some_and(|known| known.is_same(&found));
                // After a refusal only an accepted call shows that new ones work.
                if !was_refused && self.serves(&found, now.unix) {
                    self.looks = 0;
                }
                self.known = Some(found.clone());
                Ok(found)
            }
            Err(error) => {
                self.trouble = Some(repeated(&error));
                self.known.clone().ok_or(error)
            }
        }
    }

    /// A call was refused for its credentials. Why the last look for others failed, where it did.
    pub(crate) fn refused(&mut self, signed: &T) -> Option<&Error> {
        self.refused |= self.known.as_ref().is_some_and(|known| known.is_same(signed));
        self.trouble.as_ref()
    }

    /// A call's credentials were accepted.
    pub(crate) fn taken(&mut self, signed: &T, now: UnixTime) {
        if self.known.as_ref().is_some_and(|known| known.is_same(signed)) {
            self.refused = false;
            if self.serves(signed, now) {
                (self.looks, self.trouble) = (0, None);
            }
        }
    }

    /// Why the last lookup failed, and whether the next call fails for that.
    pub(crate) fn trouble(&self, now: Timestamp) -> Option<(String, bool)> {
        let failing = self.known.is_none() && !self.may_look(now);
        self.trouble.as_ref().map(|error| (error.to_string(), failing))
    }

    fn serves(&self, known: &T, now: UnixTime) -> bool {
        !self.refused && !ends_within(known, now, BEFORE_THE_END)
    }

    fn may_look(&self, now: Timestamp) -> bool {
        let Some(doublings) = self.looks.checked_sub(1) else { return true };
        let wait = FIRST_WAIT.saturating_mul(1 << doublings.min(16)).min(LONGEST_WAIT);
        now - self.looked_at >= wait
    }
}

fn ends_within<T: Signing>(known: &T, now: UnixTime, margin: Duration) -> bool {
    let margin = i64::try_from(margin.as_secs()).unwrap_or(i64::MAX);
    known.ends().is_some_and(|ends| now.as_secs().saturating_add(margin) >= ends.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use guarita::ErrorCode;

    #[derive(Clone, Debug, PartialEq)]
    struct Keys(&'static str, Option<i64>);

    impl Signing for Keys {
        fn ends(&self) -> Option<UnixTime> {
            self.1.map(UnixTime::from_secs)
        }

        fn is_same(&self, other: &Self) -> bool {
            self.0 == other.0
        }
    }

    fn at(seconds: i64) -> Moment {
        Moment { monotonic: Timestamp::from_nanos(seconds * 1_000_000_000), unix: UnixTime::from_secs(seconds) }
    }

    fn step(renewal: &Renewal<Keys>, seconds: i64) -> String {
        match renewal.step(at(seconds)) {
            Step::Use(keys) => format!("use {}", keys.0),
            Step::UseAndLook(keys) => format!("use {}, look", keys.0),
            Step::Look => "look".into(),
            Step::Fail(error) => format!("fail: {error}"),
        }
    }

    fn down() -> Result<Keys, Error> {
        Err(Error::new(ErrorCode::PermissionDenied, "down"))
    }

    /// Every second a call; what happens, and how often it was looked. `take` says which keys the other side takes.
    fn calls(
        renewal: &mut Renewal<Keys>,
        seconds: std::ops::Range<i64>,
        found: impl Fn(i64) -> Result<Keys, Error>,
        take: impl Fn(&Keys) -> bool,
    ) -> (usize, usize, usize) {
        let (mut taken, mut refused, mut looks) = (0, 0, 0);
        for second in seconds {
            let now = at(second);
            let signed = match renewal.step(now) {
                Step::Use(keys) => keys,
                Step::UseAndLook(keys) => {
                    looks += 1;
                    let _ = renewal.looked(found(second), now);
                    keys
                }
                Step::Look => {
                    looks += 1;
                    match renewal.looked(found(second), now) {
                        Ok(keys) => keys,
                        Err(_) => continue,
                    }
                }
                Step::Fail(_) => continue,
            };
            if take(&signed) {
                taken += 1;
                renewal.taken(&signed, now.unix);
            } else {
                refused += 1;
                renewal.refused(&signed);
            }
        }
        (taken, refused, looks)
    }

    #[test]
    fn keys_near_their_end_are_used_to_it_and_beyond() {
        let mut renewal = Renewal::default();
        assert_eq!(step(&renewal, 0), "look");
        renewal.looked(Ok(Keys("a", Some(1_000))), at(0)).unwrap();
        assert_eq!((step(&renewal, 939), step(&renewal, 940)), ("use a".into(), "use a, look".into()));
        // The service is down: 5, 10, 20, 40 … seconds apart, and no call is lost.
        assert_eq!(calls(&mut renewal, 940..1_000, |_| down(), |_| true), (60, 0, 4));
        assert!(renewal.trouble(at(999).monotonic).is_some_and(|(why, failing)| why == "down" && !failing));
        // They have ended, but here only: the other side takes them.
        assert_eq!(calls(&mut renewal, 1_000..2_000, |_| down(), |_| true), (1_000, 0, 17));
        // It is there again, and the old ones are taken no more.
        let again = |_| Ok(Keys("b", Some(9_000)));
        let (taken, refused, looks) = calls(&mut renewal, 2_000..3_000, again, |keys| keys.0 == "b");
        assert!(taken + refused == 1_000 && refused < 60 && looks == 1, "{refused} {looks}");
        assert!(renewal.trouble(at(3_000).monotonic).is_none());
        assert_eq!(step(&renewal, 8_939), "use b");
    }

    #[test]
    fn keys_that_are_near_their_end_from_the_start_are_not_looked_for_each_time() {
        let mut renewal = Renewal::default();
        let short = |second| Ok(Keys("a", Some(second + 50)));
        let (taken, refused, looks) = calls(&mut renewal, 0..1_000, short, |_| true);
        assert_eq!((taken, refused), (1_000, 0));
        assert!(looks < 22, "{looks}");
        let mut renewal = Renewal::default();
        let (taken, _, looks) = calls(&mut renewal, 1_000..2_000, |_| Ok(Keys("old", Some(1))), |_| true);
        assert!(taken == 1_000 && looks < 22, "{looks}");
    }

    #[test]
    fn keys_that_were_refused_are_looked_for_at_once_and_then_seldom() {
        let mut renewal = Renewal::default();
        renewal.looked(Ok(Keys("a", None)), at(0)).unwrap();
        // Every look brings the same ones.
        let (taken, refused, looks) = calls(&mut renewal, 0..1_000, |_| Ok(Keys("a", None)), |_| false);
        assert_eq!((taken, refused), (0, 1_000));
        assert!((2..22).contains(&looks), "{looks}");
        // Others, as soon as there are some.
        let mut renewal = Renewal::default();
        renewal.looked(Ok(Keys("a", None)), at(0)).unwrap();
        assert_eq!(calls(&mut renewal, 0..100, |_| Ok(Keys("b", None)), |keys| keys.0 == "b"), (99, 1, 1));
        // Others each time, none of which is any good.
        let mut renewal = Renewal::default();
        let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
        let other = |second: i64| Ok(Keys(names[usize::try_from(second % 10).unwrap()], None));
        let (_, refused, looks) = calls(&mut renewal, 0..1_000, other, |_| false);
        assert!(refused == 1_000 && looks < 22, "{looks}");
        // The role service is down meanwhile: the last keys are tried on, and the reason is told.
        let mut renewal = Renewal::default();
        renewal.looked(Ok(Keys("a", None)), at(0)).unwrap();
        let (_, refused, looks) = calls(&mut renewal, 0..100, |_| down(), |_| false);
        assert!(refused == 100 && looks < 7, "{looks}");
        assert!(renewal.refused(&Keys("a", None)).is_some());
    }

    #[test]
    fn without_any_keys_everybody_gets_the_last_answer() {
        let mut renewal: Renewal<Keys> = Renewal::default();
        assert!(renewal.looked(down(), at(0)).is_err());
        assert_eq!((step(&renewal, 4), step(&renewal, 5)), ("fail: down".into(), "look".into()));
        assert_eq!(renewal.trouble(at(4).monotonic), Some(("down".into(), true)));
        assert_eq!(renewal.trouble(at(5).monotonic), Some(("down".into(), false)));
        // After a while, every minute.
        let (taken, refused, looks) = calls(&mut renewal, 5..2_000, |_| down(), |_| true);
        assert_eq!((taken, refused), (0, 0));
        assert!((34..38).contains(&looks), "{looks}");
        assert!(matches!(renewal.step(at(i64::MAX / 2_000_000_000)), Step::Look));
    }

    #[test]
    fn a_late_refusal_or_answer_of_old_keys_says_nothing_of_the_new_ones() {
        let (old, new) = (Keys("old", None), Keys("new", None));
        let mut renewal = Renewal::default();
        renewal.looked(Ok(old.clone()), at(0)).unwrap();
        renewal.refused(&old);
        assert_eq!(step(&renewal, 1), "look");
        renewal.looked(Ok(new.clone()), at(1)).unwrap();
        renewal.refused(&old);
        assert_eq!(step(&renewal, 1), "use new");
        renewal.refused(&new);
        renewal.taken(&old, at(2).unix);
        assert_eq!((step(&renewal, 2), step(&renewal, 6)), ("use new".into(), "look".into()));
    }
}
