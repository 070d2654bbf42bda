//! Memory of Python that holds pixels: what may be shared, and what must be copied.

use crate::error::{OrRaise, raise, to_py};
use crate::frame::{Frame, pixel_format, plane_shape};
use guarita::frame::Layout;
use guarita::{Error, ErrorCode, PixelFormat, Size};
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

/// Whether this is the only reference to the array.
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

/// The planes of a picture, each in memory of its own.
pub(crate) struct Planes<'py> {
    planes: Vec<PlaneMemory<'py>>,
    layout: Layout,
}

/// Where the rows of a plane lie.
struct PlaneMemory<'py> {
    array: Bound<'py, PyUntypedArray>,
    start: *const u8,
    rows: usize,
    row: usize,
    stride: usize,
    /// It was made here, and nobody else has it.
    fresh: bool,
}

impl PlaneMemory<'_> {
    /// From the first byte of the first row to the last one of the last; there is a row.
    fn len(&self) -> usize {
        self.stride * (self.rows - 1) + self.row
    }
}

impl<'py> Planes<'py> {
    /// The planes of a picture of this format; `size` and `strides` for planes that are flat.
    pub(crate) fn of(
        planes: &Bound<'py, PyAny>,
        format: PixelFormat,
        size: Option<(u32, u32)>,
        strides: Option<&[usize]>,
    ) -> PyResult<Self> {
        let wrong = |field: &str, limit: Option<usize>, what: String| {
            let error = Error::new(ErrorCode::InvalidArgument, format!("{field} {what}")).with_field(field);
            to_py(&match limit {
                Some(limit) => error.with_limit(limit as f64),
                None => error,
            })
        };
        let count = format.planes();
        // One more is enough to see that there are too many.
        let given: Vec<_> = planes.try_iter()?.take(count + 1).collect::<PyResult<_>>()?;
        let counted = |len: usize| if len > count { format!("more than {count}") } else { len.to_string() };
        if given.len() != count {
            return Err(wrong("planes", Some(count), format!("has {}; {format} has {count}", counted(given.len()))));
        }
        if strides.is_some_and(|strides| strides.len() != count) {
            return Err(wrong("strides", Some(count), format!("must have {count}, one for each plane of {format}")));
        }
        let arrays: Vec<_> = given.iter().enumerate().map(|(k, plane)| array_of(plane, k)).collect::<PyResult<_>>()?;
        let side = |pixels: usize| u32::try_from(pixels).unwrap_or(u32::MAX);
        let size = match (size, arrays.first().map(|array| array.shape())) {
            (Some((width, height)), _) => Size::new(width, height),
            (None, Some([rows, columns] | [rows, columns, _])) => Size::new(side(*columns), side(*rows)),
            (None, _) => return Err(wrong("size", None, "is needed, since the planes are flat".into())),
        };
        let packed = Layout::packed(format, size).or_raise()?;
        let mut rows_of = Vec::new();
        for (k, array) in arrays.into_iter().enumerate() {
            let field = format!("planes[{k}]");
            let shape = plane_shape(&packed, k);
            let (rows, row) = (shape[0], shape[1..].iter().product::<usize>());
            let memory = if array.ndim() == 1 {
                let stride = strides.map_or(row, |strides| strides[k]);
                let needed = stride.checked_mul(rows - 1).and_then(|n| n.checked_add(row));
                if stride < row {
                    let field = format!("strides[{k}]");
                    return Err(wrong(&field, Some(row), format!("is {stride}; rows of this plane have {row} bytes")));
                }
                if needed.is_none_or(|needed| array.len() < needed) {
                    return Err(wrong(
                        &field,
                        needed,
                        format!("has {} bytes; {rows} rows of {row}, {stride} apart, do not fit in", array.len()),
                    ));
                }
                PlaneMemory::of(array, rows, row, Some(stride))?
            } else {
                let there = array.shape();
                if strides.is_some() {
                    return Err(wrong("strides", None, "is for flat planes; arrays have strides of their own".into()));
                }
                if there != shape && there != [rows, row] {
                    return Err(wrong(&field, None, format!("has the shape {there:?}; {packed} has {shape:?} there")));
                }
                PlaneMemory::of(array, rows, row, None)?
            };
            rows_of.push(memory);
        }
        let strides: Vec<_> = rows_of.iter().map(|plane| plane.stride).collect();
        Ok(Self { planes: rows_of, layout: packed.with_strides(&strides).or_raise()? })
    }

    /// The frame: of the planes' own memory where that is promised or seen to stay as it is, and of a copy otherwise.
    pub(crate) fn frame(self, share: bool) -> PyResult<guarita::Frame> {
        if !share && !self.planes.iter().all(|plane| plane.fresh || is_constant(&plane.array)) {
            return self.copy();
        }
        let shared = |plane: PlaneMemory<'_>| SharedBytes {
            start: plane.start,
            len: plane.len(),
            _owner: plane.array.into_any().unbind(),
        };
        let owners: Vec<_> = self.planes.into_iter().map(shared).collect();
        guarita::Frame::from_planes(owners, |owners, k| owners.get(k).map_or(&[], AsRef::as_ref), self.layout)
            .or_raise()
    }

    /// All planes in one packed buffer.
    fn copy(self) -> PyResult<guarita::Frame> {
        let packed = Layout::packed(self.layout.format(), self.layout.size()).or_raise()?;
        let mut pixels = room(packed.byte_len())?;
        let mut to = pixels.as_mut_ptr() as usize;
        for plane in &self.planes {
            copy_rows(plane.array.py(), (plane.start, plane.stride), to, plane.row, plane.rows);
            to += plane.rows * plane.row;
        }
        // SAFETY: `byte_len` bytes were reserved; it is the sum of the planes' rows, which were written one after the other.
        #[allow(unsafe_code, reason = "the bytes were written through a pointer")]
        unsafe {
            pixels.set_len(packed.byte_len());
        }
        guarita::Frame::from_owner(pixels, packed).or_raise()
    }
}

