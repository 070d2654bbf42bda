//! Pictures of events: the frame, the camera's zones, the objects that it is about, and why.

use crate::config::CameraSetup;
use crate::in_file_name;
use embedded_graphics::text::Alignment;
use guarita::event::EventPicture;
use guarita::geometry::Point;
use guarita::imaging::{Canvas, Color};
use guarita::{CameraId, DecodeOptions, Error, Event, Frame, Size, Zone};
use guarita_examples::paint::{self, Area, BLACK, LARGE, MIDDLE, SMALL_BOLD, WHITE};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Draws the first events of each trigger.
pub(crate) struct Pictures {
    zones: BTreeMap<CameraId, Vec<Zone>>,
    drawn: BTreeMap<(CameraId, Arc<str>), u32>,
    folder: PathBuf,
    most: u32,
}

/// Smaller pictures are enlarged: words would cover them.
const LEAST_WIDTH: u32 = 640;
/// Below the picture: where, when and which trigger, and why.
const CAPTION: i32 = 52;
/// The zone of the event, and the others.
const HERE: Color = Color(255, 213, 64);
const ELSEWHERE: Color = Color(150, 200, 230);
const FAINT_WORDS: Color = Color(190, 196, 206);

impl Pictures {
    pub(crate) fn new(cameras: &[CameraSetup], folder: &Path, most: u32) -> Self {
        let zones = cameras.iter().map(|setup| (setup.camera.id.clone(), setup.camera.zones.clone())).collect();
        Self { zones, drawn: BTreeMap::new(), folder: folder.to_owned(), most }
    }

    /// Writes the picture of an event that has one, unless its trigger has enough of them.
    pub(crate) fn draw(&mut self, event: &Event) -> Result<(), Error> {
        let Some(picture) = &event.picture else { return Ok(()) };
        let drawn = self.drawn.entry((event.camera.clone(), Arc::clone(&event.trigger))).or_insert(0);
        if *drawn >= self.most {
            return Ok(());
        }
        *drawn += 1;
        let (camera, trigger) = (in_file_name(event.camera.as_str()), in_file_name(&event.trigger));
        let path = self.folder.join(format!("{camera}-{trigger}-{drawn}.png"));
        let zones = self.zones.get(&event.camera).map_or(&[][..], Vec::as_slice);
        annotated(event, picture, zones)?.save_png(path)
    }
}

fn annotated(event: &Event, picture: &EventPicture, zones: &[Zone]) -> Result<Canvas, Error> {
    let shown = Canvas::from_frame(&Frame::decode(&picture.jpeg, &DecodeOptions::default())?);
    let factor = LEAST_WIDTH.div_ceil(shown.size().width.max(1)).clamp(1, 4);
    let size = Size::new(shown.size().width * factor, shown.size().height * factor);
    let mut canvas = if factor > 1 { shown.resized(size) } else { shown };
    // The picture may be a part of the frame.
    let (left, top, scale) = (picture.region.x1, picture.region.y1, factor as f32);
    let whole =
        picture.region.width() >= event.frame.width as f32 && picture.region.height() >= event.frame.height as f32;
    let mut taken = Vec::new();
    // The event's own zone last, above the others.
    let (here, elsewhere): (Vec<_>, Vec<_>) = zones.iter().partition(|zone| Some(&zone.name) == event.zone.as_ref());
    for (zone, color, width) in
        elsewhere.iter().map(|zone| (zone, ELSEWHERE, 1)).chain(here.iter().map(|zone| (zone, HERE, 3)))
    {
        let at = |point: &Point| {
            let x = (point.x * event.frame.width as f32 - left) * scale;
            let y = (point.y * event.frame.height as f32 - top) * scale;
            (x.round() as i32, y.round() as i32)
        };
        // A part of the frame mostly lies inside: tinted, it would only be dull.
        if whole && color == HERE {
            let share = |pixel: i32, from: f32, side: u32| ((pixel as f32 + 0.5) / scale + from) / side.max(1) as f32;
            let inside = |x: i32, y: i32| {
                let (x, y) = (share(x, left, event.frame.width), share(y, top, event.frame.height));
                zone.area.contains(Point::new(x, y))
            };
            paint::tint(&mut canvas, inside, color, 0.16);
        }
        let corners: Vec<_> = zone.area.points().iter().map(at).collect();
        paint::polygon(&mut canvas, &corners, width, color);
        taken.push(zone_name(&mut canvas, &zone.name, &corners, color));
    }
    let boxes: Vec<_> = event
        .objects
        .iter()
        .map(|object| {
            let found = &object.detection;
            let words = format!("{} {:.2}", found.label, found.confidence);
            (paint::area(&found.bbox, (left, top), scale, size), words, Color::for_class(found.label.id))
        })
        .collect();
    paint::boxes(&mut canvas, &boxes, &mut taken);
    Ok(captioned(&canvas, event))
}

/// Writes a zone's name inside its lowest edge, where people seldom stand; gives the place that it takes.
fn zone_name(canvas: &mut Canvas, name: &str, corners: &[(i32, i32)], color: Color) -> Area {
    let size = canvas.size();
    let (w, h) = (paint::width(name, SMALL_BOLD) + 8, 15);
    let inside = |at: i32, side: u32, room: i32| at.clamp(0, (side as i32 - room).max(0));
    let lowest = corners.iter().map(|corner| corner.1).max().unwrap_or(0).min(size.height as i32);
    let left = corners.iter().filter(|corner| corner.1 >= lowest - 2 || corner.1 >= size.height as i32 - 2);
    let left = left.map(|corner| corner.0).min().unwrap_or(0);
    let area = (inside(left + 4, size.width, w), inside(lowest - h - 4, size.height, h), w, h);
    paint::fill(canvas, area, BLACK);
    paint::words(canvas, name, (area.0 + 4, area.1 + h / 2), Alignment::Left, SMALL_BOLD, color);
    area
}

fn captioned(picture: &Canvas, event: &Event) -> Canvas {
    let size = picture.size();
    let (width, top) = (size.width as i32, size.height as i32);
    let mut canvas = Canvas::new(Size::new(size.width, size.height + CAPTION as u32), BLACK);
    canvas.paste(picture, 0, 0);
    paint::fill(&mut canvas, (0, top, 6, CAPTION), HERE);
    let title = format!("{}: {}", event.camera.as_str(), event.trigger);
    paint::words(&mut canvas, &title, (16, top + 15), Alignment::Left, LARGE, WHITE);
    let time = format!("{:.1} s", event.pts.as_secs_f64());
    paint::words(&mut canvas, &time, (width - 12, top + 15), Alignment::Right, LARGE, WHITE);
    // What is in no font of ours is drawn as a question mark.
    let room = ((width - 28) / paint::width("m", MIDDLE)).max(0) as usize;
    let why: String = event.why.chars().map(|c| if c == '…' { '.' } else { c }).take(room).collect();
    paint::words(&mut canvas, &why, (16, top + 38), Alignment::Left, MIDDLE, FAINT_WORDS);
    canvas
}
