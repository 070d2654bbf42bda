//! Cameras in large numbers: still 1080p streets with somebody walking through now and then, drawn from a seed.
//!
//! A few streets serve all cameras, since hundreds of them would not fit into memory: a camera shows one street, and begins
//! at a place of its own in the same course of things.

use crate::scenes::maths::{Random, hash, lerp, noise, sine, smooth};
use guarita::Size;
use std::path::Path;
use std::sync::Arc;

/// The size of every picture.
pub const SIZE: Size = Size::new(1920, 1080);

/// Streets that are drawn.
pub const STREETS: usize = 8;

/// Pictures of an empty street, which differ in the sensor's noise; shown in turn.
pub const STILL: usize = 10;

/// Pictures of somebody who walks through, a second apart.
pub const WALK: usize = 10;

/// Seconds from one walk to the next: 5 % of the pictures have something in them.
pub const PERIOD: usize = 20 * WALK;

const WIDTH: usize = SIZE.width as usize;
const HEIGHT: usize = SIZE.height as usize;

/// The street that a camera shows, and the second of the course at which it begins.
pub const fn camera(number: usize) -> (usize, usize) {
    // 77 and the period have no common divisor, so that walks are spread evenly over few cameras and over many.
    (number % STREETS, number * 77 % PERIOD)
}

/// Which picture of a street comes at each second of the course: still ones below [`STILL`], then the walk.
pub fn course() -> Vec<usize> {
    (0..PERIOD).map(picture_at).collect()
}

const fn picture_at(second: usize) -> usize {
    let second = second % PERIOD;
    if second < WALK { STILL + second } else { second % STILL }
}

/// The pictures as files, one copy for all cameras.
pub struct Pictures(Vec<Vec<Arc<[u8]>>>);

impl Pictures {
    /// Reads `<street>-<picture>.jpg`, two digits each.
    ///
    /// # Errors
    /// Where one cannot be read.
    pub fn read(folder: &Path) -> std::io::Result<Self> {
        let one = |street, number| Ok(std::fs::read(folder.join(format!("{street:02}-{number:02}.jpg")))?.into());
        let street = |street| (0..STILL + WALK).map(|number| one(street, number)).collect();
        (0..STREETS).map(street).collect::<std::io::Result<_>>().map(Self)
    }

    /// What a camera shows at a second of the course, and whether somebody is in it.
    pub fn at(&self, number: usize, second: usize) -> (&Arc<[u8]>, bool) {
        let (street, start) = camera(number);
        let picture = picture_at(second + start);
        (&self.0[street][picture], picture >= STILL)
    }

    /// What a camera shows while nobody walks there.
    pub fn still(&self, number: usize, second: usize) -> &Arc<[u8]> {
        &self.0[camera(number).0][second % STILL]
    }
}

/// Jain's index of what each got: 1 where all got the same, 1/n where one got all.
pub fn jain(shares: &[f64]) -> f64 {
    let (sum, squares) = shares.iter().fold((0.0, 0.0), |(sum, squares), x| (sum + x, squares + x * x));
    if squares > 0.0 { sum * sum / (shares.len() as f64 * squares) } else { 1.0 }
}

/// A street as a camera on a wall sees it.
pub struct Street {
    seed: u64,
    /// Packed BGR, without anybody and without noise.
    empty: Vec<u8>,
    feet: f32,
    clothes: [[f32; 3]; 2],
}

/// Where the sky ends and where the road begins, as parts of the height.
struct Lines {
    eaves: f32,
    pavement: f32,
    road: f32,
}

impl Street {
    /// Paints the street; some tenths of a second.
    pub fn paint(seed: u64) -> Self {
        let mut random = Random::new(hash(&[seed, 1]));
        let lines = Lines {
            eaves: random.between(0.08, 0.2),
            pavement: random.between(0.5, 0.58),
            road: random.between(0.66, 0.72),
        };
        let mut empty = vec![0; WIDTH * HEIGHT * 3];
        let ground = Ground::new(seed, &mut random, &lines);
        for (y, row) in empty.chunks_exact_mut(WIDTH * 3).enumerate() {
            for (x, pixel) in row.chunks_exact_mut(3).enumerate() {
                put(pixel, ground.color(x as f32, y as f32));
            }
        }
        let clothes = [0, 1].map(|_| [0; 3].map(|_| random.between(20.0, 190.0)));
        let feet = HEIGHT as f32 * (lines.road + random.between(0.03, 0.15));
        Self { seed, empty, feet, clothes }
    }

    /// A picture, packed BGR: below [`STILL`] one of the empty street, then up to [`WALK`] of the walk.
    pub fn picture(&self, number: usize) -> Vec<u8> {
        let mut picture = self.empty.clone();
        if let Some(step) = number.checked_sub(STILL) {
            self.draw_person(&mut picture, step);
        }
        let mut state = hash(&[self.seed, 2, number as u64]) | 1;
        for pixel in picture.chunks_exact_mut(3) {
            // The sum of four bytes is nearly normal; its deviation is 148.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let sum = (state.to_le_bytes()[..4].iter().map(|&byte| i32::from(byte)).sum::<i32>() - 510) as f32;
            let grain = sum * (NOISE / 148.0);
            for value in pixel {
                *value = (f32::from(*value) + grain + 0.5) as u8;
            }
        }
        picture
    }

