//! What is told at the end: what became of every frame, and what it took.

use guarita::pipeline::{Account, Histogram, Outcome, PipelineStats, ShutdownReport, Stage};
use guarita::{Error, ErrorCode, Pipeline};
use std::fmt;
use std::path::Path;
use std::time::Duration;

/// Everything that the end has to say.
pub(crate) struct Report<'a> {
    pub(crate) stats: &'a PipelineStats,
    pub(crate) ending: &'a ShutdownReport,
    /// The model's family and the device that it ran on.
    pub(crate) model: &'a str,
    pub(crate) decoders: usize,
    pub(crate) took: Duration,
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.account(f)?;
        self.times(f)?;
        self.rest(f)
    }
}

/// As a head of a column: a skipped frame is called by the reason alone.
fn head(outcome: Outcome) -> String {
    let name = outcome.name().replace('_', " ");
    name.strip_prefix("skipped ").map(str::to_owned).unwrap_or(name)
}

impl Report<'_> {
    fn account(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stats, .. } = self;
        let columns: Vec<_> = stats.account.outcomes.iter().map(|(outcome, _)| (outcome, head(outcome))).collect();
        let names = stats.cameras.iter().map(|camera| camera.id.as_str().chars().count());
        let names = names.max().unwrap_or(0).max(6);
        writeln!(f, "what became of every frame")?;
        write!(f, "{:<names$}  {:>7}", "camera", "pushed")?;
        for (_, head) in &columns {
            write!(f, "  {head:>7}")?;
        }
        writeln!(f, "  in flight  events")?;
        let row = |f: &mut fmt::Formatter<'_>, name: &str, account: &Account, events: u64| {
            write!(f, "{name:<names$}  {:>7}", account.pushed)?;
            for (outcome, head) in &columns {
                write!(f, "  {:>width$}", account.outcomes.get(*outcome), width = head.len().max(7))?;
            }
            writeln!(f, "  {:>9}  {events:>6}", account.in_flight)
        };
        for camera in &stats.cameras {
            row(f, camera.id.as_str(), &camera.account, camera.events)?;
        }
        row(f, "all", &stats.account, stats.events.values().sum())?;
        let parts: Vec<_> =
            stats.account.outcomes.iter().map(|(outcome, count)| format!("{count} {}", head(outcome))).collect();
        let Account { pushed, in_flight, .. } = stats.account;
        let verdict = if stats.account.balances() { "it adds up" } else { "IT DOES NOT ADD UP" };
        writeln!(f, "{pushed} pushed = {} + {in_flight} in flight: {verdict}", parts.join(" + "))
    }

    fn times(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{:<34}  {:>7}  {:>9}  {:>9}  {:>9}", "time, in ms", "frames", "p50", "p99", "longest")?;
        let mut line = |what: &str, times: &Histogram| {
            if times.count() == 0 {
                return Ok(());
            }
            let ms = |time: Duration| time.as_secs_f64() * 1e3;
            let (p50, p99) = (ms(times.percentile(0.5)), ms(times.percentile(0.99)));
            writeln!(f, "{what:<34}  {:>7}  {p50:>9.2}  {p99:>9.2}  {:>9.2}", times.count(), ms(times.max()))
        };
        for stage in Stage::ALL {
            if let Some(times) = self.stats.stage(stage) {
                line(&format!("{:<10} {}", stage.as_str(), what(stage)), times)?;
            }
        }
        line("push to the gate's decision", &self.stats.gate_age)?;
        line("push to the end, if looked at", &self.stats.age)
    }

    fn rest(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stats, ending, .. } = self;
        let health = &stats.provider;
        write!(f, "\nprovider  {}", self.model)?;
        if let Some(latency) = health.latency {
            let ms = |time: Duration| time.as_secs_f64() * 1e3;
            write!(f, "; the last requests took {:.1} ms (p50), {:.1} ms (p99)", ms(latency.p50), ms(latency.p99))?;
        }
        match (&health.degraded, &health.last_error) {
            (Some(why), _) => writeln!(f, "; {why}")?,
            (None, Some(error)) => writeln!(f, "; its last error: {:?}, {}", error.code, error.message)?,
            (None, None) => writeln!(f)?,
        }
        writeln!(
            f,
            "batches   {} with {} frames, {:.0} % full (at most {} together)",
            stats.batches,
            stats.batched,
            stats.batch_fill() * 100.0,
            stats.max_batch
        )?;
        writeln!(
            f,
            "threads   {} that compute, {} that wait, {} that read clips; it took {:.1} s",
            stats.threads,
            stats.waiting_threads,
            self.decoders,
            self.took.as_secs_f64()
        )?;
        for ((camera, trigger), count) in &stats.events {
            writeln!(f, "events    {count:>4}  {}: {trigger}", camera.as_str())?;
        }
        for one in &ending.outlets {
            write!(f, "sink      {}: {} delivered, {} retried", one.name, one.delivered, one.retried)?;
            write!(f, ", {} failed, {} dropped", one.failed, one.dropped)?;
            match &one.last_error {
                Some(error) => writeln!(f, "; its last error: {:?}, {}", error.code, error.message)?,
                None => writeln!(f)?,
            }
        }
        for name in &ending.hanging {
            writeln!(f, "sink      {name} hangs; it was left alone")?;
        }
        if !ending.drained {
            writeln!(f, "some frames did not come to their end in time, and were dropped")?;
        }
        Ok(())
    }
}

fn what(stage: Stage) -> &'static str {
    match stage {
        Stage::GateWait => "wait for the gate",
        Stage::Gate => "in the motion gate",
        Stage::Queue => "wait for its turn",
        Stage::Prepare => "decode the whole",
        Stage::Batch => "wait for the batch",
        Stage::Provider => "with the detector",
        Stage::Finish => "triggers, events",
        _ => "",
    }
}

/// Writes what a monitoring system would read: the text that a host would serve as `/metrics`.
pub(crate) fn write_metrics(pipeline: &Pipeline, path: &Path) -> Result<(), Error> {
    std::fs::write(path, pipeline.metrics()).map_err(|error| {
        Error::new(ErrorCode::PermissionDenied, format!("cannot write {}: {error}", path.display())).with_source(error)
    })
}
