//! The floors of docs/architecture.md: a module uses only what stands below it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Floors from the ground up. On its own floor, a module may use those listed before it.
const FLOORS: [(u8, &[&str]); 8] = [
    (0, &["error", "clock", "sync", "threads", "check", "throttle"]),
    (1, &["geometry", "http"]),
    (2, &["frame", "imaging"]),
    (3, &["detection", "model", "motion", "resilience", "budget", "source", "tracking", "zone"]),
    (4, &["onnx", "detector"]),
    (5, &["provider"]),
    (6, &["event"]),
    // `testkit` is for tests of hosts and of ours: nothing of the library may need it.
    (7, &["pipeline", "registry", "doctor", "adapter", "testkit"]),
];

/// The only module that may know the crate `ort`.
const KNOWS_ORT: &str = "onnx";

/// What only packages of clouds may know, and the core never: crates for anything asynchronous; how their names begin.
const OF_CLOUDS: [&str; 2] = ["aws_", "tokio"];

/// The only module that may speak over a network, and know the crates for it; how their names begin.
const KNOWS_TLS: &str = "http";
const OF_TLS: [&str; 2] = ["rustls", "ureq"];

/// Floor and place in the order of all modules.
fn place(module: &str) -> Option<(u8, usize)> {
    FLOORS
        .iter()
        .flat_map(|&(floor, modules)| modules.iter().map(move |&name| (floor, name)))
        .enumerate()
        .find(|(_, (_, name))| *name == module)
        .map(|(at, (floor, _))| (floor, at))
}

/// The source with comments, strings and character literals blanked out; lines stay where they are.
fn code_only(source: &str) -> String {
    let text: Vec<char> = source.chars().collect();
    let mut code = String::with_capacity(source.len());
    let mut at = 0;
    let at_word = |code: &str| code.chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_');
    while let Some(&c) = text.get(at) {
        let rest = &text[at..];
        let len = if rest.starts_with(&['/', '/']) {
            rest.iter().position(|&c| c == '\n').unwrap_or(rest.len())
        } else if rest.starts_with(&['/', '*']) {
            block_comment(rest)
        } else if c == '"' {
            string(rest)
        } else if matches!(c, 'r' | 'b' | 'c') && !at_word(&code) {
            raw_string(rest).unwrap_or(0)
        } else if c == '\'' {
            character(rest)
        } else {
            0
        };
        if len == 0 {
            code.push(c);
            at += 1;
        } else {
            code.extend(rest[..len].iter().map(|&c| if c == '\n' { '\n' } else { ' ' }));
            at += len;
        }
    }
    code
}

/// Block comments nest.
fn block_comment(text: &[char]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        let step = match (text[at], text.get(at + 1)) {
            ('/', Some('*')) => 1,
            ('*', Some('/')) => -1,
            _ => 0,
        };
        depth += step;
        at += if step == 0 { 1 } else { 2 };
        if depth == 0 {
            break;
        }
    }
    at
}

