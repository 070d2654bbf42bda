//! What moves: the background model, and the gate that decides which frames are worth a look.

mod background;

pub use background::{BackgroundModel, BackgroundModelConfig, Kernel};
