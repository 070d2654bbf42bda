//! What is known about one camera, and the way of a frame through it.

use super::broken::is_broken;
use super::explain::{self, Cover, Reason, Scene, Sway};
use super::grid::{Grid, Sums};
use super::light::{Light, View};
use super::overlay::{self, Overlays};
use super::regions::{self, Region};
use super::sightings::{self, Doubt, Sightings};
use super::state::{Action, Facts, Machine, MotionState};
use super::time::Time;
use super::{IgnoreReason, IgnoreReasons, Motion, MotionGateConfig, OpenReason, color, noise, shift};
use crate::clock::Timestamp;
use crate::frame::Frame;
use crate::motion::background::{BackgroundModelConfig, Kernel, Mixture};

/// The learnt state of one camera.
#[derive(Clone, Debug)]
pub(super) struct Camera {
    pub(super) grid: Grid,
    pub(super) time: Time,
    pub(super) machine: Machine,
    light: Light,
    pub(super) mixture: Mixture,
    /// Frames since the mixture was begun.
    pub(super) frames: u32,
    pub(super) sway: Sway,
    pub(super) sightings: Sightings,
    pub(super) overlays: Overlays,
    /// Standard deviation of the sensor's noise on the working picture, in levels.
    pub(super) noise: f32,
    /// The state and when it began; none before the first frame.
    pub(super) state: Option<(MotionState, Timestamp)>,
    /// When something moved last, and when a frame passed last, in seconds.
    pub(super) moved_s: Option<f64>,
    pub(super) passed_s: Option<f64>,
    /// Until then the light that was adopted last is learnt quickly.
    pub(super) settling_s: f64,
    /// Whether the frame before was displaced against the background.
    pub(super) shifted: bool,
    /// Whether motion could have been seen in the frame before.
    pub(super) sees: bool,
    /// Since when pictures are broken, in seconds.
    pub(super) broken_s: Option<f64>,
    /// Seconds since the mixture was last asked.
    pub(super) unlearnt_s: f64,
    pub(super) buffers: Buffers,
}

/// Working pictures, all of the same size.
#[derive(Clone, Debug)]
pub(super) struct Buffers {
    /// Whether there was a frame before.
    pub(super) filled: bool,
    sums: Sums,
    /// This frame, the one before, and two earlier ones with their times.
    pub(super) picture: Vec<u8>,
    before: Vec<u8>,
    pub(super) recent: Vec<u8>,
    pub(super) recent_s: f64,
    pub(super) older: Vec<u8>,
    /// This frame in the background's light.
    relit: Vec<u8>,
    pub(super) background: Vec<u8>,
    /// Lists of the pixels that are looked at: levels, then the mixture's mask.
    pub(super) list: Vec<u8>,
    mask: Vec<u8>,
    /// Ones where something changed: raw, and without what stands alone.
    raw: Vec<u8>,
    changed: Vec<u8>,
    zeros: Vec<u8>,
}

/// Recent pictures are kept this far apart: an object that moves has moved visibly since.
const RECENT_S: f64 = 0.7;
/// Pixels that noise connects by chance, for each level of its standard deviation.
const NOISE_AREA: f32 = 3.0;
/// Times closer than this are equal.
const ROUNDING_S: f64 = 1e-6;
/// A gate that can see again passes a frame when none has passed for so long.
const LOOK_AGAIN_S: f64 = 2.0;
/// A broken picture that lasts so long is what the camera shows now, in seconds.
const BROKEN_S: f64 = 3.0;
/// The first two frames tell of no more noise than this: cameras settle their exposure after a connect.
const MOST_AT_FIRST: f32 = 8.0;
/// Noise is averaged over this time.
const NOISE_S: f64 = 3.0;
/// The share of pixels that differ from which on the picture is compared with moved ones, and the share of scrambled tiles
/// from which on it is compared with that of a second ago.
const LOOK_FOR_SHIFT: f32 = 0.02;
const LOOK_FOR_REST: f32 = 0.6;
/// The share of pixels that change within a second where the picture is not at rest.
const RESTLESS: f32 = 0.3;
/// A light that was adopted is learnt for this long, with at most this rate.
const SETTLE_S: f64 = 1.2;
const SETTLE_RATE: f64 = 0.3;
/// No frame counts for more than this, however long ago the one before was: one alone makes no background.
const MOST_RATE: f64 = 0.1;
/// Where more of the picture than this has changed, cells are not explained one by one.
const MANY: f32 = 0.3;
/// Where the camera sways, smaller regions may be what is left of edges, as a share of the picture.
const BORDER: f32 = 0.002;
/// A region is at rest when fewer of its pixels changed lately.
const ACTIVE: f32 = 0.1;
/// The share of pixels that have changed ones all around, from which on a region is a body.
const BODY: f32 = 0.15;
/// The state of a pixel: modes of the mixture.
const MODES: usize = 3;

