//! The timeline: state, gate, moving fraction and detections of a clip over time.

use crate::record::{Record, clock_time, others, state_name};
use embedded_graphics::text::Alignment::{Center, Left, Right};
use guarita::Size;
use guarita::imaging::{Canvas, Color};
use guarita::motion::OpenReason;
use guarita_examples::paint::{self, Area, BLACK, FAINT, GRAY, LARGE, MIDDLE, SMALL, WHITE};

const WIDTH: i32 = 1600;
const LEFT: i32 = 190;
const RIGHT: i32 = 1572;
const STATE: Area = (LEFT, 84, RIGHT - LEFT, 26);
const GATE: Area = (LEFT, 120, RIGHT - LEFT, 18);
const LOOKS: Area = (LEFT, 148, RIGHT - LEFT, 12);
const CURVE: Area = (LEFT, 196, RIGHT - LEFT, 220);
const LABELS_TOP: i32 = CURVE.1 + CURVE.3 + 18;
const LABEL_STEP: i32 = 38;
const LABEL_HEIGHT: i32 = 30;
const MOST_LABELS: usize = 8;
const BOTTOM: i32 = 40;

const MOTION: Color = Color(0, 114, 178);
const LINGER: Color = Color(150, 200, 232);
const HEARTBEAT: Color = Color(213, 94, 0);
const LIMIT: Color = Color(200, 60, 40);
const CURVE_FILL: Color = Color(190, 214, 234);

/// Draws the whole picture.
pub(crate) fn draw(record: &Record) -> Canvas {
    let labels = record.labels();
    let rows = labels.len().clamp(1, MOST_LABELS) as i32;
    let floor = LABELS_TOP + rows * LABEL_STEP;
    let mut canvas = Canvas::new(Size::new(WIDTH as u32, (floor + BOTTOM) as u32), WHITE);
    let mut plot = Plot { canvas: &mut canvas, record, per_s: f64::from(RIGHT - LEFT) / record.end_s().max(1e-3) };
    plot.title();
    plot.times(floor);
    plot.states();
    plot.gate();
    plot.curve();
    if labels.is_empty() {
        plot.name("detections", LABELS_TOP + LABEL_HEIGHT / 2);
        plot.say("none", LEFT + 8, LABELS_TOP + LABEL_HEIGHT / 2);
    }
    if let Some(others) = others(labels.len().saturating_sub(MOST_LABELS)) {
        paint::words(plot.canvas, &others, (LEFT - 40, floor + 20), Right, SMALL, GRAY);
    }
    for (k, (name, id, times)) in labels.into_iter().take(MOST_LABELS).enumerate() {
        plot.label(LABELS_TOP + k as i32 * LABEL_STEP, name, times, Color::for_class(id));
    }
    canvas
}

struct Plot<'a> {
    canvas: &'a mut Canvas,
    record: &'a Record,
    /// Pixels for a second.
    per_s: f64,
}

