//! The floors of docs/architecture.md as data, and what is wrong with a file or a package that does not keep to them.
#![allow(dead_code, reason = "each test uses a part")]

use crate::rust_code::{self, Code, Named, is_hidden, is_public};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use syn::visit::Visit;

/// Floors from the ground up. On its own floor, a module may use those listed before it.
pub(crate) const FLOORS: [(u8, &[&str]); 8] = [
    (0, &["error", "clock", "sync", "threads", "check", "throttle", "time_zone", "seconds"]),
    (1, &["geometry", "journal"]),
    (2, &["frame", "imaging"]),
    (3, &["detection", "model", "motion", "resilience", "budget", "source", "tracking", "zone"]),
    (4, &["onnx", "detector"]),
    (5, &["provider"]),
    (6, &["event"]),
    // `testkit` is for tests of hosts and of ours: nothing of the library may need it.
    (7, &["pipeline", "registry", "adapter", "doctor", "testkit"]),
];

/// Floors of packages, by their folders; `*` is any one folder. A package uses those below it, and none beside it.
pub(crate) const PACKAGES: [(u8, &[&str]); 5] = [
    (0, &["core", "core/unified-features"]),
    // Calls over a network, the one home of TLS.
    (1, &["core/http"]),
    // Kinds of sinks and clouds, each with its own dependencies.
    (2, &["core/adapters/*"]),
    // What the languages share, with the list of adapters that they carry.
    (3, &["core/face"]),
    (4, &["bindings-python", "bindings-node", "bindings-c", "examples", "benches", "core/fuzz", "core/loom"]),
];

/// Packages of tests and measurements that compile files of the core, or of its tests, by `#[path]`.
const COMPILES_CORE: [&str; 3] = ["core/loom", "core/fuzz", "benches"];

/// The package that the core's hidden names are for.
const MEASURES: &str = "benches";

/// The only module that may know the crate `ort`.
const KNOWS_ORT: &str = "onnx";

/// What only packages of services may know, and the core never: crates for anything asynchronous, and for calls over a network; how
/// their names begin.
const OF_SERVICES: [&str; 4] = ["aws_", "tokio", "rustls", "ureq"];

/// Floor and place in the order of all modules.
pub(crate) fn place(module: &str) -> Option<(u8, usize)> {
    FLOORS
        .iter()
        .flat_map(|&(floor, modules)| modules.iter().map(move |&name| (floor, name)))
        .enumerate()
        .find(|(_, (_, name))| *name == module)
        .map(|(at, (floor, _))| (floor, at))
}

/// What a name of the crate's root stands for: the module that lib.rs takes it from.
pub(crate) type Reexports = BTreeMap<String, String>;

pub(crate) fn reexports(lib: &syn::File) -> Reexports {
    let uses = Code::of(lib).named.into_iter().filter(|named| named.is_use && named.path.len() > 1);
    uses.filter_map(|named| Some((named.name()?.to_owned(), named.path[0].clone()))).collect()
}

/// A file of the core, with its place in the crate, such as `["onnx", "session"]`.
pub(crate) struct Module {
    pub(crate) file: String,
    pub(crate) path: Vec<String>,
    pub(crate) source: syn::File,
}

/// The modules of a crate whose sources are in this folder; `lib.rs`, which names all, is left out.
pub(crate) fn modules(folder: &Path) -> Vec<Module> {
    let module = |path: PathBuf| {
        let inside = path.strip_prefix(folder).unwrap();
        let mut parts: Vec<_> =
            inside.with_extension("").iter().map(|part| part.to_str().unwrap().to_owned()).collect();
        parts.pop_if(|last| last == "mod");
        Module { file: format!("core/src/{}", inside.display()), path: parts, source: rust_code::read(&path) }
    };
    let all = rust_code::files(folder).into_iter().filter(|path| *path != folder.join("lib.rs"));
    all.map(module).collect()
}

/// What is wrong in one file of the core.
pub(crate) fn check(file: &str, module: &[&str], source: &syn::File, reexports: &Reexports) -> Vec<String> {
    let user = module[0];
    if place(user).is_none() {
        return vec![format!("{file}: module {user} is on no floor; give it one in FLOORS")];
    }
    let code = Code::of(source);
    let mut wrong = upward(file, module, &code, reexports);
    wrong.extend(check_ort(file, user, source, &code));
    let only = "packages of services";
    wrong.extend(check_crates(file, user, &code, &OF_SERVICES, only));
    wrong.extend(
        code.asynchronous.iter().map(|(line, word)| format!("{file}:{line}: {user} uses {word}; only {only} may")),
    );
    wrong
}

