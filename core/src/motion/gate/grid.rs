//! The working picture of the gate: its size, its region of interest, and how a frame is reduced to it.

use super::MotionGateConfig;
use crate::error::{Error, Result};
use crate::frame::Frame;
use crate::geometry::{BoundingBox, Size};
use crate::imaging::{luma_of, vectorized};
use std::ops::Range;

/// Pixels of a working picture: more would take gigabytes of state.
const MAX_PIXELS: u64 = 1 << 24;
/// A working picture has at most as many pixels as one of 4:3 with the working width, so that a camera on its side costs no
/// more.
const MAX_SHARE: f64 = 0.75;
/// Rows of the frame that go into one row of the working picture. Of taller boxes so many are picked at even distances:
/// reading memory is most of the work, and twelve pixels or more average the noise out well enough.
const MAX_ROWS: usize = 4;
/// The widest box of colours of which 16 bits hold the sum.
const MAX_BOX: usize = 64;

/// A run of pixels of a row in the region of interest.
#[derive(Clone, Debug)]
pub(super) struct Span {
    pub(super) y: usize,
    pub(super) x: Range<usize>,
    /// Their offset in a list of all pixels in the region of interest.
    pub(super) at: usize,
}

/// The working picture of frames of one size.
#[derive(Clone, Debug)]
pub(super) struct Grid {
    pub(super) frame: Size,
    pub(super) width: usize,
    pub(super) height: usize,
    spans: Vec<Span>,
    /// Number of pixels in the region of interest.
    pub(super) count: usize,
    /// 1 where a pixel is looked at.
    pub(super) inside: Vec<u8>,
    /// Columns of the frame that make a column.
    columns: Vec<usize>,
}

impl Grid {
    pub(super) fn new(frame: Size, config: &MotionGateConfig) -> Result<Self> {
        let width = if config.working_width == 0 { frame.width } else { config.working_width };
        let scale = (f64::from(frame.width) / f64::from(width))
            .max((frame.pixels() as f64 / (MAX_SHARE * f64::from(width) * f64::from(width))).sqrt())
            .max(1.0);
        let scale = if config.working_width == 0 { 1.0 } else { scale };
        let side = |full: u32| (f64::from(full) / scale).round().max(1.0) as usize;
        let (width, height) = (side(frame.width), side(frame.height));
        if (width * height) as u64 > MAX_PIXELS {
            return Err(Error::resource_exhausted(format!(
                "a working picture of {width}×{height} pixels for frames of {frame}; set a smaller working_width"
            ))
            .with_field("working_width")
            .with_limit(MAX_PIXELS as f64));
        }
        let mut grid = Self {
            frame,
            width,
            height,
            spans: Vec::new(),
            count: 0,
            inside: vec![0; width * height],
            columns: (0..=width).map(|x| x * frame.width as usize / width).collect(),
        };
        grid.look_at(config);
        if grid.count == 0 {
            let what = format!("include and exclude leave no pixel of {width}×{height} to look at");
            return Err(Error::invalid_config(what).with_field("include"));
        }
        Ok(grid)
    }

    fn look_at(&mut self, config: &MotionGateConfig) {
        let mut edges = Vec::new();
        for (y, row) in self.inside.chunks_exact_mut(self.width).enumerate() {
            if config.include.is_empty() {
                row.fill(1);
            }
            for (polygons, value) in [(&config.include, 1), (&config.exclude, 0)] {
                for polygon in polygons {
                    polygon.fill_row((y as f64 + 0.5) / self.height as f64, value, row, &mut edges);
                }
            }
            let mut x = 0;
            for run in row.chunk_by(|a, b| a == b) {
                if run[0] == 1 {
                    self.spans.push(Span { y, x: x..x + run.len(), at: self.count });
                    self.count += run.len();
                }
                x += run.len();
            }
        }
    }

    pub(super) fn pixels(&self) -> usize {
        self.width * self.height
    }

    /// Copies the pixels in the region of interest to a list.
    pub(super) fn gather(&self, picture: &[u8], list: &mut [u8]) {
        for Span { y, x, at } in &self.spans {
            let row = &picture[y * self.width..][..self.width];
            list[*at..at + x.len()].copy_from_slice(&row[x.clone()]);
        }
    }

    /// The inverse of [`gather`](Self::gather); the rest of the picture is unchanged.
    pub(super) fn scatter(&self, list: &[u8], picture: &mut [u8]) {
        for Span { y, x, at } in &self.spans {
            let row = &mut picture[y * self.width..][..self.width];
            row[x.clone()].copy_from_slice(&list[*at..at + x.len()]);
        }
    }

    /// The index of a pixel in the list, if it is in the region of interest.
    pub(super) fn index(&self, x: usize, y: usize) -> Option<usize> {
        let after = self.spans.partition_point(|span| (span.y, span.x.start) <= (y, x));
        let span = &self.spans[after.checked_sub(1)?];
        (span.y == y && span.x.contains(&x)).then(|| span.at + x - span.x.start)
    }

