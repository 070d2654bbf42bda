//! The state of a model: mixtures of Gaussians, a pixel each, in the order in which the kernel reads them.

use super::BackgroundModelConfig;
use super::kernel::{self, Band, Step};
use super::lanes::{BLOCK, Portable};
#[cfg(target_arch = "x86_64")]
use super::x86::{Avx2, Avx512};
use crate::error::{Error, Result};
use crate::imaging::vectorized;
use crate::threads::Threads;
use std::ops::Range;

/// How the model is computed. All kernels give the same masks; without a choice the fastest one is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kernel {
    /// Sixteen pixels at once with AVX-512 (F, BW, VL, DQ).
    Avx512,
    /// Two times eight pixels at once with AVX2.
    Avx2,
    /// Whatever vectors the compiler's target has; for any processor.
    Portable,
}

impl Kernel {
    /// All that this processor can run, the fastest first.
    pub fn available() -> Vec<Self> {
        [Self::Avx512, Self::Avx2, Self::Portable].into_iter().filter(|kernel| kernel.is_available()).collect()
    }

    /// The fastest that this processor can run.
    pub fn fastest() -> Self {
        [Self::Avx512, Self::Avx2].into_iter().find(|kernel| kernel.is_available()).unwrap_or(Self::Portable)
    }

    fn is_available(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => Avx512::detect().is_some(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => Avx2::detect().is_some(),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx512 | Self::Avx2 => false,
            Self::Portable => true,
        }
    }

    pub(super) fn checked(self) -> Result<Self> {
        if self.is_available() {
            return Ok(self);
        }
        Err(Error::unsupported(format!("this processor has no {self:?}; it has {:?}", Self::available())))
    }
}

/// Floats of a block of one mode, for one and for three channels.
const GRAY: usize = BLOCK * 3;
const COLOR: usize = BLOCK * 5;

/// Squared standard deviations from its mean within which a level is that of a mode; as for the making of new ones.
const NEAR: f32 = 9.0;
/// Pixels that are worth a thread of their own.
const LEAST_BAND: usize = 32 * 1024;

/// The mixtures of `pixels` consecutive pixels; their place in the picture is up to the caller.
#[derive(Clone, Debug)]
pub(crate) struct Mixture {
    channels: usize,
    /// One plane a mode, so that a frame touches no more memory than the modes in use need, and planes that no pixel
    /// needs stay pages that the system never provides. Inside a plane the weights, variances and means of sixteen
    /// pixels lie together.
    planes: Vec<Vec<f32>>,
    used: Vec<[u8; BLOCK]>,
}

impl Mixture {
    /// `channels` is 1 or 3.
    pub(crate) fn new(config: &BackgroundModelConfig, channels: usize, pixels: usize) -> Self {
        let blocks = pixels.div_ceil(BLOCK);
        let floats = blocks * if channels == 1 { GRAY } else { COLOR };
        // Not one plane cloned: a copy of zeros is memory, zeros from the system are not.
        let planes = (0..config.mixtures).map(|_| vec![0.0; floats]).collect();
        Self { channels, planes, used: vec![[0; BLOCK]; blocks] }
    }

    pub(crate) fn channels(&self) -> usize {
        self.channels
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.used.fill([0; BLOCK]);
    }

    /// One frame. `known` is empty or has a byte a pixel.
    pub(crate) fn apply(
        &mut self,
        (config, rate): (&BackgroundModelConfig, f64),
        (kernel, threads): (Kernel, Option<&Threads>),
        pixels: &[u8],
        known: &[u8],
        mask: &mut [u8],
    ) {
        let step = Step::new(config, rate);
        let frame = Input { step: &step, kernel, threads, pixels, known, mask };
        match self.channels {
            1 => frame.apply::<1, GRAY>(&mut self.planes, &mut self.used),
            _ => frame.apply::<3, COLOR>(&mut self.planes, &mut self.used),
        }
    }
}

