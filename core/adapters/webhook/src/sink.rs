use crate::{WebhookConfig, answer, signature};
use guarita::clock::{Clock, SystemClock};
use guarita::event::{Delivery, DeliveryError, deliver_each};
use guarita::{Error, ErrorCode, Result, Sink};
use guarita_http::Client;
use std::fmt;
use std::sync::Arc;

/// Sends each event, or result of a frame, by HTTP POST, as JSON.
///
/// | header | |
/// |---|---|
/// | `Content-Type` | `application/json` |
/// | `Idempotency-Key` | the id: the same where the event is sent again, so the receiver can tell |
/// | `User-Agent` | `guarita/` and the version, unless `headers` has one |
/// | `X-Guarita-Signature` | where there is a secret: `t=<seconds since 1970>,v1=<hexadecimal HMAC-SHA256>` |
///
/// An answer of 2xx is a delivery; its body does not matter. 408, 425, 429, 5xx and no answer at all are tried again
/// later, after the time that `Retry-After` asks for, up to 60 s. Everything else is given up; redirects are not followed.
/// The certificate must come from an authority that the system trusts, or from one in `ca_file`. Proxies of the environment
/// are not used.
///
/// ```no_run
/// use guarita_webhook::{WebhookConfig, WebhookSink};
/// let sink = WebhookSink::open(WebhookConfig {
///     url: "https://alarms.example.org/hooks/guarita".into(),
///     secret: Some("a long secret that both sides know".into()),
///     ..WebhookConfig::default()
/// })?;
/// # drop(sink);
/// # Ok::<(), guarita::Error>(())
/// ```
///
/// # Checking the signature
///
/// The receiver signs what it got the same way, and compares. In Python:
///
/// ```python
/// import hashlib, hmac, time
///
/// def is_genuine(secret: str, header: str, body: bytes, tolerance_s: int = 300) -> bool:
///     parts = dict(part.split("=", 1) for part in header.split(","))
///     signed = parts["t"].encode() + b"." + body
///     expected = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
///     fresh = abs(time.time() - int(parts["t"])) <= tolerance_s
///     return hmac.compare_digest(expected, parts["v1"]) and fresh
/// ```
///
/// `body` are the bytes as they came: JSON that was parsed and written anew has another signature.
pub struct WebhookSink {
    config: WebhookConfig,
    client: Client,
    clock: Arc<dyn Clock>,
}

impl WebhookSink {
    /// Reads the certificates; makes no connection yet.
    ///
    /// # Errors
    /// `InvalidConfig` naming the field, also where `ca_file` has no certificate in it; `NotFound` or `PermissionDenied`
    /// where it cannot be read; `RuntimeUnavailable` where the system has no certificates, and https needs them.
    pub fn open(config: WebhookConfig) -> Result<Self> {
        config.validate()?;
        let client = Client::open(config.origin()?, config.timeout_s, config.ca_file.as_deref())?;
        Ok(Self { client, clock: Arc::new(SystemClock), config })
    }

    /// Takes the time of signatures from another clock.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }
}

impl WebhookSink {
    fn post(&self, delivery: &Delivery) -> Result<()> {
        let id = delivery.id();
        let body = serde_json::to_vec(delivery)
            .map_err(|error| Error::new(ErrorCode::Internal, format!("{id} is no JSON: {error}")).with_source(error))?;
        let mut headers = vec![("content-type", "application/json"), ("idempotency-key", id)];
        headers.extend(self.config.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        // Signed anew for each try: the receiver checks the time in it.
        let signed = self.config.secret.as_deref().map(|secret| signature::sign(secret, self.clock.unix(), &body));
        let signed = signed.transpose()?;
        headers.extend(signed.as_deref().map(|signature| ("x-guarita-signature", signature)));
        let answer = self.client.post(&self.config.url, &headers, &body)?;
        let asked = answer.retry_after.and_then(|value| answer::wait_asked(&value, self.clock.unix()));
        answer::judge(self.client.origin(), answer.status, asked)
    }
}

impl Sink for WebhookSink {
    fn deliver(&mut self, batch: &[Delivery]) -> Result<(), DeliveryError> {
        deliver_each(batch, |delivery| self.post(delivery))
    }

    /// One request for each: the answer to it is counted before the next one is sent.
    fn max_batch(&self) -> usize {
        1
    }
}

impl fmt::Debug for WebhookSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookSink").field("config", &self.config).finish_non_exhaustive()
    }
}
