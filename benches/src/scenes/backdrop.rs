//! What stands still: a street or a car park, painted once per scene from its seed.

use super::actors::{self, Body, Stance};
use super::maths::{Random, fractal, lerp, noise, smooth};

pub(super) const WIDTH: usize = 640;
pub(super) const HEIGHT: usize = 360;
/// The backdrop reaches this far past the picture on every side, so that the camera may move.
pub(super) const MARGIN: usize = 48;

/// A picture in three planes; chroma has half the width and height.
#[derive(Clone)]
pub(super) struct Planes {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) y: Vec<u8>,
    pub(super) u: Vec<u8>,
    pub(super) v: Vec<u8>,
}

impl Planes {
    pub(super) fn new(width: usize, height: usize) -> Self {
        let chroma = vec![128; width / 2 * (height / 2)];
        Self { width, height, y: vec![0; width * height], u: chroma.clone(), v: chroma }
    }
}

/// The kind of place that the camera looks at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// A street with a house, from a first-floor window.
    Street,
    /// A car park, from a roof.
    CarPark,
    /// A row of bushes behind a terrace; to the right of them it is open.
    Garden,
    /// A room with shelves and desks.
    Room,
}

impl Place {
    pub(super) const fn horizon(self) -> f32 {
        match self {
            Self::Street => 112.0,
            Self::CarPark => 70.0,
            Self::Garden => 182.0,
            Self::Room => 40.0,
        }
    }

    /// How tall a person is in pixels whose feet are in this row.
    pub(super) fn person_height(self, feet: f32) -> f32 {
        let scale = match self {
            Self::Street => 0.62,
            Self::CarPark => 0.11,
            Self::Garden => 1.35,
            Self::Room => 0.8,
        };
        scale * (feet - self.horizon())
    }
}

/// The still picture and what is known of its pixels. All are in the coordinates of the picture, shifted by [`MARGIN`].
pub(super) struct Backdrop {
    pub(super) planes: Planes,
    /// The row where the thing in a pixel stands on the ground: larger is nearer to the camera.
    depth: Vec<i16>,
    /// How much of a pixel is leaves: 0..255.
    foliage: Vec<u8>,
    /// How much of the wind a pixel shows: leaves and what is next to them.
    pub(super) sway: Vec<u8>,
}

impl Backdrop {
    /// How bright a pixel is in infrared light: leaves shine, the sky gives nothing back.
    pub(super) fn glow(&self, column: usize, row: usize) -> f32 {
        let at = row * self.planes.width + column;
        let sky = if self.depth[at] == 0 { 0.2 } else { 1.0 };
        sky + 0.45 / 255.0 * f32::from(self.foliage[at])
    }

    /// Whether something that stands in the row `feet` is hidden at this pixel of the scene.
    pub(super) fn hides(&self, x: f32, y: f32, feet: f32) -> bool {
        let (x, y) = (x.round() as i64 + MARGIN as i64, y.round() as i64 + MARGIN as i64);
        let inside = (0..self.planes.width as i64).contains(&x) && (0..self.planes.height as i64).contains(&y);
        inside && f32::from(self.depth[y as usize * self.planes.width + x as usize]) > feet + 1.0
    }
}

/// One point of the backdrop.
#[derive(Clone, Copy)]
struct Surface {
    color: [f32; 3],
    depth: f32,
    foliage: f32,
}

impl Surface {
    const fn new(color: [f32; 3], depth: f32) -> Self {
        Self { color, depth, foliage: 0.0 }
    }
}

/// What differs between two seeds of one place.
struct Traits {
    seed: u32,
    mirrored: bool,
    house: [f32; 4],
    house_color: [f32; 3],
    trees: [[f32; 4]; 3],
    lamp: f32,
    road: f32,
    grass: f32,
}

impl Traits {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0x5ce0);
        let mut r = |low, high| random.between(low, high);
        Self {
            seed: seed as u32,
            mirrored: seed.is_multiple_of(2),
            house: [-60.0, r(22.0, 42.0), r(205.0, 235.0), 176.0],
            house_color: [r(125.0, 170.0), r(112.0, 124.0), r(128.0, 144.0)],
            trees: [
                [r(455.0, 480.0), r(70.0, 80.0), r(48.0, 62.0), 182.0],
                [r(590.0, 615.0), r(62.0, 74.0), r(52.0, 70.0), 184.0],
                [r(625.0, 645.0), r(300.0, 316.0), r(38.0, 48.0), 352.0],
            ],
            lamp: r(335.0, 365.0),
            road: r(84.0, 106.0),
            grass: r(104.0, 124.0),
        }
    }
}

