use super::Family;
use crate::model::evidence::SingleOutput;
use crate::model::head::Head;

/// Nothing in the shape tells it from others; the metadata or a hint must.
pub(super) fn reading(single: &SingleOutput<'_>) -> Option<Head> {
    let classes = single.classes(single.third, 4)?;
    let is_said = single.evidence.says_rtdetr || single.evidence.hints.family.is_some();
    let fits = single.second.is_none_or(|n| single.is_few(n)) && is_said;
    fits.then(|| Head::new(Family::RtDetrUltralytics, Some(classes), [&single.output.name]))
}
