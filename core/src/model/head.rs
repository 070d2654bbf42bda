//! What the outputs of a detector mean, told from their shapes and the file's metadata.
//!
//! Every reading that fits the shapes is listed; metadata strike readings out; exactly one must remain. Where none or
//! several remain the model is refused: a wrong reading gives boxes that look plausible and are not there.

use super::hints::ModelHints;
use super::labels::MOST_CLASSES;
use crate::error::{Error, Result};
use crate::geometry::Size;
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

/// The order of the four numbers of an SSD box.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum SsdBoxes {
    /// Left, top, right, bottom: PyTorch exports.
    Xyxy,
    /// Top, left, bottom, right: TensorFlow exports.
    Yxyx,
}

/// What stands behind the box in a row of a model that suppresses doubles itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum RowOrder {
    /// Class number, then score: YOLOv7 and YOLOv9 with suppression inside.
    ClassScore,
    /// Score, then class number: Ultralytics, YOLO-NAS.
    ScoreClass,
}

/// The unit of the numbers of a box.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum BoxUnits {
    /// Pixels of the input.
    Pixels,
    /// Fractions of the input's width and height.
    Fractions,
}

/// How an SSD writes boxes and scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct SsdForm {
    pub(crate) boxes: SsdBoxes,
    pub(crate) units: BoxUnits,
    /// Column 0 of the scores is the background.
    pub(crate) background: bool,
}

/// The outputs of a model and how to read them. Output names stand in the order in which the decoder takes them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Head {
    pub(crate) family: Family,
    /// Number of classes; `None` where the outputs carry class numbers and the file does not say how many there are.
    pub(crate) classes: Option<usize>,
    pub(crate) outputs: Vec<String>,
    /// For `YoloV8`: `[b, N, 4+nc]` in place of `[b, 4+nc, N]`.
    pub(crate) transposed: bool,
    pub(crate) ssd: SsdForm,
    /// For rows of end-to-end models.
    pub(crate) rows: (RowOrder, BoxUnits),
    /// For NanoDet: class scores and distances in one tensor (NanoDet-Plus).
    pub(crate) concatenated: bool,
}

/// An axis of a tensor: its length, or `None` where it is free.
pub(super) type Axis = Option<usize>;

/// An output as the file declares it.
#[derive(Clone, Debug)]
pub(super) struct OutputInfo {
    pub(super) name: String,
    pub(super) axes: Vec<Axis>,
}

impl fmt::Display for OutputInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let axes: Vec<String> = self.axes.iter().map(|axis| axis.map_or("?".into(), |n| n.to_string())).collect();
        write!(f, "{:?} [{}]", self.name, axes.join(", "))
    }
}

/// Everything that tells readings apart.
#[derive(Debug)]
pub(super) struct Evidence<'a> {
    pub(super) outputs: &'a [OutputInfo],
    pub(super) input: Size,
    pub(super) nhwc: bool,
    pub(super) takes_target_sizes: bool,
    /// Number of class names known (one past the highest number).
    pub(super) names: Option<usize>,
    /// Whether the file's metadata come from Ultralytics' exporter, and call the model an RT-DETR.
    pub(super) ultralytics: bool,
    pub(super) says_rtdetr: bool,
    /// Metadata `end2end`, or the export argument `nms`.
    pub(super) end2end: Option<bool>,
    /// The order of rows `[·, 7]`, where the nodes of the graph say it.
    pub(super) row_order: Option<RowOrder>,
    /// Boxes are decoded behind the last layer of the network.
    pub(super) decodes_boxes: bool,
    /// What the input wants is said by a hint, or it takes whole levels.
    pub(super) input_is_told: bool,
    pub(super) hints: &'a ModelHints,
}

