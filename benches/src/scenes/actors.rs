//! Persons and cars, made of simple shapes with texture and soft edges.

use super::backdrop::Planes;
use super::maths::{Random, lerp, noise, sine, smooth};

/// Width of the slope of an edge in pixels: what a lens does.
const EDGE: f32 = 1.4;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Body {
    Person {
        seed: u64,
    },
    Car {
        seed: u64,
    },
    /// A car in a strong red or blue.
    BrightCar {
        seed: u64,
    },
}

/// Where a body is and what it does at one time, in the coordinates of the scene.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Stance {
    /// The middle of the body.
    pub(super) x: f32,
    /// The row that it stands on.
    pub(super) feet: f32,
    /// How tall a person is here.
    pub(super) height: f32,
    /// The way it has come, in pixels: legs move with it.
    pub(super) travelled: f32,
    pub(super) leftward: bool,
}

enum Shape {
    /// A line with round ends and a radius at each.
    Limb { from: [f32; 2], to: [f32; 2], radii: [f32; 2] },
    /// Centre, half sides, radius of the corners.
    Box { centre: [f32; 2], half: [f32; 2], corner: f32 },
    /// Corners of a convex shape, clockwise as one sees it.
    Polygon([[f32; 2]; 4]),
}

impl Shape {
    /// Pixels from the edge; negative inside.
    fn distance(&self, x: f32, y: f32) -> f32 {
        match self {
            Self::Limb { from, to, radii } => {
                let (dx, dy) = (to[0] - from[0], to[1] - from[1]);
                let along = ((x - from[0]) * dx + (y - from[1]) * dy) / (dx * dx + dy * dy).max(1e-6);
                let along = along.clamp(0.0, 1.0);
                let (px, py) = (x - from[0] - along * dx, y - from[1] - along * dy);
                (px * px + py * py).sqrt() - lerp(radii[0], radii[1], along)
            }
            Self::Box { centre, half, corner } => {
                let (dx, dy) = ((x - centre[0]).abs() - half[0] + corner, (y - centre[1]).abs() - half[1] + corner);
                let (ox, oy) = (dx.max(0.0), dy.max(0.0));
                (ox * ox + oy * oy).sqrt() + dx.max(dy).min(0.0) - corner
            }
            Self::Polygon(corners) => (0..4).fold(f32::MIN, |most, k| {
                let ([ax, ay], [bx, by]) = (corners[k], corners[(k + 1) % 4]);
                let (ex, ey) = (bx - ax, by - ay);
                most.max(((x - ax) * ey - (y - ay) * ex) / (ex * ex + ey * ey).sqrt().max(1e-6))
            }),
        }
    }

    /// Left, top, right, bottom.
    fn bounds(&self) -> [f32; 4] {
        match self {
            Self::Limb { from, to, radii: [a, b] } => [
                (from[0] - a).min(to[0] - b),
                (from[1] - a).min(to[1] - b),
                (from[0] + a).max(to[0] + b),
                (from[1] + a).max(to[1] + b),
            ],
            Self::Box { centre: [x, y], half: [w, h], .. } => [x - w, y - h, x + w, y + h],
            Self::Polygon(corners) => corners.iter().fold(NOWHERE, |all, [x, y]| union(all, [*x, *y, *x, *y])),
        }
    }
}

const NOWHERE: [f32; 4] = [f32::MAX, f32::MAX, f32::MIN, f32::MIN];

fn union(a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
    [a[0].min(b[0]), a[1].min(b[1]), a[2].max(b[2]), a[3].max(b[3])]
}

struct Part {
    shape: Shape,
    color: [f32; 3],
    /// Strength of its texture in grey levels.
    grain: f32,
}

/// A dark or a light colour, not much of it: what people wear and drive.
fn some_color(random: &mut Random) -> [f32; 3] {
    let luma = if random.next().is_multiple_of(2) { random.between(44.0, 76.0) } else { random.between(172.0, 208.0) };
    [luma, random.between(108.0, 150.0), random.between(108.0, 150.0)]
}

