use super::*;
use crate::CameraId;
use crate::event::OutletStats;
use crate::provider::{Health, Priority};

/// The row of a metric in docs/guide/metrics.md.
fn row(metric: &Metric) -> String {
    let labels: Vec<_> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
    let kind = format!("{:?}", metric.kind).to_lowercase();
    format!("| `{}` | {kind} | {} | {} |", metric.name, labels.join(", "), metric.help)
}

#[test]
fn the_table_in_the_documentation_is_this_one() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/guide/metrics.md");
    let text = std::fs::read_to_string(path).unwrap();
    let written: Vec<_> = text.lines().filter(|line| line.starts_with("| `guarita_")).collect();
    let expected: Vec<_> = ALL.iter().map(row).collect();
    assert_eq!(written, expected, "the table should be:\n{}", expected.join("\n"));
    let names: std::collections::BTreeSet<_> = ALL.iter().map(|metric| metric.name).collect();
    assert_eq!(names.len(), ALL.len());
    for metric in ALL {
        assert_eq!(metric.kind == Kind::Counter, metric.name.ends_with("_total"), "{metric:?}");
    }
}

#[test]
fn every_state_of_the_gate_has_the_name_that_configs_and_logs_use() {
    for (state, name) in STATES {
        assert_eq!(serde_json::to_string(&state).unwrap(), format!("{name:?}"));
    }
}

fn camera(name: &str, pushed: u64) -> CameraStats {
    let mut account = Account { pushed, in_flight: 1, ..Account::default() };
    for _ in 1..pushed {
        account.outcomes.add(Outcome::Analysed);
    }
    CameraStats {
        id: CameraId::new(name),
        priority: Priority::Normal,
        paused: false,
        account,
        gate: Some(MotionState::Stable),
        gate_open: false,
        gated: (10, 4),
        events: 0,
        last_pts: None,
        last_failure: None,
        age: None,
    }
}

fn text(cameras: Vec<CameraStats>, change: impl FnOnce(&mut Sheet)) -> String {
    let mut stats = PipelineStats {
        account: Account::default(),
        removed: Account::default(),
        cameras,
        waiting_gate: 0,
        waiting_look: 0,
        prepared: 0,
        requests: 0,
        overdue: 0,
        bytes: 0,
        batches: 0,
        batched: 0,
        max_batch: 1,
        stages: BTreeMap::new(),
        gate_age: Histogram::default(),
        age: Histogram::default(),
        events: BTreeMap::new(),
        outlets: Vec::new(),
        threads: 2,
        waiting_threads: 1,
        provider: Health::default(),
    };
    stats.cameras.sort_by(|one, other| one.id.cmp(&other.id));
    let mut sheet = Sheet { stats, provider: "p\"q".into(), cost: None };
    change(&mut sheet);
    let mut registry = Registry::default();
    registry.register_collector(Box::new(sheet));
    let mut text = String::new();
    text::encode(&mut text, &registry).unwrap();
    text
}

#[test]
fn the_number_of_series_is_bounded_and_none_comes_twice() {
    let names = (0..MOST_CAMERAS + 500).map(|k| format!("camera-{k:05}"));
    let mut cameras: Vec<_> = names.map(|name| camera(&name, 3)).collect();
    // Names of groups are names like any other.
    cameras.push(camera(OTHERS, 3));
    cameras.push(camera(REMOVED, 3));
    let text = text(cameras, |sheet| {
        sheet.stats.removed = Account { pushed: 7, ..Account::default() };
        for name in [REMOVED, "camera-00003", "camera-10400", "gone-1", "gone-2"] {
            sheet.stats.events.insert((CameraId::new(name), "t".into()), 2);
        }
    });
    let pushed: Vec<_> = text.lines().filter(|line| line.starts_with("guarita_frames_pushed_total{")).collect();
    assert_eq!(pushed.len(), MOST_CAMERAS);
    let of = |name: &str| {
        let found: Vec<_> = text.lines().filter(|line| line.starts_with(name)).collect();
        assert_eq!(found.len(), 1, "{name}: {found:?}");
        found[0].rsplit(' ').next().unwrap().parse::<u64>().unwrap()
    };
    // One of that name, and the 502 that have no series of their own.
    assert_eq!(of("guarita_frames_pushed_total{camera=\"(others)\"}"), 3 * 503);
    assert_eq!(of("guarita_frames_pushed_total{camera=\"(removed)\"}"), 10);
    assert_eq!(of("guarita_events_total{camera=\"(removed)\",trigger=\"t\"}"), 2);
    assert_eq!(of("guarita_events_total{camera=\"(removed)\",trigger=\"(removed)\"}"), 4);
    assert_eq!(of("guarita_events_total{camera=\"(others)\",trigger=\"(others)\"}"), 2);
    let series: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).map(|line| line.rsplit_once(' ')).collect();
    let names: std::collections::BTreeSet<_> = series.iter().map(|line| line.unwrap().0).collect();
    assert_eq!(names.len(), series.len());
}

#[test]
fn names_of_the_host_s_are_escaped() {
    let evil = "a\"b\\c\nd{}=,\u{1}\r# é";
    let text = text(vec![camera(evil, 2)], |sheet| {
        sheet.stats.outlets = vec![OutletStats { name: evil.into(), ..OutletStats::default() }];
    });
    let escaped = "a\\\"b\\\\c\\nd{}=,\u{1}\r# é";
    assert!(text.contains(&format!("guarita_frames_pushed_total{{camera=\"{escaped}\"}} 2\n")), "{text}");
    assert!(text.contains(&format!("guarita_outlet_waiting{{outlet=\"{escaped}\"}} 0.0\n")), "{text}");
    assert!(text.contains("guarita_provider_up{provider=\"p\\\"q\"} 0.0\n"), "{text}");
}

#[test]
fn buckets_are_cumulative_and_end_with_all() {
    let mut times = Histogram::default();
    for ms in [0, 3, 30, 30, 700, 60_000] {
        times.record(Duration::from_millis(ms));
    }
    let text = text(Vec::new(), |sheet| sheet.stats.age = times);
    let of = |end: &str| {
        let start = format!("guarita_age_seconds_bucket{{le=\"{end}\"}} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&start));
        line.unwrap_or_else(|| panic!("{end}: {text}")).parse::<u64>().unwrap()
    };
    assert_eq!(["0.001", "0.005", "0.02", "0.05", "1.0", "10.0", "+Inf"].map(of), [1, 2, 2, 4, 5, 5, 6]);
    assert!(text.contains("# UNIT guarita_age_seconds seconds\n"));
}

#[test]
fn money_is_counted_on_when_a_month_begins() {
    use crate::budget::{BudgetConfig, Spend};
    use crate::clock::{Moment, UnixTime};
    use crate::{Budget, Timestamp};
    let budget = Budget::new(BudgetConfig::default()).unwrap();
    let mut cost = Cost::default();
    let mut spent = Vec::new();
    for day in 0..40_i64 {
        let now = Moment {
            monotonic: Timestamp::from_millis(day * 86_400_000),
            unix: UnixTime::from_secs(1_795_000_000 + day * 86_400),
        };
        let spend = Spend { api: "rekognition:DetectLabels", camera: "gate", ..Spend::default() };
        budget.reserve(&spend, now).unwrap().commit(now);
        budget.saved(&spend, crate::budget::Saving::Gate, now);
        let cost = cost.after(&budget.report(now));
        assert_eq!(cost.total(0), cost.total(1));
        spent.push(cost.total(0));
    }
    let expected: Vec<_> = (1..=40).map(|day| day * 1_000).collect();
    assert_eq!(spent, expected);
}
