//! Finding and refusing ONNX Runtime libraries. A process loads one library and keeps it, so each case runs in a process
//! of its own: the test starts this executable again with the case's name in a variable.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test")]
#![allow(clippy::disallowed_methods, reason = "the variables are what is tested, and how the child knows its case")]

mod common;

use guarita::model::ModelHints;
use guarita::onnx::{RuntimeInfo, runtime};
use guarita::{Advice, Detector, DetectorConfig, ErrorCode, ModelSpec, PixelFormat, Result, Size};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

const CASE: &str = "GUARITA_TEST_CASE";
const RIGHT: &str = "GUARITA_TEST_RIGHT";
const SUBJECT: &str = "GUARITA_TEST_SUBJECT";

/// The library that the tests run with: a file, or a folder.
fn right() -> PathBuf {
    let named = std::env::var_os(RIGHT).or_else(|| std::env::var_os("GUARITA_ONNXRUNTIME"));
    named.map(PathBuf::from).or_else(common::onnxruntime).unwrap()
}

/// Runs `case` in a process with these variables and no others of guarita; `subject` is what the case is about.
fn in_child(name: &str, subject: impl AsRef<OsStr>, variables: &[(&str, &OsStr)], case: impl Fn(&Path)) {
    if std::env::var_os(CASE).is_some_and(|running| running == name) {
        return case(Path::new(&std::env::var_os(SUBJECT).unwrap()));
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", name, "--nocapture", "--test-threads=1"]);
    // What the loader searches must not hold a library by chance: cargo sets it for the tests.
    for variable in
        ["GUARITA_ONNXRUNTIME", "ORT_DYLIB_PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH"]
    {
        child.env_remove(variable);
    }
    child.env(CASE, name).env(RIGHT, right()).env(SUBJECT, subject.as_ref()).envs(variables.iter().copied());
    let output = child.output().unwrap();
    let text = [String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)].concat();
    assert!(output.status.success(), "{}: {text}", output.status);
    // A name that matches no test would pass as well.
    assert!(text.contains("1 passed"), "{text}");
    text.lines().filter(|line| line.starts_with("  ") || line.contains("SKIPPED")).for_each(|line| println!("{line}"));
}

/// Refused, twice with the same words; then a right library given by the config works in the same process.
fn refused_then_right(tried: &Path, mentions: &[&str]) {
    let before = runtime(None);
    assert_refused(&before, tried, mentions);
    assert_eq!(before.unwrap_err().to_string(), runtime(None).unwrap_err().to_string());
    let spec = || ModelSpec::read_with(common::fixture("v8_nc80.onnx"), &ModelHints::default()).unwrap();
    let error = Detector::open(spec(), DetectorConfig::default()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::RuntimeUnavailable, "{error}");
    let detector =
        Detector::open(spec(), DetectorConfig { onnxruntime: Some(right()), ..DetectorConfig::default() }).unwrap();
    let frame = common::flat(Size::new(96, 96), PixelFormat::Rgb8, &[204, 50, 153]);
    assert_eq!(detector.detect(&frame).unwrap().len(), 1);
    // A library is loaded now, and nothing more specific is asked for.
    assert_eq!(&runtime(None).unwrap(), &detector.report().runtime);
}

fn assert_refused(result: &Result<RuntimeInfo>, tried: &Path, mentions: &[&str]) {
    let error = result.as_ref().expect_err("an error");
    let text = error.to_string();
    println!("  {}", text.replace('\n', "\n  "));
    assert_eq!((error.code(), error.advice()), (ErrorCode::RuntimeUnavailable, Advice::FixHost), "{text}");
    for words in [&["pip install onnxruntime", "GUARITA_ONNXRUNTIME", tried.to_str().unwrap()][..], mentions].concat() {
        assert!(text.contains(words), "no {words:?} in: {text}");
    }
}

/// A folder of its own, in the folder that cargo gives to tests (`target/tmp`), made anew in each run.
fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("runtime").join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Builds a shared library from C; `None` after saying so where there is no compiler.
fn build(name: &str, source: &str) -> Option<PathBuf> {
    let folder = scratch(name);
    let (code, library) = (folder.join("fake.c"), folder.join("libonnxruntime.so"));
    std::fs::write(&code, source).unwrap();
    match Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&code).output() {
        Ok(output) if output.status.success() => Some(library),
        Ok(output) => panic!("cc: {}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => {
            println!("{name}: SKIPPED, no C compiler ({error})");
            None
        }
    }
}

/// A library with the entry point of ONNX Runtime and a version of our choice, and no API behind it.
fn fake(version: &str) -> String {
    format!(
        "static const void *api(unsigned n) {{ (void)n; return 0; }}
         static const char *version(void) {{ return {version}; }}
         static const struct {{ const void *(*a)(unsigned); const char *(*v)(void); }} base = {{ api, version }};
         const void *OrtGetApiBase(void) {{ return &base; }}"
    )
}

