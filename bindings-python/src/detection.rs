//! What was found in a frame.

use crate::config::to_py;
use crate::error::OrRaise;
use crate::error::raise;
use crate::geometry::{BoundingBox, bounding_box};
use crate::picture::frame;
use crate::text;
use crate::text::optional;
use crate::wait::interruptible;
use guarita::detection::Label;
use guarita::imaging::{Canvas, Color};
use guarita::{ErrorCode, Size};
use numpy::ndarray::Array2;
use numpy::{IntoPyArray, PyArray1, PyArray2, PyArrayMethods};
use pyo3::exceptions::{PyImportError, PyIndexError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyList, PySlice};
use std::sync::Arc;
use std::time::Duration;

/// An object that was found.
///
/// Args:
///     bbox: A `BoundingBox`, or four numbers: left, top, right, bottom edge in pixels.
///     label: The name of the class.
///     confidence: 0..1.
///     class_id: The model's number for the class.
///     text: The words, for what was read.
///     parents: Wider names for the same thing, nearest first.
#[pyclass(frozen, module = "guarita")]
pub(crate) struct Detection(pub(crate) guarita::Detection);

#[pymethods]
impl Detection {
    #[new]
    #[pyo3(signature = (bbox, label, confidence, *, class_id=0, text=None, parents=Vec::new()))]
    fn new(
        bbox: &Bound<'_, PyAny>,
        #[pyo3(from_py_with = text::label)] label: &str,
        confidence: f32,
        class_id: u32,
        #[pyo3(from_py_with = optional::text)] text: Option<&str>,
        parents: Vec<String>,
    ) -> PyResult<Self> {
        let label = Label { id: class_id, name: label.into() };
        let mut found = guarita::Detection::new(bounding_box(bbox)?, label, confidence);
        found.text = text.map(Arc::from);
        found.parents = parents.into_iter().map(Arc::from).collect();
        Ok(Self(found))
    }

    /// Where it is, in pixels of the frame.
    #[getter]
    fn bbox(&self) -> BoundingBox {
        BoundingBox(self.0.bbox)
    }

    /// The name of its class.
    #[getter]
    fn label(&self) -> &str {
        &self.0.label.name
    }

    /// The model's number for its class.
    #[getter]
    fn class_id(&self) -> u32 {
        self.0.label.id
    }

    /// How sure the model is, 0..1.
    #[getter]
    fn confidence(&self) -> f32 {
        self.0.confidence
    }

    /// The words, for what was read; else None.
    #[getter]
    fn text(&self) -> Option<&str> {
        self.0.text.as_deref()
    }

    /// Wider names for the same thing, nearest first.
    #[getter]
    fn parents(&self) -> Vec<&str> {
        self.0.parents.iter().map(|name| &**name).collect()
    }

    /// Checks that it can be what somebody saw: nothing is wrong where it returns.
    ///
    /// Raises:
    ///     InvalidArgument: A confidence outside of 0..1, or a box without an area or with an edge that is no number.
    fn check(&self) -> PyResult<()> {
        self.0.check().or_raise()
    }

    /// All of it as plain values, for JSON.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_py(py, &self.0)
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, OneAgain)> {
        let found = &self.0;
        let parents = found.parents.iter().map(ToString::to_string).collect();
        let text = found.text.as_deref().map(ToOwned::to_owned);
        let label = (found.label.id, found.label.name.to_string());
        let again = py.import("guarita._native")?.getattr("_detection_again")?;
        Ok((again, (found.bbox.to_array(), label, found.confidence, text, parents)))
    }

    fn __repr__(&self) -> String {
        let [x1, y1, x2, y2] = self.0.bbox.to_array();
        format!("<{} {:.2} at ({x1:.0}, {y1:.0}, {x2:.0}, {y2:.0})>", self.label(), self.0.confidence)
    }
}

/// A label of the whole picture.
#[pyclass(frozen, module = "guarita")]
pub(crate) struct ImageLabel(pub(crate) guarita::detection::ImageLabel);