/// Whether `x` is within `half` of a multiple of `step`.
fn near_multiple(x: f32, step: f32, half: f32) -> bool {
    let rest = x - (x / step).floor() * step;
    rest < half || rest > step - half
}

fn tinted(base: [f32; 3], luma: f32) -> [f32; 3] {
    [base[0] + luma, base[1], base[2]]
}

fn sky(t: &Traits, x: f32, y: f32) -> [f32; 3] {
    let cloud = fractal(t.seed ^ 1, x / 110.0, y / 36.0, 4);
    [lerp(208.0, 186.0, y / 110.0) + 16.0 * cloud, 138.0 - 6.0 * cloud, 120.0 + 3.0 * cloud]
}

/// A crown of leaves and its trunk; `None` beside it.
fn tree(t: &Traits, [cx, cy, r, foot]: [f32; 4], x: f32, y: f32) -> Option<Surface> {
    let rough = 0.22 * fractal(t.seed ^ 2 ^ cx as u32, x / 14.0, y / 14.0, 3);
    let (dx, dy) = ((x - cx) / r, (y - cy) / (0.92 * r));
    let inside = 1.0 + rough - (dx * dx + dy * dy).sqrt();
    if inside > 0.0 {
        let leaves = 44.0 * fractal(t.seed ^ 3, x / 5.0, y / 5.0, 3) + 26.0 * noise(t.seed ^ 27, x / 2.6, y / 2.6);
        let light = leaves - 14.0 * dy;
        let leaf = Surface::new([82.0 + light, 112.0, 120.0], foot);
        return Some(Surface { foliage: smooth(0.0, 0.25, inside), ..leaf });
    }
    let half = 0.055 * r + 0.02 * (y - cy).max(0.0) * 0.3;
    let trunk = (x - cx).abs() < half && y > cy && y < foot;
    trunk.then(|| Surface::new([66.0 + 14.0 * noise(t.seed ^ 4, x / 2.0, y / 9.0), 124.0, 132.0], foot))
}

fn house(t: &Traits, x: f32, y: f32) -> Option<Surface> {
    let [left, top, right, foot] = t.house;
    if x < left || x > right || y > foot || y < top - 14.0 {
        return None;
    }
    if y < top {
        let tile = if near_multiple(y, 4.0, 0.7) { -12.0 } else { 0.0 };
        return Some(Surface::new([96.0 + tile + 10.0 * noise(t.seed ^ 5, x / 3.0, y / 3.0), 120.0, 146.0], foot));
    }
    let (column, row) = ((x - left) / 52.0, (y - top - 10.0) / 48.0);
    let (u, v) = ((column - column.floor()) * 52.0, (row - row.floor()) * 48.0);
    let window = (15.0..37.0).contains(&u) && (4.0..34.0).contains(&v) && row > 0.0 && y < foot - 12.0;
    if window {
        let frame = !(17.0..=35.0).contains(&u) || !(6.0..=32.0).contains(&v) || (u - 26.0).abs() < 1.0;
        if frame {
            return Some(Surface::new([196.0, 126.0, 130.0], foot));
        }
        let glass = 62.0 + 30.0 * fractal(t.seed ^ 6, x / 16.0 + column.floor() * 9.0, y / 12.0, 2) + 0.5 * (34.0 - v);
        return Some(Surface::new([glass, 132.0, 124.0], foot));
    }
    let course = (y / 4.0).floor();
    let joint = near_multiple(y, 4.0, 0.45) || near_multiple(x + 4.0 * (course % 2.0), 8.0, 0.4);
    let wall = if joint { 10.0 } else { 9.0 * noise(t.seed ^ 7, (x / 8.0).floor(), course) };
    let stain = 10.0 * fractal(t.seed ^ 8, x / 60.0, y / 40.0, 3);
    let base = if y > foot - 8.0 { -34.0 } else { 0.0 };
    Some(Surface::new(tinted(t.house_color, wall + stain + base), foot))
}

fn lamp(x: f32, y: f32, at: f32, top: f32, foot: f32) -> Option<Surface> {
    let post = (x - at).abs() < 1.6 && y > top && y < foot;
    let head = (x - at).abs() < 9.0 && (y - top).abs() < 3.0;
    (post || head).then(|| Surface::new([if head { 150.0 } else { 58.0 }, 128.0, 127.0], foot))
}

