use super::Cancellation;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::frame::Frame;
use crate::geometry::BoundingBox;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What to look for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Want {
    /// Objects, by label.
    #[default]
    Labels,
    /// Words and lines of text.
    Text,
    /// Faces: where they are, not whose.
    Faces,
}

impl Want {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Labels, Self::Text, Self::Faces];

    /// The name: `labels`, `text`, `faces`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Labels => "labels",
            Self::Text => "text",
            Self::Faces => "faces",
        }
    }
}

impl fmt::Display for Want {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Who goes first where not all can.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Priority {
    /// After all others.
    Low,
    /// As usual.
    #[default]
    Normal,
    /// Before all others.
    Critical,
}

/// Frames, and what to find in them.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Request {
    /// The pictures; at least one. Their camera is what rate limits and budgets count by.
    pub frames: Vec<Frame>,
    /// The part of each frame to look at, in pixels of the frame: one for each frame, or none at all for whole frames.
    /// Boxes of the answer are in pixels of the whole frame all the same.
    pub regions: Vec<BoundingBox>,
    /// What to look for.
    pub want: Want,
    /// Less sure findings are left out; 0..1, default 0.5. A local detector leaves out those below its own threshold
    /// too.
    pub min_confidence: f32,
    /// When an answer is of no use any more, on the provider's clock; none for never.
    pub deadline: Option<Timestamp>,
    /// Who goes first where not all can.
    pub priority: Priority,
    /// Two requests with the same key are the same request: it is paid once, however often it is asked.
    pub idempotency_key: Option<Arc<str>>,
    /// The tenant that a budget counts it for, beside the camera; empty for none.
    pub tenant: Arc<str>,
    /// Lets the caller cancel the request until it has begun.
    pub cancellation: Cancellation,
}

impl Request {
    /// Frames to find labels in, with the usual settings.
    pub fn new(frames: impl Into<Vec<Frame>>) -> Self {
        Self {
            frames: frames.into(),
            regions: Vec::new(),
            want: Want::Labels,
            min_confidence: 0.5,
            deadline: None,
            priority: Priority::Normal,
            idempotency_key: None,
            tenant: "".into(),
            cancellation: Cancellation::default(),
        }
    }

    /// Sets what to look for.
    pub fn with_want(mut self, want: Want) -> Self {
        self.want = want;
        self
    }

    /// Sets the least confidence, 0..1.
    pub fn with_min_confidence(mut self, least: f32) -> Self {
        self.min_confidence = least;
        self
    }

    /// Sets the part of each frame to look at, one for each frame.
    pub fn with_regions(mut self, regions: impl Into<Vec<BoundingBox>>) -> Self {
        self.regions = regions.into();
        self
    }

    /// Sets when an answer is of no use any more.
    pub fn with_deadline(mut self, deadline: Timestamp) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Sets who goes first.
    pub fn with_priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// Sets the key that makes a repeated request the same request.
    pub fn with_idempotency_key(mut self, key: &str) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }

    /// Sets the tenant for budgets.
    pub fn with_tenant(mut self, tenant: &str) -> Self {
        self.tenant = tenant.into();
        self
    }

    /// Checks everything that needs no provider.
    ///
    /// # Errors
    /// `InvalidArgument` for no frames, a `min_confidence` outside 0..1, regions that are not one for each frame, or a
    /// region that has no pixel of its frame in it.
    pub fn validate(&self) -> Result<()> {
        if self.frames.is_empty() {
            return Err(Error::invalid_argument("the request has no frames").with_field("frames"));
        }
        if !(0.0..=1.0).contains(&self.min_confidence) {
            return Err(Error::invalid_argument(format!(
                "min_confidence is {}; it must lie in 0..1",
                self.min_confidence
            ))
            .with_field("min_confidence"));
        }
        if !self.regions.is_empty() && self.regions.len() != self.frames.len() {
            return Err(Error::invalid_argument(format!(
                "{} regions for {} frames; give one for each frame, or none",
                self.regions.len(),
                self.frames.len()
            ))
            .with_field("regions"));
        }
        for (region, frame) in self.regions.iter().zip(&self.frames) {
            let inside = region.clipped(frame.size());
            if !region.is_finite() || inside.width() < 1.0 || inside.height() < 1.0 {
                return Err(Error::invalid_argument(format!(
                    "the region {:?} has no pixel of a frame of {}",
                    region.to_array(),
                    frame.size()
                ))
                .with_field("regions"));
            }
        }
        Ok(())
    }

    /// Time left until the deadline; none where there is no deadline.
    ///
    /// # Errors
    /// `DeadlineExceeded` where the deadline has passed.
    pub fn time_left(&self, now: Timestamp) -> Result<Option<Duration>> {
        match self.deadline {
            None => Ok(None),
            Some(deadline) if deadline > now => Ok(Some(deadline - now)),
            Some(deadline) => Err(Error::deadline_exceeded(format!(
                "the deadline passed {:.3} s ago",
                (now - deadline).as_secs_f64()
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;
    use crate::frame::{Layout, PixelFormat};
    use crate::geometry::Size;

    fn frame() -> Frame {
        Frame::from_owner(vec![0; 12], Layout::packed(PixelFormat::Gray8, Size::new(4, 3)).unwrap()).unwrap()
    }

    #[test]
    fn requests_that_make_no_sense() {
        let good = || Request::new([frame()]);
        let region = |x1, y1, x2, y2| vec![BoundingBox::from_xyxy(x1, y1, x2, y2)];
        assert!(good().with_regions(region(-5.0, 0.0, 2.0, 900.0)).validate().is_ok());
        for (request, word) in [
            (Request::new([]), "no frames"),
            (good().with_min_confidence(f32::NAN), "min_confidence"),
            (good().with_min_confidence(1.01), "min_confidence"),
            (good().with_regions([region(0.0, 0.0, 2.0, 2.0), region(0.0, 0.0, 2.0, 2.0)].concat()), "2 regions"),
            (good().with_regions(region(4.0, 0.0, 9.0, 3.0)), "no pixel"),
            (good().with_regions(region(f32::NAN, 0.0, 9.0, 3.0)), "no pixel"),
        ] {
            let error = request.validate().unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidArgument);
            assert!(error.to_string().contains(word), "{error}");
        }
    }

    #[test]
    fn a_deadline_ends_at_its_instant() {
        let at = Timestamp::from_millis;
        let request = Request::new([frame()]).with_deadline(at(1_000));
        assert_eq!(request.time_left(at(400)).unwrap(), Some(Duration::from_millis(600)));
        assert_eq!(request.time_left(at(1_000)).unwrap_err().code(), ErrorCode::DeadlineExceeded);
        assert_eq!(Request::new([frame()]).time_left(at(i64::MAX)).unwrap(), None);
    }
}
