//! Frames from and to arrays of the `ndarray` crate.

use super::{Frame, Layout, PixelFormat, Plane};
use crate::error::{Error, Result};
use crate::geometry::Size;
use ndarray::{Array3, ArrayView3, ShapeBuilder};

impl Frame {
    /// Takes over an array of height × width × channels (1, 3 or 4, as the format has), without a copy where the pixels of each
    /// row lie one after the other, as in any array in standard order and in a crop of one; otherwise its pixels are copied.
    ///
    /// The planar formats take their planes below each other, as OpenCV has them: height * 3 / 2 × width × 1, with even sides.
    ///
    /// # Errors
    /// `InvalidArgument` for a shape that does not fit the format, or a side that is zero or over 65,535 pixels.
    ///
    /// ```
    /// use guarita::{Frame, PixelFormat, Size};
    /// use ndarray::Array3;
    /// let image = Array3::from_shape_fn((2, 3, 3), |(y, x, c)| (10 * y + 3 * x + c) as u8);
    /// let frame = Frame::from_array(image, PixelFormat::Bgr8)?;
    /// assert_eq!((frame.size(), frame.row(0, 1)), (Size::new(3, 2), &[10, 11, 12, 13, 14, 15, 16, 17, 18][..]));
    /// # Ok::<(), guarita::Error>(())
    /// ```
    pub fn from_array(array: Array3<u8>, format: PixelFormat) -> Result<Self> {
        let layout = layout_of(&array.view(), format)?;
        let Some(stride) = row_stride(&array.view(), &layout) else {
            return Self::copy_from_array(array.view(), format);
        };
        let (pixels, start) = array.into_raw_vec_and_offset();
        Self::from_owner(pixels, strided(layout, stride, start.unwrap_or(0))?)
    }

    /// Copies an array of height × width × channels; see [`from_array`](Self::from_array). It may be a view of any kind: flipped,
    /// transposed, every other pixel.
    ///
    /// # Errors
    /// As [`from_array`](Self::from_array).
    ///
    /// ```
    /// use guarita::{Frame, PixelFormat};
    /// use ndarray::{Array3, s};
    /// let image = Array3::from_shape_fn((2, 3, 1), |(y, x, _)| (10 * y + x) as u8);
    /// let mirrored = Frame::copy_from_array(image.slice(s![.., ..;-1, ..]), PixelFormat::Gray8)?;
    /// assert_eq!(mirrored.row(0, 1), [12, 11, 10]);
    /// # Ok::<(), guarita::Error>(())
    /// ```
    pub fn copy_from_array(array: ArrayView3<'_, u8>, format: PixelFormat) -> Result<Self> {
        let layout = layout_of(&array, format)?;
        let pixels: Vec<u8> = match array.as_slice() {
            Some(pixels) => pixels.to_vec(),
            None => array.iter().copied().collect(),
        };
        Self::from_owner(pixels, layout)
    }

