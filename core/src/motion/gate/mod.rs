//! The gate: which frames are worth a look.

mod broken;
mod camera;
mod color;
mod config;
mod explain;
mod grid;
mod ignored;
mod light;
mod noise;
mod overlay;
mod regions;
mod shift;
mod sightings;
mod snapshot;
mod state;
mod time;

pub use config::MotionGateConfig;
pub use ignored::{IgnoreReason, IgnoreReasons};
pub use state::MotionState;

use crate::clock::Timestamp;
use crate::error::Result;
use crate::frame::Frame;
use crate::geometry::{BoundingBox, Size};
use crate::seconds;
use camera::Camera;
use grid::Grid;
use serde::{Deserialize, Serialize, Serializer};

/// Why a frame passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OpenReason {
    /// Something moves.
    Motion,
    /// Something moved at most `linger_s` ago.
    Linger,
    /// No frame passed for `heartbeat_s`, or the gate could not see for a while and can again.
    Heartbeat,
}

/// The gate's answer for one frame.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Motion {
    /// Whether the frame is worth a look.
    pub open: bool,
    /// Why it is; none for a closed gate.
    pub reason: Option<OpenReason>,
    /// What the gate takes the picture for.
    pub state: MotionState,
    /// Moving pixels ÷ pixels of the region of interest, 0..1; what weather or noise explains does not move.
    pub fraction: f32,
    /// Boxes around what moves, in pixels of the frame, the largest area of change first; at most
    /// 256.
    #[serde(serialize_with = "corners")]
    pub regions: Vec<BoundingBox>,
    /// Why other changes of this frame do not count as motion. It says nothing about pictures that were not compared: see
    /// `state`.
    pub ignored: IgnoreReasons,
    /// Cells of 8×8 pixels of the working picture in which changes are ignored as those of an overlay, such as a clock. What is
    /// larger than the overlay, or looks different, counts there too.
    pub overlay_cells: u32,
    /// Presentation time of the frame with which `state` began.
    #[serde(serialize_with = "seconds::serialize")]
    pub since: Timestamp,
}

/// Boxes as lists of four numbers: there may be many.
fn corners<S: Serializer>(regions: &[BoundingBox], serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_seq(regions.iter().map(|region| region.to_array()))
}

/// Decides which frames of one camera are worth a look: those in which something moves that light, weather, noise or the
/// camera itself do not explain.
///
/// One gate belongs to one camera. It takes every frame in the order of time, at any rate and in any pixel format, and
/// keeps what it has learnt: 48 bytes for each pixel of the working picture, which is 2.8 MB for 16:9 at the default width
/// of 320 pixels.
///
/// ```
/// use guarita::{Frame, MotionGate, MotionGateConfig, PixelFormat, Size, Timestamp};
/// use guarita::frame::{FrameMeta, Layout};
/// use guarita::motion::OpenReason;
///
/// let mut gate = MotionGate::new(MotionGateConfig::default())?;
/// let size = Size::new(320, 180);
/// let mut picture: Vec<u8> = (0..320 * 180).map(|k| 60 + (k / 7 % 50) as u8).collect();
/// let mut look = |seconds: f64, picture: &[u8]| {
///     let pts = Timestamp::from_millis((seconds * 1e3) as i64);
///     let frame = Frame::copy_from(picture, Layout::packed(PixelFormat::Gray8, size)?)?;
///     gate.observe(&frame.with_meta(FrameMeta { pts, ..FrameMeta::default() }))
/// };
/// for k in 0..50 {
///     picture[k] ^= 1; // a little noise: a picture that never changes is a frozen one
///     look(k as f64 * 0.1, &picture)?;
/// }
/// for y in 80..120 {
///     picture[y * 320 + 100..][..15].fill(220); // somebody
/// }
/// let motion = look(5.0, &picture)?;
/// assert_eq!((motion.open, motion.reason), (true, Some(OpenReason::Motion)));
/// assert_eq!(motion.regions[0].to_array(), [100.0, 80.0, 116.0, 120.0]);
/// # Ok::<(), guarita::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct MotionGate {
    config: MotionGateConfig,
    camera: Option<Camera>,
}

impl MotionGate {
    /// A gate that has seen nothing yet.
    ///
    /// # Errors
    /// `InvalidConfig`: see [`MotionGateConfig::validate`]; also where `include` and `exclude` leave nothing to look at.
    pub fn new(config: MotionGateConfig) -> Result<Self> {
        config.validate()?;
        // Every polygon has an area; together they may leave none. How much a working picture sees, its size decides.
        if !config.exclude.is_empty() {
            Grid::new(Size::new(1024, 1024), &MotionGateConfig { working_width: 0, ..config.clone() })?;
        }
        Ok(Self { config, camera: None })
    }

    /// The gate's config.
    pub fn config(&self) -> &MotionGateConfig {
        &self.config
    }

    /// Forgets everything: the next frame is the first one.
    pub fn reset(&mut self) {
        self.camera = None;
    }

    /// All that it knows, to be kept over a restart of the host: about 1.2 MB at the default width. A gate that goes on
    /// from it decides about the next frame as this one would.
    pub fn snapshot(&self) -> Vec<u8> {
        snapshot::write(self)
    }

    /// Restores a snapshot of a gate with the same `working_width`, `include` and `exclude`. The host's timestamps
    /// should continue; the time between is a gap like any other. A frame of another size starts anew, as always.
    ///
    /// # Errors
    /// `DataCorrupt` for bytes that are torn or no snapshot, `Unsupported` for one of another version of guarita,
    /// `InvalidArgument` for one of a gate that looks elsewhere. The gate is then as it was before: a new one starts cold.
    pub fn restore(&mut self, snapshot: &[u8]) -> Result<()> {
        self.camera = snapshot::read(&self.config, snapshot)?;
        Ok(())
    }

    /// Looks at the next frame. A frame of another size than the one before starts anew, in the state `Learning`.
    ///
    /// # Errors
    /// `ResourceExhausted` for a working picture of more than 2²⁴ pixels, `InvalidConfig` where the region of interest has no
    /// pixel of this frame. The gate is then as it was before.
    pub fn observe(&mut self, frame: &Frame) -> Result<Motion> {
        let camera = match &mut self.camera {
            Some(camera) if camera.grid.frame == frame.size() => camera,
            camera => {
                let grid = Grid::new(frame.size(), &self.config)?;
                // The time of the last heartbeat does not depend on the size.
                let time = camera.take().map(|camera| camera.time).unwrap_or_default();
                camera.insert(Camera::new(grid, time))
            }
        };
        Ok(camera.observe(&self.config, frame))
    }
}
