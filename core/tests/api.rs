//! `vectors/api.json` and the public API of the core and of the packages in `core/adapters` say the same: every Rust name there exists, and the core has nothing that
//! is not there, or is there as Rust's own, with a reason. The other languages check their names against the same file.
//!
//! The sources are read as text, as formatted by rustfmt: what is re-exported in `lib.rs`, and the public functions and
//! fields of these types.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test")]

use guarita::ErrorCode;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Functions that a package of a cloud has for Rust hosts alone.
const OF_EVERY_PACKAGE: [&str; 1] = ["label_map"];

/// Public members by the name of the type; functions have none.
type Core = BTreeMap<String, BTreeSet<String>>;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn api() -> Value {
    let text = std::fs::read_to_string(folder("tests/vectors/api.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The first word of a text that is a name.
fn name(text: &str) -> String {
    text.chars().take_while(|&c| c.is_alphanumeric() || c == '_').collect()
}

/// The names that `lib.rs` re-exports, hidden ones left out.
fn exports(lib: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (before, rest) in lib.match_indices("pub use ").map(|(at, _)| lib.split_at(at)) {
        let hidden = before.trim_end().ends_with("#[doc(hidden)]");
        let list = rest.split_once(';').unwrap().0.rsplit_once("::").unwrap().1;
        // A list has its own colons only before the brace.
        let list = rest.split_once(';').unwrap().0.split_once('{').map_or(list, |(_, list)| list.trim_end_matches('}'));
        if !hidden {
            names.extend(list.split(',').map(|one| one.trim().to_owned()).filter(|one| !one.is_empty()));
        }
    }
    names
}

/// Adds what a source file says of the exported types.
fn scan(source: &str, exported: &BTreeSet<String>, core: &mut Core) {
    // The type whose block this is, and how its public members begin.
    let mut block: Option<(String, &[&str])> = None;
    for line in source.lines() {
        if line == "}" {
            block = None;
        }
        for (kind, members) in
            [("struct", &["pub "][..]), ("trait", &["fn "][..]), ("enum", &[][..]), ("fn", &[][..]), ("type", &[][..])]
        {
            let Some(item) = line.strip_prefix("pub ").and_then(|rest| rest.strip_prefix(kind)) else { continue };
            let item = name(item.trim_start());
            if exported.contains(&item) {
                core.entry(item.clone()).or_default();
                block = line.ends_with('{').then_some((item, members)).filter(|_| !members.is_empty());
            }
        }
        if let Some(header) = line.strip_prefix("impl").filter(|header| !header.contains(" for ")) {
            // Behind the generics of the impl itself.
            let header = header.strip_prefix('<').and_then(|inner| inner.split_once("> ")).map_or(header, |two| two.1);
            let item = name(header.trim_start());
            block = exported.contains(&item).then_some((item, &["pub fn ", "pub const fn "]));
        }
        let Some((item, starts)) = &block else { continue };
        let Some(inner) = line.strip_prefix("    ").filter(|inner| !inner.starts_with(' ')) else { continue };
        if let Some(member) = starts.iter().find_map(|start| inner.strip_prefix(start)) {
            // Of a struct's fields, `pub(super)` ones do not begin so; a function's name is followed by its arguments.
            core.entry(item.clone()).or_default().insert(name(member));
        }
    }
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        // Its own `Outcome` is another one.
        if path.is_dir() && !path.ends_with("testkit") {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The folders of sources that the faces are made of: the core's, and those of the packages of clouds and sinks.
fn roots() -> Vec<PathBuf> {
    let adapters = std::fs::read_dir(folder("adapters")).unwrap().map(|entry| entry.unwrap().path().join("src"));
    std::iter::once(folder("src")).chain(adapters).collect()
}

fn core() -> Core {
    let mut exported = BTreeSet::new();
    let mut core = Core::new();
    let mut files = Vec::new();
    for root in roots() {
        let names = exports(&std::fs::read_to_string(root.join("lib.rs")).unwrap());
        // What each of them has under the same name, and the faces get from the list of packages.
        exported.extend(names.into_iter().filter(|name| !OF_EVERY_PACKAGE.contains(&&**name)));
        sources(&root, &mut files);
    }
    for file in files {
        scan(&std::fs::read_to_string(file).unwrap(), &exported, &mut core);
    }
    let found: BTreeSet<String> = core.keys().cloned().collect();
    assert_eq!(found, exported, "an export that the scan does not find");
    core
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

/// The names in `rust` of an entry: none, one, or several; of this noun where they do not say of what.
fn rust_names(entry: &Value, noun: &Value) -> Vec<String> {
    let whole = |one: &Value| match text(one) {
        one if one.contains("::") => one.to_owned(),
        one => format!("{}::{one}", text(noun)),
    };
    match &entry["rust"] {
        Value::Null => Vec::new(),
        Value::Array(several) => several.iter().map(whole).collect(),
        one => vec![whole(one)],
    }
}

fn entries<'a>(api: &'a Value, list: &str) -> &'a Vec<Value> {
    api[list].as_array().unwrap_or_else(|| panic!("{list} is no list"))
}

/// Every `Type::member` that an entry names.
fn mapped(api: &Value) -> BTreeSet<String> {
    let methods = |noun: &Value| -> Vec<String> {
        entries(noun, "methods").iter().flat_map(|method| rust_names(method, &noun["rust"])).collect()
    };
    entries(api, "nouns").iter().flat_map(methods).collect()
}

/// Types that are plain data in other languages, and types and functions that they do not have at all.
fn excused(api: &Value) -> BTreeSet<String> {
    let plain = ["configs", "words", "values"].iter().flat_map(|list| entries(api, list)).map(text);
    plain.chain(entries(api, "rust_only").iter().map(|one| text(&one["name"]))).map(str::to_owned).collect()
}

#[test]
fn every_rust_name_exists() {
    let (api, core) = (api(), core());
    let exists = |name: &str| match name.split_once("::") {
        Some((item, member)) => core.get(item).is_some_and(|members| members.contains(member)),
        None => core.contains_key(name),
    };
    let nouns = entries(&api, "nouns").iter().chain(entries(&api, "functions"));
    let heads = nouns.filter_map(|entry| entry["rust"].as_str().map(str::to_owned));
    let missing: Vec<_> = heads.chain(mapped(&api)).chain(excused(&api)).filter(|name| !exists(name)).collect();
    assert!(missing.is_empty(), "the core has no {missing:#?}");
    assert!(mapped(&api).len() > 250 && core.len() > 150);
}

#[test]
fn the_core_has_nothing_more() {
    let (api, core) = (api(), core());
    let (mapped, excused) = (mapped(&api), excused(&api));
    let heads: BTreeSet<&str> = entries(&api, "nouns")
        .iter()
        .chain(entries(&api, "functions"))
        .filter_map(|entry| entry["rust"].as_str())
        .collect();
    let mut more = Vec::new();
    for (item, members) in &core {
        if excused.contains(item) {
            assert!(!heads.contains(&**item), "{item} is a noun, and is said to be none");
            continue;
        }
        if !heads.contains(&**item) {
            more.push(item.clone());
        }
        let names = members.iter().map(|member| format!("{item}::{member}"));
        more.extend(names.filter(|name| !mapped.contains(name) && !excused.contains(name)));
    }
    assert!(more.is_empty(), "api.json lacks {more:#?}");
    let both: Vec<_> = excused.iter().filter(|name| name.contains("::") && mapped.contains(*name)).collect();
    assert!(both.is_empty(), "there, and Rust's own: {both:?}");
}

#[test]
fn every_entry_is_whole() {
    let api = api();
    let mut names = BTreeSet::new();
    for noun in entries(&api, "nouns") {
        assert!(names.insert(text(&noun["name"])), "{noun}");
        let mut inner = BTreeSet::new();
        for entry in entries(noun, "methods") {
            let (of, member) = (text(&noun["name"]), text(&entry["name"]));
            assert!(inner.insert(member), "{of} has two of {member}");
            assert!(["constructor", "method", "property"].contains(&text(&entry["kind"])), "{of}.{member}");
            for (language, word) in [("rust", "Rust"), ("python", "Python"), ("node", "Node"), ("c", "C")] {
                let there = entry.get(language).unwrap_or_else(|| panic!("{of}.{member} says nothing of {language}"));
                let why = entry["why"].as_str().unwrap_or_default();
                // What has no noun in a language has no method in it.
                let reason = noun[language].is_null() || why.contains(&format!("{word}: "));
                assert!(!there.is_null() || reason, "{of}.{member}: why not in {word}?");
            }
            if let Some(name) = entry["c"].as_str() {
                assert!(name.starts_with(&format!("{}_", text(&noun["c"]))), "{of}.{member}: {name}");
            }
        }
        let null = ["rust", "python", "node", "c"].iter().any(|language| noun[language].is_null());
        assert!(!null || noun["why"].is_string(), "{}: why?", noun["name"]);
    }
    for list in ["rust_only", "modules_rust_only"] {
        for one in entries(&api, list) {
            assert!(!text(&one["why"]).is_empty(), "{one}");
        }
    }
    let codes: Vec<&str> = entries(&api, "codes").iter().map(|code| text(&code["name"])).collect();
    assert_eq!(codes, ErrorCode::ALL.map(|code| code.to_string()));
}

#[test]
fn the_scan_sees_what_is_public() {
    let exported = ["One", "Two", "three"].map(str::to_owned).into();
    let mut core = Core::new();
    let source = "pub struct One<T> {\n    pub field: T,\n    pub(super) hidden: u8,\n    own: u8,\n}\n\
        impl<T: Copy> One<T> {\n    pub const fn new() -> Self {\n        pub_fn()\n    }\n\n    fn own(&self) {}\n}\n\
        impl Drop for One<u8> {\n    fn drop(&mut self) {}\n}\n\
        pub trait Two: Send {\n    fn must(&self);\n}\npub fn three() {}\npub struct Four {\n    pub field: u8,\n}\n";
    scan(source, &exported, &mut core);
    let members = |name: &str| core[name].iter().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!((&*members("One"), &*members("Two"), &*members("three")), ("field new", "must", ""));
    assert_eq!(core.len(), 3);
    assert_eq!(
        exports("pub use a::{B, C};\n#[doc(hidden)]\npub use a::D;\npub use b::e;\n"),
        ["B", "C", "e"].map(str::to_owned).into()
    );
}
