use super::Family;
use crate::model::evidence::SingleOutput;
use crate::model::head::Head;

pub(super) fn reading(single: &SingleOutput<'_>) -> Option<Head> {
    let classes = single.classes(single.third, 5)?;
    let fits = single.second.is_none_or(|n| single.is_triple_grid(n));
    fits.then(|| Head::new(Family::YoloV5, Some(classes), [&single.output.name]))
}
