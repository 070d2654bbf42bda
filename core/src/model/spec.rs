use super::graph::Nodes;
use super::head::{self, Evidence, Family, Head, OutputInfo};
use super::hints::ModelHints;
use super::labels::Labels;
use super::literal::{self, Literal};
use super::proto::{self, Extent};
use crate::error::{Error, Result};
use crate::geometry::Size;
use crate::imaging::{ChannelOrder, InputTransform, Resize, TensorLayout};
use prost::Message;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// What a model file is: read from the file itself, never guessed.
///
/// Shapes of the tensors and embedded metadata decide; a `MODEL.spec.toml` beside the file, or [`ModelHints`] in code,
/// say what they leave open.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ModelSpec {
    /// The ONNX file.
    pub path: PathBuf,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// What the outputs mean.
    pub family: Family,
    /// What the input wants.
    pub input: InputSpec,
    /// The classes.
    pub labels: Labels,
    /// Number of classes; `None` where the file does not say (its outputs carry class numbers).
    pub classes: Option<usize>,
    /// The licence that the file names for itself.
    pub license: Option<String>,
    pub(crate) head: Head,
    pub(crate) target_sizes: Option<String>,
    pub(crate) has_external_data: bool,
}

/// The input tensor of a model.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct InputSpec {
    /// The tensor's name.
    pub name: String,
    /// Size, resize, colour, layout and normalisation.
    pub transform: InputTransform,
    /// The type of its elements.
    pub element: ElementType,
    /// How many pictures one run takes.
    pub batch: BatchSize,
}

/// The type of the elements of an input tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ElementType {
    /// 32-bit float.
    F32,
    /// 16-bit float.
    F16,
    /// Whole levels 0..255.
    U8,
}

/// How many pictures one run of a model takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchSize {
    /// Exactly this many.
    Fixed(usize),
    /// Any number.
    Dynamic,
}

/// The longest side of an input, and the largest number of pixels: far past any detector, far below a machine's memory.
const MAX_INPUT_SIDE: i64 = 8192;
const MAX_INPUT_PIXELS: u64 = 1 << 26;
/// What one protobuf message, and so an ONNX file without external data, can have.
const MAX_FILE_BYTES: u64 = 2 << 30;

impl ModelSpec {
    /// Reads a model file, and the `.spec.toml` beside it where there is one.
    ///
    /// # Errors
    /// `NotFound` or `PermissionDenied` where the file cannot be read; `ModelInvalid` where it is damaged, unsafe, or does
    /// not say well enough what it is (the message names the tensor and says what to add); `Unsupported` for tasks other
    /// than detection; `InvalidConfig` for a faulty spec file.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let beside = ModelHints::path_for(path.as_ref());
        let hints = if beside.is_file() { ModelHints::read(&beside)? } else { ModelHints::default() };
        Self::read_with(path, &hints)
    }

    /// Reads a model file with hints from code; a spec file beside it is not looked at.
    ///
    /// # Errors
    /// As [`ModelSpec::read`].
    pub fn read_with(path: impl AsRef<Path>, hints: &ModelHints) -> Result<Self> {
        let path = path.as_ref();
        let bytes = read_file(path)?;
        Self::parse(path, &bytes, hints).map_err(|error| error.prefixed(path.display()).with_path(path))
    }

    fn parse(path: &Path, bytes: &[u8], hints: &ModelHints) -> Result<Self> {
        let model = proto::Model::decode(bytes).map_err(|error| {
            Error::model_invalid(format!("not an ONNX file, or a damaged one ({error})")).with_source(error)
        })?;
        let graph = model.graph.as_ref().ok_or_else(|| Error::model_invalid("not an ONNX file: it has no graph"))?;
        let has_external_data = check_external_data(path, &model)?;
        let metadata: BTreeMap<&str, &str> =
            model.metadata_props.iter().map(|entry| (entry.key.as_str(), entry.value.as_str())).collect();
        let metadata = Metadata::of(metadata);
        metadata.check_task()?;
        let labels = metadata.labels(hints)?;

        let (image, target_sizes) = inputs(graph)?;
        let outputs: Vec<OutputInfo> = graph.output.iter().map(output).collect::<Result<_>>()?;
        if outputs.is_empty() {
            return Err(Error::model_invalid("the graph has no outputs"));
        }
        let declared = DeclaredInput::read(image, &metadata, hints)?;
        let says_rtdetr = metadata.get("description").is_some_and(|text| {
            let text = text.to_ascii_lowercase();
            text.contains("rtdetr") || text.contains("rt-detr")
        });
        let nodes = Nodes::of(graph);
        let only = match &outputs[..] {
            [only] => only.name.as_str(),
            _ => "",
        };
        let head = head::recognize(&Evidence {
            outputs: &outputs,
            input: declared.size,
            nhwc: declared.layout == TensorLayout::Nhwc,
            takes_target_sizes: target_sizes.is_some(),
            names: (!labels.is_empty()).then(|| labels.end()),
            ultralytics: metadata.by_ultralytics,
            says_rtdetr,
            end2end: metadata.end2end()?,
            row_order: nodes.row_order(only),
            decodes_boxes: nodes.decodes_boxes(only),
            input_is_told: declared.element == ElementType::U8
                || hints.input.mean.is_some() && hints.input.std.is_some(),
            hints,
        })?;
        let transform = declared.transform(&head, hints)?;
        Ok(Self {
            path: path.to_path_buf(),
            sha256: hex(&Sha256::digest(bytes)),
            family: head.family,
            input: InputSpec { name: image.name.clone(), transform, element: declared.element, batch: declared.batch },
            labels,
            classes: head.classes,
            license: metadata.get("license").map(str::to_owned),
            head,
            target_sizes,
            has_external_data,
        })
    }

    /// The file's bytes, provided that they are still those that this spec was read from.
    pub(crate) fn reread(&self) -> Result<Vec<u8>> {
        let bytes = read_file(&self.path)?;
        if hex(&Sha256::digest(&bytes)) == self.sha256 {
            return Ok(bytes);
        }
        let changed = format!("{} has changed since its spec was read; read it again", self.path.display());
        Err(Error::model_invalid(changed).with_path(&self.path))
    }
}

