//! Pictures in memory: pixel formats, layouts, owned frames, and decoding under limits.

mod decode;
mod jpeg;
mod layout;
mod pixel_format;
mod reduced;

pub use decode::{DecodeLimits, DecodeOptions};
pub use layout::{Layout, Plane};
pub use pixel_format::PixelFormat;

use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::geometry::Size;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// A picture and where it comes from: owned, immutable, cheap to clone (a clone shares the pixels).
///
/// ```
/// use guarita::{Frame, Layout, PixelFormat, Size};
/// let gray = Layout::packed(PixelFormat::Gray8, Size::new(4, 2))?;
/// let frame = Frame::copy_from(&[7; 8], gray)?;
/// assert_eq!(frame.size(), Size::new(4, 2));
/// # Ok::<(), guarita::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Frame {
    data: Bytes,
    layout: Layout,
    meta: FrameMeta,
    encoded: Option<Bytes>,
}

/// Where and when a frame was taken, as the host says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FrameMeta {
    /// The host's name for the camera; empty where there is none.
    pub camera: CameraId,
    /// Presentation time on the host's clock.
    pub pts: Timestamp,
    /// The frame's number, counted by the host.
    pub seq: u64,
}

/// The host's name for a camera; cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct CameraId(Arc<str>);

impl CameraId {
    /// A camera's name.
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CameraId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Default for CameraId {
    fn default() -> Self {
        Self::new("")
    }
}

impl Frame {
    /// Copies the bytes that the layout covers.
    ///
    /// # Errors
    /// `InvalidArgument` where `pixels` is shorter than the layout.
    pub fn copy_from(pixels: &[u8], layout: Layout) -> Result<Self> {
        let covered = pixels.get(..layout.byte_len()).ok_or_else(|| too_short(pixels.len(), &layout))?;
        Ok(Self { data: Bytes::copy_from_slice(covered), layout, meta: FrameMeta::default(), encoded: None })
    }

    /// Takes over a buffer without a copy; it is dropped with the last clone of the frame.
    ///
    /// The owner must not change the bytes while the frame lives (for a `Vec<u8>` or an `Arc<[u8]>` the compiler sees
    /// to that).
    ///
    /// # Errors
    /// `InvalidArgument` where the buffer is shorter than the layout.
    pub fn from_owner<O>(owner: O, layout: Layout) -> Result<Self>
    where
        O: AsRef<[u8]> + Send + 'static,
    {
        let data = Bytes::from_owner(owner);
        if data.len() < layout.byte_len() {
            return Err(too_short(data.len(), &layout));
        }
        Ok(Self { data, layout, meta: FrameMeta::default(), encoded: None })
    }

    /// Decodes a JPEG or PNG picture that is in memory, under limits that are checked before memory is taken.
    ///
    /// The result is `Gray8`, `Rgb8` or (PNG with transparency) `Rgba8`. CMYK is converted, 16-bit channels are cut to
    /// 8 bits, the first picture of an animation is taken. The EXIF orientation is ignored unless
    /// [`DecodeOptions::apply_orientation`] is set.
    ///
    /// # Errors
    /// `DataCorrupt` for an empty, truncated or damaged picture, in place of one that is half gray (only a progressive JPEG
    /// that lost bytes in the middle of a scan still decodes). `Unsupported` for bytes that are neither JPEG nor PNG, and for
    /// a JPEG of a structure that was not compared with libjpeg: arithmetic, lossless or 12-bit coding, a scan for each
    /// component without progression, luma with fewer samples than chroma. `ResourceExhausted` (advice `ChangeInput`) past a
    /// limit.
    pub fn decode(encoded: &[u8], options: &DecodeOptions) -> Result<Self> {
        decode::guarded(|| decode::decode(encoded, options))
    }

    /// Decodes a JPEG or PNG picture to `Gray8` at the smallest of 1/8, 1/4, 1/2 and its full size that is at least
    /// `min_width` pixels wide; narrower pictures keep their size.
    ///
    /// For looking at many pictures of which few are worth more, as a motion gate does: the pixels of a 1080p JPEG at 1/4
    /// cost about a third of those of [`Frame::decode`], since no colour and few frequencies are worked out. A pixel is the
    /// mean brightness of the pixels it stands for. Progressive and other rare JPEGs, and PNG, are decoded whole first, so
    /// that only the size is spared.
    ///
    /// Limits, errors and the EXIF orientation are those of [`Frame::decode`]; the limits are about the whole picture, and
    /// `min_width` is about the turned one where it is turned. [`DecodeOptions::keep_encoded`] is ignored, since the
    /// encoded bytes are another picture.
    ///
    /// # Errors
    /// As [`Frame::decode`].
    ///
    /// ```
    /// use guarita::{DecodeOptions, Frame, PixelFormat, Size};
    /// # let jpeg = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/baseline.jpg")).unwrap();
    /// let options = DecodeOptions::default();
    /// assert_eq!(Frame::decode(&jpeg, &options)?.size(), Size::new(45, 37));
    /// let small = Frame::decode_reduced(&jpeg, &options, 10)?;
    /// assert_eq!((small.size(), small.format()), (Size::new(12, 10), PixelFormat::Gray8));
    /// # Ok::<(), guarita::Error>(())
    /// ```
    pub fn decode_reduced(encoded: &[u8], options: &DecodeOptions, min_width: u32) -> Result<Self> {
        decode::guarded(|| reduced::decode(encoded, options, min_width))
    }

