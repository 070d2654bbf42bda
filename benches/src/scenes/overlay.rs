//! What a camera writes over its picture.

use super::backdrop::{HEIGHT, WIDTH};
use super::maths::sine;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overlay {
    /// Hours, minutes and seconds in white.
    Clock,
    /// The same with milliseconds.
    Milliseconds,
    /// White on an opaque black box.
    Boxed,
    /// In letters of twice the height.
    Large,
    /// A dot and letters, on for a second and off for one.
    Recording,
    /// A mark that shines through, brighter and darker.
    Logo,
    /// A clock that goes to another corner half a minute after the start.
    Jumping,
}

/// Seven rows of five pixels a character.
const CHARACTERS: &[(char, [u8; 7])] = &[
    ('0', [14, 17, 19, 21, 25, 17, 14]),
    ('1', [4, 12, 4, 4, 4, 4, 14]),
    ('2', [14, 17, 1, 2, 4, 8, 31]),
    ('3', [31, 2, 4, 2, 1, 17, 14]),
    ('4', [2, 6, 10, 18, 31, 2, 2]),
    ('5', [31, 16, 30, 1, 1, 17, 14]),
    ('6', [6, 8, 16, 30, 17, 17, 14]),
    ('7', [31, 1, 2, 4, 8, 8, 8]),
    ('8', [14, 17, 17, 14, 17, 17, 14]),
    ('9', [14, 17, 17, 15, 1, 2, 12]),
    (':', [0, 4, 0, 0, 0, 4, 0]),
    ('.', [0, 0, 0, 0, 0, 12, 12]),
    ('R', [30, 17, 17, 30, 20, 18, 17]),
    ('E', [31, 16, 16, 30, 16, 16, 31]),
    ('C', [14, 17, 16, 16, 16, 17, 14]),
    ('*', [14, 31, 31, 31, 31, 31, 14]),
];
/// Pixels of the picture for one of a character.
const SCALE: usize = 2;
const LARGE: usize = 4;
/// Columns from one character to the next.
const ADVANCE: usize = 6;
const WHITE: f32 = 230.0;
/// When the jumping clock jumps, in milliseconds.
const JUMP_MS: u64 = 30_000;

impl Overlay {
    /// Writes on a picture at its time.
    pub(super) fn draw(self, luma: &mut [u8], ms: u64) {
        let seconds = ms / 1000 + 9 * 3600 + 58 * 60 + 30;
        let clock = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
        match self {
            Self::Clock => write(luma, [20, 14], SCALE, &clock),
            Self::Milliseconds => write(luma, [20, 14], SCALE, &format!("{clock}.{:03}", ms % 1000)),
            Self::Boxed => {
                fill(luma, [330, 332], [8 * ADVANCE * SCALE + 8, 22], 16.0, 1.0);
                write(luma, [334, 336], SCALE, &clock);
            }
            Self::Large => write(luma, [20, 14], LARGE, &clock),
            Self::Recording if seconds.is_multiple_of(2) => write(luma, [560, 14], SCALE, "*REC"),
            Self::Recording => {}
            Self::Logo => {
                let alpha = 0.5 + 0.35 * sine(ms as f32 / 2300.0);
                for k in 0..4 {
                    fill(luma, [560 + 6 * k, 300 + 6 * k], [10, 24 - 6 * k], WHITE, alpha);
                }
            }
            Self::Jumping if ms < JUMP_MS => write(luma, [20, 14], SCALE, &clock),
            Self::Jumping => write(luma, [500, 330], SCALE, &clock),
        }
    }
}

fn write(luma: &mut [u8], [x, y]: [usize; 2], scale: usize, text: &str) {
    for (k, wanted) in text.chars().enumerate() {
        let rows = CHARACTERS.iter().find(|(character, _)| *character == wanted).map_or([0; 7], |(_, rows)| *rows);
        for (row, bits) in rows.into_iter().enumerate() {
            for column in (0..5).filter(|column| bits >> (4 - column) & 1 == 1) {
                fill(luma, [x + (k * ADVANCE + column) * scale, y + row * scale], [scale, scale], WHITE, 1.0);
            }
        }
    }
}

fn fill(luma: &mut [u8], [x, y]: [usize; 2], [width, height]: [usize; 2], level: f32, alpha: f32) {
    for row in y..(y + height).min(HEIGHT) {
        for pixel in &mut luma[row * WIDTH..][x.min(WIDTH)..(x + width).min(WIDTH)] {
            *pixel = (f32::from(*pixel) * (1.0 - alpha) + level * alpha + 0.5) as u8;
        }
    }
}
