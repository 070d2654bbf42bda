//! What a model file is: its family, input, outputs and labels, read from the file itself.

mod graph;
mod head;
mod hints;
mod labels;
mod literal;
mod proto;
mod spec;

pub use head::{BoxUnits, Family, RowOrder, SsdBoxes};
pub use hints::{InputHints, ModelHints, RowHints, SsdHints};
pub use labels::{LabelSource, Labels};
pub use spec::{BatchSize, ElementType, InputSpec, ModelSpec};

pub(crate) use head::{STRIDES, SsdForm};
pub(crate) use labels::{coco_id, coco_names, is_meant};