    /// About 1.4 m a second.
    fn draw_person(&self, picture: &mut [u8], step: usize) {
        let height = 0.42 * self.feet;
        let x = lerp(0.04, 0.96, step as f32 / (WALK - 1) as f32) * WIDTH as f32;
        let swing = 0.11 * height * sine(step as f32 * 0.37 + 0.1);
        let at = |share: f32| self.feet - share * height;
        let [coat, trousers] = self.clothes;
        let skin = [130.0, 150.0, 205.0];
        // From, to, width, colour; x from the middle, heights from the ground.
        let limbs = [
            ([0.0, at(0.5)], [-swing, at(0.02)], 0.05, trousers),
            ([0.0, at(0.5)], [swing, at(0.02)], 0.05, trousers.map(|v| 0.8 * v)),
            ([0.0, at(0.78)], [0.0, at(0.52)], 0.1, coat),
            ([0.03 * height, at(0.8)], [0.9 * swing, at(0.48)], 0.035, coat.map(|v| 0.85 * v)),
            ([-0.03 * height, at(0.8)], [-0.9 * swing, at(0.48)], 0.035, coat.map(|v| 0.9 * v)),
            ([0.0, at(0.94)], [0.0, at(0.92)], 0.06, skin),
        ];
        for (from, to, radius, color) in limbs {
            capsule(picture, [x + from[0], from[1]], [x + to[0], to[1]], radius * height, color);
        }
    }
}

/// The deviation of the sensor's noise, in grey levels: what a camera's own filter leaves by day.
const NOISE: f32 = 1.6;

/// What stands still.
struct Ground {
    seed: u32,
    lines: Lines,
    /// Right edge, height of the eaves, colour, distance of the windows.
    houses: Vec<(f32, f32, [f32; 3], f32)>,
    /// Middle, radius.
    trees: Vec<([f32; 2], f32)>,
}

impl Ground {
    fn new(seed: u64, random: &mut Random, lines: &Lines) -> Self {
        let (mut houses, mut edge) = (Vec::new(), 0.0);
        while edge < WIDTH as f32 {
            edge += random.between(220.0, 480.0);
            let eaves = HEIGHT as f32 * (lines.eaves + random.between(-0.07, 0.12));
            let warm = random.between(90.0, 190.0);
            let color = [warm * random.between(0.7, 0.95), warm * random.between(0.85, 1.0), warm];
            houses.push((edge, eaves, color, random.between(60.0, 110.0)));
        }
        let tree = |_| {
            let middle = [random.between(0.0, WIDTH as f32), HEIGHT as f32 * random.between(0.3, 0.45)];
            (middle, random.between(60.0, 130.0))
        };
        let trees = (0..3).map(tree).collect();
        let lines = Lines { ..*lines };
        Self { seed: seed as u32 ^ 0x5eed, lines, houses, trees }
    }

    fn color(&self, x: f32, y: f32) -> [f32; 3] {
        let height = HEIGHT as f32;
        let rough = |scale: f32| 0.5 * noise(self.seed, x / scale, y / scale);
        let Lines { pavement, road, .. } = self.lines;
        if y >= road * height {
            // Asphalt, coarser in front, and a broken white line.
            let near = (y / height - road) / (1.0 - road);
            let tone = 88.0 + 25.0 * rough(260.0) + lerp(14.0, 30.0, near) * rough(2.5) + 14.0 * rough(9.0);
            let on_line = (near - 0.45).abs() < 0.025 && (x / 240.0).fract() < 0.6;
            return [if on_line { tone + 110.0 } else { tone }; 3];
        }
        if let Some((_, radius)) = self.trees.iter().find(|([cx, cy], radius)| {
            let far = ((x - cx).powi(2) + (y - cy).powi(2)).sqrt();
            far < radius * (0.85 + 0.6 * rough(40.0))
        }) {
            let leaf = 70.0 + 90.0 * rough(5.0) + 60.0 * rough(0.12 * radius);
            return [0.45 * leaf, leaf, 0.6 * leaf];
        }
        if y >= pavement * height {
            let joint = y % 24.0 < 1.5 || (x + 40.0 * (y / 24.0).floor()) % 80.0 < 1.5;
            let tone = 140.0 + 20.0 * rough(120.0) + 16.0 * rough(3.0) - if joint { 40.0 } else { 0.0 };
            return [0.95 * tone, 0.98 * tone, tone];
        }
        let house = self.houses.iter().position(|(edge, ..)| x < *edge).unwrap_or_default();
        let (edge, eaves, color, pitch) = self.houses[house];
        if y < eaves {
            let tone = 205.0 + 30.0 * (1.0 - y / height) + 26.0 * rough(300.0);
            return [tone + 12.0, tone, tone - 14.0];
        }
        let (u, v) = ((edge - x) / pitch, (y - eaves) / (1.3 * pitch));
        let (in_u, in_v) = (u.fract(), v.fract());
        if (0.25..0.75).contains(&in_u) && (0.25..0.8).contains(&in_v) {
            let frame = !(0.29..0.71).contains(&in_u) || !(0.28..0.77).contains(&in_v);
            let glass = 45.0 + 60.0 * smooth(0.2, 0.9, in_v) + 20.0 * rough(30.0);
            return if frame { [215.0; 3] } else { [glass + 15.0, glass + 5.0, glass] };
        }
        // Courses of bricks.
        let course = (y / 9.0).floor();
        let joint = y % 9.0 < 1.4 || (x + 11.0 * (course % 2.0)) % 22.0 < 1.4;
        let shade = 1.0 + 0.24 * rough(4.0) + 0.16 * rough(70.0) + if joint { 0.12 } else { 0.0 };
        color.map(|value| value * shade)
    }
}

