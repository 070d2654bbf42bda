//! What several test files need.
#![allow(dead_code, clippy::disallowed_methods, reason = "each test file uses a part of this; tests may read the environment")]

use guarita::{Detector, DetectorConfig, Frame, Layout, ModelHints, ModelSpec, PixelFormat, Size};
use std::path::{Path, PathBuf};

pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

pub(crate) fn fixture(name: &str) -> PathBuf {
    repository().join("models/fixtures").join(name)
}

/// The library that `make` puts into the checkout, for a plain `cargo test`; the variable wins.
pub(crate) fn onnxruntime() -> Option<PathBuf> {
    if std::env::var_os("GUARITA_ONNXRUNTIME").is_some() {
        return None;
    }
    let folder = repository().join(".runtime");
    assert!(folder.exists(), "no ONNX Runtime: run `make setup` once, or set GUARITA_ONNXRUNTIME");
    Some(folder)
}

pub(crate) fn config() -> DetectorConfig {
    DetectorConfig { onnxruntime: onnxruntime(), ..DetectorConfig::default() }
}

pub(crate) fn open(name: &str) -> guarita::Result<Detector> {
    Detector::open(ModelSpec::read_with(fixture(name), &ModelHints::default())?, config())
}

/// A frame of one colour.
pub(crate) fn flat(size: Size, format: PixelFormat, pixel: &[u8]) -> Frame {
    let layout = Layout::packed(format, size).unwrap();
    Frame::from_owner(pixel.repeat(size.pixels() as usize), layout).unwrap()
}

/// The folder of evaluation assets, or `None` after saying that the test is skipped.
pub(crate) fn assets(test: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("GUARITA_ASSETS").map_or_else(|| repository().join("../shared/assets"), PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("{test}: SKIPPED, no assets at {} (set GUARITA_ASSETS)", folder.display());
    None
}
