use super::literal::{self, Literal};
use crate::detection::Label;
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// The classes of a model: a name for each number, as far as names are known. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labels {
    names: Arc<BTreeMap<u32, Arc<str>>>,
    source: LabelSource,
}

/// Where the names of the classes come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LabelSource {
    /// The model file's own metadata.
    Metadata,
    /// The spec file beside the model, or hints in code.
    Hints,
    /// Nowhere: classes are called `class 0`, `class 1`, ….
    Unknown,
}

impl fmt::Display for LabelSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Metadata => "the model's metadata",
            Self::Hints => "hints",
            Self::Unknown => "unknown",
        })
    }
}

impl Labels {
    pub(super) fn unknown() -> Self {
        Self { names: Arc::default(), source: LabelSource::Unknown }
    }

    /// From the names in order, or from the name of a well-known list: `coco80` (the 80 classes in a row), or `coco90`
    /// (column `k` is category `k + 1` of the data set, which leaves ten numbers unused).
    pub(super) fn from_hint(names: &[String]) -> Result<Self> {
        let names: BTreeMap<u32, Arc<str>> = match names {
            [one] if one == "coco80" => (0..).zip(COCO.iter().map(|&(_, name)| Arc::from(name))).collect(),
            [one] if one == "coco90" => COCO.iter().map(|&(id, name)| (id - 1, Arc::from(name))).collect(),
            names => (0..).zip(names.iter().map(|name| Arc::from(name.as_str()))).collect(),
        };
        if names.is_empty() {
            return Err(Error::invalid_config("labels: the list is empty").with_field("labels"));
        }
        Ok(Self { names: Arc::new(names), source: LabelSource::Hints })
    }

    /// From the `names` entry of a model's metadata: a Python dict or list literal.
    pub(super) fn from_metadata(text: &str) -> Result<Self, String> {
        let entries: Vec<(Literal, Literal)> = match literal::parse(text)? {
            Literal::Dict(entries) => entries,
            Literal::List(items) => (0..).map(Literal::Int).zip(items).collect(),
            other => return Err(format!("expected a dict or a list, found {other:?}")),
        };
        let mut names = BTreeMap::new();
        for (key, value) in entries {
            let id = match &key {
                Literal::Int(id) => u32::try_from(*id).ok(),
                Literal::Str(digits) => digits.parse().ok(),
                _ => None,
            };
            let id = id.filter(|&id| id < MOST_CLASSES).ok_or_else(|| format!("{key:?} is no class number"))?;
            let name = match value {
                Literal::Str(name) => name,
                Literal::Int(number) => number.to_string(),
                other => return Err(format!("the name of class {id} is {other:?}")),
            };
            if names.insert(id, Arc::from(name)).is_some() {
                return Err(format!("class {id} has two names"));
            }
        }
        if names.is_empty() {
            return Err("there are no names".into());
        }
        Ok(Self { names: Arc::new(names), source: LabelSource::Metadata })
    }

    /// Where the names come from.
    pub fn source(&self) -> LabelSource {
        self.source
    }

    /// The number of named classes.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether no class has a name.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// One more than the highest class number that has a name.
    pub(super) fn end(&self) -> usize {
        self.names.last_key_value().map_or(0, |(&id, _)| id as usize + 1)
    }

    /// Numbers and names, in order of number.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &str)> {
        self.names.iter().map(|(&id, name)| (id, &**name))
    }

    /// The number of the class with this name.
    pub fn id_of(&self, name: &str) -> Option<u32> {
        self.names.iter().find(|(_, known)| &***known == name).map(|(&id, _)| id)
    }

    /// The class with this number.
    pub(crate) fn label(&self, id: u32) -> Label {
        let name = self.names.get(&id).cloned();
        Label { id, name: name.unwrap_or_else(|| format!("class {id}").into()) }
    }
}

/// Suggests the known name closest to a misspelt one, if at most a third of it differs.
pub(crate) fn is_meant<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    let lower = name.to_lowercase();
    let far = |known: &str| strsim::damerau_levenshtein(&lower, &known.to_lowercase());
    let (distance, nearest) = known.map(|known| (far(known), known)).min_by_key(|(distance, _)| *distance)?;
    (distance <= (lower.chars().count() / 3).max(1)).then(|| format!("is {nearest:?} meant?"))
}

