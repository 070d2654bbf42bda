//! Pictures of the host as frames: arrays, encoded bytes, anything with an array interface.

use crate::error::{OrRaise, detached, raise};
use crate::wait::interruptible;
use crate::{config, time};
use guarita::{
    CameraId, DecodeLimits, DecodeOptions, ErrorCode, FrameMeta, Layout, PixelFormat, Plane, Size, Timestamp,
};
use numpy::{PyArrayDescrMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyDict, PyMemoryView, PyString, PyTuple};

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
        format: Option<&str>,
        camera: &str,
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
        Ok(Self { core: frame(image, format, share, &options)?.with_meta(meta), timed: pts.is_some() })
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
        path: std::path::PathBuf,
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

pub(crate) fn options(
    limits: Option<&Bound<'_, PyAny>>,
    apply_orientation: bool,
    keep_encoded: bool,
) -> PyResult<DecodeOptions> {
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

/// A picture that may have to be decoded first.
pub(crate) enum Picture {
    /// Pixels.
    Frame(guarita::Frame),
    /// A JPEG or PNG.
    Encoded(Encoded),
}

impl Picture {
    /// A picture of any kind.
    pub(crate) fn of(image: &Bound<'_, PyAny>, format: Option<&str>, share: bool) -> PyResult<Self> {
        if let Ok(ours) = image.cast::<Frame>() {
            return Ok(Self::Frame(ours.get().core.clone()));
        }
        if let Ok(array) = image.cast::<PyUntypedArray>() {
            return from_array(array, format, share).map(Self::Frame);
        }
        match Encoded::of(image)? {
            Some(bytes) => Ok(Self::Encoded(bytes)),
            None => by_interface(image, format, share).map(Self::Frame),
        }
    }

    /// Whether it takes time to have its pixels.
    pub(crate) fn is_encoded(&self) -> bool {
        matches!(self, Self::Encoded(_))
    }

    /// The pixels.
    ///
    /// # Errors
    /// As [`guarita::Frame::decode`].
    pub(crate) fn decoded(self, options: &DecodeOptions) -> guarita::Result<guarita::Frame> {
        match self {
            Self::Frame(frame) => Ok(frame),
            Self::Encoded(bytes) => guarita::Frame::decode(bytes.as_ref(), options),
        }
    }
}

/// A picture of any kind as a frame.
pub(crate) fn frame(
    image: &Bound<'_, PyAny>,
    format: Option<&str>,
    share: bool,
    options: &DecodeOptions,
) -> PyResult<guarita::Frame> {
    match Picture::of(image, format, share)? {
        Picture::Frame(frame) => Ok(frame),
        encoded => detached(image.py(), || encoded.decoded(options)),
    }
}

/// A PIL image, or what else NumPy can read.
fn by_interface(image: &Bound<'_, PyAny>, format: Option<&str>, share: bool) -> PyResult<guarita::Frame> {
    let has_interface = image.hasattr("__array_interface__")? || image.hasattr("__array__")?;
    if image.is_instance_of::<PyString>() || !has_interface {
        return Err(raise(
            ErrorCode::InvalidArgument,
            format!(
                "{} is no picture: an array of uint8, the bytes of a JPEG or PNG or a PIL image is needed; for a file, \
                 use Frame.open(path)",
                image.get_type().name()?
            ),
        ));
    }
    // A PIL image of another mode has arrays that look like gray or RGB and are neither.
    if image.hasattr("getbands")? && image.hasattr("mode")? {
        let mode: String = image.getattr("mode")?.extract()?;
        if !["L", "RGB", "RGBA"].contains(&&*mode) {
            let words =
                format!("the PIL image is of mode {mode}; give image.convert(\"RGB\") (or of mode L, RGB, RGBA)");
            return Err(raise(ErrorCode::InvalidArgument, words));
        }
    }
    let array = image.py().import("numpy")?.call_method1("asarray", (image,))?;
    let array = array.cast::<PyUntypedArray>()?;
    // An array made here, and now, is held by nobody else; one that the host keeps, or that only looks at its memory, is treated
    // as any other.
    let fresh = owns_memory(array) && is_held_once(array);
    from_array(array, format, share || fresh)
}

/// The bytes of an encoded picture.
pub(crate) enum Encoded {
    /// Bytes of Python, which never change.
    Shared(SharedBytes),
    /// A copy of what may change.
    Copied(Vec<u8>),
}

impl Encoded {
    /// The bytes of a `bytes`, `bytearray` or `memoryview`; none for anything else.
    pub(crate) fn of(any: &Bound<'_, PyAny>) -> PyResult<Option<Self>> {
        if let Ok(bytes) = any.cast::<PyBytes>() {
            return Ok(Some(Self::Shared(SharedBytes::new(bytes))));
        }
        if let Ok(bytes) = any.cast::<PyByteArray>() {
            return Ok(Some(Self::Copied(bytes.to_vec())));
        }
        if any.cast::<PyMemoryView>().is_ok() {
            let bytes = any.call_method0("tobytes")?;
            return Ok(Some(Self::Shared(SharedBytes::new(bytes.cast::<PyBytes>()?))));
        }
        Ok(None)
    }
}

impl AsRef<[u8]> for Encoded {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Shared(bytes) => bytes.as_ref(),
            Self::Copied(bytes) => bytes,
        }
    }
}

