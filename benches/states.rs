//! Draws the picture of the gate's states for docs/guide/motion.md, from scenes: it fails where a state is not the one
//! that the picture is to show.

use guarita::frame::Layout;
use guarita::imaging::{Canvas, Color};
use guarita::{BoundingBox, Frame, MotionGate, MotionGateConfig, PixelFormat, Size};
use guarita_benches::scenes;

const FPS: f64 = 15.0;
const COLUMNS: usize = 2;
/// A half of a scene's sides.
const TILE: (usize, usize) = (320, 180);
const GAP: usize = 4;

/// Scene, second, and the state then.
const SHOWN: [(&str, f64, &str); 8] = [
    ("quiet-day", 1.0, "Learning"),
    ("quiet-day", 12.0, "Stable"),
    ("quiet-day", 20.7, "Moving"),
    ("light-steps", 28.9, "LightShift"),
    ("infrared", 30.5, "IrSwitch"),
    ("nudge", 29.9, "CameraMoved"),
    ("frozen", 36.0, "Frozen"),
    ("covered", 33.0, "Obscured"),
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Some(out) = std::env::args().nth(1).filter(|out| !out.starts_with('-')) else {
        return Err("usage: draw-states FILE.png".into());
    };
    let (width, height) = (COLUMNS * (TILE.0 + GAP) - GAP, SHOWN.len() / COLUMNS * (TILE.1 + GAP) - GAP);
    let mut sheet = vec![255u8; width * height * 3];
    let mut captions = Vec::new();
    let scenes = scenes::all();
    for (k, (name, at, state)) in SHOWN.into_iter().enumerate() {
        let scene = scenes.iter().find(|scene| scene.name() == name).ok_or("no such scene")?;
        let mut gate = MotionGate::new(MotionGateConfig::default())?;
        let mut seen = None;
        for frame in 0..=(at * FPS) as usize {
            let frame = scene.frame(frame as f64 / FPS)?;
            let motion = gate.observe(&frame)?;
            seen = Some((frame, motion));
        }
        let (frame, motion) = seen.ok_or("no frame")?;
        if format!("{:?}", motion.state) != state {
            return Err(format!("{name} at {at} s is {:?}, not {state}", motion.state).into());
        }
        let mut canvas = Canvas::from_frame(&frame);
        for region in &motion.regions {
            canvas.draw_box(region, "", Color::for_class(0));
        }
        let (left, top) = (k % COLUMNS * (TILE.0 + GAP), k / COLUMNS * (TILE.1 + GAP));
        reduce(&canvas, &mut sheet, width, (left, top));
        let open = motion.reason.map_or("closed".to_owned(), |reason| format!("open: {reason:?}"));
        captions.push((left, top, format!("{state} ({open})")));
    }
    let size = Size::new(u32::try_from(width)?, u32::try_from(height)?);
    let mut canvas = Canvas::from_frame(&Frame::from_owner(sheet, Layout::packed(PixelFormat::Rgb8, size)?)?);
    for (left, top, words) in captions {
        // Words stand above a box: one without height, a line down.
        let (x, y) = (left as f32, top as f32 + 18.0);
        canvas.draw_box(&BoundingBox::from_xyxy(x, y, x + TILE.0 as f32 - 1.0, y), &words, Color::for_class(5));
    }
    canvas.save_png(&out)?;
    Ok(())
}

/// Copies a picture in half its size.
fn reduce(canvas: &Canvas, sheet: &mut [u8], width: usize, (left, top): (usize, usize)) {
    let from = canvas.size().width as usize;
    for y in 0..TILE.1 {
        for x in 0..TILE.0 * 3 {
            let at =
                |dx: usize, dy: usize| u32::from(canvas.rgb()[((2 * y + dy) * from + 2 * (x / 3) + dx) * 3 + x % 3]);
            let sum = at(0, 0) + at(1, 0) + at(0, 1) + at(1, 1);
            sheet[((top + y) * width + left) * 3 + x] = (sum / 4) as u8;
        }
    }
}
