use super::PixelFormat;
use crate::error::{Error, Result};
use crate::geometry::Size;
use std::fmt;
use std::ops::Range;

/// The longest side of a frame in pixels: what a JPEG can say.
const MAX_SIDE: u32 = 65_535;

/// Where a plane lies in its buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Plane {
    /// Bytes from the start of the buffer to the first pixel.
    pub offset: usize,
    /// Bytes from the start of one row to the start of the next.
    pub stride: usize,
}

/// Format, size and the place of every plane: all that is needed to read pixels from bytes. Always valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    format: PixelFormat,
    size: Size,
    planes: [Plane; 3],
    byte_len: usize,
}

impl Layout {
    /// Rows without padding, planes one after the other.
    ///
    /// # Errors
    /// `InvalidArgument` for a side that is zero or over 65,535 pixels.
    pub fn packed(format: PixelFormat, size: Size) -> Result<Self> {
        let (w, h) = (size.width as usize, size.height as usize);
        let mut planes = [Plane::default(); 3];
        let mut offset = 0usize;
        for (k, plane) in planes.iter_mut().take(format.planes()).enumerate() {
            let (stride, rows) = format.plane_extent(k, w, h);
            *plane = Plane { offset, stride };
            offset = offset.saturating_add(stride.saturating_mul(rows));
        }
        Self::validated(format, size, planes, "planes")
    }

    /// The same picture with padded rows: one stride in bytes a plane, planes one after the other.
    ///
    /// # Errors
    /// `InvalidArgument` for a wrong number of strides, or a stride shorter than a row.
    pub fn with_strides(self, strides: &[usize]) -> Result<Self> {
        let mut offset = 0usize;
        let (w, h) = (self.size.width as usize, self.size.height as usize);
        let planes: Vec<Plane> = strides
            .iter()
            .enumerate()
            .map(|(k, &stride)| {
                let plane = Plane { offset, stride };
                offset = offset.saturating_add(stride.saturating_mul(self.format.plane_extent(k, w, h).1));
                plane
            })
            .collect();
        self.placed(&planes, "strides")
    }

    /// The same picture with every plane at a place of its own, as decoders hand them out.
    ///
    /// # Errors
    /// `InvalidArgument` for a wrong number of planes, a stride shorter than a row, or a place past the address space.
    pub fn with_planes(self, planes: &[Plane]) -> Result<Self> {
        self.placed(planes, "planes")
    }

    /// `argument` is what the caller said the places with.
    fn placed(self, planes: &[Plane], argument: &str) -> Result<Self> {
        if planes.len() != self.format.planes() {
            let (format, count) = (self.format, self.format.planes());
            let what = format!("{format} has {count} plane(s); {} given", planes.len());
            return Err(Error::invalid_argument(what).with_field(argument).with_limit(count as f64));
        }
        let mut all = [Plane::default(); 3];
        all[..planes.len()].copy_from_slice(planes);
        Self::validated(self.format, self.size, all, argument)
    }

    fn validated(format: PixelFormat, size: Size, planes: [Plane; 3], argument: &str) -> Result<Self> {
        let (least, most) = (size.width.min(size.height), size.width.max(size.height));
        if least == 0 || most > MAX_SIDE {
            let what = format!("a frame of {size}: each side must be 1 to {MAX_SIDE} pixels");
            let limit = if least == 0 { 1 } else { MAX_SIDE };
            return Err(Error::invalid_argument(what).with_field("size").with_limit(limit.into()));
        }
        let mut byte_len = 0usize;
        for (k, plane) in planes.iter().take(format.planes()).enumerate() {
            let (row, rows) = format.plane_extent(k, size.width as usize, size.height as usize);
            let wrong = |what: String| {
                Error::invalid_argument(format!("plane {k} of a {size} {format} frame{what}"))
                    .with_field(format!("{argument}[{k}]"))
            };
            if plane.stride < row {
                let what = format!(": a stride of {} bytes is shorter than its row of {row}", plane.stride);
                return Err(wrong(what).with_limit(row as f64));
            }
            // The last row needs no padding behind it.
            let end = plane
                .stride
                .checked_mul(rows - 1)
                .and_then(|n| n.checked_add(row))
                .and_then(|n| n.checked_add(plane.offset));
            let end = end.filter(|&n| isize::try_from(n).is_ok());
            let end = end.ok_or_else(|| wrong(" ends past the address space".into()))?;
            byte_len = byte_len.max(end);
        }
        Ok(Self { format, size, planes, byte_len })
    }

