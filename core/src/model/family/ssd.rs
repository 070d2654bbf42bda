use super::{Family, Preprocessing, rfdetr};
use crate::imaging::{ChannelOrder, Resize};
use crate::model::evidence::Evidence;
use crate::model::head::{BoxUnits, Head, SsdBoxes, SsdForm};

/// TensorFlow's: levels as they are. Others must say what they want.
pub(super) const PREPROCESSING: Preprocessing =
    Preprocessing { color: ChannelOrder::Rgb, resize: Resize::Stretch, pad: 0, mean: [0.0; 3], std: [1.0; 3] };

pub(super) fn readings(evidence: &Evidence<'_>) -> Vec<Head> {
    if !rfdetr::readings(evidence).is_empty() {
        return Vec::new();
    }
    let hints = &evidence.hints.ssd;
    let form = SsdForm {
        boxes: hints.boxes.unwrap_or(SsdBoxes::Yxyx),
        units: hints.units.unwrap_or(BoxUnits::Fractions),
        background: hints.background.unwrap_or(false),
    };
    let pairs = evidence.boxes_and_scores().into_iter();
    pairs
        .filter(|(boxes, scores, _)| !scores.is_boxes() || boxes.name.contains("box"))
        .map(|(boxes, scores, columns)| {
            let classes = columns - usize::from(form.background).min(columns);
            Head { ssd: form, ..Head::new(Family::Ssd, Some(classes), [&scores.name, &boxes.name]) }
        })
        .collect()
}

/// Where it is said that there is a background, or none, a list with gaps at its end fits too.
pub(super) const fn fits_names(evidence: &Evidence<'_>, classes: usize, names: usize) -> bool {
    classes == names || evidence.hints.ssd.background.is_some() && names < classes
}

pub(super) fn unproven(evidence: &Evidence<'_>) -> Option<String> {
    if is_tensorflow(evidence) {
        return None;
    }
    let hints = &evidence.hints.ssd;
    let missing: Vec<&str> = [
        (hints.boxes.is_none(), "[ssd] boxes: xyxy or yxyx"),
        (hints.units.is_none(), "[ssd] units: pixels or fractions"),
        (hints.background.is_none(), "[ssd] background: whether column 0 of the scores is one"),
        (!evidence.input_is_told, "[input] mean and std"),
    ]
    .into_iter()
    .filter_map(|(is_missing, what)| is_missing.then_some(what))
    .collect();
    let why = "looks like an SSD, and exporters write those in several ways; say ";
    (!missing.is_empty()).then(|| format!("{why}{}", missing.join(", ")))
}

/// TensorFlow's exports are NHWC and keep the axis of shared boxes; they write fractions as yxyx, and no background. Others
/// have one of both.
fn is_tensorflow(evidence: &Evidence<'_>) -> bool {
    evidence.nhwc && evidence.outputs.iter().any(|output| output.axes.len() == 4)
}