/// Memory of a Python object that is kept alive with it.
pub(crate) struct SharedBytes {
    _owner: Py<PyAny>,
    start: *const u8,
    len: usize,
}

// SAFETY: the memory is only read, and stays while the owner is held; the owner itself is only let go, which pyo3 does on any
// thread.
#[allow(unsafe_code, reason = "memory of Python is read on threads of guarita")]
unsafe impl Send for SharedBytes {}
// SAFETY: as above.
#[allow(unsafe_code, reason = "memory of Python is read on threads of guarita")]
unsafe impl Sync for SharedBytes {}

impl SharedBytes {
    fn new(bytes: &Bound<'_, PyBytes>) -> Self {
        let data = bytes.as_bytes();
        Self { start: data.as_ptr(), len: data.len(), _owner: bytes.clone().into_any().unbind() }
    }
}

impl AsRef<[u8]> for SharedBytes {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: `bytes` never change and stay while the owner is held. For an array, see `Pixels::keep`.
        #[allow(unsafe_code, reason = "memory of Python is read without a copy")]
        unsafe {
            std::slice::from_raw_parts(self.start, self.len)
        }
    }
}

/// Where the pixels of an array lie.
struct Pixels<'a, 'py> {
    array: &'a Bound<'py, PyUntypedArray>,
    start: *const u8,
    layout: Layout,
}

fn from_array(array: &Bound<'_, PyUntypedArray>, format: Option<&str>, share: bool) -> PyResult<guarita::Frame> {
    let Some(pixels) = Pixels::of(array, format)? else {
        // Rare, as in image[:, ::2]: NumPy makes a packed copy, which nobody else holds.
        let packed = array.py().import("numpy")?.call_method1("ascontiguousarray", (array,))?;
        return from_array(packed.cast::<PyUntypedArray>()?, format, true);
    };
    if share || is_constant(array) { pixels.keep() } else { pixels.copy() }
}

/// Whether nobody can write to the memory of this array without making it writable first: it is read-only, and so is what it
/// looks at, down to an array or `bytes` that owns the memory. Of writable views that were made before it became read-only,
/// an array does not know.
fn is_constant(array: &Bound<'_, PyUntypedArray>) -> bool {
    let mut owner = array.clone().into_any();
    loop {
        if owner.cast::<PyBytes>().is_ok() {
            return true;
        }
        let Ok(view) = owner.cast::<PyUntypedArray>() else { return owner.cast::<Frame>().is_ok() };
        if has_flag(view, numpy::npyffi::NPY_ARRAY_WRITEABLE) {
            return false;
        }
        match base(view) {
            Some(base) => owner = base,
            None => return owns_memory(view),
        }
    }
}

/// Whether nobody else has the array.
#[allow(unsafe_code, reason = "pyo3 has no other call for it")]
fn is_held_once(array: &Bound<'_, PyUntypedArray>) -> bool {
    // SAFETY: the pointer is that of a live object; its count is read with the lock held.
    unsafe { pyo3::ffi::Py_REFCNT(array.as_ptr()) == 1 }
}

/// Whether the memory is the array's own. One whose memory some library lent it, and that does not say whose it is, has neither
/// this nor a base.
fn owns_memory(array: &Bound<'_, PyUntypedArray>) -> bool {
    has_flag(array, numpy::npyffi::NPY_ARRAY_OWNDATA)
}

#[allow(
    unsafe_code,
    reason = "the flags of an array are read where NumPy keeps them: asking it costs as much as the call"
)]
fn has_flag(array: &Bound<'_, PyUntypedArray>, flag: std::ffi::c_int) -> bool {
    // SAFETY: the pointer is that of a live array; its flags are a plain number, read with the lock held.
    unsafe { (*array.as_array_ptr()).fields.flags & flag != 0 }
}

/// What the array looks at, as NumPy has it: the attribute of this name can be another one in a subclass.
#[allow(unsafe_code, reason = "see above")]
fn base<'py>(array: &Bound<'py, PyUntypedArray>) -> Option<Bound<'py, PyAny>> {
    // SAFETY: the pointer is that of a live array, which holds its base, or has none; read with the lock held.
    unsafe { Bound::from_borrowed_ptr_or_opt(array.py(), (*array.as_array_ptr()).fields.base) }
}

