use super::*;
use crate::budget::money::MicroDollars;
use crate::budget::{Amounts, Caps, KeyReport, PriceTable, Saving, Spend};
use crate::clock::UnixTime;
use crate::error::Advice;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

const SPEND: Spend<'_> = Spend { api: "rekognition:DetectLabels", camera: "yard", tenant: "port", images: 1 };

fn at(seconds: i64) -> Moment {
    Moment { monotonic: Timestamp::from_millis(seconds * 1000), unix: UnixTime::from_secs(1_700_000_000 + seconds) }
}

/// A folder that goes away with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("guarita-journal-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn journal(&self) -> PathBuf {
        self.0.join("budget")
    }

    fn open(&self, config: BudgetConfig, seconds: i64) -> Result<Budget> {
        Budget::open(self.journal(), config, JournalOptions::default(), at(seconds))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn spent(budget: &Budget, seconds: i64) -> u64 {
    budget.report(at(seconds)).month.spent.as_micros()
}

#[test]
fn what_was_spent_is_there_again_and_open_calls_count() {
    let folder = Folder::new("again");
    let budget = folder.open(BudgetConfig::default(), 0).unwrap();
    assert_eq!(budget.reserve(&SPEND, at(0)).unwrap().commit(at(1)).as_micros(), 1_000);
    budget.reserve(&SPEND, at(1)).unwrap().release(at(1));
    drop(budget.reserve(&Spend { images: 5, ..SPEND }, at(1)).unwrap());
    let three = Spend { images: 3, ..SPEND };
    assert_eq!(budget.reserve(&three, at(2)).unwrap().commit_images(2, at(2)).as_micros(), 2_000);
    std::mem::forget(budget.reserve(&Spend { images: 10, ..SPEND }, at(2)).unwrap());
    budget.saved(&SPEND, Saving::Gate, at(2));
    let before = budget.report(at(3));
    assert_eq!((before.month.spent.as_micros(), before.reserved.as_micros()), (8_000, 10_000));
    // As a crash would: the forgotten reservation keeps the budget alive, so its lock is let go by hand.
    let bytes = std::fs::read(folder.journal()).unwrap();
    let other = Folder::new("again-2");
    std::fs::write(other.journal(), bytes).unwrap();
    let after = other.open(BudgetConfig::default(), 3).unwrap().report(at(3));
    assert_eq!((after.month.spent.as_micros(), after.reservations), (18_000, 0));
    assert_eq!((after.month.unknown.as_micros(), after.month.images), (15_000, 3));
    assert_eq!(after.month.saved_by_gate.as_micros(), 1_000);
    assert_eq!((after.cameras, after.apis), (other_keys(&after.month, "yard"), other_keys(&after.month, SPEND.api)));
}

fn other_keys(amounts: &Amounts, name: &str) -> Vec<KeyReport> {
    vec![KeyReport { name: name.into(), today: *amounts, month: *amounts }]
}

#[test]
fn a_second_budget_on_one_journal_is_refused() {
    let folder = Folder::new("lock");
    let first = folder.open(BudgetConfig::default(), 0).unwrap();
    let error = folder.open(BudgetConfig::default(), 0).unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidState);
    drop(first);
    folder.open(BudgetConfig::default(), 0).unwrap();
}

#[cfg(unix)]
#[test]
fn a_link_to_a_journal_is_that_journal() {
    let folder = Folder::new("link");
    let first = folder.open(BudgetConfig::default(), 0).unwrap();
    let link = folder.0.join("link");
    std::os::unix::fs::symlink(folder.journal(), &link).unwrap();
    let open = || Budget::open(&link, BudgetConfig::default(), JournalOptions::default(), at(0));
    assert_eq!(open().unwrap_err().code(), ErrorCode::InvalidState);
    let _ = first.reserve(&SPEND, at(0)).unwrap().commit(at(0));
    drop(first);
    assert_eq!(spent(&open().unwrap(), 0), 1_000);
    assert!(link.is_symlink(), "the link stays one");
}

#[test]
fn a_warning_comes_once_more_after_a_restart() {
    let folder = Folder::new("warning");
    let total = Caps { per_day: Some(MicroDollars::from_micros(10_000)), ..Caps::default() };
    let config = BudgetConfig { total, ..BudgetConfig::default() };
    for (spends, heard) in [(9, 1), (1, 1)] {
        let seen = Arc::new(Mutex::new(0));
        let sink = Arc::clone(&seen);
        let budget = folder.open(config.clone(), 0).unwrap().with_listener(move |_| *sink.lock().unwrap() += 1);
        for _ in 0..spends {
            let _ = budget.reserve(&SPEND, at(0)).unwrap().commit(at(0));
        }
        assert_eq!(*seen.lock().unwrap(), heard);
    }
}