fn read_file(path: &Path) -> Result<Vec<u8>> {
    let wrong = |error| Error::io("read the model", path, error);
    let unfit = |message: String| Error::model_invalid(message).with_path(path);
    let about = std::fs::metadata(path).map_err(wrong)?;
    if about.is_dir() {
        return Err(unfit(format!("{} is a folder, not an ONNX file", path.display())));
    }
    if about.len() > MAX_FILE_BYTES {
        let len = about.len();
        let error = unfit(format!("{} has {len} bytes; an ONNX file has at most 2 GiB", path.display()));
        return Err(error.with_limit(MAX_FILE_BYTES as f64));
    }
    if about.len() == 0 {
        return Err(unfit(format!("{} is empty (0 bytes)", path.display())));
    }
    std::fs::read(path).map_err(wrong)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Weights outside the file must lie in its folder; otherwise a model could make the host read any file.
fn check_external_data(model_path: &Path, model: &proto::Model) -> Result<bool> {
    let folder = model_path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut any = false;
    let mut verdict = Ok(());
    proto::for_each_tensor(model, &mut |tensor| {
        for entry in tensor.external_data.iter().filter(|entry| entry.key == "location") {
            any = true;
            let location = Path::new(&entry.value);
            let plain = location.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
            // The file must be there: a link inside the folder could point out of it, and ONNX Runtime takes a certain path
            // that does not exist for an address in memory.
            let inside = plain
                && matches!(
                    (folder.canonicalize(), folder.join(location).canonicalize()),
                    (Ok(folder), Ok(file)) if file.starts_with(&folder) && file.is_file()
                );
            if !inside && verdict.is_ok() {
                verdict = Err(Error::model_invalid(format!(
                    "tensor {:?} keeps its external data at {:?}: that is no file inside the model's folder",
                    tensor.name, entry.value
                ))
                .with_tensor(&tensor.name));
            }
        }
    });
    verdict.map(|()| any)
}

/// What exporters write beside a graph.
struct Metadata<'a> {
    entries: BTreeMap<&'a str, &'a str>,
    /// Then an entry that cannot be read is damaged. One of another exporter's may mean anything under the same name, and
    /// adds nothing.
    by_ultralytics: bool,
}

impl<'a> Metadata<'a> {
    fn of(entries: BTreeMap<&'a str, &'a str>) -> Self {
        let by_ultralytics = entries.get("author") == Some(&"Ultralytics")
            || entries.get("description").is_some_and(|text| text.starts_with("Ultralytics"));
        Self { entries, by_ultralytics }
    }