impl Buffers {
    /// Whether a region changes from the frame before to this one; what changes in the place beside does not count.
    fn changes(&self, grid: &Grid, region: &Region, beside: Option<&overlay::Place>, tolerance: u8) -> bool {
        let pixels = region.y.clone().flat_map(|y| region.x.clone().map(move |x| (x, y)));
        let own = pixels.filter(|&(x, y)| beside.is_none_or(|place| !place.contains(x, y)));
        let (mut active, mut all) = (0, 0);
        for k in own.map(|(x, y)| y * grid.width + x).filter(|&k| self.changed[k] == 1) {
            all += 1;
            active += usize::from(self.picture[k].abs_diff(self.before[k]) > tolerance);
        }
        active > 0 && active as f32 >= ACTIVE * all as f32
    }

    /// Whether a region is of strokes: few of its pixels have changed ones all around.
    fn is_thin(&self, width: usize, region: &Region) -> bool {
        let one = |x: usize, y: usize| self.changed[y * width + x] == 1;
        let inner = |(x, y): (usize, usize)| (y - 1..=y + 1).all(|y| (x - 1..=x + 1).all(|x| one(x, y)));
        let inside = |side: &std::ops::Range<usize>| side.start + 1..side.end.saturating_sub(1);
        let pixels = inside(&region.y).flat_map(|y| inside(&region.x).map(move |x| (x, y)));
        (pixels.filter(|&at| inner(at)).count() as f32) < BODY * region.area as f32
    }
}

impl Camera {
    pub(super) fn new(grid: Grid, time: Time) -> Self {
        let mixture = Mixture::new(&mixture_config(0.0), 1, grid.count);
        Self::with_mixture(grid, time, mixture)
    }

    pub(super) fn with_mixture(grid: Grid, time: Time, mixture: Mixture) -> Self {
        let (pixels, count) = (grid.pixels(), grid.count);
        let now_s = time.now_s();
        Self {
            light: Light::new(&grid),
            mixture,
            machine: Machine::new(now_s),
            sway: Sway::new(grid.width, grid.height),
            sightings: Sightings::default(),
            overlays: Overlays::default(),
            frames: 0,
            noise: 0.0,
            state: None,
            moved_s: None,
            passed_s: None,
            shifted: false,
            sees: false,
            broken_s: None,
            settling_s: 0.0,
            unlearnt_s: 0.0,
            buffers: Buffers {
                filled: false,
                sums: Sums::default(),
                picture: vec![0; pixels],
                before: vec![0; pixels],
                recent: vec![0; pixels],
                recent_s: now_s,
                older: vec![0; pixels],
                relit: vec![0; pixels],
                background: vec![0; pixels],
                list: vec![0; count],
                mask: vec![0; count],
                raw: vec![0; pixels],
                changed: vec![0; pixels],
                zeros: vec![0; grid.width],
            },
            grid,
            time,
        }
    }

