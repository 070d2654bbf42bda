//! Light: how the picture differs from the background in brightness alone, as a gain and an offset that change slowly from
//! place to place.

use super::grid::Grid;
use crate::imaging::vectorized;

/// Pixels of a side of a tile.
pub(super) const TILE: usize = 16;
/// Between pixels so far apart, the light of a row is a straight line.
const RAMP: usize = TILE / 2;

/// Sums over the pixels of a tile that are looked at.
#[derive(Clone, Copy, Debug, Default)]
struct Tile {
    pixels: f32,
    mean: f32,
    mean_background: f32,
    /// Standard deviations, and the covariance of picture and background.
    spread: f32,
    spread_background: f32,
    covariance: f32,
    /// The mean square of their difference.
    difference: f32,
}

/// level = gain · background + offset.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Change {
    pub(super) gain: f32,
    pub(super) offset: f32,
}

impl Change {
    const NONE: Self = Self { gain: 1.0, offset: 0.0 };
    /// The slope of a change that is the same everywhere.
    const STILL: Self = Self { gain: 0.0, offset: 0.0 };

    #[inline(always)]
    fn at(self, level: f32) -> f32 {
        self.gain * level + self.offset
    }

    fn is_unseen(&self) -> bool {
        self.at(0.0).abs() < UNSEEN && (self.at(255.0) - 255.0).abs() < UNSEEN
    }

    fn inverse(self) -> Self {
        Self { gain: 1.0 / self.gain, offset: -self.offset / self.gain }
    }
}

/// What the tiles say about a picture as a whole; shares of the tiles that could say it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct View {
    /// Tiles whose brightness the light explains, and changes by more than [`VISIBLE`].
    pub(super) relit: f32,
    /// Tiles with a texture, whose pattern is another one.
    pub(super) scrambled: f32,
    /// Tiles with a texture, that have lost it.
    pub(super) flat: f32,
    /// The mean change of brightness that the light explains, in levels.
    pub(super) level: f32,
}

/// A change of light that an eye sees, in levels.
const VISIBLE: f32 = 4.0;
/// A change that the background model does not see, in levels.
const UNSEEN: f32 = 1.5;
/// The least texture, as standard deviation in levels, besides what noise makes.
const TEXTURE: f32 = 3.0;
/// A pattern in another light correlates at least so.
const SAME: f32 = 0.85;
/// The share of the difference that another light may leave over.
const LEFT: f32 = 0.25;
/// A pattern that correlates less is another one.
const OTHER: f32 = 0.5;
/// Below this share of its contrast a tile has lost its texture.
const LOST: f32 = 0.35;
/// Gains of a real scene.
const GAINS: std::ops::RangeInclusive<f32> = 0.2..=4.0;

/// Light over the working picture, estimated anew for each frame.
#[derive(Clone, Debug)]
pub(super) struct Light {
    columns: usize,
    rows: usize,
    tiles: Vec<Tile>,
    changes: Vec<Change>,
    known: Vec<bool>,
    sorted: Vec<f32>,
    /// The inverse changes of a row of pixels, at the middle of each tile.
    row: Vec<Change>,
    /// For each half tile of a row, the change at its first pixel and what it grows by from pixel to pixel.
    ramps: Vec<(Change, Change)>,
}

impl Light {
    pub(super) fn new(grid: &Grid) -> Self {
        let (columns, rows) = (grid.width.div_ceil(TILE), grid.height.div_ceil(TILE));
        let tiles = columns * rows;
        let mut light = Self {
            columns,
            rows,
            tiles: vec![Tile::default(); tiles],
            changes: vec![Change::NONE; tiles],
            known: vec![false; tiles],
            sorted: Vec::with_capacity(tiles),
            row: vec![Change::NONE; columns],
            ramps: vec![(Change::NONE, Change::NONE); grid.width.div_ceil(RAMP)],
        };
        for (y, row) in grid.inside.chunks_exact(grid.width).enumerate() {
            for (tile, run) in row.chunks(TILE).enumerate() {
                light.tiles[y / TILE * columns + tile].pixels += run.iter().map(|&one| f32::from(one)).sum::<f32>();
            }
        }
        light
    }