/// The names in a file that do not stand below its module.
pub(crate) fn upward(file: &str, module: &[&str], code: &Code, reexports: &Reexports) -> Vec<String> {
    let user = module[0];
    let (floor, user_at) = place(user).expect("a module of FLOORS");
    let mut wrong = Vec::new();
    for Named { line, path, renamed, is_use, depth } in &code.named {
        if path[..] == ["crate"] && renamed.is_some() {
            wrong.push(format!("{file}:{line}: `crate as` hides what is used"));
        }
        let ups = path.iter().take_while(|&part| part == "super").count();
        let rest = match &*path[0] {
            // `pub(crate)` and `pub(super)`.
            _ if path.len() == 1 && !is_use => continue,
            "crate" => &path[1..],
            "super" if ups >= module.len() + depth => &path[ups..],
            _ => continue,
        };
        let name = rest.first().map_or("self", String::as_str);
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
    wrong
}

/// Paths that begin with one of those crates, and `use`s of them.
fn check_crates(file: &str, module: &str, code: &Code, crates: &[&str], only: &str) -> Vec<String> {
    let of_these = |named: &&Named| {
        crates.iter().any(|name| named.path[0].starts_with(name)) && (named.path.len() > 1 || named.is_use)
    };
    let told = |named: &Named| format!("{file}:{}: {module} uses {}; only {only} may", named.line, named.path[0]);
    code.named.iter().filter(of_these).map(told).collect()
}

fn check_ort(file: &str, module: &str, source: &syn::File, code: &Code) -> Vec<String> {
    let of_ort: Vec<&Named> =
        code.named.iter().filter(|named| named.path[0] == "ort" && (named.path.len() > 1 || named.is_use)).collect();
    let mut wrong = Vec::new();
    if module != KNOWS_ORT {
        let told = |named: &&Named| format!("{file}:{}: {module} uses ort; only {KNOWS_ORT} may", named.line);
        wrong.extend(of_ort.iter().map(told));
    }
    let mut names: BTreeSet<String> =
        of_ort.iter().filter(|named| named.is_use).filter_map(|named| Some(named.name()?.to_owned())).collect();
    names.insert("ort".into());
    let mut signatures = Signatures { names: &names, found: Vec::new() };
    signatures.visit_file(source);
    let told = |(line, name): (usize, String)| format!("{file}:{line}: {name} of ort in a public signature");
    wrong.extend(signatures.found.into_iter().map(told));
    wrong
}

/// Finds those of some names that stand in what a file says in public.
struct Signatures<'a> {
    names: &'a BTreeSet<String>,
    found: Vec<(usize, String)>,
}

impl Signatures<'_> {
    fn look(&mut self, part: impl FnOnce(&mut Names<'_>)) {
        part(&mut Names { names: self.names, found: &mut self.found });
    }

    fn fields(&mut self, fields: &syn::Fields) {
        for field in fields.iter().filter(|field| is_public(&field.vis)) {
            self.look(|names| names.visit_type(&field.ty));
        }
    }
}

impl<'ast> Visit<'ast> for Signatures<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        if is_public(&item.vis) {
            self.look(|names| names.visit_signature(&item.sig));
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if is_public(&item.vis) {
            self.look(|names| names.visit_signature(&item.sig));
        }
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        if is_public(&item.vis) {
            self.look(|names| names.visit_generics(&item.generics));
        }
        self.fields(&item.fields);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        if is_public(&item.vis) {
            self.look(|names| item.variants.iter().for_each(|variant| names.visit_fields(&variant.fields)));
        }
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        if is_public(&item.vis) {
            self.look(|names| names.visit_item_trait(item));
        }
    }

    fn visit_item_type(&mut self, item: &'ast syn::ItemType) {
        if is_public(&item.vis) {
            self.look(|names| names.visit_item_type(item));
        }
    }

    fn visit_item_const(&mut self, item: &'ast syn::ItemConst) {
        if is_public(&item.vis) {
            self.look(|names| names.visit_type(&item.ty));
        }
    }

    fn visit_item_static(&mut self, item: &'ast syn::ItemStatic) {
        if is_public(&item.vis) {
            self.look(|names| names.visit_type(&item.ty));
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if is_public(&item.vis) {
            let ours = Code::of_use(item).into_iter().filter(|named| self.names.contains(&named.path[0]));
            self.found.extend(ours.map(|named| (named.line, named.path[0].clone())));
        }
    }
}