/// A test in which `GUARITA_ONNXRUNTIME` names the subject, which is refused with these words.
fn named_and_refused(name: &str, subject: Option<&Path>, case: impl Fn(&Path)) {
    // Inside the child the subject comes by variable.
    let subject = subject.map(Path::to_path_buf).unwrap_or_default();
    in_child(name, &subject, &[("GUARITA_ONNXRUNTIME", subject.as_os_str())], case);
}

fn is_child() -> bool {
    std::env::var_os(CASE).is_some()
}

#[test]
fn a_path_that_is_not_there() {
    named_and_refused(
        "a_path_that_is_not_there",
        Some(&common::repository().join("no/such/libonnxruntime.so")),
        |path| {
            refused_then_right(path, &["no such file", "(GUARITA_ONNXRUNTIME)"]);
        },
    );
}

#[test]
fn the_other_variable_counts_where_the_first_is_not_set() {
    let name = "the_other_variable_counts_where_the_first_is_not_set";
    let path = common::repository().join("no/such/libonnxruntime.so");
    in_child(name, &path, &[("ORT_DYLIB_PATH", path.as_os_str()), ("GUARITA_ONNXRUNTIME", OsStr::new(""))], |path| {
        refused_then_right(path, &["no such file", "(ORT_DYLIB_PATH)"]);
    });
}

#[test]
fn a_text_file() {
    named_and_refused("a_text_file", Some(&common::repository().join("Cargo.toml")), |path| {
        // The words are the loader's.
        refused_then_right(
            path,
            if cfg!(all(target_os = "linux", target_env = "gnu")) { &["invalid ELF header"] } else { &[] },
        );
    });
}

#[test]
fn a_folder_without_a_library() {
    let folder = (!is_child()).then(|| scratch("empty"));
    named_and_refused("a_folder_without_a_library", folder.as_deref(), |path| refused_then_right(path, &[]));
}