#[test]
fn other_prices_and_caps_do_not_change_what_was_spent() {
    let folder = Folder::new("prices");
    let budget = folder.open(BudgetConfig::default(), 0).unwrap();
    let _ = budget.reserve(&SPEND, at(0)).unwrap().commit(at(0));
    drop(budget);
    let prices = PriceTable::empty().with_api("other", [(None, 5)]);
    let total = Caps { per_day: Some(MicroDollars::from_micros(999)), ..Caps::default() };
    let budget = folder.open(BudgetConfig { prices, total, ..BudgetConfig::default() }, 1).unwrap();
    assert_eq!(spent(&budget, 1), 1_000);
    let error = budget.reserve(&Spend { api: "other", ..SPEND }, at(1)).unwrap_err();
    assert_eq!(error.code(), ErrorCode::BudgetExhausted);
    assert_eq!(budget.reserve(&SPEND, at(1)).unwrap_err().code(), ErrorCode::InvalidConfig);
}

#[test]
fn a_restart_opens_no_minute_early() {
    let folder = Folder::new("minute");
    let total = Caps { per_minute: Some(MicroDollars::from_micros(1_000)), ..Caps::default() };
    let config = BudgetConfig { total, ..BudgetConfig::default() };
    let budget = folder.open(config.clone(), 1_000).unwrap();
    let _ = budget.reserve(&SPEND, at(1_000)).unwrap().commit(at(1_000));
    drop(budget);
    // Another process: its monotonic time starts again.
    let budget = folder.open(config, 0).unwrap();
    assert_eq!(budget.reserve(&SPEND, at(59)).unwrap_err().code(), ErrorCode::BudgetExhausted);
    budget.reserve(&SPEND, at(60)).unwrap().release(at(60));
}

#[test]
fn the_journal_stays_small() {
    let folder = Folder::new("compact");
    let options = JournalOptions { compact_bytes: 4096, fsync: Fsync::Never };
    let budget = Budget::open(folder.journal(), BudgetConfig::default(), options, at(0)).unwrap();
    let held = budget.reserve(&SPEND, at(0)).unwrap();
    for second in 0..2_000 {
        let _ = budget.reserve(&SPEND, at(second)).unwrap().commit(at(second));
        assert!(std::fs::metadata(folder.journal()).unwrap().len() < 6_000);
    }
    held.release(at(2_000));
    drop(budget);
    assert_eq!(spent(&folder.open(BudgetConfig::default(), 2_000).unwrap(), 2_000), 2_000_000);
}

#[test]
fn what_is_no_journal_is_refused_and_left_alone() {
    let folder = Folder::new("alien");
    for content in [&b""[..], b"guarita", b"a letter to a friend, long enough for a head"] {
        std::fs::write(folder.journal(), content).unwrap();
        let error = folder.open(BudgetConfig::default(), 0).unwrap_err();
        assert!(error.code() == ErrorCode::DataCorrupt && error.to_string().contains("move it away"), "{error}");
        assert_eq!(std::fs::read(folder.journal()).unwrap(), content);
    }
    let missing = Budget::open(folder.0.join("no/budget"), BudgetConfig::default(), JournalOptions::default(), at(0));
    assert_eq!(missing.unwrap_err().code(), ErrorCode::NotFound);
    for (fsync, compact_bytes) in
        [(Fsync::Every { seconds: f64::NAN }, 4096), (Fsync::Every { seconds: 0.0 }, 4096), (Fsync::Always, 4095)]
    {
        assert_eq!(JournalOptions { fsync, compact_bytes }.validate().unwrap_err().code(), ErrorCode::InvalidConfig);
    }
}

/// A disk in memory that fails when told to.
#[derive(Default)]
struct Memory {
    bytes: Vec<u8>,
    /// Bytes that still fit.
    room: usize,
    no_replace: bool,
    no_sync: bool,
    syncs: usize,
}

struct Shared(Arc<Mutex<Memory>>);

fn full() -> io::Error {
    io::ErrorKind::StorageFull.into()
}