struct Names<'a> {
    names: &'a BTreeSet<String>,
    found: &'a mut Vec<(usize, String)>,
}

impl<'ast> Visit<'ast> for Names<'_> {
    fn visit_path(&mut self, path: &'ast syn::Path) {
        let ours = path.segments.iter().find(|part| self.names.contains(&part.ident.to_string()));
        self.found.extend(ours.map(|part| (part.ident.span().start().line, part.ident.to_string())));
        syn::visit::visit_path(self, path);
    }
}

// --- packages ------------------------------------------------------------------------------------------------------

/// A package of the workspace: its folder below the root, and its manifest.
pub(crate) struct Package {
    pub(crate) folder: String,
    pub(crate) manifest: toml::Table,
}

impl Package {
    pub(crate) fn name(&self) -> &str {
        self.manifest["package"]["name"].as_str().expect("the name of a package")
    }

    pub(crate) fn floor(&self) -> Option<u8> {
        package_floor(&self.folder)
    }

    /// The names of all packages that it depends on, in whatever way.
    fn dependencies(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let targets = self.manifest.get("target").and_then(toml::Value::as_table).into_iter().flatten();
        let tables = targets.filter_map(|(_, target)| target.as_table()).chain([&self.manifest]);
        for table in tables {
            // What its tests use is nothing that the package depends on.
            for kind in ["dependencies", "build-dependencies"] {
                for (key, value) in table.get(kind).and_then(toml::Value::as_table).into_iter().flatten() {
                    let renamed = value.get("package").and_then(toml::Value::as_str);
                    found.insert(renamed.unwrap_or(key).to_owned());
                }
            }
        }
        found
    }
}

pub(crate) fn package_floor(folder: &str) -> Option<u8> {
    let fits = |pattern: &str| match pattern.strip_suffix("/*") {
        Some(parent) => folder.rsplit_once('/').is_some_and(|(above, _)| above == parent),
        None => folder == pattern,
    };
    PACKAGES.iter().find(|(_, patterns)| patterns.iter().any(|pattern| fits(pattern))).map(|&(floor, _)| floor)
}

/// The packages that the workspace's manifest names.
pub(crate) fn packages(root: &Path) -> Vec<Package> {
    let manifest = |path: &Path| -> toml::Table {
        let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let workspace = manifest(&root.join("Cargo.toml"));
    let members = workspace["workspace"]["members"].as_array().expect("members").iter();
    let mut folders = BTreeSet::new();
    for member in members.map(|member| member.as_str().expect("a folder")) {
        match member.strip_suffix("/*") {
            None => drop(folders.insert(member.to_owned())),
            Some(parent) => {
                for entry in std::fs::read_dir(root.join(parent)).unwrap().map(|entry| entry.unwrap()) {
                    if entry.path().join("Cargo.toml").exists() {
                        folders.insert(format!("{parent}/{}", entry.file_name().to_string_lossy()));
                    }
                }
            }
        }
    }
    let package = |folder: String| {
        let manifest = manifest(&root.join(&folder).join("Cargo.toml"));
        Package { folder, manifest }
    };
    folders.into_iter().map(package).collect()
}

/// Packages on no floor, and those that depend on what does not stand below them.
pub(crate) fn check_packages(packages: &[Package]) -> Vec<String> {
    let floors: BTreeMap<&str, Option<u8>> = packages.iter().map(|one| (one.name(), one.floor())).collect();
    let mut wrong = Vec::new();
    for package in packages {
        let (name, folder) = (package.name(), &package.folder);
        let Some(floor) = package.floor() else {
            wrong.push(format!("{folder}: package {name} is on no floor; give it one in PACKAGES"));
            continue;
        };
        for used in package.dependencies() {
            let Some(&used_floor) = floors.get(&*used) else { continue };
            if used_floor.is_some_and(|used_floor| used_floor >= floor) {
                wrong
                    .push(format!("{folder}: {name} (floor {floor}) depends on {used}, which does not stand below it"));
            }
        }
    }
    wrong
}

/// The names that the core has in public and hides from its documentation.
pub(crate) fn hidden_names(modules: &[Module]) -> BTreeSet<String> {
    struct Hidden(BTreeSet<String>);
    impl<'ast> Visit<'ast> for Hidden {
        fn visit_item(&mut self, item: &'ast syn::Item) {
            let (attributes, name) = match item {
                syn::Item::Fn(item) => (&item.attrs, &item.sig.ident),
                syn::Item::Struct(item) => (&item.attrs, &item.ident),
                syn::Item::Enum(item) => (&item.attrs, &item.ident),
                syn::Item::Trait(item) => (&item.attrs, &item.ident),
                syn::Item::Type(item) => (&item.attrs, &item.ident),
                syn::Item::Const(item) => (&item.attrs, &item.ident),
                syn::Item::Mod(item) => (&item.attrs, &item.ident),
                _ => return syn::visit::visit_item(self, item),
            };
            if is_hidden(attributes) {
                self.0.insert(name.to_string());
            }
            syn::visit::visit_item(self, item);
        }

        fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
            if is_hidden(&item.attrs) {
                self.0.insert(item.sig.ident.to_string());
            }
        }
    }
    let mut hidden = Hidden(BTreeSet::new());
    modules.iter().for_each(|module| hidden.visit_file(&module.source));
    hidden.0
}

