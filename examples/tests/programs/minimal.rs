//! `minimal`: the program that the README shows, the same in every language.

use super::{ffmpeg, repository, run};

fn read(path: &str) -> String {
    std::fs::read_to_string(repository().join(path)).unwrap()
}

#[test]
fn the_readme_shows_it_and_what_it_prints() {
    let program = read("examples/minimal/main.rs");
    // What it does, without what is said about it at its top.
    let (_, program) = program.split_once("\n\n").unwrap();
    for (language, text) in [("rust,no_run", program), ("text", &read("examples/minimal/output.txt"))] {
        let block = format!("```{language}\n{text}```\n");
        assert!(read("README.md").contains(&block), "README.md should show:\n{block}");
    }
}

#[test]
fn it_prints_what_it_prints_in_every_language() {
    for file in [".models/coco_ssd_mobilenet_v2.onnx", ".clips/market_street.mp4"] {
        if !repository().join(file).is_file() {
            println!("minimal: SKIPPED, no {file} (run `make models clips` once)");
            return;
        }
    }
    if ffmpeg().is_none() {
        println!("minimal: SKIPPED, no ffmpeg (run `make setup` once, or set GUARITA_FFMPEG)");
        return;
    }
    let output = run(env!("CARGO_BIN_EXE_minimal"), &[]);
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!((output.status.code(), err.as_str()), (Some(0), ""), "{out}");
    assert_eq!(out, read("examples/minimal/output.txt"));
}
