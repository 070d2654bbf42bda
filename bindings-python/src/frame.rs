//! Pictures of the host as frames: arrays, encoded bytes, anything with an array interface.

use crate::error::{detached, raise};
use crate::picture::frame_with;
use crate::pixels::{Encoded, Planes};
use crate::text;
use crate::text::optional;
use crate::wait::interruptible;
use crate::{config, time};
use guarita::frame::{DecodeLimits, FrameMeta, Layout};
use guarita::{CameraId, DecodeOptions, ErrorCode, PixelFormat, Timestamp};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyTuple};

/// A picture with its camera and time; cheap to hand around.
///
/// Args:
///     image: An array of `uint8`, (height, width) or (height, width, 3 or 4); the bytes of a JPEG or PNG; or anything with
///         an array interface, such as a PIL image.
///     format: What the channels are. Default `gray8`, `rgb8` or `rgba8` by their number; OpenCV gives `bgr8`. With `nv12`
///         and `i420` the array is (height * 3 / 2, width).
///     camera, pts, seq: The camera's name, the presentation time (seconds, a timedelta, or a datetime whose seconds since
///         1970 are taken) and the frame's number. A frame without `pts` shows 0, and is taken for one of now where it is pushed
///         or observed.
///     share: Promises that nobody writes to the array while the frame lives, so that it is not copied. Read-only arrays
///         whose memory is read-only too are never copied: to make one read-only promises the same of its memory, also where
///         a view that can be written to was made before.
///     limits: What encoded bytes may claim before they are refused; see `DecodeLimits`.
///     apply_orientation: Turns the picture as its EXIF orientation says.
///     keep_encoded: Keeps the encoded bytes, so that they need not be made again.
///
/// Raises:
///     InvalidArgument: Another type, shape or dtype, or negative strides.
///     DataCorrupt: An empty, truncated or damaged picture.
///     Unsupported: Bytes that are neither JPEG nor PNG.
///     ResourceExhausted: More than the limits allow.
#[pyclass(frozen, module = "guarita")]
pub(crate) struct Frame {
    pub(crate) core: guarita::Frame,
    /// Whether its time was said by somebody.
    timed: bool,
}

impl From<guarita::Frame> for Frame {
    /// A frame of the core's, which has its time.
    fn from(core: guarita::Frame) -> Self {
        Self { core, timed: true }
    }
}

impl Frame {
    /// When it was taken; none where no time was given.
    pub(crate) fn time(&self) -> Option<Timestamp> {
        self.timed.then(|| self.core.meta().pts)
    }
}

#[pymethods]
impl Frame {
    #[new]
    #[pyo3(signature = (image, *, format=None, camera="", pts=None, seq=0, share=false, limits=None, apply_orientation=false, keep_encoded=false))]
    #[allow(clippy::too_many_arguments, reason = "keyword arguments")]
    fn new(
        image: &Bound<'_, PyAny>,
        #[pyo3(from_py_with = optional::format)] format: Option<&str>,
        #[pyo3(from_py_with = text::camera)] camera: &str,
        pts: Option<&Bound<'_, PyAny>>,
        seq: u64,
        share: bool,
        limits: Option<&Bound<'_, PyAny>>,
        apply_orientation: bool,
        keep_encoded: bool,
    ) -> PyResult<Self> {
        let options = options(limits, apply_orientation, keep_encoded)?;
        let pts = pts.map(time::pts).transpose()?;
        let meta = FrameMeta { camera: CameraId::new(camera), pts: pts.unwrap_or_default(), seq };
        Ok(Self { core: frame_with(image, format, share, &options)?.with_meta(meta), timed: pts.is_some() })
    }

