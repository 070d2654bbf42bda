//! Pictures of the cases, from the files that were drawn before.

use super::{find, get, prepared};
use guarita::frame::{FrameMeta, Layout};
use guarita::{Frame, PixelFormat, Size};
use serde_json::Value;

/// A picture of raw pixels, as it is in this turn of a step.
pub(crate) fn draw(picture: &Value, turn: u32, meta: FrameMeta) -> guarita::Result<Frame> {
    let format: PixelFormat = get(picture, "format");
    let layout = Layout::packed(format, Size::new(get(picture, "width"), get(picture, "height")))?;
    let files: Vec<String> = get(picture, "raw");
    // What has no noise is the same in every turn.
    let file = files.get(turn as usize).or(files.last()).expect("a file");
    Ok(Frame::copy_from(&bytes(file), layout)?.with_meta(meta))
}

/// The bytes of an encoded picture.
pub(crate) fn encoded(picture: &Value) -> Vec<u8> {
    bytes(&get::<String>(picture, "encoded"))
}

fn bytes(file: &str) -> Vec<u8> {
    std::fs::read(prepared().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
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
