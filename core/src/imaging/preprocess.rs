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
}

/// A number that an input tensor can hold.
pub trait TensorElement: Copy + Default + Send + Sync + 'static + sealed::Sealed {
    /// `level × scale + bias` in this type; whole levels for `u8`.
    #[doc(hidden)]
    fn from_level(level: u8, scale: f32, bias: f32) -> Self;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for u8 {}
    impl Sealed for half::f16 {}
}

impl TensorElement for f32 {
    #[inline(always)]
    fn from_level(level: u8, scale: f32, bias: f32) -> Self {
        f32::from(level) * scale + bias
    }
}

impl TensorElement for f16 {
    #[inline(always)]
    fn from_level(level: u8, scale: f32, bias: f32) -> Self {
        f16::from_f32(f32::from(level) * scale + bias)
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
    affine: [(f32, f32); 3],
    placement: Option<Placement>,
    kind: RowKind,
    columns: Vec<Tap>,
    rows: Vec<Tap>,
    /// Whether every column is one sample of the frame, unmixed (a whole odd reduction such as 1920 → 640, or none).
    columns_are_whole: bool,
    converted: Vec<u8>,
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
        let affine = [0, 1, 2].map(|c| (1.0 / transform.std[c], -transform.mean[c] / transform.std[c]));
        Self {
            transform,
            affine,
            placement: None,
            kind: RowKind::Gray,
            columns: Vec::new(),
            rows: Vec::new(),
            columns_are_whole: false,
            converted: Vec::new(),
            resampled: [Row::default(), Row::default()],
        }
    }

    /// What the tensors are for.
    pub fn transform(&self) -> &InputTransform {
        &self.transform
    }

    /// Fills the tensor of one frame, pads included, and says where the frame lies in it.
    ///
    /// # Errors
    /// `InvalidArgument` where `tensor` does not have [`InputTransform::len`] elements.
    pub fn write<E: TensorElement>(&mut self, frame: &Frame, tensor: &mut [E]) -> Result<Placement> {
        let placement = Placement::new(frame.size(), self.transform.size, self.transform.resize);
        self.check(tensor.len())?;
        self.fill_pad(&placement, tensor);
        self.write_inside(frame, placement, tensor);
        Ok(placement)
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
        let pad = self.affine.map(|(scale, bias)| E::from_level(self.transform.pad, scale, bias));
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
        let layout = self.transform.layout;
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
                    for (c, &(scale, bias)) in self.affine.iter().enumerate() {
                        let samples = channel(self.kind, c, width);
                        let out = &mut tensor[plane * c + start..][..width];
                        mix_plane(&a[samples.clone()], &b[samples], weight, scale, bias, out);
                    }
                }
                TensorLayout::Nhwc => {
                    let out = &mut tensor[start * 3..][..width * 3];
                    for (c, &(scale, bias)) in self.affine.iter().enumerate() {
                        let samples = channel(self.kind, c, width);
                        mix_interleaved(&a[samples.clone()], &b[samples], weight, scale, bias, &mut out[c..]);
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
        let bytes = match kind {
            RowKind::Gray => 1,
            RowKind::Three(_) => 3,
            RowKind::Four(_) => 4,
        };
        self.columns_are_whole = self.columns.iter().all(|tap| tap.weight == [ONE, 0]);
        self.columns.iter_mut().for_each(|tap| tap.at = tap.at.map(|x| x * bytes));
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
            let pixels = rows::interleaved(frame, wanted_here, &mut self.converted);
            let row = &mut self.resampled[free];
            row.y = Some(wanted_here);
            match (self.kind, self.columns_are_whole) {
                (RowKind::Gray, _) => gray_columns(pixels, &self.columns, &mut row.samples),
                (RowKind::Three(order), true) => pick::<3>(pixels, &self.columns, order, &mut row.samples),
                (RowKind::Three(order), false) => mix_columns::<3>(pixels, &self.columns, order, &mut row.samples),
                (RowKind::Four(order), true) => pick::<4>(pixels, &self.columns, order, &mut row.samples),
                (RowKind::Four(order), false) => mix_columns::<4>(pixels, &self.columns, order, &mut row.samples),
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
    let turn = |[r, g, b]: [usize; 3]| if color == ChannelOrder::Rgb { [r, g, b] } else { [b, g, r] };
    match kind {
        RowKind::Gray => RowKind::Gray,
        RowKind::Three(rgb) => RowKind::Three(turn(rgb)),
        RowKind::Four(rgb) => RowKind::Four(turn(rgb)),
    }
}

fn gray_columns(pixels: &[u8], columns: &[Tap], samples: &mut [u16]) {
    for (tap, sample) in columns.iter().zip(samples) {
        *sample = mixed(pixels[tap.at[0] as usize], pixels[tap.at[1] as usize], tap.weight);
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

fn mix_columns<const BYTES: usize>(pixels: &[u8], columns: &[Tap], order: [usize; 3], samples: &mut [u16]) {
    let [first, second, third] = planes(samples, columns.len());
    let order = order.map(|at| at % BYTES);
    for (((tap, first), second), third) in columns.iter().zip(first).zip(second).zip(third) {
        let a = &pixels[tap.at[0] as usize..][..BYTES];
        let b = &pixels[tap.at[1] as usize..][..BYTES];
        *first = mixed(a[order[0]], b[order[0]], tap.weight);
        *second = mixed(a[order[1]], b[order[1]], tap.weight);
        *third = mixed(a[order[2]], b[order[2]], tap.weight);
    }
}

fn pick<const BYTES: usize>(pixels: &[u8], columns: &[Tap], order: [usize; 3], samples: &mut [u16]) {
    let [first, second, third] = planes(samples, columns.len());
    let order = order.map(|at| at % BYTES);
    for (((tap, first), second), third) in columns.iter().zip(first).zip(second).zip(third) {
        let pixel = &pixels[tap.at[0] as usize..][..BYTES];
        *first = u16::from(pixel[order[0]]) << 7;
        *second = u16::from(pixel[order[1]]) << 7;
        *third = u16::from(pixel[order[2]]) << 7;
    }
}

/// Two samples of 1/128 level by their 11-bit weights to a whole level, rounded as OpenCV rounds.
#[inline(always)]
fn level(a: u16, b: u16, weight: [u16; 2]) -> u8 {
    let high = |sample: u16, weight: u16| ((u32::from(sample) * u32::from(weight)) >> 16) as u16;
    ((high(a, weight[0]) + high(b, weight[1]) + 2) >> 2) as u8
}

vectorized! {
    fn mix_plane<E: TensorElement>(a: &[u16], b: &[u16], weight: [u16; 2], scale: f32, bias: f32, out: &mut [E]) {
        for ((&a, &b), out) in a.iter().zip(b).zip(out) {
            *out = E::from_level(level(a, b, weight), scale, bias);
        }
    }
}

vectorized! {
    fn mix_interleaved<E: TensorElement>(a: &[u16], b: &[u16], weight: [u16; 2], scale: f32, bias: f32, out: &mut [E]) {
        for ((&a, &b), out) in a.iter().zip(b).zip(out.iter_mut().step_by(3)) {
            *out = E::from_level(level(a, b, weight), scale, bias);
        }
    }
}
