//! A frame of any format straight into a model's input tensor, in one pass: resize, pad, channel order, normalise, layout.
//!
//! Each output row mixes two input rows, which are first resampled along x and kept, since the next output row often
//! needs them again. Nothing of the size of a frame is allocated.

use super::placement::{Placement, Resize};
use super::rows::{self, RowKind};
use super::taps::{self, ONE, Tap};
use super::vectorized;
use crate::error::{Error, Result};
use crate::frame::Frame;
use crate::geometry::Size;
use half::f16;
use serde::{Deserialize, Serialize};

/// The order of the three channels of a tensor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum ChannelOrder {
    /// Red, green, blue.
    #[default]
    Rgb,
    /// Blue, green, red.
    Bgr,
}

/// Where the channels stand in the shape of a tensor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum TensorLayout {
    /// `[batch, 3, height, width]`: a plane for each channel.
    #[default]
    Nchw,
    /// `[batch, height, width, 3]`: channels interleaved.
    Nhwc,
}

/// What a model wants its input to be. A level 0..255 becomes `(level − mean) ÷ std`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InputTransform {
    /// Width and height of the input in pixels.
    pub size: Size,
    /// How a frame is fitted in.
    pub resize: Resize,
    /// The level 0..255 of the pixels around the frame, the same in all channels.
    pub pad: u8,
    /// Channel order of the tensor.
    pub color: ChannelOrder,
    /// Shape of the tensor.
    pub layout: TensorLayout,
    /// Subtracted from each level, a value for each channel of the tensor.
    pub mean: [f32; 3],
    /// Divides the result, a value for each channel of the tensor.
    pub std: [f32; 3],
}

impl InputTransform {
    /// Elements of the tensor of one frame.
    pub fn len(&self) -> usize {
        self.size.pixels() as usize * 3
    }

    /// Whether the tensor has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Mean and deviation of each channel.
    fn normal(&self) -> [(f32, f32); 3] {
        [0, 1, 2].map(|c| (self.mean[c], self.std[c]))
    }
}

/// A number that an input tensor can hold.
pub trait TensorElement: Copy + Default + Send + Sync + 'static + sealed::Sealed {
    /// `(level − mean) ÷ std` in this type, rounded as numpy rounds it; whole levels for `u8`.
    #[doc(hidden)]
    fn from_level(level: u8, mean: f32, std: f32) -> Self;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for u8 {}
    impl Sealed for half::f16 {}
}

impl TensorElement for f32 {
    #[inline(always)]
    fn from_level(level: u8, mean: f32, std: f32) -> Self {
        // A division, though a product would be faster: a product differs in the last bit, and models with dynamic
        // quantisation turn that into other confidences in the third digit.
        (f32::from(level) - mean) / std
    }
}

impl TensorElement for f16 {
    #[inline(always)]
    fn from_level(level: u8, mean: f32, std: f32) -> Self {
        f16::from_f32(f32::from_level(level, mean, std))
    }
}

impl TensorElement for u8 {
    #[inline(always)]
    fn from_level(level: u8, _: f32, _: f32) -> Self {
        level
    }
}

/// Turns frames into input tensors; keeps its tables and row buffers from one frame to the next.
#[derive(Debug)]
pub struct Preprocessor {
    transform: InputTransform,
    placement: Option<Placement>,
    kind: RowKind,
    columns: Vec<Tap>,
    rows: Vec<Tap>,
    /// Whether every column is one sample of the frame, unmixed (a whole odd reduction such as 1920 → 640, or none).
    columns_are_whole: bool,
    converted: rows::Converted,
    resampled: [Row; 2],
}

/// An input row after resampling along x: three planes (one for gray), in 1/128 of a level.
#[derive(Debug, Default)]
struct Row {
    y: Option<u32>,
    samples: Vec<u16>,
}

impl Preprocessor {
    /// A preprocessor for one kind of input.
    pub fn new(transform: InputTransform) -> Self {
        Self {
            transform,
            placement: None,
            kind: RowKind::Gray,
            columns: Vec::new(),
            rows: Vec::new(),
            columns_are_whole: false,
            converted: rows::Converted::default(),
            resampled: [Row::default(), Row::default()],
        }
    }

