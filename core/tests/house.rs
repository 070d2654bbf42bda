//! `make house`: how the house stands, in figures. Floors of modules and packages, what reaches up, the files that name each
//! sink and cloud, the names at the root of `guarita::`, and the crates of each build.
//!
//! It has no harness, so that its last line is the one to compare.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test")]
#![allow(clippy::disallowed_methods, reason = "tests may read the environment")]

mod floors;
mod rust_code;

use floors::{FLOORS, Module, PACKAGES};
use regex_lite::Regex;
use rust_code::Code;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Sinks and clouds, and how files name them. The folders and files that are called so are their own.
const ADAPTERS: [(&str, &str); 5] = [
    ("callback", "CallbackSink|CallbackProvider|callback::"),
    ("channel", "ChannelSink|EventReceiver|channel::Channel"),
    ("json_lines", "(?i)json[_-]?lines"),
    ("rekognition", "(?i)rekognition"),
    ("webhook", "(?i)webhook"),
];

/// What a host builds: tests, benches and examples are free to name what they use.
const LIBRARY: [&str; 6] =
    ["core/src", "core/adapters", "core/face/src", "bindings-python/src", "bindings-node/src", "bindings-c/src"];

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let source = root.join("core/src");
    let lib = rust_code::read(&source.join("lib.rs"));
    let modules = floors::modules(&source);

    println!("floors of modules");
    for (floor, names) in FLOORS.iter().rev() {
        let files = |name: &&&str| modules.iter().filter(|module| module.path[0] == ***name).count();
        let counted: Vec<String> = names.iter().map(|name| format!("{name} ({})", files(&name))).collect();
        println!("  {floor}  {}", counted.join(" "));
    }
    let packages = floors::packages(root);
    println!("floors of packages");
    for (floor, _) in PACKAGES.iter().rev() {
        let there = packages.iter().filter(|package| package.floor() == Some(*floor)).map(|package| package.name());
        println!("  {floor}  {}", there.collect::<Vec<_>>().join(" "));
    }

    let mut upward = floors::check_packages(&packages);
    upward.extend(reaching_up(&modules, &lib));
    println!("upward imports: {}", upward.len());
    upward.iter().for_each(|fault| println!("  {fault}"));

    println!("files of the library that name a sink or a cloud, but for its own");
    let texts: Vec<(PathBuf, String)> = LIBRARY
        .iter()
        .flat_map(|folder| rust_code::files(&root.join(folder)))
        .filter(|path| path.file_stem().and_then(|stem| stem.to_str()).is_some_and(|stem| !stem.ends_with("tests")))
        .map(|path| (path.strip_prefix(root).unwrap().to_owned(), std::fs::read_to_string(&path).unwrap()))
        .collect();
    let mut worst = 0;
    for (name, pattern) in ADAPTERS {
        let pattern = Regex::new(pattern).unwrap();
        let is_own = |path: &Path| path.iter().any(|part| Path::new(part).file_stem().is_some_and(|stem| stem == name));
        let naming: Vec<_> = texts.iter().filter(|(path, text)| !is_own(path) && pattern.is_match(text)).collect();
        println!("  {name}: {}", naming.len());
        naming.iter().for_each(|(path, _)| println!("    {}", path.display()));
        worst = worst.max(naming.len());
    }

    let names = root_names(&lib);
    println!("names at the root of guarita::, {}:", names.len());
    println!("  {}", names.iter().map(String::as_str).collect::<Vec<_>>().join(" "));

    println!("crates of a build, guarita itself left out");
    let default = crates(root, None);
    println!("  default: {default}");
    for feature in features(&packages) {
        let count = crates(root, Some(&feature));
        println!("  {feature}: {count} (+{})", count - default);
    }

    println!(
        "house: {} upward, {} root names, worst adapter {worst} files, default {default} crates",
        upward.len(),
        names.len()
    );
    assert!(upward.is_empty(), "what stands above is used");
}

fn reaching_up(modules: &[Module], lib: &syn::File) -> Vec<String> {
    let reexports = floors::reexports(lib);
    let one = |module: &Module| {
        let path: Vec<&str> = module.path.iter().map(String::as_str).collect();
        floors::upward(&module.file, &path, &Code::of(&module.source), &reexports)
    };
    modules.iter().flat_map(one).collect()
}

/// What `use guarita::…` finds without a namespace; hidden names left out.
fn root_names(lib: &syn::File) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for item in &lib.items {
        let syn::Item::Use(item) = item else { continue };
        if rust_code::is_public(&item.vis) && !rust_code::is_hidden(&item.attrs) {
            names.extend(Code::of_use(item).iter().filter_map(|named| Some(named.name()?.to_owned())));
        }
    }
    names
}

fn features(packages: &[floors::Package]) -> Vec<String> {
    let core = packages.iter().find(|package| package.name() == "guarita").expect("the core");
    let table = core.manifest.get("features").and_then(toml::Value::as_table);
    table.into_iter().flat_map(|table| table.keys().cloned()).filter(|name| name != "default").collect()
}

/// Crates of a build of the library with this feature, the library itself left out.
fn crates(root: &Path, feature: Option<&str>) -> usize {
    let mut build = vec!["-p", "guarita", "-e", "normal,build"];
    build.extend(feature.iter().flat_map(|name| ["--features", name]));
    floors::crates(root, &build).len() - 1
}
