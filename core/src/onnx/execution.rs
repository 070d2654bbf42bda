use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Who computes inside ONNX Runtime.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ExecutionProvider {
    /// The processor; always there.
    #[default]
    Cpu,
    /// NVIDIA GPUs.
    Cuda,
    /// NVIDIA GPUs through TensorRT.
    TensorRt,
    /// Intel processors and GPUs.
    OpenVino,
    /// Apple devices.
    CoreMl,
    /// Windows GPUs.
    DirectMl,
}

impl ExecutionProvider {
    /// Every provider, in the order of this list.
    pub const ALL: [Self; 6] = [Self::Cpu, Self::Cuda, Self::TensorRt, Self::OpenVino, Self::CoreMl, Self::DirectMl];

    /// The name in configs and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::TensorRt => "tensorrt",
            Self::OpenVino => "openvino",
            Self::CoreMl => "coreml",
            Self::DirectMl => "directml",
        }
    }
}

impl fmt::Display for ExecutionProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ExecutionProvider {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|provider| provider.name() == name).ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            Error::invalid_config(format!("{name:?} is no execution provider; known are {known}"))
        })
    }
}

/// Which execution provider to use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProviderChoice {
    /// This one, or `RuntimeUnavailable`.
    Only(ExecutionProvider),
    /// The first of these that is there; the report says which one runs and why the ones before it do not.
    FirstOf(Vec<ExecutionProvider>),
}

impl Default for ProviderChoice {
    fn default() -> Self {
        Self::Only(ExecutionProvider::Cpu)
    }
}

impl ProviderChoice {
    pub(crate) fn as_slice(&self) -> &[ExecutionProvider] {
        match self {
            Self::Only(provider) => std::slice::from_ref(provider),
            Self::FirstOf(providers) => providers,
        }
    }
}
