//! From changed pixels to regions.

use super::grid::Grid;
use crate::geometry::BoundingBox;
use crate::imaging::vectorized;
use image::{GrayImage, Luma};
use imageproc::region_labelling::{Connectivity, connected_components};
use std::ops::Range;

/// Pixels of a side of the squares that are connected: small gaps inside an object close.
const SQUARE: usize = 2;
/// Regions whose boxes are nearer than this are one, in working pixels.
const NEAR: usize = 4;
/// Regions of a frame; the largest are kept.
const MAX_REGIONS: usize = 256;

/// A connected region in working pixels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Region {
    pub(super) x: Range<usize>,
    pub(super) y: Range<usize>,
    /// Changed pixels.
    pub(super) area: usize,
}

vectorized! {
    /// Three rows of ones and zeros: a one in the middle row stays that has at least `least` others around it.
    fn despeckle_row(above: &[u8], row: &[u8], below: &[u8], least: u8, out: &mut [u8]) {
        let width = row.len();
        let inner = width.saturating_sub(2);
        let (a, r, b) = (&above[..width], &row[..width], &below[..width]);
        for k in 0..inner {
            let sum = a[k] + a[k + 1] + a[k + 2] + r[k] + r[k + 2] + b[k] + b[k + 1] + b[k + 2];
            out[k + 1] = r[k + 1] & u8::from(sum >= least);
        }
        for k in [0, width - 1] {
            let mut sum = 0;
            for column in k.saturating_sub(1)..(k + 2).min(width) {
                sum += a[column] + r[column] + b[column];
            }
            out[k] = r[k] & u8::from(sum > least);
        }
    }
}

/// Drops ones that stand alone; returns how many are left.
pub(super) fn despeckle(width: usize, mask: &[u8], least: u8, zeros: &[u8], out: &mut [u8]) -> usize {
    let rows = mask.chunks_exact(width);
    let row = |y: usize| mask.get(y * width..(y + 1) * width).unwrap_or(&zeros[..width]);
    for (y, (middle, out)) in rows.zip(out.chunks_exact_mut(width)).enumerate() {
        let above = if y == 0 { &zeros[..width] } else { row(y - 1) };
        despeckle_row(above, middle, row(y + 1), least, out);
    }
    count(out)
}

vectorized! {
    /// Ones in a mask.
    pub(super) fn count(mask: &[u8]) -> usize {
        mask.chunks(128).map(|some| usize::from(some.iter().sum::<u8>())).sum()
    }
}

vectorized! {
    /// A mask of 255 for foreground as a mask of ones.
    pub(super) fn ones(mask: &mut [u8]) {
        for value in mask {
            *value = u8::from(*value == 255);
        }
    }
}

vectorized! {
    /// Pixels that differ by more than this.
    pub(super) fn differing(a: &[u8], b: &[u8], tolerance: u8) -> usize {
        let differs = |(a, b): (&u8, &u8)| u8::from(a.abs_diff(*b) > tolerance);
        a.chunks(128).zip(b.chunks(128)).map(|(a, b)| usize::from(a.iter().zip(b).map(differs).sum::<u8>())).sum()
    }
}

/// The connected regions of a mask of ones, near ones merged, the largest first.
pub(super) fn regions(grid: &Grid, mask: &[u8]) -> Vec<Region> {
    let Some((columns, rows)) = hull(grid, mask) else { return Vec::new() };
    let (left, top) = (columns.start / SQUARE, rows.start / SQUARE);
    let (width, height) = (columns.end.div_ceil(SQUARE) - left, rows.end.div_ceil(SQUARE) - top);
    // One empty row more: imageproc 0.27 panics where there are as many labels as pixels, as in a picture of one pixel.
    let mut squares = GrayImage::new(width as u32, height as u32 + 1);
    for y in rows {
        let row = &mask[y * grid.width..][..grid.width];
        for (x, _) in row.iter().enumerate().filter(|&(_, &one)| one == 1) {
            squares.put_pixel((x / SQUARE - left) as u32, (y / SQUARE - top) as u32, Luma([1]));
        }
    }
    let labels = connected_components(&squares, Connectivity::Eight, Luma([0]));
    let mut found: Vec<Region> = Vec::new();
    for (x, y, &Luma([label])) in labels.enumerate_pixels().filter(|(.., label)| label.0[0] > 0) {
        let (x, y) = ((left + x as usize) * SQUARE, (top + y as usize) * SQUARE);
        let (x, y) = (x..(x + SQUARE).min(grid.width), y..(y + SQUARE).min(grid.height));
        let area = y.clone().map(|y| count(&mask[y * grid.width..][x.clone()])).sum();
        let square = Region { x, y, area };
        match found.get_mut(label as usize - 1) {
            Some(region) => region.join(&square),
            // Labels are met in order, but for those that were joined later.
            None => {
                found.resize(label as usize - 1, Region { x: 0..0, y: 0..0, area: 0 });
                found.push(square);
            }
        }
    }
    found.retain(|region| region.area > 0);
    found.sort_by_key(|region| std::cmp::Reverse(region.area));
    found.truncate(MAX_REGIONS);
    found
}

impl Region {
    fn join(&mut self, other: &Self) {
        if self.area == 0 {
            *self = other.clone();
            return;
        }
        let hull = |a: &Range<usize>, b: &Range<usize>| a.start.min(b.start)..a.end.max(b.end);
        (self.x, self.y, self.area) = (hull(&self.x, &other.x), hull(&self.y, &other.y), self.area + other.area);
    }

    fn is_near(&self, other: &Self) -> bool {
        let near = |a: &Range<usize>, b: &Range<usize>| a.start < b.end + NEAR && b.start < a.end + NEAR;
        near(&self.x, &other.x) && near(&self.y, &other.y)
    }

    pub(super) fn center(&self) -> (f32, f32) {
        ((self.x.start + self.x.end) as f32 / 2.0, (self.y.start + self.y.end) as f32 / 2.0)
    }
}

/// Boxes in the frame of regions, near ones as one.
pub(super) fn merged(grid: &Grid, regions: impl IntoIterator<Item = Region>) -> Vec<BoundingBox> {
    let mut merged: Vec<Region> = Vec::new();
    for mut region in regions {
        // A region that grew can be near to others that were far.
        while let Some(k) = merged.iter().position(|other| other.is_near(&region)) {
            region.join(&merged.swap_remove(k));
        }
        merged.push(region);
    }
    merged.sort_by_key(|region| std::cmp::Reverse(region.area));
    merged.into_iter().map(|region| grid.to_frame(region.x, region.y)).collect()
}

/// Columns and rows that hold ones.
fn hull(grid: &Grid, mask: &[u8]) -> Option<(Range<usize>, Range<usize>)> {
    let mut rows = mask.chunks_exact(grid.width).enumerate().filter(|(_, row)| row.contains(&1)).map(|(y, _)| y);
    let first = rows.next()?;
    let last = rows.next_back().unwrap_or(first);
    let (mut left, mut right) = (grid.width, 0);
    for row in mask[first * grid.width..(last + 1) * grid.width].chunks_exact(grid.width) {
        if let Some(x) = row.iter().position(|&one| one == 1) {
            left = left.min(x);
            right = right.max(grid.width - row.iter().rev().position(|&one| one == 1).unwrap_or(0));
        }
    }
    Some((left..right, first..last + 1))
}