fn string(text: &[char]) -> usize {
    let mut at = 1;
    while at < text.len() && text[at] != '"' {
        at += if text[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(text.len())
}

/// `r"…"`, `r#"…"#`, and the same after `b` or `c`; a plain `b"…"` is left to [`string`].
fn raw_string(text: &[char]) -> Option<usize> {
    let start = if text[0] == 'r' { 1 } else { 2 };
    if text.get(start - 1) != Some(&'r') {
        return None;
    }
    let hashes = text[start..].iter().take_while(|&&c| c == '#').count();
    if text.get(start + hashes) != Some(&'"') {
        return None;
    }
    let close: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
    let body = start + hashes + 1;
    let end = text[body..].windows(close.len()).position(|window| window == close);
    Some(end.map_or(text.len(), |end| body + end + close.len()))
}

/// The length of a character literal; 0 for a lifetime or a label.
fn character(text: &[char]) -> usize {
    match text {
        ['\'', '\\', rest @ ..] => 3 + rest.iter().skip(1).position(|&c| c == '\'').map_or(0, |n| n + 1),
        ['\'', _, '\'', ..] => 3,
        _ => 0,
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Token<'a> {
    line: usize,
    text: &'a str,
}

/// Words, `::`, and single signs.
fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    for (line, text) in (1..).zip(code.lines()) {
        let mut rest = text.trim_start();
        while let Some(first) = rest.chars().next() {
            let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            let len = if word > 0 {
                word
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            found.push(Token { line, text: &rest[..len] });
            rest = rest[len..].trim_start();
        }
    }
    found
}

/// All paths of the tree that begins at `at` (`a::{b, c::d}` is two), and the place behind it.
fn paths<'a>(tokens: &[Token<'a>], mut at: usize, prefix: &[&'a str], found: &mut Vec<(usize, Vec<&'a str>)>) -> usize {
    let mut path = prefix.to_vec();
    let line = tokens[at].line;
    loop {
        match tokens.get(at).map(|token| token.text) {
            Some("{") => {
                at += 1;
                while tokens.get(at).is_some_and(|token| token.text != "}") {
                    at = paths(tokens, at, &path, found);
                    // A comma, or something that is no path: go past it either way.
                    if tokens.get(at).is_some_and(|token| token.text != "}") {
                        at += 1;
                    }
                }
                return at + 1;
            }
            Some(word) if word == "*" || word.starts_with(|c: char| c.is_alphabetic() || c == '_') => path.push(word),
            _ => break,
        }
        at += 1;
        if tokens.get(at).is_none_or(|token| token.text != "::") {
            break;
        }
        at += 1;
    }
    if path.len() > prefix.len() {
        found.push((line, path));
    }
    // Past `as name`.
    if tokens.get(at).is_some_and(|token| token.text == "as") { at + 2 } else { at }
}

/// What a name of the crate's root stands for: the module that lib.rs takes it from.
type Reexports = BTreeMap<String, String>;

fn reexports(lib: &str) -> Reexports {
    let code = code_only(lib);
    let tokens = tokens(&code);
    let mut names = BTreeMap::new();
    for at in (0..tokens.len()).filter(|&at| tokens[at].text == "use") {
        let mut found = Vec::new();
        paths(&tokens, at + 1, &[], &mut found);
        for (_, path) in found {
            if let [module, .., name] = path[..] {
                names.insert(name.to_owned(), module.to_owned());
            }
        }
    }
    names
}

/// What is wrong in one file. `module` is its place in the crate, such as `["onnx", "session"]`.
fn check(file: &str, module: &[&str], source: &str, reexports: &Reexports) -> Vec<String> {
    let mut wrong = Vec::new();
    let code = code_only(source);
    let tokens = tokens(&code);
    let user = module[0];
    let Some((floor, user_at)) = place(user) else {
        return vec![format!("{file}: module {user} is on no floor; give it one in FLOORS")];
    };
    // Modules written inside the file, with the depth of braces at which each ends.
    let mut inline: Vec<(&str, usize)> = Vec::new();
    let mut depth = 0usize;
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let next = |n: usize| tokens.get(at + n).map(|token| token.text);
        let mut step = 1;
        match token.text {
            "{" => depth += 1,
            "}" => {
                depth = depth.saturating_sub(1);
                inline.retain(|&(_, end)| end <= depth);
            }
            "mod" if next(2) == Some("{") => {
                depth += 1;
                inline.push((next(1).unwrap_or_default(), depth));
                step = 3;
            }
            "crate" if next(1) == Some("as") => {
                wrong.push(format!("{file}:{}: `crate as` hides what is used", token.line))
            }
            "crate" | "super" if next(1) == Some("::") => {
                let mut found = Vec::new();
                step = paths(&tokens, at, &[], &mut found) - at;
                for (line, path) in found {
                    let ups = path.iter().take_while(|&&part| part == "super").count();
                    let here = module.len() + inline.len();
                    let rest = if path[0] == "crate" {
                        &path[1..]
                    } else if ups >= here {
                        &path[ups..]
                    } else {
                        continue;
                    };
                    let name = rest.first().copied().unwrap_or("self");
                    let used = reexports.get(name).map_or(name, String::as_str);
                    match place(used) {
                        _ if used == user => {}
                        Some((_, used_at)) if used_at < user_at => {}
                        Some((used_floor, _)) => wrong.push(format!(
                            "{file}:{line}: {user} (floor {floor}) uses {used} (floor {used_floor}), which does not stand below it"
                        )),
                        None => wrong.push(format!("{file}:{line}: `{}`: no module of FLOORS", path.join("::"))),
                    }
                }
            }
            _ => {}
        }
        at += step;
    }
    wrong.extend(check_ort(file, user, &tokens));
    let packages = "packages of clouds";
    wrong.extend(check_crates(file, user, &tokens, &OF_CLOUDS, packages));
    let asynchronous = tokens.iter().filter(|token| matches!(token.text, "async" | "await"));
    wrong.extend(
        asynchronous.map(|token| format!("{file}:{}: {user} uses {}; only {packages} may", token.line, token.text)),
    );
    if user != KNOWS_TLS {
        wrong.extend(check_crates(file, user, &tokens, &OF_TLS, KNOWS_TLS));
    }
    wrong
}

