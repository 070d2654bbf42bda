use serde::{Deserialize, Serialize};
use std::fmt;

/// How a pixel is stored. All formats have 8 bits a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum PixelFormat {
    /// One byte of luma.
    Gray8,
    /// Red, green, blue.
    Rgb8,
    /// Blue, green, red: what OpenCV gives.
    Bgr8,
    /// Red, green, blue, alpha; alpha is ignored.
    Rgba8,
    /// Blue, green, red, alpha; alpha is ignored.
    Bgra8,
    /// A plane of luma, then a plane of interleaved U and V at half the width and height (rounded up).
    ///
    /// Read as ITU-R BT.601 in studio range (16..235), as OpenCV reads it.
    Nv12,
    /// A plane of luma, then one of U and one of V at half the width and height (rounded up); read as `Nv12`.
    I420,
}

impl PixelFormat {
    /// The number of planes: 1 for packed formats, 2 for NV12, 3 for I420.
    pub const fn planes(self) -> usize {
        match self {
            Self::Gray8 | Self::Rgb8 | Self::Bgr8 | Self::Rgba8 | Self::Bgra8 => 1,
            Self::Nv12 => 2,
            Self::I420 => 3,
        }
    }

    /// Bytes in a row and rows in a plane, for a picture of `width` × `height`.
    pub(crate) const fn plane_extent(self, plane: usize, width: usize, height: usize) -> (usize, usize) {
        match (self, plane) {
            (Self::Gray8, _) | (Self::Nv12 | Self::I420, 0) => (width, height),
            (Self::Rgb8 | Self::Bgr8, _) => (width * 3, height),
            (Self::Rgba8 | Self::Bgra8, _) => (width * 4, height),
            (Self::Nv12, _) => (width.div_ceil(2) * 2, height.div_ceil(2)),
            (Self::I420, _) => (width.div_ceil(2), height.div_ceil(2)),
        }
    }
}

impl fmt::Display for PixelFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