    /// Estimates the light of a picture against the background; both are 0 where they are not looked at. `noise` is the
    /// standard deviation of the sensor's noise, in levels.
    pub(super) fn fit(&mut self, width: usize, picture: &[u8], background: &[u8], noise: f32) -> View {
        self.measure(width, picture, background);
        let global = self.global();
        self.local(global, noise);
        self.view(noise)
    }

    fn measure(&mut self, width: usize, picture: &[u8], background: &[u8]) {
        for (of_tiles, (picture, background)) in self
            .tiles
            .chunks_exact_mut(self.columns)
            .zip(picture.chunks(width * TILE).zip(background.chunks(width * TILE)))
        {
            for (k, tile) in of_tiles.iter_mut().enumerate() {
                let columns = k * TILE..((k + 1) * TILE).min(width);
                let sums = sums(picture, background, width, columns.start, columns.len());
                let share = 1.0 / tile.pixels.max(1.0);
                let [x, b, xx, bb, xb] = sums.map(|sum| sum as f32 * share);
                tile.mean = x;
                tile.mean_background = b;
                tile.spread = (xx - x * x).max(0.0).sqrt();
                tile.spread_background = (bb - b * b).max(0.0).sqrt();
                tile.covariance = xb - x * b;
                tile.difference = (xx - 2.0 * xb + bb).max(0.0);
            }
        }
    }

    /// The light that most of the picture has in common: a line through the tiles' means, those far from it left out.
    fn global(&mut self) -> Change {
        let judged = |tile: &&Tile| tile.pixels > 0.0;
        self.sorted.clear();
        self.sorted.extend(self.tiles.iter().filter(judged).map(|tile| tile.mean - tile.mean_background));
        let mut change = Change { gain: 1.0, offset: median(&mut self.sorted) };
        for _ in 0..4 {
            self.sorted.clear();
            self.sorted.extend(
                self.tiles.iter().filter(judged).map(|tile| (tile.mean - change.at(tile.mean_background)).abs()),
            );
            let reach = 2.5 * median(&mut self.sorted) + 0.5;
            let near = |tile: &&Tile| {
                // What is black or white has no light to tell.
                (8.0..247.0).contains(&tile.mean) && (tile.mean - change.at(tile.mean_background)).abs() <= reach
            };
            let [mut n, mut x, mut b, mut bb, mut xb] = [0f32; 5];
            for tile in self.tiles.iter().filter(judged).filter(near) {
                n += tile.pixels;
                x += tile.pixels * tile.mean;
                b += tile.pixels * tile.mean_background;
                // With the texture inside the tiles, a flat row of means does not leave the gain open.
                bb += tile.pixels * (tile.mean_background.powi(2) + tile.spread_background.powi(2));
                xb += tile.pixels * (tile.mean_background * tile.mean + tile.covariance);
            }
            let spread = bb * n - b * b;
            if n == 0.0 || spread <= n * n {
                break;
            }
            let gain = (xb * n - x * b) / spread;
            if !GAINS.contains(&gain) {
                break;
            }
            change = Change { gain, offset: (x - gain * b) / n };
        }
        // It must explain something.
        let changed = |change: Change| {
            let far = |tile: &&Tile| (tile.mean - change.at(tile.mean_background)).abs() > VISIBLE / 2.0;
            self.tiles.iter().filter(judged).filter(far).count()
        };
        if changed(change) * 5 <= changed(Change::NONE) * 4 || change.offset.abs() < 2.0 {
            change
        } else {
            Change::NONE
        }
    }

