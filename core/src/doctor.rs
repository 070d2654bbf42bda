//! What guarita finds on this machine, for people who ask why it does not work.

use crate::detector::{Detector, DetectorConfig, DetectorReport};
use crate::error::{Error, Result};
use crate::onnx::{RuntimeInfo, runtime};
use crate::registry::Registry;
use serde::{Serialize, Serializer};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What guarita finds on this machine. Serialises to plain values for JSON; what is missing is then `error` (for people),
/// `code` and `advice`.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct DoctorReport {
    /// Nothing that was looked at is missing. What this build cannot do was not looked at, and `ffmpeg` and certificates are
    /// only needed for video files and for clouds: they do not count.
    pub ok: bool,
    /// The version of guarita.
    pub version: &'static str,
    /// What this build can do beside the core, in the order of the names.
    pub features: Vec<&'static str>,
    /// Processors that this process may use.
    pub processors: usize,
    /// Their instruction sets.
    pub cpu_features: Vec<&'static str>,
    /// The ONNX Runtime library, and the execution providers that it was built with.
    #[serde(serialize_with = "found")]
    pub onnxruntime: Result<RuntimeInfo>,
    /// The program that decodes video; none in a build without.
    #[serde(serialize_with = "perhaps_found")]
    pub ffmpeg: Option<Result<ProgramInfo>>,
    /// The certificates that TLS trusts; none where nothing that is registered calls anybody.
    #[serde(serialize_with = "perhaps_found")]
    pub certificates: Option<Result<CertificatesInfo>>,
    /// The model, where one was given: opened, and asked what runs it.
    #[serde(serialize_with = "perhaps_found")]
    pub model: Option<Result<DetectorReport>>,
}

/// A program that was found; it was not run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ProgramInfo {
    /// The file.
    #[serde(serialize_with = "shown")]
    pub path: PathBuf,
    /// Where its path comes from, such as `PATH`.
    pub origin: String,
}

/// Certificates of authorities that the system trusts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CertificatesInfo {
    /// How many there are.
    pub count: usize,
}

/// Looks at what guarita needs of this machine: ONNX Runtime (which is loaded), `ffmpeg`, certificates, and a model, which
/// is opened with this config. Takes as long as reading the model does; nothing is called over a network.
///
/// ```
/// use guarita::DetectorConfig;
/// let report = guarita::doctor(None, DetectorConfig::default());
/// if let Err(error) = &report.onnxruntime {
///     println!("{error} ({:?})", error.advice());
/// }
/// assert!(report.model.is_none());
/// ```
pub fn doctor(model: Option<&Path>, config: DetectorConfig) -> DoctorReport {
    Registry::new().doctor(model, config)
}

impl Registry {
    /// As the function [`doctor`]; `features` names what is registered here too.
    pub fn doctor(&self, model: Option<&Path>, config: DetectorConfig) -> DoctorReport {
        examine(self, model, config)
    }
}

fn examine(registry: &Registry, model: Option<&Path>, config: DetectorConfig) -> DoctorReport {
    let own = [("prometheus", cfg!(feature = "prometheus")), ("video", cfg!(feature = "video"))];
    let own = own.into_iter().filter_map(|(name, built_in)| built_in.then_some(name));
    let features: BTreeSet<_> = own.chain(registry.added()).collect();
    let onnxruntime = runtime(config.onnxruntime.as_deref());
    let model = model.map(|path| Detector::open_file(path, config).map(|detector| detector.report()));
    DoctorReport {
        ok: onnxruntime.is_ok() && !matches!(model, Some(Err(_))),
        version: env!("CARGO_PKG_VERSION"),
        features: features.into_iter().collect(),
        processors: std::thread::available_parallelism().map_or(1, |count| count.get()),
        cpu_features: crate::imaging::cpu_features(),
        onnxruntime,
        ffmpeg: ffmpeg(),
        certificates: registry.certificates().map(|count| count.map(|count| CertificatesInfo { count })),
        model,
    }
}

fn ffmpeg() -> Option<Result<ProgramInfo>> {
    #[cfg(feature = "video")]
    return Some(crate::source::program().map(|(path, origin)| ProgramInfo { path, origin: origin.into() }));
    #[cfg(not(feature = "video"))]
    None
}

fn shown<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}

/// What is missing, as data.
#[derive(Serialize)]
struct Missing {
    error: String,
    code: String,
    advice: String,
}

impl From<&Error> for Missing {
    fn from(error: &Error) -> Self {
        Self { error: error.to_string(), code: error.code().to_string(), advice: format!("{:?}", error.advice()) }
    }
}

fn found<T: Serialize, S: Serializer>(found: &Result<T>, serializer: S) -> Result<S::Ok, S::Error> {
    match found {
        Ok(found) => found.serialize(serializer),
        Err(error) => Missing::from(error).serialize(serializer),
    }
}

fn perhaps_found<T: Serialize, S: Serializer>(thing: &Option<Result<T>>, serializer: S) -> Result<S::Ok, S::Error> {
    match thing {
        Some(thing) => found(thing, serializer),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_says_what_to_do() {
        let config =
            DetectorConfig { onnxruntime: Some("/nowhere/libonnxruntime.so".into()), ..DetectorConfig::default() };
        let report = doctor(Some(Path::new("/nowhere/model.onnx")), config);
        assert!(!report.ok);
        let data = serde_json::to_value(&report).unwrap();
        assert_eq!(data["model"]["code"], "NotFound");
        assert_eq!(data["model"]["advice"], "ChangeConfig");
        // Where another test has loaded a library already, it is another state.
        let code = data["onnxruntime"]["code"].as_str().unwrap();
        assert!(code == "RuntimeUnavailable" || code == "InvalidState", "{code}");
        assert!(data["onnxruntime"]["error"].as_str().unwrap().contains("/nowhere/libonnxruntime.so"));
        assert_eq!(data["ffmpeg"].is_null(), !cfg!(feature = "video"));
        assert_eq!(data["version"], env!("CARGO_PKG_VERSION"));
    }
}
