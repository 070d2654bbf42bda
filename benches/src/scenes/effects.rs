//! What happens to a scene besides its objects: light, weather, the camera itself.

use super::Event;
use super::backdrop::{HEIGHT, WIDTH};
use super::maths::{lerp, sine, smooth};

/// A disturbance at its time, in seconds.
#[derive(Clone, Debug)]
pub(super) enum Effect {
    /// The light changes by a factor and a number of grey levels, all at once or within `over`, and stays.
    Light {
        name: &'static str,
        at: f64,
        over: f64,
        gain: f32,
        offset: f32,
    },
    /// A cloud comes with a soft edge that moves through the picture.
    CloudEdge {
        at: f64,
        over: f64,
        gain: f32,
    },
    /// A pool of light, from a lamp or a gap in the clouds.
    Pool {
        name: [&'static str; 2],
        at: f64,
        until: f64,
        centre: [f32; 2],
        radius: f32,
        gain: f32,
    },
    /// A pool of light that wanders through the picture.
    Sweep {
        at: f64,
        until: f64,
        gain: f32,
    },
    /// The camera goes from colour to infrared light and back.
    Infrared {
        at: f64,
        until: f64,
    },
    /// Time, length and strength of every flash.
    Lightning {
        flashes: Vec<(f64, f64, f32)>,
    },
    Rain {
        at: f64,
        until: f64,
    },
    Snow {
        at: f64,
        until: f64,
    },
    Wind {
        at: f64,
        until: f64,
        pixels: f32,
    },
    /// Somebody moves the camera, and it stays so.
    Nudge {
        at: f64,
        by: [f32; 2],
    },
    Shake {
        at: f64,
        until: f64,
        pixels: f32,
    },
    Pan {
        at: f64,
        until: f64,
        by: f32,
    },
    /// The same picture again and again.
    Freeze {
        at: f64,
        until: f64,
    },
    /// Something dark before the lens.
    Cover {
        at: f64,
        until: f64,
    },
    /// The camera's pole swings, so many times a second; half a minute after the start up to `pixels`.
    Pole {
        at: f64,
        until: f64,
        hertz: f32,
        pixels: f32,
    },
    /// Insects before an infrared lamp.
    Insects {
        at: f64,
        until: f64,
        count: u32,
    },
    /// An encoder with few bits: every two seconds a coarse picture, which grows finer.
    FewBits {
        at: f64,
        until: f64,
    },
    /// Every picture comes twice, and every ten seconds there is none for a while.
    Stutter {
        at: f64,
        until: f64,
    },
}

/// How long the cover takes to slide before the lens, and away.
const SLIDE_S: f64 = 0.6;
const NUDGE_S: f64 = 0.3;
/// From the click of the filter until the exposure has settled.
const HUNT_S: f64 = 0.4;

impl Effect {
    pub(super) fn events(&self) -> Vec<Event> {
        let event = |name: &str, start_s: f64, end_s: f64| Event { name: name.to_owned(), start_s, end_s };
        match self {
            Self::Light { name, at, over, .. } => vec![event(name, *at, at + over)],
            Self::CloudEdge { at, over, .. } => vec![event("cloud edge", *at, at + over)],
            Self::Pool { name, at, until, .. } => vec![event(name[0], *at, *at), event(name[1], *until, *until)],
            Self::Sweep { at, until, .. } => vec![event("headlights", *at, *until)],
            Self::Infrared { at, until } => {
                vec![event("to infrared", *at, at + HUNT_S), event("to colour", *until, until + HUNT_S)]
            }
            Self::Lightning { flashes } => {
                let end = flashes.iter().fold(0.0, |end: f64, (at, length, _)| end.max(at + length));
                vec![event("lightning", flashes.first().map_or(0.0, |flash| flash.0), end)]
            }
            Self::Rain { at, until } => vec![event("rain", *at, *until)],
            Self::Snow { at, until } => vec![event("snow", *at, *until)],
            Self::Wind { at, until, .. } => vec![event("wind", *at, *until)],
            Self::Nudge { at, .. } => vec![event("nudge", *at, at + NUDGE_S)],
            Self::Shake { at, until, .. } => vec![event("shake", *at, *until)],
            Self::Pan { at, until, .. } => vec![event("pan", *at, *until)],
            Self::Freeze { at, until } => vec![event("frozen", *at, *until)],
            Self::Pole { at, until, .. } => vec![event("pole", *at, *until)],
            Self::Insects { at, until, .. } => vec![event("insects", *at, *until)],
            Self::FewBits { at, until } => vec![event("few bits", *at, *until)],
            Self::Stutter { at, until } => vec![event("stutter", *at, *until)],
            Self::Cover { at, until } => {
                vec![event("covered", *at, at + SLIDE_S), event("uncovered", *until, until + SLIDE_S)]
            }
        }
    }

