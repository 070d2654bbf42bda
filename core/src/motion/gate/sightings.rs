//! Recent sightings: small regions, and any region in doubtful light or wind, must be seen twice; many small regions
//! that come and go are weather.

use super::regions::Region;
use super::{IgnoreReason, IgnoreReasons};
use serde::{Deserialize, Serialize};

/// How long an earlier sighting counts, in seconds; at least from one frame to the next.
const MEMORY_S: f64 = 1.6;
/// In doubt it must be older than this: longer than lightning.
const DOUBT_S: f64 = 0.25;
/// The largest area of a small region, as a share of the picture: a person of 3 % of its height.
const SMALL: f32 = 0.0002;
/// In weather, regions up to this many times the weather's area are small.
const SMALL_IN_WEATHER: f32 = 4.0;
/// The largest growth of an object from one sighting to the next, as a factor.
const ALIKE: f32 = 3.0;
/// The largest speed of an object, in widths of the picture a second, and a tolerance in pixels.
const SPEED: f64 = 0.15;
const NEAR: f64 = 5.0;
/// The same for weather between two frames that follow closely.
const SLOW: f64 = 0.06;
/// The number of new small regions from which on a frame shows weather.
const MANY: usize = 4;
/// Weather must show in two of this many frames, within this many seconds.
const FALLS_LOOKS: usize = 6;
const FALLS_S: f64 = 2.0;
/// The number of small regions that are weather even if seen before: flakes fall slowly.
const CROWD: usize = 16;
/// The largest drop or flake, as a share of the picture.
const DROP: f32 = 0.0012;
/// Regions this many times as large as weather are something else.
const LARGER: f32 = 2.0;
/// Half-life of the weather's area, in seconds.
const WEATHER_S: f64 = 10.0;
/// Time constant of the average area of swaying regions, in seconds.
const LEAF_S: f64 = 5.0;
/// A moving region this many times as large as a swaying one is something else.
const SEVERAL: f32 = 3.0;
/// The most similar regions nearby among which one is still followed: the only one at the expected place.
const CROWDED: usize = 3;
/// A region is followed over this many frame intervals, where frames are at least `SELDOM_S` seconds apart.
const MOST_LOOKS: f64 = 2.0;
const SELDOM_S: f64 = 0.8;
/// How long a moving region that is lost among swaying ones counts as present, in seconds.
const HIDDEN_S: f64 = 3.0;
/// A region nearer to the edge than this, in pixels, has left.
const EDGE: usize = 8;
/// Length of the track that is kept, in seconds; its length is measured between points `STRIDE_S` apart.
const WAY_S: f64 = 2.55;
const STRIDE_S: f64 = 0.3;
const STRIDES: usize = 2;
/// The distance, in widths of the picture, from which on a region does not belong to something that sways: 8 of 320
/// pixels.
const GOES: f64 = 0.025;
/// How long a region that moved on counts as moving on, in seconds.
const WENT_S: f64 = 1.0;
/// Where frames follow closely, it has gone on by chance at one look, and is sure to go on after so long, in seconds.
const AGAIN_S: f64 = 0.12;
const SURE_S: f64 = 0.4;
/// A track is straight whose length is at most this many times the distance of its ends.
const STRAIGHT: f64 = 1.15;
/// The largest change of area of a region followed from one frame to the next, as a factor.
const FOLLOWED: f32 = 2.5;

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Step {
    x: f64,
    y: f64,
    at_s: f64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Sighting {
    x: f64,
    y: f64,
    at_s: f64,
    area: f32,
    /// Its track, latest point last, at most [`WAY_S`] back.
    way: Vec<Step>,
    /// Whether it is in a swaying area; then it does not confirm other sightings.
    sways: bool,
    /// When it was first and last seen moving on in one direction.
    went_s: Option<(f64, f64)>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Sightings {
    seen: Vec<Sighting>,
    /// The frame before.
    pub(super) last_s: f64,
    /// The last looks, and whether many small regions came out of nothing in them.
    looks: Vec<(f64, bool)>,
    /// The area that weather reached, and when.
    weather: f32,
    weather_s: f64,
    /// The mean area of what comes and goes where much sways.
    leaf: f32,
    /// When something that goes on was last seen where much sways, away from the edge.
    hidden_s: Option<f64>,
}

/// The explanation of a region other than an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    None,
    /// This, perhaps: it must have been seen for a while.
    Perhaps(IgnoreReason),
    /// A part of what sways around it: it must go on where that comes back, and be `active`: change at this instant.
    Sways {
        active: bool,
    },
}

impl Doubt {
    fn sways(self) -> bool {
        matches!(self, Self::Sways { .. })
    }
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
    /// Whether all values are plausible, after deserialization.
    pub(super) fn is_sound(&self) -> bool {
        let finite = |number: f64| number.abs() < 1e12;
        let step = |step: &Step| finite(step.x) && finite(step.y) && finite(step.at_s);
        let seen = |one: &Sighting| {
            finite(one.x)
                && finite(one.y)
                && finite(one.at_s)
                && finite(one.area.into())
                && one.way.iter().all(step)
                && one.went_s.is_none_or(|(since_s, at_s)| finite(since_s) && finite(at_s))
        };
        self.seen.iter().all(seen)
            && self.looks.iter().all(|&(at_s, _)| finite(at_s))
            && finite(self.leaf.into())
            && self.hidden_s.is_none_or(finite)
            && finite(self.last_s)
            && finite(self.weather.into())
            && finite(self.weather_s)
    }

    /// Keeps those regions that count, and adds what others were ignored for; `doubt` says which of them could be light or
    /// wind.
    pub(super) fn keep(
        &mut self,
        mut regions: Vec<Region>,
        place: Place,
        doubt: impl Fn(&Region) -> Doubt,
        now_s: f64,
        ignored: &mut IgnoreReasons,
    ) -> Vec<Region> {
        let step_s = now_s - self.last_s;
        self.last_s = now_s;
        self.seen.retain(|seen| now_s - seen.at_s <= MEMORY_S.max(1.5 * step_s));
        let doubts: Vec<Doubt> = regions.iter().map(doubt).collect();
        let still = regions.iter().zip(&doubts).filter(|(_, doubt)| !doubt.sways());
        let weather = self.weather(still.map(|(region, _)| region), place, now_s);
        let width = place.width as f64;
        let followed = |(region, doubt): (&Region, &Doubt)| Sighting {
            sways: doubt.sways(),
            ..self.followed(region, step_s, width)
        };
        let all: Vec<Sighting> = regions.iter().zip(&doubts).map(followed).collect();
        let leaf = self.leaf(&all, step_s);
        let mut each = all.iter().zip(doubts);
        let mut hidden_s = self.hidden_s;
        regions.retain(|region| {
            let Some((sighting, doubt)) = each.next() else { return false };
            let goes = sighting.went_s.is_some_and(|(_, at_s)| now_s - at_s <= WENT_S.max(1.5 * step_s));
            let went_for = |least_s: f64| {
                sighting.went_s.is_some_and(|(since_s, _)| step_s >= SELDOM_S || now_s - since_s >= least_s)
            };
            let area = region.area as f32;
            if area < weather.max(place.noise) {
                ignored.insert(if area < weather { IgnoreReason::Weather } else { IgnoreReason::Noise });
                return false;
            }
            let weathered = SMALL_IN_WEATHER * weather;
            let (least_s, why) = match doubt {
                Doubt::Sways { active } => {
                    // Drops and a light that moves go on too.
                    let counts = goes && went_for(AGAIN_S) && active && area >= leaf && weather < 1.0;
                    if !counts {
                        ignored.insert(IgnoreReason::Sway);
                    }
                    let height = place.pixels / place.width;
                    let inside =
                        |side: &std::ops::Range<usize>, most: usize| side.start >= EDGE && side.end + EDGE <= most;
                    if counts && went_for(SURE_S) && inside(&region.x, place.width) && inside(&region.y, height) {
                        hidden_s = Some(now_s);
                    }
                    return counts;
                }
                Doubt::Perhaps(why) => (DOUBT_S, why),
                Doubt::None if area < weathered => (1e-3, IgnoreReason::Weather),
                Doubt::None if is_small(region, place.pixels) => (1e-3, IgnoreReason::Noise),
                Doubt::None => return true,
            };
            let counts = self.seen_before(region, (least_s, weather), width * SPEED);
            if !counts {
                ignored.insert(why);
            }
            counts
        });
        self.hidden_s = hidden_s;
        self.seen.extend(all);
        regions
    }

    /// Whether a moving object may be hidden behind something that sways.
    pub(super) fn hides(&self, now_s: f64) -> bool {
        self.hidden_s.is_some_and(|at_s| now_s - at_s <= HIDDEN_S)
    }

    /// The least area of what can be something else where much sways: several times that of what comes and goes there.
    fn leaf(&mut self, all: &[Sighting], step_s: f64) -> f32 {
        let flickers = all.iter().filter(|sighting| sighting.sways && sighting.way.is_empty());
        let (count, sum) = flickers.fold((0, 0.0), |(count, sum), sighting| (count + 1, sum + sighting.area));
        let share = 1.0 - (-step_s / LEAF_S).exp() as f32;
        self.leaf += (sum / f32::max(count as f32, 1.0) - self.leaf) * share;
        SEVERAL * self.leaf
    }

    /// A region as a sighting, with the track of the earlier sighting that it continues.
    fn followed(&self, region: &Region, step_s: f64, width: f64) -> Sighting {
        let mut now = sighting(region, self.last_s);
        let size = region.x.len().max(region.y.len()) as f64 / 2.0;
        let alike = |one: &&Sighting| {
            let age_s = now.at_s - one.at_s;
            one.area <= now.area * FOLLOWED
                && now.area <= one.area * FOLLOWED
                && age_s <= (if step_s >= SELDOM_S { MOST_LOOKS } else { 1.0 } * step_s + 1e-6).min(WAY_S)
                && (one.x - now.x).hypot(one.y - now.y) <= NEAR + size + width * SPEED * age_s
        };
        // Whether it is where it would be if it went on as before.
        let expected = |one: &&Sighting| {
            let [.., from] = one.way[..] else { return false };
            let share = (now.at_s - one.at_s) / (one.at_s - from.at_s).max(1e-3);
            let (dx, dy) = ((one.x - from.x) * share, (one.y - from.y) * share);
            (one.x + dx - now.x).hypot(one.y + dy - now.y) <= NEAR + size + 0.5 * dx.hypot(dy)
        };
        let near: Vec<&Sighting> = self.seen.iter().filter(alike).collect();
        let latest_s = near.iter().map(|one| one.at_s).fold(f64::NEG_INFINITY, f64::max);
        let last = || near.iter().copied().filter(|one| latest_s - one.at_s < 1e-6);
        // Among several similar ones, the match is ambiguous.
        let from = match last().count() {
            1 => last().next(),
            // Where frames follow closely, a way has many steps, and each may be the wrong one.
            2..=CROWDED if step_s >= SELDOM_S => {
                let mut there = last().filter(expected);
                there.next().filter(|_| there.next().is_none())
            }
            _ => None,
        };
        let Some(from) = from else { return now };
        now.went_s = from.went_s;
        now.way.clone_from(&from.way);
        now.way.push(Step { x: from.x, y: from.y, at_s: from.at_s });
        now.way.retain(|step| now.at_s - step.at_s <= WAY_S);
        if goes_on(&now, width * GOES) {
            now.went_s = Some((now.went_s.map_or(now.at_s, |(since_s, _)| since_s), now.at_s));
        }
        now
    }

    /// Whether something alike was near, at least so long ago and so large.
    fn seen_before(&self, region: &Region, (least_s, least_area): (f64, f32), speed: f64) -> bool {
        let Sighting { x, y, at_s, area, .. } = sighting(region, self.last_s);
        let size = region.x.len().max(region.y.len()) as f64 / 2.0;
        self.seen.iter().any(|seen| {
            let age_s = at_s - seen.at_s;
            !seen.sways
                && age_s >= least_s
                && seen.area >= least_area.max(area / ALIKE)
                && (seen.x - x).hypot(seen.y - y) <= NEAR + size + speed * age_s
        })
    }

    /// The area up to which regions are weather.
    fn weather<'a>(&mut self, regions: impl Iterator<Item = &'a Region>, place: Place, now_s: f64) -> f32 {
        let largest = DROP * place.pixels as f32;
        let speed = place.width as f64 * SLOW;
        let small: Vec<&Region> =
            regions.filter(|region| (place.noise / 4.0..largest).contains(&(region.area as f32))).collect();
        let fresh = |region: &&&Region| !self.seen_before(region, (1e-3, 0.0), speed);
        // People appear once, weather with nearly every look.
        let falls = small.iter().filter(fresh).count() >= MANY;
        self.looks.push((now_s, falls));
        let most = self.looks.len().saturating_sub(FALLS_LOOKS);
        self.looks.drain(..most);
        self.looks.retain(|(at_s, _)| now_s - at_s <= FALLS_S);
        let now = if small.len() >= CROWD || self.looks.iter().filter(|(_, falls)| *falls).count() >= 2 {
            LARGER * small.iter().map(|region| region.area).max().unwrap_or(0) as f32
        } else {
            0.0
        };
        let left = self.weather * 0.5f64.powf((now_s - self.weather_s) / WEATHER_S) as f32;
        (self.weather, self.weather_s) = (now.max(left), now_s);
        self.weather
    }
}

