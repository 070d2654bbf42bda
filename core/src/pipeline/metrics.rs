//! Prometheus metrics of a pipeline, rendered from its statistics on request, so that they cost nothing in between.

use super::stats::{CameraStats, PipelineStats};
use super::{Account, Histogram, Outcome, OutcomeCounts, Pipeline};
use crate::budget::{BudgetReport, MicroDollars};
use crate::motion::MotionState;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// One metric: its name as Prometheus stores it, without what a histogram adds.
#[derive(Debug)]
struct Metric {
    name: &'static str,
    kind: Kind,
    labels: &'static [&'static str],
    help: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// Declares the metrics: a constant for each, and the list of all. The table in docs/guide/metrics.md is this one; a test
/// compares them.
macro_rules! metrics {
    ($($id:ident: $kind:ident $name:literal [$($label:literal),*] $help:literal;)*) => {
        $(const $id: Metric = Metric { name: $name, kind: Kind::$kind, labels: &[$($label),*], help: $help };)*
        #[cfg(test)]
        const ALL: &[Metric] = &[$($id),*];
    };
}

metrics! {
    PUSHED: Counter "guarita_frames_pushed_total" ["camera"] "Frames that were pushed";
    FRAMES: Counter "guarita_frames_total" ["camera", "outcome"] "Frames that ended, by how they did";
    IN_FLIGHT: Gauge "guarita_frames_in_flight" ["camera"] "Frames that have not ended yet";
    STAGE: Histogram "guarita_stage_seconds" ["stage"] "Time of a frame in a stage";
    GATE_AGE: Histogram "guarita_gate_age_seconds" [] "Age of a frame when the motion gate decided";
    AGE: Histogram "guarita_age_seconds" [] "Age at their end of frames that were looked at";
    WAITING: Gauge "guarita_waiting_frames" ["stage"] "Frames that wait for a stage";
    BYTES: Gauge "guarita_frame_bytes" [] "Memory of frames that have not ended";
    GATE_STATE: Gauge "guarita_gate_state" ["camera", "state"] "1 for what the motion gate takes the picture for, else 0";
    GATE_SEEN: Counter "guarita_gate_frames_total" ["camera"] "Frames that the motion gate saw";
    GATE_OPENED: Counter "guarita_gate_opened_frames_total" ["camera"] "Frames that the motion gate let pass";
    EVENTS: Counter "guarita_events_total" ["camera", "trigger"] "Events";
    OUTLET_ITEMS: Counter "guarita_outlet_items_total" ["outlet", "result"] "What became of what sinks, triggers of the host and callbacks were to get";
    OUTLET_PANICS: Counter "guarita_outlet_panics_total" ["outlet"] "Panics of sinks, triggers of the host and callbacks";
    OUTLET_WAITING: Gauge "guarita_outlet_waiting" ["outlet"] "What waits for a sink, a trigger of the host or a callback";
    BATCHES: Counter "guarita_batches_total" [] "Requests that were sent to the provider";
    BATCHED: Counter "guarita_batched_frames_total" [] "Frames in requests that were sent to the provider";
    MAX_BATCH: Gauge "guarita_max_batch_frames" [] "Frames that a request may have";
    REQUESTS: Gauge "guarita_requests_in_flight" [] "Requests that the provider has in hand";
    OVERDUE: Gauge "guarita_requests_overdue" [] "Requests that the provider did not answer in time, and may never";
    PROVIDER_UP: Gauge "guarita_provider_up" ["provider"] "1 where the provider is open and its threads run";
    PROVIDER_READY: Gauge "guarita_provider_ready" ["provider"] "1 where the provider would take a request now";
    PROVIDER_LATENCY: Gauge "guarita_provider_latency_seconds" ["provider", "quantile"] "Time of the last answers of the provider";
    SPENT: Counter "guarita_spent_micro_dollars_total" [] "Money spent, in millionths of a US dollar";
    SAVED: Counter "guarita_saved_micro_dollars_total" ["by"] "Money that gate and cache saved, in millionths of a US dollar";
    RESERVED: Gauge "guarita_reserved_micro_dollars" [] "Money set aside for calls under way, in millionths of a US dollar";
    THREADS: Gauge "guarita_threads" ["kind"] "Threads: those that compute, and those that only wait";
}

/// Upper ends of the buckets, in seconds.
const BUCKETS: [f64; 13] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0];
/// Cameras with series of their own; the others, by name, share one: a scrape stays within some megabytes.
const MOST_CAMERAS: usize = 10_000;
const OTHERS: &str = "(others)";
/// Cameras that are not there any more.
const REMOVED: &str = "(removed)";

