use super::Family;
use super::yolo_end2end::rows;
use crate::model::evidence::{Evidence, OutputInfo};
use crate::model::head::{Head, RowOrder};

pub(super) fn reading(evidence: &Evidence<'_>, output: &OutputInfo) -> Head {
    rows(evidence, Family::YoloEnd2EndFlat, order(evidence).unwrap_or(RowOrder::ClassScore), output)
}

/// A hint's order, or the one that the nodes of the graph say.
fn order(evidence: &Evidence<'_>) -> Option<RowOrder> {
    evidence.hints.rows.order.or(evidence.row_order)
}

pub(super) fn unproven(evidence: &Evidence<'_>) -> Option<String> {
    order(evidence).is_none().then(|| {
        "has rows of seven, which exporters write in several orders; say [rows] order: class-score (YOLOv7, YOLOv9) or \
         score-class (YOLO-NAS), and units, if they begin with the number of the picture and four corners"
            .into()
    })
}
