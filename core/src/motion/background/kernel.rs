//! One step of the Gaussian mixture, for sixteen pixels at once: Zivkovic 2004 and 2006, in the order of operations of
//! OpenCV's `BackgroundSubtractorMOG2` on x86, so that the masks are equal to the bit.

use super::BackgroundModelConfig;
use super::lanes::{BLOCK, Lanes};

/// The most components of a mixture.
pub(super) const MAX_MIXTURES: usize = 16;

/// Rows of a block of one mode: its weights, its variances, then its means channel by channel.
pub(super) const WEIGHT: usize = 0;
pub(super) const VARIANCE: usize = 1;
pub(super) const MEAN: usize = 2;

/// The numbers of one step, as 32-bit floats.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    alpha: f32,
    keep: f32,
    prune: f32,
    background_ratio: f32,
    threshold: f32,
    threshold_gen: f32,
    variance_init: f32,
    variance_min: f32,
    variance_max: f32,
    shadow_threshold: f32,
    shadow_mask: Option<f32>,
}

impl Step {
    pub(super) fn new(config: &BackgroundModelConfig, rate: f64) -> Self {
        let alpha = rate as f32;
        Self {
            alpha,
            keep: 1.0 - alpha,
            prune: (-rate * f64::from(config.complexity_reduction)) as f32,
            background_ratio: config.background_ratio,
            threshold: config.var_threshold,
            threshold_gen: config.var_threshold_gen,
            variance_init: config.var_init,
            variance_min: config.var_min,
            variance_max: config.var_max,
            shadow_threshold: config.shadow_threshold,
            shadow_mask: config.detect_shadows.then_some(f32::from(config.shadow_value)),
        }
    }
}

/// Consecutive blocks of pixels of a model. `LEN` is [`BLOCK`] × (2 + channels).
pub(super) struct Band<'a, const LEN: usize> {
    pub(super) modes: Vec<&'a mut [[f32; LEN]]>,
    /// Modes in use, a pixel each.
    pub(super) used: &'a mut [[u8; BLOCK]],
    /// Channels interleaved; the last block may be cut short.
    pub(super) pixels: &'a [u8],
    pub(super) mask: &'a mut [u8],
    /// Pixels that the caller knows to be foreground; empty where there are none.
    pub(super) known: &'a [u8],
}

/// Applies one frame to a band.
#[inline(always)]
pub(super) fn apply<L: Lanes, const C: usize, const LEN: usize>(l: L, step: &Step, band: &mut Band<'_, LEN>) {
    const { assert!(LEN == BLOCK * (MEAN + C)) };
    let Band { modes, used, pixels, mask, known } = band;
    let modes = modes.as_mut_slice();
    for (block, (used, mask)) in used.iter_mut().zip(mask.chunks_mut(BLOCK)).enumerate() {
        let first = block * BLOCK;
        let count = mask.len();
        let mut channels = [[0u8; BLOCK]; C];
        load_channels(l, &pixels[first * C..(first + count) * C], &mut channels);
        let known = known.get(first..first + count).filter(|known| known.iter().any(|&value| value != 0));
        let before = known.map(|_| (save(modes, block), *used));
        let mut out = [0u8; BLOCK];
        for part in 0..L::PARTS {
            apply_block::<L, C, LEN>(l.part(part), step, modes, block, &channels, used, &mut out);
        }
        if let (Some(known), Some(before)) = (known, before) {
            keep_known(known, modes, block, used, &before, &mut out);
        }
        match <&mut [u8; BLOCK]>::try_from(&mut *mask) {
            Ok(whole) => *whole = out,
            Err(_) => mask.copy_from_slice(&out[..count]),
        }
    }
}