const STATES: [(MotionState, &str); 8] = [
    (MotionState::Learning, "learning"),
    (MotionState::Stable, "stable"),
    (MotionState::Moving, "moving"),
    (MotionState::LightShift, "light_shift"),
    (MotionState::IrSwitch, "ir_switch"),
    (MotionState::CameraMoved, "camera_moved"),
    (MotionState::Frozen, "frozen"),
    (MotionState::Obscured, "obscured"),
];

impl Pipeline {
    /// The pipeline's metrics in the text format of OpenMetrics, which Prometheus reads: those in
    /// `docs/guide/metrics.md` and no others. Serve it as `application/openmetrics-text; version=1.0.0; charset=utf-8`.
    ///
    /// It is made from [`stats`](Self::stats) at each call; nothing is collected in between. Of more than 10,000 cameras,
    /// those last by name share the label `(others)`, and those that were removed share `(removed)`.
    ///
    /// ```
    /// # fn main() -> guarita::Result<()> { guarita_example() }
    /// # #[cfg(not(feature = "testkit"))] fn guarita_example() -> guarita::Result<()> { Ok(()) }
    /// # #[cfg(feature = "testkit")]
    /// # fn guarita_example() -> guarita::Result<()> {
    /// use guarita::{CameraConfig, Pipeline, testkit::FakeProvider};
    /// let pipeline = Pipeline::builder(std::sync::Arc::new(FakeProvider::new("fake"))).build()?;
    /// pipeline.add_camera(CameraConfig::new("gate-7"))?;
    /// let text = pipeline.metrics();
    /// assert!(text.contains("\nguarita_frames_pushed_total{camera=\"gate-7\"} 0\n"));
    /// assert!(text.ends_with("# EOF\n"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn metrics(&self) -> String {
        let cost = self.executor.budget.as_ref().map(|(budget, _)| {
            let report = budget.report(self.executor.clock.moment());
            super::camera_work::lock(&self.executor.cost).after(&report)
        });
        let sheet = Sheet { stats: self.stats(), provider: self.executor.provider.name().to_owned(), cost };
        let mut registry = Registry::default();
        registry.register_collector(Box::new(sheet));
        let mut text = String::new();
        // Writing to memory does not fail, and neither does what is written.
        let _ = text::encode(&mut text, &registry);
        text
    }
}

/// Money spent since the process began. A budget counts by days and months; a counter must not restart with them.
#[derive(Clone, Debug, Default)]
pub(super) struct Cost {
    /// Of the months before this one.
    before: [MicroDollars; 3],
    month: String,
    /// Of this month, as of the last report: spent, saved by the gate, saved by the cache.
    last: [MicroDollars; 3],
    reserved: MicroDollars,
}

impl Cost {
    /// Updates the counters with a report. What was spent in the rest of a month after its last report is not in them.
    fn after(&mut self, report: &BudgetReport) -> Self {
        let month = report.date.get(..7).unwrap_or_default();
        if month != self.month {
            for (sum, last) in self.before.iter_mut().zip(self.last) {
                *sum = *sum + last;
            }
            self.last = Default::default();
            month.clone_into(&mut self.month);
        }
        let now = [report.month.spent, report.month.saved_by_gate, report.month.saved_by_cache];
        for (last, now) in self.last.iter_mut().zip(now) {
            *last = now.max(*last);
        }
        self.reserved = report.reserved;
        self.clone()
    }

    fn total(&self, which: usize) -> u64 {
        self.before.iter().zip(self.last).nth(which).map_or(0, |(before, last)| (*before + last).as_micros())
    }
}

/// What one text is made of.
#[derive(Debug)]
struct Sheet {
    stats: PipelineStats,
    provider: String,
    cost: Option<Cost>,
}

/// Values of the cameras that share a label.
#[derive(Debug, Default)]
struct Row<'a> {
    account: Account,
    gated: (u64, u64),
    /// Of a single camera.
    of: Option<&'a CameraStats>,
}

/// The labels of one value.
type Labels<'a, const N: usize> = [(&'static str, &'a str); N];

