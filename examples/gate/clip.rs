//! One clip from its first frame to its summary.

use crate::Setup;
use crate::record::{Moment, Record, clock_time};
use crate::sheet::Sheet;
use crate::timeline;
use guarita::clock::{Clock, SystemClock};
use guarita::source::SourceConfig;
use guarita::{Error, MotionGate, VideoSource};
use indicatif::{ProgressBar, ProgressStyle};
use std::path::Path;
use std::time::Duration;

/// Frames that come this much early are not kept waiting for the next one.
const ROUNDING_S: f64 = 1e-3;

/// Watches a clip, prints what was seen and writes both pictures. An error inside is one that came after some frames:
/// the clip was watched up to there.
pub(crate) fn watch(path: &Path, stem: &str, setup: &Setup) -> Result<Option<Error>, Error> {
    let clock = SystemClock;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let started = clock.now();
    let source = VideoSource::open(path, SourceConfig { camera: name.clone(), ..setup.source.clone() })?;
    let mut gate = MotionGate::new(setup.gate.clone())?;
    let mut record = Record::new(name.clone(), setup.gate.min_fraction, setup.every_s, source.duration());
    let mut sheet = Sheet::new(source.size());
    let progress = progress(&name, source.duration());
    let mut looked_s = f64::NEG_INFINITY;
    let mut cut_off = None;
    for frame in source {
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => {
                cut_off = Some(error);
                break;
            }
        };
        let at_s = frame.meta().pts.as_secs_f64();
        let before = clock.now();
        let motion = gate.observe(&frame)?;
        record.gate += clock.now() - before;
        let looks = motion.open && at_s - looked_s >= setup.every_s - ROUNDING_S;
        if looks {
            looked_s = at_s;
            let before = clock.now();
            let found = setup.detector.detect(&frame)?;
            record.detector += clock.now() - before;
            record.count(at_s, &found);
            sheet.offer(at_s, &frame, &motion, found);
        }
        record.moments.push(Moment {
            at_s,
            state: motion.state,
            fraction: motion.fraction,
            reason: motion.reason,
            looks,
        });
        let rate = record.moments.len() as f64 / (clock.now() - started).as_secs_f64().max(1e-3);
        progress.set_position((at_s * 1e3) as u64);
        progress.set_message(format!("{}, {rate:.0} frames/s", clock_time(at_s)));
    }
    progress.finish_and_clear();
    record.wall = clock.now() - started;
    // A camera of a clip without a frame opens nothing; VideoSource has said so already, as an error.
    if record.moments.is_empty() {
        return cut_off.map_or(Ok(None), Err);
    }
    print!("{record}");
    let path = setup.out.join(format!("{stem}-sheet.png"));
    sheet.finish(&record, &setup.gate).save_png(&path)?;
    println!("  contact sheet   {}", path.display());
    let path = setup.out.join(format!("{stem}-timeline.png"));
    timeline::draw(&record).save_png(&path)?;
    println!("  timeline        {}", path.display());
    Ok(cut_off)
}

/// A bar over the time of the clip, or a counter where its length is unknown. It is drawn on a terminal only.
fn progress(name: &str, duration: Option<Duration>) -> ProgressBar {
    let (bar, template) = match duration {
        Some(duration) => {
            (ProgressBar::new(duration.as_millis() as u64), "{prefix} {bar:30} {percent:>3} %  {msg}, {eta} left")
        }
        None => (ProgressBar::new_spinner(), "{prefix} {spinner} {msg}"),
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.with_style(style).with_prefix(name.to_owned()).with_message("begins")
}