    /// Tiles that have a light of their own: those whose pattern shows it, and smooth ones that go with such neighbours.
    fn local(&mut self, global: Change, noise: f32) {
        for (tile, (change, known)) in self.tiles.iter().zip(self.changes.iter_mut().zip(&mut self.known)) {
            (*change, *known) = (global, false);
            let left = tile.mean - global.at(tile.mean_background);
            if tile.pixels == 0.0 || left.abs() <= 1.0 {
                *known = tile.pixels > 0.0;
            } else if tile.spread_background > TEXTURE + 2.0 * noise && tile.is_relit(noise) {
                let gain = (tile.covariance / tile.spread_background.powi(2)).clamp(*GAINS.start(), *GAINS.end());
                *change = Change { gain, offset: tile.mean - gain * tile.mean_background };
                *known = true;
            }
        }
        // From neighbour to neighbour; the light of a lamp reaches no farther than this in tiles.
        for _ in 0..self.columns.max(self.rows).min(8) {
            let mut more = false;
            for k in 0..self.tiles.len() {
                let tile = &self.tiles[k];
                if self.known[k] || tile.pixels == 0.0 {
                    continue;
                }
                let (column, row) = (k % self.columns, k / self.columns);
                let mut sum = 0.0;
                let mut count = 0.0;
                for (there, near) in [
                    (column > 0, k.wrapping_sub(1)),
                    (column + 1 < self.columns, k + 1),
                    (row > 0, k.wrapping_sub(self.columns)),
                    (row + 1 < self.rows, k + self.columns),
                ] {
                    if there && self.known[near] {
                        sum += self.changes[near].at(tile.mean_background) - global.at(tile.mean_background);
                        count += 1.0;
                    }
                }
                let own = tile.mean - global.at(tile.mean_background);
                let expected: f32 = sum / f32::max(count, 1.0);
                let alike = expected.abs() >= 2.0 && (own - expected).abs() <= f32::max(3.0, 0.35 * expected.abs());
                if count > 0.0 && alike && tile.spread <= 2.0 * tile.spread_background + 2.0 * noise + TEXTURE {
                    self.changes[k] = Change { gain: global.gain, offset: global.offset + own };
                    self.known[k] = true;
                    more = true;
                }
            }
            if !more {
                break;
            }
        }
    }

    fn view(&self, noise: f32) -> View {
        let [mut all, mut relit, mut textured, mut scrambled, mut flat, mut level] = [0f32; 6];
        for ((tile, change), &known) in self.tiles.iter().zip(&self.changes).zip(&self.known) {
            if tile.pixels < (TILE * TILE / 4) as f32 {
                continue;
            }
            all += 1.0;
            let moved = change.at(tile.mean_background) - tile.mean_background;
            level += moved;
            if known && moved.abs() >= VISIBLE {
                relit += 1.0;
            }
            if tile.spread_background > TEXTURE + 2.0 * noise {
                textured += 1.0;
                let lost = tile.spread < LOST * tile.spread_background + noise;
                if tile.correlation() < OTHER {
                    *(if lost { &mut flat } else { &mut scrambled }) += 1.0;
                }
            }
        }
        // A picture without texture cannot lose it.
        let of_textured = if textured * 20.0 >= all { 1.0 / f32::max(textured, 1.0) } else { 0.0 };
        let of_all = 1.0 / f32::max(all, 1.0);
        View {
            relit: relit * of_all,
            scrambled: scrambled * of_textured,
            flat: flat * of_textured,
            level: level * of_all,
        }
    }

    /// No change from now on.
    pub(super) fn forget(&mut self) {
        self.changes.fill(Change::NONE);
    }

    /// Whether there is any change to speak of.
    pub(super) fn is_none(&self) -> bool {
        self.changes.iter().all(Change::is_unseen)
    }

    /// The picture as it would be in the light of the background. Where picture and expectation are both black, or both white,
    /// it is the background.
    pub(super) fn remove(&mut self, width: usize, picture: &[u8], background: &[u8], out: &mut [u8]) {
        for (y, ((picture, background), out)) in
            picture.chunks_exact(width).zip(background.chunks_exact(width)).zip(out.chunks_exact_mut(width)).enumerate()
        {
            if self.is_still(y) {
                out.copy_from_slice(picture);
            } else {
                self.row_at(y);
                unlight(&self.ramps, picture, background, out);
            }
        }
    }

    /// Whether there is no change to speak of in a row of pixels.
    pub(super) fn is_still(&self, y: usize) -> bool {
        let (above, below, _) = between(y, self.rows);
        self.changes[above * self.columns..(below + 1) * self.columns].iter().all(Change::is_unseen)
    }

