//! Configs by the names of their types, as text: for hosts that keep settings in files, and for the other languages.

use super::{ProviderConfig, Registry, SinkConfig};
use crate::check::{field_of, known_way};
use crate::error::{Error, Result};
use crate::{budget, detector, event, frame, motion, pipeline, provider, resilience, tracking, zone};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};

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
    /// configs of registered sinks and providers by the names of their types.
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
        // Its polygon is checked where it is read.
        "Zone" => checked::<zone::Zone>(json, |_| Ok(())),
        other => registry.check_by_type(other, json).unwrap_or_else(|| {
            let shown: String = other.chars().take(64).collect();
            Err(Error::invalid_argument(format!("{shown:?} is no kind of config of this build")))
        }),
    }
}

/// Reads a config from any format that serde reads; what is wrong in it is named by its field. Ranges are checked by the
/// config's `validate`.
///
/// # Errors
/// `InvalidConfig` with the [`field`](crate::error::ErrorContext::field) that is unknown, missing or of another type.
///
/// ```
/// use guarita::read_config;
/// use guarita::source::SourceConfig;
/// let text = toml::Deserializer::parse("timeout_s = \"soon\"").unwrap();
/// let error = read_config::<SourceConfig, _>(text).unwrap_err();
/// assert_eq!(error.context().field(), Some("timeout_s"));
/// ```
pub fn read_config<'de, T, D>(from: D) -> Result<T>
where
    T: Deserialize<'de>,
    D: Deserializer<'de, Error: std::error::Error + Send + Sync + 'static>,
{
    serde_path_to_error::deserialize(from).map_err(|error| {
        let way = error.path().to_string();
        let error = error.into_inner();
        let words = error.to_string();
        let way = known_way(&way);
        let field = field_of(way, &words);
        // The whole has no name; an unknown field is named by serde's words already.
        let named = way.is_empty() || words.starts_with("unknown field");
        let wrong = Error::invalid_config(if named { words } else { format!("{way}: {words}") }).with_source(error);
        match field {
            Some(field) => wrong.with_field(field),
            None => wrong,
        }
    })
}

/// The config as text, with all defaults filled in.
pub(super) fn checked<T: DeserializeOwned + Serialize>(
    json: &str,
    validate: impl FnOnce(&T) -> Result<()>,
) -> Result<String> {
    filled(json, |config: T| validate(&config).map(|()| config))
}

