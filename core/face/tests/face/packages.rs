//! The floors of packages: what a face may hold, and what this package may know.

use crate::repository;
use std::fs;
use std::path::{Path, PathBuf};

/// No language's crates here: what is shared by all faces belongs to none of them.
const OF_LANGUAGES: [&str; 8] = ["pyo3", "numpy", "pythonize", "napi", "neon", "cbindgen", "jni", "wasm-bindgen"];

/// What a face must not hold itself, as its source would name it: queues, threads, what a fork leaves behind, and the reading of
/// configs have their home here.
const NOT_IN_A_FACE: [&str; 9] = [
    "VecDeque",
    "Condvar",
    "thread::spawn",
    "thread::Builder",
    "thread::scope",
    "pthread_atfork",
    "catch_unwind",
    "serde_path_to_error",
    "LocalProviderConfig {",
];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// Where one of the words stands, in a line that is no comment.
fn named(source: &str, words: &[&str]) -> Vec<(usize, String)> {
    let code = (1..).zip(source.lines()).filter(|(_, line)| !line.trim_start().starts_with("//"));
    code.filter(|(_, line)| words.iter().any(|word| line.contains(word)))
        .map(|(number, line)| (number, line.trim().to_owned()))
        .collect()
}

/// The names of the dependencies of a package.
fn dependencies(manifest: &str) -> Vec<&str> {
    let mut inside = false;
    let mut found = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line.contains("dependencies");
        } else if inside && line.starts_with(|c: char| c.is_ascii_alphabetic()) {
            found.push(line.split(['=', '.', ' ']).next().unwrap_or_default());
        }
    }
    found
}

#[test]
fn packages_stand_on_floors() {
    let read = |path: &str| fs::read_to_string(repository().join(path)).unwrap();
    let (core, face) = (read("core/Cargo.toml"), read("core/face/Cargo.toml"));
    assert!(dependencies(&core).contains(&"serde_json") && !dependencies(&core).contains(&"guarita-face"));
    let ours = dependencies(&face);
    assert!(ours.contains(&"guarita"), "{ours:?}");
    assert!(!OF_LANGUAGES.iter().any(|crate_| ours.contains(crate_)), "{ours:?}");
}

#[test]
fn faces_convert_and_hold_no_machines() {
    let faces: Vec<_> = ["bindings-python", "bindings-node", "bindings-c"]
        .map(|face| repository().join(face).join("src"))
        .into_iter()
        .filter(|folder| folder.is_dir())
        .flat_map(|folder| sources(&folder))
        .collect();
    assert!(faces.len() > 30, "{} files", faces.len());
    let wrong: Vec<_> = faces
        .iter()
        .flat_map(|path| {
            let places = named(&fs::read_to_string(path).unwrap(), &NOT_IN_A_FACE);
            places.into_iter().map(move |(line, text)| format!("{}:{line}: {text}", path.display()))
        })
        .collect();
    assert!(wrong.is_empty(), "belongs into core/face (its README says why):\n{}", wrong.join("\n"));
}

#[test]
fn the_reader_sees_what_it_looks_for() {
    let source = "// a Condvar in a comment\nlet a = thread::spawn(|| ());\nuse std::collections::VecDeque;\n";
    assert_eq!(named(source, &NOT_IN_A_FACE).iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 3]);
    let manifest = "[package]\nname = \"a\"\n[dependencies]\nb = \"1\"\n# c\nd.workspace = true\n[target.'cfg(unix)'.dependencies]\ne = { path = \"f\" }\n[lib]\ntest = false\n";
    assert_eq!(dependencies(manifest), ["b", "d", "e"]);
}
