//! Pictures that a decoder could not finish: from a row on, each row repeats the one above, or all of it is one level.

/// The least share of the rows that is broken.
const LEAST: f32 = 0.12;
/// Levels by which a row may differ from the one above and still repeat it: those of rounding.
const REPEATS: u8 = 1;

/// Whether the lower part of a picture repeats its row, where the picture before had rows of its own.
pub(super) fn is_broken(width: usize, picture: &[u8], before: &[u8]) -> bool {
    let repeats = |picture: &[u8], y: usize| {
        let (above, row) = (&picture[(y - 1) * width..y * width], &picture[y * width..(y + 1) * width]);
        row.iter().zip(above).all(|(a, b)| a.abs_diff(*b) <= REPEATS)
    };
    let height = picture.len() / width;
    let rows = (1..height).rev().take_while(|&y| repeats(picture, y)).count();
    let usual = (1..height).rev().take(rows).filter(|&y| repeats(before, y)).count();
    rows as f32 >= LEAST * height as f32 && usual * 2 < rows
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDTH: usize = 64;

    fn picture(lower: impl Fn(usize, usize) -> u8) -> Vec<u8> {
        let level = |x: usize, y: usize| (40 + (x / 5 * 31 + y / 3 * 17) % 90 + (x * 7 + y * 13) % 5) as u8;
        (0..WIDTH * 48)
            .map(|k| if k / WIDTH < 24 { level(k % WIDTH, k / WIDTH) } else { lower(k % WIDTH, k / WIDTH) })
            .collect()
    }

    #[test]
    fn what_a_decoder_leaves_is_broken_and_a_smooth_floor_is_not() {
        let usual = picture(|x, y| (60 + (x / 4 * 13 + y / 4 * 29) % 50 + (x * 3 + y * 11) % 7) as u8);
        let floor = picture(|_, _| 120);
        let smeared = picture(|x, _| (40 + x) as u8);
        assert!(is_broken(WIDTH, &picture(|_, _| 128), &usual));
        assert!(is_broken(WIDTH, &smeared, &usual));
        assert!(!is_broken(WIDTH, &usual, &usual) && !is_broken(WIDTH, &floor, &floor));
        // Little, and in the middle only.
        assert!(!is_broken(WIDTH, &picture(|x, y| if y >= 44 { 128 } else { usual[y * WIDTH + x] }), &usual));
        assert!(!is_broken(WIDTH, &picture(|x, y| if y < 40 { 128 } else { usual[y * WIDTH + x] }), &usual));
    }
}
