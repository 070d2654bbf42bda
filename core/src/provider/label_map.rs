use crate::detection::Label;
use crate::error::{Error, Result};
use crate::model::coco_id;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a cloud's labels are called here: names of COCO's 80 classes, so that an answer of a cloud reads as one of a local
/// detector. Names are compared without regard to case. A label that is not in the map keeps its name, in lower case.
///
/// As data it is a table from the cloud's name to ours; a table in a config replaces the cloud's own one altogether. A table
/// that has one name twice, in different case, is refused.
///
/// ```
/// use guarita::detection::Label;
/// use guarita::provider::LabelMap;
/// let mut map = LabelMap::coco().with([("Mobile Phone", "cell phone")]);
/// assert_eq!(map.label("mobile phone").name.as_ref(), "cell phone");
/// assert_eq!(map.label("Forklift").id, Label::UNNUMBERED);
/// map.set("Forklift", "truck");
/// assert_eq!(map.label("forklift").id, map.label("Truck").id);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(try_from = "BTreeMap<String, String>", into = "BTreeMap<String, String>")]
pub struct LabelMap(BTreeMap<String, Arc<str>>);

impl Default for LabelMap {
    /// [`LabelMap::coco`].
    fn default() -> Self {
        Self::coco()
    }
}

impl TryFrom<BTreeMap<String, String>> for LabelMap {
    type Error = Error;

    /// # Errors
    /// `InvalidConfig` where two names differ by case only: it would be ambiguous which of them counts.
    fn try_from(names: BTreeMap<String, String>) -> Result<Self> {
        let mut map = Self::empty();
        for (cloud, ours) in names {
            if map.0.insert(cloud.to_lowercase(), ours.into()).is_some() {
                return Err(Error::invalid_config(format!("{cloud:?} is named twice, in different case")));
            }
        }
        Ok(map)
    }
}

impl From<LabelMap> for BTreeMap<String, String> {
    fn from(map: LabelMap) -> Self {
        map.0.into_iter().map(|(cloud, ours)| (cloud, ours.to_string())).collect()
    }
}

impl LabelMap {
    /// A map without a name in it.
    pub const fn empty() -> Self {
        Self(BTreeMap::new())
    }

    /// The names of COCO's 80 classes, each for itself: what the map of a cloud begins with.
    pub fn coco() -> Self {
        Self::empty().with(crate::model::coco_names().map(|name| (name, name)))
    }

    /// The map with these names of a cloud's, and ours, added.
    #[must_use]
    pub fn with<'a>(mut self, names: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        for (cloud, ours) in names {
            self.set(cloud, ours);
        }
        self
    }

    /// Maps the cloud's name `cloud` to `ours`.
    pub fn set(&mut self, cloud: &str, ours: &str) {
        self.0.insert(cloud.to_lowercase(), ours.into());
    }

    /// Removes a mapping; the label then keeps the cloud's name. Returns the name it was mapped to.
    pub fn remove(&mut self, cloud: &str) -> Option<Arc<str>> {
        self.0.remove(&cloud.to_lowercase())
    }

    /// The label for a cloud's name, with COCO's number (0..79) where it is one of COCO's names.
    pub fn label(&self, cloud: &str) -> Label {
        let lower = cloud.to_lowercase();
        let name = self.0.get(&lower).cloned().unwrap_or_else(|| lower.into());
        Label { id: coco_id(&name).unwrap_or(Label::UNNUMBERED), name }
    }

    /// The cloud's names, in lower case, and ours.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(cloud, ours)| (cloud.as_str(), &**ours))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cocos_own_names_are_themselves() {
        let map = LabelMap::coco();
        let reached: Vec<u32> = map.iter().map(|(cloud, _)| map.label(cloud).id).collect();
        assert_eq!(
            reached.iter().collect::<std::collections::BTreeSet<_>>(),
            (0..80).collect::<Vec<_>>().iter().collect()
        );
        assert_eq!(reached.len(), 80);
        assert_eq!(map.label("Tow Truck"), Label { id: Label::UNNUMBERED, name: "tow truck".into() });
        let more = map.with([("Aeroplane", "airplane"), ("Crane", "lifting gear")]);
        assert_eq!((more.label("AEROPLANE").id, more.label("crane").name.as_ref()), (4, "lifting gear"));
    }

    #[test]
    fn a_name_may_stand_once() {
        let error = toml::from_str::<LabelMap>("Car = \"car\"\nVan = \"car\"\nCAR = \"truck\"").unwrap_err();
        assert!(error.to_string().contains("\"Car\" is named twice"), "{error}");
        let names = BTreeMap::from([("Ö".to_owned(), "a".to_owned()), ("ö".to_owned(), "a".to_owned())]);
        assert_eq!(LabelMap::try_from(names).unwrap_err().code(), crate::error::ErrorCode::InvalidConfig);
    }

    #[test]
    fn a_map_can_be_edited_and_read() {
        let mut map: LabelMap = toml::from_str("\"Tow Truck\" = \"truck\"\nCrane = \"lifting gear\"").unwrap();
        assert_eq!((map.label("tow truck").id, map.label("Person").id), (7, 0), "COCO's own names need no entry");
        assert_eq!(map.label("CRANE"), Label { id: Label::UNNUMBERED, name: "lifting gear".into() });
        assert_eq!(map.remove("Crane").as_deref(), Some("lifting gear"));
        assert_eq!(map.label("Crane").name.as_ref(), "crane");
        let text = serde_json::to_string(&map).unwrap();
        assert_eq!(serde_json::from_str::<LabelMap>(&text).unwrap(), map);
        assert_eq!(LabelMap::empty().iter().count(), 0);
    }
}
