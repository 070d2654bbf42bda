//! The shared cases (`core/tests/vectors/config.json`) of this package's config: the runner in `core/tests` knows the core's
//! own kinds alone. Every other language runs them with the rest.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

#[allow(dead_code, reason = "the core's runner uses all of it")]
#[path = "../../../tests/vectors_runner/compare.rs"]
mod compare;

use guarita::registry::{ProviderConfig, ProviderParts, Registry};
use guarita::{Budget, BudgetConfig, ManualClock, RedactRegion, Want};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;

fn registry() -> Registry {
    Registry::new().with(guarita_rekognition::register).unwrap()
}

#[test]
fn the_shared_cases_of_the_config() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/config.json");
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let cases = file["cases"].as_array().unwrap();
    let ours: Vec<_> = cases.iter().filter(|case| case["input"]["type"] == "RekognitionConfig").collect();
    assert!(ours.len() >= 8, "{} cases; some are lost", ours.len());
    let mut faults = Vec::new();
    for case in ours {
        let value = &case["input"]["value"];
        let as_type = registry().check_config("RekognitionConfig", &value.to_string());
        // The same by its kind.
        let mut by_kind = value.clone();
        by_kind["kind"] = "rekognition".into();
        let by_kind = registry().check_config("ProviderConfig", &by_kind.to_string());
        for answer in [as_type, by_kind] {
            faults.extend(match answer {
                Ok(checked) => {
                    let mut got: Value = serde_json::from_str(&checked).unwrap();
                    got.as_object_mut().unwrap().remove("kind");
                    compare::values(&case["expect"], &got, compare::TOLERANCE)
                }
                Err(error) => compare::values(
                    &case["error"],
                    &json!({
                        "code": error.code().to_string(),
                        "number": error.code().number(),
                        "advice": format!("{:?}", error.advice()),
                        "message": error.to_string(),
                    }),
                    compare::TOLERANCE,
                ),
            });
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn a_provider_from_data_has_the_parts_of_the_host() {
    let config: ProviderConfig =
        serde_json::from_value(json!({"kind": "rekognition", "region": "eu-west-1", "price": 7})).unwrap();
    let plain = registry().open_provider(&config, ProviderParts::default()).unwrap();
    assert_eq!((plain.name(), plain.capability().price.as_micros()), ("rekognition", 7));
    let mut parts = ProviderParts::default();
    parts.budget = Some(Budget::new(BudgetConfig::default()).unwrap());
    parts.redact = Some(Arc::new(Vec::<RedactRegion>::new()));
    let clock = Arc::new(ManualClock::new(guarita::UnixTime::from_secs(0)));
    parts.clock = Some(clock.clone());
    clock.advance(std::time::Duration::from_secs(5));
    let whole = registry().open_provider(&config, parts).unwrap();
    // The budget's table knows the price.
    assert_eq!(
        (whole.capability().price.as_micros(), whole.clock().now()),
        (1_000, guarita::Timestamp::from_millis(5_000))
    );
    assert_eq!(whole.capability().wants, Want::ALL);
    let other: ProviderConfig = serde_json::from_value(json!({"kind": "rekognition", "regin": "eu"})).unwrap();
    let error = registry().open_provider(&other, ProviderParts::default()).unwrap_err();
    assert!(error.to_string().contains("regin"), "{error}");
}