fn street_ground(t: &Traits, x: f32, y: f32) -> [f32; 3] {
    let away = (y - Place::Street.horizon()).max(1.0);
    // Metres on the ground: x to the side, z from the camera.
    let (gx, gz) = ((x - 320.0) / away, 110.0 / away);
    let grain = |seed: u32, size: f32| fractal(t.seed ^ seed, gx * 14.0 / size, gz * 14.0 / size, 4);
    if y < 126.0 && y > 119.0 {
        return [152.0 + 8.0 * noise(t.seed ^ 9, x / 9.0, y), 121.0, 134.0];
    }
    if y < 172.0 {
        let patch = fractal(t.seed ^ 10, x / 30.0, y / 6.0, 4);
        return [t.grass + 20.0 * patch + 10.0 * noise(t.seed ^ 11, x / 2.5, y / 1.3), 108.0, 121.0];
    }
    if (188.0..191.0).contains(&y) || (261.0..265.0).contains(&y) {
        return [172.0 + 8.0 * noise(t.seed ^ 12, x / 12.0, y), 126.0, 129.0];
    }
    if (191.0..261.0).contains(&y) {
        let dash = (gx * 1.2) - (gx * 1.2).floor() < 0.5;
        if dash && (224.5..228.0).contains(&y) {
            return [186.0 + 12.0 * grain(13, 1.0), 126.0, 129.0];
        }
        let track = 5.0 * smooth(0.0, 6.0, 6.0 - (y - 208.0).abs()) + 5.0 * smooth(0.0, 8.0, 8.0 - (y - 246.0).abs());
        let asphalt = 8.0 * grain(14, 9.0) + 13.0 * noise(t.seed ^ 15, x / 1.7, y / 1.2);
        return [t.road + asphalt - track, 128.0, 127.0];
    }
    let slab = if y < 190.0 || y < 286.0 { 0.34 } else { 0.5 };
    let depth_step = if y < 286.0 { 0.07 } else { 0.06 };
    let joint = near_multiple(gx, slab, 0.9 / away) || near_multiple(gz, depth_step, 0.9 * gz / away);
    let (cx, cz) = ((gx / slab).floor(), (gz / depth_step).floor());
    let stone = 9.0 * noise(t.seed ^ 16, cx * 1.7, cz * 1.3)
        + 7.0 * grain(17, 4.0)
        + 7.0 * noise(t.seed ^ 18, x / 2.0, y / 1.5);
    [if joint { 108.0 } else { 146.0 } + stone, 125.0, 130.0]
}

fn street(t: &Traits, x: f32, y: f32) -> Surface {
    let x = if t.mirrored { WIDTH as f32 - x } else { x };
    let [near, mid, bush] = t.trees;
    if let Some(found) = tree(t, bush, x, y)
        .or_else(|| lamp(x, y, t.lamp, 58.0, 187.0))
        .or_else(|| tree(t, mid, x, y))
        .or_else(|| tree(t, near, x, y))
        .or_else(|| house(t, x, y))
    {
        return found;
    }
    let horizon = Place::Street.horizon();
    let hills = horizon - 9.0 - 11.0 * fractal(t.seed ^ 19, x / 70.0, 0.0, 4);
    if y < hills {
        return Surface::new(sky(t, x, y), 0.0);
    }
    if y < horizon + 2.0 {
        return Surface::new([98.0 + 17.0 * fractal(t.seed ^ 20, x / 6.0, y / 4.0, 3), 120.0, 123.0], horizon);
    }
    Surface::new(street_ground(t, x, y), y)
}

fn car_park(t: &Traits, x: f32, y: f32) -> Surface {
    let x = if t.mirrored { WIDTH as f32 - x } else { x };
    if let Some(found) = lamp(x, y, t.lamp, 120.0, 238.0) {
        return found;
    }
    let hedge = 96.0 - 5.0 * fractal(t.seed ^ 21, x / 18.0, 0.0, 3);
    if y < hedge && y > 70.0 {
        let light = 36.0 * fractal(t.seed ^ 22, x / 5.0, y / 5.0, 3) + 0.4 * (84.0 - y);
        let leaf = Surface::new([80.0 + light, 113.0, 120.0], 98.0);
        return Surface { foliage: smooth(0.0, 8.0, hedge - y), ..leaf };
    }
    if y <= 70.0 {
        let storey = Traits { house: [60.0, 14.0, 590.0, 96.0], ..Traits::new(u64::from(t.seed)) };
        return house(&storey, x, y).unwrap_or_else(|| Surface::new(sky(t, x, y), 0.0));
    }
    let grass = (108.0..122.0).contains(&y) || y > 348.0;
    if grass {
        let patch = fractal(t.seed ^ 23, x / 24.0, y / 8.0, 4);
        return Surface::new([t.grass + 18.0 * patch, 109.0, 121.0], y);
    }
    let away = y - Place::CarPark.horizon();
    let gx = (x - 320.0) / away;
    let bay = (134.0..166.0).contains(&y) || (284.0..336.0).contains(&y);
    let line = bay && near_multiple(gx, 0.42, 0.8 / away) || (y - 225.0).abs() < 0.8 && near_multiple(x, 40.0, 9.0);
    if line {
        return Surface::new([172.0 + 10.0 * noise(t.seed ^ 24, x, y), 127.0, 129.0], y);
    }
    let wear = 12.0 * fractal(t.seed ^ 25, x / 80.0, y / 30.0, 4) + 9.0 * noise(t.seed ^ 26, x / 1.6, y / 1.4);
    Surface::new([t.road + 18.0 + wear, 127.0, 128.0], y)
}

