//! `vectors/api.json` and the public API of the core and of the packages in `core/adapters` say the same: every Rust name there exists, and the core has nothing that
//! is not there, or is there as Rust's own, with a reason. The other languages check their names against the same file.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test")]

mod rust_code;

use guarita::ErrorCode;
use rust_code::{Code, is_hidden, is_public};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use syn::visit::Visit;

/// Functions that a package of a cloud has for Rust hosts alone.
const OF_EVERY_PACKAGE: [&str; 2] = ["label_map", "register"];

/// Public members by the name of the type; functions have none.
type Core = BTreeMap<String, BTreeSet<String>>;

/// Names that these languages give to something else, wherever a program stands: a class of ours under one of them hides
/// it, or is refused by TypeScript. ECMAScript's, and those that Node has of browsers.
const GLOBALS_OF_NODE: &str = "AggregateError Array ArrayBuffer AsyncDisposableStack AsyncIterator Atomics BigInt \
    BigInt64Array BigUint64Array Boolean DataView Date DisposableStack Error EvalError FinalizationRegistry Float16Array \
    Float32Array Float64Array Function Infinity Int16Array Int32Array Int8Array Intl Iterator JSON Map Math NaN Number \
    Object Promise Proxy RangeError ReferenceError Reflect RegExp Set SharedArrayBuffer String SuppressedError Symbol \
    SyntaxError TypeError URIError Uint16Array Uint32Array Uint8Array Uint8ClampedArray WeakMap WeakRef WeakSet \
    AbortController AbortSignal Blob BroadcastChannel Buffer ByteLengthQueuingStrategy CloseEvent CompressionStream \
    CountQueuingStrategy Crypto CryptoKey CustomEvent DOMException DecompressionStream Event EventSource EventTarget File \
    FormData Headers MessageChannel MessageEvent MessagePort Navigator Performance PerformanceEntry ReadableStream Request \
    Response Storage SubtleCrypto TextDecoder TextEncoder TransformStream URL URLPattern URLSearchParams WebAssembly \
    WebSocket WritableStream console crypto exports fetch global globalThis module navigator performance process queueMicrotask \
    require structuredClone undefined any bigint boolean never null number object string symbol unknown void";

