//! Decoding JPEG and PNG under limits. Sizes are read from the header and checked before memory is taken.

use super::{Frame, Layout, PixelFormat};
use crate::error::{Advice, Error, Result};
use crate::geometry::Size;
use image::DynamicImage;
use image::metadata::Orientation;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_jpeg::errors::DecodeErrors;

/// What a picture may claim before it is refused.
///
/// The defaults let through every camera and phone there is, and keep a small file from taking a large machine down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
            return Err(over_limit(format!(
                "the encoded picture has over {} bytes (limit max_input_bytes)",
                limits.max_input_bytes
            )));
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
    let in_file = |error: Error| {
        let (code, advice) = (error.code(), error.advice());
        Error::new(code, format!("{}: {error}", path.display())).with_advice(advice).with_source(error)
    };
    let read = || -> std::io::Result<Vec<u8>> {
        let mut encoded = Vec::new();
        // One byte over the limit is enough to be refused, however long the file is.
        File::open(path)?.take(options.limits.max_input_bytes.saturating_add(1)).read_to_end(&mut encoded)?;
        Ok(encoded)
    };
    let encoded = read().map_err(|error| Error::io("read the picture", path, error))?;
    decode(&encoded, options).map_err(in_file)
}

pub(super) fn decode(encoded: &[u8], options: &DecodeOptions) -> Result<Frame> {
    let limits = &options.limits;
    let decoded = match Kind::of(encoded, limits)? {
        Kind::Jpeg => decode_jpeg(encoded, &JpegHead::read(encoded, limits)?, limits, Want::Colors)?,
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
    let len = reader.output_buffer_size().ok_or_else(|| over_limit(format!("a PNG of {size} has no output size")))?;
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

fn check_limits(size: Size, bytes_per_pixel: u64, limits: &DecodeLimits) -> Result<()> {
    let side = size.width.max(size.height);
    if size.width == 0 || size.height == 0 {
        return Err(Error::data_corrupt(format!("the picture claims {size} pixels")));
    }
    if side > limits.max_side {
        return Err(over_limit(format!(
            "the picture claims {size}; a side may have {} (limit max_side)",
            limits.max_side
        )));
    }
    if size.pixels() > limits.max_pixels {
        return Err(over_limit(format!(
            "the picture claims {size}; it may have {} pixels (limit max_pixels)",
            limits.max_pixels
        )));
    }
    let bytes = size.pixels() * bytes_per_pixel;
    if bytes > limits.max_bytes {
        return Err(over_limit(format!(
            "the picture needs {bytes} bytes to decode; limit max_bytes is {}",
            limits.max_bytes
        )));
    }
    Ok(())
}

fn over_limit(message: String) -> Error {
    Error::resource_exhausted(message).with_advice(Advice::ChangeInput)
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

fn png_error(error: png::DecodingError) -> Error {
    match error {
        png::DecodingError::LimitsExceeded => over_limit("the PNG needs more memory than limit max_bytes".into()),
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
