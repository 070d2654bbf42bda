//! The scenes, written one after the other as they happen.

use super::actors::Body;
use super::backdrop::{MARGIN, Place, WIDTH};
use super::effects::Effect;
use super::maths::hash;
use super::{Actor, Pace, Scene, Theme};
use std::sync::OnceLock;

/// Rows in the street where somebody can walk or drive.
const PATH: f32 = 123.3;
pub(super) const FAR_PAVEMENT: f32 = 185.0;
pub(super) const FAR_LANE: f32 = 214.0;
pub(super) const NEAR_LANE: f32 = 249.0;
pub(super) const NEAR_PAVEMENT: f32 = 276.0;
pub(super) const YARD: f32 = 332.0;

/// Metres a second.
pub(super) const WALK: f32 = 1.5;
pub(super) const HURRY: f32 = 2.1;
pub(super) const DRIVE: f32 = 7.0;

/// Writes a scene: everything is added at the present time, which then moves on.
pub(super) struct Script {
    pub(super) scene: Scene,
    pub(super) now: f64,
}

impl Script {
    pub(super) fn new(name: &str, seed: u64, place: Place) -> Self {
        let scene = Scene {
            name: name.to_owned(),
            seed,
            theme: Theme::Disturbed,
            night: false,
            noise: 2.0,
            place,
            duration_s: 0.0,
            gray: false,
            overlay: None,
            actors: Vec::new(),
            effects: Vec::new(),
            backdrop: OnceLock::new(),
        };
        Self { scene, now: 0.0 }
    }

    pub(super) fn street(name: &str, seed: u64) -> Self {
        Self::new(name, seed, Place::Street)
    }

    pub(super) fn theme(mut self, theme: Theme) -> Self {
        self.scene.theme = theme;
        self
    }

    pub(super) fn noise(mut self, sigma: f32) -> Self {
        self.scene.noise = sigma;
        self
    }

    pub(super) fn night(mut self) -> Self {
        self.scene.night = true;
        self
    }

    pub(super) fn wait(mut self, seconds: f64) -> Self {
        self.now += seconds;
        self
    }

    pub(super) fn body_seed(&self) -> u64 {
        hash(&[self.scene.seed, 0xb0d7, self.scene.actors.len() as u64])
    }

    /// Somebody goes from one point to another; time does not move on.
    pub(super) fn goes(mut self, body: Body, from: [f32; 2], to: [f32; 2], speed: f32, pace: Pace) -> Self {
        let metre = self.scene.place.person_height(0.5 * (from[1] + to[1])) / 1.75;
        let way = ((to[0] - from[0]).abs() + 2.0 * (to[1] - from[1]).abs()) / (speed * metre);
        let end_s = self.now + f64::from(way);
        self.scene.actors.push(Actor { body, start_s: self.now, end_s, from, to, pace });
        self
    }

    /// Until the last who was added is gone.
    pub(super) fn until_gone(mut self) -> Self {
        self.now = self.scene.actors.last().map_or(self.now, |actor| actor.end_s);
        self
    }

    pub(super) fn crosses(self, body: Body, feet: f32, speed: f32, leftward: bool) -> Self {
        let height = self.scene.place.person_height(feet);
        let half = match body {
            Body::Person { .. } => 0.4 * height,
            Body::Car { .. } | Body::BrightCar { .. } => 1.4 * height,
        };
        let (left, right) = (-half - MARGIN as f32, WIDTH as f32 + half + MARGIN as f32);
        let (from, to) = if leftward { (right, left) } else { (left, right) };
        self.goes(body, [from, feet], [to, feet], speed, Pace::Even)
    }

    pub(super) fn person(self, feet: f32, speed: f32, leftward: bool) -> Self {
        let body = Body::Person { seed: self.body_seed() };
        self.crosses(body, feet, speed, leftward)
    }

    pub(super) fn car(self, feet: f32, speed: f32, leftward: bool) -> Self {
        let body = Body::Car { seed: self.body_seed() };
        self.crosses(body, feet, speed, leftward)
    }

    /// Quiet first, so that a gate can learn, then one object.
    fn opening(self) -> Self {
        let leftward = self.scene.seed.is_multiple_of(2);
        self.wait(16.0).person(NEAR_PAVEMENT, HURRY, leftward).until_gone().wait(6.0)
    }

    /// A disturbance that begins now, time for it to settle, then an object that a blind gate would miss.
    fn disturbed(self, effect: impl FnOnce(f64) -> Effect) -> Self {
        let effect = effect(self.now);
        self.past(effect)
    }