    /// The transform of the model's input.
    pub fn transform(&self) -> &InputTransform {
        &self.transform
    }

    /// Fills the tensor of one frame, pads included, and says where the frame lies in it.
    ///
    /// # Errors
    /// `InvalidArgument` where `tensor` does not have [`InputTransform::len`] elements.
    pub fn write<E: TensorElement>(&mut self, frame: &Frame, tensor: &mut [E]) -> Result<Placement> {
        self.rewrite(frame, tensor, None)
    }

    /// As [`write`](Self::write), for a tensor that already has the pads of `previous`: they are left alone where the
    /// frame lies in the same place.
    pub(crate) fn rewrite<E: TensorElement>(
        &mut self,
        frame: &Frame,
        tensor: &mut [E],
        previous: Option<Placement>,
    ) -> Result<Placement> {
        let placement = Placement::new(frame.size(), self.transform.size, self.transform.resize);
        self.check(tensor.len())?;
        let same = |p: Placement| p.pad() == placement.pad() && p.resized() == placement.resized();
        if !previous.is_some_and(same) {
            self.fill_pad(&placement, tensor);
        }
        self.write_inside(frame, placement, tensor);
        Ok(placement)
    }

    fn check(&self, len: usize) -> Result<()> {
        if len == self.transform.len() && len > 0 {
            return Ok(());
        }
        Err(Error::invalid_argument(format!(
            "the tensor has {len} elements; an input of {} needs {}",
            self.transform.size,
            self.transform.len()
        )))
    }

    fn fill_pad<E: TensorElement>(&self, placement: &Placement, tensor: &mut [E]) {
        if placement.resized() == self.transform.size {
            return;
        }
        let pad = self.transform.normal().map(|(mean, std)| E::from_level(self.transform.pad, mean, std));
        match self.transform.layout {
            TensorLayout::Nchw => {
                for (plane, pad) in tensor.chunks_exact_mut(self.transform.len() / 3).zip(pad) {
                    plane.fill(pad);
                }
            }
            TensorLayout::Nhwc => tensor.chunks_exact_mut(3).for_each(|pixel| pixel.copy_from_slice(&pad)),
        }
    }

    fn write_inside<E: TensorElement>(&mut self, frame: &Frame, placement: Placement, tensor: &mut [E]) {
        self.prepare(frame, placement);
        let (width, height) = (placement.resized().width as usize, placement.resized().height);
        let (left, top) = (placement.pad().0 as usize, placement.pad().1 as usize);
        let input_width = self.transform.size.width as usize;
        let plane = self.transform.len() / 3;
        let (layout, normal) = (self.transform.layout, self.transform.normal());
        if let (true, TensorLayout::Nchw, RowKind::Three(order)) =
            (placement.resized() == frame.size(), layout, self.kind)
        {
            // Nothing to mix: levels go to their planes at once.
            let (first, rest) = tensor.split_at_mut(plane);
            let (second, third) = rest.split_at_mut(plane);
            for y in 0..height {
                let pixels = rows::pixels(frame, y, &mut self.converted);
                let start = (top + y as usize) * input_width + left;
                let [first, second, third] =
                    [&mut *first, &mut *second, &mut *third].map(|plane| &mut plane[start..][..width]);
                split_planes(pixels, order, normal, first, second, third);
            }
            return;
        }
        for y in 0..height {
            let Tap { at, weight } = self.rows[y as usize];
            // A row of weight zero is not looked at.
            let wanted = [at[0], if weight[1] == 0 { at[0] } else { at[1] }];
            self.resample(frame, wanted);
            let [a, b] = wanted.map(|wanted| self.resampled.iter().position(|row| row.y == Some(wanted)).unwrap_or(0));
            let (a, b) = (&self.resampled[a].samples[..], &self.resampled[b].samples[..]);
            let start = (top + y as usize) * input_width + left;
            match layout {
                TensorLayout::Nchw => {
                    for (c, &(mean, std)) in normal.iter().enumerate() {
                        let samples = channel(self.kind, c, width);
                        let out = &mut tensor[plane * c + start..][..width];
                        mix_plane(&a[samples.clone()], &b[samples], weight, mean, std, out);
                    }
                }
                TensorLayout::Nhwc => {
                    let out = &mut tensor[start * 3..][..width * 3];
                    for (c, &(mean, std)) in normal.iter().enumerate() {
                        let samples = channel(self.kind, c, width);
                        mix_interleaved(&a[samples.clone()], &b[samples], weight, mean, std, &mut out[c..]);
                    }
                }
            }
        }
    }

