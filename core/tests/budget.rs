//! The budget beside a plain model, and its journal beside a process that is killed at random moments.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test; a child process is told by its environment what to do"
)]

mod common;

use common::Random;
use guarita::budget::{
    BudgetConfig, BudgetEvent, CapPeriod, CapScope, Caps, JournalOptions, KeyCaps, MicroDollars, PriceTable,
    Reservation, Saving, Spend,
};
use guarita::clock::{Clock, Moment, SystemClock, UnixTime};
use guarita::journal::Fsync;
use guarita::{Budget, ErrorCode, Timestamp};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

fn caps(per_minute: u64, per_day: u64, per_month: u64) -> Caps {
    let cap = |micros| Some(MicroDollars::from_micros(micros)).filter(|cap| *cap != MicroDollars::ZERO);
    Caps { per_minute: cap(per_minute), per_day: cap(per_day), per_month: cap(per_month) }
}

fn moment(millis: i64, unix: i64) -> Moment {
    Moment { monotonic: Timestamp::from_millis(millis), unix: UnixTime::from_secs(unix) }
}

// --- a plain model ---------------------------------------------------------------------------------------------

const CAMERAS: [&str; 4] = ["gate", "yard", "", "dock"];
const TENANTS: [&str; 2] = ["port", "bank"];
const APIS: [&str; 2] = ["a", "b"];

#[derive(Clone, Copy, PartialEq)]
enum State {
    Open,
    Ended,
}

/// One reservation, kept for ever; every sum is made anew from all of them.
struct Row {
    who: [String; 4],
    windows: [usize; 4],
    day: i64,
    images: u64,
    held: u64,
    volume: u64,
    state: State,
}

#[derive(Default)]
struct Model {
    rows: Vec<Row>,
    today: i64,
    millis: i64,
    windows: BTreeMap<String, (usize, i64)>,
    next_window: usize,
}

/// Months of a calendar whose months all have the days of these: enough for the span of the test.
fn month(day: i64) -> i64 {
    // 2023-11-14 is day 19675; November ends with day 19691, December with 19722, January with 19753.
    [19_691, 19_722, 19_753, 19_782].iter().filter(|&&last| day > last).count() as i64
}

impl Model {
    fn observe(&mut self, now: Moment) {
        self.today = self.today.max(now.unix.as_secs().div_euclid(86_400));
        self.millis = self.millis.max(now.monotonic.as_nanos() / 1_000_000);
    }

    fn window(&self, who: &str) -> Option<usize> {
        self.windows.get(who).filter(|(_, start)| self.millis - start < 60_000).map(|(window, _)| *window)
    }

    fn sum(&self, scope: usize, who: &str, within: impl Fn(&Row) -> bool) -> (u64, u64) {
        let rows = || self.rows.iter().filter(|row| row.who[scope] == who && within(row));
        let of = |state| rows().filter(|row| row.state == state).map(|row| row.held).sum();
        (of(State::Ended), of(State::Open))
    }

    fn standing(&self, scope: usize, who: &str, period: CapPeriod) -> (u64, u64) {
        match period {
            CapPeriod::Minute => {
                self.window(who).map_or((0, 0), |w| self.sum(scope, who, |row| row.windows[scope] == w))
            }
            CapPeriod::Day => self.sum(scope, who, |row| row.day == self.today),
            _ => self.sum(scope, who, |row| month(row.day) == month(self.today)),
        }
    }

    fn volume(&self, api: &str) -> u64 {
        let api = format!("api {api}");
        let this_month = self.rows.iter().filter(|row| row.who[3] == api && month(row.day) == month(self.today));
        this_month.map(|row| row.volume).sum()
    }

    fn reserve(&mut self, config: &BudgetConfig, spend: &Spend<'_>) -> Option<u64> {
        let cost = (0..u64::from(spend.images)).map(|k| price(self.volume(spend.api) + k)).sum();
        let who = [
            "total".to_owned(),
            format!("camera {}", spend.camera),
            format!("tenant {}", spend.tenant),
            format!("api {}", spend.api),
        ];
        let caps =
            [&config.total, config.camera.of(spend.camera), config.tenant.of(spend.tenant), config.api.of(spend.api)];
        for (scope, caps) in caps.into_iter().enumerate() {
            for (period, cap) in [
                (CapPeriod::Minute, caps.per_minute),
                (CapPeriod::Day, caps.per_day),
                (CapPeriod::Month, caps.per_month),
            ] {
                let (spent, reserved) = self.standing(scope, &who[scope], period);
                if cap.is_some_and(|cap| spent + reserved + cost > cap.as_micros()) {
                    return None;
                }
            }
        }
        let windows = who.clone().map(|who| {
            self.window(&who).unwrap_or_else(|| {
                self.next_window += 1;
                self.windows.insert(who, (self.next_window, self.millis));
                self.next_window
            })
        });
        let images = spend.images.into();
        self.rows.push(Row { who, windows, day: self.today, images, held: cost, volume: 0, state: State::Open });
        Some(cost)
    }

