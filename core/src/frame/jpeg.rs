//! JPEG, decoded whole.

use super::decode::{Decoded, check_limits, over_limit};
use super::{DecodeLimits, PixelFormat};
use crate::error::{Error, Result};
use crate::geometry::Size;
use image::metadata::Orientation;
use std::borrow::Cow;
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_jpeg::errors::DecodeErrors;

/// What a JPEG says before its pixels, checked against the limits.
pub(super) struct JpegHead {
    pub(super) size: Size,
    components: u8,
    pub(super) colors: JpegColors,
    pub(super) orientation: Orientation,
    /// All components are in one scan, which holds every pixel once.
    pub(super) in_one_scan: bool,
    components_in_first_scan: u8,
    /// Where the end marker is.
    pub(super) end: usize,
}

/// What the components of a JPEG are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum JpegColors {
    Gray,
    YCbCr,
    Other,
}

/// What is to be made of a JPEG.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Want {
    Colors,
    /// Without colours, where that spares work.
    Luma,
}

fn strict(limits: &DecodeLimits) -> zune_core::options::DecoderOptions {
    // Strict: a scan that ends early is an error. The tolerant mode fills the rest with gray and says nothing.
    zune_core::options::DecoderOptions::default()
        .set_strict_mode(true)
        // Checked below, with the limit's name; the header alone takes no memory.
        .set_max_width(usize::MAX)
        .set_max_height(usize::MAX)
        .jpeg_set_max_scans(limits.max_scans)
}

impl JpegHead {
    pub(super) fn read(encoded: &[u8], limits: &DecodeLimits) -> Result<Self> {
        let mut decoder = zune_jpeg::JpegDecoder::new_with_options(ZCursor::new(encoded), strict(limits));
        decoder.decode_headers().map_err(jpeg_error)?;
        let info = decoder.info().ok_or_else(|| Error::data_corrupt("the JPEG has no frame header"))?;
        let size = Size::new(u32::from(info.width), u32::from(info.height));
        let (colors, channels) = match decoder.input_colorspace() {
            Some(ColorSpace::Luma) => (JpegColors::Gray, 1),
            Some(ColorSpace::YCbCr) => (JpegColors::YCbCr, 3),
            _ => (JpegColors::Other, 3),
        };
        let scans = Scans::find(encoded);
        let in_one_scan = !info.sof.is_progressive() && scans.components_in_first == info.components;
        // With several scans the decoder keeps a 16-bit coefficient for every sample until the last one.
        let working = if in_one_scan { 0 } else { 2 * u64::from(info.components) };
        check_limits(size, channels + working, limits)?;
        if scans.count > limits.max_scans {
            return Err(over_limit(format!(
                "the JPEG has {} scans; it may have {} (limit max_scans)",
                scans.count, limits.max_scans
            )));
        }
        let Some(end) = scans.end else {
            return Err(Error::data_corrupt("the JPEG is truncated: it ends before its end marker"));
        };
        if in_one_scan && scans.count > 1 {
            return Err(Error::data_corrupt("the JPEG is damaged: a scan begins inside the only one"));
        }
        let orientation = decoder.exif().and_then(|exif| Orientation::from_exif_chunk(exif));
        Ok(Self {
            size,
            components: info.components,
            colors,
            orientation: orientation.unwrap_or(Orientation::NoTransforms),
            in_one_scan,
            components_in_first_scan: scans.components_in_first,
            end,
        })
    }
}

pub(super) fn decode_jpeg(encoded: &[u8], head: &JpegHead, limits: &DecodeLimits, want: Want) -> Result<Decoded> {
    let JpegHead { size, components, orientation, end, .. } = *head;
    let (format, channels, colorspace) = match (head.colors, want) {
        (JpegColors::Gray, _) | (JpegColors::YCbCr, Want::Luma) => (PixelFormat::Gray8, 1, ColorSpace::Luma),
        _ => (PixelFormat::Rgb8, 3, ColorSpace::RGB),
    };
    // At a marker the decoder takes zeros for all that is missing, in strict mode too. Without the marker it says that
    // the bytes end. Only a JPEG of one scan can be decoded without.
    let bytes = if head.in_one_scan {
        Cow::Owned([&encoded[..end], &[0; READ_AHEAD]].concat())
    } else {
        Cow::Borrowed(encoded)
    };
    let options = strict(limits).jpeg_set_out_colorspace(colorspace);
    let mut decoder = zune_jpeg::JpegDecoder::new_with_options(ZCursor::new(&*bytes), options);
    decoder.decode_headers().map_err(jpeg_error)?;
    let len = decoder.output_buffer_size().ok_or_else(|| Error::internal("the JPEG decoder gave no output size"))?;
    if len as u64 != size.pixels() * channels {
        return Err(Error::unsupported(format!("a JPEG with {components} channels")));
    }
    let mut pixels = vec![0; len];
    decoder.decode_into(&mut pixels).map_err(jpeg_error)?;
    // Up to the end marker and with it. Of four inks, every decoder makes its own colours. Where the markers are no plain
    // chain, the end that was found may be that of a thumbnail.
    let encoded_len = (components <= 3 && head.components_in_first_scan > 0).then_some(end + 2);
    Ok(Decoded { format, size, pixels, orientation, encoded_len })
}

/// What zune-jpeg may read behind the last byte that it needs: its buffer of 64 bits, and one byte more, since it takes
/// the last one for the end.
const READ_AHEAD: usize = 9;

/// The scans of a JPEG, up to its end-of-image marker.
struct Scans {
    count: usize,
    components_in_first: u8,
    /// Where the end marker is; the first one counts, since some phones put a second picture behind it.
    end: Option<usize>,
}

impl Scans {
    fn find(encoded: &[u8]) -> Self {
        let mut scans = Self { count: 0, components_in_first: 0, end: None };
        // Markers before the scan carry their length; walking them skips thumbnails with markers of their own.
        let mut at = 2;
        while let Some(&[0xFF, marker, high, low, components]) = encoded.get(at..at + 5) {
            if marker == 0xDA {
                scans.components_in_first = components;
                break;
            }
            at += if marker == 0xFF { 1 } else { 2 + usize::from(u16::from_be_bytes([high, low])) };
        }
        // Where that is no plain chain of segments, the decoder judges it.
        let start = if scans.components_in_first > 0 { at } else { 0 };
        // Inside scan data 0xFF is always followed by 0x00 or a restart marker, so these cannot be data.
        for n in memchr::memchr_iter(0xFF, &encoded[start..]) {
            match encoded.get(start + n + 1) {
                Some(0xDA) => scans.count += 1,
                Some(0xD9) => {
                    scans.end = Some(start + n);
                    break;
                }
                _ => {}
            }
        }
        scans
    }
}

fn jpeg_error(error: DecodeErrors) -> Error {
    match error {
        DecodeErrors::Unsupported(what) => Error::unsupported(format!("this kind of JPEG: {what:?}")),
        other => {
            let text = other.to_string();
            if text.contains("scans, exceeded") {
                return over_limit("the JPEG has too many scans (limit max_scans)".into());
            }
            Error::data_corrupt(format!("the JPEG is truncated or damaged: {text}"))
        }
    }
}