/// Whether a region is so small that noise may have made it.
pub(super) fn is_small(region: &Region, pixels: usize) -> bool {
    (region.area as f32) < SMALL * pixels as f32
}

fn sighting(region: &Region, at_s: f64) -> Sighting {
    let (x, y) = region.center();
    Sighting { x: x.into(), y: y.into(), at_s, area: region.area as f32, way: Vec::new(), sways: false, went_s: None }
}

/// Whether the track covers this distance in one direction, over two steps at least.
fn goes_on(sighting: &Sighting, far: f64) -> bool {
    let here = Step { x: sighting.x, y: sighting.y, at_s: sighting.at_s };
    let (mut last, mut length, mut steps) = (here, 0.0, 0);
    for step in sighting.way.iter().rev() {
        if last.at_s - step.at_s < STRIDE_S {
            continue;
        }
        length += (step.x - last.x).hypot(step.y - last.y);
        steps += 1;
        last = *step;
        let apart = (step.x - here.x).hypot(step.y - here.y);
        if steps >= STRIDES && apart >= far && length <= STRAIGHT * apart {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDE: Place = Place { width: 320, pixels: 320 * 180, noise: 0.0 };

    fn region(x: f64, area: usize) -> Region {
        let x = x as usize;
        Region { x: x..x + 6, y: 80..98, area }
    }

    /// The looks at which a region counts that much sways around.
    fn counted(step_s: f64, looks: usize, at: impl Fn(f64) -> f64) -> Vec<bool> {
        let mut sightings = Sightings::default();
        let look = |k: usize| {
            let now_s = k as f64 * step_s;
            !sightings
                .keep(
                    vec![region(at(now_s), 60)],
                    WIDE,
                    |_| Doubt::Sways { active: true },
                    now_s,
                    &mut IgnoreReasons::default(),
                )
                .is_empty()
        };
        (0..looks).map(look).collect()
    }

    #[test]
    fn what_goes_on_counts_and_what_comes_back_does_not() {
        for (step_s, within_s) in [(1.0, 2.0), (0.5, 2.0), (0.2, 1.5), (1.0 / 15.0, 1.5)] {
            let looks = (8.0 / step_s) as usize;
            let walks = counted(step_s, looks, |t| 100.0 + 8.0 * t);
            let first = walks.iter().position(|&counts| counts).unwrap() as f64 * step_s;
            assert!(first <= within_s + 1e-9, "{step_s}: from {first} s on");
            assert!(walks[(within_s / step_s) as usize + 1..].iter().all(|&counts| counts), "{step_s}: {walks:?}");
            let sways = counted(step_s, looks, |t| 100.0 + 3.5 * (4.1 * t).sin());
            assert!(!sways.contains(&true), "{step_s}: {sways:?}");
        }
    }

    #[test]
    fn nobody_is_followed_in_a_crowd_of_alike_ones() {
        let mut sightings = Sightings::default();
        for k in 0..40 {
            let now_s = f64::from(k) * 0.2;
            let all = (0..12).map(|n| region(20.0 + 24.0 * f64::from(n) + 2.0 * now_s, 30)).collect();
            assert!(
                sightings
                    .keep(all, WIDE, |_| Doubt::Sways { active: true }, now_s, &mut IgnoreReasons::default())
                    .is_empty(),
                "{now_s}"
            );
        }
    }

    #[test]
    fn weather_is_forgotten_in_seconds_and_not_in_looks() {
        let drop = |k: usize, n: usize| Region { y: 60 * k..60 * k + 4, ..region((20 + 50 * n) as f64, 8) };
        let drops = |k: usize| (0..6).map(|n| drop(k, n)).collect::<Vec<_>>();
        let mut sightings = Sightings::default();
        let mut look = |regions, now_s| {
            sightings.keep(regions, WIDE, |_| Doubt::None, now_s, &mut IgnoreReasons::default());
            sightings.weather
        };
        assert_eq!([look(drops(0), 0.0), look(vec![], 1.0), look(vec![], 2.0)], [0.0; 3]);
        assert_eq!(look(drops(1), 3.0), 0.0, "twice in three seconds");
        assert!(look(drops(2), 4.0) > 8.0, "twice in one second");
    }
}
