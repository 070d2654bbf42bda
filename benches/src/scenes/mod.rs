//! Scenes of a still camera, drawn from a seed: the same bytes on every machine, and the truth about every instant.
//!
//! A scene is a function of time, so that any frame rate sees the same course of things. Times are rounded to
//! milliseconds, as cameras do.

mod actors;
mod backdrop;
mod effects;
mod footage;
pub(crate) mod maths;
mod overlay;
mod script;
mod sensor;

pub use footage::footage;
pub use script::{all, from_seed};

use actors::{Body, Stance};
use backdrop::{Backdrop, HEIGHT, MARGIN, Place, Planes, WIDTH};
use effects::{Effect, Light};
use guarita::frame::{FrameMeta, Layout};
use guarita::{BoundingBox, Frame, PixelFormat, Size, Timestamp};
use maths::{lerp, noise, sine, smooth};
use overlay::Overlay;
use sensor::Sensor;
use std::sync::OnceLock;

/// The size of every frame.
pub const SIZE: Size = Size::new(WIDTH as u32, HEIGHT as u32);

/// A disturbance: anything but an object that changes the picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// What happens.
    pub name: String,
    /// When it begins.
    pub start_s: f64,
    /// When it is over, and the picture is as it will stay.
    pub end_s: f64,
}

/// An object at one time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrueObject {
    /// Its box in pixels of the picture, parts that are hidden included; clipped to the picture.
    pub bbox: BoundingBox,
    /// The share of its whole box that can be seen, 0..1.
    pub visible: f32,
    /// Whether it moves; parked cars do not.
    pub moving: bool,
}

/// What is so at one time.
#[derive(Clone, Debug, PartialEq)]
pub struct Truth {
    /// All objects of which something may be seen.
    pub objects: Vec<TrueObject>,
    /// The name of the disturbance that goes on.
    pub disturbance: Option<String>,
}

/// What a scene is there to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theme {
    /// Objects, and nothing that disturbs.
    Quiet,
    /// Disturbances between objects.
    Disturbed,
    /// A person so far away that it is 2 % of the picture's height.
    Far,
    /// Several small objects.
    Small,
    /// What real cameras show and the others do not, judged second by second.
    Footage,
}

/// How somebody or something moves from one point to another.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Pace {
    Even,
    /// Parked from the beginning, then faster and faster.
    Leaving,
    /// Slower and slower, then parked for good.
    Parking,
}

#[derive(Clone, Debug)]
struct Actor {
    body: Body,
    start_s: f64,
    end_s: f64,
    /// Middle and feet, in pixels of the picture before the camera moved.
    from: [f32; 2],
    to: [f32; 2],
    pace: Pace,
}

impl Actor {
    /// Where it is, and whether it moves; `None` while it is not there.
    fn stance(&self, place: Place, t: f64) -> Option<(Stance, bool)> {
        let moving = (self.start_s..self.end_s).contains(&t);
        let parked = match self.pace {
            Pace::Even => false,
            Pace::Leaving => t < self.start_s,
            Pace::Parking => t >= self.end_s,
        };
        if !moving && !parked {
            return None;
        }
        let share = (((t - self.start_s) / (self.end_s - self.start_s)) as f32).clamp(0.0, 1.0);
        let share = match self.pace {
            Pace::Even => share,
            Pace::Leaving => share * share,
            Pace::Parking => 1.0 - (1.0 - share) * (1.0 - share),
        };
        let [x, feet] = [0, 1].map(|k| lerp(self.from[k], self.to[k], share));
        let stance = Stance {
            x,
            feet,
            height: place.person_height(feet),
            travelled: (x - self.from[0]).abs(),
            leftward: self.to[0] < self.from[0],
        };
        Some((stance, moving))
    }
}

