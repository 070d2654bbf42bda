use crate::frame::Frame;
use crate::geometry::{Polygon, Size};
use crate::imaging::luma_of;
use serde::{Deserialize, Serialize};

/// Cells along the longer and along the shorter side.
const CELLS: (usize, usize) = (32, 18);
/// Parts of a gray level.
const FINE: f64 = 64.0;
/// A cell without a pixel in the region of interest.
const OUTSIDE: u16 = u16::MAX;

/// Mean brightness of the grid cells of a picture, to detect near-duplicates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Thumbnail {
    size: Size,
    /// In 1/64 gray levels, row by row.
    cells: Vec<u16>,
}

impl Thumbnail {
    /// Of the pixels inside any of `include` (everywhere where there are none) and inside none of `exclude`. Made from a
    /// small picture: it costs a pass over all pixels.
    pub(crate) fn of(frame: &Frame, include: &[Polygon], exclude: &[Polygon]) -> Self {
        let size = frame.size();
        let (width, height) = (size.width as usize, size.height as usize);
        let (across, down) = if width >= height { CELLS } else { (CELLS.1, CELLS.0) };
        let (across, down) = (across.min(width), down.min(height));
        let (step, weights) = luma_of(frame.format());
        let weights = weights.unwrap_or([1.0, 0.0, 0.0]);

        let mut sums = vec![([0u64; 3], 0u64); across * down];
        let (mut inside, mut edges) = (vec![1; width], Vec::new());
        for y in 0..height {
            if !include.is_empty() || !exclude.is_empty() {
                inside.fill(u8::from(include.is_empty()));
                for (polygons, value) in [(include, 1), (exclude, 0)] {
                    for polygon in polygons {
                        polygon.fill_row((y as f64 + 0.5) / height as f64, value, &mut inside, &mut edges);
                    }
                }
            }
            let row = frame.row(0, y as u32);
            for x in 0..across {
                let columns = x * width / across..(x + 1) * width / across;
                let (sum, count) = &mut sums[y * down / height * across + x];
                add(row, &inside, step, columns, sum, count);
            }
        }
        let cells = sums.iter().map(|&(sum, count)| {
            if count == 0 {
                return OUTSIDE;
            }
            let luma: f64 = sum.iter().zip(weights).map(|(&sum, weight)| sum as f64 * f64::from(weight)).sum();
            (luma / count as f64 * FINE).round() as u16
        });
        Self { size, cells: cells.collect() }
    }

    /// Whether no cell differs by more than `levels` gray levels. The maximum difference counts, not the mean:
    /// something small must not hide in a large picture. Pictures of another size or region are never near, and neither
    /// is one without a cell in the region.
    pub(crate) fn is_near(&self, other: &Self, levels: f32) -> bool {
        let most = f64::from(levels) * FINE;
        let alike = |(&a, &b): (&u16, &u16)| match (a, b) {
            (OUTSIDE, OUTSIDE) => true,
            (OUTSIDE, _) | (_, OUTSIDE) => false,
            // NaN is above nothing, but also not below.
            _ => f64::from(a.abs_diff(b)) <= most,
        };
        self.size == other.size
            && self.cells.len() == other.cells.len()
            && self.cells.iter().any(|&cell| cell != OUTSIDE)
            && self.cells.iter().zip(&other.cells).all(alike)
    }
}

/// Adds the pixels of some columns that are inside.
fn add(row: &[u8], inside: &[u8], step: usize, columns: std::ops::Range<usize>, sum: &mut [u64; 3], count: &mut u64) {
    let (Some(inside), Some(pixels)) = (inside.get(columns.clone()), row.get(columns.start * step..columns.end * step))
    else {
        return;
    };
    // A cell of one row has less than 2^16 pixels: 32 bits hold its sum.
    *count += u64::from(inside.iter().map(|&one| u32::from(one)).sum::<u32>());
    if step == 1 {
        let each = pixels.iter().zip(inside).map(|(&level, &one)| u32::from(level) * u32::from(one));
        sum[0] += u64::from(each.sum::<u32>());
        return;
    }
    for (pixel, &one) in pixels.chunks_exact(step).zip(inside) {
        for (sum, &level) in sum.iter_mut().zip(pixel) {
            *sum += u64::from(level) * u64::from(one);
        }
    }
}
