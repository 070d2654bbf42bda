//! Explanations of changed pixels other than an object: the same background shifted by a pixel or two (wind, a shaking
//! camera), or in softer or stronger light (the edge of a lamp's light).

use super::regions::Region;
use crate::imaging::vectorized;
use std::ops::Range;

/// Pixels of a side of a cell, which is explained as a whole.
pub(super) const CELL: usize = 8;
/// Width of the border that a cell is judged together with.
const BORDER: usize = 4;
const SIDE: usize = CELL + 2 * BORDER;
/// The largest displacement of the background, in pixels.
const REACH: usize = 3;
/// Changed pixels in a window from which on it counts as swaying.
const LEAF: usize = 12;
/// Changed pixels for each one that may stay unexplained.
const PER_LEFT: usize = 3;

/// The pictures that an explanation is sought in, all of the same size.
#[derive(Clone, Copy)]
pub(super) struct Scene<'a> {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) picture: &'a [u8],
    pub(super) background: &'a [u8],
    /// 1 where a pixel is in the region of interest.
    pub(super) inside: &'a [u8],
    /// The difference of levels up to which pixels count as equal.
    pub(super) tolerance: u8,
}

/// Why a cell changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    Light,
    Sway,
    /// Displaced background, but so few pixels that noise explains them.
    Little,
}

/// Clears from `changed` the cells that something explains, as far as it does, and gives the column, the row and the reason
/// of each.
pub(super) fn explain(scene: &Scene<'_>, changed: &mut [u8], mut explained: impl FnMut(usize, usize, Reason)) {
    for top in (0..scene.height).step_by(CELL) {
        for left in (0..scene.width).step_by(CELL) {
            let (bottom, right) = ((top + CELL).min(scene.height), (left + CELL).min(scene.width));
            let rows = |y: usize| y * scene.width + left..y * scene.width + right;
            if (top..bottom).all(|y| changed[rows(y)].iter().all(|&one| one == 0)) {
                continue;
            }
            let window = Window::around(scene, left, top);
            let Some((reason, left_over)) = window.reason(scene.tolerance) else { continue };
            explained(left / CELL, top / CELL, reason);
            for y in top..bottom {
                for (k, one) in changed[rows(y)].iter_mut().enumerate() {
                    *one &= left_over[(y - window.top) * SIDE + (left - window.left) + k];
                }
            }
        }
    }
}

/// When the background last swayed, by cell.
#[derive(Clone, Debug)]
pub(super) struct Sway {
    columns: usize,
    /// Times in seconds.
    pub(super) last_s: Vec<f64>,
}

/// Wind comes in gusts: a cell that swayed counts as swaying this long.
const GUST_S: f64 = 3.0;
/// Swaying cells, of the 25 around a region, from which on wind may explain it.
const BRANCH_CELLS: usize = 4;
/// Regions smaller than `BRANCH` pixels are part of what sways; those smaller than `CROWN` may be.
const BRANCH: usize = 96;
const CROWN: usize = 400;

impl Sway {
    pub(super) fn new(width: usize, height: usize) -> Self {
        let columns = width.div_ceil(CELL);
        Self { columns, last_s: vec![f64::NEG_INFINITY; columns * height.div_ceil(CELL)] }
    }

    pub(super) fn note(&mut self, column: usize, row: usize, now_s: f64) {
        self.last_s[row * self.columns + column] = now_s;
    }

