//! Pictures of the host as frames: arrays, encoded bytes, anything with an array interface.

use crate::error::{detached, raise};
use crate::picture::frame_with;
use crate::pixels::Encoded;
use crate::text;
use crate::text::optional;
use crate::wait::interruptible;
use crate::{config, time};
use guarita::{CameraId, DecodeLimits, DecodeOptions, ErrorCode, FrameMeta, Layout, PixelFormat, Plane, Timestamp};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};

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
    /// When it was taken; none where nobody said so.
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
        time::float(self.core.meta().pts)
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

    /// How NumPy reads the pixels.
    #[getter]
    fn __array_interface__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let layout = self.core.layout();
        let (width, height) = (layout.size().width as usize, layout.size().height as usize);
        let Plane { offset, stride } = layout.planes().first().copied().unwrap_or_default();
        let (shape, strides) = match layout.format() {
            PixelFormat::Gray8 => (vec![height, width], vec![stride, 1]),
            PixelFormat::Rgb8 | PixelFormat::Bgr8 => (vec![height, width, 3], vec![stride, 3, 1]),
            PixelFormat::Rgba8 | PixelFormat::Bgra8 => (vec![height, width, 4], vec![stride, 4, 1]),
            _ if Layout::packed(layout.format(), layout.size()).is_ok_and(|packed| packed == *layout)
                && width % 2 == 0
                && height % 2 == 0 =>
            {
                (vec![height * 3 / 2, width], vec![width, 1])
            }
            _ => {
                return Err(raise(
                    ErrorCode::Unsupported,
                    "the planes of this frame are padded, or its sides odd, so that it is no single array",
                ));
            }
        };
        let interface = PyDict::new(py);
        interface.set_item("version", 3)?;
        interface.set_item("typestr", "|u1")?;
        interface.set_item("shape", PyTuple::new(py, shape)?)?;
        interface.set_item("strides", PyTuple::new(py, strides)?)?;
        interface.set_item("data", (self.core.data().as_ptr() as usize + offset, true))?;
        Ok(interface)
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

fn options(limits: Option<&Bound<'_, PyAny>>, apply_orientation: bool, keep_encoded: bool) -> PyResult<DecodeOptions> {
    let limits: DecodeLimits = limits.map_or(Ok(DecodeLimits::default()), config::from_any)?;
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
