use crate::detection::{Detections, Label};
use crate::error::{Error, Result};
use crate::provider::Request;

/// What the host's function answered, as every provider answers: one for each frame, boxes inside of the frame, the surest
/// first, nothing below what was asked for.
///
/// # Errors
/// `Internal` for what cannot be put right, saying what came.
pub(super) fn checked(provider: &str, request: &Request, mut answer: Vec<Detections>) -> Result<Vec<Detections>> {
    let wrong = |what: String| Err(Error::internal(format!("the function of the provider {provider} answered {what}")));
    let (came, frames) = (answer.len(), request.frames.len());
    if came != frames {
        return wrong(format!("{came} results for {frames} frames; one for each is needed"));
    }
    for (found, frame) in answer.iter_mut().zip(&request.frames) {
        let size = frame.size();
        if found.frame != size {
            return wrong(format!("detections in a frame of {} for one of {size}", found.frame));
        }
        let whole = found.image_labels.iter().map(|found| (&found.label, found.confidence));
        for (label, confidence) in found.items.iter().map(|found| (&found.label, found.confidence)).chain(whole) {
            if let Some(what) = fault(label, confidence) {
                return wrong(what);
            }
        }
        if let Some(item) = found.items.iter().find(|item| !item.bbox.is_finite()) {
            return wrong(format!("a box of {:?} ({})", item.bbox.to_array(), item.label));
        }
        let least = request.min_confidence;
        found.image_labels.retain(|label| label.confidence >= least);
        found.image_labels.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
        found.items.retain_mut(|item| {
            item.bbox = item.bbox.clipped(size);
            item.confidence >= least && item.bbox.area() > 0.0
        });
        found.items.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    }
    Ok(answer)
}

fn fault(label: &Label, confidence: f32) -> Option<String> {
    if label.name.is_empty() {
        return Some("a label without a name".into());
    }
    // NaN is in no range.
    let in_range = (0.0..=1.0).contains(&confidence);
    (!in_range).then(|| format!("a confidence of {confidence} ({label}); it must lie in 0..1"))
}
