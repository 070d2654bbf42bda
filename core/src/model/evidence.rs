//! Evidence from a file about the outputs of its graph.

use super::head::RowOrder;
use super::hints::ModelHints;
use crate::geometry::Size;
use std::fmt;

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
    /// A hint specifies the input, or it takes whole levels.
    pub(super) input_is_told: bool,
    pub(super) hints: &'a ModelHints,
}

impl Evidence<'_> {
    /// Both ways in which two outputs can be the boxes and the scores of the same anchors, with the columns of the scores.
    pub(super) fn boxes_and_scores(&self) -> Vec<(&OutputInfo, &OutputInfo, usize)> {
        let [a, b] = self.outputs else { return Vec::new() };
        let mut found = Vec::new();
        for (boxes, scores) in [(a, b), (b, a)] {
            let [_, anchors, Some(columns)] = scores.axes[..] else {
                continue;
            };
            let same_count = boxes.axes.get(1).is_some_and(|&n| n.is_none() || anchors.is_none() || n == anchors);
            if boxes.is_boxes() && same_count {
                found.push((boxes, scores, columns));
            }
        }
        found
    }
}

impl OutputInfo {
    /// Whether its rows have four numbers, with or without an axis of shared boxes.
    pub(super) fn is_boxes(&self) -> bool {
        matches!(self.axes[..], [_, _, Some(4)] | [_, _, Some(1), Some(4)])
    }
}

/// The only output, `[pictures, second, third]`, which several families write.
pub(super) struct SingleOutput<'a> {
    pub(super) evidence: &'a Evidence<'a>,
    pub(super) output: &'a OutputInfo,
    pub(super) second: Axis,
    pub(super) third: Axis,
}

impl SingleOutput<'_> {
    /// Cells of the grids of these strides over the input.
    pub(super) fn cells(&self, strides: &[u32]) -> usize {
        cells(self.evidence.input, strides)
    }

    pub(super) fn is_grid(&self, n: usize) -> bool {
        [&[8, 16, 32][..], &[8, 16, 32, 64], &[4, 8, 16, 32]].iter().any(|strides| n == self.cells(strides))
    }

    /// Three anchors in each cell.
    pub(super) fn is_triple_grid(&self, n: usize) -> bool {
        n == 3 * self.cells(&[8, 16, 32]) || n == 3 * self.cells(&[8, 16, 32, 64])
    }

    /// Queries and kept boxes are few and no multiple of a grid.
    pub(super) fn is_few(&self, n: usize) -> bool {
        n <= 1000 && !self.is_grid(n) && !self.is_triple_grid(n)
    }

    /// Whether both axes are free.
    pub(super) fn is_free(&self) -> bool {
        self.second.is_none() && self.third.is_none()
    }

    /// The classes of an axis that has so many other numbers; none where it has no room for any, or nothing tells.
    pub(super) fn classes(&self, axis: Axis, others: usize) -> Option<usize> {
        match axis {
            _ if self.is_free() => None,
            Some(n) => n.checked_sub(others).filter(|&classes| classes > 0),
            None => self.evidence.names,
        }
    }
}

/// Cells of the grids of these strides, rounded up at the edges.
pub(super) fn cells(input: Size, strides: &[u32]) -> usize {
    strides.iter().map(|&stride| (input.width.div_ceil(stride) * input.height.div_ceil(stride)) as usize).sum()
}