/// Finds the one reading of the outputs that fits all evidence.
pub(super) fn recognize(evidence: &Evidence<'_>) -> Result<Head> {
    let mut readings = readings(evidence);
    // A shape is only a claim; memory is taken for each class later on.
    readings.retain(|head| head.classes.is_none_or(|classes| classes <= MOST_CLASSES as usize));
    if let Some(family) = evidence.hints.family {
        readings.retain(|head| head.family == family);
    }
    let fits_names = |head: &Head| match (head.classes, evidence.names) {
        (Some(classes), Some(names)) => match head.family {
            // The columns behind the named ones are no classes.
            Family::RfDetr => names <= classes,
            // Where it is said that there is a background, or none, a list with gaps at its end fits too.
            Family::Ssd => classes == names || evidence.hints.ssd.background.is_some() && names < classes,
            _ => classes == names,
        },
        _ => true,
    };
    let before_names = readings.clone();
    readings.retain(fits_names);
    match readings.as_slice() {
        [] if !before_names.is_empty() => Err(refused(
            evidence,
            &format!(
                "has {}, but {} class names are given",
                before_names
                    .iter()
                    .map(|head| format!("{} classes as {}", head.classes.unwrap_or(0), head.family))
                    .collect::<Vec<_>>()
                    .join(" or "),
                evidence.names.unwrap_or(0)
            ),
        )),
        [] => Err(refused(evidence, "is of no known family")),
        [head] => match unproven(evidence, head) {
            Some(why) => Err(refused_unless(evidence, &why, "it", "")),
            None => Ok(Head { classes: classes_of(head, evidence.names), ..head.clone() }),
        },
        several => Err(refused(
            evidence,
            &format!(
                "could be {}",
                several
                    .iter()
                    .map(|head| {
                        let side = if head.transposed { ", transposed" } else { "" };
                        match head.classes {
                            Some(classes) => {
                                format!("{} with {classes} classes{side}", head.family)
                            }
                            None => format!("{}{side}", head.family),
                        }
                    })
                    .collect::<Vec<_>>()
                    .join(" or ")
            ),
        )),
    }
}

/// The columns of RF-DETR behind the named ones are the background, and a filler.
fn classes_of(head: &Head, names: Option<usize>) -> Option<usize> {
    match (head.family, names) {
        (Family::RfDetr, Some(names)) => Some(names),
        _ => head.classes,
    }
}

/// Classes of COCO: a number of columns that fits them is evidence, where a file has no names.
const COCO_CLASSES: usize = 80;

/// Why a reading is not taken although its shape fits: exporters write other things in the same shape, and nothing says that
/// this is not one of those.
fn unproven(evidence: &Evidence<'_>, head: &Head) -> Option<String> {
    let hints = evidence.hints;
    let by_ultralytics = evidence.ultralytics;
    match head.family {
        Family::Ssd if !tensorflow_ssd(evidence) => {
            let ssd = &hints.ssd;
            let missing: Vec<&str> = [
                (ssd.boxes.is_none(), "[ssd] boxes: xyxy or yxyx"),
                (ssd.units.is_none(), "[ssd] units: pixels or fractions"),
                (ssd.background.is_none(), "[ssd] background: whether column 0 of the scores is one"),
                (!evidence.input_is_told, "[input] mean and std"),
            ]
            .into_iter()
            .filter_map(|(is_missing, what)| is_missing.then_some(what))
            .collect();
            let why = "looks like an SSD, and exporters write those in several ways; say ";
            (!missing.is_empty()).then(|| format!("{why}{}", missing.join(", ")))
        }
        Family::YoloEnd2End if hints.rows.order.is_none() && !by_ultralytics => Some(
            "has rows of six, which exporters write in several orders; say [rows] order: score-class (Ultralytics) or \
             class-score, and units, if the four numbers before them are corners"
                .into(),
        ),
        Family::YoloEnd2EndFlat if hints.rows.order.or(evidence.row_order).is_none() => Some(
            "has rows of seven, which exporters write in several orders; say [rows] order: class-score (YOLOv7, YOLOv9) or \
             score-class (YOLO-NAS), and units, if they begin with the number of the picture and four corners"
                .into(),
        ),
        Family::YoloX if evidence.decodes_boxes => Some(
            "has the shape of a YOLOX, but its boxes are decoded inside the model, as by YOLOv6, which no family here reads: \
             export it without decoding, or convert its outputs to those of a family, and say which"
                .into(),
        ),
        Family::YoloV8 | Family::YoloV5 | Family::YoloX
            if hints.family.is_none() && evidence.names.is_none() && head.classes != Some(COCO_CLASSES) =>
        {
            Some(format!(
                "could be {} with {} classes, but also a model of poses or of turned boxes, which has other columns and is not \
                 supported; give the names of the classes (labels = […]), if that is their number",
                head.family,
                head.classes.unwrap_or(0)
            ))
        }
        _ => None,
    }
}

fn refused(evidence: &Evidence<'_>, why: &str) -> Error {
    refused_unless(evidence, why, "what it is", " (family = \"…\", labels = […])")
}

fn refused_unless(evidence: &Evidence<'_>, why: &str, what: &str, such_as: &str) -> Error {
    let outputs: Vec<String> = evidence.outputs.iter().map(ToString::to_string).collect();
    Error::model_invalid(format!(
        "output {} with input {} {why}. Say {what} in a file beside the model, MODEL.spec.toml{such_as}, or in ModelHints",
        outputs.join(", "),
        evidence.input,
    ))
}