    /// Tables for this size, unless they are there from the frame before.
    fn prepare(&mut self, frame: &Frame, placement: Placement) {
        let kind = ordered(rows::kind(frame.format()), self.transform.color);
        self.resampled.iter_mut().for_each(|row| row.y = None);
        if self.placement == Some(placement) && self.kind == kind {
            return;
        }
        let (from, to) = (frame.size(), placement.resized());
        taps::fill(&mut self.columns, to.width, from.width, true);
        taps::fill(&mut self.rows, to.height, from.height, false);
        self.columns_are_whole = self.columns.iter().all(|tap| tap.weight == [ONE, 0]);
        let bytes = match kind {
            RowKind::Gray | RowKind::Planes(_) => 1,
            RowKind::Three(_) => 3,
            RowKind::Four(_) => 4,
        };
        for tap in &mut self.columns {
            // Both samples are read from where the first one lies, so the last sample counts as the one after its left
            // neighbour. (A frame one pixel wide has whole columns only.)
            if tap.at[0] == from.width - 1 && from.width > 1 && !self.columns_are_whole {
                *tap = Tap { at: [tap.at[0] - 1, tap.at[0]], weight: [0, ONE] };
            }
            tap.at = tap.at.map(|x| x * bytes);
        }
        let planes = if kind == RowKind::Gray { 1 } else { 3 };
        self.resampled.iter_mut().for_each(|row| row.samples.resize(planes * to.width as usize, 0));
        self.kind = kind;
        self.placement = Some(placement);
    }

    /// Sees to it that both rows of the frame are there, resampled along x.
    fn resample(&mut self, frame: &Frame, wanted: [u32; 2]) {
        for wanted_here in wanted {
            if self.resampled.iter().any(|row| row.y == Some(wanted_here)) {
                continue;
            }
            // The slot to give up is one that this output row does not need.
            let free = usize::from(self.resampled[0].y.is_some_and(|y| wanted.contains(&y)));
            let pixels = rows::pixels(frame, wanted_here, &mut self.converted);
            let row = &mut self.resampled[free];
            row.y = Some(wanted_here);
            match (self.kind, self.columns_are_whole) {
                (RowKind::Gray, whole) => resample_plane(pixels, &self.columns, whole, &mut row.samples),
                (RowKind::Planes(order), whole) => {
                    let width = frame.size().width as usize;
                    for (plane, samples) in order.into_iter().zip(row.samples.chunks_exact_mut(self.columns.len())) {
                        resample_plane(&pixels[plane * width..][..width], &self.columns, whole, samples);
                    }
                }
                (RowKind::Three(order), true) => pick::<3>(pixels, &self.columns, order, &mut row.samples),
                (RowKind::Three(order), false) => mix_columns::<6>(pixels, &self.columns, order, &mut row.samples),
                (RowKind::Four(order), true) => pick::<4>(pixels, &self.columns, order, &mut row.samples),
                (RowKind::Four(order), false) => mix_columns::<8>(pixels, &self.columns, order, &mut row.samples),
            }
        }
    }
}

/// Where channel `c` of the tensor lies in a resampled row; gray has one plane for all three.
fn channel(kind: RowKind, c: usize, width: usize) -> std::ops::Range<usize> {
    let plane = if kind == RowKind::Gray { 0 } else { c };
    plane * width..(plane + 1) * width
}

/// The places of the tensor's channels in a pixel of the frame.
fn ordered(kind: RowKind, color: ChannelOrder) -> RowKind {
    let turn = |[r, g, b]: [usize; 3]| {
        if color == ChannelOrder::Rgb { [r, g, b] } else { [b, g, r] }
    };
    match kind {
        RowKind::Gray => RowKind::Gray,
        RowKind::Three(rgb) => RowKind::Three(turn(rgb)),
        RowKind::Four(rgb) => RowKind::Four(turn(rgb)),
        RowKind::Planes(rgb) => RowKind::Planes(turn(rgb)),
    }
}

