//! Named areas of a camera's picture, and which point of an object must lie in them.

use crate::detection::Detection;
use crate::geometry::{Point, Polygon, Size};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The point of an object's box that stands for the object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Anchor {
    /// The middle of the lower edge: where a person or a car stands on the ground.
    #[default]
    BottomCenter,
    /// The middle of the box.
    Center,
    /// The middle of the upper edge.
    TopCenter,
    /// The middle of the left edge.
    CenterLeft,
    /// The middle of the right edge.
    CenterRight,
}

impl Anchor {
    /// The point, in shares of the frame's width and height, 0..1.
    pub fn of(self, found: &Detection, frame: Size) -> Point {
        let [x1, y1, x2, y2] = found.bbox.to_array();
        let (x, y) = ((x1 + x2) / 2.0, (y1 + y2) / 2.0);
        let (x, y) = match self {
            Self::BottomCenter => (x, y2),
            Self::Center => (x, y),
            Self::TopCenter => (x, y1),
            Self::CenterLeft => (x1, y),
            Self::CenterRight => (x2, y),
        };
        // A box may end at the picture's edge, which belongs to no polygon.
        let share = |at: f32, side: u32| (at / side.max(1) as f32).clamp(0.0, INSIDE);
        Point::new(share(x, frame.width), share(y, frame.height))
    }
}

/// The last number under 1 that matters: a polygon up to the edge of the picture holds what stands on the edge.
const INSIDE: f32 = 1.0 - 1e-6;

/// A named area of a camera's picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Zone {
    /// The name, which triggers and events use.
    pub name: Arc<str>,
    /// Where it is, in shares of width and height.
    pub area: Polygon,
    /// Which point of an object must lie inside.
    #[serde(default)]
    pub anchor: Anchor,
}

impl Zone {
    /// An area with a name; objects stand in it with the middle of their lower edge.
    pub fn new(name: &str, area: Polygon) -> Self {
        Self { name: name.into(), area, anchor: Anchor::default() }
    }

    /// Sets which point of an object must lie inside.
    pub fn with_anchor(mut self, anchor: Anchor) -> Self {
        self.anchor = anchor;
        self
    }

    /// Whether the object's anchor lies inside.
    pub fn holds(&self, found: &Detection, frame: Size) -> bool {
        self.area.contains(self.anchor.of(found, frame))
    }
}