impl Sheet {
    /// The cameras by label: a camera that has the name of a group is part of it, so that no series comes twice.
    fn rows(&self) -> BTreeMap<&str, Row<'_>> {
        let mut rows: BTreeMap<&str, Row<'_>> = BTreeMap::new();
        for (at, camera) in self.stats.cameras.iter().enumerate() {
            let own = at < MOST_CAMERAS;
            let row = rows.entry(if own { camera.id.as_str() } else { OTHERS }).or_default();
            row.account.merge(&camera.account);
            row.gated = (row.gated.0.saturating_add(camera.gated.0), row.gated.1.saturating_add(camera.gated.1));
            row.of = own.then_some(camera);
        }
        if self.stats.removed.pushed > 0 {
            rows.entry(REMOVED).or_default().account.merge(&self.stats.removed);
        }
        rows
    }

    fn cameras(&self, out: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let rows = self.rows();
        let each = rows.iter();
        write(out, &PUSHED, each.clone().map(|(name, row)| ([("camera", *name)], Value::Count(row.account.pushed))))?;
        let names: BTreeMap<usize, String> = Outcome::all().map(|outcome| (outcome.index(), outcome.name())).collect();
        let ended = each.clone().flat_map(|(name, row)| {
            let counts: &OutcomeCounts = &row.account.outcomes;
            // Only how frames did end: a camera has few of the ways there are.
            counts.iter().filter_map(|(outcome, count)| {
                Some(([("camera", *name), ("outcome", names.get(&outcome.index())?)], Value::Count(count)))
            })
        });
        write(out, &FRAMES, ended)?;
        let in_flight = each.clone().map(|(name, row)| ([("camera", *name)], Value::of(row.account.in_flight)));
        write(out, &IN_FLIGHT, in_flight)?;
        let states = each.clone().filter_map(|(name, row)| Some((name, row.of?.gate?))).flat_map(|(name, is)| {
            let value = move |(state, word): &(MotionState, &'static str)| {
                ([("camera", *name), ("state", *word)], Value::of(u64::from(*state == is)))
            };
            STATES.iter().map(value)
        });
        write(out, &GATE_STATE, states)?;
        let gated = each.filter(|(_, row)| row.gated.0 > 0);
        let seen = gated.clone().map(|(name, row)| ([("camera", *name)], Value::Count(row.gated.0)));
        write(out, &GATE_SEEN, seen)?;
        let opened = gated.map(|(name, row)| ([("camera", *name)], Value::Count(row.gated.1)));
        write(out, &GATE_OPENED, opened)?;
        let mut events: BTreeMap<(&str, &str), u64> = BTreeMap::new();
        for ((camera, trigger), count) in &self.stats.events {
            let label = match self.stats.cameras.binary_search_by(|one| one.id.cmp(camera)) {
                Ok(at) if at < MOST_CAMERAS => camera.as_str(),
                Ok(_) => OTHERS,
                Err(_) => REMOVED,
            };
            // Triggers of cameras that are told of together are so too.
            let trigger = if label == camera.as_str() { trigger } else { label };
            let sum = events.entry((label, trigger)).or_default();
            *sum = sum.saturating_add(*count);
        }
        let events = events
            .iter()
            .map(|((camera, trigger), count)| ([("camera", *camera), ("trigger", *trigger)], Value::Count(*count)));
        write(out, &EVENTS, events)
    }

    fn stages(&self, out: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let stats = &self.stats;
        let stages = stats.stages.iter().map(|(stage, times)| ([("stage", *stage)], Value::Times(times)));
        write(out, &STAGE, stages)?;
        write(out, &GATE_AGE, [([], Value::Times(&stats.gate_age))])?;
        write(out, &AGE, [([], Value::Times(&stats.age))])?;
        let waiting = [("gate_wait", stats.waiting_gate), ("queue", stats.waiting_look), ("batch", stats.prepared)];
        write(out, &WAITING, waiting.map(|(stage, count)| ([("stage", stage)], Value::of(count as u64))))?;
        write(out, &BYTES, [([], Value::of(stats.bytes))])?;
        write(out, &BATCHES, [([], Value::Count(stats.batches))])?;
        write(out, &BATCHED, [([], Value::Count(stats.batched))])?;
        write(out, &MAX_BATCH, [([], Value::of(stats.max_batch as u64))])?;
        write(out, &REQUESTS, [([], Value::of(stats.requests as u64))])?;
        write(out, &OVERDUE, [([], Value::of(stats.overdue as u64))])?;
        let threads = [("compute", stats.threads), ("wait", stats.waiting_threads)];
        write(out, &THREADS, threads.map(|(kind, count)| ([("kind", kind)], Value::of(count as u64))))
    }

    fn outlets(&self, out: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let outlets = &self.stats.outlets;
        let items = outlets.iter().flat_map(|outlet| {
            [
                ("delivered", outlet.delivered),
                ("failed", outlet.failed),
                ("dropped", outlet.dropped),
                ("retried", outlet.retried),
            ]
            .map(|(result, count)| ([("outlet", &*outlet.name), ("result", result)], Value::Count(count)))
        });
        write(out, &OUTLET_ITEMS, items)?;
        let panics = outlets.iter().map(|outlet| ([("outlet", &*outlet.name)], Value::Count(outlet.panics)));
        write(out, &OUTLET_PANICS, panics)?;
        let waiting = outlets.iter().map(|outlet| {
            let count = outlet.waiting + outlet.in_hand;
            ([("outlet", &*outlet.name)], Value::of(count as u64))
        });
        write(out, &OUTLET_WAITING, waiting)
    }

    fn provider(&self, out: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let health = &self.stats.provider;
        let name = [("provider", &*self.provider)];
        write(out, &PROVIDER_UP, [(name, Value::of(u64::from(health.live)))])?;
        write(out, &PROVIDER_READY, [(name, Value::of(u64::from(health.ready)))])?;
        let latency = health.latency.into_iter().flat_map(|times| {
            [("0.5", times.p50), ("0.95", times.p95), ("0.99", times.p99)]
                .map(|(share, took)| ([name[0], ("quantile", share)], Value::Gauge(took.as_secs_f64())))
        });
        write(out, &PROVIDER_LATENCY, latency)?;
        let Some(cost) = &self.cost else { return Ok(()) };
        write(out, &SPENT, [([], Value::Count(cost.total(0)))])?;
        let saved = [("gate", cost.total(1)), ("cache", cost.total(2))];
        write(out, &SAVED, saved.map(|(by, sum)| ([("by", by)], Value::Count(sum))))?;
        write(out, &RESERVED, [([], Value::of(cost.reserved.as_micros()))])
    }
}

