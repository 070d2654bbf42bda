//! Draws the pictures of the cases into files, once, so that no runner has to: what a runner reads is the same suites, in
//! which each picture names its files. `vectors/README.md` says what the generators draw.

use super::{data, find, get};
use base64::Engine;
use guarita::PixelFormat;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Writes the suites with their pictures drawn below `folder`, which is made anew, and gives their cases.
pub(crate) fn prepare(suites: &[(&str, Vec<Value>)], folder: &Path) -> BTreeMap<String, Vec<Value>> {
    let pictures = folder.join("pictures");
    let _ = std::fs::remove_dir_all(folder);
    std::fs::create_dir_all(&pictures).unwrap();
    let mut drawn = Drawn { folder, files: BTreeMap::new() };
    let mut prepared = BTreeMap::new();
    for (suite, cases) in suites {
        let cases: Vec<Value> = cases.iter().map(|case| drawn.inside(case, 1)).collect();
        let text = json!({ "suite": suite, "cases": cases }).to_string();
        std::fs::write(folder.join(format!("{suite}.json")), text).unwrap();
        prepared.insert((*suite).to_owned(), cases);
    }
    prepared
}

struct Drawn<'a> {
    folder: &'a Path,
    /// By what they are of.
    files: BTreeMap<String, String>,
}

impl Drawn<'_> {
    /// The same with pictures as files; what lies in a step is drawn `turns` times.
    fn inside(&mut self, value: &Value, turns: u32) -> Value {
        match value {
            Value::Object(fields) => {
                let turns = find(value, "repeat").unwrap_or(turns);
                let mut one = |key: &String, inner: &Value| match (&**key, inner) {
                    ("picture", Value::Object(_)) => self.picture(inner, turns),
                    ("pictures", Value::Array(list)) => list.iter().map(|each| self.picture(each, 1)).collect(),
                    // What is expected may speak of pictures too.
                    ("expect" | "error", _) => inner.clone(),
                    _ => self.inside(inner, turns),
                };
                fields.iter().map(|(key, inner)| (key.clone(), one(key, inner))).collect::<Map<_, _>>().into()
            }
            Value::Array(list) => list.iter().map(|inner| self.inside(inner, turns)).collect(),
            plain => plain.clone(),
        }
    }

    fn picture(&mut self, picture: &Value, turns: u32) -> Value {
        if picture.get("pattern").is_none() {
            return json!({ "encoded": self.file(picture.to_string(), || encoded(picture)) });
        }
        // Without noise, every turn is the same.
        let turns = if picture.get("noise").is_some() { turns } else { 1 };
        let raw: Vec<String> =
            (0..turns).map(|turn| self.file(format!("{picture} {turn}"), || draw(picture, turn))).collect();
        let format = picture.get("format").cloned().unwrap_or(json!("gray8"));
        json!({ "raw": raw, "width": picture["width"], "height": picture["height"], "format": format })
    }

    fn file(&mut self, of: String, bytes: impl FnOnce() -> Vec<u8>) -> String {
        let number = self.files.len();
        let name = self.files.entry(of).or_insert_with(|| {
            let name = format!("pictures/{number}");
            std::fs::write(self.folder.join(&name), bytes()).unwrap();
            name
        });
        name.clone()
    }
}

/// Numbers that look random, from a seed (a linear congruential generator).
struct Random(u32);

impl Random {
    fn next(&mut self, below: u32) -> u8 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((self.0 >> 16) % below) as u8
    }
}

/// The bytes of a picture, row by row; the seed of its noise is moved on by `turn`.
fn draw(picture: &Value, turn: u32) -> Vec<u8> {
    let (width, height): (u32, u32) = (get(picture, "width"), get(picture, "height"));
    let format: PixelFormat = find(picture, "format").unwrap_or(PixelFormat::Gray8);
    let channels: u32 = match format {
        PixelFormat::Rgb8 | PixelFormat::Bgr8 => 3,
        PixelFormat::Rgba8 | PixelFormat::Bgra8 => 4,
        _ => 1,
    };
    let each = |level: &dyn Fn(u32, u32, u32) -> u8| -> Vec<u8> {
        let rows = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        rows.flat_map(|(x, y)| (0..channels).map(move |c| level(x, y, c))).collect()
    };
    let mut bytes = match get::<String>(picture, "pattern").as_str() {
        "flat" => get::<Vec<u8>>(picture, "value").repeat((width * height) as usize),
        "planes" => {
            // One level for each of Y, U and V.
            let [luma, u, v]: [u8; 3] = get(picture, "value");
            let mut bytes = vec![luma; (width * height) as usize];
            let chroma = bytes.len() / 2;
            let is_u = |at: usize| if format == PixelFormat::Nv12 { at.is_multiple_of(2) } else { at < chroma / 2 };
            bytes.extend((0..chroma).map(|at| if is_u(at) { u } else { v }));
            bytes
        }
        "gradient" => each(&|x, y, c| ((x * 3 + y * 5 + c * 40) % 256) as u8),
        "blocks" => {
            let background: u8 = get(picture, "background");
            let blocks: Vec<[u32; 5]> = find(picture, "blocks").unwrap_or_default();
            each(&|x, y, _| {
                let inside =
                    |&&[left, top, w, h, _]: &&[u32; 5]| (left..left + w).contains(&x) && (top..top + h).contains(&y);
                // The last of those that lie here.
                blocks.iter().rev().find(inside).map_or(background, |block| block[4] as u8)
            })
        }
        other => panic!("no pattern {other}"),
    };
    if let Some(noise) = picture.get("noise") {
        let (seed, levels): (u32, u32) = (get(noise, "seed"), get(noise, "levels"));
        let mut random = Random(seed.wrapping_add(turn));
        bytes.iter_mut().for_each(|byte| *byte = byte.saturating_add(random.next(levels)));
    }
    bytes
}

/// The bytes of an encoded picture: of a file, or as they stand in the case; perhaps cut off.
fn encoded(picture: &Value) -> Vec<u8> {
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