    pub(super) fn observe(&mut self, config: &MotionGateConfig, frame: &Frame) -> Motion {
        let step_s = self.time.advance(frame.meta().pts);
        let now_s = self.time.now_s();
        self.unlearnt_s += step_s;
        let action = self.look(frame, now_s, step_s);
        let mut ignored = IgnoreReasons::default();
        let found = match action {
            Action::Ignore => {
                // What was not seen is not learnt later.
                self.unlearnt_s = 0.0;
                Vec::new()
            }
            Action::Learn | Action::Restart => {
                if action == Action::Restart {
                    self.mixture.clear();
                    self.frames = 0;
                }
                self.buffers.relit.copy_from_slice(&self.buffers.picture);
                self.compare(config, true);
                Vec::new()
            }
            Action::Watch | Action::Follow | Action::Doubt | Action::Settle => {
                if action == Action::Follow || action == Action::Settle {
                    self.adopt_light(action == Action::Settle);
                }
                let rate = self.compare(config, action != Action::Doubt);
                self.moving(now_s, action, rate, &mut ignored)
            }
        };
        let sees = match action {
            Action::Watch | Action::Follow | Action::Doubt | Action::Settle => true,
            // A skipped broken picture does not count as blindness.
            Action::Ignore if self.broken_s.is_some() => self.sees,
            _ => false,
        };
        if sees && !self.sees && self.passed_s.is_some_and(|at| now_s - at >= LOOK_AGAIN_S) {
            // Changes while the gate could not see are in the background now: pass a frame.
            self.passed_s = None;
        }
        self.sees = sees;
        let fraction = found.iter().map(|region| region.area).sum::<usize>() as f32 / self.grid.count as f32;
        let least = (config.min_region * self.grid.pixels() as f32).max(2.0);
        let moves = !found.is_empty()
            && (fraction >= config.min_fraction || found.iter().any(|region| region.area as f32 >= least));
        let pts = frame.meta().pts;
        let (state, since) = self.state_since(moves, pts);
        // An object that is hidden now cannot have left.
        if moves || (sees && self.sightings.hides(now_s)) {
            self.moved_s = Some(now_s);
        }
        if state == MotionState::CameraMoved || self.broken_s.is_some() {
            ignored.insert(IgnoreReason::Camera);
        }
        let reason = self.open_reason(config, moves);
        Motion {
            open: reason.is_some(),
            reason,
            state,
            fraction,
            regions: regions::merged(&self.grid, found),
            ignored,
            overlay_cells: self.overlays.cells(now_s),
            since,
        }
    }

    fn state_since(&mut self, moves: bool, pts: Timestamp) -> (MotionState, Timestamp) {
        let state = self.machine.state(self.time.now_s(), moves);
        match self.state {
            Some((before, since)) if before == state => (state, since),
            _ => *self.state.insert((state, pts)),
        }
    }

    fn open_reason(&mut self, config: &MotionGateConfig, moves: bool) -> Option<OpenReason> {
        let now_s = self.time.now_s();
        let within = |at: Option<f64>, s: f64| at.is_some_and(|at| now_s - at <= s + ROUNDING_S);
        let reason = if moves {
            Some(OpenReason::Motion)
        } else if within(self.moved_s, config.linger_s) {
            Some(OpenReason::Linger)
        } else if self.passed_s.is_none_or(|at| now_s - at >= config.heartbeat_s - ROUNDING_S) {
            Some(OpenReason::Heartbeat)
        } else {
            None
        };
        if reason.is_some() {
            self.passed_s = Some(now_s);
        }
        reason
    }