fn resample_plane(pixels: &[u8], columns: &[Tap], whole: bool, samples: &mut [u16]) {
    let taps = columns.iter().zip(samples);
    if whole {
        taps.for_each(|(tap, sample)| *sample = u16::from(pixels[tap.at[0] as usize]) << 7);
    } else {
        taps.for_each(|(tap, sample)| {
            let pair = &pixels[tap.at[0] as usize..][..2];
            *sample = mixed(pair[0], pair[1], tap.weight);
        });
    }
}

/// Two levels by their 11-bit weights; the lowest 4 of 19 bits are dropped so that the rest fits 16, as OpenCV does.
#[inline(always)]
fn mixed(a: u8, b: u8, weight: [u16; 2]) -> u16 {
    ((u32::from(a) * u32::from(weight[0]) + u32::from(b) * u32::from(weight[1])) >> 4) as u16
}

#[inline(always)]
fn planes(samples: &mut [u16], width: usize) -> [&mut [u16]; 3] {
    let (first, rest) = samples.split_at_mut(width);
    let (second, third) = rest.split_at_mut(width);
    [first, second, &mut third[..width]]
}

/// Planes in the order in which the channels lie in a pixel: red first, or blue first.
fn in_pixel_order<T>(planes: [T; 3], order: [usize; 3]) -> [T; 3] {
    let [first, second, third] = planes;
    if order == [2, 1, 0] { [third, second, first] } else { [first, second, third] }
}

/// `PAIR` is twice the bytes of a pixel: the two samples of a tap are neighbours.
fn mix_columns<const PAIR: usize>(pixels: &[u8], columns: &[Tap], order: [usize; 3], samples: &mut [u16]) {
    let planes = in_pixel_order(planes(samples, columns.len()), order);
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("sse4.1") {
        // SAFETY: the processor has SSE4.1 (and with it SSSE3); it was asked just now.
        #[allow(unsafe_code, reason = "calling a function compiled for a detected instruction set")]
        unsafe {
            mix_columns_sse41::<PAIR>(pixels, columns, planes);
        }
        return;
    }
    mix_columns_portable::<PAIR>(pixels, columns, planes);
}

fn mix_columns_portable<const PAIR: usize>(pixels: &[u8], columns: &[Tap], [first, second, third]: [&mut [u16]; 3]) {
    for (((tap, first), second), third) in columns.iter().zip(first).zip(second).zip(third) {
        let pair = &pixels[tap.at[0] as usize..][..PAIR];
        *first = mixed(pair[0], pair[PAIR / 2], tap.weight);
        *second = mixed(pair[1], pair[PAIR / 2 + 1], tap.weight);
        *third = mixed(pair[2], pair[PAIR / 2 + 2], tap.weight);
    }
}

/// All three channels of a tap in one multiplication. Everything but the call is safe: loads go through slices.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "sse4.1,ssse3")]
fn mix_columns_sse41<const PAIR: usize>(pixels: &[u8], columns: &[Tap], [first, second, third]: [&mut [u16]; 3]) {
    use std::arch::x86_64::*;
    // Levels of the two samples side by side, as 16-bit numbers: a0 b0 a1 b1 a2 b2 0 0.
    let next = (PAIR / 2) as i8;
    let spread = _mm_setr_epi8(0, -1, next, -1, 1, -1, next + 1, -1, 2, -1, next + 2, -1, -1, -1, -1, -1);
    for (((tap, first), second), third) in columns.iter().zip(first).zip(second).zip(third) {
        let at = tap.at[0] as usize;
        // Eight bytes hold both samples; at the end of the row there may be fewer.
        let bytes = match pixels.get(at..at + 8) {
            Some(bytes) => bytes.try_into().map_or(0, i64::from_le_bytes),
            None => {
                let mut bytes = [0; 8];
                let rest = &pixels[at..][..PAIR.min(8)];
                bytes[..rest.len()].copy_from_slice(rest);
                i64::from_le_bytes(bytes)
            }
        };
        let pair = _mm_shuffle_epi8(_mm_cvtsi64_si128(bytes), spread);
        let weight = _mm_set1_epi32(i32::from(tap.weight[0]) | i32::from(tap.weight[1]) << 16);
        let sum = _mm_srli_epi32::<4>(_mm_madd_epi16(pair, weight));
        let packed = _mm_cvtsi128_si64(_mm_packus_epi32(sum, sum));
        *first = packed as u16;
        *second = (packed >> 16) as u16;
        *third = (packed >> 32) as u16;
    }
}