    /// A picture whose planes lie in memory of their own, as decoders hand them out.
    ///
    /// Args:
    ///     planes: One for each plane: Y, U and V for `i420`, Y and interleaved UV for `nv12`, one for the others. Each is an
    ///         array of `uint8` of (rows, columns) or (rows, columns, channels), whose rows may be padded; or, where `size`
    ///         says how large the picture is, bytes, a flat array, or anything with the buffer protocol, such as a plane of
    ///         PyAV.
    ///     format: What the planes hold.
    ///     size: Width and height in pixels; by default those of the first plane.
    ///     strides: For flat planes, the bytes from one row to the next, one number a plane; default rows without padding.
    ///     camera, pts, seq: As for `Frame`.
    ///     share: Promises that nobody writes to the planes while the frame lives, so that they are not copied. Without it,
    ///         planes of read-only memory are shared as arrays are, if all of them are; otherwise all are copied, into one
    ///         buffer without padding.
    ///
    /// Raises:
    ///     InvalidArgument: Another number of planes, or one of another type, dtype, shape or size; `field` says which.
    #[staticmethod]
    #[pyo3(signature = (planes, *, format, size=None, strides=None, camera="", pts=None, seq=0, share=false))]
    #[allow(clippy::too_many_arguments, reason = "keyword arguments")]
    fn from_planes(
        planes: &Bound<'_, PyAny>,
        #[pyo3(from_py_with = text::format)] format: &str,
        size: Option<(u32, u32)>,
        strides: Option<Vec<usize>>,
        #[pyo3(from_py_with = text::camera)] camera: &str,
        pts: Option<&Bound<'_, PyAny>>,
        seq: u64,
        share: bool,
    ) -> PyResult<Self> {
        let pts = pts.map(time::pts).transpose()?;
        let meta = FrameMeta { camera: CameraId::new(camera), pts: pts.unwrap_or_default(), seq };
        let planes = Planes::of(planes, pixel_format(format)?, size, strides.as_deref())?;
        Ok(Self { core: planes.frame(share)?.with_meta(meta), timed: pts.is_some() })
    }

    /// Reads and decodes a JPEG or PNG file.
    ///
    /// Raises:
    ///     NotFound, PermissionDenied: The file cannot be read.
    ///     DataCorrupt, Unsupported, ResourceExhausted: As for bytes.
    #[staticmethod]
    #[pyo3(signature = (path, *, limits=None, apply_orientation=false, keep_encoded=false))]
    fn open(
        py: Python<'_>,
        #[pyo3(from_py_with = text::path)] path: std::path::PathBuf,
        limits: Option<&Bound<'_, PyAny>>,
        apply_orientation: bool,
        keep_encoded: bool,
    ) -> PyResult<Self> {
        let options = options(limits, apply_orientation, keep_encoded)?;
        // A named pipe may be waited for.
        let core = interruptible(py, move || guarita::Frame::open(path, &options))?;
        Ok(Self { core, timed: false })
    }

    /// Decodes a JPEG or PNG to gray at the smallest of 1/8, 1/4, 1/2 and its full size that is at least `min_width` pixels
    /// wide: what a motion gate needs, at about a third of the price.
    #[staticmethod]
    #[pyo3(signature = (encoded, min_width, *, limits=None))]
    fn decode_reduced(encoded: &Bound<'_, PyAny>, min_width: u32, limits: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let options = options(limits, false, false)?;
        let Some(bytes) = Encoded::of(encoded)? else {
            return Err(raise(ErrorCode::InvalidArgument, "decode_reduced takes the bytes of a JPEG or PNG"));
        };
        let bytes = bytes.as_ref();
        let core = detached(encoded.py(), || guarita::Frame::decode_reduced(bytes, &options, min_width))?;
        Ok(Self { core, timed: false })
    }

    /// Width and height in pixels.
    #[getter]
    fn size(&self) -> (u32, u32) {
        (self.core.size().width, self.core.size().height)
    }

    /// How a pixel is stored, such as `rgb8`.
    #[getter]
    fn format(&self) -> String {
        self.core.format().to_string().to_lowercase()
    }

    /// The camera's name.
    #[getter]
    fn camera(&self) -> &str {
        self.core.meta().camera.as_str()
    }

    /// The presentation time in seconds.
    #[getter]
    fn pts(&self) -> f64 {
        self.core.meta().pts.as_secs_f64()
    }

    /// The frame's number.
    #[getter]
    fn seq(&self) -> u64 {
        self.core.meta().seq
    }