    fn get(&self, key: &str) -> Option<&'a str> {
        self.entries.get(key).copied()
    }

    /// What was read of an entry.
    fn read<T>(&self, what: &str, read: Result<T, String>) -> Result<Option<T>> {
        match read {
            Ok(value) => Ok(Some(value)),
            Err(why) if self.by_ultralytics => {
                Err(Error::model_invalid(format!("the metadata entry '{what}' cannot be read: {why}")))
            }
            Err(_) => Ok(None),
        }
    }

    fn check_task(&self) -> Result<()> {
        let Some(task) = self.get("task") else { return Ok(()) };
        let lower = task.trim().to_ascii_lowercase();
        let is_other = match self.by_ultralytics {
            true => !matches!(&*lower, "" | "detect"),
            false => OTHER_TASKS.iter().any(|other| lower.contains(other)),
        };
        if !is_other {
            return Ok(());
        }
        Err(Error::unsupported(format!("the model's task is {task:?}; guarita runs detectors (task 'detect')")))
    }

    fn labels(&self, hints: &ModelHints) -> Result<Labels> {
        if !hints.labels.is_empty() {
            return Labels::from_hint(&hints.labels);
        }
        let Some(text) = self.get("names") else { return Ok(Labels::unknown()) };
        Ok(self.read("names", Labels::from_metadata(text))?.unwrap_or_else(Labels::unknown))
    }

    /// Whether suppression happens inside the model, as far as the metadata say.
    fn end2end(&self) -> Result<Option<bool>> {
        let parse = |key: &str| match self.get(key) {
            Some(text) => self.read(key, literal::parse(text)),
            None => Ok(None),
        };
        let nms = match parse("args")? {
            Some(Literal::Dict(entries)) => entries
                .into_iter()
                .any(|(key, value)| key == Literal::Str("nms".into()) && value == Literal::Bool(true)),
            _ => false,
        };
        Ok(match parse("end2end")? {
            _ if nms => Some(true),
            Some(Literal::Bool(value)) => Some(value),
            _ => None,
        })
    }

    /// `imgsz` as height and width: `[640, 384]`, or `640` for both.
    fn image_size(&self) -> Result<Option<(i64, i64)>> {
        let Some(text) = self.get("imgsz") else { return Ok(None) };
        let size = match literal::parse(text) {
            Ok(Literal::Int(n)) => Ok((n, n)),
            Ok(Literal::List(items)) => match items[..] {
                [Literal::Int(height), Literal::Int(width)] => Ok((height, width)),
                _ => Err(format!("{text:.80} is no size")),
            },
            _ => Err(format!("{text:.80} is no size")),
        };
        self.read("imgsz", size)
    }
}

/// Parts of the words for what is no detection of upright boxes.
const OTHER_TASKS: [&str; 8] = ["seg", "pose", "keypoint", "obb", "orient", "classif", "depth", "mask"];

/// The image input, and the name of `orig_target_sizes` where there is one. Old exporters list weights as inputs too.
fn inputs(graph: &proto::Graph) -> Result<(&proto::ValueInfo, Option<String>)> {
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

fn output(value: &proto::ValueInfo) -> Result<OutputInfo> {
    let shape = tensor_type(value)?.shape.as_ref();
    let axes = shape.map_or(&[][..], |shape| &shape.dim).iter().map(|dim| match dim.extent {
        Some(Extent::Value(n)) => usize::try_from(n).ok().filter(|&n| n > 0),
        _ => None,
    });
    Ok(OutputInfo { name: value.name.clone(), axes: axes.collect() })
}

/// The image input as the file and the hints declare it.
struct DeclaredInput {
    size: Size,
    layout: TensorLayout,
    element: ElementType,
    batch: BatchSize,
}

impl DeclaredInput {
    fn read(value: &proto::ValueInfo, metadata: &Metadata<'_>, hints: &ModelHints) -> Result<Self> {
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

    /// The family's own preprocessing, with what the hints say on top.
    fn transform(&self, head: &Head, hints: &ModelHints) -> Result<InputTransform> {
        use ChannelOrder::{Bgr, Rgb};
        let levels = [1.0; 3];
        let zero = [0.0; 3];
        let (color, resize, pad, mean, std) = match head.family {
            Family::YoloV8 | Family::YoloV5 | Family::YoloEnd2End | Family::YoloEnd2EndFlat => {
                (Rgb, Resize::Letterbox, 114, zero, [255.0; 3])
            }
            Family::YoloX => (Bgr, Resize::LetterboxTopLeft, 114, zero, levels),
            Family::Ssd => (Rgb, Resize::Stretch, 0, zero, levels),
            // Source: NanoDet's configuration files (img_norm_cfg), in BGR.
            Family::NanoDet => (Bgr, Resize::Letterbox, 0, [103.53, 116.28, 123.675], [57.375, 57.12, 58.395]),
            Family::RtDetr | Family::RtDetrUltralytics => (Rgb, Resize::Stretch, 0, zero, [255.0; 3]),
            // ImageNet's mean and deviation, on levels 0..255.
            Family::RfDetr => (Rgb, Resize::Stretch, 0, [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]),
            Family::YuNet => (Bgr, Resize::Letterbox, 0, zero, levels),
        };
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
