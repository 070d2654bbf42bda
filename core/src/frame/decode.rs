//! Decoding JPEG and PNG under limits. Sizes are read from the header and checked before memory is taken.

use super::jpeg::{self, Structure, Want};
use super::{Frame, Layout, PixelFormat};
use crate::error::{Advice, Error, Result};
use crate::geometry::Size;
use crate::threads::caught;
use image::DynamicImage;
use image::metadata::Orientation;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;

/// What a picture may claim before it is refused.
///
/// The defaults let through every camera and phone there is, and keep a small file from taking a large machine down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct DecodeLimits {
    /// Width times height; default 64 Mpx (67,108,864).
    pub max_pixels: u64,
    /// The longer side in pixels; default 16,384.
    pub max_side: u32,
    /// Memory for pixels and for the decoder's own tables, in bytes; default 256 MiB.
    pub max_bytes: u64,
    /// Scans of a progressive JPEG; default 100. Each one costs a pass over the picture.
    pub max_scans: usize,
    /// Encoded bytes; default 32 MiB.
    pub max_input_bytes: u64,
}

impl Default for DecodeLimits {
    fn default() -> Self {
        Self { max_pixels: 64 << 20, max_side: 16_384, max_bytes: 256 << 20, max_scans: 100, max_input_bytes: 32 << 20 }
    }
}

/// How [`Frame::decode`] reads a picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct DecodeOptions {
    /// What a picture may claim.
    pub limits: DecodeLimits,
    /// Turns the picture as its EXIF orientation says. Off by default: cameras that are mounted do not turn, boxes stay
    /// in the pixels of the file, and the other decoders of a video system do not turn either. Costs a copy.
    pub apply_orientation: bool,
    /// Keeps a copy of the encoded bytes beside the pixels, for [`Frame::encoded`]. Off by default: it is memory that only
    /// a cloud provider has a use for.
    pub keep_encoded: bool,
}

pub(super) struct Decoded {
    pub(super) format: PixelFormat,
    pub(super) size: Size,
    pub(super) pixels: Vec<u8>,
    pub(super) orientation: Orientation,
    /// How many of the encoded bytes make the picture; what lies behind them was not looked at. None where other decoders
    /// may see another picture in them.
    pub(super) encoded_len: Option<usize>,
}

/// The pictures that are read.
pub(super) enum Kind {
    Jpeg,
    Png,
}

impl Kind {
    pub(super) fn of(encoded: &[u8], limits: &DecodeLimits) -> Result<Self> {
        if encoded.is_empty() {
            return Err(Error::data_corrupt("the picture is empty (0 bytes)"));
        }
        if encoded.len() as u64 > limits.max_input_bytes {
            let most = limits.max_input_bytes;
            let message = format!("the encoded picture has over {most} bytes (limit max_input_bytes)");
            return Err(over_limit("max_input_bytes", most, message));
        }
        if encoded.starts_with(&[0xFF, 0xD8]) {
            Ok(Self::Jpeg)
        } else if encoded.starts_with(b"\x89PNG") {
            Ok(Self::Png)
        } else {
            Err(Error::unsupported("the bytes are neither a JPEG nor a PNG picture"))
        }
    }
}

pub(super) fn open(path: &Path, options: &DecodeOptions) -> Result<Frame> {
    let in_file = |error: Error| error.prefixed(path.display()).with_path(path);
    let read = || -> std::io::Result<Vec<u8>> {
        let mut encoded = Vec::new();
        // One byte over the limit is enough to be refused, however long the file is.
        File::open(path)?.take(options.limits.max_input_bytes.saturating_add(1)).read_to_end(&mut encoded)?;
        Ok(encoded)
    };
    let encoded = read().map_err(|error| Error::io("read the picture", path, error))?;
    guarded(|| decode(&encoded, options)).map_err(in_file)
}

/// Turns a panic of a third-party decoder into an error.
pub(super) fn guarded(decode: impl FnOnce() -> Result<Frame>) -> Result<Frame> {
    caught(decode).unwrap_or_else(|| Err(Error::internal("a panic in the decoder of a picture")))
}

pub(super) fn decode(encoded: &[u8], options: &DecodeOptions) -> Result<Frame> {
    let limits = &options.limits;
    let decoded = match Kind::of(encoded, limits)? {
        Kind::Jpeg => jpeg::decode(&Structure::read(encoded, limits)?, limits, Want::Colors)?,
        Kind::Png => decode_png(encoded, limits)?,
    };
    // A decoder that follows the orientation sees another picture than the one that stays unturned here, and the same
    // holds the other way round.
    let kept = match decoded.encoded_len {
        Some(len) if options.keep_encoded && decoded.orientation == Orientation::NoTransforms => encoded.get(..len),
        _ => None,
    };
    Ok(frame(decoded, options)?.with_encoded(kept))
}

/// What was decoded as a frame, turned where that is asked for.
pub(super) fn frame(decoded: Decoded, options: &DecodeOptions) -> Result<Frame> {
    let decoded = if options.apply_orientation { oriented(decoded)? } else { decoded };
    Frame::from_owner(decoded.pixels, Layout::packed(decoded.format, decoded.size)?)
}