/// Words that are no names in C, or in C++, which includes the same header.
const KEYWORDS_OF_C: &str = "alignas alignof and asm auto bool break case catch char class const constexpr continue \
    default delete do double else enum explicit export extern false float for friend goto if inline int long mutable \
    namespace new noexcept not nullptr operator or private protected public register requires restrict return short signed \
    sizeof static struct switch template this throw true try typedef typeid typename typeof union unsigned using virtual void \
    volatile while xor";

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn api() -> Value {
    let text = std::fs::read_to_string(folder("tests/vectors/api.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Namespaces for Rust alone, whose names the other languages do not have.
const OF_RUST: [&str; 4] = ["adapter", "imaging", "registry", "testkit"];

/// The names that are public at the root of a crate and in its namespaces, hidden ones left out.
fn exports(root: &Path) -> BTreeSet<String> {
    let lib = rust_code::read(&root.join("lib.rs")).items;
    let mut names = public_names(&lib);
    for item in &lib {
        let syn::Item::Mod(item) = item else { continue };
        let name = item.ident.to_string();
        if !is_public(&item.vis) || item.content.is_some() || OF_RUST.contains(&&*name) {
            continue;
        }
        let folder = root.join(&name).join("mod.rs");
        let file = if folder.is_file() { folder } else { root.join(format!("{name}.rs")) };
        names.extend(public_names(&rust_code::read(&file).items));
    }
    names
}

/// What a file re-exports and what it has itself; of modules written in it as well.
fn public_names(items: &[syn::Item]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for item in items {
        let (vis, attrs, name) = match item {
            syn::Item::Use(item) => {
                if is_public(&item.vis) && !is_hidden(&item.attrs) {
                    names.extend(Code::of_use(item).iter().filter_map(|named| Some(named.name()?.to_owned())));
                }
                continue;
            }
            syn::Item::Mod(item) => {
                if is_public(&item.vis) && !is_hidden(&item.attrs) {
                    names.extend(item.content.iter().flat_map(|(_, items)| public_names(items)));
                }
                continue;
            }
            syn::Item::Struct(item) => (&item.vis, &item.attrs, &item.ident),
            syn::Item::Enum(item) => (&item.vis, &item.attrs, &item.ident),
            syn::Item::Trait(item) => (&item.vis, &item.attrs, &item.ident),
            syn::Item::Type(item) => (&item.vis, &item.attrs, &item.ident),
            syn::Item::Fn(item) => (&item.vis, &item.attrs, &item.sig.ident),
            _ => continue,
        };
        if is_public(vis) && !is_hidden(attrs) {
            names.insert(name.to_string());
        }
    }
    names
}

/// Collects what a source file says of the exported types.
struct Scan<'a> {
    exported: &'a BTreeSet<String>,
    core: &'a mut Core,
}

impl Scan<'_> {
    fn add(&mut self, item: &syn::Ident, members: impl Iterator<Item = String>) {
        let item = item.to_string();
        if self.exported.contains(&item) {
            self.core.entry(item).or_default().extend(members);
        }
    }
}

impl<'ast> Visit<'ast> for Scan<'_> {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        // Only tests have modules inside of files.
        let _ = item;
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        if is_public(&item.vis) {
            let fields = item.fields.iter().filter(|field| is_public(&field.vis) && !is_hidden(&field.attrs));
            self.add(&item.ident, fields.filter_map(|field| Some(field.ident.as_ref()?.to_string())));
        }
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        if is_public(&item.vis) {
            let functions = item.items.iter().filter_map(|item| match item {
                syn::TraitItem::Fn(function) if !is_hidden(&function.attrs) => Some(function.sig.ident.to_string()),
                _ => None,
            });
            self.add(&item.ident, functions);
        }
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        if is_public(&item.vis) {
            self.add(&item.ident, std::iter::empty());
        }
    }

    fn visit_item_type(&mut self, item: &'ast syn::ItemType) {
        if is_public(&item.vis) {
            self.add(&item.ident, std::iter::empty());
        }
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        if is_public(&item.vis) {
            self.add(&item.sig.ident, std::iter::empty());
        }
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let (None, syn::Type::Path(of)) = (&item.trait_, &*item.self_ty) else { return };
        let functions = item.items.iter().filter_map(|item| match item {
            syn::ImplItem::Fn(function) if is_public(&function.vis) && !is_hidden(&function.attrs) => {
                Some(function.sig.ident.to_string())
            }
            _ => None,
        });
        self.add(&of.path.segments.last().unwrap().ident, functions);
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
        let names = exports(&root);
        // What each of them has under the same name, and the faces get from the list of packages.
        exported.extend(names.into_iter().filter(|name| !OF_EVERY_PACKAGE.contains(&&**name)));
        // The `Outcome` of the testkit is another one.
        files.extend(rust_code::files(&root).into_iter().filter(|path| !path.starts_with(root.join("testkit"))));
    }
    for file in files {
        Scan { exported: &exported, core: &mut core }.visit_file(&rust_code::read(&file));
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

/// The words of a list that stands in one text.
fn words(text: &'static str) -> BTreeSet<&'static str> {
    text.split_whitespace().collect()
}

/// What of an API would not compile in C, or in TypeScript.
fn clashes(api: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut nodes = BTreeSet::new();
    let mut functions = BTreeSet::new();
    let types: BTreeSet<&str> = entries(api, "nouns").iter().filter_map(|noun| noun["c"].as_str()).collect();
    for noun in entries(api, "nouns").iter().chain(entries(api, "functions")) {
        let Some(node) = noun["node"].as_str() else { continue };
        if words(GLOBALS_OF_NODE).contains(node) {
            wrong.push(format!("{node} is a global of JavaScript or a type of TypeScript"));
        }
        if !nodes.insert(node) {
            wrong.push(format!("Node has two of {node}"));
        }
    }
    for noun in entries(api, "nouns") {
        let Some(of) = noun["c"].as_str() else { continue };
        let is_struct = noun["c_struct"] == true;
        for entry in entries(noun, "methods") {
            let Some(name) = entry["c"].as_str() else { continue };
            match name.split_once('.') {
                Some((item, field)) if item == of && is_struct && words(KEYWORDS_OF_C).contains(field) => {
                    wrong.push(format!("{name}: {field} is a keyword of C or C++"));
                }
                Some((item, _)) if item == of && is_struct => {}
                Some(_) => wrong.push(format!("{name} is no field of a struct")),
                None if !name.starts_with(&format!("{of}_")) => wrong.push(format!("{name} is no function of {of}")),
                None if !functions.insert(name) => wrong.push(format!("C has two functions {name}")),
                None if types.contains(name) => wrong.push(format!("{name} is a function and a type of C")),
                None => {}
            }
        }
    }
    let others = entries(api, "functions").iter().filter_map(|function| function["c"].as_str());
    wrong.extend(
        others
            .filter(|name| types.contains(name) || functions.contains(name))
            .map(|name| format!("C has two of {name}")),
    );
    wrong
}

#[test]
fn the_names_of_c_and_node_compile() {
    assert_eq!(clashes(&api()), Vec::<String>::new());
}

#[test]
fn a_name_that_would_not_compile_is_seen() {
    let noun = |name: &str, node: &str, members: &[&str]| {
        let methods: Vec<Value> = members.iter().map(|member| serde_json::json!({ "c": member })).collect();
        serde_json::json!({ "node": node, "c": name, "c_struct": name.ends_with('s'), "methods": methods })
    };
    for (nouns, expected) in [
        (
            vec![noun("g_cam", "Cam", &["g_cam_stats"]), noun("g_cam_stats", "Stats", &[])],
            "g_cam_stats is a function and a type",
        ),
        (vec![noun("g_a", "A", &["g_a_b_c"]), noun("g_a_b", "B", &["g_a_b_c"])], "two functions g_a_b_c"),
        (vec![noun("g_a", "A", &["g_a.x"])], "g_a.x is no field"),
        (vec![noun("g_s", "S", &["g_t.x"])], "g_t.x is no field"),
        (vec![noun("g_s", "S", &["g_s.new"])], "new is a keyword"),
        (vec![noun("g_s", "S", &["g_t_x"])], "g_t_x is no function of g_s"),
        (vec![noun("g_a", "A", &["g_do"])], "g_do is no function of g_a"),
        (vec![noun("g_a", "Object", &[])], "Object is a global"),
        (vec![noun("g_a", "Event", &[])], "Event is a global"),
        (vec![noun("g_a", "A", &[]), noun("g_b", "A", &[])], "two of A"),
    ] {
        let wrong = clashes(&serde_json::json!({ "nouns": nouns, "functions": [] }));
        assert!(wrong.iter().any(|fault| fault.contains(expected)), "{wrong:?} has no {expected:?}");
    }
    let good = vec![noun("g_s", "GuaritaError", &["g_s.x", "g_s_area"]), noun("g_t", "T", &["g_t_s"])];
    assert_eq!(clashes(&serde_json::json!({ "nouns": good, "functions": [] })), Vec::<String>::new());
}

#[test]
fn the_scan_sees_what_is_public() {
    let exported = ["One", "Two", "three"].map(str::to_owned).into();
    let mut core = Core::new();
    let source = "pub struct One<T> {\n    pub field: T,\n    pub(super) hidden: u8,\n    own: u8,\n}\n\
        impl<T: Copy> One<T> {\n    pub const fn new() -> Self {\n        pub_fn()\n    }\n\n    fn own(&self) {}\n    \
        #[doc(hidden)] pub fn measured() {}\n}\n\
        impl Drop for One<u8> {\n    fn drop(&mut self) {}\n}\n\
        pub trait Two: Send {\n    fn must(&self);\n}\npub fn three() {}\npub struct Four {\n    pub field: u8,\n}\n";
    Scan { exported: &exported, core: &mut core }.visit_file(&rust_code::parse(source));
    let members = |name: &str| core[name].iter().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!((&*members("One"), &*members("Two"), &*members("three")), ("field new", "must", ""));
    assert_eq!(core.len(), 3);
    let lib = "pub use a::{B, C as D};\n#[doc(hidden)]\npub use a::H;\nuse a::I;\npub use b::e;\npub mod m { pub use a::F; use a::J; }\nmod n { pub use a::K; }";
    assert_eq!(public_names(&rust_code::parse(lib).items), ["B", "D", "F", "e"].map(str::to_owned).into());
}

/// The compiler says of each type that it has these traits.
macro_rules! assert_all {
    ($traits:path: $($path:ty),* $(,)?) => {{
        fn assert<T: ?Sized + $traits>() {}
        $(assert::<$path>();)*
        [$(stringify!($path)),*]
    }};
}

trait SendAndSync: Send + Sync {}
impl<T: ?Sized + Send + Sync> SendAndSync for T {}

/// Nouns may be moved to another thread and used by several at once: hosts keep them in statics, pools and interpreters. Two
/// have an end that only one thread at a time can wait at.
#[test]
fn nouns_go_to_other_threads() {
    use guarita::{budget, clock, detection, event, motion, pipeline, provider, resilience, tracking};
    let asserted = assert_all![SendAndSync:
        guarita::BoundingBox,
        guarita::Budget,
        guarita::CallbackProvider,
        guarita::Camera,
        guarita::CircuitBreaker,
        guarita::Detection,
        guarita::Detections,
        guarita::Detector,
        guarita::Error,
        guarita::Event,
        guarita::Frame,
        guarita::HybridProvider,
        guarita::LocalProvider,
        guarita::ModelSpec,
        guarita::MotionGate,
        guarita::Pipeline,
        guarita::Polygon,
        guarita::Threads,
        dyn guarita::Provider,
        budget::Reservation,
        dyn clock::Clock,
        clock::ManualClock,
        detection::ImageLabel,
        detection::Timing,
        event::EventPicture,
        event::Firing,
        event::JsonLinesSink,
        event::Scene<'_>,
        event::TriggerMachine,
        motion::BackgroundModel,
        motion::Motion,
        pipeline::Account,
        pipeline::Admission,
        pipeline::CameraStats,
        pipeline::ChunkReport,
        pipeline::Decision,
        event::FrameResult,
        pipeline::PipelineCheckpoint,
        pipeline::PipelineHealth,
        pipeline::PipelineStats,
        pipeline::RunSummary,
        pipeline::ShutdownReport,
        provider::Health,
        provider::Request,
        provider::Response,
        resilience::BreakerCounts,
        resilience::Permit,
        resilience::RateLimit,
        resilience::RetryPolicy,
        tracking::Object,
        guarita_rekognition::RekognitionProvider,
        guarita_webhook::WebhookSink,
    ];
    let moved = assert_all![Send: guarita::VideoSource, event::EventReceiver];
    let asserted: BTreeSet<&str> = asserted
        .iter()
        .chain(&moved)
        .map(|path| path.split('<').next().and_then(|path| path.rsplit([':', ' ']).next()).unwrap_or_default())
        .collect();
    let api = api();
    let missing: Vec<&str> =
        entries(&api, "nouns").iter().map(|noun| text(&noun["rust"])).filter(|name| !asserted.contains(name)).collect();
    assert!(missing.is_empty(), "not asserted to be Send and Sync: {missing:?}");
}
