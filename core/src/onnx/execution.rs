use crate::error::{Error, Result};
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Who computes inside ONNX Runtime.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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

/// Which execution provider to use. In a config also by its name alone (`"cuda"`, which is `Only`), or as a list
/// (`["cuda", "cpu"]`, which is `FirstOf`).
///
/// ```
/// use guarita::onnx::{ExecutionProvider, ExecutionProviderChoice};
/// let choice: ExecutionProviderChoice = serde_json::from_str(r#"["cuda", "cpu"]"#)?;
/// assert_eq!(choice, ExecutionProviderChoice::FirstOf(vec![ExecutionProvider::Cuda, ExecutionProvider::Cpu]));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExecutionProviderChoice {
    /// This one, or `RuntimeUnavailable`.
    Only(ExecutionProvider),
    /// The first of these that is there; the report says which one runs and why the ones before it do not.
    FirstOf(Vec<ExecutionProvider>),
}

impl Default for ExecutionProviderChoice {
    fn default() -> Self {
        Self::Only(ExecutionProvider::Cpu)
    }
}

impl ExecutionProviderChoice {
    pub(crate) fn as_slice(&self) -> &[ExecutionProvider] {
        match self {
            Self::Only(provider) => std::slice::from_ref(provider),
            Self::FirstOf(providers) => providers,
        }
    }
}

/// By hand, since serde's own for untagged enums says only that nothing fits.
impl<'de> Deserialize<'de> for ExecutionProviderChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ChoiceVisitor)
    }
}

struct ChoiceVisitor;

const KEYS: [&str; 2] = ["only", "first-of"];

impl<'de> Visitor<'de> for ChoiceVisitor {
    type Value = ExecutionProviderChoice;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(r#"an execution provider ("cuda"), a list of them, {"only": …} or {"first-of": […]}"#)
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<ExecutionProviderChoice, E> {
        name.parse().map(ExecutionProviderChoice::Only).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<ExecutionProviderChoice, A::Error> {
        let mut providers = Vec::new();
        while let Some(provider) = items.next_element()? {
            providers.push(provider);
        }
        Ok(ExecutionProviderChoice::FirstOf(providers))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<ExecutionProviderChoice, A::Error> {
        let choice = match fields.next_key::<String>()?.as_deref() {
            Some("only") => ExecutionProviderChoice::Only(fields.next_value()?),
            Some("first-of") => ExecutionProviderChoice::FirstOf(fields.next_value()?),
            Some(other) => return Err(de::Error::unknown_field(other, &KEYS)),
            None => return Err(de::Error::invalid_length(0, &self)),
        };
        match fields.next_entry::<String, IgnoredAny>()? {
            None => Ok(choice),
            Some((second, _)) => Err(de::Error::custom(format!("{second:?} beside the first key; one is enough"))),
        }
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for ExecutionProviderChoice {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ExecutionProviderChoice".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let (one, several) =
            (generator.subschema_for::<ExecutionProvider>(), generator.subschema_for::<Vec<ExecutionProvider>>());
        let under = |key: &str, value: &schemars::Schema| {
            schemars::json_schema!({
                "type": "object", "properties": { key: value }, "required": [key], "additionalProperties": false,
            })
        };
        schemars::json_schema!({
            "description": "Which execution provider to use: one, which must be there, or a list, of which the first that is \
                            there is taken.",
            "anyOf": [one, several, under(KEYS[0], &one), under(KEYS[1], &several)],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ExecutionProvider::{Cpu, Cuda};

    #[test]
    fn a_choice_is_a_name_a_list_or_spelled_out() {
        let both = || ExecutionProviderChoice::FirstOf(vec![Cuda, Cpu]);
        for (json, toml, choice) in [
            (r#""cuda""#, r#"p = "cuda""#, ExecutionProviderChoice::Only(Cuda)),
            (r#"{"only": "cuda"}"#, r#"p = { only = "cuda" }"#, ExecutionProviderChoice::Only(Cuda)),
            (r#"["cuda", "cpu"]"#, r#"p = ["cuda", "cpu"]"#, both()),
            (r#"{"first-of": ["cuda", "cpu"]}"#, r#"p = { first-of = ["cuda", "cpu"] }"#, both()),
            ("[]", "p = []", ExecutionProviderChoice::FirstOf(vec![])),
        ] {
            assert_eq!(serde_json::from_str::<ExecutionProviderChoice>(json).unwrap(), choice);
            let mut table: std::collections::BTreeMap<String, ExecutionProviderChoice> = toml::from_str(toml).unwrap();
            assert_eq!(table.remove("p").unwrap(), choice);
            let again = serde_json::to_string(&choice).unwrap();
            assert_eq!(serde_json::from_str::<ExecutionProviderChoice>(&again).unwrap(), choice, "{again}");
        }
    }

    #[test]
    fn a_choice_that_is_none_says_what_would_be_one() {
        for (json, word) in [
            (r#""gpu""#, "cpu, cuda, tensorrt, openvino, coreml, directml"),
            (r#"["cuda", "gpu"]"#, "tensorrt"),
            ("7", r#"{"first-of": […]}"#),
            ("{}", "an execution provider"),
            (r#"{"any": "cpu"}"#, "first-of"),
            (r#"{"only": "cpu", "first-of": ["cuda"]}"#, "first-of"),
            (r#"{"only": ["cpu"]}"#, "expected"),
        ] {
            let error = serde_json::from_str::<ExecutionProviderChoice>(json).unwrap_err().to_string();
            assert!(error.contains(word), "{json}: {error}");
            let toml = toml::from_str::<std::collections::BTreeMap<String, ExecutionProviderChoice>>("p = \"gpu\"")
                .unwrap_err();
            assert!(toml.to_string().contains("no execution provider"), "{toml}");
        }
    }
}