pub(super) fn decode_png(encoded: &[u8], limits: &DecodeLimits) -> Result<Decoded> {
    let mut cursor = Cursor::new(encoded);
    let mut decoder = png::Decoder::new_with_limits(
        &mut cursor,
        png::Limits { bytes: usize::try_from(limits.max_bytes).unwrap_or(usize::MAX) },
    );
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    decoder.set_ignore_text_chunk(true);
    let header = decoder.read_header_info().map_err(png_error)?;
    let size = Size::new(header.width, header.height);
    check_limits(size, 4, limits)?;
    let mut reader = decoder.read_info().map_err(png_error)?;
    check_palette(reader.info())?;
    let len = reader.output_buffer_size().ok_or_else(|| too_large(format!("a PNG of {size} has no output size")))?;
    let mut pixels = vec![0; len];
    let info = reader.next_frame(&mut pixels).map_err(png_error)?;
    reader.finish().map_err(png_error)?;
    // It may stand behind the pixels too.
    let exif = reader.info().exif_metadata.as_deref().and_then(Orientation::from_exif_chunk);
    drop(reader);
    // What lies behind the end is not the picture: some editors leave the old one there.
    let end = usize::try_from(cursor.position()).ok();
    let format = match info.color_type {
        png::ColorType::Grayscale => PixelFormat::Gray8,
        png::ColorType::GrayscaleAlpha => {
            // No format of ours has one gray and one alpha channel, and alpha is not looked at anyway.
            for k in 0..pixels.len() / 2 {
                pixels[k] = pixels[2 * k];
            }
            pixels.truncate(pixels.len() / 2);
            PixelFormat::Gray8
        }
        png::ColorType::Rgb => PixelFormat::Rgb8,
        png::ColorType::Rgba => PixelFormat::Rgba8,
        png::ColorType::Indexed => {
            return Err(Error::internal("the PNG decoder did not expand a palette"));
        }
    };
    let orientation = exif.unwrap_or(Orientation::NoTransforms);
    Ok(Decoded { format, size, pixels, orientation, encoded_len: end })
}

/// The decoder takes palettes of any length, and panics where it looks a colour up.
fn check_palette(info: &png::Info<'_>) -> Result<()> {
    let bytes = info.palette.as_ref().map_or(0, |palette| palette.len());
    if info.color_type == png::ColorType::Indexed && !(bytes.is_multiple_of(3) && (3..=3 * 256).contains(&bytes)) {
        return Err(Error::data_corrupt(format!(
            "the PNG has a palette of {bytes} bytes; it must be 1 to 256 colours of 3 bytes"
        )));
    }
    Ok(())
}

pub(super) fn check_limits(size: Size, bytes_per_pixel: u64, limits: &DecodeLimits) -> Result<()> {
    let side = size.width.max(size.height);
    if size.width == 0 || size.height == 0 {
        return Err(Error::data_corrupt(format!("the picture claims {size} pixels")));
    }
    if side > limits.max_side {
        let most = limits.max_side;
        let message = format!("the picture claims {size}; a side may have {most} (limit max_side)");
        return Err(over_limit("max_side", most.into(), message));
    }
    if size.pixels() > limits.max_pixels {
        let most = limits.max_pixels;
        let message = format!("the picture claims {size}; it may have {most} pixels (limit max_pixels)");
        return Err(over_limit("max_pixels", most, message));
    }
    let bytes = size.pixels() * bytes_per_pixel;
    if bytes > limits.max_bytes {
        let most = limits.max_bytes;
        let message = format!("the picture needs {bytes} bytes to decode; limit max_bytes is {most}");
        return Err(over_limit("max_bytes", most, message));
    }
    Ok(())
}

/// The error of a field of [`DecodeLimits`].
pub(super) fn over_limit(field: &str, most: u64, message: String) -> Error {
    too_large(message).with_field(field).with_limit(most as f64)
}

pub(super) fn too_large(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::resource_exhausted(message).with_advice(Advice::ChangeInput)
}

fn png_error(error: png::DecodingError) -> Error {
    match error {
        png::DecodingError::LimitsExceeded => {
            too_large("the PNG needs more memory than limit max_bytes").with_field("max_bytes")
        }
        other => Error::data_corrupt(format!("the PNG is truncated or damaged: {other}")),
    }
}

fn oriented(decoded: Decoded) -> Result<Decoded> {
    if decoded.orientation == Orientation::NoTransforms {
        return Ok(decoded);
    }
    let Size { width, height } = decoded.size;
    let wrong = || Error::internal("a decoded picture has the wrong length");
    let mut picture: DynamicImage = match decoded.format {
        PixelFormat::Gray8 => image::GrayImage::from_raw(width, height, decoded.pixels).ok_or_else(wrong)?.into(),
        PixelFormat::Rgba8 => image::RgbaImage::from_raw(width, height, decoded.pixels).ok_or_else(wrong)?.into(),
        _ => image::RgbImage::from_raw(width, height, decoded.pixels).ok_or_else(wrong)?.into(),
    };
    picture.apply_orientation(decoded.orientation);
    let size = Size::new(picture.width(), picture.height());
    let pixels = picture.into_bytes();
    Ok(Decoded { format: decoded.format, size, pixels, orientation: Orientation::NoTransforms, encoded_len: None })
}
