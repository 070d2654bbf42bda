//! JPEG, decoded whole.

use super::{Colors, Structure};
use crate::error::{Error, Result};
use crate::frame::decode::{Decoded, too_large};
use crate::frame::{DecodeLimits, PixelFormat};
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_jpeg::errors::DecodeErrors;

/// What is to be made of a JPEG.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::frame) enum Want {
    Colors,
    /// The brightness alone, as it was coded, where it was.
    Luma,
}

pub(in crate::frame) fn decode(structure: &Structure<'_>, limits: &DecodeLimits, want: Want) -> Result<Decoded> {
    let size = structure.size;
    let mut bytes = structure.canonical();
    if structure.is_sequential() {
        // At a marker the decoder takes zeros for all that is missing, in strict mode too. Without the end marker it says
        // that the bytes end. Only a JPEG of one scan can be decoded without.
        bytes.extend([0; READ_AHEAD]);
    } else {
        bytes.extend([0xFF, 0xD9]);
    }
    // The decoder's own luma is wrong where chroma is halved downwards only.
    let (format, channels, colorspace) = match (structure.colors, want) {
        (Colors::Gray, _) => (PixelFormat::Gray8, 1, ColorSpace::Luma),
        (Colors::YCbCr, Want::Luma) => (PixelFormat::Gray8, 3, ColorSpace::YCbCr),
        _ => (PixelFormat::Rgb8, 3, ColorSpace::RGB),
    };
    let options = zune_core::options::DecoderOptions::default()
        // Strict: a scan that ends early is an error. The tolerant mode fills the rest with gray and says nothing.
        .set_strict_mode(true)
        // Checked before, with the limit's name.
        .set_max_width(usize::MAX)
        .set_max_height(usize::MAX)
        .jpeg_set_max_scans(limits.max_scans)
        .jpeg_set_out_colorspace(colorspace);
    let mut decoder = zune_jpeg::JpegDecoder::new_with_options(ZCursor::new(&bytes[..]), options);
    decoder.decode_headers().map_err(jpeg_error)?;
    let len = decoder.output_buffer_size().ok_or_else(|| Error::internal("the JPEG decoder gave no output size"))?;
    if len as u64 != size.pixels() * channels {
        return Err(Error::internal("the JPEG decoder gave another output size"));
    }
    let mut pixels = vec![0; len];
    decoder.decode_into(&mut pixels).map_err(jpeg_error)?;
    if format == PixelFormat::Gray8 && channels == 3 {
        for k in 0..pixels.len() / 3 {
            pixels[k] = pixels[3 * k];
        }
        pixels.truncate(pixels.len() / 3);
    }
    // Up to the end marker and with it. Of four inks, every decoder makes its own colours.
    let encoded_len = (structure.components.len() <= 3).then_some(structure.end + 2);
    Ok(Decoded { format, size, pixels, orientation: structure.orientation, encoded_len })
}

/// What zune-jpeg may read behind the last byte that it needs: its buffer of 64 bits, and one byte more, since it takes
/// the last one for the end.
const READ_AHEAD: usize = 9;

fn jpeg_error(error: DecodeErrors) -> Error {
    match error {
        DecodeErrors::Unsupported(what) => Error::unsupported(format!("this kind of JPEG is not decoded: {what:?}")),
        other => {
            let text = other.to_string();
            if text.contains("scans, exceeded") {
                return too_large("the JPEG has too many scans (limit max_scans)").with_field("max_scans");
            }
            Error::data_corrupt(format!("the JPEG is truncated or damaged: {text}"))
        }
    }
}