vectorized! {
    fn means(blocks: &[[f32; GRAY]], out: &mut [u8]) {
        for (out, block) in out.chunks_mut(BLOCK).zip(blocks) {
            for (out, &mean) in out.iter_mut().zip(&block[kernel::MEAN * BLOCK..]) {
                // With a learning rate near 1, means overshoot.
                *out = (mean + 0.5).clamp(0.0, 255.0) as i32 as u8;
            }
        }
    }
}

/// For the gate, which has one channel.
impl Mixture {
    /// The mean of the heaviest mode of every pixel.
    pub(crate) fn background(&self, out: &mut [u8]) {
        let Some(plane) = self.planes.first() else { return };
        means(plane.as_chunks().0, out);
    }

    /// Forgets one pixel: what it shows next is its background.
    pub(crate) fn forget(&mut self, pixel: usize) {
        self.used[pixel / BLOCK][pixel % BLOCK] = 0;
    }

    /// Whether a pixel had a level before: a mode is near that is heavier than one that was made with this rate.
    pub(crate) fn had(&self, pixel: usize, level: u8, rate: f32) -> bool {
        let (block, k) = (pixel / BLOCK, pixel % BLOCK);
        self.planes.iter().take(self.used[block][k].into()).any(|plane| {
            let mode = &plane[block * GRAY..][..GRAY];
            let away = mode[kernel::MEAN * BLOCK + k] - f32::from(level);
            away * away < NEAR * mode[kernel::VARIANCE * BLOCK + k] && mode[kernel::WEIGHT * BLOCK + k] > 1.5 * rate
        })
    }

    /// Modes in use of every pixel, then weight, variance and mean of each of them, pixel by pixel. A pixel that is not all
    /// numbers, as a mode without weight becomes where nothing is learnt, is forgotten.
    pub(crate) fn save(&self, pixels: usize) -> (Vec<u8>, Vec<f32>) {
        let mut used: Vec<u8> = self.used.as_flattened()[..pixels].to_vec();
        let mut values = Vec::with_capacity(used.iter().map(|&used| 3 * usize::from(used)).sum());
        for (pixel, used) in used.iter_mut().enumerate() {
            let before = values.len();
            for plane in self.planes.iter().take(usize::from(*used)) {
                let mode = plane[pixel / BLOCK * GRAY..].iter().skip(pixel % BLOCK).step_by(BLOCK);
                values.extend(mode.take(3));
            }
            if !values[before..].iter().all(|value: &f32| value.is_finite()) {
                values.truncate(before);
                *used = 0;
            }
        }
        (used, values)
    }

    /// The inverse of [`save`](Self::save); none for values that no mixture has.
    pub(crate) fn load(config: &BackgroundModelConfig, used: &[u8], values: &[f32]) -> Option<Self> {
        let most = config.mixtures;
        let wanted: usize = used.iter().map(|&used| 3 * usize::from(used)).sum();
        let sound = wanted == values.len()
            && used.iter().all(|&used| usize::from(used) <= most)
            && values.iter().all(|value| value.abs() < 1e9);
        if !sound {
            return None;
        }
        let mut mixture = Self::new(config, 1, used.len());
        let mut modes = values.chunks_exact(3);
        for (pixel, &used) in used.iter().enumerate() {
            mixture.used[pixel / BLOCK][pixel % BLOCK] = used;
            for (plane, mode) in mixture.planes.iter_mut().zip(modes.by_ref().take(used.into())) {
                let places = plane[pixel / BLOCK * GRAY..].iter_mut().skip(pixel % BLOCK).step_by(BLOCK);
                places.zip(mode).for_each(|(place, &value)| *place = value);
            }
        }
        Some(mixture)
    }