    /// Looks at the picture as a whole.
    fn look(&mut self, frame: &Frame, now_s: f64, step_s: f64) -> Action {
        let first = !std::mem::replace(&mut self.buffers.filled, true);
        let (width, height) = (self.grid.width, self.grid.height);
        let tolerance = self.tolerance();
        let buffers = &mut self.buffers;
        std::mem::swap(&mut buffers.picture, &mut buffers.before);
        self.grid.reduce(frame, &mut buffers.sums, &mut buffers.picture);
        if first {
            buffers.before.copy_from_slice(&buffers.picture);
            buffers.recent.copy_from_slice(&buffers.picture);
            buffers.older.copy_from_slice(&buffers.picture);
        }
        if self.frames > 0 && is_broken(width, &buffers.picture, &buffers.before) {
            let since_s = *self.broken_s.get_or_insert(now_s);
            if now_s - since_s < BROKEN_S {
                // The frame is skipped.
                buffers.picture.copy_from_slice(&buffers.before);
                return Action::Ignore;
            }
        } else {
            self.broken_s = None;
        }
        if now_s - buffers.recent_s >= RECENT_S {
            std::mem::swap(&mut buffers.recent, &mut buffers.older);
            buffers.recent.copy_from_slice(&buffers.picture);
            buffers.recent_s = now_s;
        }
        let identical = !first && buffers.picture == buffers.before;
        let (mut view, mut shift, mut steady) = (View::default(), (0, 0), false);
        if self.frames > 0 {
            view = self.light.fit(width, &buffers.picture, &buffers.background, self.noise);
            if self.light.is_none() {
                buffers.relit.copy_from_slice(&buffers.picture);
            } else {
                self.light.remove(width, &buffers.picture, &buffers.background, &mut buffers.relit);
            }
            let differing = regions::differing(&buffers.relit, &buffers.background, tolerance);
            if differing as f32 >= LOOK_FOR_SHIFT * self.grid.count as f32 {
                shift = shift::shift(width, height, &buffers.relit, &buffers.background);
            }
            if shift != (0, 0) && self.machine.sways(now_s) {
                shift::moved_back(width, height, shift, &buffers.background, &buffers.picture, &mut buffers.relit);
                buffers.picture.copy_from_slice(&buffers.relit);
                view = self.light.fit(width, &buffers.picture, &buffers.background, self.noise);
                if !self.light.is_none() {
                    self.light.remove(width, &buffers.picture, &buffers.background, &mut buffers.relit);
                }
            }
            if view.scrambled >= LOOK_FOR_REST || self.machine.waits() {
                let active = regions::differing(&buffers.picture, &buffers.older, tolerance);
                steady = (active as f32) < RESTLESS * self.grid.count as f32
                    && shift::shift(width, height, &buffers.picture, &buffers.older) == (0, 0);
            }
        }
        let color = color::of(frame);
        let action = self.machine.step(&Facts { now_s, view, identical, color, shift, steady });
        // While the light changes, noise cannot be measured.
        let followed = std::mem::replace(&mut self.shifted, shift != (0, 0));
        let seen = matches!(action, Action::Watch | Action::Learn | Action::Doubt) && !identical && step_s > 0.0;
        if seen && !followed && !self.shifted {
            let noise = noise::between(&self.grid, &self.buffers.picture, &self.buffers.before);
            let share = if self.noise == 0.0 { 1.0 } else { 1.0 - (-step_s / NOISE_S).exp() };
            let noise = if self.noise == 0.0 { noise.min(MOST_AT_FIRST) } else { noise };
            // While the light changes, the estimate may fall, but not rise.
            if action != Action::Doubt || noise < self.noise {
                self.noise += (noise - self.noise) * share as f32;
            }
        }
        action
    }

    /// Levels by which a pixel may differ and still be the same.
    fn tolerance(&self) -> u8 {
        (4.0 * self.noise).clamp(8.0, 100.0) as u8
    }

    /// Compares the picture in the background's light with the background, pixel by pixel, and learns from it; gives the weight
    /// that it got there.
    fn compare(&mut self, config: &MotionGateConfig, learn: bool) -> f64 {
        let share = |time_s: f64| 1.0 - (-self.unlearnt_s / time_s).exp();
        let rate = if !learn {
            0.0
        } else if self.machine.learns() {
            // The first frames count alike.
            share(config.history_s).min(MOST_RATE).max(1.0 / (f64::from(self.frames) + 1.0))
        } else if self.time.now_s() < self.settling_s {
            share(SETTLE_S).min(SETTLE_RATE)
        } else {
            share(config.history_s).min(MOST_RATE)
        };
        self.unlearnt_s = 0.0;
        self.frames = self.frames.saturating_add(1);
        let buffers = &mut self.buffers;
        self.grid.gather(&buffers.relit, &mut buffers.list);
        let mixture = mixture_config(self.noise);
        self.mixture.apply((&mixture, rate), (Kernel::fastest(), None), &buffers.list, &[], &mut buffers.mask);
        self.mixture.background(&mut buffers.list);
        self.grid.scatter(&buffers.list, &mut buffers.background);
        rate
    }