    /// The JPEG or PNG bytes, where `keep_encoded` was set and they hold the same picture; else None.
    #[getter]
    fn encoded<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.core.encoded().map(|bytes| PyBytes::new(py, bytes))
    }

    /// The pixels as a read-only array that shares the frame's memory: (height, width) or (height, width, channels), and
    /// (height * 3 / 2, width) for `nv12` and `i420`.
    fn numpy<'py>(slf: Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("numpy")?.call_method1("asarray", (slf,))
    }

    /// The planes as read-only arrays that share the frame's memory: (height, width) or (height, width, channels) for formats
    /// of one plane; Y, then UV of (rows, columns, 2), for `nv12`; Y, U and V for `i420`.
    fn planes<'py>(slf: Bound<'py, Self>) -> PyResult<Bound<'py, PyList>> {
        let py = slf.py();
        let (asarray, holder) =
            (py.import("numpy")?.getattr("asarray")?, py.import("types")?.getattr("SimpleNamespace")?);
        let frame = &slf.get().core;
        let arrays = frame.layout().planes().iter().enumerate().map(|(k, plane)| {
            let interface = interface(py, plane_shape(frame.layout(), k), plane.stride, frame.plane(k))?;
            // Whatever holds the array holds the frame.
            let fields = PyDict::new(py);
            fields.set_item("__array_interface__", interface)?;
            fields.set_item("frame", &slf)?;
            asarray.call1((holder.call((), Some(&fields))?,))
        });
        PyList::new(py, arrays.collect::<PyResult<Vec<_>>>()?)
    }

    /// How NumPy reads the pixels.
    #[getter]
    fn __array_interface__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let layout = self.core.layout();
        let (width, height) = (layout.size().width as usize, layout.size().height as usize);
        let stride = layout.planes().first().map_or(0, |plane| plane.stride);
        if layout.format().planes() == 1 {
            return interface(py, plane_shape(layout, 0), stride, self.core.plane(0));
        }
        let packed = Layout::packed(layout.format(), layout.size()).is_ok_and(|packed| packed == *layout);
        match self.core.data() {
            Some(data) if packed && width % 2 == 0 && height % 2 == 0 => {
                interface(py, vec![height * 3 / 2, width], stride, data)
            }
            _ => Err(raise(
                ErrorCode::Unsupported,
                "the planes of this frame are padded or apart, or its sides odd, so that it is no single array; see \
                 Frame.planes()",
            )),
        }
    }

    fn __repr__(&self) -> String {
        let (width, height) = self.size();
        let mut text = format!("<Frame {width}x{height} {}", self.format());
        if !self.camera().is_empty() {
            text += &format!(" of {:?}", self.camera());
        }
        text + &format!(" at {} s>", self.pts())
    }
}

/// Rows, columns, and the channels where there are several.
pub(crate) fn plane_shape(layout: &Layout, plane: usize) -> Vec<usize> {
    let (width, height) = (layout.size().width as usize, layout.size().height as usize);
    match (layout.format(), plane) {
        (PixelFormat::Rgb8 | PixelFormat::Bgr8, _) => vec![height, width, 3],
        (PixelFormat::Rgba8 | PixelFormat::Bgra8, _) => vec![height, width, 4],
        (PixelFormat::Nv12, 1) => vec![height.div_ceil(2), width.div_ceil(2), 2],
        (PixelFormat::I420, 1 | 2) => vec![height.div_ceil(2), width.div_ceil(2)],
        _ => vec![height, width],
    }
}

/// What NumPy makes a read-only array of.
fn interface<'py>(py: Python<'py>, shape: Vec<usize>, stride: usize, data: &[u8]) -> PyResult<Bound<'py, PyDict>> {
    let strides = match shape.get(2) {
        Some(&channels) => vec![stride, channels, 1],
        None => vec![stride, 1],
    };
    let interface = PyDict::new(py);
    interface.set_item("version", 3)?;
    interface.set_item("typestr", "|u1")?;
    interface.set_item("shape", PyTuple::new(py, shape)?)?;
    interface.set_item("strides", PyTuple::new(py, strides)?)?;
    interface.set_item("data", (data.as_ptr() as usize, true))?;
    Ok(interface)
}

fn options(limits: Option<&Bound<'_, PyAny>>, apply_orientation: bool, keep_encoded: bool) -> PyResult<DecodeOptions> {
    let limits: DecodeLimits =
        limits.map_or(Ok(DecodeLimits::default()), |limits| config::from_argument("limits", limits))?;
    Ok(DecodeOptions { limits, apply_orientation, keep_encoded })
}

/// The pixel format of this name.
pub(crate) fn pixel_format(name: &str) -> PyResult<PixelFormat> {
    let known = [
        PixelFormat::Gray8,
        PixelFormat::Rgb8,
        PixelFormat::Bgr8,
        PixelFormat::Rgba8,
        PixelFormat::Bgra8,
        PixelFormat::Nv12,
        PixelFormat::I420,
    ];
    known.into_iter().find(|format| format.to_string().to_lowercase() == name).ok_or_else(|| {
        let names: Vec<_> = known.map(|format| format.to_string().to_lowercase()).into();
        raise(ErrorCode::InvalidArgument, format!("format is {name:?}; it must be one of {}", names.join(", ")))
    })
}