    /// The same scene in another light: level `l` of one of these pixels becomes `gain`·`l` + `offset`.
    pub(crate) fn relight(&mut self, pixels: Range<usize>, mut light: impl FnMut(usize) -> (f32, f32)) {
        for pixel in pixels {
            let (gain, offset) = light(pixel);
            let (block, k) = (pixel / BLOCK, pixel % BLOCK);
            for plane in self.planes.iter_mut().take(self.used[block][k].into()) {
                let mode = &mut plane[block * GRAY..][..GRAY];
                mode[kernel::VARIANCE * BLOCK + k] *= gain * gain;
                let mean = &mut mode[kernel::MEAN * BLOCK + k];
                *mean = (gain * *mean + offset).clamp(0.0, 255.0);
            }
        }
    }
}

struct Input<'a> {
    step: &'a Step,
    kernel: Kernel,
    threads: Option<&'a Threads>,
    pixels: &'a [u8],
    known: &'a [u8],
    mask: &'a mut [u8],
}

impl Input<'_> {
    fn apply<const C: usize, const LEN: usize>(self, planes: &mut [Vec<f32>], used: &mut [[u8; BLOCK]]) {
        let all = Band {
            modes: planes.iter_mut().map(|plane| plane.as_chunks_mut().0).collect(),
            used,
            pixels: self.pixels,
            mask: self.mask,
            known: self.known,
        };
        let (step, kernel) = (self.step, self.kernel);
        let bands = self.threads.map_or(1, Threads::count).min(self.pixels.len() / C / LEAST_BAND).max(1);
        match self.threads {
            Some(threads) if bands > 1 => threads.scope(|scope| {
                let mut rest = all;
                for left in (1..=bands).rev() {
                    let share = rest.used.len() / left;
                    let (mut first, others) = rest.split_at::<C>(share);
                    rest = others;
                    scope.spawn(move |_| run::<C, LEN>(kernel, step, &mut first));
                }
            }),
            _ => {
                let mut all = all;
                run::<C, LEN>(kernel, step, &mut all);
            }
        }
    }
}

impl<'a, const LEN: usize> Band<'a, LEN> {
    fn split_at<const C: usize>(self, blocks: usize) -> (Self, Self) {
        let pixels = (blocks * BLOCK).min(self.mask.len());
        let (first_modes, other_modes) = self.modes.into_iter().map(|mode| mode.split_at_mut(blocks)).unzip();
        let (first_used, other_used) = self.used.split_at_mut(blocks);
        let (first_pixels, other_pixels) = self.pixels.split_at(pixels * C);
        let (first_mask, other_mask) = self.mask.split_at_mut(pixels);
        let (first_known, other_known) = self.known.split_at(pixels.min(self.known.len()));
        (
            Band { modes: first_modes, used: first_used, pixels: first_pixels, mask: first_mask, known: first_known },
            Band { modes: other_modes, used: other_used, pixels: other_pixels, mask: other_mask, known: other_known },
        )
    }
}

fn run<const C: usize, const LEN: usize>(kernel: Kernel, step: &Step, band: &mut Band<'_, LEN>) {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2")]
        fn avx2<const C: usize, const LEN: usize>(lanes: Avx2, step: &Step, band: &mut Band<'_, LEN>) {
            kernel::apply::<Avx2, C, LEN>(lanes, step, band);
        }
        #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
        fn avx512<const C: usize, const LEN: usize>(lanes: Avx512, step: &Step, band: &mut Band<'_, LEN>) {
            kernel::apply::<Avx512, C, LEN>(lanes, step, band);
        }
        #[allow(unsafe_code, reason = "calling a function compiled for a detected instruction set")]
        match kernel {
            Kernel::Avx2 => {
                if let Some(lanes) = Avx2::detect() {
                    // SAFETY: `detect` asked the processor just now.
                    return unsafe { avx2::<C, LEN>(lanes, step, band) };
                }
            }
            Kernel::Avx512 => {
                if let Some(lanes) = Avx512::detect() {
                    // SAFETY: as above.
                    return unsafe { avx512::<C, LEN>(lanes, step, band) };
                }
            }
            Kernel::Portable => {}
        }
    }
    let _ = kernel;
    kernel::apply::<Portable, C, LEN>(Portable { part: 0 }, step, band);
}
