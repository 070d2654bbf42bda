//! Pictures in memory: pixel formats, layouts, owned frames, and decoding under limits.

#[cfg(feature = "ndarray")]
mod array;
mod decode;
mod jpeg;
mod layout;
mod pixel_format;
mod pixels;
mod reduced;

pub use decode::{DecodeLimits, DecodeOptions};
pub use layout::{Layout, Plane};
pub use pixel_format::PixelFormat;

use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::geometry::Size;
use bytes::Bytes;
use pixels::Pixels;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// A picture and where it comes from: owned, immutable, cheap to clone (a clone shares the pixels).
///
/// ```
/// use guarita::{Frame, PixelFormat, Size};
/// use guarita::frame::Layout;
/// let gray = Layout::packed(PixelFormat::Gray8, Size::new(4, 2))?;
/// let frame = Frame::copy_from(&[7; 8], gray)?;
/// assert_eq!(frame.size(), Size::new(4, 2));
/// # Ok::<(), guarita::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Frame {
    pixels: Pixels,
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
        Ok(Self::of(Pixels::Whole(Bytes::copy_from_slice(covered)), layout))
    }

    fn of(pixels: Pixels, layout: Layout) -> Self {
        Self { pixels, layout, meta: FrameMeta::default(), encoded: None }
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
        Ok(Self::of(Pixels::Whole(data), layout))
    }

    /// Takes over a picture whose planes lie in buffers of their own, as decoders hand them out, without a copy. `plane` gives
    /// the bytes of each plane of the owner, from its first pixel on; it is called once for each of [`PixelFormat::planes`],
    /// here. The owner is dropped with the last clone of the frame, and must not change the bytes while it lives.
    ///
    /// Of the layout, size, format and strides count; where its planes begin in a single buffer does not. A plane may be longer
    /// than its rows, and its last row needs no padding behind it.
    ///
    /// # Errors
    /// `InvalidArgument` naming the plane where one is missing (empty) or too short for its rows.
    ///
    /// ```
    /// use guarita::{Frame, PixelFormat, Size};
    /// use guarita::frame::Layout;
    /// // A decoder's picture of 6 × 4 pixels, with rows padded to 8 bytes.
    /// let decoded = [vec![126; 4 * 8], vec![128; 2 * 8], vec![128; 2 * 8]];
    /// let layout = Layout::packed(PixelFormat::I420, Size::new(6, 4))?.with_strides(&[8, 8, 8])?;
    /// let frame = Frame::from_planes(decoded, |decoded, k| &decoded[k], layout)?;
    /// assert_eq!(frame.row(1, 0), [128; 3]);
    /// # Ok::<(), guarita::Error>(())
    /// ```
    pub fn from_planes<O, F>(owner: O, plane: F, layout: Layout) -> Result<Self>
    where
        O: Send + Sync + 'static,
        F: for<'a> Fn(&'a O, usize) -> &'a [u8] + Send + Sync + 'static,
    {
        let strides: Vec<_> = layout.planes().iter().map(|plane| plane.stride).collect();
        let layout = layout.with_strides(&strides)?;
        let pixels = Pixels::planes_of(owner, plane, &layout)?;
        Ok(Self::of(pixels, layout))
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

    /// How the pixels lie in memory. Of a frame of [separate planes](Self::from_planes), the strides are those of the planes,
    /// and the offsets those of a buffer that would hold them one after the other.
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

    /// All bytes of the picture, planes and padding included, as [`Frame::layout`] says where they lie. None where the planes
    /// have buffers of their own; [`plane`](Self::plane) and [`row`](Self::row) read every frame.
    pub fn data(&self) -> Option<&[u8]> {
        self.pixels.whole()
    }

    /// The bytes of a plane from its first pixel to its last; rows are [`Plane::stride`] bytes apart. Planes are those of
    /// [`PixelFormat::planes`].
    ///
    /// An index past the end gives no bytes.
    pub fn plane(&self, plane: usize) -> &[u8] {
        self.pixels.plane(&self.layout, plane).unwrap_or(&[])
    }

    /// One row of a plane, without padding. Planes are those of [`PixelFormat::planes`].
    ///
    /// An index past the end gives an empty row.
    pub fn row(&self, plane: usize, y: u32) -> &[u8] {
        self.layout.row_range(plane, y).and_then(|range| self.plane(plane).get(range)).unwrap_or(&[])
    }

    /// The memory that it holds, in bytes; clones hold the same.
    pub(crate) fn byte_len(&self) -> usize {
        self.pixels.byte_len()
    }

    /// The part of it from this column and row on, which shares the pixels; both must be even where chroma is halved.
    ///
    /// # Errors
    /// `InvalidArgument` for a size without a pixel, `Internal` for one that goes past the picture.
    pub(crate) fn part(&self, left: u32, top: u32, size: Size) -> Result<Self> {
        let ends_inside = |start: u32, side: u32, all: u32| start.checked_add(side).is_some_and(|end| end <= all);
        if !ends_inside(left, size.width, self.size().width) || !ends_inside(top, size.height, self.size().height) {
            return Err(Error::internal("a part of a frame goes past the picture"));
        }
        let at = (left as usize, top as usize);
        let skipped: Vec<usize> = (0..)
            .zip(self.layout.planes())
            .map(|(k, plane)| pixels::bytes_before(self.format(), k, plane.stride, at))
            .collect();
        let (pixels, layout) = self.pixels.skip(&self.layout, Layout::packed(self.format(), size)?, &skipped)?;
        Ok(Self { pixels, layout, meta: self.meta.clone(), encoded: None })
    }
}

