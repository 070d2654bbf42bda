//! Estimates the displacement of one picture against another.

use crate::imaging::vectorized;

/// The largest displacement that is searched, in working pixels.
const REACH: isize = 8;
/// Pixels of a side of the tiles that a shift must explain, and how many better ones there must be for each one that it makes
/// worse.
const TILE: usize = 16;
const MOST_WORSE: usize = 3;
/// A shift must leave at most this share of the difference.
const BETTER: f32 = 0.7;

/// The shift (right, down) under which `picture` equals `background` best, found by the sum of absolute differences; zero
/// where none is clearly better than none.
pub(super) fn shift(width: usize, height: usize, picture: &[u8], background: &[u8]) -> (isize, isize) {
    let reach_x = REACH.min(width as isize / 4);
    let reach_y = REACH.min(height as isize / 4);
    let difference = |dx: isize, dy: isize| {
        let left = reach_x as usize;
        let len = width - 2 * left;
        let rows = (reach_y as usize..height - reach_y as usize).step_by(2);
        rows.map(|y| {
            let own = &picture[y * width + left..][..len];
            let from = (y as isize - dy) as usize * width + (left as isize - dx) as usize;
            u64::from(sad(own, &background[from..from + len]))
        })
        .sum::<u64>()
    };
    let still = difference(0, 0);
    // Descent: natural pictures differ more the farther they are displaced.
    let (mut least, mut x, mut y) = (still, 0isize, 0isize);
    loop {
        let (from_x, from_y) = (x, y);
        for (dx, dy) in [(-1, -1), (0, -1), (1, -1), (-1, 0), (1, 0), (-1, 1), (0, 1), (1, 1)] {
            let (dx, dy) = (from_x + dx, from_y + dy);
            if dx.abs() <= reach_x && dy.abs() <= reach_y {
                let there = difference(dx, dy);
                if there < least {
                    (least, x, y) = (there, dx, dy);
                }
            }
        }
        if (x, y) == (from_x, from_y) {
            break;
        }
    }
    let better = (least as f32) < BETTER * still as f32;
    if better && is_everywhere(width, height, picture, background, (x, y)) { (x, y) } else { (0, 0) }
}

/// Whether a shift explains the picture and not only something large in it: of the tiles that it makes better or worse, most
/// grow better.
fn is_everywhere(width: usize, height: usize, picture: &[u8], background: &[u8], (dx, dy): (isize, isize)) -> bool {
    let reach = REACH as usize;
    let (mut better, mut worse) = (0, 0);
    for top in (reach..height.saturating_sub(reach + TILE - 1)).step_by(TILE) {
        for left in (reach..width.saturating_sub(reach + TILE - 1)).step_by(TILE) {
            let difference = |dx: isize, dy: isize| -> u32 {
                let row = |y: usize| {
                    let from = (y as isize - dy) as usize * width + (left as isize - dx) as usize;
                    sad(&picture[y * width + left..][..TILE], &background[from..from + TILE])
                };
                (top..top + TILE).map(row).sum()
            };
            let (still, moved) = (difference(0, 0), difference(dx, dy));
            // By two levels a pixel.
            let clearly = (2 * TILE * TILE) as u32;
            better += usize::from(moved + clearly < still);
            worse += usize::from(still + clearly < moved);
        }
    }
    // Accepted where there are too few tiles to judge.
    worse * MOST_WORSE <= better
}

/// Moves a picture back by a shift, so that it lies on the background; what comes in from outside is background.
pub(super) fn moved_back(
    width: usize,
    height: usize,
    (dx, dy): (isize, isize),
    background: &[u8],
    picture: &[u8],
    out: &mut [u8],
) {
    out.copy_from_slice(background);
    for y in 0..height {
        let Some(from) = y.checked_add_signed(dy).filter(|&from| from < height) else { continue };
        let (first, last) = ((-dx).max(0) as usize, (width as isize - dx).clamp(0, width as isize) as usize);
        if first < last {
            let source = from * width + (first as isize + dx) as usize;
            out[y * width + first..y * width + last].copy_from_slice(&picture[source..source + last - first]);
        }
    }
}

vectorized! {
    fn sad(a: &[u8], b: &[u8]) -> u32 {
        a.iter().zip(b).map(|(&a, &b)| u32::from(a.abs_diff(b))).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_shift_is_found() {
        let (w, h) = (120, 80);
        // A smooth landscape in which no place is like another.
        let at = |x: isize, y: isize| {
            let (x, y) = (x as f32 / 11.0, y as f32 / 9.0);
            (120.0 + 50.0 * (x + 0.3 * y).sin() + 40.0 * (y - 0.2 * x * x / 9.0).sin()) as u8
        };
        let picture = |dx: isize, dy: isize| -> Vec<u8> {
            (0..w * h).map(|k| at(100 + (k % w) as isize - dx, 100 + (k / w) as isize - dy)).collect()
        };
        for (dx, dy) in [(0, 0), (1, 0), (0, -1), (3, -2), (-7, 5)] {
            assert_eq!(shift(w, h, &picture(dx, dy), &picture(0, 0)), (dx, dy));
        }
        // Back again.
        let mut back = vec![0; w * h];
        moved_back(w, h, (3, -2), &picture(0, 0), &picture(3, -2), &mut back);
        assert_eq!(back, picture(0, 0));
        // Something large that moves before a still background moves nothing else.
        let large =
            |x: usize| -> Vec<u8> {
                let near = |k: usize| (x..x + 40).contains(&(k % w)) && k / w > 20;
                let still = picture(0, 0);
                (0..w * h)
                    .map(|k| {
                        if near(k) { at((k % w) as isize * 3 - 3 * x as isize, (k / w) as isize * 2) } else { still[k] }
                    })
                    .collect()
            };
        assert_eq!(shift(w, h, &large(34), &large(30)), (0, 0));
        assert_eq!(shift(1, 1, &[3], &[200]), (0, 0));
        assert_eq!(shift(w, h, &vec![9; w * h], &picture(0, 0)), (0, 0));
    }
}