    /// Regions in which something moves, and what others were ignored for; `rate` is the weight that the picture got in the
    /// background.
    fn moving(&mut self, now_s: f64, action: Action, rate: f64, ignored: &mut IgnoreReasons) -> Vec<Region> {
        let tolerance = self.tolerance();
        let mut found = match self.unexplained(now_s, tolerance, ignored) {
            0 => Vec::new(),
            _ => regions::regions(&self.grid, &self.buffers.changed),
        };
        let light = matches!(action, Action::Doubt | Action::Settle);
        found.retain(|region| {
            let cover = self.sway.covers(region, now_s);
            let why = if light && cover == Cover::Yes {
                IgnoreReason::Sway
            } else if self.rests(region, tolerance) {
                IgnoreReason::Still
            } else if cover == Cover::Yes {
                return true;
            } else if self.is_overlay(region, now_s, rate, tolerance) {
                IgnoreReason::Overlay
            } else if sightings::is_small(region, self.grid.pixels())
                && !self.buffers.changes(&self.grid, region, None, tolerance / 2)
            {
                IgnoreReason::Still
            } else {
                return true;
            };
            ignored.insert(why);
            false
        });
        // Where the camera sways, the border of what was moved back.
        let border = if self.shifted { BORDER * self.grid.pixels() as f32 } else { 0.0 };
        let extends = |region: &Region| {
            self.buffers.is_thin(self.grid.width, region) && self.overlays.extended_by(region, now_s).is_some()
        };
        let doubt = |region: &Region| match self.sway.covers(region, now_s) {
            Cover::Yes => Doubt::Sways { active: self.buffers.changes(&self.grid, region, None, tolerance) },
            Cover::No if extends(region) => Doubt::Perhaps(IgnoreReason::Overlay),
            Cover::Perhaps => Doubt::Perhaps(IgnoreReason::Sway),
            Cover::No if light => Doubt::Perhaps(IgnoreReason::Light),
            Cover::No if (region.area as f32) < border => Doubt::Perhaps(IgnoreReason::Camera),
            Cover::No => Doubt::None,
        };
        let place =
            sightings::Place { width: self.grid.width, pixels: self.grid.pixels(), noise: NOISE_AREA * self.noise };
        self.sightings.keep(found, place, doubt, now_s, ignored)
    }

    /// Leaves ones in `changed` where neither noise nor what [`explain`] knows changed the picture; gives how many.
    fn unexplained(&mut self, now_s: f64, tolerance: u8, ignored: &mut IgnoreReasons) -> usize {
        let (width, height) = (self.grid.width, self.grid.height);
        let buffers = &mut self.buffers;
        regions::ones(&mut buffers.mask);
        self.grid.scatter(&buffers.mask, &mut buffers.raw);
        let left = regions::despeckle(width, &buffers.raw, 1, &buffers.zeros, &mut buffers.changed);
        if left == 0 || left as f32 >= MANY * self.grid.count as f32 {
            return left;
        }
        let scene = Scene {
            width,
            height,
            picture: &buffers.relit,
            background: &buffers.background,
            inside: &self.grid.inside,
            tolerance,
        };
        explain::explain(&scene, &mut buffers.changed, |column, row, reason| match reason {
            Reason::Sway => {
                self.sway.note(column, row, now_s);
                ignored.insert(IgnoreReason::Sway);
            }
            Reason::Light => ignored.insert(IgnoreReason::Light),
            Reason::Little => {}
        });
        std::mem::swap(&mut buffers.raw, &mut buffers.changed);
        regions::despeckle(width, &buffers.raw, 1, &buffers.zeros, &mut buffers.changed)
    }