    /// The change at one pixel.
    pub(super) fn at(&self, x: usize, y: usize) -> Change {
        let (above, below, share) = between(y, self.rows);
        let (left, right, part) = between(x, self.columns);
        let row =
            |row: usize| mix(self.changes[row * self.columns + left], self.changes[row * self.columns + right], part);
        mix(row(above), row(below), share)
    }

    /// Mixes two rows of tiles for one row of pixels, the other way round: from the picture to the background.
    fn row_at(&mut self, y: usize) {
        let (above, below, share) = between(y, self.rows);
        for (column, change) in self.row.iter_mut().enumerate() {
            let change_in = |row: usize| self.changes[row * self.columns + column];
            *change = mix(change_in(above), change_in(below), share).inverse();
        }
        let at = |x: usize| {
            let (left, right, part) = between(x, self.columns);
            mix(self.row[left], self.row[right], part)
        };
        let mut from = at(0);
        for (k, ramp) in self.ramps.iter_mut().enumerate() {
            let to = at((k + 1) * RAMP);
            let step = 1.0 / RAMP as f32;
            let slope = Change { gain: (to.gain - from.gain) * step, offset: (to.offset - from.offset) * step };
            *ramp = (from, slope);
            from = to;
        }
    }
}

impl Tile {
    /// Whether a gain and an offset explain most of the difference; of a pattern that moved aside they explain little.
    fn is_relit(&self, noise: f32) -> bool {
        let correlation = self.correlation();
        let left = self.spread.powi(2) * (1.0 - correlation.powi(2).min(1.0));
        correlation >= SAME && left - noise.powi(2) <= LEFT * (self.difference - noise.powi(2))
    }

    fn correlation(&self) -> f32 {
        self.covariance / (self.spread * self.spread_background).max(1.0)
    }
}

/// The two tiles whose centres a pixel lies between, and how far it is from the first one.
fn between(at: usize, tiles: usize) -> (usize, usize, f32) {
    let place = ((at as f32 + 0.5) / TILE as f32 - 0.5).clamp(0.0, (tiles - 1) as f32);
    let first = place as usize;
    (first, (first + 1).min(tiles - 1), place - first as f32)
}

fn mix(a: Change, b: Change, share: f32) -> Change {
    Change { gain: a.gain + (b.gain - a.gain) * share, offset: a.offset + (b.offset - a.offset) * share }
}

fn median(values: &mut [f32]) -> f32 {
    let middle = values.len() / 2;
    if values.is_empty() { 0.0 } else { *values.select_nth_unstable_by(middle, f32::total_cmp).1 }
}

vectorized! {
    /// Σx, Σb, Σx², Σb², Σxb over columns of up to [`TILE`] rows.
    fn sums(picture: &[u8], background: &[u8], width: usize, first: usize, columns: usize) -> [u32; 5] {
        let mut sums = [0u32; 5];
        for (picture, background) in picture.chunks_exact(width).zip(background.chunks_exact(width)) {
            let (picture, background) = (&picture[first..first + columns], &background[first..first + columns]);
            match (<&[u8; TILE]>::try_from(picture), <&[u8; TILE]>::try_from(background)) {
                (Ok(picture), Ok(background)) => add(picture, background, &mut sums),
                _ => add(picture, background, &mut sums),
            }
        }
        sums
    }
}

#[inline(always)]
fn add(picture: &[u8], background: &[u8], sums: &mut [u32; 5]) {
    for (&x, &b) in picture.iter().zip(background) {
        let (x, b) = (u32::from(x), u32::from(b));
        sums[0] += x;
        sums[1] += b;
        sums[2] += x * x;
        sums[3] += b * b;
        sums[4] += x * b;
    }
}

vectorized! {
    fn unlight(ramps: &[(Change, Change)], picture: &[u8], background: &[u8], out: &mut [u8]) {
        let parts = picture.chunks(RAMP).zip(background.chunks(RAMP)).zip(out.chunks_mut(RAMP));
        for (&(from, slope), ((picture, background), out)) in ramps.iter().zip(parts) {
            if from == Change::NONE && slope == Change::STILL {
                out.copy_from_slice(picture);
                continue;
            }
            match (<&[u8; RAMP]>::try_from(picture), <&[u8; RAMP]>::try_from(background), <&mut [u8; RAMP]>::try_from(&mut *out)) {
                (Ok(picture), Ok(background), Ok(out)) => unlight_part(from, slope, picture, background, out),
                _ => unlight_part(from, slope, picture, background, out),
            }
        }
    }
}