impl<'a, 'py> Pixels<'a, 'py> {
    /// None where the pixels of a row do not lie one after the other.
    fn of(array: &'a Bound<'py, PyUntypedArray>, format: Option<&str>) -> PyResult<Option<Self>> {
        let wrong = |what: String| Err(raise(ErrorCode::InvalidArgument, what));
        let dtype = array.dtype();
        if dtype.kind() != b'u' || dtype.itemsize() != 1 {
            return wrong(format!(
                "the array is {dtype}; pixels are uint8, 0..255 (for a float picture 0..1: (image * 255).astype(\"uint8\"))"
            ));
        }
        let shape = array.shape();
        let channels = match *shape {
            [_, _] => 1,
            [_, _, channels @ (1 | 3 | 4)] => channels,
            _ => {
                return wrong(format!(
                    "the array has the shape {shape:?}; a picture is (height, width) or (height, width, 3 or 4)"
                ));
            }
        };
        let format = match (format, channels) {
            (Some(name), _) => pixel_format(name)?,
            (None, 3) => PixelFormat::Rgb8,
            (None, 4) => PixelFormat::Rgba8,
            (None, _) => PixelFormat::Gray8,
        };
        let planar = matches!(format, PixelFormat::Nv12 | PixelFormat::I420);
        let wanted = match format {
            PixelFormat::Rgb8 | PixelFormat::Bgr8 => 3,
            PixelFormat::Rgba8 | PixelFormat::Bgra8 => 4,
            _ => 1,
        };
        if wanted != channels {
            return wrong(format!("the array has the shape {shape:?}; {format} has {wanted} channel(s)"));
        }
        let (rows, columns) = (shape[0], shape[1]);
        if planar && (rows % 3 != 0 || columns % 2 != 0) {
            return wrong(format!(
                "the array has the shape {shape:?}; a picture of {format} has (height * 3 / 2, width), with even sides"
            ));
        }
        let height = if planar { rows / 3 * 2 } else { rows };
        let side = |pixels: usize| u32::try_from(pixels).unwrap_or(u32::MAX);
        let layout = Layout::packed(format, Size::new(side(columns), side(height))).or_raise()?;

        let strides = array.strides();
        if strides.iter().zip(shape).any(|(&stride, &len)| stride < 0 && len > 1) {
            return wrong(
                "the array has negative strides: it is a flipped view. Give numpy.ascontiguousarray(image); for channels in \
                 the other order, the array as it was with format=\"bgr8\""
                    .into(),
            );
        }
        let packed = |stride: isize, bytes: usize, len: usize| len <= 1 || stride == bytes as isize;
        let pixels_packed =
            packed(strides[1], channels, columns) && strides.get(2).is_none_or(|&s| packed(s, 1, channels));
        let stride = strides[0] as usize;
        let rows_packed = rows <= 1 || (if planar { stride == columns } else { stride >= columns * channels });
        if !pixels_packed || !rows_packed {
            return Ok(None);
        }
        let layout = if planar || rows <= 1 { layout } else { layout.with_strides(&[stride]).or_raise()? };
        #[allow(unsafe_code, reason = "where the array's memory is")]
        // SAFETY: the pointer is that of a live array; where its data begin is read with the lock held.
        let start = unsafe { (*array.as_array_ptr()).fields.data }.cast::<u8>().cast_const();
        Ok(Some(Self { array, start, layout }))
    }

    /// The array's own memory, which stays while the frame lives.
    fn keep(self) -> PyResult<guarita::Frame> {
        // That nobody writes to it is what `share` promises, and what `is_constant` has seen.
        let owner = SharedBytes {
            start: self.start,
            len: self.layout.byte_len(),
            _owner: self.array.clone().into_any().unbind(),
        };
        guarita::Frame::from_owner(owner, self.layout).or_raise()
    }

    /// A packed copy.
    fn copy(self) -> PyResult<guarita::Frame> {
        let packed = Layout::packed(self.layout.format(), self.layout.size()).or_raise()?;
        let len = packed.byte_len();
        let mut pixels: Vec<u8> = Vec::new();
        pixels.try_reserve_exact(len).map_err(|_| {
            raise(ErrorCode::ResourceExhausted, format!("no memory for a copy of the array, {len} bytes"))
        })?;
        let stride = self.layout.planes().first().map_or(0, |plane| plane.stride);
        let row = packed.planes().first().map_or(0, |plane| plane.stride);
        // Planes lie one after the other in an array, so that they are rows like the others.
        let (rows, row, stride) = if stride == row { (1, len, len) } else { (len / row.max(1), row, stride) };
        let from = self.start as usize;
        let to = pixels.as_mut_ptr() as usize;
        self.array.py().detach(|| {
            for k in 0..rows {
                // SAFETY: `layout` was made from the array's own shape and strides, so that each row lies inside of its
                // memory, which stays while the array is held, and `len` bytes were reserved. Where the host writes at the
                // same time, the copy holds some of the old and some of the new: bytes have no wrong values.
                #[allow(unsafe_code, reason = "no reference is made to memory that the host may write to")]
                unsafe {
                    std::ptr::copy_nonoverlapping((from + k * stride) as *const u8, (to + k * row) as *mut u8, row);
                }
            }
        });
        // SAFETY: `len` bytes were reserved and written.
        #[allow(unsafe_code, reason = "the bytes were written through a pointer")]
        unsafe {
            pixels.set_len(len);
        }
        guarita::Frame::from_owner(pixels, packed).or_raise()
    }
}
