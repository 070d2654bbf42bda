//! Writes the cases out for all runners: what each is to call, with the pictures of the case drawn into files, once.
//! `vectors/README.md` says what the generators draw.

use super::{data, find, get};
use crate::judging::runs::{Run, runs};
use base64::Engine;
use guarita::PixelFormat;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What a runner is given: the name of the suite, and a run of one of its cases.
pub(crate) type Prepared = Vec<(String, Run)>;

/// Writes `cases.json` and the files that it names into `folder`, which is made anew.
pub(crate) fn prepare(suites: &[(&str, Vec<Value>)], folder: &Path) -> Prepared {
    let _ = std::fs::remove_dir_all(folder);
    let mut files = Files { folder: folder.join("files"), by_content: BTreeMap::new() };
    std::fs::create_dir_all(&files.folder).unwrap();
    let mut prepared = Vec::new();
    for (suite, cases) in suites {
        for run in cases.iter().flat_map(|case| runs(suite, case)) {
            let input = files.call(&run.input);
            prepared.push(((*suite).to_owned(), Run { input, ..run }));
        }
    }
    let told = |(suite, run): &(String, Run)| json!({ "suite": suite, "case": run.name, "input": run.input });
    let all: Vec<Value> = prepared.iter().map(told).collect();
    std::fs::write(folder.join("cases.json"), json!(all).to_string()).unwrap();
    prepared
}

struct Files {
    folder: PathBuf,
    /// Their names by what they are of.
    by_content: BTreeMap<String, String>,
}

impl Files {
    /// The same with files for what a call reads.
    fn call(&mut self, input: &Value) -> Value {
        let mut input = self.inside(input);
        for key in ["file", "model"] {
            if let Some(name) = find::<String>(&input, key) {
                input[key] = path(&data(&name));
            }
        }
        for key in ["arguments", "fields"] {
            match input.get_mut(key) {
                Some(Value::Array(list)) => list.iter_mut().for_each(|value| self.named(value)),
                Some(Value::Object(fields)) => fields.values_mut().for_each(|value| self.named(value)),
                _ => {}
            }
        }
        match find::<String>(&input, "op").as_deref() {
            Some("raw") => {
                input["picture"] = self.buffer(&input);
                input["op"] = json!("draw");
            }
            Some("planes") => {
                let lens: Vec<usize> = get(&input, "bytes");
                // Byte k of plane p is k + 10p modulo 251.
                let plane = |(p, len): (usize, usize)| (0..len).map(|k| ((k + 10 * p) % 251) as u8).collect();
                let planes: Vec<Vec<u8>> = lens.into_iter().enumerate().map(plane).collect();
                let mut name = |bytes: &Vec<u8>| self.file(format!("plane {bytes:?}"), || bytes.clone());
                input["planes"] = planes.iter().map(&mut name).collect();
            }
            _ => {}
        }
        input
    }

    /// `$model` is a model that every detector takes, and `$file` a file that is not there yet.
    fn named(&mut self, value: &mut Value) {
        match value.as_str() {
            Some("$model") => *value = path(&data("../../../models/fixtures/v8_nc80.onnx")),
            Some("$file") => {
                let number = self.by_content.len();
                self.by_content.insert(format!("made {number}"), String::new());
                *value = path(&self.folder.join(format!("made-{number}")));
            }
            _ => {}
        }
    }

    /// The same with pictures as files.
    fn inside(&mut self, value: &Value) -> Value {
        match value {
            Value::Object(fields) => {
                let mut one = |key: &String, inner: &Value| match (&**key, inner) {
                    // In a config it is a word.
                    ("picture", Value::Object(_)) => self.picture(inner),
                    ("pictures", Value::Array(list)) => list.iter().map(|each| self.picture(each)).collect(),
                    _ => self.inside(inner),
                };
                fields.iter().map(|(key, inner)| (key.clone(), one(key, inner))).collect::<Map<_, _>>().into()
            }
            Value::Array(list) => list.iter().map(|inner| self.inside(inner)).collect(),
            plain => plain.clone(),
        }
    }

    fn picture(&mut self, picture: &Value) -> Value {
        match picture.get("pattern") {
            None => json!({ "encoded": self.file(picture.to_string(), || encoded(picture)) }),
            Some(_) => {
                let file = self.file(picture.to_string(), || draw(picture));
                raw(picture, file, None)
            }
        }
    }

    /// A buffer of the host's, whose byte k is k modulo 251: no row is like another.
    fn buffer(&mut self, input: &Value) -> Value {
        let len: usize = get(input, "bytes");
        let file = self.file(format!("buffer {len}"), || (0..len).map(|k| (k % 251) as u8).collect());
        let stride = find::<Vec<usize>>(input, "strides").and_then(|strides| strides.first().copied());
        let mut picture = raw(input, file, stride);
        picture["pts"] = input["pts"].clone();
        picture
    }

    fn file(&mut self, of: String, bytes: impl FnOnce() -> Vec<u8>) -> String {
        let number = self.by_content.len();
        let name = self.by_content.entry(of).or_insert_with(|| {
            let file = self.folder.join(number.to_string());
            std::fs::write(&file, bytes()).unwrap();
            file.to_str().expect("Unicode").to_owned()
        });
        name.clone()
    }
}

fn path(path: &Path) -> Value {
    path.to_str().expect("Unicode").into()
}

/// Rows of pixels in a file, `stride` bytes apart where they are not packed, as arrays have them too.
fn raw(picture: &Value, file: String, stride: Option<usize>) -> Value {
    let (width, height): (usize, usize) = (get(picture, "width"), get(picture, "height"));
    let format = find::<String>(picture, "format").unwrap_or("gray8".into());
    let (shape, strides) = match (&*format, channels(&format)) {
        ("nv12" | "i420", _) => (vec![height * 3 / 2, width], vec![stride.unwrap_or(width), 1]),
        (_, 1) => (vec![height, width], vec![stride.unwrap_or(width), 1]),
        (_, channels) => (vec![height, width, channels], vec![stride.unwrap_or(width * channels), channels, 1]),
    };
    json!({ "raw": file, "width": width, "height": height, "format": format, "shape": shape, "strides": strides })
}

fn channels(format: &str) -> usize {
    match format {
        "rgb8" | "bgr8" => 3,
        "rgba8" | "bgra8" => 4,
        _ => 1,
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

/// The bytes of a picture, row by row.
fn draw(picture: &Value) -> Vec<u8> {
    let (width, height): (u32, u32) = (get(picture, "width"), get(picture, "height"));
    let format: PixelFormat = find(picture, "format").unwrap_or(PixelFormat::Gray8);
    let channels = find::<String>(picture, "format").map_or(1, |format| channels(&format)) as u32;
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
        let mut random = Random(seed);
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
