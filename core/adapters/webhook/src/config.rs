use guarita::Result;
use guarita::adapter::{within, wrong};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// Headers that are the sink's own, or the connection's; lower case.
const RESERVED: [&str; 8] = [
    "connection",
    "content-length",
    "content-type",
    "expect",
    "host",
    "idempotency-key",
    "transfer-encoding",
    "x-guarita-signature",
];

/// Where and how a [`WebhookSink`](crate::WebhookSink) sends events. Plain data; unknown fields are refused. Printed with
/// `{:?}`, it shows neither the secret, nor the headers' values, nor more of the URL than its host.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct WebhookConfig {
    /// `https://…`, or `http://…` where nobody else is on the way. Without a user name; that goes into `headers`. No default.
    pub url: String,
    /// Sent with every event, such as `Authorization`; default none. The headers that the sink sets itself are refused,
    /// except `User-Agent`.
    pub headers: BTreeMap<String, String>,
    /// Known to the receiver too: each event is signed with it; 16 bytes or more. Default none, and no signature.
    pub secret: Option<String>,
    /// A delivery that takes longer has failed, whatever it is waiting for; 0.1..600, default 10.
    pub timeout_s: f64,
    /// PEM file of the authorities that the receiver's certificate may come from, in place of the system's; for
    /// authorities of one's own. Default none: the system's.
    #[cfg_attr(feature = "schema", schemars(extend("format" = "path")))]
    pub ca_file: Option<PathBuf>,
}

impl Default for WebhookConfig {
    fn default() -> Self {
        Self { url: String::new(), headers: BTreeMap::new(), secret: None, timeout_s: 10.0, ca_file: None }
    }
}

impl WebhookConfig {
    /// Checks every field. Whether `ca_file` can be read is seen when the sink is opened.
    ///
    /// # Errors
    /// `InvalidConfig` naming the field and its range.
    pub fn validate(&self) -> Result<()> {
        self.origin()?;
        for (name, value) in &self.headers {
            let lower = name.to_ascii_lowercase();
            if !guarita_http::is_header_name(name) {
                return Err(wrong("headers", format!("has {name:?}, which is no name of a header")));
            }
            if RESERVED.contains(&&*lower) {
                let error = wrong("headers", format!("has {name:?}, which the sink sets itself"));
                return Err(error.with_field(format!("headers.{name}")));
            }
            if !guarita_http::is_header_value(value) {
                let what = "has a value that no header can have, such as one of two lines";
                return Err(wrong(&format!("headers.{name}"), what));
            }
        }
        if self.secret.as_ref().is_some_and(|secret| secret.len() < 16) {
            let error = wrong("secret", "is shorter than 16 bytes; such a one can be guessed");
            return Err(error.with_limit(16.0));
        }
        within("timeout_s", self.timeout_s, 0.1, 600.0)
    }

    /// Scheme and host: what messages may show. Paths of webhooks often are secrets.
    pub(super) fn origin(&self) -> Result<String> {
        guarita_http::origin(&self.url)
    }
}

impl fmt::Debug for WebhookConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookConfig")
            .field("url", &self.origin().unwrap_or_else(|_| "invalid".into()))
            .field("headers", &self.headers.keys())
            .field("secret", &self.secret.as_ref().map(|_| "***"))
            .field("timeout_s", &self.timeout_s)
            .field("ca_file", &self.ca_file)
            .finish()
    }
}
