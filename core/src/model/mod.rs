//! What a model file is: its family, input, outputs and labels, read from the file itself.

mod declared;
mod evidence;
mod external_data;
mod family;
mod graph;
mod head;
mod hints;
mod labels;
mod literal;
mod metadata;
mod proto;
mod recognize;
mod spec;

pub use family::Family;
pub use head::{BoxUnits, RowOrder, SsdBoxes};
pub use hints::{InputHints, ModelHints, RowHints, SsdHints};
pub use labels::{LabelSource, Labels};
pub use spec::{BatchSize, ElementType, InputSpec, ModelSpec};

pub(crate) use family::STRIDES;
pub(crate) use head::Head;
pub(crate) use labels::{coco_id, coco_names, is_meant};