/// What a file of another package takes from the core that is not its public surface.
pub(crate) fn check_surface(file: &str, folder: &str, source: &syn::File, hidden: &BTreeSet<String>) -> Vec<String> {
    struct Reach<'a> {
        file: &'a str,
        folder: &'a str,
        hidden: &'a BTreeSet<String>,
        wrong: Vec<String>,
    }
    impl Reach<'_> {
        fn name(&mut self, name: &proc_macro2::Ident) {
            if self.hidden.contains(&name.to_string()) {
                let line = name.span().start().line;
                self.wrong.push(format!("{}:{line}: {name} is no part of the core's public surface", self.file));
            }
        }
    }
    impl<'ast> Visit<'ast> for Reach<'_> {
        fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
            for attribute in item.attrs.iter().filter(|attribute| attribute.path().is_ident("path")) {
                let syn::Meta::NameValue(pair) = &attribute.meta else { continue };
                let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(path), .. }) = &pair.value else { continue };
                // Tests of packages share what stands in for servers.
                let of_tests = self.file.contains("/tests/");
                let outside = path.value().split('/').any(|part| part == "..");
                if outside && !of_tests && !COMPILES_CORE.contains(&self.folder) {
                    let line = path.span().start().line;
                    let said = format!("{}:{line}: `#[path]` reaches out of the package", self.file);
                    self.wrong.push(said);
                }
            }
            syn::visit::visit_item_mod(self, item);
        }

        fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
            self.name(&call.method);
            syn::visit::visit_expr_method_call(self, call);
        }
    }
    let none = BTreeSet::new();
    let hidden = if folder == MEASURES { &none } else { hidden };
    let mut reach = Reach { file, folder, hidden, wrong: Vec::new() };
    reach.visit_file(source);
    for named in Code::of(source).named {
        let name = named.path.iter().find(|part| hidden.contains(*part));
        let told = |name: &String| format!("{file}:{}: {name} is no part of the core's public surface", named.line);
        reach.wrong.extend(name.map(told));
    }
    reach.wrong
}

/// Crates with the sets of features that a build compiles them with: one for the target, perhaps another for macros.
pub(crate) fn crates(root: &Path, build: &[&str]) -> BTreeMap<String, BTreeSet<String>> {
    let output = std::process::Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--locked", "--prefix", "none", "--format", "{p}|{f}"])
        .args(build)
        .current_dir(root)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut crates: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let Some((name, features)) = line.split_once('|') else { continue };
        let name = name.split(' ').take(2).collect::<Vec<_>>().join(" ");
        crates.entry(name).or_default().insert(features.trim_end_matches("(*)").trim().to_owned());
    }
    crates
}