    /// The disturbance is over, and the picture is as it will stay.
    pub(super) fn end_s(&self) -> f64 {
        self.events().iter().fold(0.0, |end, event| event.end_s.max(end))
    }
}

/// The share of a change from `at` on that takes `over` seconds.
fn share(t: f64, at: f64, over: f64) -> f32 {
    if over <= 0.0 {
        return if t >= at { 1.0 } else { 0.0 };
    }
    ((t - at) / over).clamp(0.0, 1.0) as f32
}

/// 1 between the two times, with slopes of `soft` seconds inside.
fn between(t: f64, at: f64, until: f64, soft: f64) -> f32 {
    share(t, at, soft).min(share(until, t, soft))
}

/// Where the camera looks at this time, in pixels from where it looked first.
pub(super) fn camera(effects: &[Effect], t: f64) -> [f32; 2] {
    let mut sum = [0.0, 0.0];
    for effect in effects {
        let [x, y] = match effect {
            Effect::Nudge { at, by } => by.map(|by| by * smooth(0.0, 1.0, share(t, *at, NUDGE_S))),
            Effect::Shake { at, until, pixels } => {
                let strength = pixels * between(t, *at, *until, 0.5);
                let s = t as f32;
                [1.9, 2.6].map(|rate| strength * (0.6 * sine(rate * s) + 0.4 * sine(2.7 * rate * s + 0.3)))
            }
            Effect::Pan { at, until, by } => [by * share(t, *at, until - at), 0.0],
            Effect::Pole { at, until, hertz, pixels } => {
                let strength = pixels * (0.25 + 0.75 * share(t, *at, 30.0)) * between(t, *at, *until, 0.5);
                let gust = 0.7 + 0.3 * sine(0.11 * t as f32);
                let turns = hertz * t as f32;
                [strength * gust * sine(turns), 0.25 * strength * gust * sine(0.93 * turns + 0.2)]
            }
            _ => [0.0, 0.0],
        };
        sum = [sum[0] + x, sum[1] + y];
    }
    sum
}

/// How far leaves swing at this time, in pixels.
pub(super) fn wind(effects: &[Effect], t: f64) -> f32 {
    effects.iter().fold(CALM, |most, effect| match effect {
        Effect::Wind { at, until, pixels } => {
            let gust = 0.75 + 0.25 * sine(0.13 * t as f32);
            most.max(pixels * gust * between(t, *at, *until, 2.0))
        }
        _ => most,
    })
}

/// There is always some air.
const CALM: f32 = 0.2;

/// The time of the picture that is shown: it stands still while the feed is frozen.
pub(super) fn shown(effects: &[Effect], t: f64) -> f64 {
    effects.iter().fold(t, |t, effect| match effect {
        Effect::Freeze { at, until } if (*at..*until).contains(&t) => *at,
        Effect::Stutter { at, until } if (*at..*until).contains(&t) => {
            let since = t - at;
            let stalled = (since % 10.0 - 9.0).max(0.0);
            // Every second picture of 15 a second.
            ((t - stalled) * 7.5).floor() / 7.5
        }
        _ => t,
    })
}

/// Rain and snow: how much of each falls at this time, 0..1.
pub(super) fn weather(effects: &[Effect], t: f64) -> (f32, f32) {
    effects.iter().fold((0.0, 0.0), |(rain, snow), effect| match effect {
        Effect::Rain { at, until } => (between(t, *at, *until, 3.0), snow),
        Effect::Snow { at, until } => (rain, between(t, *at, *until, 3.0)),
        _ => (rain, snow),
    })
}

/// The longest that a feed stands still and is taken to go on, in seconds.
pub(super) const STUTTER_S: f64 = 1.2;

/// How many insects fly at this time.
pub(super) fn insects(effects: &[Effect], t: f64) -> u32 {
    effects.iter().fold(0, |most, effect| match effect {
        Effect::Insects { at, until, count } if (*at..*until).contains(&t) => most.max(*count),
        _ => most,
    })
}

/// How much of the detail the encoder leaves at this time, 0..1; none where it leaves all.
pub(super) fn detail(effects: &[Effect], t: f64) -> Option<f32> {
    effects.iter().find_map(|effect| match effect {
        Effect::FewBits { at, until } if (*at..*until).contains(&t) => Some(0.35 + 0.6 * share(t % 2.0, 0.0, 1.3)),
        _ => None,
    })
}

/// How far the cover has come over the picture: 0..1.
pub(super) fn cover(effects: &[Effect], t: f64) -> f32 {
    effects.iter().fold(0.0, |most: f32, effect| match effect {
        Effect::Cover { at, until } => most.max(share(t, *at, SLIDE_S).min(share(*until + SLIDE_S, t, SLIDE_S))),
        _ => most,
    })
}

/// The light at one time.
pub(super) struct Light {
    gain: f32,
    offset: f32,
    /// No colour.
    grey: bool,
    infrared: bool,
    fields: Vec<Field>,
}

/// A factor that differs from place to place.
enum Field {
    Pool { centre: [f32; 2], radius: f32, gain: f32 },
    CloudEdge { progress: f32, gain: f32 },
    Flash { strength: f32 },
}

/// The slope of a cloud's edge, in pixels.
const CLOUD_EDGE: f32 = 160.0;

impl Light {
    pub(super) fn at(effects: &[Effect], night: bool, t: f64) -> Self {
        let mut light = Self { gain: 1.0, offset: 0.0, grey: night, infrared: false, fields: Vec::new() };
        if night {
            light.gain = 0.5;
            light.fields.push(Field::Pool { centre: [330.0, 250.0], radius: 400.0, gain: 0.35 });
        }
        for effect in effects {
            light.add(effect, t);
        }
        light
    }

