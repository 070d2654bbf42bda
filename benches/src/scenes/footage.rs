//! Twins of what real cameras show: scenes that are judged second by second.

use super::actors::Body;
use super::backdrop::Place;
use super::effects::Effect;
use super::overlay::Overlay;
use super::script::{DRIVE, FAR_LANE, FAR_PAVEMENT, HURRY, NEAR_LANE, NEAR_PAVEMENT, Script, WALK, YARD};
use super::{Scene, Theme};

/// A row so near that a car fills a third of the picture.
const NEAREST: f32 = 395.0;

impl Script {
    fn with(mut self, effect: Effect) -> Self {
        self.scene.effects.push(effect);
        self
    }

    fn overlay(mut self, overlay: Overlay) -> Self {
        self.scene.overlay = Some(overlay);
        self
    }

    /// Nobody for a while, then somebody, again and again.
    fn passing(mut self, times: usize, wait_s: f64, mut one: impl FnMut(Self, usize) -> Self) -> Self {
        for k in 0..times {
            self = one(self.wait(wait_s), k).until_gone();
        }
        self.wait(wait_s)
    }

    /// Cars in both lanes, from the first second on.
    fn busy(mut self, until_s: f64) -> Self {
        let mut k = 0;
        while self.now < until_s {
            let (lane, leftward) = if k % 2 == 0 { (NEAR_LANE, true) } else { (FAR_LANE, false) };
            self = self.car(lane, DRIVE + (k % 3) as f32, leftward).wait(2.6 + (k * 7 % 4) as f64);
            k += 1;
        }
        self.until_gone().wait(6.0)
    }
}

/// All of them, as this seed draws them.
pub fn footage(first: u64) -> Vec<Scene> {
    const WHOLE: (f64, f64) = (0.0, 1e6);
    let (at, until) = WHOLE;
    let script = |name: &str, seed: u64, place: Place| Script::new(name, first + seed, place).theme(Theme::Footage);
    let mut scenes = Vec::new();

    for (name, seed, overlay) in [
        ("clock", 101, Overlay::Clock),
        ("clock-ms", 102, Overlay::Milliseconds),
        ("clock-box", 103, Overlay::Boxed),
        ("clock-large", 108, Overlay::Large),
        ("rec", 104, Overlay::Recording),
        ("logo", 105, Overlay::Logo),
        ("clock-jumps", 106, Overlay::Jumping),
    ] {
        scenes.push(script(name, seed, Place::Room).overlay(overlay).wait(60.0).end());
    }
    // People beside a clock, once it is known.
    let clock = script("clock-people", 107, Place::Room).overlay(Overlay::Boxed).wait(10.0);
    scenes.push(clock.passing(4, 7.0, |script, k| script.person(230.0 + 25.0 * k as f32, WALK, k % 2 == 0)).end());

    let windy =
        |name: &str, seed: u64, pixels: f32| script(name, seed, Place::Garden).with(Effect::Wind { at, until, pixels });
    scenes.push(windy("trees", 111, 3.0).wait(60.0).end());
    scenes.push(windy("trees-gusts", 112, 6.0).wait(60.0).end());
    let street = script("trees-street", 113, Place::Street).with(Effect::Wind { at, until, pixels: 5.0 });
    scenes.push(street.wait(60.0).end());
    for (name, seed, feet, times) in
        [("walker-5", 114, 195.4, 2), ("walker-10", 115, 208.7, 3), ("walker-20", 116, 235.4, 5)]
    {
        let walks = windy(name, seed, 3.5).wait(6.0);
        scenes.push(walks.passing(times, 8.0, |script, k| script.person(feet, WALK, k % 2 == 1)).end());
    }

    let street = |name: &str, seed: u64| script(name, seed, Place::Street);
    for (name, seed, gain) in [("exposure-up", 121, 1.7), ("exposure-down", 122, 0.55)] {
        let settles = Effect::Light { name: "exposure", at: 0.35, over: 0.4, gain, offset: 0.0 };
        scenes.push(street(name, seed).with(settles).wait(4.0).busy(50.0).end());
    }
    for (name, seed, hertz, pixels) in
        [("pole-0.7", 123, 0.7, 8.0), ("pole-1.5", 124, 1.5, 6.0), ("pole-3", 125, 3.0, 4.0)]
    {
        let pole = street(name, seed).with(Effect::Pole { at, until, hertz, pixels }).wait(6.0);
        let pole = pole.passing(5, 5.0, |script, k| match k % 3 {
            0 => script.car(NEAR_LANE, DRIVE, k % 2 == 0),
            1 => script.person(NEAR_PAVEMENT, HURRY, k % 2 == 0),
            _ => script.car(FAR_LANE, DRIVE, k % 2 == 0),
        });
        scenes.push(pole.end());
    }
    let mut gray = street("coloured-car", 126);
    gray.scene.gray = true;
    let gray = gray.wait(8.0).passing(4, 7.0, |script, k| {
        let body = Body::BrightCar { seed: script.body_seed() & !1 | (k as u64 % 2) };
        script.crosses(body, if k % 2 == 0 { YARD } else { NEAREST }, DRIVE, k % 2 == 0)
    });
    scenes.push(gray.end());
    for (name, seed, count) in [("insects", 127, 5), ("insects-many", 128, 14)] {
        let night = street(name, seed).night().noise(6.0).with(Effect::Insects { at, until, count }).wait(8.0);
        scenes.push(night.passing(3, 9.0, |script, k| script.person(YARD - 60.0 * k as f32, HURRY, k % 2 == 0)).end());
    }
    let near = street("near-car", 129).wait(8.0);
    scenes.push(near.passing(5, 6.0, |script, k| script.car(NEAREST, DRIVE - k as f32, k % 2 == 0)).end());

    let day = street("day-night-day", 130).with(Effect::Infrared { at: 30.0, until: 70.0 }).wait(8.0);
    let day = day.passing(8, 4.0, |script, k| match k % 2 {
        0 => script.person(if k % 4 == 0 { NEAR_PAVEMENT } else { FAR_PAVEMENT }, HURRY, k % 4 == 0),
        _ => script.car(NEAR_LANE, DRIVE, k % 4 == 1),
    });
    scenes.push(day.end());
    let people = |script: Script| {
        script.wait(6.0).passing(4, 7.0, |script, k| {
            script.person([NEAR_PAVEMENT, FAR_PAVEMENT, YARD, NEAR_PAVEMENT][k % 4], HURRY, k % 2 == 0)
        })
    };
    scenes.push(people(street("few-bits", 131).noise(4.0).with(Effect::FewBits { at, until })).end());
    scenes.push(people(street("stutter", 132).with(Effect::Stutter { at, until })).end());
    scenes
}
