//! Where the ONNX Runtime library may be.
//!
//! A path that somebody wrote down (config, `GUARITA_ONNXRUNTIME`, `ORT_DYLIB_PATH`, in this order) is the answer: if it
//! does not work, that is an error, not a reason to load another library than the one asked for. Only without one is a copy
//! used that the process has loaded already, for somebody else: two of the same name do not go together. Then the folders of
//! guarita and of the executable are searched, then the system's.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The variables that name the library or its folder, in the order in which they are asked.
pub(super) const VARIABLES: [&str; 2] = ["GUARITA_ONNXRUNTIME", "ORT_DYLIB_PATH"];

/// A place to try, and where its path comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) path: PathBuf,
    pub(super) origin: &'static str,
}

/// Everything to try, in order.
pub(super) fn places(configured: Option<&Path>) -> Vec<Place> {
    #[expect(clippy::disallowed_methods, reason = "the one home of the variables that guarita reads")]
    let variable = |name: &'static str| std::env::var_os(name);
    plan(configured, variable, &loaded(), &own_folders())
}

fn plan(
    configured: Option<&Path>,
    variable: impl Fn(&'static str) -> Option<OsString>,
    loaded: &[PathBuf],
    folders: &[(PathBuf, &'static str)],
) -> Vec<Place> {
    let named = configured.map(|path| (path.to_path_buf(), "the config")).or_else(|| {
        VARIABLES
            .into_iter()
            .find_map(|name| variable(name).filter(|value| !value.is_empty()).map(|value| (PathBuf::from(value), name)))
    });
    if let Some((path, origin)) = named {
        let path = std::path::absolute(&path).unwrap_or(path);
        let inside = if path.is_dir() { libraries_in(&path) } else { Vec::new() };
        let found = if inside.is_empty() { vec![path] } else { inside };
        return found.into_iter().map(|path| Place { path, origin }).collect();
    }
    let mut places: Vec<Place> =
        loaded.iter().map(|path| Place { path: path.clone(), origin: "loaded by this process before" }).collect();
    for &(ref folder, origin) in folders {
        places.extend(libraries_in(folder).into_iter().map(|path| Place { path, origin }));
    }
    places.extend(SYSTEM_NAMES.iter().map(|name| Place { path: name.into(), origin: "the system's loader" }));
    places
}

#[cfg(windows)]
const SYSTEM_NAMES: &[&str] = &["onnxruntime.dll"];
#[cfg(target_os = "macos")]
const SYSTEM_NAMES: &[&str] = &["libonnxruntime.dylib"];
#[cfg(not(any(windows, target_os = "macos")))]
const SYSTEM_NAMES: &[&str] = &["libonnxruntime.so", "libonnxruntime.so.1"];

/// Whether a file is called as the library is.
fn is_library(name: &str) -> bool {
    name == "onnxruntime.dll"
        || name
            .strip_prefix("libonnxruntime.")
            .is_some_and(|rest| rest == "so" || rest == "dylib" || rest.starts_with("so.") || rest.ends_with(".dylib"))
}

/// Copies of the library that this process has loaded already.
#[cfg(target_os = "linux")]
fn loaded() -> Vec<PathBuf> {
    use std::ffi::{CStr, OsStr};
    use std::os::unix::ffi::OsStrExt;
    #[allow(unsafe_code, reason = "called by the loader")]
    unsafe extern "C" fn note(
        object: *mut libc::dl_phdr_info,
        _size: libc::size_t,
        found: *mut libc::c_void,
    ) -> libc::c_int {
        // SAFETY: the loader gives an object that lives during the call, and `found` as it was given below.
        let (name, found) = unsafe { ((*object).dlpi_name, &mut *found.cast::<Vec<PathBuf>>()) };
        if !name.is_null() {
            // SAFETY: a text of the loader's, with a zero at its end.
            let path = Path::new(OsStr::from_bytes(unsafe { CStr::from_ptr(name) }.to_bytes()));
            if path.file_name().and_then(OsStr::to_str).is_some_and(is_library) {
                found.push(path.to_path_buf());
            }
        }
        0
    }
    let mut found: Vec<PathBuf> = Vec::new();
    // SAFETY: `note` is called for each object before this returns, with a pointer to `found`.
    #[allow(unsafe_code, reason = "the only way to learn what the process has loaded")]
    unsafe {
        libc::dl_iterate_phdr(Some(note), (&raw mut found).cast());
    }
    found
}

#[cfg(not(target_os = "linux"))]
fn loaded() -> Vec<PathBuf> {
    Vec::new()
}

/// Files in a folder that are called as the library is, the plain name first, then the newest version.
fn libraries_in(folder: &Path) -> Vec<PathBuf> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| is_library(name))
        .collect();
    let version = |name: &str| -> Vec<u32> { name.split('.').filter_map(|part| part.parse().ok()).collect() };
    names.sort_by(|a, b| {
        let (a_version, b_version) = (version(a), version(b));
        a_version.is_empty().cmp(&b_version.is_empty()).reverse().then(b_version.cmp(&a_version)).then(a.cmp(b))
    });
    names.into_iter().map(|name| folder.join(name)).collect()
}

fn own_folders() -> Vec<(PathBuf, &'static str)> {
    let mut folders = Vec::new();
    let mut add = |file: Option<PathBuf>, origin| {
        if let Some(folder) = file.as_deref().and_then(Path::parent).map(Path::to_path_buf)
            && !folders.iter().any(|(known, _)| *known == folder)
        {
            folders.push((folder, origin));
        }
    };
    add(own_library(), "beside guarita");
    add(std::env::current_exe().ok(), "beside the executable");
    folders
}

/// The file that this code was loaded from: the executable, or a library such as a Python extension.
#[cfg(unix)]
fn own_library() -> Option<PathBuf> {
    use std::ffi::{CStr, OsStr};
    use std::os::unix::ffi::OsStrExt;
    let mut info = std::mem::MaybeUninit::<libc::Dl_info>::zeroed();
    let here: fn() -> Option<PathBuf> = own_library;
    // SAFETY: any address may be asked for; `info` is writable, and read only where the call says that it filled it.
    #[allow(unsafe_code, reason = "the only way to learn which file this code is in")]
    let name = unsafe {
        if libc::dladdr(here as *const libc::c_void, info.as_mut_ptr()) == 0 {
            return None;
        }
        let name = info.assume_init().dli_fname;
        if name.is_null() {
            return None;
        }
        CStr::from_ptr(name).to_bytes().to_vec()
    };
    Path::new(OsStr::from_bytes(&name)).canonicalize().ok()
}

#[cfg(not(unix))]
fn own_library() -> Option<PathBuf> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touch(folder: &Path, names: &[&str]) {
        std::fs::create_dir_all(folder).unwrap();
        names.iter().for_each(|name| std::fs::write(folder.join(name), "").unwrap());
    }

    fn scratch(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("guarita-discovery-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        folder
    }

    #[test]
    fn a_named_path_is_the_only_place_and_the_config_wins() {
        let set = |name: &'static str| (name == "ORT_DYLIB_PATH").then(|| OsString::from("/opt/ort/libonnxruntime.so"));
        let places = plan(None, set, &["/loaded/libonnxruntime.so".into()], &[]);
        assert_eq!(places, [Place { path: "/opt/ort/libonnxruntime.so".into(), origin: "ORT_DYLIB_PATH" }]);
        let both = |_: &'static str| Some(OsString::from("/b.so"));
        assert_eq!(plan(None, both, &[], &[])[0].origin, "GUARITA_ONNXRUNTIME");
        assert_eq!(
            plan(Some(Path::new("/a.so")), both, &[], &[]),
            [Place { path: "/a.so".into(), origin: "the config" }]
        );
    }

    #[test]
    fn a_folder_stands_for_the_library_inside() {
        let folder = scratch("folder");
        touch(
            &folder,
            &["libonnxruntime.so.1.9.0", "libonnxruntime.so.1.31.1", "libonnxruntime_providers_shared.so", "x.so"],
        );
        let found: Vec<_> = plan(Some(&folder), |_| None, &[], &[]).into_iter().map(|place| place.path).collect();
        assert_eq!(found, [folder.join("libonnxruntime.so.1.31.1"), folder.join("libonnxruntime.so.1.9.0")]);
        touch(&folder, &["libonnxruntime.so"]);
        assert_eq!(plan(Some(&folder), |_| None, &[], &[])[0].path, folder.join("libonnxruntime.so"));
    }

    #[test]
    fn without_a_name_a_loaded_copy_comes_first_and_own_folders_before_the_system() {
        let folder = scratch("own");
        touch(&folder, &["libonnxruntime.so.1.20.0"]);
        let empty = |_: &'static str| Some(OsString::new());
        let loaded = PathBuf::from("/loaded/libonnxruntime.so.1");
        let places = plan(None, empty, std::slice::from_ref(&loaded), &[(folder.clone(), "beside guarita")]);
        assert_eq!(places[0].path, loaded);
        assert_eq!(places[1], Place { path: folder.join("libonnxruntime.so.1.20.0"), origin: "beside guarita" });
        assert_eq!(places.last().unwrap().origin, "the system's loader");
    }

    #[test]
    fn this_code_knows_its_own_file() {
        assert_eq!(own_library(), std::env::current_exe().unwrap().canonicalize().ok());
    }
}