fn pick<const BYTES: usize>(pixels: &[u8], columns: &[Tap], order: [usize; 3], samples: &mut [u16]) {
    let [first, second, third] = in_pixel_order(planes(samples, columns.len()), order);
    for (((tap, first), second), third) in columns.iter().zip(first).zip(second).zip(third) {
        let pixel = &pixels[tap.at[0] as usize..][..BYTES];
        *first = u16::from(pixel[0]) << 7;
        *second = u16::from(pixel[1]) << 7;
        *third = u16::from(pixel[2]) << 7;
    }
}

/// Two samples of 1/128 level by their 11-bit weights to a whole level, rounded as OpenCV rounds.
#[inline(always)]
fn level(a: u16, b: u16, weight: [u16; 2]) -> u8 {
    let high = |sample: u16, weight: u16| ((u32::from(sample) * u32::from(weight)) >> 16) as u16;
    ((high(a, weight[0]) + high(b, weight[1]) + 2) >> 2) as u8
}

vectorized! {
    fn split_planes<E: TensorElement>(
        pixels: &[u8], order: [usize; 3], normal: [(f32, f32); 3], first: &mut [E], second: &mut [E], third: &mut [E],
    ) {
        let [first, second, third] = in_pixel_order([first, second, third], order);
        let normal = in_pixel_order(normal, order);
        for (((pixel, first), second), third) in pixels.chunks_exact(3).zip(first).zip(second).zip(third) {
            *first = E::from_level(pixel[0], normal[0].0, normal[0].1);
            *second = E::from_level(pixel[1], normal[1].0, normal[1].1);
            *third = E::from_level(pixel[2], normal[2].0, normal[2].1);
        }
    }
}

vectorized! {
    fn mix_plane<E: TensorElement>(a: &[u16], b: &[u16], weight: [u16; 2], mean: f32, std: f32, out: &mut [E]) {
        for ((&a, &b), out) in a.iter().zip(b).zip(out) {
            *out = E::from_level(level(a, b, weight), mean, std);
        }
    }
}

vectorized! {
    fn mix_interleaved<E: TensorElement>(a: &[u16], b: &[u16], weight: [u16; 2], mean: f32, std: f32, out: &mut [E]) {
        for ((&a, &b), out) in a.iter().zip(b).zip(out.iter_mut().step_by(3)) {
            *out = E::from_level(level(a, b, weight), mean, std);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both versions of the kernel on rows of every length up to 70 pixels, to every width up to 70.
    #[test]
    #[cfg(target_arch = "x86_64")]
    fn the_vector_kernel_equals_the_portable_one() {
        fn compare<const PAIR: usize>(from: u32, to: u32, pixels: &[u8]) {
            let mut columns = Vec::new();
            taps::fill(&mut columns, to, from, true);
            for tap in &mut columns {
                if tap.at[0] == from - 1 {
                    *tap = Tap { at: [from - 2, from - 1], weight: [0, ONE] };
                }
                tap.at = tap.at.map(|x| x * PAIR as u32 / 2);
            }
            let mut both = [vec![0; to as usize * 3], vec![0; to as usize * 3]];
            mix_columns_portable::<PAIR>(pixels, &columns, planes(&mut both[0], to as usize));
            if std::arch::is_x86_feature_detected!("sse4.1") {
                // SAFETY: the processor has SSE4.1; it was asked just now.
                #[allow(unsafe_code, reason = "calling a function compiled for a detected instruction set")]
                unsafe {
                    mix_columns_sse41::<PAIR>(pixels, &columns, planes(&mut both[1], to as usize));
                }
                assert_eq!(both[0], both[1], "{from} to {to}, {PAIR}");
            }
        }
        let pixels: Vec<u8> = (0..280u32).map(|k| (k * 197 + k * k * 31) as u8).collect();
        for from in 2..70 {
            for to in 1..70 {
                compare::<6>(from, to, &pixels[..from as usize * 3]);
                compare::<8>(from, to, &pixels[..from as usize * 4]);
            }
        }
    }
}
