//! Inputs and outputs as a graph declares them.

use super::evidence::OutputInfo;
use super::family::{Family, Preprocessing};
use super::hints::ModelHints;
use super::metadata::Metadata;
use super::proto::{self, Extent};
use super::spec::{BatchSize, ElementType};
use crate::error::{Error, Result};
use crate::geometry::Size;
use crate::imaging::{InputTransform, TensorLayout};

/// The longest side of an input, and the largest number of pixels: far past any detector, far below a machine's memory.
const MAX_INPUT_SIDE: i64 = 8192;
const MAX_INPUT_PIXELS: u64 = 1 << 26;

/// The image input, and the name of `orig_target_sizes` where there is one. Old exporters list weights as inputs too.
pub(super) fn inputs(graph: &proto::Graph) -> Result<(&proto::ValueInfo, Option<String>)> {
    let weights: std::collections::BTreeSet<&str> =
        graph.initializer.iter().map(|tensor| tensor.name.as_str()).collect();
    let mut image = None;
    let mut target_sizes = None;
    for input in graph.input.iter().filter(|input| !weights.contains(input.name.as_str())) {
        if input.name == "orig_target_sizes" {
            target_sizes = Some(input.name.clone());
        } else if image.replace(input).is_some() {
            return Err(Error::model_invalid(format!(
                "input {:?}: guarita knows models with one image input (and 'orig_target_sizes')",
                input.name
            ))
            .with_tensor(&input.name));
        }
    }
    let image = image.ok_or_else(|| Error::model_invalid("the graph has no inputs: nothing to put a picture into"))?;
    Ok((image, target_sizes))
}

fn tensor_type(value: &proto::ValueInfo) -> Result<&proto::TensorType> {
    value
        .r#type
        .as_ref()
        .and_then(|t| t.tensor_type.as_ref())
        .ok_or_else(|| Error::model_invalid(format!("{:?} is not a tensor", value.name)).with_tensor(&value.name))
}

pub(super) fn output(value: &proto::ValueInfo) -> Result<OutputInfo> {
    let shape = tensor_type(value)?.shape.as_ref();
    let axes = shape.map_or(&[][..], |shape| &shape.dim).iter().map(|dim| match dim.extent {
        Some(Extent::Value(n)) => usize::try_from(n).ok().filter(|&n| n > 0),
        _ => None,
    });
    Ok(OutputInfo { name: value.name.clone(), axes: axes.collect() })
}

/// The image input as the file and the hints declare it.
pub(super) struct DeclaredInput {
    pub(super) size: Size,
    pub(super) layout: TensorLayout,
    pub(super) element: ElementType,
    pub(super) batch: BatchSize,
}