/// Cells of the grids of these strides, rounded up at the edges.
fn cells(input: Size, strides: &[u32]) -> usize {
    strides.iter().map(|&stride| (input.width.div_ceil(stride) * input.height.div_ceil(stride)) as usize).sum()
}

fn readings(evidence: &Evidence<'_>) -> Vec<Head> {
    match evidence.outputs {
        [output] => match output.axes[..] {
            [_, second, third] => one_output(evidence, output, second, third),
            [_, Some(7)] => {
                let order = evidence.hints.rows.order.or(evidence.row_order).unwrap_or(RowOrder::ClassScore);
                vec![rows(evidence, Family::YoloEnd2EndFlat, order, &output.name)]
            }
            _ => Vec::new(),
        },
        outputs if evidence.takes_target_sizes => rtdetr(evidence, outputs),
        [a, b] => two_outputs(evidence, a, b),
        outputs => yunet(outputs).or_else(|| nanodet_split(evidence, outputs)).into_iter().collect(),
    }
}

fn head<'a>(family: Family, classes: Option<usize>, outputs: impl IntoIterator<Item = &'a String>) -> Head {
    Head {
        family,
        classes,
        outputs: outputs.into_iter().cloned().collect(),
        transposed: false,
        ssd: SsdForm { boxes: SsdBoxes::Yxyx, units: BoxUnits::Fractions, background: false },
        rows: (RowOrder::ScoreClass, BoxUnits::Pixels),
        concatenated: false,
    }
}

/// A family whose rows are boxes with a class number.
fn rows(evidence: &Evidence<'_>, family: Family, order: RowOrder, output: &String) -> Head {
    let units = evidence.hints.rows.units.unwrap_or(BoxUnits::Pixels);
    Head { rows: (order, units), ..head(family, evidence.names, [output]) }
}

fn one_output(evidence: &Evidence<'_>, output: &OutputInfo, second: Axis, third: Axis) -> Vec<Head> {
    let input = evidence.input;
    let three = cells(input, &[8, 16, 32]);
    let four = cells(input, &[8, 16, 32, 64]);
    let is_grid = |n: usize| n == three || n == four || n == cells(input, &[4, 8, 16, 32]);
    // A free number of anchors fits every grid.
    let is = |axis: Axis, fits: &dyn Fn(usize) -> bool| axis.is_none_or(fits);
    let classes = |axis: Axis, others: usize| match axis {
        Some(n) => (n > others).then(|| Some(n - others)),
        None => evidence.names.map(Some),
    };
    // The exporters of YOLOX and NanoDet call their output `output`; Ultralytics' says `output0`. Without metadata, a
    // transposed Ultralytics tensor is not considered under the others' name.
    let foreign_name = output.name == "output" && !evidence.ultralytics;
    let told = evidence.hints.family.is_some();
    let mut found = Vec::new();
    let mut add = |family: Family, classes: Option<usize>, transposed: bool| {
        found.push(Head { transposed, ..head(family, classes, [&output.name]) });
    };
    let mut planar = false;
    if let Some(nc) = classes(second, 4).filter(|_| is(third, &is_grid) && !(second.is_none() && third.is_none())) {
        add(Family::YoloV8, nc, false);
        planar = true;
    } else if let (None, None, Some(names)) = (second, third, evidence.names) {
        // Every axis is free: only the exporter's own word is left, and it writes the planar form.
        if evidence.ultralytics && !evidence.says_rtdetr && evidence.end2end != Some(true) {
            add(Family::YoloV8, Some(names), false);
        }
        if evidence.ultralytics && evidence.end2end == Some(true) {
            found.push(rows(evidence, Family::YoloEnd2End, RowOrder::ScoreClass, &output.name));
        }
        return found;
    }
    // The exporter writes the planar form; a file that carries its metadata and fits that form has it.
    if let Some(nc) = classes(third, 4).filter(|_| is(second, &is_grid) && !(planar && evidence.ultralytics))
        && (!foreign_name || told)
    {
        add(Family::YoloV8, nc, true);
    }
    if let Some(nc) = classes(third, 5) {
        if is(second, &|n| n == 3 * three || n == 3 * four) {
            add(Family::YoloV5, nc, false);
        }
        if is(second, &|n| n == three) && !evidence.ultralytics {
            add(Family::YoloX, nc, false);
        }
    }
    if let Some(nc) = classes(third, 32).filter(|_| is(second, &|n| n == four) && !evidence.ultralytics) {
        found.push(Head { concatenated: true, ..head(Family::NanoDet, nc, [&output.name]) });
    }
    // Queries and kept boxes are few and no multiple of a grid.
    let few = |n: usize| n <= 1000 && !is_grid(n) && n != 3 * three && n != 3 * four;
    if let Some(nc) = classes(third, 4).filter(|_| is(second, &few) && (evidence.says_rtdetr || told)) {
        found.push(head(Family::RtDetrUltralytics, nc, [&output.name]));
    }
    if third == Some(6) && is(second, &few) && !evidence.says_rtdetr {
        let order = evidence.hints.rows.order.unwrap_or(RowOrder::ScoreClass);
        found.push(rows(evidence, Family::YoloEnd2End, order, &output.name));
    }
    match evidence.end2end {
        Some(true) => found.retain(|head| head.family == Family::YoloEnd2End),
        // A v10 export says `end2end: False` in some releases and still is one: the shape decides there.
        _ if evidence.says_rtdetr => found.retain(|head| head.family == Family::RtDetrUltralytics),
        _ => {}
    }
    found
}