impl Plot<'_> {
    fn x(&self, at_s: f64) -> i32 {
        (LEFT + (at_s * self.per_s) as i32).clamp(LEFT, RIGHT)
    }

    /// Where each frame begins and ends; no frame is without a pixel.
    fn spans(&self) -> Vec<(i32, i32)> {
        let moments = &self.record.moments;
        let ends = moments.iter().skip(1).map(|moment| moment.at_s).chain([self.record.end_s()]);
        moments
            .iter()
            .zip(ends)
            .map(|(moment, end)| {
                let x = self.x(moment.at_s).min(RIGHT - 1);
                (x, (self.x(end) - x).max(1))
            })
            .collect()
    }

    fn name(&mut self, name: &str, y: i32) {
        paint::words(self.canvas, name, (LEFT - 14, y), Right, MIDDLE, BLACK);
    }

    fn say(&mut self, words: &str, x: i32, y: i32) {
        paint::words(self.canvas, words, (x, y), Left, SMALL, GRAY);
    }

    fn title(&mut self) {
        let record = self.record;
        let boxes: usize = record.found.values().map(Vec::len).sum();
        paint::words(self.canvas, &record.name, (16, 24), Left, LARGE, BLACK);
        let sum = format!(
            "{}   {} frames, {} opened, {} analysed, {boxes} boxes",
            clock_time(record.end_s()),
            record.moments.len(),
            record.opened(),
            record.analysed()
        );
        paint::words(self.canvas, &sum, (RIGHT, 24), Right, MIDDLE, GRAY);
        // Only what occurs, in the order in which it first does.
        let mut seen = Vec::new();
        for moment in &record.moments {
            if !seen.contains(&moment.state) {
                seen.push(moment.state);
            }
        }
        let mut x = LEFT;
        for state in seen {
            x = self.key(x, paint::state_color(state), state_name(state));
        }
        let gate = [(MOTION, "open: motion"), (LINGER, "open: linger"), (HEARTBEAT, "open: heartbeat")];
        let mut x = RIGHT + 22 - gate.iter().map(|(_, name)| key_width(name)).sum::<i32>();
        for (color, name) in gate {
            x = self.key(x, color, name);
        }
    }

    /// A colour and what it means; where the next one goes.
    fn key(&mut self, x: i32, color: Color, name: &str) -> i32 {
        paint::fill(self.canvas, (x, 56, 14, 14), color);
        paint::words(self.canvas, name, (x + 20, 63), Left, MIDDLE, BLACK);
        x + key_width(name)
    }

    fn times(&mut self, floor: i32) {
        let step_s = tick_step_s(self.per_s);
        let mut tick = 0.0;
        while tick <= self.record.end_s() {
            let x = self.x(tick);
            paint::fill(self.canvas, (x, STATE.1, 1, floor - STATE.1 + 6), FAINT);
            let time = clock_time(tick);
            let time = time.strip_suffix(".0").unwrap_or(&time);
            paint::words(self.canvas, time, (x, floor + 20), Center, MIDDLE, BLACK);
            tick += step_s;
        }
        paint::fill(self.canvas, (LEFT, floor, RIGHT - LEFT, 1), GRAY);
    }

    fn states(&mut self) {
        self.name("state", STATE.1 + STATE.3 / 2);
        for ((x, w), moment) in self.spans().into_iter().zip(&self.record.moments) {
            paint::fill(self.canvas, (x, STATE.1, w, STATE.3), paint::state_color(moment.state));
        }
    }

    fn gate(&mut self) {
        self.name("gate open", GATE.1 + GATE.3 / 2);
        self.name("analysed", LOOKS.1 + LOOKS.3 / 2);
        for area in [GATE, LOOKS] {
            paint::fill(self.canvas, (area.0, area.1 + area.3, area.2, 1), FAINT);
        }
        for ((x, w), moment) in self.spans().into_iter().zip(&self.record.moments) {
            match moment.reason {
                Some(OpenReason::Motion) => paint::fill(self.canvas, (x, GATE.1, w, GATE.3), MOTION),
                Some(OpenReason::Linger) => paint::fill(self.canvas, (x, GATE.1 + 6, w, GATE.3 - 6), LINGER),
                // Marks that stand out of the row, so that a single frame is seen.
                Some(_) => paint::fill(self.canvas, (x, GATE.1 - 3, w.max(3), GATE.3 + 3), HEARTBEAT),
                None => {}
            }
            if moment.looks {
                paint::fill(self.canvas, (x, LOOKS.1, (w - 1).clamp(1, 2), LOOKS.3), BLACK);
            }
        }
    }

    fn curve(&mut self) {
        let (x0, top, w, h) = CURVE;
        let most = self.record.moments.iter().map(|moment| moment.fraction).fold(0.0, f32::max);
        let scale = Scale { most: (most * 1.1).max(self.record.min_fraction * 4.0).clamp(0.002, 1.0) };
        self.name("moving fraction", top - 12);
        self.say("of the region of interest, on a square-root scale", x0 + 8, top - 12);
        for (y, value) in scale.ticks() {
            paint::fill(self.canvas, (x0, y, w, 1), FAINT);
            paint::words(self.canvas, &percent(value), (LEFT - 14, y), Right, SMALL, GRAY);
        }
        for ((x, w), moment) in self.spans().into_iter().zip(&self.record.moments) {
            let y = scale.y(moment.fraction);
            paint::fill(self.canvas, (x, y, w, top + h - y), CURVE_FILL);
        }
        // The line is drawn after all areas: from each level to the next one.
        let mut before = scale.y(0.0);
        for ((x, w), moment) in self.spans().into_iter().zip(&self.record.moments) {
            let y = scale.y(moment.fraction);
            paint::fill(self.canvas, (x, y.min(before), 2, (y - before).abs() + 2), MOTION);
            paint::fill(self.canvas, (x, y, w, 2), MOTION);
            before = y;
        }
        let limit = scale.y(self.record.min_fraction);
        for x in (x0..x0 + w).step_by(12) {
            paint::fill(self.canvas, (x, limit, 7.min(RIGHT - x), 1), LIMIT);
        }
        let words = format!("min_fraction {}", percent(self.record.min_fraction));
        // Beside the name of the curve, where nothing is hidden: two dashes and what they mean.
        let left = RIGHT - paint::width(&words, SMALL);
        for x in [left - 27, left - 15] {
            paint::fill(self.canvas, (x, top - 12, 7, 1), LIMIT);
        }
        paint::words(self.canvas, &words, (RIGHT, top - 12), Right, SMALL, LIMIT);
        paint::fill(self.canvas, (x0, top + h, w, 1), GRAY);
    }

    /// A row of bars, as high as there are boxes of this class.
    fn label(&mut self, y: i32, name: &str, times: &[f64], color: Color) {
        let runs: Vec<(f64, i32)> = times.chunk_by(|a, b| a == b).map(|run| (run[0], run.len() as i32)).collect();
        let most = runs.iter().map(|run| run.1).max().unwrap_or(1);
        let short: String = name.chars().take(14).collect();
        self.name(&short, y + 9);
        let counts = match (times.len(), most) {
            (1, _) => "1 box".to_owned(),
            (boxes, 1) => format!("{boxes} boxes"),
            (boxes, most) => format!("{boxes} boxes, up to {most} at once"),
        };
        paint::words(self.canvas, &counts, (LEFT - 14, y + 24), Right, SMALL, GRAY);
        paint::fill(self.canvas, (LEFT, y + LABEL_HEIGHT, RIGHT - LEFT, 1), FAINT);
        for (at_s, boxes) in runs {
            let h = (LABEL_HEIGHT * boxes / most).max(4);
            let x = self.x(at_s).min(RIGHT - 2);
            paint::fill(self.canvas, (x, y + LABEL_HEIGHT - h, 3, h), color);
        }
    }
}