    /// Whether a region is a part of what sways around it, or may be.
    pub(super) fn covers(&self, region: &Region, now_s: f64) -> Cover {
        let (x, y) = region.center();
        let (x, y) = (x as usize / CELL, y as usize / CELL);
        let own = |at: usize, side: &Range<usize>| at * CELL < side.end && side.start < (at + 1) * CELL;
        // Cells of the region itself are left out: it may be an object in front of a pattern.
        let sways = |&(row, column): &(usize, usize)| {
            !(own(row, &region.y) && own(column, &region.x))
                && now_s - self.last_s[row * self.columns + column] <= GUST_S
        };
        let rows = self.last_s.len() / self.columns;
        let around = |at: usize, count: usize| at.saturating_sub(2)..(at + 3).min(count);
        let cells = around(y, rows).flat_map(|row| around(x, self.columns).map(move |column| (row, column)));
        if cells.filter(sways).count() < BRANCH_CELLS {
            return Cover::No;
        }
        match region.area {
            ..BRANCH => Cover::Yes,
            BRANCH..CROWN => Cover::Perhaps,
            _ => Cover::No,
        }
    }
}

/// Whether a region is a part of something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cover {
    Yes,
    Perhaps,
    No,
}

/// A cell with its border, and farther out what may have moved into it.
struct Window {
    left: usize,
    top: usize,
    picture: [u8; SIDE * SIDE],
    inside: [u8; SIDE * SIDE],
    background: Patch,
}

/// The background of a window and around it; rows are longer than needed, so that they are whole vectors.
type Patch = [[u8; STRIDE]; PATCH];
const STRIDE: usize = 32;
const PATCH: usize = SIDE + 2 * REACH;

impl Window {
    fn around(scene: &Scene<'_>, left: usize, top: usize) -> Self {
        let (left, top) = (left.saturating_sub(BORDER), top.saturating_sub(BORDER));
        let mut window =
            Self { left, top, picture: [0; SIDE * SIDE], inside: [0; SIDE * SIDE], background: [[0; STRIDE]; PATCH] };
        let columns = SIDE.min(scene.width - left);
        for y in 0..SIDE.min(scene.height - top) {
            let from = (top + y) * scene.width + left;
            let to = y * SIDE;
            window.picture[to..to + columns].copy_from_slice(&scene.picture[from..from + columns]);
            window.inside[to..to + columns].copy_from_slice(&scene.inside[from..from + columns]);
        }
        let near = |at: usize, side: usize| at.saturating_sub(REACH).min(side - 1);
        for (y, row) in window.background.iter_mut().enumerate() {
            let from = &scene.background[near(top + y, scene.height) * scene.width..][..scene.width];
            match left.checked_sub(REACH).and_then(|first| from.get(first..first + PATCH)) {
                Some(from) => row[..PATCH].copy_from_slice(from),
                // At a border, the nearest pixel.
                None => row[..PATCH]
                    .iter_mut()
                    .enumerate()
                    .for_each(|(x, value)| *value = from[near(left + x, scene.width)]),
            }
        }
        window
    }

    /// The explanation, and 1 for each pixel that it leaves over.
    fn reason(&self, tolerance: u8) -> Option<(Reason, [u8; SIDE * SIDE])> {
        let mut left_over = [0; SIDE * SIDE];
        let own = self.own_background();
        let before = self.outside(&own, tolerance, &mut left_over);
        let enough = before / PER_LEFT;
        // Small movements first: they are the likelier ones. Most objects are like nothing around them.
        let rings = if self.like_nothing(tolerance, enough) <= enough { REACH } else { 0 };
        for ring in 0..rings {
            let (first, last) = (REACH - 1 - ring, REACH + ring);
            let mut best = (usize::MAX, 0, 0);
            for y in first..=last {
                for x in first..=last {
                    if x == first || x == last || y == first || y == last {
                        best = best.min((self.moved(x, y, tolerance, &mut left_over), x, y));
                    }
                }
            }
            let (left, x, y) = best;
            if left <= enough {
                self.moved(x, y, tolerance, &mut left_over);
                let reason = if before < LEAF { Reason::Little } else { Reason::Sway };
                return Some((reason, left_over));
            }
        }
        let soft = self.soft_light(&own)?;
        (self.outside(&soft, tolerance, &mut left_over) <= enough).then_some((Reason::Light, left_over))
    }

    fn own_background(&self) -> [u8; SIDE * SIDE] {
        let mut own = [0; SIDE * SIDE];
        for (own, row) in own.chunks_exact_mut(SIDE).zip(&self.background[REACH..]) {
            own.copy_from_slice(&row[REACH..REACH + SIDE]);
        }
        own
    }