fn garden(t: &Traits, x: f32, y: f32) -> Surface {
    let x = if t.mirrored { WIDTH as f32 - x } else { x };
    let top = 78.0 - 26.0 * fractal(t.seed ^ 28, x / 46.0, 0.0, 3);
    let edge = 470.0 + 24.0 * fractal(t.seed ^ 29, y / 30.0, 0.0, 2);
    if y > top && y < 186.0 && x < edge {
        let leaves = 46.0 * fractal(t.seed ^ 3, x / 5.0, y / 5.0, 3) + 26.0 * noise(t.seed ^ 27, x / 2.6, y / 2.6);
        let gap = fractal(t.seed ^ 30, x / 11.0, y / 11.0, 2) > 0.42;
        let light = if gap { 70.0 } else { leaves - 0.25 * (y - 120.0) };
        let leaf = Surface::new([84.0 + light, 112.0, 120.0], 184.0);
        let inside = smooth(0.0, 8.0, y - top) * smooth(0.0, 8.0, edge - x) * smooth(0.0, 8.0, 186.0 - y);
        return Surface { foliage: inside, ..leaf };
    }
    if y < 150.0 {
        return Surface::new(sky(t, x, y), 0.0);
    }
    if y < 186.0 {
        let fence = if near_multiple(x, 14.0, 2.5) { -26.0 } else { 0.0 };
        return Surface::new([140.0 + fence + 8.0 * noise(t.seed ^ 31, x / 2.0, y / 9.0), 122.0, 133.0], 186.0);
    }
    if y < 262.0 {
        let patch = fractal(t.seed ^ 10, x / 30.0, y / 6.0, 4);
        return Surface::new([t.grass + 18.0 * patch + 9.0 * noise(t.seed ^ 11, x / 2.5, y / 1.3), 108.0, 121.0], y);
    }
    let joint = near_multiple(x + 0.3 * y, 46.0, 1.0) || near_multiple(y, 24.0, 1.0);
    let stone = 8.0 * noise(t.seed ^ 16, (x / 46.0).floor(), (y / 24.0).floor()) + 7.0 * noise(t.seed ^ 18, x / 2.0, y);
    Surface::new([if joint { 106.0 } else { 150.0 } + stone, 125.0, 130.0], y)
}

fn room(t: &Traits, x: f32, y: f32) -> Surface {
    let x = if t.mirrored { WIDTH as f32 - x } else { x };
    let book = (x / 9.0).floor();
    let board = near_multiple(y - 60.0, 38.0, 2.0);
    if (380.0..560.0).contains(&x) && (58.0..176.0).contains(&y) {
        let spine = 60.0 * noise(t.seed ^ 32, book * 1.3, ((y - 60.0) / 38.0).floor());
        return Surface::new([if board { 70.0 } else { 110.0 + spine }, 122.0, 136.0], 190.0);
    }
    if (60.0..300.0).contains(&x) && (186.0..206.0).contains(&y) {
        return Surface::new([98.0 + 7.0 * noise(t.seed ^ 33, x / 20.0, y / 2.0), 120.0, 138.0], 250.0);
    }
    if (90.0..150.0).contains(&x) && (140.0..182.0).contains(&y) {
        return Surface::new([44.0, 129.0, 127.0], 240.0);
    }
    if y < 190.0 {
        return Surface::new([162.0 + 5.0 * fractal(t.seed ^ 34, x / 60.0, y / 60.0, 2), 126.0, 130.0], 0.0);
    }
    let carpet = 9.0 * noise(t.seed ^ 35, x / 2.0, y / 1.5) + 5.0 * fractal(t.seed ^ 36, x / 40.0, y / 20.0, 2);
    Surface::new([104.0 + carpet, 130.0, 124.0], y)
}

