//! The contact sheet: frames of a clip with what the detector found and where the gate saw motion.

use crate::record::{Record, clock_time, state_name};
use embedded_graphics::text::Alignment;
use guarita::geometry::Point;
use guarita::imaging::{Canvas, Color};
use guarita::motion::{Motion, MotionState};
use guarita::{BoundingBox, Detections, Frame, MotionGateConfig, Size};
use guarita_examples::paint::{self, BLACK, MIDDLE, WHITE};
use std::collections::BTreeMap;

const COLUMNS: usize = 4;
const ROWS: usize = 3;
/// Pictures that are kept while the clip runs: up to 25 MB.
const KEPT: usize = 48;
/// The largest picture on the sheet, in pixels.
const WIDTH: u32 = 480;
const HEIGHT: u32 = 360;
const CAPTION: i32 = 24;
const GAP: i32 = 8;
const TITLE: i32 = 40;
const PAPER: Color = Color(34, 37, 43);
const REGION: Color = Color(255, 236, 130);
/// Edges of where the gate looks, and of where it does not.
const INCLUDE: Color = Color(0, 230, 255);
const EXCLUDE: Color = Color(255, 255, 255);

struct Cell {
    at_s: f64,
    picture: Canvas,
    state: MotionState,
    regions: Vec<BoundingBox>,
    found: Detections,
    score: f32,
}

/// Collects the frames with the most detections of each part of a clip, however long it turns out to be.
pub(crate) struct Sheet {
    size: Size,
    scale: f32,
    /// Time is cut into slots of this length; the best frame of each is kept.
    slot_s: f64,
    cells: BTreeMap<u64, Cell>,
}

impl Sheet {
    pub(crate) fn new(frame: Size) -> Self {
        let scale = (WIDTH as f32 / frame.width as f32).min(HEIGHT as f32 / frame.height as f32);
        let side = |pixels: u32| ((pixels as f32 * scale).round() as u32).max(1);
        let size = Size::new(side(frame.width), side(frame.height));
        Self { size, scale, slot_s: 0.5, cells: BTreeMap::new() }
    }

    /// Keeps a frame if it is the best of its slot.
    pub(crate) fn offer(&mut self, at_s: f64, frame: &Frame, motion: &Motion, found: Detections) {
        let score = found.iter().map(|one| one.confidence).sum();
        let slot = (at_s / self.slot_s) as u64;
        if self.cells.get(&slot).is_some_and(|cell| cell.score >= score) {
            return;
        }
        let picture = Canvas::from_frame(frame).resized(self.size);
        let cell = Cell { at_s, picture, state: motion.state, regions: motion.regions.clone(), found, score };
        self.cells.insert(slot, cell);
        while self.cells.len() > KEPT {
            self.slot_s *= 2.0;
            for cell in std::mem::take(&mut self.cells).into_values() {
                keep_best(&mut self.cells, (cell.at_s / self.slot_s) as u64, cell);
            }
        }
    }

    /// Draws the sheet.
    pub(crate) fn finish(self, record: &Record, gate: &MotionGateConfig) -> Canvas {
        let (cells, size, scale) = (chosen(self.cells, record.end_s()), self.size, self.scale);
        let columns = cells.len().clamp(1, COLUMNS) as i32;
        let rows = cells.len().div_ceil(COLUMNS).max(1) as i32;
        let step = (size.width as i32 + GAP, size.height as i32 + CAPTION + GAP);
        let sheet = Size::new((GAP + columns * step.0) as u32, (TITLE + rows * step.1) as u32);
        let mut canvas = Canvas::new(sheet, PAPER);
        let title = format!("{}: {} of {} analysed frames", record.name, cells.len(), record.analysed());
        paint::words(&mut canvas, &title, (GAP, TITLE / 2), Alignment::Left, paint::LARGE, WHITE);
        legend(&mut canvas, gate, sheet.width as i32 - GAP, paint::width(&title, paint::LARGE) + 3 * GAP);
        for (k, cell) in cells.into_iter().enumerate() {
            let (x, y) = (GAP + (k % COLUMNS) as i32 * step.0, TITLE + (k / COLUMNS) as i32 * step.1);
            canvas.paste(&annotated(&cell, scale, gate), x, y);
            let (y, h) = (y + size.height as i32, CAPTION);
            paint::fill(&mut canvas, (x, y, size.width as i32, h), BLACK);
            paint::fill(&mut canvas, (x, y, 6, h), paint::state_color(cell.state));
            let caption = format!("{}  {}", clock_time(cell.at_s), state_name(cell.state));
            paint::words(&mut canvas, &caption, (x + 14, y + h / 2), Alignment::Left, MIDDLE, WHITE);
            let count = format!("{} found", cell.found.len());
            let right = (x + size.width as i32 - 8, y + h / 2);
            paint::words(&mut canvas, &count, right, Alignment::Right, MIDDLE, Color(176, 182, 192));
        }
        canvas
    }
}

