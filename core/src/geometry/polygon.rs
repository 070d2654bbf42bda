use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// A place in a picture as shares of its width and height: `(0, 0)` is the top left corner, `(1, 1)` the bottom right
/// one. Written as `[x, y]` in configurations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(from = "[f32; 2]", into = "[f32; 2]")]
pub struct Point {
    /// From the left edge, 0..1.
    pub x: f32,
    /// From the top edge, 0..1.
    pub y: f32,
}

impl Point {
    /// From shares of width and height.
    pub const fn new(x: f32, y: f32) -> Self {
        Self { x, y }
    }
}

impl From<[f32; 2]> for Point {
    fn from([x, y]: [f32; 2]) -> Self {
        Self { x, y }
    }
}

impl From<Point> for [f32; 2] {
    fn from(point: Point) -> Self {
        [point.x, point.y]
    }
}

/// A simple polygon in shares of width and height, so that it fits any resolution. Always valid: see
/// [`new`](Self::new).
///
/// ```
/// use guarita::Polygon;
/// let door = Polygon::new([[0.4, 0.3], [0.6, 0.3], [0.6, 0.9], [0.4, 0.9]])?;
/// assert!(door.contains([0.5, 0.5]) && !door.contains([0.1, 0.5]));
/// assert!(Polygon::new([[0.0, 0.0], [1.0, 1.0], [1.0, 0.0], [0.0, 1.0]]).is_err()); // a bow tie
/// # Ok::<(), guarita::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(try_from = "Vec<Point>", into = "Vec<Point>")]
pub struct Polygon(Vec<Point>);

/// Corners that a polygon may have.
const MAX_POINTS: usize = 1024;
/// Corners at the end of a ring that are its first one again: one, or one more for rounding.
const MOST_CLOSING: usize = 2;
/// Coordinates so little outside are what rounding made of 0 and 1.
const ROUNDING: f32 = 1e-6;
/// The least area, as a share of the picture: a thousandth of a thousandth is less than a pixel of a small one.
const MIN_AREA: f64 = 1e-6;

impl Polygon {
    /// From its corners in order, either way round; the last one is joined to the first. A closed ring, whose last corner
    /// is its first one again, is the same polygon. Coordinates that are up to a millionth outside 0..1 are rounded to it.
    ///
    /// # Errors
    /// `InvalidConfig` for fewer than 3 corners or more than 1024, a coordinate that is not a number or outside 0..1,
    /// edges that cross or touch each other, or an area under a millionth of the picture.
    pub fn new<P: Into<Point>>(points: impl IntoIterator<Item = P>) -> Result<Self> {
        let rounded = |Point { x, y }| Point { x: within_picture(x), y: within_picture(y) };
        let mut polygon =
            Self(points.into_iter().map(|point| rounded(point.into())).take(MAX_POINTS + MOST_CLOSING + 1).collect());
        // A ring that was computed closes nearly where it began.
        let closes = |points: &[Point]| match points {
            [first, .., last] => (first.x - last.x).abs() <= ROUNDING && (first.y - last.y).abs() <= ROUNDING,
            _ => false,
        };
        while (4..=MAX_POINTS + MOST_CLOSING).contains(&polygon.0.len()) && closes(&polygon.0) {
            polygon.0.pop();
        }
        let points = &polygon.0;
        if !(3..=MAX_POINTS).contains(&points.len()) {
            let count = if points.len() > MAX_POINTS { format!("over {MAX_POINTS}") } else { points.len().to_string() };
            return Err(Error::invalid_config(format!("a polygon of {count} corners; it must have 3..{MAX_POINTS}")));
        }
        for (k, Point { x, y }) in points.iter().enumerate() {
            // NaN is in no range.
            if !(0.0..=1.0).contains(x) || !(0.0..=1.0).contains(y) {
                return Err(Error::invalid_config(format!(
                    "corner {k} of a polygon is ({x}, {y}); corners are shares of width and height, 0..1"
                )));
            }
        }
        if polygon.signed_area().abs() < MIN_AREA && polygon.is_flat() {
            return Err(Error::invalid_config("a polygon without area: its corners lie on a line"));
        }
        if let Some(k) = (1..points.len()).find(|&k| points[k - 1] == points[k]) {
            return Err(Error::invalid_config(format!(
                "corner {k} of a polygon is the one before again; leave it out"
            )));
        }
        if let Some((a, b)) = polygon.crossing() {
            return Err(Error::invalid_config(format!(
                "a polygon whose edges from corner {a} and from corner {b} cross or touch; give the corners in order"
            )));
        }
        if polygon.signed_area().abs() < MIN_AREA {
            return Err(Error::invalid_config("a polygon without area: it is less than a millionth of the picture"));
        }
        Ok(polygon)
    }

