//! The families of detectors: for each a file that says which outputs are its, and what its input wants.

mod nanodet;
mod rfdetr;
mod rtdetr;
mod rtdetr_ultralytics;
mod ssd;
mod yolo_end2end;
mod yolo_end2end_flat;
mod yolov5;
mod yolov8;
mod yolox;
mod yunet;

use super::evidence::{Evidence, SingleOutput};
use super::head::Head;
use crate::imaging::{ChannelOrder, Resize};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A family of detectors: how outputs are decoded, and what the input wants unless the file says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum Family {
    /// Ultralytics v8, 9, 11, 12: `[b, 4+nc, N]` (or `[b, N, 4+nc]`), centre and size in pixels, class scores.
    #[serde(rename = "yolov8")]
    YoloV8,
    /// YOLOv5 and v7: `[b, N, 5+nc]`, three anchors a cell, objectness.
    #[serde(rename = "yolov5")]
    YoloV5,
    /// YOLOv10, 26 and exports with `nms=True`: `[b, M, 6]`, corners, score, class; no suppression needed.
    #[serde(rename = "yolo-end2end")]
    YoloEnd2End,
    /// YOLOv7 and v9 with suppression inside: `[N, 7]`, picture, corners, class, score.
    #[serde(rename = "yolo-end2end-flat")]
    YoloEnd2EndFlat,
    /// YOLOX: `[b, N, 5+nc]`, one raw box a cell.
    #[serde(rename = "yolox")]
    YoloX,
    /// Single-shot detector: scores `[b, N, C]` and boxes `[b, N, 4]` or `[b, N, 1, 4]` in 0..1.
    #[serde(rename = "ssd")]
    Ssd,
    /// NanoDet and NanoDet-Plus: class scores and a distribution over 8 distances for each side.
    #[serde(rename = "nanodet")]
    NanoDet,
    /// RT-DETR and D-FINE with their own exporters: input `orig_target_sizes`; outputs labels, boxes, scores.
    #[serde(rename = "rtdetr")]
    RtDetr,
    /// RT-DETR as Ultralytics exports it: `[b, Q, 4+nc]`, centre and size in 0..1.
    #[serde(rename = "rtdetr-ultralytics")]
    RtDetrUltralytics,
    /// RF-DETR: `dets` `[b, Q, 4]`, centre and size in 0..1, and `labels` `[b, Q, C]` before the sigmoid.
    #[serde(rename = "rfdetr")]
    RfDetr,
    /// YuNet faces: `cls_8 … bbox_32` for strides 8, 16 and 32.
    #[serde(rename = "yunet")]
    YuNet,
}