fn keep_best(cells: &mut BTreeMap<u64, Cell>, slot: u64, cell: Cell) {
    if cells.get(&slot).is_none_or(|kept| kept.score < cell.score) {
        cells.insert(slot, cell);
    }
}

/// The best cell of each twelfth of the clip, then the best of the rest while there is room, in the order of time.
fn chosen(cells: BTreeMap<u64, Cell>, end_s: f64) -> Vec<Cell> {
    let room = COLUMNS * ROWS;
    let mut parts: BTreeMap<usize, Vec<Cell>> = BTreeMap::new();
    for cell in cells.into_values() {
        let part = (cell.at_s / end_s * room as f64) as usize;
        parts.entry(part.min(room - 1)).or_default().push(cell);
    }
    let mut rest = Vec::new();
    let mut first = Vec::new();
    for mut part in parts.into_values() {
        part.sort_by(|a, b| b.score.total_cmp(&a.score));
        let mut part = part.into_iter();
        first.extend(part.next());
        rest.extend(part);
    }
    rest.sort_by(|a, b| b.score.total_cmp(&a.score));
    let more = room - first.len();
    first.extend(rest.into_iter().take(more));
    first.sort_by(|a, b| a.at_s.total_cmp(&b.at_s));
    first
}

/// The small picture with its boxes: words stay readable, since they are drawn after it was made small.
fn annotated(cell: &Cell, scale: f32, gate: &MotionGateConfig) -> Canvas {
    let mut canvas = cell.picture.clone();
    let size = canvas.size();
    let area = |bbox: &BoundingBox| paint::area(bbox, (0.0, 0.0), scale, size);
    let corner = |point: &Point| {
        let side = |share: f32, pixels: u32| (share * pixels.saturating_sub(1) as f32).round() as i32;
        (side(point.x, size.width), side(point.y, size.height))
    };
    for (polygons, color) in [(&gate.include, INCLUDE), (&gate.exclude, EXCLUDE)] {
        for polygon in polygons {
            let corners: Vec<_> = polygon.points().iter().map(corner).collect();
            paint::polygon(&mut canvas, &corners, 1, color);
        }
    }
    for region in &cell.regions {
        paint::outline(&mut canvas, area(region), 1, REGION);
    }
    // The surest first.
    let boxes: Vec<_> = cell
        .found
        .iter()
        .map(|one| {
            let words = format!("{} {:.0}", one.label, one.confidence * 100.0);
            (area(&one.bbox), words, Color::for_class(one.label.id))
        })
        .collect();
    paint::boxes(&mut canvas, &boxes, &mut Vec::new());
    canvas
}

/// What the boxes mean, up to the right edge, where there is room.
fn legend(canvas: &mut Canvas, gate: &MotionGateConfig, right: i32, left: i32) {
    let mut parts = vec![(2, Color::for_class(0), "detection, confidence in %"), (1, REGION, "motion")];
    parts.extend((!gate.include.is_empty()).then_some((1, INCLUDE, "gate looks here")));
    parts.extend((!gate.exclude.is_empty()).then_some((1, EXCLUDE, "gate looks elsewhere")));
    let width: i32 = parts.iter().map(|(_, _, name)| paint::width(name, MIDDLE) + 44).sum();
    let mut x = right - width;
    if x < left {
        return;
    }
    for (stroke, color, name) in parts {
        paint::outline(canvas, (x + 8, TITLE / 2 - 8, 24, 16), stroke, color);
        paint::words(canvas, name, (x + 40, TITLE / 2), Alignment::Left, MIDDLE, WHITE);
        x += paint::width(name, MIDDLE) + 44;
    }
}