    /// A disturbance that goes on while an object crosses, and whose end is a second one.
    fn lasting(mut self, effect: impl FnOnce(f64, f64) -> Effect) -> Self {
        let at = self.now;
        self = self.proof();
        let effect = effect(at, self.now);
        self.past(effect)
    }

    fn past(mut self, effect: Effect) -> Self {
        self.now = effect.end_s();
        self.scene.effects.push(effect);
        self.proof()
    }

    fn proof(self) -> Self {
        let calm = self.wait(7.0);
        match calm.scene.actors.len() % 3 {
            1 => calm.car(NEAR_LANE, DRIVE, false).until_gone().wait(6.0),
            2 => calm.person(YARD, WALK, true).until_gone().wait(6.0),
            _ => calm.person(FAR_PAVEMENT, HURRY, false).until_gone().wait(6.0),
        }
    }

    fn light(self, name: &'static str, over: f64, gain: f32, offset: f32) -> Self {
        self.disturbed(|at| Effect::Light { name, at, over, gain, offset })
    }

    pub(super) fn end(mut self) -> Scene {
        self.scene.duration_s = self.now.ceil();
        self.scene
    }
}

fn quiet(name: &str, seed: u64, noise: f32) -> Script {
    let script = Script::street(name, seed).theme(Theme::Quiet).noise(noise).wait(16.0);
    let script = script.person(NEAR_PAVEMENT, WALK, false).until_gone().wait(4.0);
    let script = script.car(NEAR_LANE, DRIVE, true).until_gone().wait(5.0);
    let script = script.person(FAR_PAVEMENT, HURRY, true).until_gone().wait(4.0);
    let script = script.car(FAR_LANE, DRIVE, false).until_gone().wait(5.0);
    let script = script.person(YARD, WALK, true).wait(1.5).person(YARD + 18.0, WALK, true).until_gone();
    script.wait(5.0)
}

/// Several small objects on a car park.
fn small(name: &str, seed: u64) -> Scene {
    let mut script = Script::new(name, seed, Place::CarPark).theme(Theme::Small).wait(16.0);
    for k in 0..6 {
        let part = hash(&[seed, 0x57a1, k]);
        // A person is 2.5 to 6 % of the picture's height between these rows.
        let feet = 158.0 + 0.53 * (part % 100) as f32 + if k % 2 == 0 { 0.0 } else { 52.0 };
        let leftward = part >> 20 & 1 == 0;
        let aslant = ((part >> 24) % 40) as f32 - 20.0;
        let speed = 1.5 + ((part >> 32) % 10) as f32 * 0.25;
        let x = |x: f32| if leftward { WIDTH as f32 - x } else { x };
        let body = Body::Person { seed: script.body_seed() };
        script = match k % 3 {
            1 => script.car(feet.max(180.0), 5.0, leftward),
            _ => script.goes(body, [x(-20.0), feet], [x(660.0), feet + aslant], speed, Pace::Even),
        };
        script = script.wait(7.0 + ((part >> 48) % 6) as f64);
    }
    script.wait(8.0).end()
}

/// All scenes.
pub fn all() -> Vec<Scene> {
    from_seed(0)
}

