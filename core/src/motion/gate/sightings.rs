//! What was seen lately: small things, and anything in doubtful light or wind, must be seen twice; many small things that come and
//! go are weather.

use super::regions::Region;
use serde::{Deserialize, Serialize};

/// An earlier sighting counts this long, in seconds, and at least from one frame to the next.
const MEMORY_S: f64 = 1.6;
/// In doubt it must be older than this: longer than lightning.
const DOUBT_S: f64 = 0.25;
/// Smaller regions are small, as a share of the picture: a person of 3 % of its height.
const SMALL: f32 = 0.0002;
/// In weather, regions up to this many times the drops are small.
const SMALL_IN_WEATHER: f32 = 4.0;
/// A thing does not grow by more than this from one sighting to the next.
const ALIKE: f32 = 3.0;
/// How far a thing goes, in widths of the picture a second, and in pixels besides.
const SPEED: f64 = 0.15;
const NEAR: f64 = 5.0;
/// How far weather is believed to go between two frames that follow closely.
const SLOW: f64 = 0.06;
/// So many small regions that come out of nothing are weather.
const MANY: usize = 4;
/// So many small regions are weather wherever they come from: flakes fall slowly.
const CROWD: usize = 16;
/// The largest drop or flake, as a share of the picture.
const DROP: f32 = 0.0012;
/// What is this many times as large as weather is something else.
const LARGER: f32 = 2.0;
/// After this time a half of the weather is forgotten.
const WEATHER_S: f64 = 10.0;

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Sighting {
    x: f64,
    y: f64,
    at_s: f64,
    area: f32,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Sightings {
    seen: Vec<Sighting>,
    /// The frame before.
    last_s: f64,
    /// Bits of the last frames, the newest lowest: whether many small regions came out of nothing.
    falls: u8,
    /// The area that weather reached, and when.
    weather: f32,
    weather_s: f64,
}

/// The picture that regions are in.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) width: usize,
    pub(super) pixels: usize,
    /// The area that noise reaches.
    pub(super) noise: f32,
}

impl Sightings {
    /// Whether all of it can be: for what was read from somewhere.
    pub(super) fn is_sound(&self) -> bool {
        let finite = |number: f64| number.abs() < 1e12;
        let seen = |one: &Sighting| finite(one.x) && finite(one.y) && finite(one.at_s) && finite(one.area.into());
        self.seen.iter().all(seen) && finite(self.last_s) && finite(self.weather.into()) && finite(self.weather_s)
    }

    /// Keeps those regions that count; `doubt` says which of them could be light or wind.
    pub(super) fn keep(
        &mut self,
        mut regions: Vec<Region>,
        place: Place,
        doubt: impl Fn(&Region) -> bool,
        now_s: f64,
    ) -> Vec<Region> {
        let step_s = now_s - self.last_s;
        self.last_s = now_s;
        self.seen.retain(|seen| now_s - seen.at_s <= MEMORY_S.max(1.5 * step_s));
        let weather = self.weather(&regions, place, now_s);
        let all: Vec<Sighting> = regions.iter().map(|region| sighting(region, now_s)).collect();
        let width = place.width as f64;
        regions.retain(|region| {
            let area = region.area as f32;
            if area < weather.max(place.noise) {
                return false;
            }
            let least_s = if doubt(region) {
                DOUBT_S
            } else if area < (SMALL * place.pixels as f32).max(SMALL_IN_WEATHER * weather) {
                1e-3
            } else {
                return true;
            };
            self.seen_before(region, (least_s, weather), width * SPEED)
        });
        self.seen.extend(all);
        regions
    }

    /// Whether something alike was near, at least so long ago and so large.
    fn seen_before(&self, region: &Region, (least_s, least_area): (f64, f32), speed: f64) -> bool {
        let Sighting { x, y, at_s, area } = sighting(region, self.last_s);
        let size = region.x.len().max(region.y.len()) as f64 / 2.0;
        self.seen.iter().any(|seen| {
            let age_s = at_s - seen.at_s;
            age_s >= least_s
                && seen.area >= least_area.max(area / ALIKE)
                && (seen.x - x).hypot(seen.y - y) <= NEAR + size + speed * age_s
        })
    }

    /// The area up to which regions are weather.
    fn weather(&mut self, regions: &[Region], place: Place, now_s: f64) -> f32 {
        let largest = DROP * place.pixels as f32;
        let speed = place.width as f64 * SLOW;
        let small = || regions.iter().filter(|region| (place.noise / 4.0..largest).contains(&(region.area as f32)));
        let fresh = |region: &&Region| !self.seen_before(region, (1e-3, 0.0), speed);
        // People appear once, weather with nearly every frame: with two of the last six.
        self.falls = self.falls << 1 & 0b11_1111 | u8::from(small().filter(fresh).count() >= MANY);
        let now = if small().count() >= CROWD || self.falls.count_ones() >= 2 {
            LARGER * small().map(|region| region.area).max().unwrap_or(0) as f32
        } else {
            0.0
        };
        let left = self.weather * 0.5f64.powf((now_s - self.weather_s) / WEATHER_S) as f32;
        (self.weather, self.weather_s) = (now.max(left), now_s);
        self.weather
    }
}

fn sighting(region: &Region, at_s: f64) -> Sighting {
    let (x, y) = region.center();
    Sighting { x: x.into(), y: y.into(), at_s, area: region.area as f32 }
}