    fn add(&mut self, effect: &Effect, t: f64) {
        match effect {
            Effect::Light { at, over, gain, offset, .. } => {
                let share = share(t, *at, *over);
                self.gain *= lerp(1.0, *gain, share);
                self.offset += offset * share;
            }
            Effect::CloudEdge { at, over, gain } => {
                self.fields.push(Field::CloudEdge { progress: share(t, *at, *over), gain: *gain });
            }
            Effect::Pool { at, until, centre, radius, gain, .. } if (*at..*until).contains(&t) => {
                self.fields.push(Field::Pool { centre: *centre, radius: *radius, gain: *gain });
            }
            Effect::Sweep { at, until, gain } if (*at..*until).contains(&t) => {
                let x = lerp(-160.0, WIDTH as f32 + 160.0, share(t, *at, until - at));
                self.fields.push(Field::Pool { centre: [x, 210.0], radius: 190.0, gain: *gain });
            }
            Effect::Infrared { at, until } => {
                for click in [at, until] {
                    self.gain *= exposure((t - click) as f32);
                }
                self.infrared |= (*at + 0.1..*until + 0.1).contains(&t);
                self.grey |= self.infrared;
            }
            Effect::Lightning { flashes } => {
                for &(at, length, strength) in flashes {
                    if (at..at + length).contains(&t) {
                        self.fields.push(Field::Flash { strength: strength * (1.0 - 0.5 * share(t, at, length)) });
                    }
                }
            }
            Effect::Rain { .. } | Effect::Snow { .. } => {
                let (rain, snow) = weather(std::slice::from_ref(effect), t);
                self.gain *= 1.0 - 0.06 * rain - 0.08 * snow;
                self.offset += 4.0 * rain + 9.0 * snow;
            }
            _ => {}
        }
    }

