use super::fit;
use std::fmt;
use std::path::{Path, PathBuf};

/// What an error is about, as data: which field of a config, which file, which tensor, which limit. Each part is known only
/// where the error could name it.
///
/// ```
/// use guarita::check_config;
/// let error = check_config("CameraConfig", r#"{"id": "gate", "motion": {"linger_s": 4000}}"#).unwrap_err();
/// assert_eq!(error.context().field(), Some("motion.linger_s"));
/// assert_eq!(error.context().limit(), Some(3600.0));
/// assert_eq!(error.context().path(), None);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ErrorContext {
    field: Option<Box<str>>,
    path: Option<PathBuf>,
    tensor: Option<Box<str>>,
    limit: Option<f64>,
}

impl ErrorContext {
    /// The context of an error that names nothing.
    pub(super) const EMPTY: &'static Self = &Self { field: None, path: None, tensor: None, limit: None };

    /// The field of the config, or the argument, that is wrong, as the way that leads to it: `triggers[1].schedule.time_zone`.
    pub fn field(&self) -> Option<&str> {
        self.field.as_deref()
    }

    /// The file or folder.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The input or output of the model.
    pub fn tensor(&self) -> Option<&str> {
        self.tensor.as_deref()
    }

    /// The end of the range that a value lies beyond, or the most that is allowed, in the unit of the field.
    pub fn limit(&self) -> Option<f64> {
        self.limit
    }

    pub(super) fn set_field(&mut self, field: String) {
        // Keys of maps are the host's words.
        self.field = Some(fit(field).into());
    }

    /// Puts the field into its parent; the parent stands for it where no field is known.
    pub(super) fn set_parent(&mut self, parent: &str) {
        let field = match self.field.as_deref() {
            None | Some("") => parent.to_owned(),
            Some(inner) if inner.starts_with('[') => format!("{parent}{inner}"),
            Some(inner) => format!("{parent}.{inner}"),
        };
        self.set_field(field);
    }

    pub(super) fn set_path(&mut self, path: &Path) {
        // A source's address can come by as a path; then it loses its secrets as in a message.
        self.path = Some(match path.to_str() {
            Some(text) => fit(text.to_owned()).into(),
            None => path.to_path_buf(),
        });
    }

    pub(super) fn set_tensor(&mut self, tensor: &str) {
        self.tensor = Some(fit(tensor.to_owned()).into());
    }

    pub(super) fn set_limit(&mut self, limit: f64) {
        self.limit = Some(limit);
    }

    /// Shows the parts that are known.
    pub(super) fn show(&self, out: &mut fmt::DebugStruct<'_, '_>) {
        if let Some(field) = &self.field {
            out.field("field", field);
        }
        if let Some(path) = &self.path {
            out.field("path", path);
        }
        if let Some(tensor) = &self.tensor {
            out.field("tensor", tensor);
        }
        if let Some(limit) = &self.limit {
            out.field("limit", limit);
        }
    }
}