impl Disk for Shared {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut disk = self.0.lock().unwrap();
        let part = bytes.len().min(disk.room);
        disk.bytes.extend(&bytes[..part]);
        disk.room -= part;
        if part < bytes.len() { Err(full()) } else { Ok(()) }
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut disk = self.0.lock().unwrap();
        disk.syncs += 1;
        if disk.no_sync { Err(full()) } else { Ok(()) }
    }

    fn replace(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut disk = self.0.lock().unwrap();
        if disk.no_replace {
            return Err(full());
        }
        disk.bytes = bytes.to_vec();
        Ok(())
    }
}

fn on_memory(fsync: Fsync) -> (Budget, Arc<Mutex<Memory>>) {
    let disk = Arc::new(Mutex::new(Memory { room: 1 << 20, ..Memory::default() }));
    let options = JournalOptions { fsync, ..JournalOptions::default() };
    let (rules, mut ledger) = (Rules::new(BudgetConfig::default()).unwrap(), Ledger::default());
    ledger.take_over(&rules, at(0));
    let device = Box::new(Shared(Arc::clone(&disk)));
    let budget = Budget::with_journal(rules, ledger, device, Path::new("x"), &options, at(0).monotonic).unwrap();
    (budget, disk)
}

/// What another process would find spent.
fn found(disk: &Arc<Mutex<Memory>>) -> u64 {
    let rules = Rules::new(BudgetConfig::default()).unwrap();
    let mut ledger = record::read(&disk.lock().unwrap().bytes, &rules, Path::new("x")).unwrap();
    ledger.take_over(&rules, at(0));
    ledger.total.month.spent
}

#[test]
fn a_full_disk_at_any_byte_spends_nothing_without_a_record() {
    for room in 0..200 {
        for no_replace in [false, true] {
            let (budget, disk) = on_memory(Fsync::Never);
            {
                let mut disk = disk.lock().unwrap();
                (disk.room, disk.no_replace) = (room, no_replace);
            }
            let mut committed = 0;
            let mut refused = 0;
            for k in 0..10 {
                match budget.reserve(&SPEND, at(k * 10)) {
                    Ok(call) if k % 2 == 0 => committed += call.commit(at(k * 10)).as_micros(),
                    Ok(call) => call.release(at(k * 10)),
                    Err(error) => {
                        refused += 1;
                        assert_eq!((error.code(), error.advice()), (ErrorCode::ResourceExhausted, Advice::FixHost));
                    }
                }
                assert_eq!(spent(&budget, k * 10), committed);
                assert!(found(&disk) >= committed, "{room} {no_replace}");
            }
            assert!(refused > 0);
            // There is room again.
            {
                let mut disk = disk.lock().unwrap();
                (disk.room, disk.no_replace) = (1 << 20, false);
            }
            committed += budget.reserve(&SPEND, at(200)).unwrap().commit(at(200)).as_micros();
            assert_eq!((spent(&budget, 200), found(&disk)), (committed, committed));
        }
    }
}

#[test]
fn a_broken_journal_is_not_tried_for_every_call() {
    let (budget, disk) = on_memory(Fsync::Never);
    disk.lock().unwrap().room = 0;
    assert!(budget.reserve(&SPEND, at(5)).is_err());
    disk.lock().unwrap().room = 1000;
    assert_eq!(budget.reserve(&SPEND, at(5)).unwrap_err().code(), ErrorCode::ResourceExhausted);
    budget.reserve(&SPEND, at(6)).unwrap().release(at(6));
}

#[test]
fn fsync_as_often_as_promised() {
    for (fsync, expected) in [(Fsync::Always, 20), (Fsync::Every { seconds: 5.0 }, 3), (Fsync::Never, 0)] {
        let (budget, disk) = on_memory(fsync);
        for second in 0..20 {
            budget.reserve(&SPEND, at(second)).unwrap().release(at(second));
        }
        assert_eq!(disk.lock().unwrap().syncs, expected, "{fsync:?}");
        budget.sync().unwrap();
        assert_eq!(disk.lock().unwrap().syncs, expected + 1);
        disk.lock().unwrap().no_sync = true;
        assert_eq!(budget.sync().unwrap_err().code(), ErrorCode::ResourceExhausted);
        disk.lock().unwrap().no_sync = false;
        budget.reserve(&SPEND, at(30)).unwrap().release(at(30));
    }
}
