//! Where a frame's bytes are: in one buffer, or in one for each plane.

use super::{Layout, PixelFormat};
use crate::error::{Error, Result};
use bytes::Bytes;
use std::sync::Arc;

/// The bytes of a picture; cheap to clone.
#[derive(Clone, Debug)]
pub(super) enum Pixels {
    /// One buffer, in which the layout says where each plane begins.
    Whole(Bytes),
    /// A buffer for each plane, which begins with its first pixel.
    Planes(Arc<[Bytes]>),
}

/// One plane of an owner that has them all.
struct PlaneOf<O, F> {
    of: Arc<(O, F)>,
    index: usize,
}

impl<O, F> AsRef<[u8]> for PlaneOf<O, F>
where
    F: for<'a> Fn(&'a O, usize) -> &'a [u8],
{
    fn as_ref(&self) -> &[u8] {
        let (owner, plane) = &*self.of;
        plane(owner, self.index)
    }
}

impl Pixels {
    /// The planes of an owner, each long enough for the layout.
    pub(super) fn planes_of<O, F>(owner: O, plane: F, layout: &Layout) -> Result<Self>
    where
        O: Send + Sync + 'static,
        F: for<'a> Fn(&'a O, usize) -> &'a [u8] + Send + Sync + 'static,
    {
        let of = Arc::new((owner, plane));
        let planes: Arc<[Bytes]> = (0..layout.format().planes())
            .map(|index| Bytes::from_owner(PlaneOf { of: Arc::clone(&of), index }))
            .collect();
        for (k, plane) in planes.iter().enumerate() {
            let covered = layout.plane_len(k);
            if plane.len() < covered {
                let error = Error::invalid_argument(format!(
                    "plane {k} has {} bytes; that of a {layout} frame with rows {} bytes apart covers {covered}",
                    plane.len(),
                    layout.planes().get(k).map_or(0, |plane| plane.stride),
                ));
                return Err(error.with_field(format!("planes[{k}]")).with_limit(covered as f64));
            }
        }
        Ok(Self::Planes(planes))
    }

    /// The buffer, where there is one.
    pub(super) fn whole(&self) -> Option<&[u8]> {
        match self {
            Self::Whole(data) => Some(data),
            Self::Planes(_) => None,
        }
    }

    /// The bytes of a plane from its first pixel to its last, what lies between its rows included.
    pub(super) fn plane(&self, layout: &Layout, plane: usize) -> Option<&[u8]> {
        let (offset, len) = (layout.planes().get(plane)?.offset, layout.plane_len(plane));
        match self {
            Self::Whole(data) => data.get(offset..)?.get(..len),
            Self::Planes(planes) => planes.get(plane)?.get(..len),
        }
    }

    /// The memory that is held.
    pub(super) fn byte_len(&self) -> usize {
        match self {
            Self::Whole(data) => data.len(),
            Self::Planes(planes) => planes.iter().map(Bytes::len).sum(),
        }
    }

    /// The same bytes, of which each plane begins `skipped` bytes further, in a layout of this format.
    pub(super) fn skip(&self, layout: &Layout, part: Layout, skipped: &[usize]) -> Result<(Self, Layout)> {
        let places = layout.planes().iter().zip(skipped);
        match self {
            Self::Whole(data) => {
                let planes: Vec<_> =
                    places.map(|(plane, skipped)| super::Plane { offset: plane.offset + skipped, ..*plane }).collect();
                let part = part.with_planes(&planes)?;
                if data.len() < part.byte_len() {
                    return Err(Error::internal("a part of a frame goes past its buffer"));
                }
                Ok((Self::Whole(data.clone()), part))
            }
            Self::Planes(planes) => {
                let strides: Vec<_> = layout.planes().iter().map(|plane| plane.stride).collect();
                let part = part.with_strides(&strides)?;
                let cut = |(k, (plane, &skipped)): (usize, (&Bytes, &usize))| {
                    let fits = skipped.checked_add(part.plane_len(k)).is_some_and(|end| end <= plane.len());
                    fits.then(|| plane.slice(skipped..))
                };
                let cut: Option<Arc<[Bytes]>> = planes.iter().zip(skipped).enumerate().map(cut).collect();
                let planes = cut.ok_or_else(|| Error::internal("a part of a frame goes past a plane"))?;
                Ok((Self::Planes(planes), part))
            }
        }
    }
}

/// The bytes from the start of a plane to the pixel at this column and row of the picture, both even where chroma is halved.
pub(super) fn bytes_before(format: PixelFormat, plane: usize, stride: usize, (x, y): (usize, usize)) -> usize {
    let (column, row) = match (format, plane) {
        (PixelFormat::Rgb8 | PixelFormat::Bgr8, _) => (x * 3, y),
        (PixelFormat::Rgba8 | PixelFormat::Bgra8, _) => (x * 4, y),
        (PixelFormat::Nv12, 1) => (x, y / 2),
        (PixelFormat::I420, 1 | 2) => (x / 2, y / 2),
        _ => (x, y),
    };
    row * stride + column
}
