//! From a frame to a tensor, and from boxes to a picture that people can look at.

mod cpu;
mod draw;
mod luma;
mod picture;
mod placement;
mod preprocess;
mod rows;
mod taps;

pub use draw::{Canvas, Color};
pub use picture::Window;
pub use placement::{Placement, Resize};
pub use preprocess::{ChannelOrder, InputTransform, Preprocessor, TensorElement, TensorLayout};

pub(crate) use cpu::features as cpu_features;
pub(crate) use cpu::vectorized;
pub(crate) use luma::{luma_of, mean_luma};
pub(crate) use picture::Picture;
