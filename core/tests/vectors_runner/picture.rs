//! Pictures as data: `vectors/README.md` says what the generators draw.

use super::{data, find, get};
use base64::Engine;
use guarita::{Frame, FrameMeta, Layout, PixelFormat, Size};
use serde_json::Value;

/// Numbers that look random, from a seed (a linear congruential generator).
struct Random(u32);

impl Random {
    fn next(&mut self, below: u32) -> u8 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((self.0 >> 16) % below) as u8
    }
}

/// Draws a picture; the seed of its noise is moved on by `turn`.
pub(crate) fn draw(picture: &Value, turn: u32, meta: FrameMeta) -> guarita::Result<Frame> {
    let (width, height): (u32, u32) = (get(picture, "width"), get(picture, "height"));
    let format: PixelFormat = find(picture, "format").unwrap_or(PixelFormat::Gray8);
    let layout = Layout::packed(format, Size::new(width, height))?;
    let channels: u32 = match format {
        PixelFormat::Rgb8 | PixelFormat::Bgr8 => 3,
        PixelFormat::Rgba8 | PixelFormat::Bgra8 => 4,
        _ => 1,
    };
    let mut bytes = vec![0; layout.byte_len()];
    let each = |level: &dyn Fn(u32, u32, u32) -> u8| -> Vec<u8> {
        let rows = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        rows.flat_map(|(x, y)| (0..channels).map(move |c| level(x, y, c))).collect()
    };
    match get::<String>(picture, "pattern").as_str() {
        "flat" => {
            let value: Vec<u8> = get(picture, "value");
            bytes = value.repeat((width * height) as usize);
        }
        "planes" => {
            // One level for each of Y, U and V.
            let [luma, u, v]: [u8; 3] = get(picture, "value");
            let (first, chroma) = bytes.split_at_mut((width * height) as usize);
            first.fill(luma);
            let half = chroma.len() / 2;
            for (at, level) in chroma.iter_mut().enumerate() {
                let is_u = if format == PixelFormat::Nv12 { at % 2 == 0 } else { at < half };
                *level = if is_u { u } else { v };
            }
        }
        "gradient" => bytes = each(&|x, y, c| ((x * 3 + y * 5 + c * 40) % 256) as u8),
        "blocks" => {
            let background: u8 = get(picture, "background");
            let blocks: Vec<[u32; 5]> = find(picture, "blocks").unwrap_or_default();
            bytes = each(&|x, y, _| {
                let inside =
                    |&&[left, top, w, h, _]: &&[u32; 5]| (left..left + w).contains(&x) && (top..top + h).contains(&y);
                // The last of those that lie here.
                blocks.iter().rev().find(inside).map_or(background, |block| block[4] as u8)
            });
        }
        other => panic!("no pattern {other}"),
    }
    if let Some(noise) = picture.get("noise") {
        let (seed, levels): (u32, u32) = (get(noise, "seed"), get(noise, "levels"));
        let mut random = Random(seed.wrapping_add(turn));
        bytes.iter_mut().for_each(|byte| *byte = byte.saturating_add(random.next(levels)));
    }
    Ok(Frame::copy_from(&bytes, layout)?.with_meta(meta))
}

/// The bytes of an encoded picture: of a file, or as they stand in the case; perhaps cut off.
pub(crate) fn encoded(picture: &Value) -> Vec<u8> {
    let mut bytes = match find::<String>(picture, "file") {
        Some(file) => std::fs::read(data(&file)).unwrap_or_else(|error| panic!("{file}: {error}")),
        None => {
            let text: String = get(picture, "encoded_base64");
            base64::engine::general_purpose::STANDARD.decode(text).expect("Base64")
        }
    };
    bytes.truncate(find(picture, "cut").unwrap_or(usize::MAX));
    bytes
}

/// Whether a picture is an encoded one.
pub(crate) fn is_encoded(picture: &Value) -> bool {
    picture.get("file").is_some() || picture.get("encoded_base64").is_some()
}

/// The channels of a pixel of a packed format.
pub(crate) fn pixel(frame: &Frame, x: u32, y: u32) -> Vec<u8> {
    let row = frame.row(0, y);
    let channels = row.len() / frame.size().width as usize;
    row.chunks(channels).nth(x as usize).unwrap_or_default().to_vec()
}
