use crate::error::Result;
use crate::frame::Frame;
use crate::geometry::{BoundingBox, Polygon};
use std::fmt;

/// Says which parts of a frame must not leave the machine. They are filled with black before the picture is encoded; where
/// this fails or panics, the picture is not sent.
///
/// It is called on a thread of the provider's own and may take its time. A list of regions is one that masks the same
/// parts of every frame:
///
/// ```
/// use guarita::Polygon;
/// use guarita::provider::{Redact, RedactRegion};
/// let window = Polygon::new([[0.1, 0.1], [0.3, 0.1], [0.3, 0.4], [0.1, 0.4]])?;
/// let masks: Vec<RedactRegion> = vec![window.into()];
/// let _: &dyn Redact = &masks;
/// # Ok::<(), guarita::Error>(())
/// ```
pub trait Redact: Send + Sync + fmt::Debug {
    /// The parts of this frame to fill. A pixel that a part touches is filled.
    ///
    /// # Errors
    /// Any; the request is answered with it, and the picture is not sent.
    fn regions(&self, frame: &Frame) -> Result<Vec<RedactRegion>>;
}

impl Redact for Vec<RedactRegion> {
    fn regions(&self, _frame: &Frame) -> Result<Vec<RedactRegion>> {
        Ok(self.clone())
    }
}

/// A part of a frame.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum RedactRegion {
    /// A box, in pixels of the frame.
    Box(BoundingBox),
    /// A polygon, in shares of width and height.
    Polygon(Polygon),
}

impl From<BoundingBox> for RedactRegion {
    fn from(region: BoundingBox) -> Self {
        Self::Box(region)
    }
}

impl From<Polygon> for RedactRegion {
    fn from(region: Polygon) -> Self {
        Self::Polygon(region)
    }
}