fn put(pixel: &mut [u8], color: [f32; 3]) {
    for (value, color) in pixel.iter_mut().zip(color) {
        // Some room for the noise on both sides.
        *value = color.clamp(8.0, 247.0) as u8;
    }
}

/// All points that are nearer than the radius to the line between two points, with a soft edge and a shaded side.
fn capsule(picture: &mut [u8], from: [f32; 2], to: [f32; 2], radius: f32, color: [f32; 3]) {
    let span = |k: usize, most: usize| {
        let low = (from[k].min(to[k]) - radius).floor().clamp(0.0, most as f32) as usize;
        let high = (from[k].max(to[k]) + radius).ceil().clamp(0.0, most as f32) as usize;
        low..high
    };
    let along = [to[0] - from[0], to[1] - from[1]];
    let length = (along[0] * along[0] + along[1] * along[1]).max(1e-6);
    for y in span(1, HEIGHT) {
        for x in span(0, WIDTH) {
            let off = [x as f32 - from[0], y as f32 - from[1]];
            let share = ((off[0] * along[0] + off[1] * along[1]) / length).clamp(0.0, 1.0);
            let side = off[0] - share * along[0];
            let far = (side * side + (off[1] - share * along[1]).powi(2)).sqrt();
            let cover = 1.0 - smooth(radius - 1.5, radius, far);
            let shade = 1.0 - 0.25 * (side / radius).clamp(-1.0, 1.0);
            let folds = 7.0 * noise(7, x as f32 / 6.0, y as f32 / 11.0);
            for (value, color) in picture[(y * WIDTH + x) * 3..][..3].iter_mut().zip(color) {
                *value = lerp(f32::from(*value), (color * shade + folds).clamp(8.0, 247.0), cover) as u8;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_twenty_pictures_has_somebody_in_it_at_any_time() {
        let course = course();
        let moving = |cameras: usize, second: usize| {
            (0..cameras).filter(|&k| course[(second + camera(k).1) % PERIOD] >= STILL).count()
        };
        assert_eq!(course.iter().filter(|&&picture| picture >= STILL).count() * 20, PERIOD);
        for second in 0..PERIOD {
            assert!((10..=16).contains(&moving(250, second)) && moving(16, second) <= 3, "second {second}");
        }
        let streets: Vec<_> = (0..200).map(camera).filter(|(_, start)| *start == 7).collect();
        assert_eq!(streets.len(), 1, "no two of the first 200 cameras show the same");
    }

    #[test]
    fn files_come_when_the_course_says() {
        let folder = std::env::temp_dir().join(format!("guarita-cameras-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        for street in 0..STREETS {
            for number in 0..STILL + WALK {
                std::fs::write(folder.join(format!("{street:02}-{number:02}.jpg")), [street as u8, number as u8])
                    .unwrap();
            }
        }
        let pictures = Pictures::read(&folder).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(Pictures::read(&folder).is_err());
        let course = course();
        for (number, second) in [(0, 0), (9, 3), (249, 1_000), (77, 57)] {
            let (street, start) = camera(number);
            let picture = course[(second + start) % PERIOD];
            let (data, somebody) = pictures.at(number, second);
            assert_eq!((data[..].to_vec(), somebody), (vec![street as u8, picture as u8], picture >= STILL));
        }
    }

    #[test]
    fn jain_says_who_got_what() {
        assert_eq!((jain(&[2.0; 5]), jain(&[3.0, 0.0, 0.0, 0.0]), jain(&[])), (1.0, 0.25, 1.0));
    }

    #[test]
    fn the_same_seed_draws_the_same_street_and_only_the_walk_moves() {
        let street = Street::paint(3);
        let [still, other, walk] = [0, 1, STILL + 4].map(|number| street.picture(number));
        assert!(Street::paint(3).picture(1) == other && still != other);
        let far = |picture: &[u8]| {
            let differ = still.chunks_exact(3).zip(picture.chunks_exact(3)).filter(|(a, b)| a[1].abs_diff(b[1]) > 16);
            differ.count() as f32 / SIZE.pixels() as f32
        };
        assert!(far(&other) < 0.0005, "{}", far(&other));
        assert!((0.004..0.05).contains(&far(&walk)), "{}", far(&walk));
    }
}
