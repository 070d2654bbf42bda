//! The suite of the rules of sinks: what keeps them passes, what breaks them is caught.

use super::Folder;
use guarita::event::{Delivery, DeliveryError, JsonLinesConfig, JsonLinesSink, deliver_each};
use guarita::testkit::{BehaviourReport, Outcome, SinkSetup, check_sink};
use guarita::{Advice, Error, ErrorCode, Sink};
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

fn broken_rules(report: &BehaviourReport) -> Vec<&'static str> {
    println!("{report}");
    report.failures().map(|check| check.name).collect()
}

struct Lines {
    folder: PathBuf,
}

impl SinkSetup for Lines {
    fn open(&self) -> Box<dyn Sink> {
        // Small enough for some files to be put aside.
        let config = JsonLinesConfig { max_bytes: 40_000, keep: 1000, ..JsonLinesConfig::default() };
        Box::new(JsonLinesSink::open(self.folder.join("events.jsonl"), config).unwrap())
    }

    fn received(&self) -> Vec<String> {
        let mut files: Vec<_> = fs::read_dir(&self.folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        // The highest number is the oldest; the one without is the newest.
        let number = |path: &PathBuf| {
            path.file_name().unwrap().to_str().unwrap().split('.').nth(1).unwrap().parse().unwrap_or(0_u32)
        };
        files.sort_by_key(|path| std::cmp::Reverse(number(path)));
        let text: String = files.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
        text.lines().map(|line| serde_json::from_str::<Delivery>(line).unwrap().id().to_owned()).collect()
    }

    fn set_reachable(&self, reachable: bool) -> bool {
        let away = self.folder.with_extension("away");
        let (from, to) = if reachable { (&away, &self.folder) } else { (&self.folder, &away) };
        fs::rename(from, to).unwrap();
        true
    }
}

#[test]
#[cfg(unix)]
fn json_lines_keep_the_rules() {
    let folder = Folder::new("lines");
    let setup = Lines { folder: folder.0.join("inner") };
    fs::create_dir(&setup.folder).unwrap();
    let report = check_sink("json lines", &setup);
    assert!(report.checks.iter().all(|check| check.outcome == Outcome::Passed), "{report}");
    assert!(fs::read_dir(&setup.folder).unwrap().count() > 3);
}

#[derive(Default)]
struct Receiver {
    has: Vec<String>,
    away: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    TakesNothing,
    StumblesOverNothing,
    TurnsBatchesRound,
    LosesTheLast,
    WritesAtTheEnd,
    NamesAnew,
    SaysMore,
    GivesUp,
    LiesWhileAway,
    TurnsTheRestRound,
    ChokesOnControl,
    RetriesForEver,
    PanicsAtResults,
}

/// A sink with one fault.
struct Broken {
    receiver: Arc<Mutex<Receiver>>,
    fault: Fault,
    held: Vec<String>,
    failed: bool,
}

impl Sink for Broken {
    fn deliver(&mut self, batch: &[Delivery]) -> Result<(), DeliveryError> {
        let mut receiver = self.receiver.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut ids: Vec<_> = batch.iter().map(|delivery| delivery.id().to_owned()).collect();
        if receiver.away && !batch.is_empty() {
            self.failed = true;
            let down = Error::new(ErrorCode::Unavailable, "nobody there");
            return match self.fault {
                Fault::LiesWhileAway => Ok(()),
                Fault::GivesUp => Err(down.with_advice(Advice::Never).into()),
                Fault::SaysMore => Err(DeliveryError::after(batch.len(), down)),
                _ => Err(down.into()),
            };
        }
        match self.fault {
            Fault::StumblesOverNothing => drop(batch[0].id().to_owned()),
            Fault::TurnsBatchesRound => ids.reverse(),
            Fault::TurnsTheRestRound if self.failed => ids.reverse(),
            Fault::LosesTheLast if ids.len() > 1 => drop(ids.pop()),
            Fault::NamesAnew => {
                let from = receiver.has.len();
                ids.iter_mut().enumerate().for_each(|(k, id)| *id = format!("{}", from + k));
            }
            Fault::WritesAtTheEnd => {
                self.held.append(&mut ids);
                return Ok(());
            }
            _ => {}
        }
        let odd = |delivery: &Delivery| delivery.event().is_ok_and(|event| event.why.contains('\0'));
        match self.fault {
            // The whole batch, and nobody learns why.
            Fault::ChokesOnControl if batch.iter().any(odd) => return Ok(()),
            Fault::RetriesForEver if batch.iter().any(odd) => {
                return Err(Error::new(ErrorCode::Unavailable, "not now").into());
            }
            Fault::PanicsAtResults => deliver_each(batch, |delivery| {
                delivery.event().expect("only events");
                Ok(())
            })?,
            _ => {}
        }
        receiver.has.extend(ids);
        Ok(())
    }

    fn max_batch(&self) -> usize {
        if self.fault == Fault::TakesNothing { 0 } else { usize::MAX }
    }
}

impl Drop for Broken {
    fn drop(&mut self) {
        if let Ok(mut receiver) = self.receiver.lock() {
            receiver.has.append(&mut self.held);
        }
    }
}

struct Setup {
    receiver: Arc<Mutex<Receiver>>,
    fault: Fault,
}

impl SinkSetup for Setup {
    fn open(&self) -> Box<dyn Sink> {
        let receiver = Arc::clone(&self.receiver);
        Box::new(Broken { receiver, fault: self.fault, held: Vec::new(), failed: false })
    }

    fn received(&self) -> Vec<String> {
        self.receiver.lock().unwrap_or_else(std::sync::PoisonError::into_inner).has.clone()
    }

    fn set_reachable(&self, reachable: bool) -> bool {
        self.receiver.lock().unwrap_or_else(std::sync::PoisonError::into_inner).away = !reachable;
        true
    }
}

#[test]
fn the_suite_catches_sinks_that_break_the_rules() {
    for (fault, rules) in [
        (Fault::None, &[][..]),
        (Fault::TakesNothing, &["max_batch is 1 or more"]),
        (Fault::StumblesOverNothing, &["an empty batch"]),
        (Fault::TurnsBatchesRound, &["a batch is there, in order", "dropped without a word"]),
        (Fault::LosesTheLast, &["a batch is there", "dropped without a word", "what comes again", "back in reach"]),
        (Fault::WritesAtTheEnd, &["one by one, each is there", "a batch is there"]),
        (Fault::NamesAnew, &["what comes again has the same id"]),
        (Fault::SaysMore, &["no more than is durable"]),
        (Fault::GivesUp, &["it says to retry later"]),
        (Fault::LiesWhileAway, &["out of reach"]),
        (Fault::TurnsTheRestRound, &["back in reach, the rest arrives under its ids, in order"]),
        (Fault::ChokesOnControl, &["large and odd text"]),
        (Fault::RetriesForEver, &["large and odd text"]),
        (Fault::PanicsAtResults, &["a frame result"]),
    ] {
        let report = check_sink("broken", &Setup { receiver: Arc::default(), fault });
        let broken = broken_rules(&report);
        for rule in rules {
            assert!(broken.iter().any(|name| name.contains(rule)), "{fault:?}: {rule}: {broken:?}");
        }
        assert_eq!(report.clone().into_result().is_ok(), fault == Fault::None, "{fault:?}");
    }
}