    fn commit(&mut self, row: usize) -> u64 {
        let api = self.rows[row].who[3].trim_start_matches("api ").to_owned();
        let volume = self.volume(&api);
        let this_month = month(self.rows[row].day) == month(self.today);
        let row = &mut self.rows[row];
        if this_month {
            row.held = row.held.min((0..row.images).map(|k| price(volume + k)).sum());
        }
        (row.volume, row.state) = (row.images, State::Ended);
        row.held
    }
}

fn price(position: u64) -> u64 {
    match position {
        0..300 => 10,
        300..900 => 7,
        _ => 3,
    }
}

#[test]
fn a_plain_model_says_the_same() {
    let tiers = [(Some(300), 10), (Some(900), 7), (None, 3)];
    let config = BudgetConfig {
        total: caps(200, 2_500, 30_000),
        camera: KeyCaps { default: caps(90, 1_000, 0), named: [("gate".into(), caps(0, 400, 5_000))].into() },
        tenant: KeyCaps { default: caps(0, 1_800, 0), named: BTreeMap::new() },
        api: KeyCaps { default: caps(150, 0, 0), named: BTreeMap::new() },
        prices: PriceTable::empty().with_api("a", tiers).with_api("b", tiers),
        ..BudgetConfig::default()
    };
    let (mut refused, mut accepted, mut months) = (0, 0, 0);
    for seed in 1..=8_u64 {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let budget = Budget::new(config.clone()).unwrap();
        let (mut model, mut open): (_, Vec<(usize, Reservation)>) = (Model::default(), Vec::new());
        let (mut millis, mut unix) = (0, 1_700_000_000);
        for step in 0..3_000 {
            let elapsed = [0, 50, 7_000, 30_000, 61_000][random.below(5)];
            millis += elapsed;
            unix += elapsed / 1_000;
            match random.below(60) {
                0 => unix += 3_600,
                1 => unix -= 3_600,
                2 => unix += 43_200,
                _ => {}
            }
            let now = moment(millis, unix);
            model.observe(now);
            match random.below(8) {
                0..5 => {
                    let spend = Spend {
                        api: APIS[random.below(2)],
                        camera: CAMERAS[random.below(4)],
                        tenant: TENANTS[random.below(2)],
                        images: 1 + random.below(12) as u32,
                    };
                    let expected = model.reserve(&config, &spend);
                    match budget.reserve(&spend, now) {
                        Ok(call) => {
                            assert_eq!(expected, Some(call.amount().as_micros()), "seed {seed} step {step}");
                            open.push((model.rows.len() - 1, call));
                            accepted += 1;
                        }
                        Err(error) => {
                            assert_eq!(
                                (expected, error.code()),
                                (None, ErrorCode::BudgetExhausted),
                                "seed {seed} step {step}"
                            );
                            refused += 1;
                        }
                    }
                }
                _ if open.is_empty() => {}
                choice => {
                    let (row, call) = open.swap_remove(random.below(open.len()));
                    match choice {
                        5 | 6 => assert_eq!(call.commit(now).as_micros(), model.commit(row), "seed {seed} step {step}"),
                        _ if random.below(2) == 0 => {
                            call.release(now);
                            (model.rows[row].held, model.rows[row].state) = (0, State::Ended);
                        }
                        _ => {
                            drop(call);
                            model.rows[row].state = State::Ended;
                        }
                    }
                }
            }
            if step % 50 == 0 {
                compare(&budget, &model, now);
            }
        }
        months += month(model.today);
    }
    println!("{accepted} accepted, {refused} refused, {months} changes of month");
    assert!(accepted > 3_000 && refused > 3_000 && months >= 8);
}