#[pymethods]
impl ImageLabel {
    /// The name.
    #[getter]
    fn label(&self) -> &str {
        &self.0.label.name
    }

    /// How sure the provider is, 0..1.
    #[getter]
    fn confidence(&self) -> f32 {
        self.0.confidence
    }

    /// Wider names for the same thing, nearest first.
    #[getter]
    fn parents(&self) -> Vec<&str> {
        self.0.parents.iter().map(|name| &**name).collect()
    }

    /// All of it as plain values, for JSON.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_py(py, &self.0)
    }

    fn __repr__(&self) -> String {
        format!("<{} {:.2}>", self.label(), self.0.confidence)
    }
}

/// How long the parts of a look took, in seconds.
#[pyclass(frozen, get_all, module = "guarita")]
pub(crate) struct Timing {
    /// Making the model's input, in seconds.
    preprocess: f64,
    /// The model, in seconds.
    inference: f64,
    /// Reading the model's output, in seconds.
    postprocess: f64,
    /// All of it, in seconds.
    total: f64,
}

#[pymethods]
impl Timing {
    fn __repr__(&self) -> String {
        let [pre, model, post] = [self.preprocess, self.inference, self.postprocess].map(|seconds| seconds * 1e3);
        format!("<Timing {pre:.1} + {model:.1} + {post:.1} ms>")
    }
}

/// What was found in one frame, surest first: arrays for those who count, a list for those who look.
///
/// Args:
///     items: The detections.
///     size: Width and height of the frame in pixels.
///
/// >>> from guarita import Detection, Detections
/// >>> found = Detections([Detection((10, 10, 50, 90), "person", 0.9)], size=(640, 480))
/// >>> found.xyxy.shape, found.labels
/// ((1, 4), ['person'])
#[pyclass(frozen, sequence, module = "guarita")]
pub(crate) struct Detections {
    pub(crate) core: guarita::Detections,
    xyxy: PyOnceLock<Py<PyArray2<f32>>>,
    confidence: PyOnceLock<Py<PyArray1<f32>>>,
    class_id: PyOnceLock<Py<PyArray1<i32>>>,
}

impl From<guarita::Detections> for Detections {
    fn from(core: guarita::Detections) -> Self {
        Self { core, xyxy: PyOnceLock::new(), confidence: PyOnceLock::new(), class_id: PyOnceLock::new() }
    }
}

#[pymethods]
impl Detections {
    #[new]
    #[pyo3(signature = (items=None, *, size))]
    fn new(items: Option<&Bound<'_, PyAny>>, size: (u32, u32)) -> PyResult<Self> {
        let mut found = Vec::new();
        if let Some(items) = items {
            for item in items.try_iter()? {
                found.push(item?.cast::<Detection>()?.get().0.clone());
            }
        }
        Ok(guarita::Detections::new(found, Size::new(size.0, size.1), guarita::detection::Timing::default()).into())
    }

