use super::family::Family;
use super::head::{BoxUnits, RowOrder, SsdBoxes};
use crate::check::field_of;
use crate::error::{Error, Result};
use crate::imaging::{ChannelOrder, Resize, TensorLayout};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// What a person knows about a model and its file does not say. Every field is optional and wins over the file.
///
/// In a file beside the model (`yolox_nano.onnx` → `yolox_nano.spec.toml`):
///
/// ```toml
/// family = "ssd"
/// labels = ["face"]                  # or "coco80", "coco90"
/// [input]
/// mean = [127, 127, 127]
/// std = [128, 128, 128]
/// [ssd]
/// boxes = "xyxy"
/// units = "fractions"
/// background = true
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct ModelHints {
    /// What the outputs mean.
    pub family: Option<Family>,
    /// The names of the classes in order, or one of `coco80` and `coco90`.
    #[serde(deserialize_with = "one_or_many")]
    #[cfg_attr(feature = "schema", schemars(with = "OneOrMany"))]
    pub labels: Vec<String>,
    /// What the input wants.
    pub input: InputHints,
    /// How an SSD writes boxes and scores.
    pub ssd: SsdHints,
    /// How a model that suppresses doubles itself writes its rows.
    pub rows: RowHints,
}

/// The part of [`ModelHints`] about the input.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct InputHints {
    /// Width in pixels, for a model whose width is free.
    pub width: Option<u32>,
    /// Height in pixels, for a model whose height is free.
    pub height: Option<u32>,
    /// Where the channels stand.
    pub layout: Option<TensorLayout>,
    /// Channel order.
    pub color: Option<ChannelOrder>,
    /// How a frame is fitted in.
    pub resize: Option<Resize>,
    /// The level 0..255 around the frame.
    pub pad: Option<u8>,
    /// Subtracted from each level (0 to 255), a value for each channel of the tensor.
    pub mean: Option<[f32; 3]>,
    /// Divides the result.
    pub std: Option<[f32; 3]>,
}

/// The part of [`ModelHints`] about SSD outputs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct SsdHints {
    /// The order of a box's four numbers.
    pub boxes: Option<SsdBoxes>,
    /// Their unit.
    pub units: Option<BoxUnits>,
    /// Whether column 0 of the scores is the background.
    pub background: Option<bool>,
}

/// The part of [`ModelHints`] about the rows of `yolo-end2end` and `yolo-end2end-flat`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct RowHints {
    /// What stands behind the corners of the box.
    pub order: Option<RowOrder>,
    /// The unit of the corners; pixels of the input unless said otherwise.
    pub units: Option<BoxUnits>,
}

impl ModelHints {
    /// Where the spec file of a model lies: beside it, `.spec.toml` in place of `.onnx`.
    pub fn path_for(model: &Path) -> PathBuf {
        model.with_extension("spec.toml")
    }

    /// Reads a spec file.
    ///
    /// # Errors
    /// `NotFound` or `PermissionDenied` where it cannot be read, `InvalidConfig` naming the field where it does not fit.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| Error::io("read the spec file", path, error))?;
        let reader = toml::Deserializer::parse(&text).map_err(|error| unfit(path, error))?;
        serde_path_to_error::deserialize(reader).map_err(|error| {
            let way = error.path().to_string();
            let error = error.into_inner();
            let field = field_of(&way, error.message());
            let error = unfit(path, error);
            match field {
                Some(field) => error.with_field(field),
                None => error,
            }
        })
    }
}

fn unfit(path: &Path, error: toml::de::Error) -> Error {
    let message = format!("{}: {}", path.display(), error.to_string().trim_end());
    Error::invalid_config(message).with_path(path).with_source(error)
}

#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

fn one_or_many<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(match OneOrMany::deserialize(deserializer)? {
        OneOrMany::One(name) => vec![name],
        OneOrMany::Many(names) => names,
    })
}