/// A scene: what stands still, who moves, what disturbs.
pub struct Scene {
    name: String,
    seed: u64,
    /// What it is there to show.
    pub theme: Theme,
    /// Dark and grey.
    pub night: bool,
    /// The standard deviation of the sensor's noise in a middle grey, in grey levels.
    pub noise: f32,
    place: Place,
    duration_s: f64,
    /// Whether the place has no colours of its own.
    gray: bool,
    overlay: Option<Overlay>,
    actors: Vec<Actor>,
    effects: Vec<Effect>,
    backdrop: OnceLock<Backdrop>,
}

fn milliseconds(t: f64) -> u64 {
    (t * 1000.0).round().max(0.0) as u64
}

impl Scene {
    /// A name that no other scene has.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// From the first to the last instant, in seconds.
    pub fn duration_s(&self) -> f64 {
        self.duration_s
    }

    /// All disturbances, one after the other.
    pub fn events(&self) -> Vec<Event> {
        let mut events: Vec<Event> = self.effects.iter().flat_map(Effect::events).collect();
        let bared = self.actors.iter().filter_map(|actor| match actor.pace {
            Pace::Even => None,
            Pace::Leaving => Some(Event { name: "car left".to_owned(), start_s: actor.end_s, end_s: actor.end_s }),
            Pace::Parking => Some(Event { name: "car parked".to_owned(), start_s: actor.end_s, end_s: actor.end_s }),
        });
        events.extend(bared);
        events.sort_by(|a, b| a.start_s.total_cmp(&b.start_s));
        events
    }

    /// What is so at this time.
    pub fn truth(&self, t: f64) -> Truth {
        let t = milliseconds(t) as f64 / 1000.0;
        let now = |event: &Event| (event.start_s..=event.end_s).contains(&t);
        let disturbance = self.events().into_iter().find(now).map(|event| event.name);
        let shown = effects::shown(&self.effects, t);
        let hidden = Light::at(&self.effects, self.night, shown).dark() || effects::cover(&self.effects, shown) > 0.5;
        let camera = effects::camera(&self.effects, shown);
        let objects = self.stances(shown).into_iter().map(|(body, stance, moving)| {
            let bounds = actors::bounds(body, &stance);
            let visible = if hidden { 0.0 } else { self.visible(bounds, camera, stance.feet) };
            let [x1, y1, x2, y2] = [0, 1, 2, 3].map(|k| bounds[k] - camera[k % 2]);
            let bbox = BoundingBox::from_xyxy(x1, y1, x2, y2).clipped(SIZE);
            // A feed that stutters goes on at once; one that stands still shows nothing that moves.
            TrueObject { bbox, visible, moving: moving && t - shown < effects::STUTTER_S }
        });
        Truth { objects: objects.filter(|object| object.bbox.area() > 0.0).collect(), disturbance }
    }

    /// The picture at this time, I420, with its time as `pts`.
    ///
    /// # Errors
    /// None that a scene can cause.
    pub fn frame(&self, t: f64) -> guarita::Result<Frame> {
        let layout = Layout::packed(PixelFormat::I420, SIZE)?;
        let ms = milliseconds(t);
        let meta = FrameMeta { pts: Timestamp::from_millis(ms as i64), ..FrameMeta::default() };
        Ok(Frame::from_owner(self.picture(ms), layout)?.with_meta(meta))
    }

    /// Everybody who is there, the farthest first.
    fn stances(&self, t: f64) -> Vec<(Body, Stance, bool)> {
        let stance = |actor: &Actor| actor.stance(self.place, t).map(|(stance, moving)| (actor.body, stance, moving));
        let mut all: Vec<_> = self.actors.iter().filter_map(stance).collect();
        all.sort_by(|(_, a, _), (_, b, _)| a.feet.total_cmp(&b.feet));
        all
    }

    fn backdrop(&self) -> &Backdrop {
        self.backdrop.get_or_init(|| Backdrop::paint(self.place, self.seed))
    }

