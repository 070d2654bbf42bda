use super::Family;
use crate::model::evidence::SingleOutput;
use crate::model::head::Head;

/// Planar and transposed: the exporter writes the planar form, so a file that carries its metadata and fits that form has it.
pub(super) fn readings(single: &SingleOutput<'_>) -> Vec<Head> {
    let SingleOutput { evidence, output, second, third } = *single;
    let is_grid = |axis: Option<usize>| axis.is_none_or(|n| single.is_grid(n));
    let head = |classes| Head::new(Family::YoloV8, Some(classes), [&output.name]);
    // Every axis is free: only the exporter's own word is left, and it writes the planar form.
    if single.is_free() {
        let is_said = evidence.ultralytics && !evidence.says_rtdetr && evidence.end2end != Some(true);
        return evidence.names.filter(|_| is_said).map(head).into_iter().collect();
    }
    let planar = single.classes(second, 4).filter(|_| is_grid(third));
    // The exporters of YOLOX and NanoDet call their output `output`; Ultralytics' says `output0`. Without metadata, a
    // transposed Ultralytics tensor is not considered under the others' name.
    let foreign_name = output.name == "output" && !evidence.ultralytics;
    let may_be_transposed = is_grid(second)
        && !(planar.is_some() && evidence.ultralytics)
        && (!foreign_name || evidence.hints.family.is_some());
    let transposed = single.classes(third, 4).filter(|_| may_be_transposed);
    let transposed = transposed.map(|classes| Head { transposed: true, ..head(classes) });
    planar.map(head).into_iter().chain(transposed).collect()
}