    /// The runs of pixels that are looked at, from the top left.
    pub(super) fn spans(&self) -> impl Iterator<Item = &Span> {
        self.spans.iter()
    }

    /// A box of working pixels as a box in the frame.
    pub(super) fn to_frame(&self, x: Range<usize>, y: Range<usize>) -> BoundingBox {
        let row = |y: usize| (y * self.frame.height as usize / self.height) as f32;
        BoundingBox::from_xyxy(self.columns[x.start] as f32, row(y.start), self.columns[x.end] as f32, row(y.end))
    }

    /// Brightness of a frame, averaged over the box of each working pixel that is looked at; the others stay as they are.
    pub(super) fn reduce(&self, frame: &Frame, sums: &mut Sums, luma: &mut [u8]) {
        let (step, weights) = luma_of(frame.format());
        let mut spans = self.spans.chunk_by(|a, b| a.y == b.y);
        let (Some(left), Some(right)) =
            (self.spans.iter().map(|s| s.x.start).min(), self.spans.iter().map(|s| s.x.end).max())
        else {
            return;
        };
        sums.columns.resize((self.columns[right] - self.columns[left]) * step, 0);
        for row in &mut spans {
            let y = row[0].y;
            let (x0, x1) = (row[0].x.start, row[row.len() - 1].x.end);
            let range = self.columns[x0] * step..self.columns[x1] * step;
            let height = self.frame.height as usize;
            let (top, bottom) = (y * height / self.height, (y + 1) * height / self.height);
            let every = (bottom - top).div_ceil(MAX_ROWS);
            let out = &mut luma[y * self.width..][..self.width];
            let source = |y: usize| &frame.row(0, y as u32)[range.clone()];
            let columns = &self.columns[x0..=x1];
            if bottom - top == 1 && columns.len() - 1 == columns[columns.len() - 1] - columns[0] && step == 1 {
                out[x0..x1].copy_from_slice(source(top));
                continue;
            }
            let rows = (top..bottom).step_by(every);
            let (count, out) = (rows.len(), &mut out[x0..x1]);
            let mut picked: [&[u8]; MAX_ROWS] = [&[]; MAX_ROWS];
            picked.iter_mut().zip(rows).for_each(|(row, y)| *row = source(y));
            let box_width = self.frame.width as usize / self.width;
            let even = box_width * self.width == self.frame.width as usize;
            if step == 1 && even && box_width.is_multiple_of(2) {
                let sums = &mut sums.columns[..range.len() / 2];
                add_pairs(&picked[..count], sums);
                average_pairs(sums, box_width / 2, count, out);
                continue;
            }
            let boxes = &mut sums.boxes;
            let sums = &mut sums.columns[..range.len()];
            add_rows(&picked[..count], sums);
            match weights {
                None => average(sums, columns, count, out),
                Some(weights) if even && box_width <= MAX_BOX => {
                    boxes.resize(sums.len() - (box_width - 1) * step, 0);
                    add_boxes(sums, box_width, step, boxes);
                    average_boxes(boxes, box_width, count, (step, weights), out);
                }
                Some(weights) => average_color(sums, columns, count, (step, weights), out),
            }
        }
    }
}

/// Sums of the rows of a box, kept from frame to frame.
#[derive(Clone, Debug, Default)]
pub(super) struct Sums {
    columns: Vec<u16>,
    /// The same over the columns of a box, from each column on.
    boxes: Vec<u16>,
}

vectorized! {
    /// Sums of the columns of one to [`MAX_ROWS`] rows.
    fn add_rows(rows: &[&[u8]], sums: &mut [u16]) {
        match *rows {
            [a] => add_rows_by([a], sums),
            [a, b] => add_rows_by([a, b], sums),
            [a, b, c] => add_rows_by([a, b, c], sums),
            [a, b, c, d] => add_rows_by([a, b, c, d], sums),
            _ => {}
        }
    }
}

#[inline(always)]
fn add_rows_by<const N: usize>(mut rows: [&[u8]; N], sums: &mut [u16]) {
    for row in &mut rows {
        *row = &row[..sums.len()];
    }
    for (k, sum) in sums.iter_mut().enumerate() {
        *sum = rows.iter().map(|row| u16::from(row[k])).sum();
    }
}

vectorized! {
    /// As [`add_rows`], two columns at once.
    fn add_pairs(rows: &[&[u8]], sums: &mut [u16]) {
        match *rows {
            [a] => add_pairs_by([a], sums),
            [a, b] => add_pairs_by([a, b], sums),
            [a, b, c] => add_pairs_by([a, b, c], sums),
            [a, b, c, d] => add_pairs_by([a, b, c, d], sums),
            _ => {}
        }
    }
}