    /// The share of a box that is inside the picture and behind nothing.
    fn visible(&self, bounds: [f32; 4], camera: [f32; 2], feet: f32) -> f32 {
        const STEPS: usize = 16;
        let [x1, y1, x2, y2] = [0, 1, 2, 3].map(|k| bounds[k] - camera[k % 2]);
        let whole = BoundingBox::from_xyxy(x1, y1, x2, y2);
        let inside = whole.clipped(SIZE);
        let points = (0..STEPS * STEPS).map(|k| [k % STEPS, k / STEPS].map(|k| (k as f32 + 0.5) / STEPS as f32));
        let seen = points.filter(|&[u, v]| {
            let (x, y) = (lerp(inside.x1, inside.x2, u), lerp(inside.y1, inside.y2, v));
            !self.backdrop().hides(x + camera[0], y + camera[1], feet)
        });
        seen.count() as f32 / (STEPS * STEPS) as f32 * inside.area() / whole.area().max(f32::MIN_POSITIVE)
    }

    fn picture(&self, ms: u64) -> Vec<u8> {
        let t = effects::shown(&self.effects, ms as f64 / 1000.0);
        let ms = milliseconds(t);
        let camera = effects::camera(&self.effects, t);
        let light = Light::at(&self.effects, self.night, t);

        let mut canvas = self.still(camera);
        self.swing(&mut canvas, camera, t);
        for (body, stance, _) in self.stances(t) {
            let hidden = |x, y| self.backdrop().hides(x, y, stance.feet);
            actors::draw(&mut canvas, camera, body, &stance, !self.night, &hidden);
        }
        let (rain, snow) = effects::weather(&self.effects, t);
        sensor::rain(&mut canvas.y, self.seed, ms, rain);
        sensor::snow(&mut canvas.y, self.seed, t, snow);
        sensor::insects(&mut canvas.y, self.seed, t, effects::insects(&self.effects, t));
        let mut picture = self.develop(canvas, &light, effects::cover(&self.effects, t), camera, ms);
        if let Some(detail) = effects::detail(&self.effects, t) {
            sensor::coarsen(&mut picture[..WIDTH * HEIGHT], detail);
        }
        if let Some(overlay) = self.overlay {
            overlay.draw(&mut picture[..WIDTH * HEIGHT], ms);
        }
        picture
    }

    /// What the camera sees of the backdrop.
    fn still(&self, camera: [f32; 2]) -> Planes {
        let back = &self.backdrop().planes;
        let [x, y] = camera.map(|shift| MARGIN as f32 + shift);
        let mut canvas = Planes::new(WIDTH, HEIGHT);
        crop(&back.y, back.width, [x, y], &mut canvas.y, WIDTH);
        for (from, to) in [(&back.u, &mut canvas.u), (&back.v, &mut canvas.v)] {
            if !self.gray {
                crop(from, back.width / 2, [0.5 * x, 0.5 * y], to, WIDTH / 2);
            }
        }
        canvas
    }

    /// Leaves in the wind.
    fn swing(&self, canvas: &mut Planes, camera: [f32; 2], t: f64) {
        let pixels = effects::wind(&self.effects, t) / 255.0;
        let s = t as f32;
        let mut waves = [[0.0; 2]; 256];
        for (k, wave) in waves.iter_mut().enumerate() {
            let phase = k as f32 / 256.0;
            let slow = 0.65 * sine(0.37 * s + phase);
            *wave =
                [pixels * (slow + 0.35 * sine(0.93 * s + 3.0 * phase)), 0.5 * pixels * sine(0.61 * s + 2.0 * phase)];
        }
        let Backdrop { planes, sway, .. } = self.backdrop();
        let [cx, cy] = camera.map(|shift| MARGIN as f32 + shift);
        let (ix, iy) = (cx.round() as usize, cy.round() as usize);
        for y in 0..HEIGHT {
            let row = &sway[(y + iy) * planes.width + ix..][..WIDTH];
            for (x, &weight) in row.iter().enumerate().filter(|(_, weight)| **weight > 0) {
                let [dx, dy] = waves[(3 * (x + ix) + 4 * (y + iy)) & 255].map(|wave| wave * f32::from(weight));
                canvas.y[y * WIDTH + x] = sample(&planes.y, planes.width, x as f32 + cx + dx, y as f32 + cy + dy);
            }
        }
    }

