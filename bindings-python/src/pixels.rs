//! Memory of Python that holds pixels: what may be shared, and what must be copied.

use crate::error::{OrRaise, raise};
use crate::frame::{Frame, pixel_format};
use guarita::{ErrorCode, Layout, PixelFormat, Size};
use numpy::{PyArrayDescrMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyMemoryView};

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

pub(crate) fn from_array(
    array: &Bound<'_, PyUntypedArray>,
    format: Option<&str>,
    share: bool,
) -> PyResult<guarita::Frame> {
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
pub(crate) fn is_held_once(array: &Bound<'_, PyUntypedArray>) -> bool {
    // SAFETY: the pointer is that of a live object; its count is read with the lock held.
    unsafe { pyo3::ffi::Py_REFCNT(array.as_ptr()) == 1 }
}

/// Whether the memory is the array's own. One whose memory some library lent it, and that does not say whose it is, has neither
/// this nor a base.
pub(crate) fn owns_memory(array: &Bound<'_, PyUntypedArray>) -> bool {
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