    /// Reads and decodes a JPEG or PNG file; see [`Frame::decode`].
    ///
    /// # Errors
    /// As [`Frame::decode`], and `NotFound` or `PermissionDenied` where the file cannot be read.
    pub fn open(path: impl AsRef<Path>, options: &DecodeOptions) -> Result<Self> {
        decode::open(path.as_ref(), options)
    }

    /// The same picture with another camera, time and number.
    pub fn with_meta(mut self, meta: FrameMeta) -> Self {
        self.meta = meta;
        self
    }

    fn with_encoded(mut self, encoded: Option<&[u8]>) -> Self {
        self.encoded = encoded.map(Bytes::copy_from_slice);
        self
    }

    /// The JPEG or PNG bytes that the pixels were decoded from, where [`DecodeOptions::keep_encoded`] was set and every
    /// decoder sees the same picture in them: not where they have an EXIF orientation, nor in a CMYK JPEG. Bytes behind
    /// a JPEG's end are left off; metadata inside, such as a place, is not.
    pub fn encoded(&self) -> Option<&[u8]> {
        self.encoded.as_deref()
    }

    /// How the pixels lie in memory.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Width and height in pixels.
    pub fn size(&self) -> Size {
        self.layout.size()
    }

    /// The pixel format.
    pub fn format(&self) -> PixelFormat {
        self.layout.format()
    }

    /// Camera, time and number.
    pub fn meta(&self) -> &FrameMeta {
        &self.meta
    }

    /// All bytes of the picture, planes and padding included; see [`Frame::layout`].
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// One row of a plane, without padding. Planes are those of [`PixelFormat::planes`].
    ///
    /// An index past the end gives an empty row.
    pub fn row(&self, plane: usize, y: u32) -> &[u8] {
        self.layout.row_range(plane, y).and_then(|range| self.data.get(range)).unwrap_or(&[])
    }
}

fn too_short(len: usize, layout: &Layout) -> Error {
    Error::invalid_argument(format!("the buffer has {len} bytes; a {layout} frame covers {}", layout.byte_len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_owner_shares_and_copy_from_does_not() {
        let layout = Layout::packed(PixelFormat::Rgb8, Size::new(2, 2)).unwrap();
        let owner: Arc<[u8]> = Arc::from(vec![1u8; 20]);
        let at = owner.as_ptr();
        let frame = Frame::from_owner(Arc::clone(&owner), layout.clone()).unwrap();
        assert_eq!(frame.data().as_ptr(), at);
        assert_eq!(frame.clone().data().as_ptr(), at);
        assert_ne!(Frame::copy_from(&owner, layout).unwrap().data().as_ptr(), at);
        drop(frame);
        assert_eq!(Arc::strong_count(&owner), 1);
    }

    #[test]
    fn a_short_buffer_is_refused_with_both_lengths() {
        let layout = Layout::packed(PixelFormat::Nv12, Size::new(4, 4)).unwrap();
        for error in [
            Frame::copy_from(&[0; 23], layout.clone()).unwrap_err(),
            Frame::from_owner(vec![0; 23], layout.clone()).unwrap_err(),
        ] {
            assert_eq!(error.code(), crate::ErrorCode::InvalidArgument);
            assert!(error.to_string().contains("23") && error.to_string().contains("24"), "{error}");
        }
        assert!(Frame::copy_from(&[0; 24], layout).is_ok());
    }

    #[test]
    fn rows_skip_padding() {
        let layout = Layout::packed(PixelFormat::Gray8, Size::new(2, 2)).unwrap().with_strides(&[3]).unwrap();
        let frame = Frame::copy_from(&[1, 2, 9, 3, 4], layout).unwrap();
        assert_eq!((frame.row(0, 0), frame.row(0, 1)), (&[1, 2][..], &[3, 4][..]));
        assert_eq!((frame.row(0, 2), frame.row(1, 0)), (&[][..], &[][..]));
    }
}
