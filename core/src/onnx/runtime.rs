//! The ONNX Runtime library of this process: found, checked, and loaded once.
//!
//! ort panics when it is asked for anything before a library was loaded, so nothing here touches it until a library
//! has shown that it is one and is new enough.

use super::discovery::{self, Place};
use super::execution::ExecutionProvider;
use super::exit;
use crate::error::{Error, Result};
use ort::ep::ExecutionProvider as _;
use serde::{Serialize, Serializer};
use std::ffi::CStr;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// The ONNX Runtime library in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RuntimeInfo {
    /// The file that was loaded; a bare name where the system's loader found it.
    #[serde(serialize_with = "shown")]
    pub library: PathBuf,
    /// Where its path comes from: `the config`, a variable, `beside guarita`, `loaded by this process before` and
    /// others.
    pub origin: &'static str,
    /// Its version, such as `1.31.1`.
    pub version: String,
    /// The execution providers that it was built with.
    pub providers: Vec<ExecutionProvider>,
}

/// Serialises a path, lossily where it is no text.
fn shown<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}

pub(super) struct Loaded {
    pub(super) info: RuntimeInfo,
    pub(super) environment: ort::environment::Environment,
}

/// One library and one environment per process; a failed try leaves it empty, and the next try starts afresh.
static LOADED: Mutex<Option<Loaded>> = Mutex::new(None);

/// Loads ONNX Runtime, unless it is loaded already, and says which one it is.
///
/// The places, in order: `library` (a file, or the folder it lies in), the variables `GUARITA_ONNXRUNTIME` and
/// `ORT_DYLIB_PATH`, a copy that this process has loaded already (Linux), beside guarita's own library or executable, the
/// system's loader. A path that is named must work; the others are only searched where none is named.
///
/// # Errors
/// `RuntimeUnavailable` with every place that was tried and what to install; never a panic, also on a second try.
/// `InvalidState` where another library is loaded already: a process can have one.
pub fn runtime(library: Option<&Path>) -> Result<RuntimeInfo> {
    with_runtime(library, |loaded| Ok(loaded.info.clone()))
}

pub(super) fn with_runtime<T>(library: Option<&Path>, act: impl FnOnce(&Loaded) -> Result<T>) -> Result<T> {
    let mut slot = LOADED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(loaded) = &*slot {
        if let Some(path) = library {
            let places = discovery::places(Some(path));
            if !places.iter().any(|place| same_file(&place.path, &loaded.info.library)) {
                return Err(Error::new(
                    crate::ErrorCode::InvalidState,
                    format!(
                        "{} cannot be loaded: this process already uses {} (one ONNX Runtime per process)",
                        path.display(),
                        loaded.info.library.display()
                    ),
                ));
            }
        }
        return act(loaded);
    }
    act(slot.insert(load(library)?))
}