#[inline(always)]
fn unlight_part(from: Change, slope: Change, picture: &[u8], background: &[u8], out: &mut [u8]) {
    for (k, ((&x, &b), out)) in picture.iter().zip(background).zip(out).enumerate() {
        let k = k as f32;
        let change = Change { gain: from.gain + slope.gain * k, offset: from.offset + slope.offset * k };
        let level = f32::from(b);
        let clipped = (x >= 250) & (level >= change.at(245.0)) | (x <= 5) & (level <= change.at(10.0));
        let back = (change.at(x.into()) + 0.5).clamp(0.0, 255.0) as i32 as u8;
        *out = if clipped { b } else { back };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Size;
    use crate::motion::gate::MotionGateConfig;

    const W: usize = 320;
    const H: usize = 180;

    fn scene() -> Vec<u8> {
        let mut state = 1u32;
        (0..W * H)
            .map(|k| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let (x, y) = (k % W, k / W);
                let walls = if (x / 23 + y / 17) % 2 == 0 { 70 } else { 150 };
                // The lower third is a road without pattern.
                (if y > 120 { 100 } else { walls }) + (state >> 30) as u8
            })
            .collect()
    }

    fn fitted(change: impl Fn(usize, usize, u8) -> f32) -> (View, f32) {
        let config = MotionGateConfig { working_width: 0, ..MotionGateConfig::default() };
        let grid = Grid::new(Size::new(W as u32, H as u32), &config).unwrap();
        let background = scene();
        let picture: Vec<u8> =
            background.iter().enumerate().map(|(k, &b)| change(k % W, k / W, b).clamp(0.0, 255.0) as u8).collect();
        let mut light = Light::new(&grid);
        let view = light.fit(W, &picture, &background, 1.0);
        let mut out = vec![0; W * H];
        light.remove(W, &picture, &background, &mut out);
        let far = out.iter().zip(&background).filter(|&(&a, &b)| a.abs_diff(b) > 4).count();
        (view, far as f32 / (W * H) as f32)
    }

    #[test]
    fn steps_gains_and_lamps_are_explained() {
        for (name, change) in [
            ("step", (|_, _, b| f32::from(b) + 20.0) as fn(usize, usize, u8) -> f32),
            ("darker", |_, _, b| f32::from(b) - 25.0),
            ("gain", |_, _, b| f32::from(b) * 1.3),
            ("cloud", |x, _, b| f32::from(b) * (0.7 + 0.3 / (1.0 + (-(x as f32 - 160.0) / 20.0).exp()))),
        ] {
            let (view, far) = fitted(change);
            assert!(far < 0.02 && view.relit > 0.3 && view.scrambled < 0.05, "{name}: {far} {view:?}");
        }
    }

    #[test]
    fn nothing_and_objects_are_no_light() {
        let (view, far) = fitted(|_, _, b| f32::from(b));
        assert!(view.relit == 0.0 && far == 0.0, "{view:?}");
        // A dark car of a fifth of the picture on the flat road.
        let (view, far) = fitted(|x, y, b| if (60..250).contains(&x) && y > 125 { 40.0 } else { f32::from(b) });
        // A share of relit tiles that makes no light shift.
        assert!(view.relit < 0.06 && far > 0.15, "{far} {view:?}");
    }

    #[test]
    fn a_covered_lens_and_another_view_are_told_apart() {
        let (view, _) = fitted(|_, _, _| 20.0);
        assert!(view.flat > 0.9, "{view:?}");
        let other = scene();
        let (view, _) = fitted(|x, y, _| f32::from(other[(y * W + x + 4321) % (W * H)]));
        assert!(view.scrambled > 0.5 && view.flat < 0.2, "{view:?}");
    }
}