fn compare(budget: &Budget, model: &Model, now: Moment) {
    let report = budget.report(now);
    assert!(report.caps.len() >= 5);
    for cap in &report.caps {
        let (scope, who) = match &cap.cap.scope {
            CapScope::Camera(name) => (1, format!("camera {name}")),
            CapScope::Tenant(name) => (2, format!("tenant {name}")),
            CapScope::Api(name) => (3, format!("api {name}")),
            _ => (0, "total".to_owned()),
        };
        let expected = model.standing(scope, &who, cap.cap.period);
        assert_eq!((cap.spent.as_micros(), cap.reserved.as_micros()), expected, "{}", cap.cap);
        assert!(cap.spent + cap.reserved <= cap.limit, "{}", cap.cap);
    }
    let ever: u64 = model.rows.iter().filter(|row| row.state == State::Ended).map(|row| row.held).sum();
    assert_eq!(report.days.iter().map(|day| day.amounts.spent.as_micros()).sum::<u64>(), ever);
}

// --- clocks, names, events ---------------------------------------------------------------------------------------

const LABELS: Spend<'_> = Spend { api: "rekognition:DetectLabels", camera: "gate", tenant: "port", images: 1 };
const DAY: i64 = 86_400;
/// 2023-11-14 00:00 UTC.
const MIDNIGHT: i64 = 19_675 * DAY;

#[test]
fn a_clock_that_is_set_back_opens_no_day_again_and_loses_none() {
    let config = BudgetConfig { total: caps(0, 2_000, 0), ..BudgetConfig::default() };
    let budget = Budget::new(config).unwrap();
    let spend = |unix| budget.reserve(&LABELS, moment(0, unix)).map(|call| call.commit(moment(0, unix)));
    spend(MIDNIGHT + 10).unwrap();
    spend(MIDNIGHT + 20).unwrap();
    for back in [3_600, DAY, 400 * DAY] {
        let error = spend(MIDNIGHT - back).unwrap_err();
        assert_eq!(error.code(), ErrorCode::BudgetExhausted);
        assert!(
            error.to_string().contains("total per day") && error.to_string().contains("2023-11-15 00:00"),
            "{error}"
        );
    }
    // An hour forward by mistake, and back: tomorrow's money is spent once.
    spend(MIDNIGHT + DAY).unwrap();
    spend(MIDNIGHT + DAY - 3_600).unwrap();
    assert!(spend(MIDNIGHT + DAY - 3_600).is_err());
    assert!(spend(MIDNIGHT + DAY + 3_600).is_err());
    let report = budget.report(moment(0, MIDNIGHT));
    let days: Vec<_> = report.days.iter().map(|day| (day.date.as_str(), day.amounts.spent.as_micros())).collect();
    assert_eq!(days, [("2023-11-14", 2_000), ("2023-11-15", 2_000)]);
}

#[test]
fn a_minute_is_monotonic_and_wild_times_do_no_harm() {
    let budget = Budget::new(BudgetConfig { total: caps(1_000, 0, 0), ..BudgetConfig::default() }).unwrap();
    let spend =
        |millis, unix| budget.reserve(&LABELS, moment(millis, unix)).map(|call| call.commit(moment(millis, unix)));
    spend(5_000, MIDNIGHT).unwrap();
    for unix in [MIDNIGHT + 3_600, MIDNIGHT - 3_600, i64::MIN, i64::MAX] {
        assert!(spend(64_999, unix).unwrap_err().to_string().contains("frees in 1 s"));
    }
    spend(65_000, MIDNIGHT).unwrap();
    assert!(spend(i64::MIN, 0).is_err());
    let _ = (spend(i64::MAX, 0), spend(i64::MIN, 0), budget.report(moment(i64::MIN, i64::MIN)).to_string());
}

#[test]
fn a_call_is_charged_to_the_day_and_month_of_its_reservation() {
    let config = BudgetConfig { total: caps(0, 5_000, 5_000), ..BudgetConfig::default() };
    let budget = Budget::new(config).unwrap();
    // The last second of November.
    let late = moment(0, 19_692 * DAY - 1);
    let call = budget.reserve(&Spend { images: 5, ..LABELS }, late).unwrap();
    let next = moment(2_000, 19_692 * DAY + 1);
    let whole = budget.reserve(&Spend { images: 5, ..LABELS }, next).unwrap();
    assert_eq!(call.commit(next).as_micros(), 5_000);
    let report = budget.report(next);
    assert_eq!((report.month.spent.as_micros(), report.today.reserved.as_micros()), (0, 5_000));
    assert_eq!((report.days[0].date.as_str(), report.days[0].amounts.spent.as_micros()), ("2023-11-30", 5_000));
    whole.release(next);
}