fn same_file(a: &Path, b: &Path) -> bool {
    a == b || matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

fn load(library: Option<&Path>) -> Result<Loaded> {
    let mut tried = Vec::new();
    for place in discovery::places(library) {
        match load_from(&place) {
            Ok(loaded) => return Ok(loaded),
            Err(why) => tried.push(format!("{} ({}): {why}", place.path.display(), place.origin)),
        }
    }
    Err(Error::runtime_unavailable(format!(
        "no usable ONNX Runtime library. Tried:\n  {}\nInstall ONNX Runtime 1.{OLDEST} or newer, for example with \
         `pip install onnxruntime`, and set {} to the library or to the folder it lies in (for that package, the folder \
         `onnxruntime/capi`)",
        tried.join("\n  "),
        discovery::VARIABLES[0],
    )))
}

/// The oldest minor version of ONNX Runtime 1 that the `api-17` feature of ort accepts.
const OLDEST: u32 = ort::MINOR_VERSION;

fn load_from(place: &Place) -> Result<Loaded, String> {
    if place.path.is_absolute() && !place.path.exists() {
        return Err("no such file".into());
    }
    if is_cut_short(&place.path).unwrap_or(false) {
        return Err("the file is truncated".into());
    }
    let version = probe(&place.path)?;
    let builder = ort::init_from(&place.path).map_err(|error| error.to_string())?;
    let environment = builder.with_name("guarita").with_telemetry(false).build().map_err(|error| error.to_string())?;
    exit::wait_at_exit(exit::Use::Loaded);
    let providers = ExecutionProvider::ALL.into_iter().filter(|&provider| is_built_in(provider)).collect();
    Ok(Loaded {
        info: RuntimeInfo { library: place.path.clone(), origin: place.origin, version, providers },
        environment,
    })
}

/// Whether an ELF library ends before its table of sections, which stands last. The system's loader does not look, and
/// the process ends with SIGBUS where a part that is not there is touched: a download that broke off.
fn is_cut_short(path: &Path) -> std::io::Result<bool> {
    let mut file = std::fs::File::open(path)?;
    let mut header = [0; 64];
    file.read_exact(&mut header)?;
    let is_64_bit_elf = header.starts_with(b"\x7FELF\x02");
    let short = |at: usize| u64::from(u16::from_ne_bytes([header[at], header[at + 1]]));
    let [a, b, c, d, e, f, g, h] = [0, 1, 2, 3, 4, 5, 6, 7].map(|n| header[0x28 + n]);
    let sections = u64::from_ne_bytes([a, b, c, d, e, f, g, h]);
    let end = sections.saturating_add(short(0x3A) * short(0x3C));
    Ok(is_64_bit_elf && end > file.metadata()?.len())
}

/// Opens the library and asks for its version, so that ort is only given a library that it will accept.
#[allow(unsafe_code, reason = "a shared library can only be asked by loading it and calling into it")]
fn probe(path: &Path) -> Result<String, String> {
    type GetApiBase = unsafe extern "C" fn() -> *const ort::sys::OrtApiBase;
    // SAFETY: loading runs the library's own initialisers; whoever names a library asks for that.
    let library = unsafe { libloading::Library::new(path) }.map_err(|error| {
        // The error itself says only that it failed; the loader's words are its source.
        std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string)
    })?;
    // SAFETY: the symbol has this signature in every release of ONNX Runtime (onnxruntime_c_api.h).
    let get_base = unsafe { library.get::<GetApiBase>(b"OrtGetApiBase\0") }
        .map_err(|_| "not ONNX Runtime: it has no OrtGetApiBase".to_owned())?;
    // SAFETY: as above; the base is a static of the library, which stays loaded while `library` lives.
    let (version, has_api) = unsafe {
        let base = get_base().as_ref().ok_or("OrtGetApiBase gave nothing")?;
        let version = (base.GetVersionString)();
        if version.is_null() {
            return Err("it does not say its version".into());
        }
        let version = CStr::from_ptr(version).to_string_lossy().into_owned();
        let minor: u32 = version.split('.').nth(1).and_then(|part| part.parse().ok()).unwrap_or(0);
        // An old library prints a complaint when it is asked for a newer API, so look at the number first.
        if minor < OLDEST {
            return Err(format!("ONNX Runtime {version} is too old; 1.{OLDEST} or newer is needed"));
        }
        (version, !(base.GetApi)(OLDEST).is_null())
    };
    if !has_api {
        return Err(format!("ONNX Runtime {version} does not give the functions of 1.{OLDEST}"));
    }
    Ok(version)
}

fn is_built_in(provider: ExecutionProvider) -> bool {
    use ort::ep;
    let found = match provider {
        ExecutionProvider::Cpu => Ok(true),
        ExecutionProvider::Cuda => ep::CUDA::is_available(),
        ExecutionProvider::TensorRt => ep::TensorRT::is_available(),
        ExecutionProvider::OpenVino => ep::OpenVINO::is_available(),
        ExecutionProvider::CoreMl => ep::CoreML::is_available(),
        ExecutionProvider::DirectMl => ep::DirectML::is_available(),
    };
    found.unwrap_or(false)
}
