use super::Family;
use crate::model::evidence::{Evidence, OutputInfo, SingleOutput};
use crate::model::head::{BoxUnits, Head, RowOrder};

pub(super) fn reading(single: &SingleOutput<'_>) -> Option<Head> {
    let SingleOutput { evidence, output, second, third } = *single;
    // Every axis is free: only the exporter's own word is left.
    if single.is_free() {
        let is_said = evidence.ultralytics && evidence.end2end == Some(true) && evidence.names.is_some();
        return is_said.then(|| rows(evidence, Family::YoloEnd2End, RowOrder::ScoreClass, output));
    }
    let fits = third == Some(6) && second.is_none_or(|n| single.is_few(n)) && !evidence.says_rtdetr;
    let order = evidence.hints.rows.order.unwrap_or(RowOrder::ScoreClass);
    fits.then(|| rows(evidence, Family::YoloEnd2End, order, output))
}

/// A family whose rows are boxes with a class number.
pub(super) fn rows(evidence: &Evidence<'_>, family: Family, order: RowOrder, output: &OutputInfo) -> Head {
    let units = evidence.hints.rows.units.unwrap_or(BoxUnits::Pixels);
    Head { rows: (order, units), ..Head::new(family, evidence.names, [&output.name]) }
}

pub(super) fn unproven(evidence: &Evidence<'_>) -> Option<String> {
    (evidence.hints.rows.order.is_none() && !evidence.ultralytics).then(|| {
        "has rows of six, which exporters write in several orders; say [rows] order: score-class (Ultralytics) or \
         class-score, and units, if the four numbers before them are corners"
            .into()
    })
}
