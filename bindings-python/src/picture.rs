//! Pictures of any kind that the host has: frames, arrays, encoded bytes, what has an array interface.

use crate::error::{detached, raise};
use crate::frame::Frame;
use crate::pixels::{Encoded, from_array, is_held_once, owns_memory};
use guarita::frame::FrameMeta;
use guarita::pipeline::EncodedFrame;
use guarita::{DecodeOptions, ErrorCode};
use guarita_face::Picture;
use numpy::PyUntypedArray;
use pyo3::prelude::*;
use pyo3::types::PyString;

/// A picture of any kind.
pub(crate) fn picture(image: &Bound<'_, PyAny>, format: Option<&str>, share: bool) -> PyResult<Picture> {
    if let Ok(ours) = image.cast::<Frame>() {
        return Ok(Picture::Frame(ours.get().core.clone()));
    }
    if let Ok(array) = image.cast::<PyUntypedArray>() {
        return from_array(array, format, share).map(Picture::Frame);
    }
    match Encoded::of(image)? {
        Some(bytes) => Ok(Picture::Encoded(EncodedFrame::from_owner(bytes, FrameMeta::default()))),
        None => by_interface(image, format, share).map(Picture::Frame),
    }
}

/// A picture of any kind as a frame; encoded ones are decoded in the usual way.
pub(crate) fn frame(image: &Bound<'_, PyAny>, format: Option<&str>, share: bool) -> PyResult<guarita::Frame> {
    frame_with(image, format, share, &DecodeOptions::default())
}

/// A picture of any kind as a frame.
pub(crate) fn frame_with(
    image: &Bound<'_, PyAny>,
    format: Option<&str>,
    share: bool,
    options: &DecodeOptions,
) -> PyResult<guarita::Frame> {
    match picture(image, format, share)? {
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
