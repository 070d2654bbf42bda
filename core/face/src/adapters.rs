//! The clouds and sinks that every face carries. One more package is one more line in [`registry`], and one more dependency in
//! `Cargo.toml`: then it is in the wheel, the addon and the library alike.

pub use guarita_rekognition::{RekognitionConfig, RekognitionProvider};
pub use guarita_webhook::{WebhookConfig, WebhookSink};

use guarita::registry::Registry;
use guarita::{Error, Result};
use std::sync::LazyLock;

/// All kinds of sinks and of providers that a face can open from a config.
///
/// # Errors
/// `InvalidArgument` where two packages bring a kind of one name.
pub fn registry() -> Result<&'static Registry> {
    static ALL: LazyLock<Result<Registry>> =
        LazyLock::new(|| Registry::new().with(guarita_rekognition::register)?.with(guarita_webhook::register));
    ALL.as_ref().map_err(|error| Error::new(error.code(), error.to_string()))
}

#[cfg(test)]
mod tests {
    #[test]
    fn each_is_known_by_the_name_of_its_config() {
        for (kind, fields) in [
            ("RekognitionConfig", serde_json::json!({"region": "eu-west-1"})),
            ("WebhookConfig", serde_json::json!({"url": "https://a.example/hook"})),
        ] {
            crate::config::check(kind, &fields).unwrap();
        }
    }
}