#[test]
fn names_past_the_bound_are_counted_together() {
    let camera = KeyCaps { default: caps(0, 2_000, 0), named: [("vault".into(), caps(0, 9_000, 0))].into() };
    let budget = Budget::new(BudgetConfig { max_keys: 2, camera, ..BudgetConfig::default() }).unwrap();
    let now = moment(0, MIDNIGHT);
    let spend = |camera| budget.reserve(&Spend { camera, ..LABELS }, now).map(|call| call.commit(now));
    for camera in ["a", "b", "c", "d", "vault"] {
        spend(camera).unwrap();
    }
    assert!(spend("e").unwrap_err().to_string().contains("(others)"));
    spend("a").unwrap();
    let report = budget.report(now);
    let names: Vec<_> = report.cameras.iter().map(|camera| camera.name.as_str()).collect();
    assert_eq!(names, ["(others)", "a", "b", "vault"]);
    let next = moment(61_000, MIDNIGHT + 20 * DAY);
    assert!(budget.report(next).cameras.is_empty());
}

#[test]
fn each_cap_warns_once_and_is_exhausted_once_in_a_period() {
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let sink = Arc::clone(&seen);
    let budget = Budget::new(BudgetConfig { total: caps(0, 10_000, 0), ..BudgetConfig::default() }).unwrap();
    let budget = budget.with_listener(move |event| {
        sink.lock().unwrap().push(match event {
            BudgetEvent::Warning { cap, spent, limit } => format!("warning {cap} {spent} of {limit}"),
            BudgetEvent::Exhausted { cap, used, limit } => format!("exhausted {cap} {used} of {limit}"),
            _ => String::new(),
        });
    });
    for day in 0..2 {
        for _ in 0..15 {
            let now = moment(0, MIDNIGHT + day * DAY);
            if let Ok(call) = budget.reserve(&LABELS, now) {
                let _ = call.commit(now);
            }
        }
        let seen = std::mem::take(&mut *seen.lock().unwrap());
        assert_eq!(seen, ["warning total per day $0.008 of $0.01", "exhausted total per day $0.01 of $0.01"]);
    }
}

#[test]
fn what_cannot_be_spent_says_why() {
    let budget = Budget::new(BudgetConfig { total: caps(0, 3_000, 0), ..BudgetConfig::default() }).unwrap();
    let now = moment(0, MIDNIGHT);
    let long = "x".repeat(257);
    for (spend, code, word) in [
        (Spend { api: "abacus", ..LABELS }, ErrorCode::InvalidConfig, "abacus"),
        (Spend { images: 0, ..LABELS }, ErrorCode::InvalidArgument, "0 images"),
        (Spend { camera: &long, ..LABELS }, ErrorCode::InvalidArgument, "257 bytes"),
        (Spend { images: 4, ..LABELS }, ErrorCode::BudgetExhausted, "never frees"),
        (Spend { images: u32::MAX, ..LABELS }, ErrorCode::BudgetExhausted, "never frees"),
    ] {
        let error = budget.reserve(&spend, now).unwrap_err();
        assert!(error.code() == code && error.to_string().contains(word), "{error}");
    }
    budget.saved(&Spend { api: "abacus", ..LABELS }, Saving::Gate, now);
    budget.saved(&LABELS, Saving::Cache, now);
    assert_eq!(budget.estimate(&Spend { images: 9, ..LABELS }, now).unwrap().as_micros(), 9_000);
    let report = budget.report(now);
    assert_eq!((report.month.saved_by_gate.as_micros(), report.month.saved_by_cache.as_micros()), (0, 1_000));
    let text = report.to_string();
    assert!(text.contains("by camera") && text.contains("total per day"), "{text}");
    assert_eq!(serde_json::to_value(&report).unwrap()["caps"][0]["limit"], 3_000);
}

// --- kill -9 -----------------------------------------------------------------------------------------------------

const CALLS: usize = 100_000;
const THREADS: u64 = 8;

