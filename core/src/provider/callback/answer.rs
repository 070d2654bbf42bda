use crate::detection::{Detections, sound};
use crate::error::{Error, Result};
use crate::provider::Request;

/// Normalizes the host function's answer: one result for each frame, boxes inside of the frame, the surest first,
/// nothing below the requested confidence.
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
        let labels = found.items.iter().map(|found| &found.label);
        if labels.chain(found.image_labels.iter().map(|found| &found.label)).any(|label| label.name.is_empty()) {
            return wrong("a label without a name".into());
        }
        if let Some(item) = found.items.iter().find(|item| !item.bbox.is_finite()) {
            return wrong(format!("a box of {:?} ({})", item.bbox.to_array(), item.label));
        }
        if let Err(what) = sound::settle(found) {
            return wrong(what);
        }
        let least = request.min_confidence;
        found.image_labels.retain(|label| label.confidence >= least);
        found.image_labels.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
        found.items.retain(|item| item.confidence >= least);
        found.items.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    }
    Ok(answer)
}