    /// Pixels that differ from these by more than the tolerance.
    fn outside(&self, levels: &[u8; SIDE * SIDE], tolerance: u8, left_over: &mut [u8; SIDE * SIDE]) -> usize {
        beyond(&self.picture, levels, &self.inside, tolerance, left_over)
    }

    /// Pixels that are like no background within reach; more than `enough` are not counted to the end.
    fn like_nothing(&self, tolerance: u8, enough: usize) -> usize {
        beyond_all(&self.picture, &self.background, &self.inside, tolerance, enough)
    }

    /// Pixels that lie outside of what the background at its place and the background moved aside span, wider by the tolerance.
    /// The movement is one between whole pixels: from `x` − [`REACH`] to a pixel more, and `y` alike.
    fn moved(&self, x: usize, y: usize, tolerance: u8, left_over: &mut [u8; SIDE * SIDE]) -> usize {
        beyond_moved(&self.picture, &self.background, (x, y), &self.inside, tolerance, left_over)
    }

    /// The background in a light that changes evenly over the window: the least squares of
    /// gain · background + a · x + b · y + c.
    fn soft_light(&self, background: &[u8; SIDE * SIDE]) -> Option<[u8; SIDE * SIDE]> {
        let sums = equations(&self.picture, background, &self.inside);
        let [gain, a, b, c] = solve(sums)?;
        if !(0.25..=3.0).contains(&gain) {
            return None;
        }
        let mut soft = [0; SIDE * SIDE];
        for (k, (out, &level)) in soft.iter_mut().zip(background).enumerate() {
            let [column, row] = place(k);
            *out = (gain * (f32::from(level) - 128.0) + a * column + b * row + c + 0.5).clamp(0.0, 255.0) as u8;
        }
        Some(soft)
    }
}

/// A pixel's place in a window, about its middle.
fn place(k: usize) -> [f32; 2] {
    [k % SIDE, k / SIDE].map(|at| at as f32 - SIDE as f32 / 2.0)
}

/// Solves four equations of least squares, given above the diagonal; a little is added to it, so that a background without
/// texture leaves the gain at what it takes.
fn solve(mut m: [[f32; 5]; 4]) -> Option<[f32; 4]> {
    for (i, j) in [(1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2)] {
        m[i][j] = m[j][i];
    }
    // Towards a gain of 1, as strongly as noise of two levels on 64 pixels would.
    m[0][0] += 256.0;
    m[0][4] += 256.0;
    for i in 0..4 {
        let pivot = m[i][i];
        if pivot.abs() < 1e-3 {
            return None;
        }
        let own = m[i];
        for (j, row) in m.iter_mut().enumerate() {
            if j != i {
                let share = row[i] / pivot;
                row.iter_mut().zip(own).for_each(|(value, of)| *value -= share * of);
            }
        }
    }
    Some([0, 1, 2, 3].map(|i| m[i][4] / m[i][i]))
}

