//! What several test files need.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test")]
#![allow(
    dead_code,
    clippy::disallowed_methods,
    reason = "each test file uses a part of this; tests may read the environment"
)]

use guarita::frame::Layout;
use guarita::model::ModelHints;
use guarita::{Detector, DetectorConfig, Frame, ModelSpec, PixelFormat, Size};
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

/// As [`open`], with this library.
pub(crate) fn open_in(library: PathBuf, name: &str) -> guarita::Result<Detector> {
    let config = DetectorConfig { onnxruntime: Some(library), ..DetectorConfig::default() };
    Detector::open(ModelSpec::read_with(fixture(name), &ModelHints::default())?, config)
}

/// A frame of one colour.
pub(crate) fn flat(size: Size, format: PixelFormat, pixel: &[u8]) -> Frame {
    let layout = Layout::packed(format, size).unwrap();
    Frame::from_owner(pixel.repeat(size.pixels() as usize), layout).unwrap()
}

/// A file of core/tests/data, which make_pictures.py makes.
pub(crate) fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

pub(crate) fn picture(name: &str) -> Vec<u8> {
    std::fs::read(data(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Numbers that look random and are the same in every run (xorshift64); the seed must not be 0.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        // The high bits are the better ones.
        ((self.0 >> 32) as usize) % end.max(1)
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.below(256) as u8).collect()
    }
}

/// Flips, cuts, doubled and moved parts, and values that are likely to hurt.
pub(crate) fn mutate(whole: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len());
        let len = random.below(40).min(bytes.len() - at);
        match random.below(8) {
            0 | 1 => bytes[at] ^= 1 << random.below(8),
            2 => bytes[at] = [0x00, 0x01, 0x7F, 0x80, 0xFE, 0xFF, 0xD9, 0xDA][random.below(8)],
            3 => bytes[at] = random.below(256) as u8,
            4 => bytes.truncate(at.max(8)),
            5 => drop(bytes.drain(at..at + len)),
            6 => {
                let part = bytes[at..at + len].to_vec();
                let to = random.below(bytes.len());
                bytes.splice(to..to, part);
            }
            _ => bytes[at..at + len].fill([0x00, 0xFF][random.below(2)]),
        }
        if bytes.len() < 9 {
            break;
        }
    }
    bytes
}

/// The folder of evaluation assets, or `None` after saying that the test is skipped.
pub(crate) fn assets(test: &str) -> Option<PathBuf> {
    let folder =
        std::env::var_os("GUARITA_ASSETS").map_or_else(|| repository().join("../shared/assets"), PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("{test}: SKIPPED, no assets at {} (set GUARITA_ASSETS)", folder.display());
    None
}