#[inline(always)]
fn load_channels<L: Lanes, const C: usize>(l: L, pixels: &[u8], channels: &mut [[u8; BLOCK]; C]) {
    if C == 1 {
        match <&[u8; BLOCK]>::try_from(pixels) {
            Ok(whole) => channels[0] = *whole,
            Err(_) => channels[0][..pixels.len()].copy_from_slice(pixels),
        }
        return;
    }
    let mut padded = [0; 3 * BLOCK];
    let pixels = match <&[u8; 3 * BLOCK]>::try_from(pixels) {
        Ok(whole) => whole,
        Err(_) => {
            padded[..pixels.len()].copy_from_slice(pixels);
            &padded
        }
    };
    if let Ok(channels) = <&mut [[u8; BLOCK]; 3]>::try_from(channels.as_mut_slice()) {
        *channels = l.split(pixels);
    }
}

type Saved<const LEN: usize> = ([[f32; LEN]; MAX_MIXTURES], [u8; BLOCK]);

#[cold]
fn save<const LEN: usize>(modes: &[&mut [[f32; LEN]]], block: usize) -> [[f32; LEN]; MAX_MIXTURES] {
    let mut saved = [[0.0; LEN]; MAX_MIXTURES];
    for (saved, mode) in saved.iter_mut().zip(modes) {
        *saved = mode[block];
    }
    saved
}

/// Known foreground is not learnt: the state of these pixels is put back as it was.
#[cold]
fn keep_known<const LEN: usize>(
    known: &[u8],
    modes: &mut [&mut [[f32; LEN]]],
    block: usize,
    used: &mut [u8; BLOCK],
    before: &Saved<LEN>,
    mask: &mut [u8; BLOCK],
) {
    for (k, _) in known.iter().enumerate().filter(|&(_, &value)| value != 0) {
        for (mode, saved) in modes.iter_mut().zip(&before.0) {
            for (now, was) in mode[block][k..].iter_mut().step_by(BLOCK).zip(saved[k..].iter().step_by(BLOCK)) {
                *now = *was;
            }
        }
        used[k] = before.1[k];
        mask[k] = 255;
    }
}

#[inline(always)]
fn row<const LEN: usize>(block: &[f32; LEN], row: usize) -> &[f32; BLOCK] {
    &block.as_chunks().0[row]
}

#[inline(always)]
fn row_mut<const LEN: usize>(block: &mut [f32; LEN], row: usize) -> &mut [f32; BLOCK] {
    &mut block.as_chunks_mut().0[row]
}

// Loops where `array::from_fn` would read better: the compiler does not inline vector instructions through it.
#[inline(always)]
fn means<L: Lanes, const C: usize, const LEN: usize>(l: L, mode: &[f32; LEN]) -> [L::F; C] {
    let mut means = [l.splat(0.0); C];
    for (c, mean) in means.iter_mut().enumerate() {
        *mean = l.load(row(mode, MEAN + c));
    }
    means
}

