use super::*;
use crate::error::ErrorCode;
use crate::event::CallbackSink;
use crate::provider::{CallbackProvider, CallbackProviderConfig, Want};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct SirenConfig {
    seconds: u8,
}

impl Default for SirenConfig {
    fn default() -> Self {
        Self { seconds: 5 }
    }
}

impl SinkKind for SirenConfig {
    const KIND: &'static str = "siren";
    const CONFIG: Option<&'static str> = Some("SirenConfig");

    fn validate(&self) -> Result<()> {
        crate::check::within("seconds", self.seconds, 1, 60)
    }

    fn open(self) -> Result<Box<dyn Sink>> {
        Ok(Box::new(CallbackSink::new(|_| ())))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CloudConfig {
    region: String,
}

impl ProviderKind for CloudConfig {
    const KIND: &'static str = "cloud";
    const CONFIG: &'static str = "CloudConfig";

    fn validate(&self) -> Result<()> {
        if self.region.is_empty() { Err(Error::invalid_config("region is empty")) } else { Ok(()) }
    }

    fn open(self, parts: ProviderParts) -> Result<Arc<dyn Provider>> {
        assert!(parts.budget.is_none());
        let config = CallbackProviderConfig { wants: vec![Want::Labels], ..CallbackProviderConfig::default() };
        Ok(Arc::new(CallbackProvider::new(config, move |_| Err(Error::unavailable(self.region.clone())))?))
    }
}

fn register(registry: &mut Registry) -> Result<()> {
    registry.add_sink::<SirenConfig>()?;
    registry.add_provider::<CloudConfig>()
}

fn sink(json: &str) -> SinkConfig {
    serde_json::from_str(json).unwrap()
}

fn provider(json: &str) -> ProviderConfig {
    serde_json::from_str(json).unwrap()
}

#[test]
fn a_registered_kind_is_checked_and_opened_like_one_of_the_core() {
    let registry = Registry::new().with(register).unwrap();
    assert_eq!(registry.check_config("SinkConfig", r#"{"kind": "siren"}"#).unwrap(), r#"{"kind":"siren","seconds":5}"#);
    assert!(registry.open_sink(&sink(r#"{"kind": "siren", "seconds": 60}"#)).is_ok());
    for (json, word) in [
        (r#"{"kind": "siren", "seconds": 61}"#, "seconds is 61"),
        (r#"{"kind": "siren", "second": 6}"#, "second"),
        (r#"{"kind": "siren", "seconds": "6"}"#, "string"),
    ] {
        for error in [registry.check_sink(&sink(json)).unwrap_err(), registry.open_sink(&sink(json)).err().unwrap()] {
            assert!(error.code() == ErrorCode::InvalidConfig && error.to_string().contains(word), "{error}");
        }
    }
    let cloud = provider(r#"{"kind": "cloud", "region": "here"}"#);
    assert_eq!(registry.check_provider(&cloud).unwrap(), cloud);
    let opened = registry.open_provider(&cloud, ProviderParts::default()).unwrap();
    assert_eq!(opened.capability().wants, [Want::Labels]);
    assert_eq!(registry.check_config("CloudConfig", r#"{"region": "x"}"#).unwrap(), r#"{"region":"x"}"#);
    assert_eq!(registry.check_config("SirenConfig", "{}").unwrap(), r#"{"seconds":5}"#);
    let error = registry.check_config("SirenConfig", r#"{"seconds": 0}"#).unwrap_err();
    assert_eq!((error.code(), error.context().field()), (ErrorCode::InvalidConfig, Some("seconds")));
    for (kind, json) in [("CloudConfig", r#"{"region": ""}"#), ("ProviderConfig", r#"{"kind": "cloud", "region": ""}"#)]
    {
        let error = registry.check_config(kind, json).unwrap_err();
        assert!(error.code() == ErrorCode::InvalidConfig && error.to_string().contains("region is empty"), "{error}");
    }
    assert_eq!(registry.added(), ["cloud", "siren"]);
    assert!(registry.doctor(None, crate::DetectorConfig::default()).features.contains(&"cloud"));
}

#[test]
fn an_unknown_kind_says_which_there_are_and_how_to_get_it() {
    let registry = Registry::new();
    assert!(registry.added().is_empty());
    for config in ["CloudConfig", "SirenConfig"] {
        assert_eq!(registry.check_config(config, "{}").unwrap_err().code(), ErrorCode::InvalidArgument);
    }
    for (kind, words) in
        [("kafka", &["json-lines", "guarita-kafka"][..]), ("Kaf ka\n", &["json-lines", "\"Kaf ka\\n\""])]
    {
        let config = SinkConfig { kind: kind.into(), fields: Fields::new() };
        for error in [registry.check_sink(&config).unwrap_err(), registry.open_sink(&config).err().unwrap()] {
            assert_eq!(error.code(), ErrorCode::InvalidConfig);
            assert!(words.iter().all(|word| error.to_string().contains(word)), "{error}");
            assert_eq!(error.to_string().contains("package"), kind == "kafka", "{error}");
        }
    }
    let error = registry.check_provider(&provider(r#"{"kind": "other-cloud"}"#)).unwrap_err();
    assert!(
        error.to_string().contains("registered: none; add the package that brings it (guarita-other-cloud"),
        "{error}"
    );
}

#[test]
fn a_name_stands_for_one_kind() {
    let twice = Registry::new().with(register).unwrap().with(register);
    assert!(twice.unwrap_err().to_string().contains("\"siren\" already"));
}

#[test]
fn a_config_as_data_shows_no_values() {
    let config = sink(r#"{"kind": "siren", "url": "https://here/token", "secret": "0123456789abcdef"}"#);
    assert_eq!(format!("{config:?}"), r#"SinkConfig { kind: "siren", fields: ["secret", "url"] }"#);
    assert_eq!(sink(&serde_json::to_string(&config).unwrap()), config);
    let file = JsonLinesFile { path: "a.jsonl".into(), options: crate::event::JsonLinesConfig::default() };
    let data = SinkConfig::of(&file).unwrap();
    assert_eq!((&*data.kind, &data.fields["path"]), ("json-lines", &"a.jsonl".into()));
    assert_eq!(Registry::new().check_sink(&data).unwrap(), data);
}