fn person(seed: u64, stance: &Stance) -> Vec<Part> {
    let mut random = Random::new(seed);
    let (top, bag) = (some_color(&mut random), random.next().is_multiple_of(3));
    let trousers = [random.between(42.0, 78.0), random.between(120.0, 142.0), random.between(118.0, 132.0)];
    let (skin, hair) = ([random.between(110.0, 165.0), 114.0, 147.0], [random.between(40.0, 90.0), 122.0, 132.0]);
    let h = stance.height;
    let ahead = if stance.leftward { -1.0 } else { 1.0 };
    let phase = stance.travelled / (0.86 * h);
    let bob = 0.012 * sine(2.0 * phase);
    // Shares of the height, forward and up from the point on the ground.
    let at = |forward: f32, up: f32| [stance.x + ahead * forward * h, stance.feet - (up + bob) * h];
    let limb = |from: [f32; 2], to: [f32; 2], radii: [f32; 2], color: [f32; 3]| Part {
        shape: Shape::Limb { from, to, radii: [radii[0] * h, radii[1] * h] },
        color,
        grain: 14.0,
    };
    let darker = |color: [f32; 3]| [0.8 * color[0], color[1], color[2]];
    let mut parts = Vec::new();
    for (k, side) in [0.5, 0.0].into_iter().enumerate() {
        let swing = sine(phase + side);
        let lift = 0.05 * sine(phase + side + 0.25).max(0.0);
        let knee = at(0.11 * swing + 0.03, 0.27);
        let foot = at(0.2 * swing, 0.03 + lift - bob);
        let color = if k == 0 { darker(trousers) } else { trousers };
        parts.push(limb(at(0.0, 0.5), knee, [0.065, 0.05], color));
        parts.push(limb(knee, foot, [0.05, 0.036], color));
        parts.push(limb(foot, at(0.2 * swing + 0.06, 0.025 + lift - bob), [0.028, 0.022], [38.0, 128.0, 128.0]));
        let arm = if k == 0 { darker(top) } else { top };
        let (elbow, hand) = (at(-0.09 * swing - 0.02, 0.62), at(-0.14 * swing + 0.03, 0.47));
        let arm = [limb(at(0.0, 0.79), elbow, [0.04, 0.033], arm), limb(elbow, hand, [0.033, 0.025], arm)];
        if k == 1 {
            parts.push(limb(at(-0.005, 0.77), at(0.0, 0.54), [0.095, 0.08], top));
            if bag {
                let color = [darker(top)[0] * 0.7, 128.0, 128.0];
                parts.push(limb(at(-0.11, 0.75), at(-0.11, 0.6), [0.05, 0.06], color));
            }
            parts.push(limb(at(0.01, 0.9), at(0.012, 0.925), [0.058, 0.062], skin));
            parts.push(limb(at(-0.012, 0.94), at(0.0, 0.95), [0.055, 0.05], hair));
        }
        parts.extend(arm);
    }
    parts
}