/// Paths that begin with one of those crates, and `use`s of them.
fn check_crates(file: &str, module: &str, tokens: &[Token<'_>], crates: &[&str], only: &str) -> Vec<String> {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text);
    let begins_path =
        |at: usize| (at == 0 || text(at - 1) != "::") && (text(at + 1) == "::" || text(at.wrapping_sub(1)) == "use");
    (0..tokens.len())
        .filter(|&at| crates.iter().any(|name| text(at).starts_with(name)) && begins_path(at))
        .map(|at| format!("{file}:{}: {module} uses {}; only {only} may", tokens[at].line, text(at)))
        .collect()
}

fn check_ort(file: &str, module: &str, tokens: &[Token<'_>]) -> Vec<String> {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text);
    let is_ort = |at: usize| {
        text(at) == "ort"
            && (at == 0 || text(at - 1) != "::")
            && (text(at + 1) == "::" || text(at.wrapping_sub(1)) == "use")
    };
    let mut wrong = Vec::new();
    let mut names = BTreeSet::from(["ort"]);
    for at in (0..tokens.len()).filter(|&at| is_ort(at)) {
        if module != KNOWS_ORT {
            wrong.push(format!("{file}:{}: {module} uses ort; only {KNOWS_ORT} may", tokens[at].line));
        }
        if text(at.wrapping_sub(1)) == "use" {
            let mut found = Vec::new();
            paths(tokens, at, &[], &mut found);
            names.extend(
                found
                    .iter()
                    .filter_map(|(_, path)| path.last().filter(|&&name| name != "self" && name != "_").copied()),
            );
        }
    }
    // A trait's name may be that of a type of ours (`ExecutionProvider as _`).
    names.retain(|name| {
        !tokens.windows(3).any(|window| window[0].text == *name && window[1].text == "as" && window[2].text == "_")
    });
    for at in (0..tokens.len()).filter(|&at| text(at) == "pub" && text(at + 1) != "(") {
        let is_field = text(at + 2) == ":";
        let ends = |token: &Token<'_>| matches!(token.text, "{" | ";" | "}") || is_field && token.text == ",";
        let signature = tokens[at..].iter().take_while(|token| !ends(token));
        if let Some(token) = signature.into_iter().find(|token| names.contains(token.text)) {
            wrong.push(format!("{file}:{}: {} of ort in a public signature", token.line, token.text));
        }
    }
    wrong
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_module_uses_only_what_stands_below_it() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let reexports = reexports(&std::fs::read_to_string(source.join("lib.rs")).unwrap());
    assert_eq!(reexports.get("ErrorCode").map(String::as_str), Some("error"));
    let mut all = Vec::new();
    files(&source, &mut all);
    all.sort();
    let mut wrong = Vec::new();
    let mut modules = BTreeSet::new();
    for path in all
        .iter()
        .filter(|path| path.parent() != Some(&source) || path.file_name().is_some_and(|name| name != "lib.rs"))
    {
        let inside = path.strip_prefix(&source).unwrap().with_extension("");
        let mut module: Vec<&str> = inside.iter().map(|part| part.to_str().unwrap()).collect();
        module.pop_if(|last| *last == "mod");
        modules.insert(module[0].to_owned());
        let file = format!("core/src/{}", path.strip_prefix(&source).unwrap().display());
        wrong.extend(check(&file, &module, &std::fs::read_to_string(path).unwrap(), &reexports));
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
    let listed = FLOORS.iter().flat_map(|(_, modules)| *modules);
    let gone: Vec<_> = listed.filter(|name| !modules.contains(**name)).collect();
    assert!(gone.is_empty(), "on a floor, but not in core/src: {gone:?}");
    println!("{} files of {} modules", all.len() - 1, modules.len());
}

fn checked(module: &[&str], source: &str) -> Vec<String> {
    let lib = "mod a; pub use error::{Error, Result}; pub use onnx::runtime; pub use geometry::Size;";
    check("file.rs", module, source, &reexports(lib))
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
        (&["provider"], "use aws_sdk_rekognition::Client;", "only packages of clouds may"),
        (&["provider", "local"], "fn f() { tokio::spawn(1); }", "only packages of clouds may"),
        (&["resilience"], "use {tokio::time, std::fmt};", "only packages of clouds may"),
        (&["provider"], "async fn f() {}", "provider uses async"),
        (&["http"], "fn f() { tokio::spawn(1); }", "only packages of clouds may"),
        (&["event", "sink", "webhook"], "use ureq::Agent;", "only http may"),
        (&["event", "sink", "channel"], "use ureq::Agent;", "only http may"),
        (&["pipeline"], "fn f() { rustls_native_certs::load(); }", "only http may"),
        (&["event"], "fn f() { rustls::f(); }", "only http may"),
        (
            &["onnx"],
            "pub fn f(\n  session: &ort::session::Session,\n) {}",
            "file.rs:2: ort of ort in a public signature",
        ),
        (&["onnx"], "use ort::session::Session; pub struct S(pub Session);", "Session of ort in a public signature"),
        (&["onnx"], "use ort::session::Session; pub struct S { a: u8, pub session: Session }", "in a public signature"),
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
            "// use crate::detector::X;\n/// [`X`](crate::Detector)\n//! crate::onnx::Y\n/* a /* crate::onnx */ crate::model */",
        ),
        (
            &["frame"],
            r##"const A: &str = "use crate::detector::X; \" crate::onnx::Y"; const B: &str = r#"" crate::model::Z"#;"##,
        ),
        (&["frame"], "fn f<'a>(c: &'a u8) -> char { if *c > 0 { '\"' } else { '\\'' } } // \" crate::onnx::X"),
        (&["frame"], "b\"crate::onnx::A\"; br\"crate::onnx::B\\\"; br#\"crate::onnx::C\"#;"),
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
        (&["http", "client"], "use ureq::Error; fn f() { rustls::crypto::ring::g(); }"),
        (&["provider"], "// tokio::spawn\nfn aws_like(tokio: u8) { my::tokio::f(); }"),
        (&["frame"], "fn sort(port: u8) { port::x(); my::ort::y(); }"),
    ] {
        assert_eq!(checked(module, source), Vec::<String>::new(), "{source}");
    }
}