impl Backdrop {
    pub(super) fn paint(place: Place, seed: u64) -> Self {
        let (width, height) = (WIDTH + 2 * MARGIN, HEIGHT + 2 * MARGIN);
        let traits = Traits::new(seed);
        let mut colors = Vec::with_capacity(width * height);
        let mut depth = Vec::with_capacity(width * height);
        let mut foliage = Vec::with_capacity(width * height);
        for row in 0..height {
            for column in 0..width {
                let (x, y) = (column as f32 - MARGIN as f32, row as f32 - MARGIN as f32);
                let found = match place {
                    Place::Street => street(&traits, x, y),
                    Place::CarPark => car_park(&traits, x, y),
                    Place::Garden => garden(&traits, x, y),
                    Place::Room => room(&traits, x, y),
                };
                colors.push(found.color);
                depth.push(found.depth as i16);
                foliage.push((255.0 * found.foliage) as u8);
            }
        }
        let planes = soften(&colors, width, height);
        let sway = spread(&foliage, width, height);
        let mut backdrop = Self { planes, depth, foliage, sway };
        if place == Place::CarPark {
            backdrop.park(seed);
        }
        backdrop
    }

    /// Cars that never leave.
    fn park(&mut self, seed: u64) {
        let mut random = Random::new(seed ^ 0xca45);
        for k in 0..7 {
            let back = k < 4;
            let feet = if back { 160.0 } else { 326.0 };
            let x =
                320.0 + (feet - Place::CarPark.horizon()) * (0.84 * (k % 4) as f32 - 1.6 + random.between(-0.02, 0.02));
            let stance =
                Stance { x, feet, height: Place::CarPark.person_height(feet), travelled: 0.0, leftward: k % 2 == 0 };
            let before = self.planes.y.clone();
            let body = Body::Car { seed: random.next() };
            actors::draw(&mut self.planes, [-(MARGIN as f32), -(MARGIN as f32)], body, &stance, true, &|_, _| false);
            for ((depth, old), new) in self.depth.iter_mut().zip(before).zip(&self.planes.y) {
                if old != *new {
                    *depth = feet as i16;
                }
            }
        }
    }
}

/// The most of the neighbourhood, then its mean, so that edges swing with what they belong to.
fn spread(map: &[u8], width: usize, height: usize) -> Vec<u8> {
    const REACH: usize = 5;
    let around = |k: usize, len: usize| k.saturating_sub(REACH)..(k + REACH + 1).min(len);
    let rows = |map: &[u8], join: &dyn Fn(&mut dyn Iterator<Item = u8>) -> u8| -> Vec<u8> {
        let mut out = Vec::with_capacity(map.len());
        for row in map.chunks_exact(width) {
            out.extend((0..width).map(|x| join(&mut around(x, width).map(|x| row[x]))));
        }
        out
    };
    let columns = |map: &[u8], join: &dyn Fn(&mut dyn Iterator<Item = u8>) -> u8| -> Vec<u8> {
        let at = |k: usize| (k % width, k / width);
        let one = |(x, y)| join(&mut around(y, height).map(|y| map[y * width + x]));
        (0..map.len()).map(|k| one(at(k))).collect()
    };
    let most = |values: &mut dyn Iterator<Item = u8>| values.max().unwrap_or(0);
    let mean = |values: &mut dyn Iterator<Item = u8>| {
        let (sum, count) = values.fold((0u32, 0u32), |(sum, count), v| (sum + u32::from(v), count + 1));
        (sum / count.max(1)) as u8
    };
    let wide = columns(&rows(map, &most), &most);
    columns(&rows(&wide, &mean), &mean)
}

/// The lens: every point is mixed with those around it (1 2 1 in both directions).
fn soften(colors: &[[f32; 3]], width: usize, height: usize) -> Planes {
    let at = |x: usize, y: usize, c: usize| colors[y.min(height - 1) * width + x.min(width - 1)][c];
    let mixed = |x: usize, y: usize, c: usize| {
        let row = |y: usize| at(x.saturating_sub(1), y, c) + 2.0 * at(x, y, c) + at(x + 1, y, c);
        (row(y.saturating_sub(1)) + 2.0 * row(y) + row(y + 1)) / 16.0
    };
    let mut planes = Planes::new(width, height);
    for y in 0..height {
        for x in 0..width {
            planes.y[y * width + x] = (mixed(x, y, 0) + 0.5) as u8;
        }
    }
    for y in 0..height / 2 {
        for x in 0..width / 2 {
            planes.u[y * (width / 2) + x] = (mixed(2 * x, 2 * y, 1) + 0.5) as u8;
            planes.v[y * (width / 2) + x] = (mixed(2 * x, 2 * y, 2) + 0.5) as u8;
        }
    }
    planes
}