fn car(seed: u64, bright: bool, stance: &Stance) -> Vec<Part> {
    let mut random = Random::new(seed);
    let paint = some_color(&mut random);
    let paint = match seed & 1 {
        _ if !bright => paint,
        0 => [90.0, 96.0, 216.0],
        _ => [72.0, 206.0, 104.0],
    };
    let metre = stance.height / 1.75;
    let length = random.between(0.92, 1.1);
    let roof = random.between(0.96, 1.16);
    let ahead = if stance.leftward { -1.0 } else { 1.0 };
    // Metres, forward and up from the point on the ground.
    let at = |forward: f32, up: f32| {
        let up = if up > 0.85 { 0.85 + (up - 0.85) * roof } else { up };
        [stance.x + ahead * length * forward * metre, stance.feet - up * metre]
    };
    let polygon = |corners: [[f32; 2]; 4]| {
        let mut corners = corners.map(|[forward, up]| at(forward, up));
        if stance.leftward {
            corners.reverse();
        }
        Shape::Polygon(corners)
    };
    let part = |shape: Shape, color: [f32; 3], grain: f32| Part { shape, color, grain };
    let bar = |[x1, y1]: [f32; 2], [x2, y2]: [f32; 2], corner: f32| Shape::Box {
        centre: [0.5 * (x1 + x2), 0.5 * (y1 + y2)],
        half: [0.5 * (x2 - x1).abs(), 0.5 * (y2 - y1).abs()],
        corner: corner * metre,
    };
    let disc = |forward: f32, up: f32, r: f32| Shape::Limb {
        from: at(forward, up),
        to: at(forward, up),
        radii: [r * metre, r * metre],
    };
    let glass = [58.0, 132.0, 126.0];
    let darker = [0.7 * paint[0], paint[1], paint[2]];
    let mut parts = vec![
        part(bar(at(-2.0, 0.5), at(2.0, 0.16), 0.05), [34.0, 128.0, 128.0], 4.0),
        part(polygon([[-1.55, 0.8], [-1.05, 1.42], [0.42, 1.44], [1.2, 0.8]]), paint, 7.0),
        part(bar(at(-2.15, 0.9), at(2.15, 0.27), 0.22), paint, 9.0),
        part(bar(at(-2.1, 0.42), at(2.1, 0.3), 0.05), darker, 6.0),
        part(polygon([[-1.32, 0.88], [-0.97, 1.33], [-0.2, 1.36], [-0.2, 0.88]]), glass, 16.0),
        part(polygon([[-0.08, 0.88], [-0.08, 1.36], [0.36, 1.36], [0.95, 0.88]]), glass, 16.0),
        part(bar(at(-0.16, 0.86), at(-0.13, 0.36), 0.0), darker, 0.0),
        part(disc(2.02, 0.66, 0.11), [222.0, 124.0, 130.0], 0.0),
        part(disc(-2.06, 0.7, 0.1), [92.0, 112.0, 196.0], 0.0),
    ];
    for forward in [-1.32, 1.34] {
        parts.push(part(disc(forward, 0.32, 0.33), [30.0, 128.0, 128.0], 6.0));
        parts.push(part(disc(forward, 0.32, 0.19), [128.0, 128.0, 128.0], 18.0));
    }
    parts
}

fn parts(body: Body, stance: &Stance) -> Vec<Part> {
    match body {
        Body::Person { seed } => person(seed, stance),
        Body::Car { seed } => car(seed, false, stance),
        Body::BrightCar { seed } => car(seed, true, stance),
    }
}

/// Left, top, right, bottom of a body, in the coordinates of the scene; its shadow is not part of it.
pub(super) fn bounds(body: Body, stance: &Stance) -> [f32; 4] {
    parts(body, stance).iter().fold(NOWHERE, |all, part| union(all, part.shape.bounds()))
}

/// Draws a body on a picture whose first pixel is at `origin` of the scene; `hidden` tells where it cannot be seen.
pub(super) fn draw(
    planes: &mut Planes,
    origin: [f32; 2],
    body: Body,
    stance: &Stance,
    sun: bool,
    hidden: &dyn Fn(f32, f32) -> bool,
) {
    if sun {
        shadow(planes, origin, body, stance, hidden);
    }
    let (seed, Stance { x: ox, feet: oy, height, .. }) = match body {
        Body::Person { seed } | Body::Car { seed } | Body::BrightCar { seed } => (seed as u32, *stance),
    };
    for Part { shape, color, grain } in parts(body, stance) {
        let bounds = shape.bounds();
        let scale = (0.045 * height).max(1.5);
        paint(planes, origin, bounds, |x, y| {
            let cover = (0.5 - shape.distance(x, y) / EDGE).clamp(0.0, 1.0);
            if cover == 0.0 || hidden(x, y) {
                return (0.0, color);
            }
            let down = ((y - bounds[1]) / (bounds[3] - bounds[1]).max(1.0)).clamp(0.0, 1.0);
            let texture = noise(seed, (x - ox) / scale, (y - oy) / scale);
            (cover, [color[0] + grain * texture + 9.0 - 20.0 * down, color[1], color[2]])
        });
    }
}

