//! What a change was ignored for.

use serde::{Deserialize, Serialize};

/// Why something that changed in the picture does not count as motion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum IgnoreReason {
    /// The background moves in its place and comes back: branches, grass, water.
    Sway,
    /// A clock, a mark or letters that the camera writes over its picture.
    Overlay,
    /// Rain, snow or insects: many small things come out of nothing again and again.
    Weather,
    /// The light changed there, or changes at present and the region was not seen for long enough.
    Light,
    /// The camera moved or sways, or its picture was not decoded to the end.
    Camera,
    /// Smaller than what noise connects by chance, or small and seen once.
    Noise,
    /// Nothing moves there any more: it stopped, or is what something left behind.
    Still,
}

impl IgnoreReason {
    const ALL: [Self; 7] =
        [Self::Sway, Self::Overlay, Self::Weather, Self::Light, Self::Camera, Self::Noise, Self::Still];
}

/// A set of reasons.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "Vec<IgnoreReason>", from = "Vec<IgnoreReason>")]
pub struct IgnoreReasons(u8);

impl IgnoreReasons {
    /// Whether the reason is one of them.
    pub fn contains(self, reason: IgnoreReason) -> bool {
        self.0 & 1 << reason as u8 != 0
    }

    /// Whether nothing was ignored.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Each of them once, in the order of [`IgnoreReason`].
    pub fn iter(self) -> impl Iterator<Item = IgnoreReason> {
        IgnoreReason::ALL.into_iter().filter(move |reason| self.contains(*reason))
    }

    pub(super) fn insert(&mut self, reason: IgnoreReason) {
        self.0 |= 1 << reason as u8;
    }

    /// Those of both.
    pub(crate) fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl From<Vec<IgnoreReason>> for IgnoreReasons {
    fn from(reasons: Vec<IgnoreReason>) -> Self {
        let mut set = Self::default();
        reasons.into_iter().for_each(|reason| set.insert(reason));
        set
    }
}

impl From<IgnoreReasons> for Vec<IgnoreReason> {
    fn from(reasons: IgnoreReasons) -> Self {
        reasons.iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_what_was_put_into_it() {
        let all = IgnoreReasons::from(IgnoreReason::ALL.to_vec());
        assert_eq!(all.iter().collect::<Vec<_>>(), IgnoreReason::ALL);
        assert!(IgnoreReasons::default().is_empty() && !all.is_empty());
        let some = IgnoreReasons::from(vec![IgnoreReason::Light, IgnoreReason::Sway, IgnoreReason::Light]);
        assert_eq!(serde_json::to_string(&some).unwrap(), r#"["sway","light"]"#);
        assert_eq!(serde_json::from_str::<IgnoreReasons>(r#"["light","sway"]"#).unwrap(), some);
        assert!(some.contains(IgnoreReason::Light) && !some.contains(IgnoreReason::Still));
        assert_eq!(some.union(all), all);
    }
}
