use super::declared::{self, DeclaredInput};
use super::evidence::{Evidence, OutputInfo};
use super::external_data::check_external_data;
use super::family::Family;
use super::graph::Nodes;
use super::head::Head;
use super::hints::ModelHints;
use super::labels::Labels;
use super::metadata::Metadata;
use super::proto;
use super::recognize::recognize;
use crate::error::{Error, Result};
use crate::imaging::{InputTransform, TensorLayout};
use prost::Message;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

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

        let (image, target_sizes) = declared::inputs(graph)?;
        let outputs: Vec<OutputInfo> = graph.output.iter().map(declared::output).collect::<Result<_>>()?;
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
        let head = recognize(&Evidence {
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
        let transform = declared.transform(head.family, hints)?;
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