vectorized! {
    /// The sums of products of background, column, row, one and picture, for [`solve`].
    fn equations(picture: &[u8; SIDE * SIDE], background: &[u8; SIDE * SIDE], inside: &[u8; SIDE * SIDE]) -> [[f32; 5]; 4] {
        // By columns first; what is weighted with the row is weighted on the way.
        let [mut n, mut b, mut x, mut bb, mut bx] = [[0f32; SIDE]; 5];
        let [mut yn, mut yyn, mut yb, mut yx] = [[0f32; SIDE]; 4];
        for row in 0..SIDE {
            let [_, y] = place(row * SIDE);
            for k in 0..SIDE {
                let at = row * SIDE + k;
                let w = f32::from(inside[at]);
                let (wb, wx) = (w * (f32::from(background[at]) - 128.0), w * f32::from(picture[at]));
                n[k] += w;
                b[k] += wb;
                x[k] += wx;
                bb[k] += wb * (f32::from(background[at]) - 128.0);
                bx[k] += wb * f32::from(picture[at]);
                yn[k] += y * w;
                yyn[k] += y * y * w;
                yb[k] += y * wb;
                yx[k] += y * wx;
            }
        }
        let total = |sums: &[f32; SIDE]| sums.iter().sum::<f32>();
        let along = |sums: &[f32; SIDE]| sums.iter().enumerate().map(|(k, sum)| place(k)[0] * sum).sum::<f32>();
        let squared = n.iter().enumerate().map(|(k, sum)| place(k)[0].powi(2) * sum).sum::<f32>();
        [
            [total(&bb), along(&b), total(&yb), total(&b), total(&bx)],
            [0.0, squared, along(&yn), along(&n), along(&x)],
            [0.0, 0.0, total(&yyn), total(&yn), total(&yx)],
            [0.0, 0.0, 0.0, total(&n), total(&x)],
        ]
    }
}

vectorized! {
    fn beyond(
        picture: &[u8; SIDE * SIDE],
        levels: &[u8; SIDE * SIDE],
        inside: &[u8; SIDE * SIDE],
        tolerance: u8,
        left_over: &mut [u8; SIDE * SIDE],
    ) -> usize {
        for k in 0..SIDE * SIDE {
            left_over[k] = u8::from(picture[k].abs_diff(levels[k]) > tolerance) & inside[k];
        }
        total(left_over)
    }
}

vectorized! {
    fn beyond_moved(
        picture: &[u8; SIDE * SIDE],
        background: &Patch,
        aside: (usize, usize),
        inside: &[u8; SIDE * SIDE],
        tolerance: u8,
        left_over: &mut [u8; SIDE * SIDE],
    ) -> usize {
        let (x, y) = aside;
        for row in 0..SIDE {
            let own = &background[row + REACH][REACH..REACH + SIDE];
            let (above, below) = (&background[row + y][x..x + SIDE + 1], &background[row + y + 1][x..x + SIDE + 1]);
            let picture = &picture[row * SIDE..(row + 1) * SIDE];
            let inside = &inside[row * SIDE..(row + 1) * SIDE];
            let left_over = &mut left_over[row * SIDE..(row + 1) * SIDE];
            for k in 0..SIDE {
                let low = own[k].min(above[k]).min(above[k + 1]).min(below[k]).min(below[k + 1]);
                let high = own[k].max(above[k]).max(above[k + 1]).max(below[k]).max(below[k + 1]);
                // Sampled between pixels, a thin line is fainter or stronger than at them.
                let tolerance = tolerance.saturating_add((high - low) / 8);
                let (low, high) = (low.saturating_sub(tolerance), high.saturating_add(tolerance));
                left_over[k] = (u8::from(picture[k] < low) | u8::from(picture[k] > high)) & inside[k];
            }
        }
        total(left_over)
    }
}

vectorized! {
    fn beyond_all(picture: &[u8; SIDE * SIDE], background: &Patch, inside: &[u8; SIDE * SIDE], tolerance: u8, enough: usize) -> usize {
        // Down the columns, then along the rows.
        let mut left_over = [0; SIDE * SIDE];
        // Most backgrounds are so even that their extremes say it all.
        let (mut low, mut high) = (background[0], background[0]);
        for row in background {
            for k in 0..STRIDE {
                low[k] = low[k].min(row[k]);
                high[k] = high[k].max(row[k]);
            }
        }
        let least = low[..PATCH].iter().fold(255, |least: u8, &level| least.min(level));
        let most = high[..PATCH].iter().fold(0, |most: u8, &level| most.max(level));
        let wide = tolerance.saturating_add((most - least) / 8);
        let (least, most) = (least.saturating_sub(wide), most.saturating_add(wide));
        for ((left, &level), &inside) in left_over.iter_mut().zip(picture).zip(inside) {
            *left = (u8::from(level < least) | u8::from(level > most)) & inside;
        }
        let surely = total(&left_over);
        if surely > enough {
            return surely;
        }
        for row in 0..SIDE {
            let (mut low, mut high) = (background[row], background[row]);
            for other in &background[row + 1..=row + 2 * REACH] {
                for k in 0..STRIDE {
                    low[k] = low[k].min(other[k]);
                    high[k] = high[k].max(other[k]);
                }
            }
            let at = row * SIDE;
            for k in 0..SIDE {
                let (mut least, mut most) = (low[k], high[k]);
                for aside in 1..=2 * REACH {
                    least = least.min(low[k + aside]);
                    most = most.max(high[k + aside]);
                }
                let tolerance = tolerance.saturating_add((most - least) / 8);
                let (least, most) = (least.saturating_sub(tolerance), most.saturating_add(tolerance));
                left_over[at + k] = (u8::from(picture[at + k] < least) | u8::from(picture[at + k] > most)) & inside[at + k];
            }
        }
        total(&left_over)
    }
}

