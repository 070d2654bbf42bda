//! What all faces share, used as a face uses it: with pictures, a model, a pipeline and forks.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test; it may read the environment and wait"
)]

mod detector;
#[cfg(unix)]
mod fork;
mod look;
mod packages;
mod pipeline;

use guarita::frame::{FrameMeta, Layout};
use guarita::{Frame, PixelFormat, Size, Timestamp};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What takes longer will never come.
const WITHIN: Duration = Duration::from_secs(20);

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A gray frame of this moment.
fn frame(millis: i64) -> Frame {
    let layout = Layout::packed(PixelFormat::Gray8, Size::new(64, 48)).unwrap();
    let meta = FrameMeta { pts: Timestamp::from_millis(millis), ..FrameMeta::default() };
    Frame::copy_from(&[128; 64 * 48], layout).unwrap().with_meta(meta)
}
