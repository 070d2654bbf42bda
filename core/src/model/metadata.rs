use super::hints::ModelHints;
use super::labels::Labels;
use super::literal::{self, Literal};
use crate::error::{Error, Result};
use std::collections::BTreeMap;

/// Metadata that exporters write beside a graph.
pub(super) struct Metadata<'a> {
    entries: BTreeMap<&'a str, &'a str>,
    /// Then an entry that cannot be read is damaged. One of another exporter's may mean anything under the same name, and
    /// adds nothing.
    pub(super) by_ultralytics: bool,
}

impl<'a> Metadata<'a> {
    pub(super) fn of(entries: BTreeMap<&'a str, &'a str>) -> Self {
        let by_ultralytics = entries.get("author") == Some(&"Ultralytics")
            || entries.get("description").is_some_and(|text| text.starts_with("Ultralytics"));
        Self { entries, by_ultralytics }
    }

    pub(super) fn get(&self, key: &str) -> Option<&'a str> {
        self.entries.get(key).copied()
    }

    /// What was read of an entry.
    fn read<T>(&self, what: &str, read: Result<T, String>) -> Result<Option<T>> {
        match read {
            Ok(value) => Ok(Some(value)),
            Err(why) if self.by_ultralytics => {
                Err(Error::model_invalid(format!("the metadata entry '{what}' cannot be read: {why}")))
            }
            Err(_) => Ok(None),
        }
    }

    pub(super) fn check_task(&self) -> Result<()> {
        let Some(task) = self.get("task") else { return Ok(()) };
        let lower = task.trim().to_ascii_lowercase();
        let is_other = match self.by_ultralytics {
            true => !matches!(&*lower, "" | "detect"),
            false => OTHER_TASKS.iter().any(|other| lower.contains(other)),
        };
        if !is_other {
            return Ok(());
        }
        Err(Error::unsupported(format!("the model's task is {task:?}; guarita runs detectors (task 'detect')")))
    }

    pub(super) fn labels(&self, hints: &ModelHints) -> Result<Labels> {
        if !hints.labels.is_empty() {
            return Labels::from_hint(&hints.labels);
        }
        let Some(text) = self.get("names") else { return Ok(Labels::unknown()) };
        Ok(self.read("names", Labels::from_metadata(text))?.unwrap_or_else(Labels::unknown))
    }

    /// Whether suppression happens inside the model, as far as the metadata say.
    pub(super) fn end2end(&self) -> Result<Option<bool>> {
        let parse = |key: &str| match self.get(key) {
            Some(text) => self.read(key, literal::parse(text)),
            None => Ok(None),
        };
        let nms = match parse("args")? {
            Some(Literal::Dict(entries)) => entries
                .into_iter()
                .any(|(key, value)| key == Literal::Str("nms".into()) && value == Literal::Bool(true)),
            _ => false,
        };
        Ok(match parse("end2end")? {
            _ if nms => Some(true),
            Some(Literal::Bool(value)) => Some(value),
            _ => None,
        })
    }

    /// `imgsz` as height and width: `[640, 384]`, or `640` for both.
    pub(super) fn image_size(&self) -> Result<Option<(i64, i64)>> {
        let Some(text) = self.get("imgsz") else { return Ok(None) };
        let size = match literal::parse(text) {
            Ok(Literal::Int(n)) => Ok((n, n)),
            Ok(Literal::List(items)) => match items[..] {
                [Literal::Int(height), Literal::Int(width)] => Ok((height, width)),
                _ => Err(format!("{text:.80} is no size")),
            },
            _ => Err(format!("{text:.80} is no size")),
        };
        self.read("imgsz", size)
    }
}

/// Parts of the words for what is no detection of upright boxes.
const OTHER_TASKS: [&str; 8] = ["seg", "pose", "keypoint", "obb", "orient", "classif", "depth", "mask"];