/// COCO's 80 names in a row.
pub(crate) fn coco_names() -> impl Iterator<Item = &'static str> + Clone {
    COCO.iter().map(|&(_, name)| name)
}

/// The place of a name in the row of COCO's 80.
pub(crate) fn coco_id(name: &str) -> Option<u32> {
    (0..).zip(coco_names()).find(|&(_, known)| known == name).map(|(id, _)| id)
}

/// No detector has as many; a number past it is a sign of damage.
pub(super) const MOST_CLASSES: u32 = 100_000;

/// The categories of COCO 2017: the number in the annotations and the name, in order.
const COCO: [(u32, &str); 80] = [
    (1, "person"),
    (2, "bicycle"),
    (3, "car"),
    (4, "motorcycle"),
    (5, "airplane"),
    (6, "bus"),
    (7, "train"),
    (8, "truck"),
    (9, "boat"),
    (10, "traffic light"),
    (11, "fire hydrant"),
    (13, "stop sign"),
    (14, "parking meter"),
    (15, "bench"),
    (16, "bird"),
    (17, "cat"),
    (18, "dog"),
    (19, "horse"),
    (20, "sheep"),
    (21, "cow"),
    (22, "elephant"),
    (23, "bear"),
    (24, "zebra"),
    (25, "giraffe"),
    (27, "backpack"),
    (28, "umbrella"),
    (31, "handbag"),
    (32, "tie"),
    (33, "suitcase"),
    (34, "frisbee"),
    (35, "skis"),
    (36, "snowboard"),
    (37, "sports ball"),
    (38, "kite"),
    (39, "baseball bat"),
    (40, "baseball glove"),
    (41, "skateboard"),
    (42, "surfboard"),
    (43, "tennis racket"),
    (44, "bottle"),
    (46, "wine glass"),
    (47, "cup"),
    (48, "fork"),
    (49, "knife"),
    (50, "spoon"),
    (51, "bowl"),
    (52, "banana"),
    (53, "apple"),
    (54, "sandwich"),
    (55, "orange"),
    (56, "broccoli"),
    (57, "carrot"),
    (58, "hot dog"),
    (59, "pizza"),
    (60, "donut"),
    (61, "cake"),
    (62, "chair"),
    (63, "couch"),
    (64, "potted plant"),
    (65, "bed"),
    (67, "dining table"),
    (70, "toilet"),
    (72, "tv"),
    (73, "laptop"),
    (74, "mouse"),
    (75, "remote"),
    (76, "keyboard"),
    (77, "cell phone"),
    (78, "microwave"),
    (79, "oven"),
    (80, "toaster"),
    (81, "sink"),
    (82, "refrigerator"),
    (84, "book"),
    (85, "clock"),
    (86, "vase"),
    (87, "scissors"),
    (88, "teddy bear"),
    (89, "hair drier"),
    (90, "toothbrush"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_coco_lists() {
        let [eighty, ninety] = ["coco80", "coco90"].map(|list| Labels::from_hint(&[list.into()]).unwrap());
        assert_eq!((eighty.len(), eighty.end(), ninety.len(), ninety.end()), (80, 80, 80, 90));
        for (name, in_eighty, in_ninety) in
            [("person", 0, 0), ("stop sign", 11, 12), ("dining table", 60, 66), ("toothbrush", 79, 89)]
        {
            assert_eq!((eighty.id_of(name), ninety.id_of(name)), (Some(in_eighty), Some(in_ninety)), "{name}");
        }
        assert_eq!(&*ninety.label(11).name, "class 11");
    }

    #[test]
    fn names_of_metadata() {
        let labels = Labels::from_metadata("{'0': 'a', 2: 'c'}").unwrap();
        assert_eq!(labels.iter().collect::<Vec<_>>(), [(0, "a"), (2, "c")]);
        assert_eq!(Labels::from_metadata("['x', 'y']").unwrap().id_of("y"), Some(1));
        for bad in ["{}", "{-1: 'a'}", "{0: 'a', 0: 'b'}", "{0: None}", "3", "{99999999999: 'a'}"] {
            assert!(Labels::from_metadata(bad).is_err(), "{bad}");
        }
    }
}
