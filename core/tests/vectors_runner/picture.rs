//! Pictures of the cases, from the files that were drawn before.

use super::{find, get};
use guarita::frame::{FrameMeta, Layout};
use guarita::{DecodeOptions, Frame, PixelFormat, Size, Timestamp};
use serde_json::Value;

/// A picture of either kind.
pub(crate) fn frame(picture: &Value) -> guarita::Result<Frame> {
    if is_encoded(picture) {
        return Frame::decode(&encoded(picture), &DecodeOptions::default());
    }
    let size = Size::new(get(picture, "width"), get(picture, "height"));
    let packed = Layout::packed(format(picture)?, size)?;
    let strides: Vec<usize> = get(picture, "strides");
    let layout = if packed.planes().len() > 1 { packed } else { packed.with_strides(&strides[..1])? };
    let pts = Timestamp::from_secs_f64(find(picture, "pts").unwrap_or(0.0))?;
    let bytes = contents(&get::<String>(picture, "raw"));
    Ok(Frame::copy_from(&bytes, layout)?.with_meta(FrameMeta { pts, ..FrameMeta::default() }))
}

/// The format that a case names, which may be none.
pub(crate) fn format(picture: &Value) -> guarita::Result<PixelFormat> {
    let of = picture["format"].clone();
    serde_json::from_value(of)
        .map_err(|error| guarita::Error::new(guarita::ErrorCode::InvalidArgument, error.to_string()))
}

/// The bytes of an encoded picture.
pub(crate) fn encoded(picture: &Value) -> Vec<u8> {
    contents(&get::<String>(picture, "encoded"))
}

pub(crate) fn contents(file: &str) -> Vec<u8> {
    std::fs::read(file).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Whether a picture is an encoded one.
pub(crate) fn is_encoded(picture: &Value) -> bool {
    find::<String>(picture, "encoded").is_some()
}

/// The channels of a pixel of a packed format.
pub(crate) fn pixel(frame: &Frame, x: u32, y: u32) -> Vec<u8> {
    let row = frame.row(0, y);
    let channels = row.len() / frame.size().width as usize;
    row.chunks(channels).nth(x as usize).unwrap_or_default().to_vec()
}
