//! The sensor's noise, from two frames that follow each other.

use super::grid::Grid;

/// Every so many pixels one is looked at.
const EVERY: usize = 13;

/// The standard deviation of the noise in levels. A change of light is left out: differences count from their median. So is
/// what moves: of the absolute differences, the 70 % smallest count, whose mean is 0.474 standard deviations of the difference
/// where the noise is Gaussian.
pub(super) fn between(grid: &Grid, picture: &[u8], before: &[u8]) -> f32 {
    let mut signed = [0u32; 511];
    let mut all = 0u32;
    for ((&a, &b), &inside) in picture.iter().zip(before).zip(&grid.inside).step_by(EVERY) {
        if inside == 1 {
            signed[255 + usize::from(a) - usize::from(b)] += 1;
            all += 1;
        }
    }
    let mut below = 0;
    let median = signed.iter().position(|&count| {
        below += count;
        2 * below >= all
    });
    let median = median.unwrap_or(255);
    let mut counts = [0u32; 511];
    for (difference, &count) in signed.iter().enumerate() {
        counts[difference.abs_diff(median)] += count;
    }
    let wanted = all as f32 * 0.7;
    let (mut taken, mut sum) = (0.0, 0.0);
    for (level, &count) in counts.iter().enumerate() {
        let count = f32::min(count as f32, wanted - taken);
        taken += count;
        sum += count * level as f32;
        if taken >= wanted {
            break;
        }
    }
    if taken > 0.0 { sum / taken / 0.474 / std::f32::consts::SQRT_2 } else { 0.0 }
}