#[cfg(test)]
impl Frame {
    /// A copy whose planes have buffers of their own, with the same strides, each in the middle of bytes that show up where
    /// they are read.
    pub(crate) fn in_separate_planes(&self) -> Self {
        let planes: Vec<Vec<u8>> =
            (0..self.format().planes()).map(|k| [&[0xA5; 7], self.plane(k), &[0xA5; 9]].concat()).collect();
        let layout = self.layout.clone();
        Self::from_planes(planes, |planes, k| &planes[k][7..], layout).unwrap().with_meta(self.meta.clone())
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
        assert_eq!(frame.data().unwrap().as_ptr(), at);
        assert_eq!(frame.clone().data().unwrap().as_ptr(), at);
        assert_ne!(Frame::copy_from(&owner, layout).unwrap().data().unwrap().as_ptr(), at);
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
    fn planes_are_shared_and_go_with_the_last_clone() {
        let size = Size::new(5, 3);
        for (format, lens) in [
            (PixelFormat::Gray8, &[15][..]),
            (PixelFormat::Rgb8, &[45]),
            (PixelFormat::Nv12, &[15, 12]),
            (PixelFormat::I420, &[15, 6, 6]),
        ] {
            let layout = Layout::packed(format, size).unwrap();
            let owner: Arc<Vec<Vec<u8>>> = Arc::new(lens.iter().map(|&len| vec![1; len]).collect());
            let frame = Frame::from_planes(Arc::clone(&owner), |owner, k| &owner[k], layout.clone()).unwrap();
            assert_eq!((frame.size(), frame.format(), frame.data()), (size, format, None));
            assert_eq!(frame.layout(), &layout);
            assert_eq!(frame.byte_len(), lens.iter().sum::<usize>());
            for k in 0..format.planes() {
                assert!(std::ptr::eq(frame.clone().plane(k), owner[k].as_slice()), "{format} {k}");
                assert!(std::ptr::eq(frame.row(k, 0).as_ptr(), owner[k].as_ptr()));
            }
            assert_eq!((frame.plane(format.planes()), frame.row(3, 0), frame.row(0, 3)), (&[][..], &[][..], &[][..]));
            drop(frame);
            assert_eq!(Arc::strong_count(&owner), 1, "{format}");
        }
    }

    #[test]
    fn planes_that_are_missing_or_too_short_are_refused_by_number() {
        let layout = Layout::packed(PixelFormat::I420, Size::new(5, 3)).unwrap().with_strides(&[8, 4, 4]).unwrap();
        // The last row of a plane needs no padding.
        let good = [21, 7, 7];
        let of = |lens: [usize; 3]| {
            Frame::from_planes(lens.map(|len| vec![0; len]), |planes, k| planes[k].as_slice(), layout.clone())
        };
        assert!(of(good).is_ok() && of([99; 3]).is_ok());
        for (plane, len) in [(0, 20), (1, 6), (2, 6), (0, 0), (1, 0), (2, 0)] {
            let mut lens = good;
            lens[plane] = len;
            let error = of(lens).unwrap_err();
            assert_eq!(error.code(), crate::ErrorCode::InvalidArgument);
            assert_eq!(error.context().field(), Some(&*format!("planes[{plane}]")));
            assert_eq!(error.context().limit(), Some(good[plane] as f64));
            assert!(error.to_string().contains(&format!("plane {plane} has {len} bytes")), "{error}");
        }
    }

    #[test]
    fn an_owner_that_gives_another_plane_each_time_is_asked_once() {
        use std::sync::atomic::{AtomicUsize, Ordering};
        let layout = Layout::packed(PixelFormat::Nv12, Size::new(4, 4)).unwrap();
        let (calls, long) = (AtomicUsize::new(0), vec![3; 16]);
        let frame = Frame::from_planes(
            (calls, long),
            |(calls, long), _| if calls.fetch_add(1, Ordering::Relaxed) < 2 { long } else { &[] },
            layout,
        );
        let frame = frame.unwrap();
        assert_eq!((frame.row(0, 3), frame.row(1, 1), frame.plane(1).len()), (&[3; 4][..], &[3; 4][..], 8));
    }

    #[test]
    fn parts_end_inside() {
        let layout = Layout::packed(PixelFormat::Gray8, Size::new(4, 4)).unwrap();
        let frame = Frame::copy_from(&[0; 16], layout).unwrap();
        for frame in [frame.in_separate_planes(), frame] {
            assert_eq!(frame.part(1, 2, Size::new(3, 2)).unwrap().size(), Size::new(3, 2));
            for (left, top, size) in [(2, 2, (3, 2)), (2, 2, (2, 3)), (u32::MAX, 0, (1, 1)), (0, 0, (0, 1))] {
                assert!(frame.part(left, top, Size::new(size.0, size.1)).is_err());
            }
        }
    }

    #[test]
    fn rows_skip_padding() {
        let layout = Layout::packed(PixelFormat::Gray8, Size::new(2, 2)).unwrap().with_strides(&[3]).unwrap();
        let frame = Frame::copy_from(&[1, 2, 9, 3, 4], layout).unwrap();
        assert_eq!((frame.row(0, 0), frame.row(0, 1)), (&[1, 2][..], &[3, 4][..]));
        assert_eq!((frame.row(0, 2), frame.row(1, 0)), (&[][..], &[][..]));
    }
}
