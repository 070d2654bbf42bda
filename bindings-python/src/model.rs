//! What a model file says about itself.

use crate::config;
use crate::text;
use crate::wait::interruptible;
use guarita::model::ModelHints;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::path::PathBuf;

/// What a model is: its family, input and labels, read from the file itself. What is ambiguous is refused, not guessed.
///
/// >>> from guarita import ModelSpec
/// >>> spec = ModelSpec.read("model.onnx")                    # doctest: +SKIP
/// >>> spec.family, spec.input_size, spec.labels[0]           # doctest: +SKIP
/// ('ssd', (300, 300), 'person')
#[pyclass(frozen, module = "guarita")]
pub(crate) struct ModelSpec(pub(crate) guarita::ModelSpec);

#[pymethods]
impl ModelSpec {
    /// Reads a model file, with the `.spec.toml` beside it where there is one.
    ///
    /// Args:
    ///     path: An ONNX file.
    ///     hints: What the file does not say, as in `ModelHints`; in place of the file beside it.
    ///
    /// Raises:
    ///     NotFound, PermissionDenied: The file cannot be read.
    ///     ModelInvalid: The file is damaged, or does not say well enough what it is; the message names the tensor.
    #[staticmethod]
    #[pyo3(signature = (path, hints=None))]
    fn read(
        py: Python<'_>,
        #[pyo3(from_py_with = text::path)] path: PathBuf,
        hints: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let hints: Option<ModelHints> = hints.map(config::from_any).transpose()?;
        let read = move || match &hints {
            Some(hints) => guarita::ModelSpec::read_with(&path, hints),
            None => guarita::ModelSpec::read(&path),
        };
        interruptible(py, read).map(Self)
    }

    /// The file.
    #[getter]
    fn path(&self) -> String {
        self.0.path.display().to_string()
    }

    /// The kind of its outputs, such as `yolov8` or `ssd`.
    #[getter]
    fn family(&self) -> &'static str {
        self.0.family.name()
    }

    /// Width and height of its input in pixels.
    #[getter]
    fn input_size(&self) -> (u32, u32) {
        let size = self.0.input.transform.size;
        (size.width, size.height)
    }

    /// The name of its input tensor.
    #[getter]
    fn input_name(&self) -> &str {
        &self.0.input.name
    }

    /// The labels by class number; classes without a name are left out.
    #[getter]
    fn labels<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let labels = PyDict::new(py);
        for (id, name) in self.0.labels.iter() {
            labels.set_item(id, name)?;
        }
        Ok(labels)
    }

    /// Where the labels come from, in words.
    #[getter]
    fn label_source(&self) -> String {
        self.0.labels.source().to_string()
    }

    /// How many classes the outputs have, where they say so.
    #[getter]
    fn classes(&self) -> Option<usize> {
        self.0.classes
    }

    /// The licence that the file states.
    #[getter]
    fn license(&self) -> Option<&str> {
        self.0.license.as_deref()
    }

    /// All of it as plain values.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        dict.set_item("path", self.path())?;
        dict.set_item("family", self.family())?;
        dict.set_item("input_name", self.input_name())?;
        dict.set_item("input_size", self.input_size())?;
        dict.set_item("classes", self.classes())?;
        dict.set_item("labels", self.labels(py)?)?;
        dict.set_item("label_source", self.label_source())?;
        dict.set_item("license", self.license())?;
        Ok(dict)
    }

    fn __repr__(&self) -> String {
        let (width, height) = self.input_size();
        let labels = self.0.labels.len();
        format!("<ModelSpec {} {width}x{height}, {labels} labels, {:?}>", self.family(), self.path())
    }
}
