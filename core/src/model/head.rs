use super::family::Family;
use serde::{Deserialize, Serialize};

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

impl Head {
    /// A reading of these outputs, with the most usual forms where a family has several.
    pub(super) fn new<'a>(
        family: Family,
        classes: Option<usize>,
        outputs: impl IntoIterator<Item = &'a String>,
    ) -> Self {
        Self {
            family,
            classes,
            outputs: outputs.into_iter().cloned().collect(),
            transposed: false,
            ssd: SsdForm { boxes: SsdBoxes::Yxyx, units: BoxUnits::Fractions, background: false },
            rows: (RowOrder::ScoreClass, BoxUnits::Pixels),
            concatenated: false,
        }
    }

    /// Numbers in a row that has a score for each class and so many others; only the others where the classes are not known.
    pub(crate) fn row_len(&self, others: usize) -> usize {
        self.classes.map_or(others, |classes| classes + others)
    }
}
