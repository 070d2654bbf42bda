//! The states of the gate: a state machine whose only inputs are facts about a frame, and time.

use super::light::View;
use serde::{Deserialize, Serialize};

/// What the gate takes the present picture for. The rules that enter and leave a state are in `docs/guide/motion.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MotionState {
    /// Too little was seen to tell anything.
    Learning,
    /// What is always there.
    Stable,
    /// Something moves.
    Moving,
    /// The light changes, in a part of the picture or everywhere.
    LightShift,
    /// The infrared filter switched between day and night, or another picture came as suddenly.
    IrSwitch,
    /// The camera was turned or pushed.
    CameraMoved,
    /// The same picture to the bit comes again and again.
    Frozen,
    /// The lens is covered, or there is nothing to see.
    Obscured,
}

/// Facts about a frame, before it is compared with the background pixel by pixel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    pub(super) now_s: f64,
    pub(super) view: View,
    /// Whether it is equal to the frame before, to the bit.
    pub(super) identical: bool,
    /// Colourfulness, where the format tells it.
    pub(super) color: Option<f32>,
    /// The displacement of the picture against the background, in working pixels.
    pub(super) shift: (isize, isize),
    /// Whether the picture is like that of a second ago.
    pub(super) steady: bool,
}

/// What to do with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Compare, learn, and open for motion.
    Watch,
    /// As `Watch`, but open only for motion that stays.
    Doubt,
    /// As `Watch`, in the present light from now on.
    Follow,
    /// As `Doubt`, and what stands still is background from now on, in the present light.
    Settle,
    /// Learn; do not open.
    Learn,
    /// Begin anew with this frame.
    Restart,
    /// Neither learn nor open.
    Ignore,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum Phase {
    Learning {
        since_s: f64,
        frames: u32,
        needed_s: f64,
        shown: MotionState,
    },
    Watching,
    /// The light changed last at this time.
    Light {
        changed_s: f64,
    },
    /// Another picture, not yet at rest.
    Unsettled {
        since_s: f64,
        steady_s: Option<f64>,
        shown: MotionState,
        /// How far it lay aside then.
        first: (isize, isize),
    },
    Obscured {
        since_s: f64,
    },
}

/// Time and frames that a first background takes, in seconds.
const LEARN_S: f64 = 2.0;
/// The same after a change of view, when the camera is known to work.
const RELEARN_S: f64 = 1.2;
const LEARN_FRAMES: u32 = 4;
/// A light is settled when it has not changed for this long.
const HOLD_S: f64 = 1.0;
/// Identical frames over this time are a frozen picture.
const FROZEN_S: f64 = 5.0;
const FROZEN_FRAMES: u32 = 3;
/// After this time an obscured picture becomes the background.
const OBSCURED_S: f64 = 60.0;
/// A picture is at rest when steady for `REST_S`, and after `RESTLESS_S` in any case.
const REST_S: f64 = 0.4;
const RESTLESS_S: f64 = 30.0;
/// Shares of tiles, see [`View`].
const RELIT: f32 = 0.08;
const SCRAMBLED: f32 = 0.6;
const CALM: f32 = 0.25;
/// A picture that was in place so shortly before changed suddenly; one that was not for so long will not come back.
const SUDDEN_S: f64 = 1.2;
const STOOD_S: f64 = 3.0;
const FLAT: f32 = 0.6;
const FLAT_NO_MORE: f32 = 0.4;
/// Differences of the relit share and of the mean level that count as a change of light.
const RELIT_STEP: f32 = 0.04;
const LEVEL_STEP: f32 = 1.5;
/// Least interval between adoptions of slow changes of light.
const FOLLOW_S: f64 = 2.0;
/// Colourfulness of a colour picture, and of a gray one.
const COLORED: f32 = 2.5;
const GRAY: f32 = 1.0;
/// The share of tiles that look different after the filter has switched.
const SWITCHED: f32 = 0.3;
/// A camera movement: at once from `SHIFT` pixels on; from one pixel on after `SHIFT_S`.
const SHIFT: isize = 2;
const SHIFT_S: f64 = 0.5;
/// A camera that returns within this time sways.
const BACK_S: f64 = 10.0;
/// How long after its last displacement a camera counts as swaying.
const SWAYS_S: f64 = 30.0;