/// Reads a config, checks it, and returns the result as text.
fn filled<T: DeserializeOwned, U: Serialize>(json: &str, check: impl FnOnce(T) -> Result<U>) -> Result<String> {
    let mut reader = serde_json::Deserializer::from_str(json);
    let config: T = read_config(&mut reader)?;
    reader.end().map_err(|error| Error::invalid_config(error.to_string()).with_source(error))?;
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
    fn in_every_kind_the_wrong_field_is_named_as_data() {
        // A field out of range, of another type, or unknown; and what lies deeper.
        let cases: &[(&str, &str, &str, Option<f64>)] = &[
            ("BackgroundModelConfig", r#"{"var_init": -1}"#, "var_init", Some(0.0)),
            ("BackgroundModelConfig", r#"{"history": 0}"#, "history", Some(1.0)),
            ("BackgroundModelConfig", r#"{"var_min": 80, "var_max": 75}"#, "var_min", Some(75.0)),
            ("BudgetConfig", r#"{"total": {"per_day": -1}}"#, "total.per_day", None),
            ("BudgetConfig", r#"{"total": {"per_week": 1}}"#, "total.per_week", None),
            ("BudgetConfig", r#"{"max_keys": 100001}"#, "max_keys", Some(1e5)),
            ("BudgetConfig", r#"{"warn_at": 0}"#, "warn_at", None),
            ("BudgetConfig", r#"{"prices": {"x": []}}"#, "prices.x", None),
            ("CallbackProviderConfig", r#"{"workers": 257}"#, "workers", Some(256.0)),
            ("CallbackProviderConfig", r#"{"wants": ["labels", "labels"]}"#, "wants", None),
            ("CameraConfig", r#"{"id": ""}"#, "id", None),
            ("CameraConfig", r#"{"id": "a", "fps": 2000}"#, "fps", Some(1000.0)),
            ("CameraConfig", r#"{"id": "a", "motion": {"linger_s": -1}}"#, "motion.linger_s", Some(0.0)),
            ("CameraConfig", r#"{"id": "a", "motion": {"linger": 1}}"#, "motion.linger", None),
            ("CameraConfig", r#"{"id": "a", "motion": {"linger_s": "1"}}"#, "motion.linger_s", None),
            (
                "CameraConfig",
                r#"{"id": "a", "look": {"low_light": {"min_confidence": 2}}}"#,
                "look.low_light.min_confidence",
                Some(1.0),
            ),
            (
                "CameraConfig",
                r#"{"id": "a", "look": {"class_confidence": {"car": 2}}}"#,
                "look.class_confidence.car",
                Some(1.0),
            ),
            ("CameraConfig", r#"{"id": "a", "look": {"classes": ["car", 1]}}"#, "look.classes[1]", None),
            (
                "CameraConfig",
                r#"{"id": "a", "zones": [{"name": "x", "area": [[0, 0], [1, 0]]}]}"#,
                "zones[0].area",
                None,
            ),
            (
                "CameraConfig",
                r#"{"id": "a", "triggers": [{"name": "x", "when": {"present": {}}, "schedule": {"windows": []}}]}"#,
                "triggers[0].schedule.windows",
                Some(1.0),
            ),
            (
                "CameraConfig",
                r#"{"id": "a", "triggers": [{"name": "x", "when": {"present": {"zone": "no"}}}]}"#,
                "triggers[0].when.present.zone",
                None,
            ),
            ("CircuitBreakerConfig", r#"{"window": {"time": {"seconds": 0}}}"#, "window.time.seconds", Some(0.1)),
            ("Confirmation", r#"{"k": 3, "n": 2}"#, "k", Some(2.0)),
            ("DecodeOptions", r#"{"limits": {"max_side": -1}}"#, "limits.max_side", None),
            ("DetectorConfig", r#"{"min_confidence": 1.5}"#, "min_confidence", Some(1.0)),
            ("DetectorConfig", r#"{"class_confidence": {"car": -1}}"#, "class_confidence.car", Some(0.0)),
            ("DetectorConfig", r#"{"execution_provider": []}"#, "execution_provider", None),
            ("FailurePolicy", r#"{"throttled": 1}"#, "throttled", None),
            ("HybridConfig", r#"{"fallback_timeout_s": 0}"#, "fallback_timeout_s", Some(0.0)),
            (
                "HybridConfig",
                r#"{"mode": {"balance": {"primary": 1000001, "fallback": 1}}}"#,
                "mode.balance.primary",
                Some(1e6),
            ),
            ("HybridConfig", r#"{"primary_breaker": {"open_s": 0}}"#, "primary_breaker.open_s", Some(0.001)),
            ("JournalOptions", r#"{"compact_bytes": 1}"#, "compact_bytes", Some(4096.0)),
            ("JournalOptions", r#"{"fsync": {"every": {"seconds": 0}}}"#, "fsync.every.seconds", Some(0.001)),
            ("JsonLinesConfig", r#"{"keep": 1001}"#, "keep", Some(1000.0)),
            ("LocalProviderConfig", r#"{"recover_after_s": 0.5}"#, "recover_after_s", Some(1.0)),
            ("ModelHints", r#"{"input": {"widht": 640}}"#, "input.widht", None),
            ("ModelHints", r#"{"input": {"mean": [0, 0]}}"#, "input.mean", None),
            ("MotionGateConfig", r#"{"working_width": 31}"#, "working_width", Some(32.0)),
            ("MotionGateConfig", r#"{"include": [[[0, 0], [1, 1]]]}"#, "include[0]", None),
            ("OutletConfig", r#"{"retry": {"attempts": 0}}"#, "retry.attempts", Some(1.0)),
            ("PipelineConfig", r#"{"rate_limit": {"per_second": 0}}"#, "rate_limit.per_second", Some(1e-6)),
            ("PriceTable", r#"{"x": [{"price": 1}, {"price": 2}]}"#, "x[0]", None),
            ("RateLimitConfig", r#"{"burst": 0}"#, "burst", Some(1.0)),
            ("ResultCacheConfig", r#"{"ttl_s": 0}"#, "ttl_s", Some(0.001)),
            ("RetryConfig", r#"{"attempts": 0}"#, "attempts", Some(1.0)),
            (
                "RunFileConfig",
                r#"{"camera": {"id": "a", "queue": {"capacity": 0}}}"#,
                "camera.queue.capacity",
                Some(1.0),
            ),
            ("RunFileConfig", r#"{"camera": {"id": "a"}, "source": {"timeout_s": 0}}"#, "source.timeout_s", Some(0.1)),
            ("Schedule", r#"{"windows": [{"from": "24:00"}]}"#, "windows[0].from", None),
            ("Schedule", r#"{"windows": [{"from": "25:00"}]}"#, "windows[0].from", None),
            ("Schedule", r#"{"time_zone": "no/where", "windows": [{}]}"#, "time_zone", None),
            ("SinkConfig", r#"{"kind": "json-lines", "path": ""}"#, "path", None),
            (
                "SinkConfig",
                r#"{"kind": "json-lines", "path": "a", "options": {"max_bytes": 1}}"#,
                "options.max_bytes",
                Some(4096.0),
            ),
            ("SourceConfig", r#"{"width": 1}"#, "width", Some(2.0)),
            ("SourceConfig", r#"{"fps": 2000}"#, "fps", Some(1000.0)),
            ("TriggerConfig", r#"{"name": "x", "when": {"absent": {"for_s": 0}}}"#, "when.absent.for_s", Some(0.001)),
            (
                "TriggerConfig",
                r#"{"name": "x", "when": {"all": [{"present": {}}, {"not": {"count": {}}}]}}"#,
                "when.all[1].not.count",
                None,
            ),
            ("TriggerConfig", r#"{"name": "x"}"#, "when", None),
            ("Zone", r#"{"name": "x", "area": [[0, 0], [1, 1], [2, 2]]}"#, "area", None),
            ("Zone", r#"{"name": "x", "area": [[0, 0], [1, 0], [1, "1"]]}"#, "area[2][1]", None),
        ];
        for (kind, json, field, limit) in cases {
            let error = check_config(kind, json).unwrap_err();
            if error.code() == InvalidArgument && error.to_string().contains("of this build") {
                continue;
            }
            assert_eq!(error.code(), InvalidConfig, "{kind} {json}: {error}");
            let known = (error.context().field(), error.context().limit());
            assert_eq!(known, (Some(*field), *limit), "{kind} {json}: {error}");
        }
        let all: Vec<&str> = include_str!("configs.rs")
            .lines()
            .filter_map(|line| line.strip_prefix("        \"")?.split_once("\" => checked").map(|(kind, _)| kind))
            .collect();
        assert!(all.len() > 25, "{all:?}");
        for kind in all {
            assert!(cases.iter().any(|(of, ..)| *of == kind), "no case of {kind}");
        }
    }

    #[test]
    fn text_that_is_no_json_has_no_field() {
        for json in ["", "{", "[1", "{} {}", "null"] {
            let error = check_config("Confirmation", json).unwrap_err();
            assert_eq!((error.code(), error.context().field()), (InvalidConfig, None), "{json}: {error}");
        }
    }

    #[test]
    fn what_is_given_back_is_taken_again() {
        let first = check_config(
            "CameraConfig",
            r#"{"id": "gate", "motion": false, "look": {"class_confidence": {"car": 0.3}}}"#,
        )
        .unwrap();
        assert_eq!(check_config("CameraConfig", &first).unwrap(), first);
    }
}