impl Collector for Sheet {
    fn encode(&self, mut out: DescriptorEncoder<'_>) -> fmt::Result {
        self.cameras(&mut out)?;
        self.stages(&mut out)?;
        self.outlets(&mut out)?;
        self.provider(&mut out)
    }
}

/// One value of a metric.
enum Value<'a> {
    Count(u64),
    Gauge(f64),
    Times(&'a Histogram),
}

impl Value<'_> {
    /// A gauge; beyond 2⁵³ it is rounded, as Prometheus does with every number.
    fn of(value: u64) -> Self {
        Self::Gauge(value as f64)
    }
}

/// Writes a metric with all its values; one that has none is left out.
fn write<'a, const N: usize>(
    out: &mut DescriptorEncoder<'_>,
    metric: &Metric,
    values: impl IntoIterator<Item = (Labels<'a, N>, Value<'a>)>,
) -> fmt::Result {
    let mut values = values.into_iter().peekable();
    if values.peek().is_none() {
        return Ok(());
    }
    let (kind, name) = match metric.kind {
        Kind::Counter => (MetricType::Counter, metric.name.strip_suffix("_total").unwrap_or(metric.name)),
        Kind::Gauge => (MetricType::Gauge, metric.name),
        Kind::Histogram => (MetricType::Histogram, metric.name),
    };
    let units = [("_seconds", Unit::Seconds), ("_bytes", Unit::Bytes)];
    let unit = units.iter().find_map(|(end, unit)| Some((name.strip_suffix(end)?, unit)));
    let (name, unit) = unit.map_or((name, None), |(name, unit)| (name, Some(unit)));
    let mut encoder = out.encode_descriptor(name, metric.help, unit, kind)?;
    for (labels, value) in values {
        debug_assert!(labels.iter().map(|(name, _)| name).eq(metric.labels), "{}", metric.name);
        if N == 0 {
            value.write(&mut encoder)?;
        } else {
            value.write(&mut encoder.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

impl Value<'_> {
    fn write(&self, out: &mut MetricEncoder<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => out.encode_counter::<NoLabelSet, _, f64>(count, None),
            Self::Gauge(value) => out.encode_gauge(value),
            Self::Times(times) => {
                let mut below = 0;
                let mut buckets = Vec::with_capacity(BUCKETS.len() + 1);
                for end in BUCKETS {
                    let at_most = times.at_most(Duration::from_secs_f64(end));
                    buckets.push((end, at_most.saturating_sub(below)));
                    below = at_most;
                }
                buckets.push((f64::INFINITY, times.count().saturating_sub(below)));
                out.encode_histogram::<NoLabelSet>(times.sum().as_secs_f64(), times.count(), &buckets, None)
            }
        }
    }
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