fn rtdetr(evidence: &Evidence<'_>, outputs: &[OutputInfo]) -> Vec<Head> {
    let named = |name: &str| outputs.iter().find(|output| output.name == name).map(|output| &output.name);
    match (named("labels"), named("boxes"), named("scores")) {
        (Some(labels), Some(boxes), Some(scores)) => {
            vec![head(Family::RtDetr, evidence.names, [labels, boxes, scores])]
        }
        _ => Vec::new(),
    }
}

/// TensorFlow's exports are NHWC and keep the axis of shared boxes; they write fractions as yxyx, and no background. Others
/// have one of both.
fn tensorflow_ssd(evidence: &Evidence<'_>) -> bool {
    evidence.nhwc && evidence.outputs.iter().any(|output| output.axes.len() == 4)
}

fn two_outputs(evidence: &Evidence<'_>, a: &OutputInfo, b: &OutputInfo) -> Vec<Head> {
    let is_boxes = |output: &OutputInfo| matches!(output.axes[..], [_, _, Some(4)] | [_, _, Some(1), Some(4)]);
    let pairs = [(a, b), (b, a)];
    let told = |family: Family| evidence.hints.family == Some(family);
    let mut found = Vec::new();
    for (boxes, scores) in pairs {
        let [_, anchors, Some(columns)] = scores.axes[..] else {
            continue;
        };
        let same_count = boxes.axes.get(1).is_some_and(|&n| n.is_none() || anchors.is_none() || n == anchors);
        if !is_boxes(boxes) || !same_count {
            continue;
        }
        if boxes.name == "dets" && scores.name == "labels" || told(Family::RfDetr) {
            found.push(head(Family::RfDetr, Some(columns), [&boxes.name, &scores.name]));
        } else if !is_boxes(scores) || boxes.name.contains("box") {
            let hints = &evidence.hints.ssd;
            let ssd = SsdForm {
                boxes: hints.boxes.unwrap_or(SsdBoxes::Yxyx),
                units: hints.units.unwrap_or(BoxUnits::Fractions),
                background: hints.background.unwrap_or(false),
            };
            let classes = columns - usize::from(ssd.background).min(columns);
            found.push(Head { ssd, ..head(Family::Ssd, Some(classes), [&scores.name, &boxes.name]) });
        }
    }
    found
}

/// The strides of NanoDet and YuNet outputs, finest first.
pub(crate) const STRIDES: [u32; 3] = [8, 16, 32];

fn nanodet_split(evidence: &Evidence<'_>, outputs: &[OutputInfo]) -> Option<Head> {
    if outputs.len() != 2 * STRIDES.len() {
        return None;
    }
    let mut ordered = Vec::new();
    let mut classes = None;
    for is_distances in [false, true] {
        for stride in STRIDES {
            let n = cells(evidence.input, &[stride]);
            let mut fitting = outputs.iter().filter(|output| match output.axes[..] {
                [_, count, Some(columns)] if count == Some(n) => (columns == 32) == is_distances,
                _ => false,
            });
            let (Some(output), None) = (fitting.next(), fitting.next()) else {
                return None;
            };
            if !is_distances {
                let columns = output.axes[2];
                if classes.is_some() && classes != columns {
                    return None;
                }
                classes = columns;
            }
            ordered.push(&output.name);
        }
    }
    Some(head(Family::NanoDet, classes, ordered))
}

fn yunet(outputs: &[OutputInfo]) -> Option<Head> {
    let mut ordered = Vec::new();
    for part in ["cls", "obj", "bbox"] {
        for stride in STRIDES {
            let wanted = format!("{part}_{stride}");
            ordered.push(&outputs.iter().find(|output| output.name == wanted)?.name);
        }
    }
    Some(head(Family::YuNet, Some(1), ordered))
}
