//! A gate as bytes: a mark, a version, the state, and the SHA-256 of all that.

use super::camera::{Camera, mixture_config};
use super::grid::Grid;
use super::overlay::Overlays;
use super::sightings::Sightings;
use super::state::{Machine, MotionState};
use super::time::Time;
use super::{MotionGate, MotionGateConfig};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::geometry::{Polygon, Size};
use crate::motion::background::Mixture;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

const MARK: &[u8; 8] = b"guaritaM";
/// Raised whenever [`Saved`], or what its numbers mean, changes.
const VERSION: u16 = 4;
const HEAD: usize = MARK.len() + size_of::<u16>();
const SUM: usize = 32;

#[derive(Serialize, Deserialize)]
struct Saved {
    working_width: u32,
    include: Vec<Polygon>,
    exclude: Vec<Polygon>,
    camera: Option<SavedCamera>,
}

#[derive(Serialize, Deserialize)]
struct SavedCamera {
    frame: Size,
    time: Time,
    machine: Machine,
    frames: u32,
    noise: f32,
    state: Option<(MotionState, i64)>,
    moved_s: Option<f64>,
    passed_s: Option<f64>,
    shifted: bool,
    sees: bool,
    broken_s: Option<f64>,
    settling_s: f64,
    unlearnt_s: f64,
    sway: Vec<f64>,
    sightings: Sightings,
    overlays: Overlays,
    filled: bool,
    recent_s: f64,
    /// The frame before, two earlier ones, and what they were compared with: the next frame is decided on as if nothing
    /// had happened in between.
    picture: Vec<u8>,
    recent: Vec<u8>,
    older: Vec<u8>,
    background: Vec<u8>,
    used: Vec<u8>,
    values: Vec<f32>,
}

pub(super) fn write(gate: &MotionGate) -> Vec<u8> {
    let camera = gate.camera.as_ref().map(|camera| {
        let (used, values) = camera.mixture.save(camera.grid.count);
        SavedCamera {
            frame: camera.grid.frame,
            time: camera.time.clone(),
            machine: camera.machine.clone(),
            frames: camera.frames,
            noise: camera.noise,
            state: camera.state.map(|(state, since)| (state, since.as_nanos())),
            moved_s: camera.moved_s,
            passed_s: camera.passed_s,
            shifted: camera.shifted,
            sees: camera.sees,
            broken_s: camera.broken_s,
            settling_s: camera.settling_s,
            unlearnt_s: camera.unlearnt_s,
            sway: camera.sway.last_s.clone(),
            sightings: camera.sightings.clone(),
            overlays: camera.overlays.clone(),
            filled: camera.buffers.filled,
            recent_s: camera.buffers.recent_s,
            picture: camera.buffers.picture.clone(),
            recent: camera.buffers.recent.clone(),
            older: camera.buffers.older.clone(),
            background: camera.buffers.background.clone(),
            used,
            values,
        }
    });
    let MotionGateConfig { working_width, include, exclude, .. } = gate.config.clone();
    let mut bytes = MARK.to_vec();
    bytes.extend(VERSION.to_le_bytes());
    // Plain data into memory: nothing that could fail.
    bytes.extend(postcard::to_allocvec(&Saved { working_width, include, exclude, camera }).unwrap_or_default());
    let sum = Sha256::digest(&bytes);
    bytes.extend_from_slice(&sum);
    bytes
}

/// What a gate of this config knows about its camera.
pub(super) fn read(config: &MotionGateConfig, bytes: &[u8]) -> Result<Option<Camera>> {
    let torn = || Error::data_corrupt("no snapshot of a motion gate, or one that was cut off or damaged; start cold");
    let (content, sum) = bytes.split_last_chunk::<SUM>().ok_or_else(torn)?;
    if content.len() < HEAD || !content.starts_with(MARK) || Sha256::digest(content).as_slice() != sum {
        return Err(torn());
    }
    let (head, content) = content.split_at(HEAD);
    let version = u16::from_le_bytes([head[MARK.len()], head[MARK.len() + 1]]);
    if version != VERSION {
        return Err(Error::unsupported(format!(
            "a snapshot of version {version}; this is version {VERSION}: start cold"
        )));
    }
    let saved: Saved = postcard::from_bytes(content).map_err(|error| torn().with_source(error))?;
    let same = saved.working_width == config.working_width
        && saved.include == config.include
        && saved.exclude == config.exclude;
    if !same {
        return Err(Error::invalid_argument(
            "a snapshot of a gate with another working_width or region of interest; start cold",
        ));
    }
    saved.camera.map(|camera| camera.open(config).ok_or_else(torn)).transpose()
}

impl SavedCamera {
    /// None for a state that no gate has.
    fn open(self, config: &MotionGateConfig) -> Option<Camera> {
        let grid = Grid::new(self.frame, config).ok()?;
        let finite = [self.time.now_s(), f64::from(self.noise), self.settling_s, self.unlearnt_s, self.recent_s]
            .into_iter()
            .chain(self.moved_s)
            .chain(self.passed_s)
            .chain(self.broken_s);
        let pictures = [&self.picture, &self.recent, &self.older, &self.background];
        let sound = self.used.len() == grid.count
            && finite.clone().all(|number| (0.0..1e12).contains(&number))
            && pictures.iter().all(|picture| picture.len() == grid.pixels())
            && self.sway.iter().all(|at| *at < 1e12)
            && self.sightings.is_sound()
            && self.overlays.is_sound();
        if !sound {
            return None;
        }
        let mixture = Mixture::load(&mixture_config(self.noise), &self.used, &self.values)?;
        let mut camera = Camera::with_mixture(grid, self.time, mixture);
        if self.sway.len() != camera.sway.last_s.len() {
            return None;
        }
        camera.sway.last_s = self.sway;
        camera.sightings = self.sightings;
        camera.overlays = self.overlays;
        camera.settling_s = self.settling_s;
        camera.unlearnt_s = self.unlearnt_s;
        camera.buffers.filled = self.filled;
        camera.buffers.recent_s = self.recent_s;
        camera.buffers.picture = self.picture;
        camera.buffers.recent = self.recent;
        camera.buffers.older = self.older;
        camera.buffers.background = self.background;
        camera.machine = self.machine;
        camera.frames = self.frames;
        camera.noise = self.noise;
        camera.state = self.state.map(|(state, since)| (state, Timestamp::from_nanos(since)));
        camera.moved_s = self.moved_s;
        camera.passed_s = self.passed_s;
        camera.shifted = self.shifted;
        camera.sees = self.sees;
        camera.broken_s = self.broken_s;
        Some(camera)
    }
}
