//! The clouds and sinks that every face carries. One more is one more line here, and one more feature in `Cargo.toml`: then it is
//! in the wheel, the addon and the library alike.

pub use guarita::{RekognitionConfig, RekognitionProvider};
pub use guarita::{WebhookConfig, WebhookSink};

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