/// Caps that are met: some all the time, the month's about where the test ends.
fn child_config() -> BudgetConfig {
    BudgetConfig {
        total: caps(0, 0, 130_000_000),
        camera: KeyCaps { default: caps(1_500_000, 0, 0), named: [("gate".into(), caps(0, 30_000_000, 0))].into() },
        tenant: KeyCaps { default: caps(3_500_000, 0, 80_000_000), named: BTreeMap::new() },
        ..BudgetConfig::default()
    }
}

/// Not a test: what the killed process does.
#[test]
#[ignore = "run by kills_do_not_overspend"]
fn child_that_spends() {
    let Ok(path) = std::env::var("GUARITA_BUDGET_CHILD") else { return };
    let seed: u64 = std::env::var("GUARITA_BUDGET_SEED").unwrap().parse().unwrap();
    let start = MIDNIGHT + DAY - 30 + i64::try_from(seed).unwrap();
    let options = JournalOptions { compact_bytes: 60_000, ..JournalOptions::default() };
    let budget = Budget::open(path, child_config(), options, moment(0, start)).unwrap();
    let ticks = AtomicI64::new(0);
    // One write for each line: what the parent reads was done before.
    let say = |line: String| std::io::stdout().write_all(line.as_bytes()).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (budget, ticks) = (budget.clone(), &ticks);
            scope.spawn(move || {
                let mut random = Random((seed * THREADS + thread + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
                loop {
                    let millis = ticks.fetch_add(1 + random.below(40) as i64, Ordering::Relaxed);
                    let now = moment(millis, start + millis / 1_000 + 3_600 * (random.below(3) as i64 - 1));
                    let spend = Spend {
                        camera: CAMERAS[random.below(4)],
                        tenant: TENANTS[random.below(2)],
                        images: 1 + random.below(6) as u32,
                        ..LABELS
                    };
                    let Ok(call) = budget.reserve(&spend, now) else {
                        say("= refused\n".to_owned());
                        continue;
                    };
                    let amount = call.amount();
                    match random.below(10) {
                        0..6 => say(format!("= spent {}\n", call.commit(now).as_micros())),
                        6..9 => {
                            call.release(now);
                            say("= released\n".to_owned());
                        }
                        _ => {
                            drop(call);
                            say(format!("= spent {}\n", amount.as_micros()));
                        }
                    }
                    if random.below(200) == 0
                        && budget.report(now).caps.iter().any(|cap| cap.spent + cap.reserved > cap.limit)
                    {
                        say("= OVERSPENT\n".to_owned());
                    }
                }
            });
        }
    });
}

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("guarita-budget-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn open_again(journal: &Path) -> (u64, u64) {
    let now = moment(0, MIDNIGHT);
    let report = Budget::open(journal, child_config(), JournalOptions::default(), now).unwrap().report(now);
    for cap in &report.caps {
        assert!(cap.spent + cap.reserved <= cap.limit, "{} is overspent: {} of {}", cap.cap, cap.spent, cap.limit);
    }
    assert_eq!(report.reserved, MicroDollars::ZERO);
    (report.month.spent.as_micros(), report.month.unknown.as_micros())
}

#[test]
fn kills_do_not_overspend() {
    let folder = Scratch::new("kill");
    let journal = folder.0.join("budget");
    let mut random = Random(88_172_645_463_325_252);
    let (mut calls, mut acknowledged, mut kills, mut refused, mut spent) = (0, 0, 0_u64, 0, 0);
    while calls < CALLS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["child_that_spends", "--exact", "--ignored", "--nocapture"])
            .env("GUARITA_BUDGET_CHILD", &journal)
            .env("GUARITA_BUDGET_SEED", kills.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let until = random.below(4_000);
        let mut lines = 0;
        // After the kill, what stands in the pipe still was done.
        for line in BufReader::new(child.stdout.take().unwrap()).split(b'\n') {
            let line = String::from_utf8(line.unwrap()).unwrap();
            let Some(said) = line.strip_prefix("= ") else { continue };
            lines += 1;
            if lines == until.max(1) {
                child.kill().unwrap();
            }
            match said.split_once(' ') {
                Some(("spent", amount)) => acknowledged += amount.parse::<u64>().unwrap(),
                _ if said == "refused" => refused += 1,
                _ => assert_eq!(said, "released"),
            }
        }
        child.wait().unwrap();
        calls += lines;
        kills += 1;
        assert!(lines > 0, "the child did not begin");
        let (now_spent, _) = open_again(&journal);
        assert!(now_spent >= acknowledged, "{now_spent} of {acknowledged} after {kills} kills");
        // At most what the threads had under way is counted without being acknowledged.
        assert!(now_spent <= acknowledged + kills * THREADS * 6_000, "{now_spent} of {acknowledged}");
        spent = now_spent;
    }
    let unknown = open_again(&journal).1;
    println!(
        "{calls} calls, {kills} kills, {refused} refused, {acknowledged} acknowledged, {spent} spent, {unknown} unknown"
    );
    assert!(kills >= 20 && refused > 1_000 && calls - refused > 10_000);
}