    /// The boxes: float32, (N, 4), left, top, right and bottom edge in pixels; read-only.
    #[getter]
    fn xyxy<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let make = || {
            let edges: Vec<f32> = self.core.iter().flat_map(|found| found.bbox.to_array()).collect();
            let rows = Array2::from_shape_vec((self.core.len(), 4), edges);
            let array = rows.map_err(|error| raise(ErrorCode::Internal, error.to_string()))?.into_pyarray(py);
            Ok::<_, PyErr>(array.readwrite().make_nonwriteable().as_any().cast::<PyArray2<f32>>()?.clone().unbind())
        };
        Ok(self.xyxy.get_or_try_init(py, make)?.bind(py).clone())
    }

    /// The confidences: float32, (N,), 0..1; read-only.
    #[getter]
    fn confidence<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f32>> {
        let make = || {
            let array = self.core.iter().map(|found| found.confidence).collect::<Vec<_>>().into_pyarray(py);
            let _ = array.readwrite().make_nonwriteable();
            array.unbind()
        };
        self.confidence.get_or_init(py, make).bind(py).clone()
    }

    /// The model's numbers for the classes: int32, (N,); read-only.
    #[getter]
    fn class_id<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i32>> {
        let make = || {
            let ids = self.core.iter().map(|found| i32::try_from(found.label.id).unwrap_or(i32::MAX));
            let array = ids.collect::<Vec<_>>().into_pyarray(py);
            let _ = array.readwrite().make_nonwriteable();
            array.unbind()
        };
        self.class_id.get_or_init(py, make).bind(py).clone()
    }

    /// The names of the classes, one for each detection.
    #[getter]
    fn labels(&self) -> Vec<&str> {
        self.core.iter().map(|found| &*found.label.name).collect()
    }

    /// Labels of the picture as a whole, which have no box.
    #[getter]
    fn image_labels(&self) -> Vec<ImageLabel> {
        self.core.image_labels.iter().cloned().map(ImageLabel).collect()
    }

    /// Width and height of the frame in pixels.
    #[getter]
    fn size(&self) -> (u32, u32) {
        (self.core.frame.width, self.core.frame.height)
    }

    /// How long the look took.
    #[getter]
    fn timing(&self) -> Timing {
        let timing = &self.core.timing;
        Timing {
            preprocess: timing.preprocess.as_secs_f64(),
            inference: timing.inference.as_secs_f64(),
            postprocess: timing.postprocess.as_secs_f64(),
            total: timing.total().as_secs_f64(),
        }
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, AllAgain)> {
        let whole = |label: &guarita::detection::ImageLabel| {
            let parents = label.parents.iter().map(ToString::to_string).collect();
            (label.label.id, label.label.name.to_string(), label.confidence, parents)
        };
        let items = self.core.iter().cloned().map(|found| Py::new(py, Detection(found))).collect::<PyResult<_>>()?;
        let timing = &self.core.timing;
        let timing = [timing.preprocess, timing.inference, timing.postprocess].map(|took| took.as_secs_f64());
        let labels = self.core.image_labels.iter().map(whole).collect();
        let again = py.import("guarita._native")?.getattr("_detections_again")?;
        Ok((again, (items, labels, self.size(), timing)))
    }

    fn __len__(&self) -> usize {
        self.core.len()
    }

    fn __getitem__<'py>(&self, py: Python<'py>, index: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let len = self.core.len() as isize;
        let at = |k: isize| self.core.items.get(k as usize).cloned().map(Detection);
        if let Ok(slice) = index.cast::<PySlice>() {
            let range = slice.indices(len)?;
            let places = (0..range.slicelength as isize).map(|k| range.start + k * range.step);
            return Ok(PyList::new(py, places.filter_map(at))?.into_any());
        }
        let k: isize = index.extract()?;
        let found = at(if k < 0 { k + len } else { k });
        let found = found.ok_or_else(|| PyIndexError::new_err(format!("index {k} of {len} detections")))?;
        Ok(Bound::new(py, found)?.into_any())
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(PyList::new(py, self.core.iter().cloned().map(Detection))?.try_iter()?.into_any())
    }

    /// All of it as plain values, for JSON.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_py(py, &self.core)
    }

    /// The same as a `supervision.Detections`, with the labels as `data["class_name"]`.
    ///
    /// Raises:
    ///     ImportError: The package `supervision` is not installed.
    fn to_supervision<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let module = py.import("supervision").map_err(|error| {
            let told = PyImportError::new_err(
                "to_supervision() needs the package supervision: pip install guarita[supervision]",
            );
            told.set_cause(py, Some(error));
            told
        })?;
        let numpy = py.import("numpy")?;
        let data = PyDict::new(py);
        let names = PyDict::new(py);
        names.set_item("dtype", "str")?;
        data.set_item("class_name", numpy.call_method("array", (self.labels(),), Some(&names))?)?;
        let fields = PyDict::new(py);
        // Of its own, since supervision's users change them.
        fields.set_item("xyxy", self.xyxy(py)?.call_method0("copy")?)?;
        fields.set_item("confidence", self.confidence(py).call_method0("copy")?)?;
        fields.set_item("class_id", self.class_id(py).call_method1("astype", ("int",))?)?;
        fields.set_item("data", data)?;
        module.getattr("Detections")?.call((), Some(&fields))
    }

    /// Draws the boxes on a copy of the picture.
    ///
    /// Args:
    ///     image: The picture that was looked at, of any kind that `Frame` takes.
    ///     format: What its channels are, as for `Frame`.
    ///
    /// Returns:
    ///     uint8, (height, width, 3), RGB.
    #[pyo3(signature = (image, *, format=None))]
    fn plot<'py>(
        &self,
        image: &Bound<'py, PyAny>,
        #[pyo3(from_py_with = optional::format)] format: Option<&str>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = image.py();
        // Only read, during this call.
        let frame = frame(image, format, false)?;
        let size = frame.size();
        let found = self.core.clone();
        let pixels = interruptible(py, move || {
            let mut canvas = Canvas::from_frame(&frame);
            for one in &found {
                let words = format!("{} {:.2}", one.label, one.confidence);
                canvas.draw_box(&one.bbox, &words, Color::for_class(one.label.id));
            }
            Ok(canvas.rgb().to_vec())
        })?;
        pixels.into_pyarray(py).call_method1("reshape", (size.height, size.width, 3))
    }

    fn __repr__(&self) -> String {
        let mut counts = std::collections::BTreeMap::new();
        for name in self.labels() {
            *counts.entry(name).or_insert(0) += 1;
        }
        let words: Vec<_> = counts.iter().map(|(name, count)| format!("{count} {name}")).collect();
        format!("<Detections {}>", if words.is_empty() { "none".into() } else { words.join(", ") })
    }
}

