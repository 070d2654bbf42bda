//! The Rust side of `make compare-jpeg`: writes the pictures of the sweep, and what guarita decodes them to, into a folder,
//! with an index of them; compare/jpeg.py compares.

#[path = "../../core/tests/common/jpeg.rs"]
#[allow(dead_code, reason = "the tests use other parts")]
mod jpeg;

use guarita::PixelFormat;
use jpeg::{Decoded, sweep};
use serde_json::{Value, json};
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = PathBuf::from(std::env::args_os().nth(1).ok_or("the folder to write to is missing")?);
    let mut rows: Vec<Value> = Vec::new();
    let mut number = 0;
    for row in sweep() {
        let mut pictures: Vec<Value> = Vec::new();
        for structure in &row.structures {
            let encoded = structure.write();
            std::fs::write(folder.join(format!("{number}.jpg")), &encoded)?;
            let (width, height) = structure.size;
            let mut picture = json!({ "number": number, "width": width, "height": height });
            match Decoded::of(&encoded)? {
                Ok(Decoded { whole, reduced }) => {
                    let mut pixels = whole.data().to_vec();
                    reduced.iter().for_each(|small| pixels.extend(small.data()));
                    std::fs::write(folder.join(format!("{number}.raw")), pixels)?;
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
