//! The Rust side of `make compare-jpeg`: writes the pictures of the sweep, or others whose structure is drawn by lot, and what
//! guarita decodes them to, into a folder, with an index of them; compare/jpeg.py compares.

#[path = "../../core/tests/common/jpeg.rs"]
#[allow(dead_code, reason = "the tests use other parts")]
mod jpeg;

use guarita::PixelFormat;
use jpeg::{Decoded, Row, Structure, sweep};
use serde_json::{Value, json};
use std::path::PathBuf;

/// A row for each of so many structures; the same ones for the same seed.
fn drawn(count: u64, seed: u64) -> Vec<Row> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut draw = |end: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 16) as usize % end
    };
    let mut row = || {
        let structure = Structure::drawn(&mut draw);
        Row { name: format!("{structure:?}"), structures: vec![structure] }
    };
    (0..count).map(|_| row()).collect()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (folder, all) = match &arguments[..] {
        [folder] => (PathBuf::from(folder), sweep()),
        [folder, count, seed] => (PathBuf::from(folder), drawn(count.parse()?, seed.parse()?)),
        _ => return Err("usage: compare-jpeg FOLDER [COUNT SEED]".into()),
    };
    let mut rows: Vec<Value> = Vec::new();
    let mut number = 0;
    for row in all {
        let mut pictures: Vec<Value> = Vec::new();
        for structure in &row.structures {
            let encoded = structure.write();
            std::fs::write(folder.join(format!("{number}.jpg")), &encoded)?;
            let (width, height) = structure.size;
            let ids: Vec<u8> = structure.components.iter().map(|component| component.id).collect();
            let mut picture = json!({
                "number": number, "width": width, "height": height,
                "ids": ids, "jfif": structure.jfif, "adobe": structure.adobe,
            });
            match Decoded::of(&encoded)? {
                Ok(Decoded { whole, reduced }) => {
                    let mut pixels = whole.plane(0).to_vec();
                    reduced.iter().for_each(|small| pixels.extend(small.plane(0)));
                    std::fs::write(folder.join(format!("{number}.raw")), pixels)?;
                    let sizes = reduced.each_ref().map(|small| [small.size().width, small.size().height]);
                    picture["small"] = json!(sizes);
                    picture["channels"] = json!(if whole.format() == PixelFormat::Gray8 { 1 } else { 3 });
                }
                Err(error) => picture["refused"] = json!(error.code().to_string()),
            }
            pictures.push(picture);
            number += 1;
        }
        rows.push(
            json!({ "name": row.name, "verdict": row.verdict().unwrap_or_else(|why| why), "pictures": pictures }),
        );
    }
    std::fs::write(folder.join("index.json"), serde_json::to_vec(&rows)?)?;
    Ok(())
}