/// A download that broke off. The system's loader would end the process.
#[cfg(target_os = "linux")]
#[test]
fn a_truncated_library() {
    let subject = (!is_child()).then(|| {
        let file = scratch("truncated").join("libonnxruntime.so");
        let whole = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        std::fs::write(&file, &whole[..4096]).unwrap();
        file
    });
    named_and_refused("a_truncated_library", subject.as_deref(), |path| {
        refused_then_right(path, &["the file is truncated"])
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_library_that_is_something_else() {
    // The C library that this process runs on.
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let is_libc = |path: &&str| {
        path.rsplit('/').next().is_some_and(|name| name.starts_with("libc.so") || name.starts_with("libc-"))
    };
    let Some(libc) = maps.lines().filter_map(|line| line.split_whitespace().nth(5)).find(is_libc) else {
        println!("a_library_that_is_something_else: SKIPPED, no C library among the maps");
        return;
    };
    named_and_refused("a_library_that_is_something_else", Some(Path::new(libc)), |path| {
        refused_then_right(path, &["not ONNX Runtime: it has no OrtGetApiBase"]);
    });
}

#[test]
fn nothing_named_and_nothing_found() {
    in_child("nothing_named_and_nothing_found", "libonnxruntime", &[], |name| {
        if let Ok(info) = runtime(None) {
            println!("nothing_named_and_nothing_found: SKIPPED, this system has {}", info.library.display());
            return;
        }
        refused_then_right(name, &["the system's loader"]);
    });
}

/// A library made from this C source is refused with these words; skipped where there is no compiler.
#[cfg(target_os = "linux")]
fn built_and_refused(test: &str, folder: &str, source: &str, words: &[&str]) {
    let subject = if is_child() { None } else { build(folder, source) };
    if is_child() || subject.is_some() {
        named_and_refused(test, subject.as_deref(), |path| refused_then_right(path, words));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_library_that_is_too_old() {
    let words = ["ONNX Runtime 1.10.0 is too old; 1.17 or newer is needed"];
    built_and_refused("a_library_that_is_too_old", "old", &fake("\"1.10.0\""), &words);
}

/// The version sounds right, but the library does not give its functions.
#[cfg(target_os = "linux")]
#[test]
fn a_library_without_functions() {
    let words = ["1.99.0 does not give the functions"];
    built_and_refused("a_library_without_functions", "hollow", &fake("\"1.99.0\""), &words);
}

#[cfg(target_os = "linux")]
#[test]
fn a_library_without_a_version() {
    for (name, version) in [("no-version", "0"), ("odd-version", "\"\\xff\\xfe nonsense\""), ("blank-version", "\"\"")]
    {
        built_and_refused("a_library_without_a_version", name, &fake(version), &[]);
        if is_child() {
            return;
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_library_whose_base_is_null() {
    let source = "const void *OrtGetApiBase(void) { return 0; }";
    built_and_refused("a_library_whose_base_is_null", "null", source, &["OrtGetApiBase gave nothing"]);
}

/// A folder with several libraries: those that do not work are passed over, and the message names each.
#[cfg(target_os = "linux")]
#[test]
fn a_folder_of_useless_libraries() {
    let subject = if is_child() { None } else { build("several", &fake("\"1.10.0\"")) };
    let folder = subject.as_deref().and_then(Path::parent);
    if let Some(folder) = folder {
        std::fs::write(folder.join("libonnxruntime.so.1.5.0"), "text").unwrap();
    }
    if is_child() || subject.is_some() {
        named_and_refused("a_folder_of_useless_libraries", folder, |path| {
            refused_then_right(path, &["libonnxruntime.so (", "libonnxruntime.so.1.5.0 ("]);
        });
    }
}

#[test]
fn one_library_per_process() {
    in_child("one_library_per_process", "", &[], |_| {
        let first = runtime(Some(&right())).unwrap();
        assert!(first.version.starts_with("1."), "{first:?}");
        let other = common::repository().join("no/such/libonnxruntime.so");
        for _ in 0..2 {
            let error = runtime(Some(&other)).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidState, "{error}");
            for words in [other.to_str().unwrap(), first.library.to_str().unwrap()] {
                assert!(error.to_string().contains(words), "no {words} in: {error}");
            }
        }
        let spec = ModelSpec::read_with(common::fixture("v8_nc80.onnx"), &ModelHints::default()).unwrap();
        let config = DetectorConfig { onnxruntime: Some(other), ..DetectorConfig::default() };
        assert_eq!(Detector::open(spec, config).unwrap_err().code(), ErrorCode::InvalidState);
        // The same file is no other library, whichever way it is named.
        for same in [right(), first.library.clone(), first.library.canonicalize().unwrap()] {
            assert_eq!(runtime(Some(&same)).unwrap(), first);
        }
    });
}

#[test]
fn many_threads_load_it_at_once() {
    let path: OsString = right().into();
    in_child("many_threads_load_it_at_once", "", &[("GUARITA_ONNXRUNTIME", &path)], |_| {
        let threads: Vec<_> = (0..8).map(|_| std::thread::spawn(|| runtime(None).unwrap())).collect();
        let found: Vec<RuntimeInfo> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert!(found.iter().all(|info| *info == found[0]));
    });
}

/// The process ends while threads are in the library, twenty times: `exit` runs the library's own destructors.
#[test]
fn the_process_ends_with_looks_in_flight() {
    const NAME: &str = "the_process_ends_with_looks_in_flight";
    if is_child() {
        let detector = Arc::new(common::open_in(right(), "v8_nc80.onnx").unwrap());
        let frame = common::flat(Size::new(96, 96), PixelFormat::Rgb8, &[204, 50, 153]);
        let (begun, looks) = std::sync::mpsc::channel();
        for _ in 0..4 {
            let (detector, frame, begun) = (detector.clone(), frame.clone(), begun.clone());
            std::thread::spawn(move || {
                loop {
                    match detector.detect(&frame) {
                        Ok(_) => drop(begun.send(())),
                        Err(error) if error.code() == ErrorCode::Cancelled => return,
                        Err(error) => eprintln!("{error}"),
                    }
                }
            });
        }
        looks.iter().take(40).for_each(drop);
        std::process::exit(3);
    }
    for turn in 0..20 {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", NAME, "--nocapture", "--test-threads=1"]).env(CASE, NAME).env(RIGHT, right());
        let output = child.output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(3) && told.is_empty(), "{turn}: {}: {told}", output.status);
    }
}

/// A copy that somebody else has loaded is found without a name, and the report says whose it is.
#[cfg(target_os = "linux")]
#[test]
fn a_copy_that_the_process_has_is_used() {
    in_child("a_copy_that_the_process_has_is_used", "", &[], |_| {
        assert_eq!(runtime(None).unwrap_err().code(), ErrorCode::RuntimeUnavailable);
        let folder = right();
        let file = std::fs::read_dir(&folder).map_or(folder.clone(), |files| {
            let mut names = files.filter_map(|file| Some(file.ok()?.path()));
            names.find(|path| path.file_name().unwrap().to_str().unwrap().starts_with("libonnxruntime.so")).unwrap()
        });
        // As another package of the host's would: it stays loaded.
        #[allow(unsafe_code, reason = "loads a library as others do")]
        // SAFETY: the library is the one that the tests run with.
        let others = unsafe { libloading::Library::new(&file) }.unwrap();
        let found = runtime(None).unwrap();
        assert_eq!(found.library.canonicalize().unwrap(), file.canonicalize().unwrap());
        assert_eq!(found.origin, "loaded by this process before");
        drop(others);
    });
}
