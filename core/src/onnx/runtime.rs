//! The ONNX Runtime library of this process: found, checked, and loaded once.
//!
//! ort panics when it is asked for anything before a library was loaded, so nothing here touches it until a library
//! has shown that it is one and is new enough.

use super::discovery::{self, Place};
use super::execution::ExecutionProvider;
use crate::error::{Error, Result};
use ort::ep::ExecutionProvider as _;
use std::ffi::CStr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// The ONNX Runtime library in use.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RuntimeInfo {
    /// The file that was loaded.
    pub library: PathBuf,
    /// Its version, such as `1.31.1`.
    pub version: String,
    /// The execution providers that it was built with.
    pub providers: Vec<ExecutionProvider>,
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
/// `ORT_DYLIB_PATH`, beside guarita's own library or executable, the system's loader. A path that is named must work;
/// the last two are only searched where none is named.
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
    let version = probe(&place.path)?;
    let builder = ort::init_from(&place.path).map_err(|error| error.to_string())?;
    let environment = builder.with_name("guarita").with_telemetry(false).build().map_err(|error| error.to_string())?;
    let providers = ExecutionProvider::ALL.into_iter().filter(|&provider| is_built_in(provider)).collect();
    Ok(Loaded { info: RuntimeInfo { library: place.path.clone(), version, providers }, environment })
}

/// Opens the library and asks for its version, so that ort is only given a library that it will accept.
#[allow(unsafe_code, reason = "a shared library can only be asked by loading it and calling into it")]
fn probe(path: &Path) -> Result<String, String> {
    type GetApiBase = unsafe extern "C" fn() -> *const ort::sys::OrtApiBase;
    // SAFETY: loading runs the library's own initialisers; whoever names a library asks for that.
    let library = unsafe { libloading::Library::new(path) }.map_err(|error| error.to_string())?;
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
        let has_api = minor >= OLDEST && !(base.GetApi)(OLDEST).is_null();
        (version, has_api)
    };
    if !has_api {
        return Err(format!("ONNX Runtime {version} is too old; 1.{OLDEST} or newer is needed"));
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
