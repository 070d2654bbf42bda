use crate::frame::Frame;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Write};
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

/// A 128-bit hash of a whole picture: equal fingerprints mean equal pictures.
///
/// Always of the whole picture. The first bytes of a JPEG are tables, which are the same for every frame of a camera.
/// Chance collisions are negligible, but deliberate ones are possible; each camera has its own cache, so a camera can
/// deceive only itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Fingerprint([u64; 2]);

impl Fingerprint {
    /// Of encoded bytes, all of them.
    pub(crate) fn of_bytes(encoded: &[u8]) -> Self {
        Self::of(xxh3_128(encoded))
    }

    /// The fingerprint of a frame's format, size and visible pixels, regardless of strides and row padding.
    pub(crate) fn of_frame(frame: &Frame) -> Self {
        let mut hash = Xxh3::new();
        let mut kind = String::new();
        // Into memory: cannot fail.
        let _ = write!(kind, "{} {};", frame.format(), frame.size());
        hash.update(kind.as_bytes());
        for plane in 0..frame.format().planes() {
            for y in 0..frame.size().height {
                // Planes of half the height have no more rows: empty ones.
                hash.update(frame.row(plane, y));
            }
        }
        Self::of(hash.digest128())
    }

    const fn of(bits: u128) -> Self {
        Self([(bits >> 64) as u64, bits as u64])
    }
}

/// 32 hexadecimal digits.
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [high, low] = self.0;
        write!(f, "{high:016x}{low:016x}")
    }
}
