//! How far one picture lies beside another.

use crate::imaging::vectorized;

/// The farthest shift that is looked for, in working pixels.
const REACH: isize = 8;
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
    // Downhill: pictures of the world grow less alike the farther they are apart.
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
    if (least as f32) < BETTER * still as f32 { (x, y) } else { (0, 0) }
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
        assert_eq!(shift(1, 1, &[3], &[200]), (0, 0));
        assert_eq!(shift(w, h, &vec![9; w * h], &picture(0, 0)), (0, 0));
    }
}
