//! Configs by the names of their types, as text: for hosts that keep settings in files, and for the other languages.

use super::{ProviderConfig, Registry, SinkConfig};
use crate::error::{Error, Result};
use crate::{budget, detector, event, frame, motion, pipeline, provider, resilience, tracking, zone};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Reads a config of this kind from JSON, checks every field, and gives it back as JSON with all defaults filled in: for
/// settings that are to be found wrong where they are edited, not where they are used.
///
/// `kind` is the name of the type, such as `CameraConfig`; types behind a feature that this build lacks are unknown. What
/// needs more than the config, such as the classes of a model or a file, is checked where that is opened. Kinds of sinks and
/// of providers are those of the core: [`Registry::check_config`] knows those that are registered too.
///
/// # Errors
/// `InvalidConfig` naming the field: for a value out of range, of another type, or under an unknown name, and for text that
/// is no JSON. `InvalidArgument` for an unknown kind.
///
/// ```
/// let checked = guarita::check_config("Confirmation", r#"{"k": 2, "n": 3}"#)?;
/// assert_eq!(checked, r#"{"k":2,"n":3,"min_overlap":0.3,"max_gap_s":5.0}"#);
/// let error = guarita::check_config("CameraConfig", r#"{"id": "gate", "fps": -1}"#).unwrap_err();
/// assert!(error.to_string().contains("fps"));
/// # Ok::<(), guarita::Error>(())
/// ```
pub fn check_config(kind: &str, json: &str) -> Result<String> {
    Registry::new().check_config(kind, json)
}

impl Registry {
    /// As the function [`check_config`], with the kinds that are registered here: `SinkConfig`, `ProviderConfig`, and the
    /// configs of registered providers by the names of their types.
    ///
    /// # Errors
    /// As the function.
    pub fn check_config(&self, kind: &str, json: &str) -> Result<String> {
        check_with(self, kind, json)
    }
}

fn check_with(registry: &Registry, kind: &str, json: &str) -> Result<String> {
    match kind {
        "BackgroundModelConfig" => checked(json, motion::BackgroundModelConfig::validate),
        "BudgetConfig" => checked(json, budget::BudgetConfig::validate),
        "CallbackProviderConfig" => checked(json, provider::CallbackProviderConfig::validate),
        "CameraConfig" => checked(json, pipeline::CameraConfig::validate),
        "CircuitBreakerConfig" => checked(json, resilience::CircuitBreakerConfig::validate),
        "Confirmation" => checked(json, tracking::Confirmation::validate),
        "DecodeOptions" => checked::<frame::DecodeOptions>(json, |_| Ok(())),
        "DetectorConfig" => checked(json, detector::DetectorConfig::validate),
        "FailurePolicy" => checked::<resilience::FailurePolicy>(json, |_| Ok(())),
        "HybridConfig" => checked(json, provider::HybridConfig::validate),
        "JournalOptions" => checked(json, budget::JournalOptions::validate),
        "JsonLinesConfig" => checked(json, event::JsonLinesConfig::validate),
        "LocalProviderConfig" => checked(json, provider::LocalProviderConfig::validate),
        // What it says must fit a model.
        "ModelHints" => checked::<crate::model::ModelHints>(json, |_| Ok(())),
        "MotionGateConfig" => checked(json, motion::MotionGateConfig::validate),
        "OutletConfig" => checked(json, event::OutletConfig::validate),
        "PipelineConfig" => checked(json, pipeline::PipelineConfig::validate),
        "ProviderConfig" => filled(json, |config: ProviderConfig| registry.check_provider(&config)),
        "PriceTable" => checked(json, budget::PriceTable::validate),
        "RateLimitConfig" => checked(json, resilience::RateLimitConfig::validate),
        "ResultCacheConfig" => checked(json, pipeline::ResultCacheConfig::validate),
        "RetryConfig" => checked(json, resilience::RetryConfig::validate),
        #[cfg(feature = "video")]
        "RunFileConfig" => checked(json, pipeline::RunFileConfig::validate),
        "Schedule" => checked(json, event::Schedule::validate),
        "SinkConfig" => filled(json, |config: SinkConfig| registry.check_sink(&config)),
        #[cfg(feature = "video")]
        "SourceConfig" => checked(json, crate::source::SourceConfig::validate),
        "TriggerConfig" => checked(json, event::TriggerConfig::validate),
        #[cfg(feature = "webhook")]
        "WebhookConfig" => checked(json, event::WebhookConfig::validate),
        // Its polygon is checked where it is read.
        "Zone" => checked::<zone::Zone>(json, |_| Ok(())),
        other => registry.check_by_type(other, json).unwrap_or_else(|| {
            let shown: String = other.chars().take(64).collect();
            Err(Error::invalid_argument(format!("{shown:?} is no kind of config of this build")))
        }),
    }
}

/// The config as text, with all defaults filled in.
pub(super) fn checked<T: DeserializeOwned + Serialize>(
    json: &str,
    validate: impl FnOnce(&T) -> Result<()>,
) -> Result<String> {
    filled(json, |config: T| validate(&config).map(|()| config))
}

/// What became of the config, as text.
fn filled<T: DeserializeOwned, U: Serialize>(json: &str, check: impl FnOnce(T) -> Result<U>) -> Result<String> {
    let config: T =
        serde_json::from_str(json).map_err(|error| Error::invalid_config(error.to_string()).with_source(error))?;
    serde_json::to_string(&check(config)?)
        .map_err(|error| Error::internal(format!("a config is no JSON: {error}")).with_source(error))
}

#[cfg(test)]
mod tests {
    use super::check_config;
    use crate::ErrorCode::{InvalidArgument, InvalidConfig};

    #[test]
    fn what_is_wrong_says_so() {
        for (kind, json, code) in [
            ("CameraConfig", "{}", InvalidConfig),
            ("CameraConfig", "{", InvalidConfig),
            ("CameraConfig", "[1]", InvalidConfig),
            ("CameraConfig", r#"{"id": "a", "motion": {"linger_s": 1e308}}"#, InvalidConfig),
            ("Confirmation", r#"{"k": 1, "k": 1}"#, InvalidConfig),
            ("camera_config", "{}", InvalidArgument),
            ("", "", InvalidArgument),
        ] {
            assert_eq!(check_config(kind, json).unwrap_err().code(), code, "{kind} {json}");
        }
        let deep = format!("{}{}", r#"{"name":"a","when":"#, r#"{"not":"#.repeat(100_000));
        assert_eq!(check_config("TriggerConfig", &deep).unwrap_err().code(), InvalidConfig);
    }

    #[test]
    fn what_is_given_back_is_taken_again() {
        let first = check_config("CameraConfig", r#"{"id": "gate", "class_confidence": {"car": 0.3}}"#).unwrap();
        assert_eq!(check_config("CameraConfig", &first).unwrap(), first);
    }
}
