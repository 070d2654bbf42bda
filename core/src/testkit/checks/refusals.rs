//! What is refused, and how.

use super::{Suite, Verdict, ask, ask_well, ensure, ensure_code};
use crate::error::ErrorCode;
use crate::geometry::BoundingBox;
use crate::provider::Want;
use crate::testkit::Outcome;
use std::time::Duration;

impl Suite<'_> {
    pub(super) fn unsupported(&self) -> Verdict {
        let provider = (self.make)();
        let wants = provider.capability().wants;
        let others: Vec<_> = Want::ALL.into_iter().filter(|want| !wants.contains(want)).collect();
        if others.is_empty() {
            return Err(Outcome::NotApplicable("it can be asked for everything".into()));
        }
        for want in others {
            let answer = ask(&*provider, self.request().with_want(want))?;
            ensure_code(answer, ErrorCode::Unsupported, want.as_str())?;
        }
        Ok(())
    }

    pub(super) fn invalid(&self) -> Verdict {
        let provider = (self.make)();
        let usual = || self.usual(&*provider);
        let region = |edge: f32| BoundingBox::from_xyxy(edge, edge, edge + 9.0, edge + 9.0);
        let mut empty = usual();
        empty.frames.clear();
        for (what, request) in [
            ("no frames", empty),
            ("min_confidence NaN", usual().with_min_confidence(f32::NAN)),
            ("min_confidence 1.5", usual().with_min_confidence(1.5)),
            ("min_confidence -1", usual().with_min_confidence(-1.0)),
            ("a region outside", usual().with_regions([region(1e6)])),
            ("a region of NaN", usual().with_regions([region(f32::NAN)])),
            ("two regions for a frame", usual().with_regions([region(0.0), region(0.0)])),
        ] {
            ensure_code(ask(&*provider, request)?, ErrorCode::InvalidArgument, what)?;
        }
        ensure(provider.health().last_error.is_none(), || "its health blames it for senseless requests".into())
    }

    pub(super) fn past_deadline(&self) -> Verdict {
        let provider = (self.make)();
        let now = provider.clock().now();
        let answer = ask(&*provider, self.usual(&*provider).with_deadline(now))?;
        ensure_code(answer, ErrorCode::DeadlineExceeded, "a deadline of now")?;
        ensure(provider.health().latency.is_none(), || "it was looked at all the same".into())
    }

    pub(super) fn taken_back(&self) -> Verdict {
        let provider = (self.make)();
        let request = self.usual(&*provider);
        request.cancellation.cancel();
        ensure_code(ask(&*provider, request)?, ErrorCode::Cancelled, "a request that was taken back")?;
        let begun = self.usual(&*provider);
        let cancellation = begun.cancellation.clone();
        ask_well(&*provider, begun)?;
        ensure(!cancellation.cancel(), || "it answers requests that it has not begun".into())
    }

    pub(super) fn short_deadline(&self) -> Verdict {
        let provider = (self.make)();
        for ms in [1, 5, 20] {
            let deadline = provider.clock().now() + Duration::from_millis(ms);
            match ask(&*provider, self.usual(&*provider).with_deadline(deadline))? {
                Ok(_) => {}
                late => ensure_code(late, ErrorCode::DeadlineExceeded, "a short deadline")?,
            }
        }
        Ok(())
    }
}