    /// The pixels as an array of height × width × channels that shares the frame's memory, padded rows included in its strides.
    ///
    /// # Errors
    /// `Unsupported` for the planar formats, which are no single array; see [`plane_array`](Self::plane_array).
    ///
    /// ```
    /// use guarita::{Frame, PixelFormat, Size};
    /// use guarita::frame::Layout;
    /// let rgb = Layout::packed(PixelFormat::Rgb8, Size::new(2, 2))?.with_strides(&[8])?;
    /// let frame = Frame::copy_from(&(0..14).collect::<Vec<u8>>(), rgb)?;
    /// let pixels = frame.array()?;
    /// assert_eq!((pixels.dim(), pixels[(1, 1, 2)]), ((2, 2, 3), 13));
    /// # Ok::<(), guarita::Error>(())
    /// ```
    pub fn array(&self) -> Result<ArrayView3<'_, u8>> {
        match self.plane_array(0) {
            Some(array) if self.format().planes() == 1 => Ok(array),
            _ => {
                let format = self.format();
                Err(Error::unsupported(format!("a frame of {format} is no single array; see plane_array")))
            }
        }
    }

    /// A plane as an array of rows × columns × channels that shares the frame's memory: the last is 2 for U and V of NV12. None
    /// past the last plane.
    ///
    /// ```
    /// use guarita::{Frame, PixelFormat, Size};
    /// use guarita::frame::Layout;
    /// let nv12 = Layout::packed(PixelFormat::Nv12, Size::new(4, 2))?;
    /// let frame = Frame::copy_from(&[16, 16, 16, 16, 16, 16, 16, 16, 90, 240, 90, 240], nv12)?;
    /// let chroma = frame.plane_array(1).unwrap();
    /// assert_eq!((chroma.dim(), chroma[(0, 1, 1)]), ((1, 2, 2), 240));
    /// # Ok::<(), guarita::Error>(())
    /// ```
    pub fn plane_array(&self, plane: usize) -> Option<ArrayView3<'_, u8>> {
        let Plane { stride, .. } = *self.layout.planes().get(plane)?;
        let (row, rows) = self.layout.extent(plane);
        let channels = match (self.format(), plane) {
            (PixelFormat::Nv12, 1) => 2,
            (format, _) => channels(format),
        };
        let shape = (rows, row / channels, channels).strides((stride, channels, 1));
        ArrayView3::from_shape(shape, self.plane(plane)).ok()
    }
}

/// Bytes of a pixel of the first plane.
const fn channels(format: PixelFormat) -> usize {
    match format {
        PixelFormat::Gray8 | PixelFormat::Nv12 | PixelFormat::I420 => 1,
        PixelFormat::Rgb8 | PixelFormat::Bgr8 => 3,
        PixelFormat::Rgba8 | PixelFormat::Bgra8 => 4,
    }
}

/// The packed layout of a picture in an array of this shape.
fn layout_of(array: &ArrayView3<'_, u8>, format: PixelFormat) -> Result<Layout> {
    let (rows, columns, depth) = array.dim();
    let planar = format.planes() > 1;
    if depth != channels(format) || planar && (rows % 3 != 0 || columns % 2 != 0) {
        let wanted = match format.planes() {
            1 => format!("height × width × {}", channels(format)),
            _ => "height * 3 / 2 × width × 1, with even sides".to_owned(),
        };
        let shape = format!("an array of {rows} × {columns} × {depth}");
        return Err(Error::invalid_argument(format!("{shape}; a picture of {format} is {wanted}")).with_field("array"));
    }
    let side = |pixels: usize| u32::try_from(pixels).unwrap_or(u32::MAX);
    Layout::packed(format, Size::new(side(columns), side(if planar { rows / 3 * 2 } else { rows })))
}

/// The bytes from one row to the next, where a frame of this layout can have its rows so: forward, and whole in themselves.
fn row_stride(array: &ArrayView3<'_, u8>, layout: &Layout) -> Option<usize> {
    let (rows, columns, depth) = array.dim();
    let &[across, along, within] = array.strides() else { return None };
    let packed = |stride: isize, len: usize, bytes: usize| len <= 1 || usize::try_from(stride) == Ok(bytes);
    if !packed(within, depth, 1) || !packed(along, columns, depth) {
        return None;
    }
    let row = columns * depth;
    let stride = if rows <= 1 { row } else { usize::try_from(across).ok()? };
    // Planes below each other have one stride only where there is no padding.
    let fits = if layout.format().planes() == 1 { stride >= row } else { stride == row };
    fits.then_some(stride)
}