impl Family {
    /// The name used in spec files and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::YoloV8 => "yolov8",
            Self::YoloV5 => "yolov5",
            Self::YoloEnd2End => "yolo-end2end",
            Self::YoloEnd2EndFlat => "yolo-end2end-flat",
            Self::YoloX => "yolox",
            Self::Ssd => "ssd",
            Self::NanoDet => "nanodet",
            Self::RtDetr => "rtdetr",
            Self::RtDetrUltralytics => "rtdetr-ultralytics",
            Self::RfDetr => "rfdetr",
            Self::YuNet => "yunet",
        }
    }

    /// What the input wants unless the file or a hint says otherwise.
    pub(super) const fn preprocessing(self) -> Preprocessing {
        match self {
            Self::YoloV8 | Self::YoloV5 | Self::YoloEnd2End | Self::YoloEnd2EndFlat => Preprocessing::YOLO,
            Self::YoloX => yolox::PREPROCESSING,
            Self::Ssd => ssd::PREPROCESSING,
            Self::NanoDet => nanodet::PREPROCESSING,
            Self::RtDetr | Self::RtDetrUltralytics => rtdetr::PREPROCESSING,
            Self::RfDetr => rfdetr::PREPROCESSING,
            Self::YuNet => yunet::PREPROCESSING,
        }
    }

    /// Whether doubles must still be suppressed.
    pub(crate) const fn needs_nms(self) -> bool {
        matches!(self, Self::YoloV8 | Self::YoloV5 | Self::YoloX | Self::Ssd | Self::NanoDet | Self::YuNet)
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How a family was trained to see pictures. Mean and deviation are on levels 0..255.
#[derive(Clone, Copy, Debug)]
pub(super) struct Preprocessing {
    pub(super) color: ChannelOrder,
    pub(super) resize: Resize,
    pub(super) pad: u8,
    pub(super) mean: [f32; 3],
    pub(super) std: [f32; 3],
}

impl Preprocessing {
    /// RGB in 0..1, and gray around the frame.
    const YOLO: Self =
        Self { color: ChannelOrder::Rgb, resize: Resize::Letterbox, pad: 114, mean: [0.0; 3], std: [255.0; 3] };
}

/// The strides of NanoDet and YuNet outputs, finest first.
pub(crate) const STRIDES: [u32; 3] = [8, 16, 32];

/// Every reading that fits the shapes of the outputs, and what the exporter says of itself.
pub(super) fn readings(evidence: &Evidence<'_>) -> Vec<Head> {
    match evidence.outputs {
        [output] => match output.axes[..] {
            [_, second, third] => of_single_output(&SingleOutput { evidence, output, second, third }),
            [_, Some(7)] => vec![yolo_end2end_flat::reading(evidence, output)],
            _ => Vec::new(),
        },
        _ if evidence.takes_target_sizes => rtdetr::reading(evidence).into_iter().collect(),
        [_, _] => [rfdetr::readings(evidence), ssd::readings(evidence)].concat(),
        _ => yunet::reading(evidence).or_else(|| nanodet::reading(evidence)).into_iter().collect(),
    }
}

fn of_single_output(single: &SingleOutput<'_>) -> Vec<Head> {
    let mut found = yolov8::readings(single);
    found.extend(yolov5::reading(single));
    found.extend(yolox::reading(single));
    found.extend(nanodet::reading_plus(single));
    found.extend(rtdetr_ultralytics::reading(single));
    found.extend(yolo_end2end::reading(single));
    match single.evidence.end2end {
        Some(true) => found.retain(|head| head.family == Family::YoloEnd2End),
        // A v10 export says `end2end: False` in some releases and still is one: the shape decides there.
        _ if single.evidence.says_rtdetr => found.retain(|head| head.family == Family::RtDetrUltralytics),
        _ => {}
    }
    found
}

/// Whether a reading has as many classes as there are names.
pub(super) fn fits_names(evidence: &Evidence<'_>, head: &Head) -> bool {
    let (Some(classes), Some(names)) = (head.classes, evidence.names) else { return true };
    match head.family {
        Family::RfDetr => rfdetr::fits_names(classes, names),
        Family::Ssd => ssd::fits_names(evidence, classes, names),
        _ => classes == names,
    }
}

/// The reading with the number of classes that the names say, where its outputs have columns for more.
pub(super) fn with_named_classes(evidence: &Evidence<'_>, head: Head) -> Head {
    match (head.family, evidence.names) {
        (Family::RfDetr, Some(names)) => Head { classes: Some(names), ..head },
        _ => head,
    }
}

/// Why a reading is not taken although its shape fits: exporters write other things in the same shape, and nothing says that
/// this is not one of those.
pub(super) fn unproven(evidence: &Evidence<'_>, head: &Head) -> Option<String> {
    match head.family {
        Family::Ssd => ssd::unproven(evidence),
        Family::YoloEnd2End => yolo_end2end::unproven(evidence),
        Family::YoloEnd2EndFlat => yolo_end2end_flat::unproven(evidence),
        Family::YoloX => yolox::unproven(evidence).or_else(|| other_task(evidence, head)),
        Family::YoloV8 | Family::YoloV5 => other_task(evidence, head),
        _ => None,
    }
}

/// Classes of COCO: a number of columns that fits them is evidence, where a file has no names.
const COCO_CLASSES: usize = 80;

/// Columns whose number nothing explains may be those of another task.
fn other_task(evidence: &Evidence<'_>, head: &Head) -> Option<String> {
    let explained = evidence.hints.family.is_some() || evidence.names.is_some() || head.classes == Some(COCO_CLASSES);
    (!explained).then(|| {
        format!(
            "could be {} with {} classes, but also a model of poses or of turned boxes, which has other columns and is not \
             supported; give the names of the classes (labels = […]), if that is their number",
            head.family,
            head.classes.unwrap_or(0)
        )
    })
}