    /// Light, cover, sensor: from a canvas to the bytes of a picture.
    fn develop(&self, canvas: Planes, light: &Light, cover: f32, camera: [f32; 2], ms: u64) -> Vec<u8> {
        const WIDE: f32 = 60.0;
        let covered = |x: f32| smooth(0.0, WIDE, cover * (WIDTH as f32 + WIDE) - x);
        let sensor = Sensor::new(self.seed, ms, self.noise);
        let tones = light.tones();
        let backdrop = self.backdrop();
        let [ix, iy] = camera.map(|shift| (MARGIN as f32 + shift).round() as usize);
        let mut picture = vec![128; WIDTH * HEIGHT * 3 / 2];
        let (luma, chroma) = picture.split_at_mut(WIDTH * HEIGHT);
        let (mut levels, mut factors) = ([0i16; WIDTH], [1.0f32; WIDTH]);
        for (y, (row, out)) in canvas.y.chunks_exact(WIDTH).zip(luma.chunks_exact_mut(WIDTH)).enumerate() {
            light.shade(y, &mut factors, |x| backdrop.glow(x + ix, y + iy));
            for ((level, &value), factor) in levels.iter_mut().zip(row).zip(&factors) {
                *level = (16.0 * (tones[usize::from(value)] * factor + 16.0).clamp(0.0, 400.0)) as i16;
            }
            if cover > 0.0 {
                for (x, level) in levels.iter_mut().enumerate() {
                    let dark = 27.0 + 5.0 * noise(self.seed as u32, x as f32 / 90.0, y as f32 / 70.0);
                    *level = lerp(f32::from(*level), 16.0 * dark, covered(x as f32)) as i16;
                }
            }
            sensor.expose(y, &levels, out);
        }
        let colorfulness = light.colorfulness();
        if colorfulness > 0.0 {
            for (k, (out, from)) in chroma.chunks_exact_mut(WIDTH * HEIGHT / 4).zip([&canvas.u, &canvas.v]).enumerate()
            {
                for (at, (out, from)) in out.iter_mut().zip(from).enumerate() {
                    let seen = if cover > 0.0 { 1.0 - covered(2.0 * (at % (WIDTH / 2)) as f32) } else { 1.0 };
                    *out = (128.5 + (f32::from(*from) - 128.0) * colorfulness * seen) as u8;
                }
                sensor.tint(k as u64, out);
            }
        }
        picture
    }
}

/// The part of a plane that begins at a point, which may lie between pixels.
fn crop(from: &[u8], stride: usize, [x, y]: [f32; 2], to: &mut [u8], width: usize) {
    let (ix, iy) = (x as usize, y as usize);
    let (fx, fy) = ((256.0 * (x - ix as f32)) as u32, (256.0 * (y - iy as f32)) as u32);
    for (row, out) in to.chunks_exact_mut(width).enumerate() {
        let above = &from[(row + iy) * stride + ix..][..width + 1];
        if fx == 0 && fy == 0 {
            out.copy_from_slice(&above[..width]);
            continue;
        }
        let below = &from[(row + iy + 1) * stride + ix..][..width + 1];
        for (x, out) in out.iter_mut().enumerate() {
            let mix = |line: &[u8]| u32::from(line[x]) * (256 - fx) + u32::from(line[x + 1]) * fx;
            *out = ((mix(above) * (256 - fy) + mix(below) * fy + (1 << 15)) >> 16) as u8;
        }
    }
}

fn sample(from: &[u8], stride: usize, x: f32, y: f32) -> u8 {
    let (ix, iy) = (x as usize, y as usize);
    let (fx, fy) = (x - ix as f32, y - iy as f32);
    let at = |dx: usize, dy: usize| f32::from(from[(iy + dy) * stride + ix + dx]);
    let top = lerp(at(0, 0), at(1, 0), fx);
    let bottom = lerp(at(0, 1), at(1, 1), fx);
    (lerp(top, bottom, fy) + 0.5) as u8
}