/// The layout with rows so far apart, in a buffer whose first pixel is at `start`.
fn strided(layout: Layout, stride: usize, start: usize) -> Result<Layout> {
    let planes: Vec<Plane> = match layout.planes() {
        [_] => vec![Plane { offset: start, stride }],
        planes => planes.iter().map(|plane| Plane { offset: plane.offset + start, ..*plane }).collect(),
    };
    layout.with_planes(&planes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Axis, s};

    fn image(rows: usize, columns: usize, channels: usize) -> Array3<u8> {
        Array3::from_shape_fn((rows, columns, channels), |(y, x, c)| (y * 31 + x * 7 + c) as u8)
    }

    #[test]
    fn an_array_goes_in_and_out_without_a_copy() {
        for (format, depth) in [(PixelFormat::Gray8, 1), (PixelFormat::Bgr8, 3), (PixelFormat::Rgba8, 4)] {
            let given = image(6, 5, depth);
            let (at, same) = (given.as_ptr(), given.clone());
            let frame = Frame::from_array(given, format).unwrap();
            let array = frame.array().unwrap();
            assert_eq!((array.as_ptr(), &array), (at, &same.view()), "{format}");
            // A crop of an array that is owned keeps the rows where they are.
            let crop = same.clone().slice_move(s![2..5, 1..4, ..]);
            let (at, same) = (crop.as_ptr(), crop.clone());
            let frame = Frame::from_array(crop, format).unwrap();
            assert_eq!((frame.array().unwrap().as_ptr(), frame.array().unwrap()), (at, same.view()), "{format}");
        }
    }

    #[test]
    fn what_no_frame_can_hold_is_copied_and_is_the_same() {
        let image = image(6, 4, 3);
        for view in [
            image.slice(s![..;-1, .., ..]),
            image.slice(s![.., ..;-1, ..]),
            image.slice(s![.., ..;2, ..]),
            image.slice(s![.., .., ..;-1]),
            image.view().permuted_axes([1, 0, 2]),
            image.slice(s![..1, .., ..]),
            image.slice(s![.., ..1, ..]),
        ] {
            let copied = Frame::copy_from_array(view, PixelFormat::Rgb8).unwrap();
            assert_eq!(copied.array().unwrap(), view);
            // Of an owned array in the same order.
            let mut owned = Array3::zeros(view.raw_dim());
            owned.assign(&view);
            let taken = Frame::from_array(owned, PixelFormat::Rgb8).unwrap();
            assert_eq!(taken.array().unwrap(), view);
        }
        let mut flipped = image.clone();
        flipped.invert_axis(Axis(1));
        let expected = flipped.clone();
        assert_eq!(Frame::from_array(flipped, PixelFormat::Bgr8).unwrap().array().unwrap(), expected);
    }

    #[test]
    fn planar_formats_are_one_array_in_and_one_for_each_plane_out() {
        for format in [PixelFormat::Nv12, PixelFormat::I420] {
            let given = image(6, 4, 1);
            let (at, bytes) = (given.as_ptr(), given.iter().copied().collect::<Vec<_>>());
            let whole = Frame::copy_from(&bytes, Layout::packed(format, Size::new(4, 4)).unwrap()).unwrap();
            let frame = Frame::from_array(given, format).unwrap();
            assert_eq!(frame.plane(0).as_ptr(), at);
            for frame in [&frame, &whole.in_separate_planes()] {
                for k in 0..format.planes() {
                    let plane = frame.plane_array(k).unwrap();
                    assert_eq!(plane.iter().copied().collect::<Vec<_>>(), whole.plane(k), "{format} {k}");
                }
                assert_eq!(frame.plane_array(format.planes()), None);
                assert_eq!(frame.array().unwrap_err().code(), crate::ErrorCode::Unsupported);
            }
        }
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        for (format, shape) in [
            (PixelFormat::Gray8, (2, 2, 3)),
            (PixelFormat::Rgb8, (2, 2, 4)),
            (PixelFormat::Bgra8, (2, 2, 1)),
            (PixelFormat::I420, (4, 4, 1)),
            (PixelFormat::Nv12, (3, 3, 1)),
            (PixelFormat::Gray8, (0, 2, 1)),
            (PixelFormat::Gray8, (2, 65_536, 1)),
        ] {
            for error in [
                Frame::from_array(Array3::zeros(shape), format).unwrap_err(),
                Frame::copy_from_array(Array3::zeros(shape).view(), format).unwrap_err(),
            ] {
                assert_eq!(error.code(), crate::ErrorCode::InvalidArgument, "{format} {shape:?}");
            }
        }
    }
}