type OneAgain = ([f32; 4], (u32, String), f32, Option<String>, Vec<String>);
type AllAgain = (Vec<Py<Detection>>, Vec<(u32, String, f32, Vec<String>)>, (u32, u32), [f64; 3]);

/// A detection from what its pickle holds.
#[pyfunction]
pub(crate) fn _detection_again(
    bbox: [f32; 4],
    label: (u32, String),
    confidence: f32,
    text: Option<&str>,
    parents: Vec<String>,
) -> Detection {
    let [x1, y1, x2, y2] = bbox;
    let label = Label { id: label.0, name: label.1.into() };
    let mut found = guarita::Detection::new(guarita::BoundingBox::from_xyxy(x1, y1, x2, y2), label, confidence);
    found.text = text.map(Arc::from);
    found.parents = parents.into_iter().map(Arc::from).collect();
    Detection(found)
}

/// Detections from what their pickle holds.
#[pyfunction]
pub(crate) fn _detections_again(
    items: Vec<Py<Detection>>,
    image_labels: Vec<(u32, String, f32, Vec<String>)>,
    size: (u32, u32),
    timing: [f64; 3],
) -> Detections {
    let [preprocess, inference, postprocess] = timing.map(|took| Duration::try_from_secs_f64(took).unwrap_or_default());
    let mut times = guarita::detection::Timing::default();
    (times.preprocess, times.inference, times.postprocess) = (preprocess, inference, postprocess);
    let items = items.iter().map(|found| found.get().0.clone()).collect();
    let mut found = guarita::Detections::new(items, Size::new(size.0, size.1), times);
    let whole = |(id, name, confidence, parents): (u32, String, f32, Vec<String>)| {
        let mut label = guarita::detection::ImageLabel::new(Label { id, name: name.into() }, confidence);
        label.parents = parents.into_iter().map(Arc::from).collect();
        label
    };
    found.image_labels = image_labels.into_iter().map(whole).collect();
    found.into()
}
