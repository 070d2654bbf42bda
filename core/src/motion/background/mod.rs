//! The background model: a mixture of Gaussians a pixel (MOG2).

mod config;
mod kernel;
mod lanes;
mod mixture;
#[cfg(test)]
mod scalar;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use config::BackgroundModelConfig;
pub use mixture::Kernel;

pub(super) use mixture::Mixture;

use crate::error::{Error, Result};
use crate::frame::{Frame, PixelFormat};
use crate::geometry::Size;
use crate::threads::Threads;

/// Learns what a still camera usually sees and tells what does not belong to it: the Gaussian mixture model MOG2
/// (Zivkovic 2004, Zivkovic and van der Heijden 2006), with masks equal to the bit to those of OpenCV's
/// `BackgroundSubtractorMOG2` on x86.
///
/// For the question whether a frame is worth a look, take [`MotionGate`](crate::MotionGate), which is built
/// on this model; for masks of single pixels take the model itself. The state takes 61 bytes a pixel for one channel and 101
/// for three, of which the system provides only what the scene uses.
///
/// ```
/// use guarita::{Frame, PixelFormat, Size};
/// use guarita::frame::Layout;
/// use guarita::motion::{BackgroundModel, BackgroundModelConfig};
/// let mut model = BackgroundModel::new(BackgroundModelConfig::default())?;
/// let layout = Layout::packed(PixelFormat::Gray8, Size::new(4, 1))?;
/// let mut mask = [0; 4];
/// for _ in 0..10 {
///     model.apply(&Frame::copy_from(&[80; 4], layout.clone())?, None, &mut mask)?;
/// }
/// model.apply(&Frame::copy_from(&[80, 80, 200, 60], layout)?, None, &mut mask)?;
/// assert_eq!(mask, [0, 0, 255, 127]); // background, background, foreground, shadow
/// # Ok::<(), guarita::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct BackgroundModel {
    config: BackgroundModelConfig,
    kernel: Kernel,
    threads: Option<Threads>,
    learnt: Option<Learnt>,
    /// Frames with padded rows are gathered here.
    gathered: Vec<u8>,
}

#[derive(Clone, Debug)]
struct Learnt {
    size: Size,
    frames: u32,
    mixture: Mixture,
}

impl BackgroundModel {
    /// A model that has seen nothing yet.
    ///
    /// # Errors
    /// As [`BackgroundModelConfig::validate`].
    pub fn new(config: BackgroundModelConfig) -> Result<Self> {
        config.validate()?;
        Ok(Self { config, kernel: Kernel::fastest(), threads: None, learnt: None, gathered: Vec::new() })
    }

    /// The same model with another kernel; the masks do not depend on it.
    ///
    /// # Errors
    /// `Unsupported` where this processor cannot run it.
    pub fn with_kernel(mut self, kernel: Kernel) -> Result<Self> {
        self.kernel = kernel.checked()?;
        Ok(self)
    }

    /// Spreads large frames over these threads, in bands of rows; the masks do not depend on it.
    #[must_use]
    pub fn with_threads(mut self, threads: Threads) -> Self {
        self.threads = Some(threads);
        self
    }

    /// The kernel in use.
    pub fn kernel(&self) -> Kernel {
        self.kernel
    }

    /// The parameters.
    pub fn config(&self) -> &BackgroundModelConfig {
        &self.config
    }

    /// Forgets everything: the next frame is the first one.
    pub fn reset(&mut self) {
        self.learnt = None;
    }

    /// Compares a frame with what was learnt, then learns from it.
    ///
    /// `mask` gets a byte a pixel, row by row: 0 background, 255 foreground, and `shadow_value` for shadows. One channel
    /// is read of `Gray8`, `Nv12` and `I420` (the luma plane), three of `Bgr8` and `Rgb8`. A frame of another size or
    /// number of channels than the one before starts anew.
    ///
    /// `learning_rate` is the weight of this frame, 0..1; 0 learns nothing, 1 forgets all that was before. `None` is
    /// 1 / min(2·frames, history). The first frame always takes the automatic rate.
    ///
    /// # Errors
    /// `InvalidArgument` for a mask of another length, or a rate outside 0..1. `Unsupported` for four channels.
    pub fn apply(&mut self, frame: &Frame, learning_rate: Option<f64>, mask: &mut [u8]) -> Result<()> {
        self.apply_with(frame, &[], learning_rate, mask)
    }

    /// As [`apply`](Self::apply), where the caller knows some pixels to be foreground: those with a byte other than 0 in
    /// `known`. They are 255 in the mask, and the model does not learn from them.
    ///
    /// # Errors
    /// As [`apply`](Self::apply), and `InvalidArgument` where `known` has not a byte a pixel.
    pub fn apply_known_foreground(
        &mut self,
        frame: &Frame,
        known: &[u8],
        learning_rate: Option<f64>,
        mask: &mut [u8],
    ) -> Result<()> {
        let pixels = frame.size().pixels() as usize;
        if known.len() != pixels {
            return Err(Error::invalid_argument(format!(
                "known foreground of {} bytes for {pixels} pixels",
                known.len()
            )));
        }
        self.apply_with(frame, known, learning_rate, mask)
    }

    fn apply_with(&mut self, frame: &Frame, known: &[u8], rate: Option<f64>, mask: &mut [u8]) -> Result<()> {
        let size = frame.size();
        let pixels = size.pixels() as usize;
        let channels = match frame.format() {
            PixelFormat::Gray8 | PixelFormat::Nv12 | PixelFormat::I420 => 1,
            PixelFormat::Bgr8 | PixelFormat::Rgb8 => 3,
            format => {
                return Err(Error::unsupported(format!(
                    "a background model of {format} frames; give Bgr8, Rgb8, Gray8, Nv12 or I420"
                )));
            }
        };
        if mask.len() != pixels {
            return Err(Error::invalid_argument(format!("a mask of {} bytes for {pixels} pixels", mask.len())));
        }
        if let Some(rate) = rate
            && !(0.0..=1.0).contains(&rate)
        {
            let wrong = Error::invalid_argument(format!("a learning rate of {rate}; it must lie in 0..1"));
            return Err(wrong.with_field("learning_rate"));
        }
        let learnt = match &mut self.learnt {
            Some(learnt) if learnt.size == size && learnt.mixture.channels() == channels => learnt,
            learnt => learnt.insert(Learnt { size, frames: 0, mixture: Mixture::new(&self.config, channels, pixels) }),
        };
        if rate.is_some_and(|rate| rate >= 1.0) {
            learnt.frames = 0;
            learnt.mixture.clear();
        }
        learnt.frames = learnt.frames.saturating_add(1);
        let frames = learnt.frames;
        let automatic = 1.0 / f64::from(frames.saturating_mul(2).min(self.config.history));
        let rate = rate.filter(|_| frames > 1).unwrap_or(automatic);

        let row = size.width as usize * channels;
        let stride = frame.layout().planes().first().map_or(row, |plane| plane.stride);
        let pixels = match frame.plane(0) {
            // Without padding, the plane is its rows and nothing else.
            rows if stride == row => rows,
            _ => {
                self.gathered.clear();
                for y in 0..size.height {
                    self.gathered.extend_from_slice(&frame.row(0, y)[..row]);
                }
                &self.gathered
            }
        };
        learnt.mixture.apply((&self.config, rate), (self.kernel, self.threads.as_ref()), pixels, known, mask);
        Ok(())
    }
}