#[inline(always)]
fn total(ones: &[u8; SIDE * SIDE]) -> usize {
    let mut columns = [0u8; SIDE];
    for row in ones.as_chunks::<SIDE>().0 {
        for (column, one) in columns.iter_mut().zip(row) {
            *column += one;
        }
    }
    columns.iter().map(|&count| usize::from(count)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const W: usize = 96;
    const H: usize = 64;

    /// Leaves on the left, a flat road on the right.
    fn background() -> Vec<u8> {
        let mut state = 7u32;
        let noise: Vec<u8> = (0..W * H / 4)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 25) as u8 + 40
            })
            .collect();
        (0..W * H).map(|k| if k % W < 48 { noise[k / W / 2 * (W / 2) + k % W / 2] } else { 100 }).collect()
    }

    /// Changed pixels before and after.
    fn explained(picture: &[u8]) -> (usize, usize, [usize; 2]) {
        let background = background();
        let scene = Scene { width: W, height: H, picture, background: &background, inside: &[1; W * H], tolerance: 8 };
        let mut changed: Vec<u8> =
            picture.iter().zip(&background).map(|(&a, &b)| u8::from(a.abs_diff(b) > 8)).collect();
        let before = changed.iter().filter(|&&one| one == 1).count();
        let mut counts = [0; 2];
        explain(&scene, &mut changed, |_, _, reason| counts[usize::from(reason == Reason::Sway)] += 1);
        (before, changed.iter().filter(|&&one| one == 1).count(), counts)
    }

    #[test]
    fn leaves_in_the_wind_and_soft_lamps_are_explained() {
        let background = background();
        let swayed: Vec<u8> = (0..W * H).map(|k| background[k / W * W + (k % W + 1).min(W - 1)]).collect();
        let (before, after, counts) = explained(&swayed);
        assert!(before > 800 && after * 10 < before && counts[1] > 30, "{before} {after} {counts:?}");
        let lamp: Vec<u8> = (0..W * H)
            .map(|k| {
                let far = ((k % W) as f32 - 72.0).hypot((k / W) as f32 - 32.0);
                (f32::from(background[k]) + 60.0 / (1.0 + ((far - 14.0) / 4.0).exp())) as u8
            })
            .collect();
        let (before, after, counts) = explained(&lamp);
        assert!(before > 400 && after * 8 < before && counts[0] > 8, "{before} {after} {counts:?}");
    }

    #[test]
    fn people_are_not_explained() {
        for (name, left, top, width, height) in
            [("on the road", 60, 20, 10, 26), ("before leaves", 12, 20, 10, 26), ("far away", 70, 30, 2, 4)]
        {
            let mut picture = background();
            for y in top..top + height {
                picture[y * W + left..][..width].fill(if y < top + height / 3 { 25 } else { 190 });
            }
            let (before, after, counts) = explained(&picture);
            assert!(after * 2 > before, "{name}: {before} {after} {counts:?}");
        }
    }
}
