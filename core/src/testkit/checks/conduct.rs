//! How a provider behaves between its answers.

use super::{AT_ONCE, EACH, Suite, THREADS, Verdict, ask_well, ensure, failed, submit, wait};
use crate::budget::MicroDollars;
use crate::clock::{Clock, SystemClock};
use crate::error::{Advice, ErrorCode};
use crate::provider::Reply;
use crate::testkit::Outcome;
use std::panic::resume_unwind;
use std::sync::mpsc;

impl Suite<'_> {
    pub(super) fn name(&self) -> Verdict {
        let provider = (self.make)();
        let first = provider.name().to_owned();
        ensure(!first.trim().is_empty(), || "the name is empty".into())?;
        ensure(provider.name() == first, || format!("first {first:?}, then {:?}", provider.name()))
    }

    pub(super) fn capability(&self) -> Verdict {
        let can = (self.make)().capability();
        ensure(!can.wants.is_empty(), || "it can be asked for nothing".into())?;
        let twice = can.wants.iter().enumerate().any(|(k, want)| can.wants[..k].contains(want));
        ensure(!twice, || format!("a want twice: {:?}", can.wants))?;
        ensure(can.max_batch > 0 && can.max_in_flight > 0, || {
            format!("max_batch {}, max_in_flight {}", can.max_batch, can.max_in_flight)
        })?;
        ensure(can.leaves_machine || can.price == MicroDollars::ZERO, || {
            format!("{} a frame, though nothing leaves the machine", can.price)
        })
    }

    pub(super) fn health_before(&self) -> Verdict {
        let provider = (self.make)();
        let health = provider.health();
        ensure(health.live, || "not live".into())?;
        ensure(health.ready, || format!("not ready; degraded: {:?}", health.degraded))?;
        ensure(health.in_flight == 0, || format!("{} in flight", health.in_flight))?;
        // A provider that calls somebody to find out has times of calls, or an error.
        ensure(health.latency.is_none() && health.last_error.is_none(), || format!("it has made a call: {health:?}"))
    }

    pub(super) fn submit_is_quick(&self) -> Verdict {
        let provider = (self.make)();
        let mut took = Vec::new();
        let mut answers = Vec::new();
        // One after the other without waiting, so that a lock that is held during a call shows too.
        for _ in 0..5 {
            let request = self.usual(&*provider);
            let begun = SystemClock.now();
            answers.push(submit(&*provider, request));
            took.push(SystemClock.now() - begun);
        }
        for answer in &answers {
            drop(wait(answer)?);
        }
        took.sort_unstable();
        let middle = took.get(took.len() / 2).copied().unwrap_or_default();
        ensure(middle <= AT_ONCE, || format!("the middle one of 5 took {middle:?}; {AT_ONCE:?} is much already"))
    }

    pub(super) fn many(&self) -> Verdict {
        let provider = (self.make)();
        let usual = self.usual(&*provider);
        let all = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS)
                .map(|_| scope.spawn(|| (0..EACH).map(|_| submit(&*provider, usual.clone())).collect::<Vec<_>>()))
                .collect();
            threads.into_iter().map(|thread| thread.join()).collect::<Vec<_>>()
        });
        let mut good = 0;
        for answers in all {
            for answer in answers.map_err(|_| failed("a panic in submit"))? {
                match wait(&answer)? {
                    Ok(_) => good += 1,
                    Err(error) if error.advice() == Advice::RetryLater => {}
                    Err(error) => return Err(failed(format!("{}: {error}", error.code()))),
                }
            }
        }
        ensure(good > 0, || "not one was answered well".into())?;
        self.comes_to_rest(&*provider)
    }

    pub(super) fn panicking_reply(&self) -> Verdict {
        let provider = (self.make)();
        for _ in 0..THREADS {
            let (sender, called) = mpsc::sync_channel(1);
            let reply = Reply::new(move |_| {
                drop(sender.try_send(Err(crate::error::Error::internal("called"))));
                // As a panic, without the message of one.
                resume_unwind(Box::new("a fault of the host, on purpose"));
            });
            provider.submit(self.usual(&*provider), reply);
            drop(wait(&called)?);
        }
        ask_well(&*provider, self.usual(&*provider))?;
        self.comes_to_rest(&*provider)
    }

    pub(super) fn dropped(&self) -> Verdict {
        let provider = (self.make)();
        let answers: Vec<_> = (0..THREADS).map(|_| submit(&*provider, self.usual(&*provider))).collect();
        drop(provider);
        for answer in &answers {
            match wait(answer)? {
                Ok(_) => {}
                Err(error) if error.code() == ErrorCode::Cancelled || error.advice() == Advice::RetryLater => {}
                Err(error) => return Err(failed(format!("{}: {error}", error.code()))),
            }
        }
        Ok(())
    }

    pub(super) fn same_key(&self) -> Verdict {
        let provider = self.with_price()?;
        let request = || self.usual(&*provider).with_idempotency_key("check-1");
        let first = ask_well(&*provider, request())?;
        if first.cost == MicroDollars::ZERO {
            return Err(free_here());
        }
        let again = ask_well(&*provider, request())?;
        ensure(again.cost == MicroDollars::ZERO, || format!("paid again: {}", again.cost))
    }

    pub(super) fn same_key_at_once(&self) -> Verdict {
        let provider = self.with_price()?;
        let request = || self.usual(&*provider).with_idempotency_key("check-2");
        let answers: Vec<_> = (0..4).map(|_| submit(&*provider, request())).collect();
        let (mut paid, mut answered) = (0, 0);
        for answer in &answers {
            if let Ok(response) = wait(answer)? {
                answered += 1;
                paid += usize::from(response.cost > MicroDollars::ZERO);
            }
        }
        if paid == 0 && answered == answers.len() {
            return Err(free_here());
        }
        ensure(paid == 1, || format!("paid {paid} times"))
    }

    pub(super) fn health_after(&self) -> Verdict {
        let provider = (self.make)();
        ask_well(&*provider, self.usual(&*provider))?;
        self.comes_to_rest(&*provider)?;
        let health = provider.health();
        ensure(health.live && health.ready, || format!("live {}, ready {}", health.live, health.ready))?;
        ensure(health.latency.is_some(), || "an answer, but no latency".into())
    }
}

/// One of two providers in one, perhaps, that takes no money while the other would.
fn free_here() -> Outcome {
    Outcome::NotApplicable("nobody was paid for these answers".into())
}