    /// Whether all corners lie nearly on one line: that from the first one to the one farthest from it.
    fn is_flat(&self) -> bool {
        let corner = |point: &Point| (f64::from(point.x), f64::from(point.y));
        let first = self.0.first().map_or((0.0, 0.0), corner);
        let far = |place: Place| (place.0 - first.0).powi(2) + (place.1 - first.1).powi(2);
        let farthest = self.0.iter().map(corner).max_by(|a, b| far(*a).total_cmp(&far(*b))).unwrap_or(first);
        self.0.iter().all(|point| turn(first, farthest, corner(point)).abs() < MIN_AREA)
    }

    /// The corners.
    pub fn points(&self) -> &[Point] {
        &self.0
    }

    /// The area as a share of the picture, 0..1.
    pub fn area(&self) -> f32 {
        self.signed_area().abs() as f32
    }

    /// Whether a place lies inside. On the edge, the answer is that of one side, so that polygons that share an edge share
    /// no place.
    pub fn contains(&self, point: impl Into<Point>) -> bool {
        let point = point.into();
        let (x, y) = (f64::from(point.x), f64::from(point.y));
        let mut inside = false;
        self.crossings(y, |at| inside ^= x < at);
        inside
    }

    /// Gives every place at which an edge crosses the row at `y`, in any order: a row is inside between the first and the
    /// second of them in order, between the third and the fourth, and so on.
    pub(crate) fn crossings(&self, y: f64, mut at: impl FnMut(f64)) {
        for ((ax, ay), (bx, by)) in self.edges() {
            if (ay > y) != (by > y) {
                at(ax + (y - ay) / (by - ay) * (bx - ax));
            }
        }
    }

    /// Sets those of a row of equal cells whose centres lie inside; `edges` is room to work in.
    pub(crate) fn fill_row(&self, y: f64, value: u8, row: &mut [u8], edges: &mut Vec<f64>) {
        edges.clear();
        self.crossings(y, |x| edges.push(x));
        edges.sort_by(f64::total_cmp);
        let width = row.len() as f64;
        for pair in edges.chunks_exact(2) {
            // The first cell whose centre is not left of the edge.
            let [from, to] = [pair[0], pair[1]].map(|x| (x * width - 0.5).ceil().clamp(0.0, width) as usize);
            row[from..to].fill(value);
        }
    }

    fn edges(&self) -> impl Iterator<Item = ((f64, f64), (f64, f64))> {
        let corner = |k: usize| (f64::from(self.0[k].x), f64::from(self.0[k].y));
        (0..self.0.len()).map(move |k| (corner(k), corner((k + 1) % self.0.len())))
    }

    /// The shoelace formula.
    fn signed_area(&self) -> f64 {
        self.edges().map(|((ax, ay), (bx, by))| ax * by - bx * ay).sum::<f64>() / 2.0
    }

    /// Two edges that have a point in common which is not the corner between them.
    fn crossing(&self) -> Option<(usize, usize)> {
        let edges: Vec<_> = self.edges().collect();
        for (i, &(a, b)) in edges.iter().enumerate() {
            if a == b {
                return Some((i, i));
            }
            for (j, &(c, d)) in edges.iter().enumerate().skip(i + 1) {
                let touches = if j == i + 1 {
                    folds(a, b, d)
                } else if i == 0 && j + 1 == edges.len() {
                    folds(c, a, b)
                } else {
                    meet(a, b, c, d)
                };
                if touches {
                    return Some((i, j));
                }
            }
        }
        None
    }
}

/// 0 or 1 where the coordinate is only just outside.
fn within_picture(at: f32) -> f32 {
    if (-ROUNDING..=1.0 + ROUNDING).contains(&at) { at.clamp(0.0, 1.0) } else { at }
}