/// All scenes as other seeds draw them: the same events with other streets, objects and noise. An even number keeps the
/// directions in which objects go.
pub fn from_seed(first: u64) -> Vec<Scene> {
    let street = |name: &str, seed: u64| Script::street(name, first + seed);
    let quiet = |name: &str, seed: u64, noise: f32| quiet(name, first + seed, noise);
    let mut scenes = vec![
        quiet("quiet-day", 1, 2.0).end(),
        quiet("quiet-day-2", 2, 2.0).end(),
        quiet("quiet-noisy", 3, 6.0).end(),
        quiet("quiet-noisy-2", 4, 6.0).end(),
        quiet("quiet-night", 5, 14.0).night().end(),
        quiet("quiet-night-2", 6, 14.0).night().end(),
    ];
    for (name, seed, noise) in [("light-steps", 11, 2.0), ("light-steps-2", 12, 6.0)] {
        let script = street(name, seed).noise(noise).opening();
        let script = script.light("20 levels up", 0.0, 1.0, 20.0);
        let script = script.light("25 levels down", 0.0, 1.0, -25.0);
        scenes.push(script.light("gain 1.3", 0.0, 1.3, 0.0).end());
    }
    let pool = |name, centre, radius, gain| move |at, until| Effect::Pool { name, at, until, centre, radius, gain };
    let lamp = pool(["lamp on", "lamp off"], [170.0, 220.0], 250.0, 0.9);
    scenes.push(street("lamp", 13).night().noise(6.0).opening().lasting(lamp).end());
    let sun = pool(["sun patch", "sun patch gone"], [470.0, 230.0], 240.0, 0.35);
    scenes.push(street("sun-patch", 14).opening().lasting(sun).end());
    let script = street("headlights", 15).night().noise(14.0).opening();
    let script = script.disturbed(|at| Effect::Sweep { at, until: at + 2.5, gain: 1.1 });
    scenes.push(script.disturbed(|at| Effect::Sweep { at, until: at + 5.0, gain: 0.8 }).end());

    let script = street("ramps", 16).opening().light("1 s ramp", 1.0, 0.7, 0.0);
    let script = script.light("3 s ramp", 3.0, 1.35, 0.0).light("10 s ramp", 10.0, 0.7, 0.0);
    scenes.push(script.end());
    let script = street("cloud-edge", 17).opening();
    let script = script.disturbed(|at| Effect::CloudEdge { at, over: 3.0, gain: 0.7 });
    scenes.push(script.disturbed(|at| Effect::CloudEdge { at, over: 10.0, gain: 1.4 }).end());

    for (name, seed, noise) in [("infrared", 18, 2.0), ("infrared-2", 19, 6.0)] {
        let script = street(name, seed).noise(noise).opening();
        scenes.push(script.lasting(|at, until| Effect::Infrared { at, until }).end());
    }

    for (name, seed) in [("lightning", 20), ("lightning-2", 21)] {
        let night = seed == 21;
        let script = street(name, seed).noise(if night { 14.0 } else { 2.0 }).opening();
        let script = if night { script.night() } else { script };
        let script = script.disturbed(|at| {
            let at = at.ceil();
            let flashes = vec![(at, 0.12, 2.2), (at + 0.3, 0.08, 1.1), (at + 1.9, 0.15, 3.0), (at + 4.0, 0.1, 0.6)];
            Effect::Lightning { flashes }
        });
        scenes.push(script.end());
    }
    for (name, seed, noise) in [("rain", 22, 2.0), ("rain-2", 23, 6.0)] {
        let script = street(name, seed).noise(noise).opening();
        scenes.push(script.disturbed(|at| Effect::Rain { at, until: at + 20.0 }).end());
    }
    let script = street("snow", 24).opening();
    scenes.push(script.disturbed(|at| Effect::Snow { at, until: at + 20.0 }).end());

    let script = street("nudge", 25).opening();
    let script = script.disturbed(|at| Effect::Nudge { at, by: [2.4, -1.3] });
    scenes.push(script.disturbed(|at| Effect::Nudge { at, by: [-5.6, 2.2] }).end());
    let script = street("shake", 26).opening();
    scenes.push(script.disturbed(|at| Effect::Shake { at, until: at + 10.0, pixels: 1.5 }).end());
    let script = street("pan", 27).opening();
    scenes.push(script.disturbed(|at| Effect::Pan { at, until: at + 8.0, by: 30.0 }).end());
    let script = street("frozen", 28).opening();
    scenes.push(script.disturbed(|at| Effect::Freeze { at, until: at + 12.0 }).end());
    let script = street("covered", 29).opening();
    scenes.push(script.disturbed(|at| Effect::Cover { at, until: at + 10.6 }).end());
    for (name, seed, noise) in [("wind", 30, 2.0), ("wind-2", 31, 6.0)] {
        let script = street(name, seed).noise(noise).opening();
        scenes.push(script.disturbed(|at| Effect::Wind { at, until: at + 20.0, pixels: 3.0 }).end());
    }

    let script = street("car-leaves", 32);
    let body = Body::Car { seed: 77 };
    let script = script.wait(14.0).person(FAR_PAVEMENT, HURRY, true).wait(11.0);
    let beyond = WIDTH as f32 + 160.0;
    let script = script.goes(body, [300.0, NEAR_LANE], [beyond, NEAR_LANE], 4.0, Pace::Leaving).until_gone();
    scenes.push(script.wait(13.0).person(YARD, WALK, false).until_gone().wait(6.0).end());
    let script = street("car-parks", 33).opening();
    let script = script.goes(body, [-160.0, NEAR_LANE], [330.0, NEAR_LANE], 4.0, Pace::Parking).until_gone();
    scenes.push(script.wait(20.0).person(YARD, WALK, false).until_gone().wait(6.0).end());

    let script = street("far-person", 34).theme(Theme::Far).wait(18.0);
    // Out from behind the house, and behind the trees; seed 34 has the house on the right.
    let body = Body::Person { seed: 5 };
    let script = script.goes(body, [455.0, PATH], [200.0, PATH], WALK, Pace::Even).until_gone();
    scenes.push(script.wait(6.0).end());
    scenes.extend((41..45).map(|seed| small(&format!("small-{seed}"), first + seed)));
    scenes
}