/// The larger component of a displacement.
fn farther((x, y): (isize, isize)) -> isize {
    x.abs().max(y.abs())
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Machine {
    phase: Phase,
    /// When the first of the identical frames came, and how many followed.
    identical: Option<(f64, u32)>,
    /// Relit share and level at some time, at most a second ago.
    light: (f64, f32, f32),
    /// When most of the background's pattern was last in place.
    calm_s: f64,
    /// Since when the picture is displaced.
    shifted_s: Option<f64>,
    /// When the camera was last displaced and came back.
    swayed_s: Option<f64>,
    colored: Option<bool>,
    /// When a slow change of light was last taken over.
    followed_s: f64,
}

impl Machine {
    pub(super) fn new(now_s: f64) -> Self {
        Self {
            phase: Phase::Learning { since_s: now_s, frames: 0, needed_s: LEARN_S, shown: MotionState::Learning },
            identical: None,
            light: (now_s, 0.0, 0.0),
            calm_s: now_s,
            shifted_s: None,
            swayed_s: None,
            colored: None,
            followed_s: now_s,
        }
    }

    pub(super) fn is_frozen(&self, now_s: f64) -> bool {
        self.identical.is_some_and(|(since_s, frames)| frames >= FROZEN_FRAMES && now_s - since_s >= FROZEN_S)
    }

    /// Whether a first background is being learnt.
    pub(super) fn learns(&self) -> bool {
        matches!(self.phase, Phase::Learning { .. })
    }

    /// Whether the camera is known to sway: then a displacement is compensated and hides nothing.
    pub(super) fn sways(&self, now_s: f64) -> bool {
        self.swayed_s.is_some_and(|at_s| now_s - at_s <= SWAYS_S)
    }

    /// Whether the machine waits for a changed picture to settle.
    pub(super) fn waits(&self) -> bool {
        matches!(self.phase, Phase::Unsettled { .. })
    }

    /// The state, where motion was found or not.
    pub(super) fn state(&self, now_s: f64, moving: bool) -> MotionState {
        if self.is_frozen(now_s) {
            return MotionState::Frozen;
        }
        match self.phase {
            Phase::Learning { shown, .. } | Phase::Unsettled { shown, .. } => shown,
            Phase::Obscured { .. } => MotionState::Obscured,
            Phase::Light { .. } if !moving => MotionState::LightShift,
            _ if moving => MotionState::Moving,
            _ => MotionState::Stable,
        }
    }

    pub(super) fn step(&mut self, facts: &Facts) -> Action {
        let now_s = facts.now_s;
        self.identical = match (facts.identical, self.identical) {
            (false, _) => None,
            (true, None) => Some((now_s, 1)),
            (true, Some((since_s, frames))) => Some((since_s, frames.saturating_add(1))),
        };
        if self.is_frozen(now_s) {
            return Action::Ignore;
        }
        let color_flipped = self.color_flipped(facts.color);
        match &mut self.phase {
            Phase::Learning { since_s, frames, needed_s, .. } => {
                *frames = frames.saturating_add(1);
                if *frames >= LEARN_FRAMES && now_s - *since_s >= *needed_s {
                    self.phase = Phase::Watching;
                    self.calm_s = now_s;
                    self.light = (now_s, facts.view.relit, facts.view.level);
                    return self.watch(facts, false);
                }
                Action::Learn
            }
            Phase::Unsettled { since_s, steady_s, shown, first } => {
                if color_flipped {
                    *shown = MotionState::IrSwitch;
                }
                // It came back, or went to the other side: a pole in the wind.
                let ((x, y), aside) = (facts.shift, farther(facts.shift));
                let back = aside <= 1 && aside < farther(*first) && facts.view.scrambled < CALM;
                let beyond = x * first.0 + y * first.1 < 0;
                if *shown == MotionState::CameraMoved && (back || beyond) && now_s - *since_s <= BACK_S {
                    self.swayed_s = Some(now_s);
                    self.calm_s = now_s;
                    self.shifted_s = None;
                    self.phase = Phase::Watching;
                    return self.watch(facts, color_flipped);
                }
                *steady_s = if facts.steady { Some(steady_s.unwrap_or(now_s)) } else { None };
                let rested = steady_s.is_some_and(|since_s| now_s - since_s >= REST_S);
                if rested || now_s - *since_s >= RESTLESS_S {
                    let shown = *shown;
                    self.phase = Phase::Learning { since_s: now_s, frames: 1, needed_s: RELEARN_S, shown };
                    self.shifted_s = None;
                    return Action::Restart;
                }
                Action::Ignore
            }
            Phase::Obscured { since_s } => {
                if facts.view.flat < FLAT_NO_MORE {
                    self.phase = Phase::Light { changed_s: now_s };
                    self.calm_s = now_s;
                    return self.watch(facts, color_flipped);
                }
                if now_s - *since_s >= OBSCURED_S {
                    self.phase = Phase::Learning {
                        since_s: now_s,
                        frames: 1,
                        needed_s: RELEARN_S,
                        shown: MotionState::Obscured,
                    };
                    return Action::Restart;
                }
                Action::Ignore
            }
            Phase::Watching | Phase::Light { .. } => self.watch(facts, color_flipped),
        }
    }

    fn watch(&mut self, facts: &Facts, color_flipped: bool) -> Action {
        let (now_s, view) = (facts.now_s, facts.view);
        if view.flat >= FLAT {
            self.phase = Phase::Obscured { since_s: now_s };
            return Action::Ignore;
        }
        let sways = self.sways(now_s);
        let mut unsettle = |shown| {
            self.phase = Phase::Unsettled { since_s: now_s, steady_s: None, shown, first: facts.shift };
            Action::Ignore
        };
        // Something coloured in a gray scene is no switch: that changes light or pattern in many places too.
        if color_flipped && view.relit + view.scrambled.max(view.flat) >= SWITCHED {
            return unsettle(MotionState::IrSwitch);
        }
        let aside = farther(facts.shift);
        let near = if sways { aside <= 1 } else { aside == 0 };
        self.shifted_s = if near { None } else { Some(self.shifted_s.unwrap_or(now_s)) };
        let shifted_s = self.shifted_s.map_or(0.0, |since_s| now_s - since_s);
        if sways && aside > 0 && shifted_s < BACK_S {
            self.swayed_s = Some(now_s);
        } else if aside >= SHIFT || shifted_s >= SHIFT_S {
            self.swayed_s = None;
            return unsettle(MotionState::CameraMoved);
        }
        // Something large that came slowly is an object until it has stood for a while.
        if view.scrambled < CALM {
            self.calm_s = now_s;
        }
        let slow_s = now_s - self.calm_s;
        if view.scrambled >= SCRAMBLED && (slow_s <= SUDDEN_S || slow_s >= STOOD_S && facts.steady) {
            return unsettle(if facts.color.is_some() { MotionState::CameraMoved } else { MotionState::IrSwitch });
        }
        self.follow_light(facts)
    }

    fn follow_light(&mut self, facts: &Facts) -> Action {
        let (now_s, view) = (facts.now_s, facts.view);
        let (since_s, relit, level) = self.light;
        let changes = (view.relit - relit).abs() >= RELIT_STEP && view.relit.max(relit) >= RELIT
            || (view.level - level).abs() >= LEVEL_STEP;
        if changes || now_s - since_s >= HOLD_S {
            self.light = (now_s, view.relit, view.level);
        }
        match &mut self.phase {
            phase if changes => {
                *phase = Phase::Light { changed_s: now_s };
                Action::Doubt
            }
            Phase::Light { changed_s } if now_s - *changed_s < HOLD_S => Action::Doubt,
            Phase::Light { .. } => {
                self.phase = Phase::Watching;
                // In the present light there is no change.
                self.light = (now_s, 0.0, 0.0);
                Action::Settle
            }
            _ if (view.level.abs() >= LEVEL_STEP || view.relit >= RELIT_STEP)
                && now_s - self.followed_s >= FOLLOW_S =>
            {
                self.followed_s = now_s;
                self.light = (now_s, 0.0, 0.0);
                Action::Follow
            }
            _ => Action::Watch,
        }
    }

    /// Whether the picture is gray, and the background was learnt in colour, or the other way round.
    fn color_flipped(&mut self, color: Option<f32>) -> bool {
        let now = match color {
            Some(color) if color >= COLORED => true,
            Some(color) if color <= GRAY => false,
            _ => return false,
        };
        if self.learns() {
            self.colored = Some(now);
        }
        *self.colored.get_or_insert(now) != now
    }
}