#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "inlined into one caller")]
fn apply_block<L: Lanes, const C: usize, const LEN: usize>(
    l: L,
    step: &Step,
    modes: &mut [&mut [[f32; LEN]]],
    block: usize,
    channels: &[[u8; BLOCK]; C],
    used: &mut [u8; BLOCK],
    mask: &mut [u8; BLOCK],
) {
    let zero = l.splat(0.0);
    let alpha = l.splat(step.alpha);
    let mut x = [zero; C];
    for (x, channel) in x.iter_mut().zip(channels) {
        *x = l.load_u8(channel);
    }
    let mut n = l.load_u8(used);
    let mut background = l.none();
    let mut fit = l.none();
    let mut total = zero;

    let mut count = 0;
    while count < modes.len() {
        let m = count;
        let active = l.less(l.splat(m as f32), n);
        if !l.any(active) {
            break;
        }
        count += 1;
        let mode = &mut modes[m][block];
        let old = l.load(row(mode, WEIGHT));
        let mut weight = l.add(l.mul(l.splat(step.keep), old), l.splat(step.prune));
        let open = l.without(active, fit);
        let mut hit = l.none();
        if l.any(open) {
            let variance = l.load(row(mode, VARIANCE));
            let mean: [L::F; C] = means(l, mode);
            let mut d = mean;
            let mut distance = zero;
            for (c, (d, &x)) in d.iter_mut().zip(&x).enumerate() {
                *d = l.sub(*d, x);
                let square = l.mul(*d, *d);
                distance = if c == 0 { square } else { l.add(distance, square) };
            }
            let near = l.less(distance, l.mul(l.splat(step.threshold), variance));
            let counted = l.less(total, l.splat(step.background_ratio));
            background = l.or(background, l.and(open, l.and(counted, near)));
            hit = l.and(open, l.less(distance, l.mul(l.splat(step.threshold_gen), variance)));
            if l.any(hit) {
                fit = l.or(fit, hit);
                weight = l.select(hit, l.add(weight, alpha), weight);
                let k = l.div(alpha, weight);
                for c in 0..C {
                    let moved = l.sub(mean[c], l.mul(k, d[c]));
                    l.store(l.select(hit, moved, mean[c]), row_mut(mode, MEAN + c));
                }
                let moved = l.add(variance, l.mul(k, l.sub(distance, variance)));
                // The order of the arguments is that of OpenCV's macros: a variance that is not a number stays so.
                let moved = l.min(l.splat(step.variance_max), l.max(l.splat(step.variance_min), moved));
                l.store(l.select(hit, moved, variance), row_mut(mode, VARIANCE));
            }
        }
        let low = l.and(active, l.less(weight, l.splat(-step.prune)));
        n = l.select(low, l.sub(n, l.splat(1.0)), n);
        let kept = l.select(l.without(active, low), weight, zero);
        total = l.add(total, kept);
        l.store(kept, row_mut(mode, WEIGHT));
        // Up among the heavier ones; the comparison is with the weight before pruning.
        if m > 0 && l.any(hit) {
            rise(l, modes, block, m, hit, weight, kept);
        }
    }

    let tiny = l.less(l.splat(f32::EPSILON), l.abs(total));
    let scale = l.select(tiny, l.div(l.splat(1.0), total), zero);
    for mode in modes[..count].iter_mut() {
        let weights = row_mut(&mut mode[block], WEIGHT);
        l.store(l.mul(l.load(weights), scale), weights);
    }

    if step.alpha > 0.0 {
        let active = l.less(l.splat(-1.0), n);
        let missing = l.without(active, fit);
        if l.any(missing) {
            n = insert::<L, C, LEN>(l, step, modes, block, missing, n, &x);
        }
    }
    l.store_u8(n, used);

    let foreground = l.without(l.less(l.splat(-1.0), n), background);
    let mut out = l.select(foreground, l.splat(255.0), zero);
    if let Some(value) = step.shadow_mask
        && l.any(foreground)
    {
        let shadow = shadows::<L, C, LEN>(l, step, modes, block, foreground, n, &x);
        out = l.select(shadow, l.splat(value), out);
    }
    l.store_u8(out, mask);
}

/// Exchanges mode `m` with the one before it while that is not the heavier one.
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "inlined into two callers")]
fn rise<L: Lanes, const LEN: usize>(
    l: L,
    modes: &mut [&mut [[f32; LEN]]],
    block: usize,
    m: usize,
    mut rising: L::M,
    weight: L::F,
    kept: L::F,
) {
    for upper in (0..m).rev() {
        let (above, below) = modes.split_at_mut(upper + 1);
        let (above, below) = (&mut above[upper][block], &mut below[0][block]);
        let heavier = l.load(row(above, WEIGHT));
        rising = l.without(rising, l.less(weight, heavier));
        if !l.any(rising) {
            return;
        }
        let own = l.load(row(below, WEIGHT));
        l.store(l.select(rising, heavier, own), row_mut(below, WEIGHT));
        l.store(l.select(rising, kept, heavier), row_mut(above, WEIGHT));
        for k in VARIANCE..LEN / BLOCK {
            let (a, b) = (l.load(row(above, k)), l.load(row(below, k)));
            l.store(l.select(rising, b, a), row_mut(above, k));
            l.store(l.select(rising, a, b), row_mut(below, k));
        }
    }
}

