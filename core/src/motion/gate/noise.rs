//! The sensor's noise, from two frames that follow each other.

use super::grid::Grid;

/// Every so many pixels one is looked at.
const EVERY: usize = 13;

/// The standard deviation of the noise in levels. What moves is left out: of the absolute differences, the 70 % smallest
/// count, whose mean is 0.474 standard deviations of the difference where the noise is Gaussian.
pub(super) fn between(grid: &Grid, picture: &[u8], before: &[u8]) -> f32 {
    let mut counts = [0u32; 256];
    let mut all = 0;
    for ((&a, &b), &inside) in picture.iter().zip(before).zip(&grid.inside).step_by(EVERY) {
        if inside == 1 {
            counts[usize::from(a.abs_diff(b))] += 1;
            all += 1;
        }
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
