use super::{Family, Preprocessing, STRIDES};
use crate::imaging::{ChannelOrder, Resize};
use crate::model::evidence::Evidence;
use crate::model::head::Head;

/// Levels as they are.
pub(super) const PREPROCESSING: Preprocessing =
    Preprocessing { color: ChannelOrder::Bgr, resize: Resize::Letterbox, pad: 0, mean: [0.0; 3], std: [1.0; 3] };

pub(super) fn reading(evidence: &Evidence<'_>) -> Option<Head> {
    let mut ordered = Vec::new();
    for part in ["cls", "obj", "bbox"] {
        for stride in STRIDES {
            let wanted = format!("{part}_{stride}");
            ordered.push(&evidence.outputs.iter().find(|output| output.name == wanted)?.name);
        }
    }
    Some(Head::new(Family::YuNet, Some(1), ordered))
}