    /// What becomes of the strength of colours.
    pub(super) fn colorfulness(&self) -> f32 {
        if self.grey { 0.0 } else { self.gain.min(1.3) }
    }

    /// Too dark to see anything.
    pub(super) fn dark(&self) -> bool {
        self.gain < 0.2
    }

    /// What becomes of every level that a place has by day, without the factors of the places; 16 is black.
    pub(super) fn tones(&self) -> [f32; 256] {
        let mut tones = [0.0; 256];
        for (level, tone) in tones.iter_mut().enumerate() {
            let mut v = level as f32 - 16.0;
            if self.infrared {
                let x = (v / 219.0).max(0.0);
                v = 12.0 + 195.0 * x * (1.55 - 0.75 * x);
            }
            *tone = v * self.gain + self.offset;
        }
        tones
    }

    /// The factors of one row; `glow` is what the camera's own infrared light makes of a pixel.
    pub(super) fn shade(&self, y: usize, factors: &mut [f32; WIDTH], glow: impl Fn(usize) -> f32) {
        *factors = [1.0; WIDTH];
        let fy = y as f32;
        if self.grey {
            let dy = (fy - 0.8 * HEIGHT as f32) / HEIGHT as f32;
            for (x, factor) in factors.iter_mut().enumerate() {
                let dx = (x as f32 - 0.5 * WIDTH as f32) / WIDTH as f32;
                *factor *= glow(x) * (1.12 - 0.9 * (dx * dx + dy * dy));
            }
        }
        for field in &self.fields {
            match field {
                Field::Pool { centre, radius, gain } => {
                    let dy = (fy - centre[1]) * 1.5;
                    let within = 1.0 / (radius * radius);
                    for (x, factor) in factors.iter_mut().enumerate() {
                        let dx = x as f32 - centre[0];
                        let fall = (1.0 - (dx * dx + dy * dy) * within).max(0.0);
                        *factor *= 1.0 + gain * fall * (2.0 - fall);
                    }
                }
                Field::CloudEdge { progress, gain } => {
                    let front = progress * (WIDTH as f32 + 0.4 * HEIGHT as f32 + CLOUD_EDGE) - 0.4 * fy;
                    for (x, factor) in factors.iter_mut().enumerate() {
                        *factor *= lerp(1.0, *gain, smooth(0.0, CLOUD_EDGE, front - x as f32));
                    }
                }
                Field::Flash { strength } => {
                    let high = 1.0 - 0.55 * fy / HEIGHT as f32;
                    for (x, factor) in factors.iter_mut().enumerate() {
                        *factor *= 1.0 + strength * high * (1.0 - 0.6 * x as f32 / WIDTH as f32);
                    }
                }
            }
        }
    }
}

/// The exposure after the filter has clicked: black, too bright, too dark, right.
fn exposure(since: f32) -> f32 {
    let steps = [(0.0, 1.0), (0.03, 0.04), (0.2, 0.04), (0.24, 1.7), (0.32, 0.85), (HUNT_S as f32, 1.0)];
    steps.windows(2).find(|step| (step[0].0..step[1].0).contains(&since)).map_or(1.0, |step| {
        let ((from, a), (to, b)) = (step[0], step[1]);
        lerp(a, b, (since - from) / (to - from))
    })
}
