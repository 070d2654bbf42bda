//! What answers look like.

use super::{Suite, Verdict, ask_well, ensure, failed, nothing_found};
use crate::budget::MicroDollars;
use crate::detection::Detections;
use crate::geometry::{BoundingBox, Size};
use crate::provider::Request;

impl Suite<'_> {
    pub(super) fn results(&self) -> Verdict {
        let provider = (self.make)();
        let can = provider.capability();
        for want in can.wants {
            let frames = self.two_frames()?;
            let sizes = [frames[0].size(), frames[1].size()];
            let response = ask_well(&*provider, Request::new(frames).with_want(want))?;
            let got: Vec<_> = response.detections.iter().map(|found| found.frame).collect();
            ensure(got == sizes, || format!("{want}: results for frames of {got:?}, not of {sizes:?}"))?;
            for found in &response.detections {
                check_items(found, 0.5).map_err(|why| failed(format!("{want}: {why}")))?;
            }
            ensure(!response.answer.provider.is_empty(), || format!("{want}: nobody answered"))?;
            ensure(can.leaves_machine || response.cost == MicroDollars::ZERO, || {
                format!("{want}: it cost {}, though nothing leaves the machine", response.cost)
            })?;
        }
        Ok(())
    }

    pub(super) fn boxes(&self) -> Verdict {
        let provider = (self.make)();
        let mut any = false;
        for want in provider.capability().wants {
            let response = ask_well(&*provider, self.request().with_want(want))?;
            for found in &response.detections {
                any |= !found.is_empty();
                let whole = whole(found.frame);
                for item in found {
                    ensure(lies_in(&item.bbox, &whole, 0.0), || {
                        format!("{want}: {:?} is outside of a frame of {}", item.bbox.to_array(), found.frame)
                    })?;
                    // Nothing that a detector sees is smaller than a pixel.
                    ensure(item.bbox.x2 > 1.0 || item.bbox.y2 > 1.0, || {
                        format!("{want}: {:?} looks like a box in 0..1", item.bbox.to_array())
                    })?;
                }
            }
        }
        if any { Ok(()) } else { Err(nothing_found()) }
    }

    pub(super) fn min_confidence(&self) -> Verdict {
        let provider = (self.make)();
        let response = ask_well(&*provider, self.usual(&*provider).with_min_confidence(0.0))?;
        let confidences: Vec<_> = response.detections.iter().flatten().map(|item| item.confidence).collect();
        let Some(&middle) = confidences.get(confidences.len() / 2) else { return Err(nothing_found()) };
        // Between the middle one and the surest: some stay, some go.
        for least in [middle, confidences.first().copied().unwrap_or(1.0), 1.0] {
            let least = least.clamp(0.0, 1.0);
            let response = ask_well(&*provider, self.usual(&*provider).with_min_confidence(least))?;
            for found in &response.detections {
                check_items(found, least).map_err(failed)?;
            }
        }
        Ok(())
    }

    pub(super) fn regions(&self) -> Verdict {
        let provider = (self.make)();
        let size = self.sample.size();
        let (w, h) = (size.width as f32, size.height as f32);
        let surest = ask_well(&*provider, self.usual(&*provider))?;
        let around = surest.detections.iter().flatten().next().map(|item| {
            let b = item.bbox;
            let (dx, dy) = (b.width() / 2.0, b.height() / 2.0);
            BoundingBox::from_xyxy(b.x1 - dx, b.y1 - dy, b.x2 + dx, b.y2 + dy)
        });
        // The second is moved in both directions, so that boxes of the part that are not moved back lie outside.
        let quarter = BoundingBox::from_xyxy(w / 4.0, h / 4.0, w, h);
        let mut any = false;
        for region in around.into_iter().chain([quarter]) {
            let response = ask_well(&*provider, self.usual(&*provider).with_regions([region]))?;
            let inside = region.clipped(size);
            for found in &response.detections {
                ensure(found.frame == size, || format!("a frame of {}, not of {size}", found.frame))?;
                for item in found {
                    any = true;
                    ensure(lies_in(&item.bbox, &inside, 1.0), || {
                        format!("{:?} is outside of the region {:?}", item.bbox.to_array(), inside.to_array())
                    })?;
                }
            }
        }
        if any { Ok(()) } else { Err(nothing_found()) }
    }
}

fn whole(size: Size) -> BoundingBox {
    BoundingBox::from_xyxy(0.0, 0.0, size.width as f32, size.height as f32)
}

/// NaN lies nowhere.
fn lies_in(inner: &BoundingBox, outer: &BoundingBox, slack: f32) -> bool {
    inner.x1 >= outer.x1 - slack
        && inner.y1 >= outer.y1 - slack
        && inner.x2 <= outer.x2 + slack
        && inner.y2 <= outer.y2 + slack
        && inner.x1 <= inner.x2
        && inner.y1 <= inner.y2
}

fn check_items(found: &Detections, least: f32) -> std::result::Result<(), String> {
    let labels = found.image_labels.iter().map(|label| (label.confidence, &label.label.name));
    let items = found.items.iter().map(|item| (item.confidence, &item.label.name));
    for list in [items.collect::<Vec<_>>(), labels.collect()] {
        for (confidence, name) in &list {
            if name.is_empty() {
                return Err("a label without a name".into());
            }
            if !(0.0..=1.0).contains(confidence) {
                return Err(format!("{name} with a confidence of {confidence}, not in 0..1"));
            }
            if *confidence < least {
                return Err(format!("{name} with a confidence of {confidence}, though {least} was the least"));
            }
        }
        if !list.is_sorted_by(|a, b| a.0 >= b.0) {
            return Err("not sorted, the surest first".into());
        }
    }
    Ok(())
}