type Place = (f64, f64);

/// Twice the area of the triangle, positive for one way round.
fn turn(a: Place, b: Place, c: Place) -> f64 {
    (b.0 - a.0) * (c.1 - a.1) - (b.1 - a.1) * (c.0 - a.0)
}

/// Whether the way from `a` to `b` to `c` goes back on itself.
fn folds(a: Place, b: Place, c: Place) -> bool {
    turn(a, b, c) == 0.0 && (b.0 - a.0) * (c.0 - b.0) + (b.1 - a.1) * (c.1 - b.1) < 0.0
}

/// Whether two segments have a point in common.
fn meet(a: Place, b: Place, c: Place, d: Place) -> bool {
    let within = |a: Place, b: Place, p: Place| {
        turn(a, b, p) == 0.0
            && (a.0.min(b.0)..=a.0.max(b.0)).contains(&p.0)
            && (a.1.min(b.1)..=a.1.max(b.1)).contains(&p.1)
    };
    (turn(a, b, c) * turn(a, b, d) < 0.0 && turn(c, d, a) * turn(c, d, b) < 0.0)
        || within(a, b, c)
        || within(a, b, d)
        || within(c, d, a)
        || within(c, d, b)
}

impl TryFrom<Vec<Point>> for Polygon {
    type Error = Error;

    fn try_from(points: Vec<Point>) -> Result<Self> {
        Self::new(points)
    }
}

impl From<Polygon> for Vec<Point> {
    fn from(polygon: Polygon) -> Self {
        polygon.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;

    #[test]
    fn bad_polygons_are_refused_with_a_reason() {
        let square = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]];
        assert!(Polygon::new(square).is_ok());
        assert!(Polygon::new(square.into_iter().rev()).is_ok());
        let cases: [(&[[f32; 2]], &str); 10] = [
            (&[], "corners"),
            (&[[0.0, 0.0], [1.0, 1.0]], "corners"),
            (&[[0.0, 0.0], [1.0, f32::NAN], [1.0, 0.0]], "corner 1"),
            (&[[0.0, 0.0], [1.0, 1.5], [1.0, 0.0]], "corner 1"),
            (&[[-0.1, 0.0], [1.0, 1.0], [1.0, 0.0]], "corner 0"),
            (&[[0.0, 0.0], [0.5, 0.5], [1.0, 1.0]], "area"),
            (&[[0.5, 0.5], [0.5, 0.5], [0.5, 0.5]], "area"),
            (&[[0.0, 0.0], [1.0, 0.8], [1.0, 0.0], [0.0, 1.0]], "cross"),
            // A spike goes out and back, and a corner lies on an edge far away from it.
            (&[[0.0, 0.0], [0.5, 0.0], [1.0, 0.0], [0.5, 0.0], [0.5, 0.5]], "touch"),
            (&[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.5, 0.0], [0.0, 1.0]], "touch"),
        ];
        for (points, words) in cases {
            let error = Polygon::new(points.iter().copied()).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidConfig);
            assert!(error.to_string().contains(words), "{points:?}: {error}");
        }
        assert!(Polygon::new(std::iter::repeat_n([0.5, 0.5], 5000)).unwrap_err().to_string().contains("corners"));
    }

    #[test]
    fn json_is_a_list_of_pairs_and_is_checked() {
        let polygon: Polygon = serde_json::from_str("[[0,0],[1,0],[0,1]]").unwrap();
        assert_eq!((polygon.area(), polygon.points().len()), (0.5, 3));
        assert_eq!(serde_json::to_string(&polygon).unwrap(), "[[0.0,0.0],[1.0,0.0],[0.0,1.0]]");
        let error = serde_json::from_str::<Polygon>("[[0,0],[1,0]]").unwrap_err();
        assert!(error.to_string().contains("corners"), "{error}");
    }

    #[test]
    fn neighbours_share_no_place() {
        let left = Polygon::new([[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]]).unwrap();
        let right = Polygon::new([[0.5, 0.0], [1.0, 0.0], [1.0, 1.0], [0.5, 1.0]]).unwrap();
        for k in 0..64 {
            let place = [k as f32 / 64.0, 0.3];
            assert!(left.contains(place) != right.contains(place), "{place:?}");
        }
    }
}
