//! Points, boxes and areas.

use crate::error::{OrRaise, raise};
use guarita::{ErrorCode, Size};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

/// An area of the picture: three or more points whose coordinates are shares of its width and height, 0..1, so that it
/// fits every resolution. Edges do not cross.
///
/// Args:
///     points: Pairs `(x, y)`, 3..1024 of them.
///
/// Raises:
///     InvalidConfig: Fewer than three points, one outside 0..1, or edges that cross.
///     InvalidArgument: A point that is no pair of numbers.
///
/// >>> from guarita import Polygon
/// >>> door = Polygon([(0.1, 0.1), (0.4, 0.1), (0.4, 0.9), (0.1, 0.9)])
/// >>> door.contains(0.2, 0.5), round(door.area, 2)
/// (True, 0.24)
#[pyclass(frozen, eq, module = "guarita")]
#[derive(PartialEq)]
pub(crate) struct Polygon(pub(crate) guarita::Polygon);

#[pymethods]
impl Polygon {
    #[new]
    fn new(points: &Bound<'_, PyAny>) -> PyResult<Self> {
        // One by one, as the core takes no more than it may: some lists have no end.
        let mut wrong = None;
        let points = points
            .try_iter()?
            .map_while(|point| point.and_then(|point| two(&point)).map_err(|error| wrong = Some(error)).ok());
        let polygon = guarita::Polygon::new(points);
        wrong.map_or_else(|| polygon.or_raise().map(Self), Err)
    }

    /// The points, as pairs (x, y) of shares of the picture, 0..1.
    #[getter]
    fn points(&self) -> Vec<(f32, f32)> {
        self.0.points().iter().map(|point| (point.x, point.y)).collect()
    }

    /// The share of the picture that it covers, 0..1.
    #[getter]
    fn area(&self) -> f32 {
        self.0.area()
    }

    /// Whether the point lies inside; x and y are shares of the picture's width and height.
    fn contains(&self, x: f32, y: f32) -> bool {
        self.0.contains([x, y])
    }

    fn __len__(&self) -> usize {
        self.0.points().len()
    }

    fn __hash__(&self) -> u64 {
        self.0.points().iter().fold(17, |hash: u64, point| {
            // 0 and -0 are equal.
            hash.wrapping_mul(0x0100_0000_01b3)
                ^ u64::from((point.x + 0.0).to_bits())
                ^ u64::from((point.y + 0.0).to_bits()).rotate_left(32)
        })
    }

    fn __repr__(&self) -> String {
        let points: Vec<_> = self.points().iter().map(|(x, y)| format!("({x}, {y})")).collect();
        format!("Polygon([{}])", points.join(", "))
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        (py.get_type::<Self>(), (self.points(),)).into_pyobject(py)
    }
}

fn two(point: &Bound<'_, PyAny>) -> PyResult<[f32; 2]> {
    let wrong = || raise(ErrorCode::InvalidArgument, "a point is a pair of numbers (x, y), each 0..1");
    let numbers = point.try_iter().map_err(|_| wrong())?.map(|number| number?.extract::<f32>());
    let numbers: Vec<f32> = numbers.collect::<PyResult<_>>().map_err(|_| wrong())?;
    <[f32; 2]>::try_from(numbers).map_err(|_| wrong())
}

/// A box in pixels of the frame it was found in: left, top, right and bottom edge.
///
/// Args:
///     x1, y1, x2, y2: The edges in pixels; `x2` and `y2` are where the box ends.
#[pyclass(frozen, eq, module = "guarita")]
#[derive(PartialEq)]
pub(crate) struct BoundingBox(pub(crate) guarita::BoundingBox);

#[pymethods]
impl BoundingBox {
    #[new]
    fn new(x1: f32, y1: f32, x2: f32, y2: f32) -> Self {
        Self(guarita::BoundingBox::from_xyxy(x1, y1, x2, y2))
    }

    /// A box around a centre, in pixels.
    #[staticmethod]
    fn from_cxcywh(cx: f32, cy: f32, width: f32, height: f32) -> Self {
        Self(guarita::BoundingBox::from_cxcywh(cx, cy, width, height))
    }

    /// The left edge in pixels.
    #[getter]
    fn x1(&self) -> f32 {
        self.0.x1
    }

    /// The upper edge in pixels.
    #[getter]
    fn y1(&self) -> f32 {
        self.0.y1
    }

    /// The right edge in pixels.
    #[getter]
    fn x2(&self) -> f32 {
        self.0.x2
    }

    /// The lower edge in pixels.
    #[getter]
    fn y2(&self) -> f32 {
        self.0.y2
    }

    /// The width in pixels; 0 where the edges are the wrong way round.
    #[getter]
    fn width(&self) -> f32 {
        self.0.width()
    }

    /// The height in pixels; 0 where the edges are the wrong way round.
    #[getter]
    fn height(&self) -> f32 {
        self.0.height()
    }

    /// Width times height, in square pixels.
    #[getter]
    fn area(&self) -> f32 {
        self.0.area()
    }

    /// The four edges: left, top, right, bottom.
    #[getter]
    fn xyxy(&self) -> (f32, f32, f32, f32) {
        self.0.to_array().into()
    }

    /// Intersection over union with another box, 0..1.
    fn iou(&self, other: &Self) -> f32 {
        self.0.iou(&other.0)
    }

    /// The part of the box inside a frame of this (width, height).
    fn clipped(&self, size: (u32, u32)) -> Self {
        Self(self.0.clipped(Size::new(size.0, size.1)))
    }

    /// The box in shares of the width and height of a frame of this size.
    fn normalized(&self, size: (u32, u32)) -> Self {
        Self(self.0.normalized(Size::new(size.0, size.1)))
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(PyTuple::new(py, self.0.to_array())?.try_iter()?.into_any())
    }

    fn __len__(&self) -> usize {
        4
    }

    fn __repr__(&self) -> String {
        let [x1, y1, x2, y2] = self.0.to_array();
        format!("BoundingBox({x1}, {y1}, {x2}, {y2})")
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        (py.get_type::<Self>(), self.xyxy()).into_pyobject(py)
    }
}

/// A box from a `BoundingBox` or four numbers.
pub(crate) fn bounding_box(any: &Bound<'_, PyAny>) -> PyResult<guarita::BoundingBox> {
    if let Ok(ours) = any.cast::<BoundingBox>() {
        return Ok(ours.get().0);
    }
    let wrong =
        || raise(ErrorCode::InvalidArgument, "a box is four numbers: left, top, right and bottom edge in pixels");
    let numbers = any.try_iter().map_err(|_| wrong())?.map(|number| number?.extract::<f32>());
    let numbers: Vec<f32> = numbers.collect::<PyResult<_>>().map_err(|_| wrong())?;
    let [x1, y1, x2, y2] = <[f32; 4]>::try_from(numbers).map_err(|_| wrong())?;
    Ok(guarita::BoundingBox::from_xyxy(x1, y1, x2, y2))
}