/// A plane as an array that looks at its memory.
fn array_of<'py>(plane: &Bound<'py, PyAny>, k: usize) -> PyResult<Bound<'py, PyUntypedArray>> {
    let wrong = |what: String| {
        let field = format!("planes[{k}]");
        to_py(&Error::new(ErrorCode::InvalidArgument, format!("{field} {what}")).with_field(field))
    };
    let array = match plane.cast::<PyUntypedArray>() {
        Ok(array) => array.clone(),
        Err(_) => {
            let numpy = plane.py().import("numpy")?;
            let looks_at = numpy.call_method1("frombuffer", (plane, numpy.getattr("uint8")?));
            let kind = plane.get_type().name()?;
            let array = looks_at.map_err(|error| {
                wrong(format!("is {kind}; it must be an array of uint8 or hold bytes ({})", error.value(plane.py())))
            })?;
            array.cast_into::<PyUntypedArray>()?
        }
    };
    if array.dtype().kind() != b'u' || array.dtype().itemsize() != 1 {
        return Err(wrong(format!("is an array of {}; pixels are uint8, 0..255", array.dtype())));
    }
    match array.ndim() {
        1..=3 => Ok(array),
        dimensions => Err(wrong(format!("is an array of {dimensions} dimensions; a plane has up to 3"))),
    }
}

impl<'py> PlaneMemory<'py> {
    /// Of an array that has so many rows of so many bytes; one that is flat has them `flat` bytes apart.
    fn of(array: Bound<'py, PyUntypedArray>, rows: usize, row: usize, flat: Option<usize>) -> PyResult<Self> {
        let (shape, strides) = (array.shape(), array.strides());
        // From the last axis on, each must be as far apart as all behind it are long.
        let inner = if flat.is_some() { 0 } else { 1 };
        let mut bytes = 1;
        let mut packed = true;
        for (&len, &stride) in shape[inner..].iter().zip(&strides[inner..]).rev() {
            packed &= len <= 1 || stride == bytes;
            bytes *= len as isize;
        }
        let stride = flat.unwrap_or_else(|| match strides.first() {
            Some(&stride) if rows > 1 => usize::try_from(stride).unwrap_or(0),
            _ => row,
        });
        if !packed || stride < row {
            // Columns apart, or rows upside down: NumPy makes a packed copy, which nobody else holds.
            let copy = array.py().import("numpy")?.call_method1("array", (&array,))?;
            let copy = copy.call_method0("ravel")?.cast_into::<PyUntypedArray>()?;
            return Ok(Self { fresh: true, ..Self::of(copy, rows, row, Some(flat.unwrap_or(row)))? });
        }
        Ok(Self { start: data_of(&array), array, rows, row, stride, fresh: false })
    }
}

/// Where the array's data begin.
#[allow(unsafe_code, reason = "where the array's memory is")]
fn data_of(array: &Bound<'_, PyUntypedArray>) -> *const u8 {
    // SAFETY: the pointer is that of a live array; where its data begin is read with the lock held.
    unsafe { (*array.as_array_ptr()).fields.data }.cast::<u8>().cast_const()
}

/// Room for a copy.
fn room(len: usize) -> PyResult<Vec<u8>> {
    let mut pixels: Vec<u8> = Vec::new();
    match pixels.try_reserve_exact(len) {
        Ok(()) => Ok(pixels),
        Err(_) => Err(raise(ErrorCode::ResourceExhausted, format!("no memory for a copy of the array, {len} bytes"))),
    }
}

/// Copies rows, to lie one after the other, with the interpreter lock released. There must be so many in the memory of an array
/// that is held, and room for them.
fn copy_rows(py: Python<'_>, (from, stride): (*const u8, usize), to: usize, row: usize, rows: usize) {
    // Without padding they are one row.
    let (rows, row, stride) = if stride == row { (1, rows * row, 0) } else { (rows, row, stride) };
    let from = from as usize;
    py.detach(|| {
        for k in 0..rows {
            // SAFETY: the caller made the numbers from the array's own shape and strides, so that each row lies inside of its
            // memory, which stays while the array is held, and reserved room for all rows. Where the host writes at the same
            // time, the copy holds some of the old and some of the new: bytes have no wrong values.
            #[allow(unsafe_code, reason = "no reference is made to memory that the host may write to")]
            unsafe {
                std::ptr::copy_nonoverlapping((from + k * stride) as *const u8, (to + k * row) as *mut u8, row);
            }
        }
    });
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
        Ok(Some(Self { array, start: data_of(array), layout }))
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
        let mut pixels = room(len)?;
        let stride = self.layout.planes().first().map_or(0, |plane| plane.stride);
        let row = packed.planes().first().map_or(0, |plane| plane.stride);
        // Planes lie one after the other in an array, so that they are rows like the others.
        let to = pixels.as_mut_ptr() as usize;
        copy_rows(self.array.py(), (self.start, stride), to, row, len / row.max(1));
        // SAFETY: `len` bytes were reserved and written.
        #[allow(unsafe_code, reason = "the bytes were written through a pointer")]
        unsafe {
            pixels.set_len(len);
        }
        guarita::Frame::from_owner(pixels, packed).or_raise()
    }
}
