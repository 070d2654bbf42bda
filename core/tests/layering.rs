//! The floors of docs/architecture.md: a module uses only what stands below it, and so does a package.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test")]

mod floors;
mod rust_code;

use floors::{FLOORS, Package, Reexports};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

fn core() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn every_module_uses_only_what_stands_below_it() {
    let source = core().join("src");
    let reexports = floors::reexports(&rust_code::read(&source.join("lib.rs")));
    assert_eq!(reexports.get("ErrorCode").map(String::as_str), Some("error"));
    let modules = floors::modules(&source);
    let mut wrong = Vec::new();
    for module in &modules {
        let path: Vec<&str> = module.path.iter().map(String::as_str).collect();
        wrong.extend(floors::check(&module.file, &path, &module.source, &reexports));
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
    let names: BTreeSet<&str> = modules.iter().map(|module| &*module.path[0]).collect();
    let listed = FLOORS.iter().flat_map(|(_, modules)| *modules);
    let gone: Vec<_> = listed.filter(|name| !names.contains(**name)).collect();
    assert!(gone.is_empty(), "on a floor, but not in core/src: {gone:?}");
    println!("{} files of {} modules", modules.len(), names.len());
}

#[test]
fn every_package_uses_only_what_stands_below_it() {
    let root = core().parent().unwrap();
    let packages = floors::packages(root);
    let mut wrong = floors::check_packages(&packages);
    let hidden = floors::hidden_names(&floors::modules(&core().join("src")));
    assert!(!hidden.is_empty(), "the scan finds no hidden name");
    let mut files = 0;
    for package in packages.iter().filter(|package| package.floor() != Some(0)) {
        for path in rust_code::files(&root.join(&package.folder)) {
            let file = path.strip_prefix(root).unwrap().display().to_string();
            wrong.extend(floors::check_surface(&file, &package.folder, &rust_code::read(&path), &hidden));
            files += 1;
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
    assert!(files > 50, "{files} files of other packages are found");
}

fn reexports() -> Reexports {
    let lib = "mod a; pub use error::{Error, Result}; pub use onnx::runtime; pub use geometry::Size;";
    floors::reexports(&rust_code::parse(lib))
}

fn checked(module: &[&str], source: &str) -> Vec<String> {
    floors::check("file.rs", module, &rust_code::parse(source), &reexports())
}

#[test]
fn the_checker_sees_every_way_up() {
    for (module, source, expected) in [
        (&["frame"][..], "use crate::detector::X;", "file.rs:1: frame (floor 2) uses detector (floor 4)"),
        (&["model", "spec"], "\nuse crate::{error::E, onnx};", "file.rs:2: model (floor 3) uses onnx (floor 4)"),
        (&["model"], "use crate::{\n  error::{E, F as G},\n  detector::{self, Y},\n};", "file.rs:3: model"),
        (&["model"], "fn f() -> crate::onnx::Y { todo!() }", "model (floor 3) uses onnx"),
        (&["frame", "decode"], "use super::super::model::X;", "frame (floor 2) uses model (floor 3)"),
        (&["frame"], "use super::{error::E, super::x, detection};", "frame (floor 2) uses detection (floor 3)"),
        (&["frame"], "#[cfg(test)]\nmod tests { use super::super::onnx::X; }", "file.rs:2: frame (floor 2) uses onnx"),
        (&["frame"], "mod tests { mod deep {} } use super::onnx::X;", "frame (floor 2) uses onnx"),
        (&["frame"], "fn f() { crate::runtime(None); }", "frame (floor 2) uses onnx (floor 4)"),
        (&["frame"], "macro_rules! m { () => { $crate::detector::X } }", "frame (floor 2) uses detector"),
        // On one floor, the order counts.
        (&["frame"], "use crate::imaging::X;", "frame (floor 2) uses imaging (floor 2)"),
        (&["error"], "use crate::clock::X;", "error (floor 0) uses clock (floor 0)"),
        (&["frame"], "use crate::*;", "no module of FLOORS"),
        (&["frame"], "use super::*;", "no module of FLOORS"),
        (&["frame"], "use crate as everything;", "hides what is used"),
        (&["frame"], "use crate::attic::X;", "crate::attic::X"),
        (&["attic"], "", "attic is on no floor"),
        (&["detector"], "use ort::session::Session;", "only onnx may"),
        (&["detector"], "fn f() { ort::init(); }", "only onnx may"),
        (&["provider"], "use aws_sdk_rekognition::Client;", "only packages of services may"),
        (&["provider", "local"], "fn f() { tokio::spawn(1); }", "only packages of services may"),
        (&["resilience"], "use {tokio::time, std::fmt};", "only packages of services may"),
        (&["provider"], "async fn f() {}", "provider uses async"),
        (&["frame"], "fn f() { tokio::spawn(1); }", "only packages of services may"),
        (&["event", "channel"], "use ureq::Agent;", "only packages of services may"),
        (&["pipeline"], "fn f() { rustls_native_certs::load(); }", "only packages of services may"),
        (&["event"], "fn f() { rustls::f(); }", "only packages of services may"),
        (
            &["onnx"],
            "pub fn f(\n  session: &ort::session::Session,\n) {}",
            "file.rs:2: ort of ort in a public signature",
        ),
        (&["onnx"], "use ort::session::Session; pub struct S(pub Session);", "Session of ort in a public signature"),
        (&["onnx"], "use ort::session::Session; pub struct S { a: u8, pub session: Session }", "in a public signature"),
        (&["frame"], "fn f() { assert_eq!(1, g(crate::detector::X)); }", "frame (floor 2) uses detector"),
        (&["frame"], "macro_rules! m { () => { use crate::{error::E, onnx::{X}}; } }", "frame (floor 2) uses onnx"),
        (&["frame"], "type T = Vec<<crate::onnx::X as Deref>::Target>;", "frame (floor 2) uses onnx"),
        (&["provider"], "fn f() { select! { _ = x.await => {} } }", "provider uses await"),
        (&["provider"], "fn f() { g(async move || 1); }", "provider uses async"),
        (&["onnx"], "pub enum E { A(ort::Error) }", "ort of ort in a public signature"),
        (&["onnx"], "pub trait T { fn f(&self) -> ort::Error; }", "ort of ort in a public signature"),
        (&["onnx"], "use ort::session as s; pub type S = s::Session;", "s of ort in a public signature"),
        (&["onnx"], "pub use ort::Error;", "ort of ort in a public signature"),
    ] {
        let wrong = checked(module, source);
        assert!(wrong.iter().any(|line| line.contains(expected)), "{source}: {wrong:?} has no {expected:?}");
    }
}

#[test]
fn the_checker_does_not_trip() {
    for (module, source) in [
        (
            &["frame"][..],
            "//! crate::onnx::Y\n// use crate::detector::X;\n/* a /* crate::onnx */ crate::model */\n/// [`X`](crate::Detector)\nfn f() {}",
        ),
        (
            &["frame"],
            r##"const A: &str = "use crate::detector::X; \" crate::onnx::Y"; const B: &str = r#"" crate::model::Z"#;"##,
        ),
        (&["frame"], "fn f<'a>(c: &'a u8) -> char { if *c > 0 { '\"' } else { '\\'' } } // \" crate::onnx::X"),
        (&["frame"], "fn f() { g(b\"crate::onnx::A\", br\"crate::onnx::B\\\", br#\"crate::onnx::C\"#); }"),
        (
            &["frame", "decode"],
            "use super::{Frame, Layout}; use crate::error::Error; pub(crate) fn f() {} pub(super) fn g() {}",
        ),
        (&["frame"], "mod tests { use super::*; mod deep { use super::super::Frame; } }"),
        (&["frame"], "use crate::{Error, Size, frame::X};"),
        (&["detector", "config"], "use crate::{error::{self, E}, geometry as g, onnx::{A, b::C}, runtime};"),
        (
            &["onnx"],
            "use ort::session::Session; pub(crate) struct S { session: Session } impl S { fn f(s: &ort::Error) {} }",
        ),
        (
            &["onnx"],
            "use ort::ep::ExecutionProvider as _; pub fn f(p: ExecutionProvider) {} pub struct Q { pub a: u8, b: ort::Error }",
        ),
        (&["provider"], "// tokio::spawn\nfn aws_like(tokio: u8) { my::tokio::f(); }"),
        (&["frame"], "fn sort(port: u8) { port::x(); my::ort::y(); }"),
    ] {
        assert_eq!(checked(module, source), Vec::<String>::new(), "{source}");
    }
}

fn package(folder: &str, manifest: &str) -> Package {
    Package { folder: folder.into(), manifest: manifest.parse().unwrap() }
}

#[test]
fn the_checker_sees_every_package_that_reaches_up() {
    let core = || package("core", "package.name = 'guarita'");
    let sink = |more: &str| package("core/adapters/sink", &format!("package.name = 'guarita-sink'\n{more}"));
    let face = |more: &str| package("core/face", &format!("package.name = 'guarita-face'\n{more}"));
    let wrong = |packages: &[Package]| floors::check_packages(packages).join("\n");

    let good = [
        core(),
        sink("dependencies.guarita.path = '../..'"),
        face("dependencies = { guarita = '1', guarita-sink = '1', serde = '1' }"),
        package("bindings-python", "package.name = 'guarita-python'\ndependencies.guarita-face = '1'"),
    ];
    assert_eq!(wrong(&good), "");

    let up = "package.name = 'guarita'\ntarget.'cfg(unix)'.dependencies.sink = { package = 'guarita-sink', optional = true }";
    assert!(wrong(&[package("core", up), sink("")]).contains("guarita (floor 0) depends on guarita-sink"));
    assert!(wrong(&[core(), face(""), sink("dependencies.guarita-face = '1'")]).contains("depends on guarita-face"));
    // Tests may use what stands above.
    assert_eq!(wrong(&[core(), face(""), sink("dev-dependencies.guarita-face = '1'")]), "");
    let other = package("core/adapters/other", "package.name = 'guarita-other'\nbuild-dependencies.guarita-sink = '1'");
    assert!(wrong(&[sink(""), other]).contains("guarita-other (floor 2) depends on guarita-sink"));
    assert!(wrong(&[package("attic", "package.name = 'attic'")]).contains("attic is on no floor"));
    assert!(wrong(&[package("core/adapters/a/b", "package.name = 'deep'")]).contains("deep is on no floor"));
}

#[test]
fn the_checker_sees_what_is_not_public() {
    let core =
        "#[doc(hidden)] pub fn bench() {} pub struct S; impl S { #[doc(hidden)] pub fn raw(&self) {} pub fn f() {} }";
    let module = floors::Module { file: String::new(), path: vec!["a".into()], source: rust_code::parse(core) };
    let hidden = floors::hidden_names(&[module]);
    assert_eq!(hidden, ["bench", "raw"].map(str::to_owned).into());
    let wrong = |folder: &str, source: &str| {
        floors::check_surface("file.rs", folder, &rust_code::parse(source), &hidden).join("\n")
    };
    for source in [
        "use guarita::bench;",
        "\nuse guarita::{S, bench as b};",
        "fn f() { guarita::bench(); }",
        "fn f(s: guarita::S) { s.raw(); }",
        "fn f() { assert!(guarita::bench()); }",
    ] {
        assert!(wrong("core/adapters/sink", source).contains("is no part of the core's public surface"), "{source}");
    }
    let outside = "#[path = \"../../src/sync.rs\"] mod sync;";
    assert!(wrong("core/face", outside).contains("reaches out of the package"));
    assert_eq!(wrong("core/loom", outside), "");
    assert_eq!(wrong("core/face", "use guarita::S; #[path = \"deep/a.rs\"] mod a; fn f() { S::f(); } // bench"), "");
    assert_eq!(wrong("benches", "use guarita::bench;"), "");
}

/// The lowest Rust that a package says it builds with is no lower than what its dependencies ask for, those of tests aside.
#[test]
fn no_dependency_asks_for_a_newer_rust() {
    let output = std::process::Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .current_dir(core())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages: BTreeMap<&str, &serde_json::Value> = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| (package["id"].as_str().unwrap(), package))
        .collect();
    let nodes: BTreeMap<&str, &serde_json::Value> = metadata["resolve"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| (node["id"].as_str().unwrap(), node))
        .collect();
    let asks = |id: &str| version(packages[id]["rust_version"].as_str().unwrap_or("1.0"));
    let mut wrong = Vec::new();
    let members = metadata["workspace_members"].as_array().unwrap();
    for member in members.iter().map(|member| member.as_str().unwrap()) {
        let (mut seen, mut open) = (BTreeSet::from([member]), vec![member]);
        while let Some(id) = open.pop() {
            if asks(id) > asks(member) {
                wrong.push(format!("{member} is older than what {id} asks for"));
            }
            let used = nodes[id]["deps"].as_array().unwrap().iter();
            let used = used.filter(|one| one["dep_kinds"].as_array().unwrap().iter().any(|kind| kind["kind"] != "dev"));
            open.extend(used.map(|one| one["pkg"].as_str().unwrap()).filter(|id| seen.insert(id)));
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
    assert!(version("1.9.1") < version("1.10") && members.len() > 5);
}

fn version(text: &str) -> Vec<u32> {
    text.split('.').map(|number| number.parse().unwrap()).collect()
}

/// `make demo` compiles what `make wheel` needs, and `cargo test` what the wheel of the tests needs: nothing is compiled again
/// for another set of features (docs/adr/0029-builds-share-their-crates.md).
#[test]
fn builds_share_what_they_compile() {
    let first: &[&str] = &["-e", "normal,build", "-p", "guarita-examples", "--no-default-features"];
    let demo: &[&str] = &["-e", "normal,build", "-p", "guarita-examples"];
    let wheel: &[&str] = &["-e", "normal,build", "-p", "guarita-python"];
    let tests: &[&str] = &["-e", "normal,build,dev", "--workspace", "--all-features"];
    let tested: &[&str] = &["-e", "normal,build", "-p", "guarita-python", "--all-features"];
    let mut wrong = Vec::new();
    for (one, other) in [(first, demo), (demo, wheel), (tests, tested)] {
        let root = core().parent().unwrap();
        let (ones, others) = (floors::crates(root, one), floors::crates(root, other));
        for (name, sets) in ones.iter().filter(|(name, _)| !name.starts_with("guarita-examples ")) {
            let Some(more) = others.get(name).filter(|more| !sets.is_subset(more) && !more.is_subset(sets)) else {
                continue;
            };
            wrong.push(format!("{name}: {sets:?} for {one:?}, {more:?} for {other:?}"));
        }
        assert!(ones.len() > 100 && others.len() > 100);
    }
    assert!(wrong.is_empty(), "add what is missing to core/unified-features:\n{}\n", wrong.join("\n"));
}