impl DeclaredInput {
    pub(super) fn read(value: &proto::ValueInfo, metadata: &Metadata<'_>, hints: &ModelHints) -> Result<Self> {
        let name = &value.name;
        let wrong = |why: String| Error::model_invalid(format!("input {name:?} {why}")).with_tensor(name);
        let tensor = tensor_type(value)?;
        let element = match tensor.elem_type {
            1 => ElementType::F32,
            2 => ElementType::U8,
            10 => ElementType::F16,
            other => {
                return Err(wrong(format!("has element type {other} (ONNX); known are float, float16 and uint8")));
            }
        };
        let dims: Vec<Option<i64>> = tensor
            .shape
            .as_ref()
            .map_or(&[][..], |shape| &shape.dim)
            .iter()
            .map(|dim| match dim.extent {
                Some(Extent::Value(n)) => Some(n),
                _ => None,
            })
            .collect();
        let shown =
            dims.iter().map(|dim| dim.map_or("?".into(), |n| n.to_string())).collect::<Vec<String>>().join(", ");
        let &[batch, second, third, fourth] = &dims[..] else {
            return Err(wrong(format!("has shape [{shown}]; a picture needs four axes")));
        };
        if let Some(bad) = dims.iter().flatten().find(|&&n| n < 0) {
            return Err(wrong(format!("has shape [{shown}]: an axis of {bad}")));
        }
        let layout = match (hints.input.layout, second, fourth) {
            (Some(layout), _, _) => layout,
            (None, Some(3), Some(3)) => {
                return Err(wrong(format!("has shape [{shown}]: channels first or last? Say [input] layout")));
            }
            (None, Some(3), _) => TensorLayout::Nchw,
            (None, _, Some(3)) => TensorLayout::Nhwc,
            (None, None, _) if metadata.get("channels") == Some("3") => TensorLayout::Nchw,
            _ => {
                return Err(wrong(format!("has shape [{shown}]: no axis of 3 colour channels")));
            }
        };
        let (channels, height, width) = match layout {
            TensorLayout::Nchw => (second, third, fourth),
            TensorLayout::Nhwc => (fourth, second, third),
        };
        if channels.is_some_and(|n| n != 3) {
            return Err(wrong(format!("has shape [{shown}]: guarita feeds 3 colour channels")));
        }
        let from_metadata = metadata.image_size()?;
        let side = |axis: &str, declared: Option<i64>, hint: Option<u32>, metadata: Option<i64>| {
            // Some exporters write 0 for a free axis.
            let n = match declared.filter(|&n| n > 0) {
                Some(n) if hint.is_some_and(|hint| i64::from(hint) != n) => {
                    return Err(wrong(format!("has a fixed {axis} of {n}; the hint says {}", hint.unwrap_or(0))));
                }
                Some(n) => n,
                None => hint.map(i64::from).or(metadata).ok_or_else(|| {
                    wrong(format!("has shape [{shown}]: its {axis} is free and no metadata say 'imgsz'. Say [input] width and height"))
                })?,
            };
            if !(1..=MAX_INPUT_SIDE).contains(&n) {
                return Err(wrong(format!(
                    "has shape [{shown}]: a {axis} of {n} (1 to {MAX_INPUT_SIDE} are possible)"
                )));
            }
            Ok(n as u32)
        };
        let size = Size::new(
            side("width", width, hints.input.width, from_metadata.map(|(_, w)| w))?,
            side("height", height, hints.input.height, from_metadata.map(|(h, _)| h))?,
        );
        let batch = match batch.and_then(|n| usize::try_from(n).ok()).filter(|&n| n > 0) {
            Some(n) => BatchSize::Fixed(n),
            None => BatchSize::Dynamic,
        };
        let most = if let BatchSize::Fixed(n) = batch { n as u64 } else { 1 };
        if size.pixels().saturating_mul(most) > MAX_INPUT_PIXELS {
            return Err(wrong(format!("has shape [{shown}]: over {MAX_INPUT_PIXELS} pixels")));
        }
        Ok(Self { size, layout, element, batch })
    }

    /// The family's default preprocessing, overridden by the hints.
    pub(super) fn transform(&self, family: Family, hints: &ModelHints) -> Result<InputTransform> {
        let levels = [1.0; 3];
        let zero = [0.0; 3];
        let Preprocessing { color, resize, pad, mean, std } = family.preprocessing();
        let input = &hints.input;
        // Levels go into a byte tensor as they are.
        let (mean, std) = if self.element == ElementType::U8 { (zero, levels) } else { (mean, std) };
        let (mean, std) = (input.mean.unwrap_or(mean), input.std.unwrap_or(std));
        if mean.iter().chain(&std).any(|n| !n.is_finite()) || std.contains(&0.0) {
            let error = Error::invalid_config("input.mean and input.std must be finite, and std not 0");
            return Err(error.with_field(if std.contains(&0.0) { "input.std" } else { "input.mean" }));
        }
        if self.element == ElementType::U8 && (mean, std) != (zero, levels) {
            return Err(Error::invalid_config(
                "input.mean and input.std cannot be set for a uint8 input: it takes whole levels",
            )
            .with_field("input.mean"));
        }
        Ok(InputTransform {
            size: self.size,
            resize: input.resize.unwrap_or(resize),
            pad: input.pad.unwrap_or(pad),
            color: input.color.unwrap_or(color),
            layout: self.layout,
            mean,
            std,
        })
    }
}
