//! Evidence from the nodes of a graph about its outputs.

use super::head::RowOrder;
use super::proto::{Graph, Node};
use std::collections::{BTreeMap, BTreeSet};

/// The nodes of a graph by the tensors they output.
pub(super) struct Nodes<'a>(BTreeMap<&'a str, &'a Node>);

/// Operators that pass on their input's values, or some of them.
const HAND_ON: [&str; 11] = [
    "Cast",
    "Flatten",
    "Gather",
    "GatherElements",
    "GatherND",
    "Identity",
    "Reshape",
    "Slice",
    "Squeeze",
    "Transpose",
    "Unsqueeze",
];
/// Operators of network layers: what follows the last of them is decoding.
const LAYERS: [&str; 8] =
    ["Conv", "ConvInteger", "ConvTranspose", "Gemm", "MatMul", "MatMulInteger", "QLinearConv", "QLinearMatMul"];
/// Anchors that are applied: the logarithm of a size is undone, or a box is made of distances from a point.
const DECODES_BOXES: [&str; 3] = ["Exp", "Sub", "Div"];

impl<'a> Nodes<'a> {
    pub(super) fn of(graph: &'a Graph) -> Self {
        let given = graph.node.iter().flat_map(|node| node.output.iter().map(move |name| (name.as_str(), node)));
        Self(given.filter(|(name, _)| !name.is_empty()).collect())
    }

    /// The nearest node before this tensor that does more than pass values on.
    fn origin(&self, tensor: &str) -> Option<(&'a Node, &str)> {
        let mut tensor = tensor;
        let mut passed = BTreeSet::new();
        loop {
            let (&name, &node) = self.0.get_key_value(tensor)?;
            if !HAND_ON.contains(&node.op_type.as_str()) {
                return Some((node, name));
            }
            if !passed.insert(name) {
                return None;
            }
            tensor = node.input.first()?;
        }
    }

    /// How rows `[picture, box, …, …]` are joined, where the nodes say so: suppression gives the number of the picture, the
    /// place of the best score is the class, and the best score is the score.
    pub(super) fn row_order(&self, output: &str) -> Option<RowOrder> {
        let (join, _) = self.origin(output)?;
        let [picture, _, sixth, seventh] = join.input.as_slice() else { return None };
        let is = |tensor: &str, kind: &str, place: usize| {
            self.origin(tensor).is_some_and(|(node, name)| {
                node.op_type == kind && node.output.get(place).is_some_and(|output| output == name)
            })
        };
        let is_class = |tensor: &str| is(tensor, "ArgMax", 0) || is(tensor, "TopK", 1);
        let is_score = |tensor: &str| is(tensor, "ReduceMax", 0) || is(tensor, "TopK", 0);
        if join.op_type != "Concat" || !is(picture, "NonMaxSuppression", 0) {
            return None;
        }
        match (is_class(sixth) && is_score(seventh), is_score(sixth) && is_class(seventh)) {
            (true, false) => Some(RowOrder::ClassScore),
            (false, true) => Some(RowOrder::ScoreClass),
            _ => None,
        }
    }

    /// Whether boxes are decoded behind the last layer of the network; no where no layer is found.
    pub(super) fn decodes_boxes(&self, output: &str) -> bool {
        let (mut found_layer, mut decodes) = (false, false);
        let (mut ahead, mut seen) = (vec![output], BTreeSet::new());
        while let Some(tensor) = ahead.pop() {
            let Some((&name, node)) = self.0.get_key_value(tensor) else { continue };
            if !seen.insert(name) {
                continue;
            }
            if LAYERS.contains(&node.op_type.as_str()) {
                found_layer = true;
                continue;
            }
            decodes |= DECODES_BOXES.contains(&node.op_type.as_str());
            ahead.extend(node.input.iter().map(String::as_str));
        }
        found_layer && decodes
    }
}