// --- a disk that is full -----------------------------------------------------------------------------------------

/// Not a test: what the process does whose files may not grow.
#[test]
#[ignore = "run by a_full_disk_stops_the_spending"]
fn child_that_fills_the_disk() {
    let Ok(path) = std::env::var("GUARITA_BUDGET_CHILD") else { return };
    let options = JournalOptions::default();
    let budget = Budget::open(path, BudgetConfig::default(), options, moment(0, MIDNIGHT)).unwrap();
    let (mut failed, mut after, mut spent) = (0, 0, 0);
    for millis in 0..5_000 {
        match budget.reserve(&LABELS, moment(millis, MIDNIGHT)) {
            Ok(call) => {
                spent += call.commit(moment(millis, MIDNIGHT)).as_micros();
                after += usize::from(failed > 0);
            }
            Err(error) => {
                assert_eq!(error.code(), ErrorCode::ResourceExhausted);
                failed += 1;
            }
        }
    }
    println!("= {failed} {after} {spent}");
}

#[cfg(unix)]
#[test]
fn a_full_disk_stops_the_spending() {
    let folder = Scratch::new("full");
    let journal = folder.0.join("budget");
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 32; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["child_that_fills_the_disk", "--exact", "--ignored", "--nocapture"])
        .env("GUARITA_BUDGET_CHILD", &journal)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    let line = text.lines().find_map(|line| line.strip_prefix("= ")).unwrap();
    let numbers: Vec<u64> = line.split(' ').map(|number| number.parse().unwrap()).collect();
    let &[failed, after, acknowledged] = &numbers[..] else { panic!("{line}") };
    println!("{failed} refused, {after} accepted after the first refusal, {acknowledged} spent");
    assert!(failed > 100 && after > 100);
    let now = moment(0, MIDNIGHT);
    let budget = Budget::open(&journal, BudgetConfig::default(), JournalOptions::default(), now).unwrap();
    let spent = budget.report(now).month.spent.as_micros();
    assert!((acknowledged..=acknowledged + 1_000).contains(&spent), "{spent} of {acknowledged}");
}

/// `cargo test -p guarita --all-features --test budget what_a_call_costs -- --ignored --nocapture`
#[test]
#[ignore = "figures, not a judgement"]
fn what_a_call_costs() {
    let path = std::env::temp_dir().join(format!("guarita-budget-cost-{}", std::process::id()));
    let fsync = |fsync| JournalOptions { fsync, ..JournalOptions::default() };
    for (name, journal, calls) in [
        ("in memory", None, 200_000),
        ("with a journal", Some(fsync(Fsync::Never)), 200_000),
        ("synced each second", Some(fsync(Fsync::Every { seconds: 1.0 })), 200_000),
        ("synced each call", Some(fsync(Fsync::Always)), 500),
    ] {
        let now = SystemClock.moment();
        let budget = match journal {
            None => Budget::new(BudgetConfig::default()).unwrap(),
            Some(options) => Budget::open(&path, BudgetConfig::default(), options, now).unwrap(),
        };
        let cameras: Vec<_> = (0..250).map(|k| format!("camera-{k}")).collect();
        let start = SystemClock.now();
        for k in 0..calls {
            let camera = &cameras[k % cameras.len()];
            let spend = Spend { api: "rekognition:DetectLabels", camera, tenant: "", images: 1 };
            let now = SystemClock.moment();
            budget.reserve(&spend, now).unwrap().commit(now);
        }
        let each = (SystemClock.now() - start).as_secs_f64() * 1e6 / calls as f64;
        println!("{name:<20} {each:>8.2} us for reserve and commit");
        drop(budget);
        for file in [path.clone(), path.with_extension("lock"), PathBuf::from(format!("{}.lock", path.display()))] {
            let _ = std::fs::remove_file(file);
        }
    }
}