#[inline(always)]
fn add_pairs_by<const N: usize>(rows: [&[u8]; N], sums: &mut [u16]) {
    let mut pairs: [&[[u8; 2]]; N] = [&[]; N];
    for (pairs, row) in pairs.iter_mut().zip(rows) {
        *pairs = &row.as_chunks::<2>().0[..sums.len()];
    }
    for (k, sum) in sums.iter_mut().enumerate() {
        *sum = 0;
        for pairs in pairs {
            let pair = u16::from_le_bytes(pairs[k]);
            *sum += (pair & 0xff) + (pair >> 8);
        }
    }
}

vectorized! {
    fn average(sums: &[u16], columns: &[usize], rows: usize, out: &mut [u8]) {
        for (out, pair) in out.iter_mut().zip(columns.windows(2)) {
            let sums = &sums[pair[0] - columns[0]..pair[1] - columns[0]];
            *out = rounded(sums.iter().map(|&sum| u32::from(sum)).sum(), 1.0 / (rows * sums.len()) as f32);
        }
    }
}

vectorized! {
    /// Boxes of `pairs` pairs of columns each.
    fn average_pairs(sums: &[u16], pairs: usize, rows: usize, out: &mut [u8]) {
        let share = 1.0 / (rows * pairs * 2) as f32;
        match pairs {
            1 => average_by::<1>(sums, share, out),
            2 => average_by::<2>(sums, share, out),
            3 => average_by::<3>(sums, share, out),
            4 => average_by::<4>(sums, share, out),
            6 => average_by::<6>(sums, share, out),
            _ => {
                for (out, sums) in out.iter_mut().zip(sums.chunks_exact(pairs)) {
                    *out = rounded(sums.iter().map(|&sum| u32::from(sum)).sum(), share);
                }
            }
        }
    }
}

#[inline(always)]
fn average_by<const N: usize>(sums: &[u16], share: f32, out: &mut [u8]) {
    // At most 4 rows of 12 pixels: 16 bits hold the sum.
    for (out, sums) in out.iter_mut().zip(sums.as_chunks::<N>().0) {
        *out = rounded(sums.iter().sum::<u16>().into(), share);
    }
}

#[inline(always)]
fn rounded(sum: u32, share: f32) -> u8 {
    (sum as f32 * share + 0.5) as i32 as u8
}

vectorized! {
    /// Sums over `width` pixels of `step` bytes, from each byte on: more than is needed, but without taking pixels apart.
    fn add_boxes(sums: &[u16], width: usize, step: usize, out: &mut [u16]) {
        match (width, step) {
            (2, 3) => add_boxes_by::<2, 3>(sums, out),
            (3, 3) => add_boxes_by::<3, 3>(sums, out),
            (4, 3) => add_boxes_by::<4, 3>(sums, out),
            (6, 3) => add_boxes_by::<6, 3>(sums, out),
            (8, 3) => add_boxes_by::<8, 3>(sums, out),
            (12, 3) => add_boxes_by::<12, 3>(sums, out),
            (2, 4) => add_boxes_by::<2, 4>(sums, out),
            (4, 4) => add_boxes_by::<4, 4>(sums, out),
            (6, 4) => add_boxes_by::<6, 4>(sums, out),
            _ => {
                out.copy_from_slice(&sums[..out.len()]);
                for aside in 1..width {
                    for (out, &sum) in out.iter_mut().zip(&sums[aside * step..]) {
                        *out += sum;
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn add_boxes_by<const WIDTH: usize, const STEP: usize>(sums: &[u16], out: &mut [u16]) {
    let aside: [&[u16]; WIDTH] = std::array::from_fn(|k| &sums[k * STEP..][..out.len()]);
    for (k, out) in out.iter_mut().enumerate() {
        *out = aside.iter().map(|sums| sums[k]).sum();
    }
}

vectorized! {
    fn average_boxes(boxes: &[u16], width: usize, rows: usize, colors: (usize, [f32; 3]), out: &mut [u8]) {
        let (step, [a, b, c]) = colors;
        let share = 1.0 / (rows * width) as f32;
        for (out, total) in out.iter_mut().zip(boxes.chunks(width * step)) {
            let [first, second, third] = [f32::from(total[0]), f32::from(total[1]), f32::from(total[2])];
            *out = ((first * a + second * b + third * c) * share + 0.5) as i32 as u8;
        }
    }
}

vectorized! {
    fn average_color(sums: &[u16], columns: &[usize], rows: usize, colors: (usize, [f32; 3]), out: &mut [u8]) {
        let (step, weights) = colors;
        for (out, pair) in out.iter_mut().zip(columns.windows(2)) {
            let mut total = [0u32; 3];
            for pixel in sums[(pair[0] - columns[0]) * step..(pair[1] - columns[0]) * step].chunks_exact(step) {
                for (total, &sum) in total.iter_mut().zip(pixel) {
                    *total += u32::from(sum);
                }
            }
            let share = 1.0 / (rows * (pair[1] - pair[0])) as f32;
            let luma: f32 = total.iter().zip(weights).map(|(&total, weight)| total as f32 * weight).sum();
            *out = (luma * share + 0.5) as i32 as u8;
        }
    }
}