fn key_width(name: &str) -> i32 {
    paint::width(name, MIDDLE) + 42
}

/// Square roots: motion of a thousandth of the picture is to be seen beside motion of half of it.
struct Scale {
    most: f32,
}

impl Scale {
    fn y(&self, fraction: f32) -> i32 {
        let high = (fraction.max(0.0) / self.most).sqrt().min(1.0);
        CURVE.1 + CURVE.3 - (high * CURVE.3 as f32).round() as i32
    }

    /// Round numbers, as many as there is room for.
    fn ticks(&self) -> Vec<(i32, f32)> {
        let round = [0.0, 0.0001, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0];
        let mut ticks: Vec<(i32, f32)> = Vec::new();
        for value in round.into_iter().filter(|&value| value <= self.most) {
            let y = self.y(value);
            if ticks.last().is_none_or(|last| last.0 - y >= 18) {
                ticks.push((y, value));
            }
        }
        ticks
    }
}

fn percent(share: f32) -> String {
    // Three digits behind the point at most, and none that say nothing.
    let rounded = (share * 100_000.0).round() / 1000.0;
    format!("{rounded} %")
}

/// Whole seconds between two ticks, so that their times stand clear of each other.
fn tick_step_s(per_s: f64) -> f64 {
    let steps = [1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 14_400.0];
    steps.into_iter().find(|step| step * per_s >= 90.0).unwrap_or((90.0 / per_s / 86_400.0).ceil() * 86_400.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_do_not_touch() {
        for most in [0.002, 0.04, 0.3, 1.0] {
            let ticks = Scale { most }.ticks();
            assert!(ticks.len() >= 3 && ticks.windows(2).all(|pair| pair[0].0 - pair[1].0 >= 18), "{ticks:?}");
        }
        assert_eq!([0.01, 0.0001, 0.5].map(percent), ["1 %", "0.01 %", "50 %"]);
        assert_eq!([24.0, 1400.0, 0.02, 0.001].map(tick_step_s), [5.0, 1.0, 7200.0, 172_800.0]);
    }
}