    /// Whether a region is a change of an overlay, or of one that it touches: then it stands still after it changed.
    fn is_overlay(&mut self, region: &Region, now_s: f64, rate: f64, tolerance: u8) -> bool {
        let (grid, buffers) = (&self.grid, &self.buffers);
        let known = || {
            let pixels = region.y.clone().flat_map(|y| region.x.clone().map(move |x| (x, y)));
            let changed = pixels.filter(|(x, y)| buffers.changed[y * grid.width + x] == 1);
            let had = changed.filter(|&(x, y)| {
                let level = buffers.relit[y * grid.width + x];
                grid.index(x, y).is_some_and(|pixel| self.mixture.had(pixel, level, rate as f32))
            });
            had.count() as f32 / region.area.max(1) as f32
        };
        let look = overlay::Look {
            pixels: grid.pixels(),
            now_s,
            last_s: self.sightings.last_s,
            active: buffers.changes(grid, region, None, tolerance),
            thin: buffers.is_thin(grid.width, region),
        };
        let touched = |place| !buffers.changes(grid, region, Some(place), tolerance);
        self.overlays.covers(region, look, known)
            || (look.thin && self.overlays.extended_by(region, now_s).is_some_and(touched))
    }

    /// Whether nothing moves in a region. If it is what an object left behind, it is background from now on: its border is then
    /// one of the background and not of the picture. What stopped there becomes background with time.
    fn rests(&mut self, region: &Region, tolerance: u8) -> bool {
        let (width, buffers) = (self.grid.width, &self.buffers);
        let rows = || region.y.clone().map(|y| y * width + region.x.start..y * width + region.x.end);
        let active = rows().flat_map(|row| {
            let levels = buffers.picture[row.clone()].iter().zip(&buffers.older[row.clone()]);
            levels.zip(&buffers.changed[row]).filter(|((a, b), one)| **one == 1 && a.abs_diff(**b) > tolerance)
        });
        if active.count() as f32 >= ACTIVE * region.area as f32 {
            return false;
        }
        let (mut now, mut before) = (0u64, 0u64);
        let mut border = |k: usize, other: usize| {
            if buffers.changed[k] != buffers.changed[other] {
                now += u64::from(buffers.relit[k].abs_diff(buffers.relit[other]));
                before += u64::from(buffers.background[k].abs_diff(buffers.background[other]));
            }
        };
        for y in region.y.start.saturating_sub(1)..region.y.end {
            for x in region.x.start.saturating_sub(1)..region.x.end {
                let k = y * width + x;
                if x + 1 < width {
                    border(k, k + 1);
                }
                if y + 1 < self.grid.height {
                    border(k, k + width);
                }
            }
        }
        if before * 4 < now * 5 {
            return true;
        }
        for y in region.y.clone() {
            for x in region.x.clone() {
                if buffers.changed[y * width + x] == 1
                    && let Some(pixel) = self.grid.index(x, y)
                {
                    self.mixture.forget(pixel);
                }
            }
        }
        true
    }

    /// The present light is the background's from now on. Where it has settled, so is what stands still and that light does
    /// not explain: the hard edge of a shadow, what is black or white now.
    fn adopt_light(&mut self, settled: bool) {
        let tolerance = self.tolerance() / 2;
        let (grid, light) = (&self.grid, &self.light);
        for span in grid.spans().filter(|span| !light.is_still(span.y)) {
            self.mixture.relight(span.at..span.at + span.x.len(), |pixel| {
                let change = light.at(span.x.start + pixel - span.at, span.y);
                (change.gain, change.offset)
            });
        }
        if settled {
            self.settling_s = self.time.now_s() + SETTLE_S;
            let buffers = &self.buffers;
            for span in grid.spans() {
                for (pixel, x) in (span.at..).zip(span.x.clone()) {
                    let k = span.y * grid.width + x;
                    if buffers.relit[k].abs_diff(buffers.background[k]) > tolerance
                        && buffers.picture[k].abs_diff(buffers.older[k]) <= tolerance
                    {
                        self.mixture.forget(pixel);
                    }
                }
            }
        }
        self.light.forget();
        self.buffers.relit.copy_from_slice(&self.buffers.picture);
    }
}

/// The mixture of a working picture with this much noise. Shadows are not told apart: with one channel, everything darker
/// passes for a shadow.
pub(super) fn mixture_config(noise: f32) -> BackgroundModelConfig {
    let variance = noise * noise;
    BackgroundModelConfig {
        mixtures: MODES,
        detect_shadows: false,
        var_init: f32::max(15.0, 2.0 * variance),
        var_min: f32::max(4.0, variance),
        var_max: f32::max(75.0, 6.0 * variance),
        ..BackgroundModelConfig::default()
    }
}