/// A new mode for the pixels that fit none: at the end, or in the place of the last one. Returns the modes in use.
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "inlined into one caller")]
fn insert<L: Lanes, const C: usize, const LEN: usize>(
    l: L,
    step: &Step,
    modes: &mut [&mut [[f32; LEN]]],
    block: usize,
    missing: L::M,
    n: L::F,
    x: &[L::F; C],
) -> L::F {
    let alpha = l.splat(step.alpha);
    let one = l.splat(1.0);
    let full = l.splat(modes.len() as f32);
    let n = l.select(l.and(missing, l.less(n, full)), l.add(n, one), n);
    for m in 0..modes.len() {
        // Pixels whose new mode is this one, and those whose new mode comes behind it.
        let next = l.splat((m + 1) as f32);
        let here = l.and(missing, l.equal(n, next));
        let before = l.and(missing, l.less(next, n));
        if !l.any(l.or(here, before)) {
            break;
        }
        let mode = &mut modes[m][block];
        let weight = l.load(row(mode, WEIGHT));
        let first = if m == 0 { one } else { alpha };
        let weight = l.select(before, l.mul(weight, l.splat(step.keep)), weight);
        l.store(l.select(here, first, weight), row_mut(mode, WEIGHT));
        if !l.any(here) {
            continue;
        }
        let variance = l.load(row(mode, VARIANCE));
        l.store(l.select(here, l.splat(step.variance_init), variance), row_mut(mode, VARIANCE));
        for (c, &x) in x.iter().enumerate() {
            let mean = l.load(row(mode, MEAN + c));
            l.store(l.select(here, x, mean), row_mut(mode, MEAN + c));
        }
        if m > 0 {
            rise(l, modes, block, m, here, alpha, alpha);
        }
    }
    n
}

/// Foreground pixels that are a darker version of a background mode (Prati et al. 2003, as OpenCV tests it).
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "inlined into one caller")]
fn shadows<L: Lanes, const C: usize, const LEN: usize>(
    l: L,
    step: &Step,
    modes: &[&mut [[f32; LEN]]],
    block: usize,
    foreground: L::M,
    n: L::F,
    x: &[L::F; C],
) -> L::M {
    let zero = l.splat(0.0);
    let mut shadow = l.none();
    let mut open = foreground;
    let mut total = zero;
    for (m, mode) in modes.iter().enumerate() {
        open = l.and(open, l.less(l.splat(m as f32), n));
        if !l.any(open) {
            break;
        }
        let mode = &mode[block];
        let mean: [L::F; C] = means(l, mode);
        let mut numerator = l.mul(x[0], mean[0]);
        let mut denominator = l.mul(mean[0], mean[0]);
        for c in 1..C {
            numerator = l.add(numerator, l.mul(x[c], mean[c]));
            denominator = l.add(denominator, l.mul(mean[c], mean[c]));
        }
        open = l.without(open, l.equal(denominator, zero));
        let too_dark = l.less(numerator, l.mul(l.splat(step.shadow_threshold), denominator));
        let darker = l.without(l.without(open, l.less(denominator, numerator)), too_dark);
        if l.any(darker) {
            let ratio = l.div(numerator, denominator);
            let mut distance = zero;
            for c in 0..C {
                let d = l.sub(l.mul(ratio, mean[c]), x[c]);
                let square = l.mul(d, d);
                distance = if c == 0 { square } else { l.add(distance, square) };
            }
            let variance = l.load(row(mode, VARIANCE));
            let limit = l.mul(l.mul(l.mul(l.splat(step.threshold), variance), ratio), ratio);
            let found = l.and(darker, l.less(distance, limit));
            shadow = l.or(shadow, found);
            open = l.without(open, found);
        }
        total = l.add(total, l.load(row(mode, WEIGHT)));
        open = l.without(open, l.less(l.splat(step.background_ratio), total));
    }
    shadow
}