    /// The pixel format.
    pub const fn format(&self) -> PixelFormat {
        self.format
    }

    /// Width and height in pixels.
    pub const fn size(&self) -> Size {
        self.size
    }

    /// The planes, as many as the format has.
    pub fn planes(&self) -> &[Plane] {
        &self.planes[..self.format.planes()]
    }

    /// The bytes that a buffer must have.
    pub const fn byte_len(&self) -> usize {
        self.byte_len
    }

    /// Where a row lies in its plane.
    pub(crate) fn row_range(&self, plane: usize, y: u32) -> Option<Range<usize>> {
        let place = self.planes().get(plane)?;
        let (row, rows) = self.extent(plane);
        let y = y as usize;
        (y < rows).then(|| {
            let start = place.stride * y;
            start..start + row
        })
    }

    /// The bytes from the first pixel of a plane to its last; the last row needs no padding behind it.
    pub(crate) fn plane_len(&self, plane: usize) -> usize {
        let (row, rows) = self.extent(plane);
        self.planes().get(plane).map_or(0, |place| place.stride * (rows - 1) + row)
    }

    /// Bytes in a row and rows in a plane.
    pub(crate) fn extent(&self, plane: usize) -> (usize, usize) {
        self.format.plane_extent(plane, self.size.width as usize, self.size.height as usize)
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.size, self.format)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorCode::InvalidArgument;

    fn packed(format: PixelFormat, w: u32, h: u32) -> Result<Layout> {
        Layout::packed(format, Size::new(w, h))
    }

    #[test]
    fn sizes_of_all_formats_odd_sides_included() {
        for (format, bytes) in [
            (PixelFormat::Gray8, 15),
            (PixelFormat::Rgb8, 45),
            (PixelFormat::Bgr8, 45),
            (PixelFormat::Rgba8, 60),
            (PixelFormat::Bgra8, 60),
            (PixelFormat::Nv12, 15 + 6 * 2),
            (PixelFormat::I420, 15 + 2 * 3 * 2),
        ] {
            assert_eq!(packed(format, 5, 3).unwrap().byte_len(), bytes, "{format}");
        }
    }

    #[test]
    fn bad_layouts_are_refused() {
        let far = Plane { offset: usize::MAX - 2, stride: 4 };
        for (layout, field, limit) in [
            (packed(PixelFormat::Rgb8, 0, 4), "size", Some(1.0)),
            (packed(PixelFormat::Rgb8, 4, 0), "size", Some(1.0)),
            (packed(PixelFormat::Rgb8, u32::MAX, 4), "size", Some(65_535.0)),
            (packed(PixelFormat::Rgb8, 4, 4).unwrap().with_strides(&[11]), "strides[0]", Some(12.0)),
            (packed(PixelFormat::Rgb8, 4, 4).unwrap().with_strides(&[12, 12]), "strides", Some(1.0)),
            (packed(PixelFormat::I420, 4, 4).unwrap().with_strides(&[4, 2]), "strides", Some(3.0)),
            (packed(PixelFormat::I420, 4, 4).unwrap().with_planes(&[far]), "planes", Some(3.0)),
            (packed(PixelFormat::Rgb8, 4, 4).unwrap().with_strides(&[usize::MAX]), "strides[0]", None),
            (packed(PixelFormat::Gray8, 4, 1).unwrap().with_planes(&[far]), "planes[0]", None),
        ] {
            let error = layout.unwrap_err();
            let about = (error.code(), error.context().field(), error.context().limit());
            assert_eq!(about, (InvalidArgument, Some(field), limit), "{error}");
        }
    }

    #[test]
    fn strides_and_places_move_the_planes() {
        let nv12 = packed(PixelFormat::Nv12, 4, 4).unwrap().with_strides(&[8, 16]).unwrap();
        assert_eq!(nv12.planes(), [Plane { offset: 0, stride: 8 }, Plane { offset: 32, stride: 16 }]);
        assert_eq!(nv12.byte_len(), 32 + 16 + 4);
        assert_eq!((nv12.row_range(1, 1), nv12.plane_len(1)), (Some(16..20), 20));
        assert_eq!(nv12.row_range(1, 2), None);
    }
}