fn shadow(planes: &mut Planes, origin: [f32; 2], body: Body, stance: &Stance, hidden: &dyn Fn(f32, f32) -> bool) {
    let (half_w, half_h) = match body {
        Body::Person { .. } => (0.2 * stance.height, 0.045 * stance.height),
        Body::Car { .. } | Body::BrightCar { .. } => (1.2 * stance.height, 0.12 * stance.height),
    };
    let (x, y) = (stance.x, stance.feet);
    paint_luma(planes, origin, [x - half_w, y - half_h, x + half_w, y + half_h], |px, py, under| {
        let (dx, dy) = ((px - x) / half_w, (py - y) / half_h);
        let dark = 0.4 * smooth(1.0, 0.4, (dx * dx + dy * dy).sqrt());
        if dark == 0.0 || hidden(px, py) { under } else { under * (1.0 - dark) }
    });
}

/// The columns or rows of `len` pixels that a stretch of the scene covers.
fn span(low: f32, high: f32, len: usize) -> std::ops::Range<usize> {
    let clamp = |v: f32| v.clamp(0.0, len as f32) as usize;
    clamp((low - EDGE).floor())..clamp((high + EDGE).ceil() + 1.0)
}

fn paint_luma(planes: &mut Planes, [ox, oy]: [f32; 2], bounds: [f32; 4], color: impl Fn(f32, f32, f32) -> f32) {
    for y in span(bounds[1] - oy, bounds[3] - oy, planes.height) {
        for x in span(bounds[0] - ox, bounds[2] - ox, planes.width) {
            let pixel = &mut planes.y[y * planes.width + x];
            *pixel = (color(x as f32 + ox, y as f32 + oy, f32::from(*pixel)) + 0.5) as u8;
        }
    }
}

fn paint(planes: &mut Planes, origin: [f32; 2], bounds: [f32; 4], color: impl Fn(f32, f32) -> (f32, [f32; 3])) {
    paint_luma(planes, origin, bounds, |x, y, under| {
        let (cover, [luma, ..]) = color(x, y);
        lerp(under, luma, cover)
    });
    let (width, height) = (planes.width / 2, planes.height / 2);
    let [ox, oy] = origin;
    for y in span(0.5 * (bounds[1] - oy), 0.5 * (bounds[3] - oy), height) {
        for x in span(0.5 * (bounds[0] - ox), 0.5 * (bounds[2] - ox), width) {
            let (cover, [_, u, v]) = color(2.0 * x as f32 + 0.5 + ox, 2.0 * y as f32 + 0.5 + oy);
            for (plane, chroma) in [(&mut planes.u, u), (&mut planes.v, v)] {
                let pixel = &mut plane[y * width + x];
                *pixel = (lerp(f32::from(*pixel), chroma, cover) + 0.5) as u8;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_hold_every_pixel_that_is_drawn() {
        for (body, leftward) in [(Body::Person { seed: 3 }, false), (Body::Car { seed: 8 }, true)] {
            let stance = Stance { x: 160.3, feet: 190.0, height: 80.0, travelled: 37.0, leftward };
            let mut planes = Planes::new(320, 240);
            draw(&mut planes, [0.0, 0.0], body, &stance, false, &|_, _| false);
            let [x1, y1, x2, y2] = bounds(body, &stance);
            let mut seen = NOWHERE;
            for (k, _) in planes.y.iter().enumerate().filter(|(_, luma)| **luma > 0) {
                let (x, y) = ((k % 320) as f32, (k / 320) as f32);
                seen = union(seen, [x, y, x, y]);
            }
            for (drawn, bound) in seen.into_iter().zip([x1, y1, x2, y2]) {
                assert!((drawn - bound).abs() < 2.5, "{body:?}: drawn {seen:?}, bounds {:?}", [x1, y1, x2, y2]);
            }
        }
    }
}
