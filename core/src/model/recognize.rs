//! What the outputs of a detector mean, told from their shapes and the file's metadata.
//!
//! Every reading that fits the shapes is listed; metadata strike readings out; exactly one must remain. Where none or
//! several remain the model is refused: a wrong reading gives boxes that look plausible and are not there.

use super::evidence::Evidence;
use super::family;
use super::head::Head;
use super::labels::MOST_CLASSES;
use crate::error::{Error, Result};

/// Finds the one reading of the outputs that fits all evidence.
pub(super) fn recognize(evidence: &Evidence<'_>) -> Result<Head> {
    let mut readings = family::readings(evidence);
    // A shape is only a claim; memory is taken for each class later on.
    readings.retain(|head| head.classes.is_none_or(|classes| classes <= MOST_CLASSES as usize));
    if let Some(family) = evidence.hints.family {
        readings.retain(|head| head.family == family);
    }
    let before_names = readings.clone();
    readings.retain(|head| family::fits_names(evidence, head));
    match readings.as_slice() {
        [] if !before_names.is_empty() => Err(refused(
            evidence,
            &format!(
                "has {}, but {} class names are given",
                before_names
                    .iter()
                    .map(|head| format!("{} classes as {}", head.classes.unwrap_or(0), head.family))
                    .collect::<Vec<_>>()
                    .join(" or "),
                evidence.names.unwrap_or(0)
            ),
        )),
        [] => Err(refused(evidence, "is of no known family")),
        [head] => match family::unproven(evidence, head) {
            Some(why) => Err(refused_unless(evidence, &why, "it", "")),
            None => Ok(family::with_named_classes(evidence, head.clone())),
        },
        several => Err(refused(
            evidence,
            &format!(
                "could be {}",
                several
                    .iter()
                    .map(|head| {
                        let side = if head.transposed { ", transposed" } else { "" };
                        match head.classes {
                            Some(classes) => {
                                format!("{} with {classes} classes{side}", head.family)
                            }
                            None => format!("{}{side}", head.family),
                        }
                    })
                    .collect::<Vec<_>>()
                    .join(" or ")
            ),
        )),
    }
}

fn refused(evidence: &Evidence<'_>, why: &str) -> Error {
    refused_unless(evidence, why, "what it is", " (family = \"…\", labels = […])")
}

fn refused_unless(evidence: &Evidence<'_>, why: &str, what: &str, such_as: &str) -> Error {
    let outputs: Vec<String> = evidence.outputs.iter().map(ToString::to_string).collect();
    let error = Error::model_invalid(format!(
        "output {} with input {} {why}. Say {what} in a file beside the model, MODEL.spec.toml{such_as}, or in ModelHints",
        outputs.join(", "),
        evidence.input,
    ));
    match evidence.outputs {
        [only] => error.with_tensor(&only.name),
        _ => error,
    }
}
