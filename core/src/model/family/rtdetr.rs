use super::{Family, Preprocessing};
use crate::imaging::{ChannelOrder, Resize};
use crate::model::evidence::Evidence;
use crate::model::head::Head;

pub(super) const PREPROCESSING: Preprocessing =
    Preprocessing { color: ChannelOrder::Rgb, resize: Resize::Stretch, pad: 0, mean: [0.0; 3], std: [255.0; 3] };

pub(super) fn reading(evidence: &Evidence<'_>) -> Option<Head> {
    let named = |name: &str| evidence.outputs.iter().find(|output| output.name == name).map(|output| &output.name);
    Some(Head::new(Family::RtDetr, evidence.names, [named("labels")?, named("boxes")?, named("scores")?]))
}
