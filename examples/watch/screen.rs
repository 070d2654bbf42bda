//! What is seen while cameras are watched: a table that stays, and events that go by above it.

use crate::config::CameraSetup;
use guarita::clock::{Clock, SystemClock};
use guarita::pipeline::{CameraStats, Outcome, PipelineStats};
use guarita::{Event, Timestamp};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A terminal, or something that keeps lines.
pub(crate) struct Screen {
    /// None where it is no terminal, or no table is wanted.
    live: Option<MultiProgress>,
    table: bool,
    state: Mutex<State>,
}

struct State {
    /// One for each line of the table.
    bars: Vec<ProgressBar>,
    shown: Timestamp,
}

/// Between two tables on a terminal, and elsewhere.
const LIVE: Duration = Duration::from_millis(250);
const PLAIN: Duration = Duration::from_secs(5);

impl Screen {
    pub(crate) fn new(table: bool) -> Self {
        let live = (table && std::io::stdout().is_terminal())
            .then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stdout()));
        Self { live, table, state: Mutex::new(State { bars: Vec::new(), shown: SystemClock.now() }) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Prints a line, above the table.
    pub(crate) fn say(&self, line: &str) {
        match &self.live {
            // A terminal that went away shows nothing anyhow.
            Some(live) => drop(live.println(line)),
            None => println!("{line}"),
        }
    }

    pub(crate) fn wants_table(&self, now: Timestamp) -> bool {
        let every = if self.live.is_some() { LIVE } else { PLAIN };
        self.table && now - self.lock().shown >= every
    }

    pub(crate) fn show(&self, lines: &[String], now: Timestamp) {
        let mut state = self.lock();
        state.shown = now;
        let Some(live) = &self.live else {
            // In one go: events come from another thread.
            return println!("\n{}\n", lines.join("\n"));
        };
        while state.bars.len() < lines.len() {
            // Cut off at the edge of the terminal.
            let style = ProgressStyle::with_template("{wide_msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
            state.bars.push(live.add(ProgressBar::new(1).with_style(style)));
        }
        for (bar, line) in state.bars.iter().zip(lines) {
            bar.set_message(line.clone());
        }
    }

    /// Takes the table away.
    pub(crate) fn end(&self) {
        for bar in self.lock().bars.drain(..) {
            bar.finish_and_clear();
        }
    }
}

/// How events are written: `12.4 s  gate-7  person-at-door  person 0.83 in door`.
pub(crate) struct EventLine {
    camera: usize,
    trigger: usize,
}

impl EventLine {
    pub(crate) fn new(cameras: &[CameraSetup]) -> Self {
        let longest = |names: &mut dyn Iterator<Item = usize>| names.max().unwrap_or(0);
        Self {
            camera: longest(&mut cameras.iter().map(|setup| setup.camera.id.as_str().chars().count())),
            trigger: longest(
                &mut cameras
                    .iter()
                    .flat_map(|setup| &setup.camera.triggers)
                    .map(|trigger| trigger.name.chars().count()),
            ),
        }
    }

    pub(crate) fn of(&self, event: &Event) -> String {
        let at_s = event.pts.as_secs_f64();
        let (camera, trigger) = (event.camera.as_str(), &*event.trigger);
        format!(
            "{at_s:>6.1} s  {camera:<camera_width$}  {trigger:<trigger_width$}  {}",
            event.why,
            camera_width = self.camera,
            trigger_width = self.trigger
        )
    }
}

/// The table of cameras.
pub(crate) struct Table {
    /// Frames that had been pushed when the last one was made.
    pushed: BTreeMap<String, u64>,
    made: Timestamp,
    begun: Timestamp,
}

impl Table {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self { pushed: BTreeMap::new(), made: now, begun: now }
    }

    pub(crate) fn lines(&mut self, stats: &PipelineStats, now: Timestamp) -> Vec<String> {
        let since_s = (now - self.made).as_secs_f64().max(1e-3);
        self.made = now;
        let name_width =
            stats.cameras.iter().map(|camera| camera.id.as_str().chars().count()).max().unwrap_or(0).max(6);
        let mut lines = vec![format!(
            "{:<name_width$}  frames/s   open  analysed   age ms  events  dropped  skipped  failed  priority  gate",
            "camera"
        )];
        for camera in &stats.cameras {
            let before = self.pushed.insert(camera.id.as_str().to_owned(), camera.account.pushed).unwrap_or(0);
            let rate = camera.account.pushed.saturating_sub(before) as f64 / since_s;
            lines.push(row(camera, name_width, rate));
        }
        lines.push(format!(
            "after {:.1} s: {} frames waiting or under way, {:.1} MB, {} batches",
            (now - self.begun).as_secs_f64(),
            stats.account.in_flight,
            stats.bytes as f64 / 1e6,
            stats.batches
        ));
        lines
    }
}

fn row(camera: &CameraStats, name_width: usize, rate: f64) -> String {
    let counts = &camera.account.outcomes;
    let analysed = counts.get(Outcome::Analysed);
    let (dropped, failed) = (counts.dropped(), counts.failed());
    let skipped = counts.total() - analysed - dropped - failed;
    // Without a gate there is nothing to be open.
    let (open, gate) = match camera.gate {
        Some(state) => (format!("{:.0} %", camera.open_fraction() * 100.0), format!("{state:?}")),
        None => ("-".to_owned(), "-".to_owned()),
    };
    let age = camera.age.map_or("-".to_owned(), |age| format!("{:.0}", age.as_secs_f64() * 1e3));
    let name = camera.id.as_str();
    let priority = format!("{:?}", camera.priority).to_lowercase();
    format!(
        "{name:<name_width$}  {rate:>8.1}  {open:>5}  {analysed:>8}  {age:>7}  {events:>6}  {dropped:>7}  \
         {skipped:>7}  {failed:>6}  {priority:<8}  {gate}",
        events = camera.events
    )
}
