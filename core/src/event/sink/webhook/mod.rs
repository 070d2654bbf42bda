mod answer;
mod config;
mod signature;

pub use config::WebhookConfig;

use crate::clock::{Clock, SystemClock};
use crate::error::{Error, ErrorCode, Result};
use crate::event::{Delivery, DeliveryError, Sink, deliver_each};
use std::fmt;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use ureq::Agent;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

/// How much of an answer's body is read, so that its connection can be used again.
const READ_OF_ANSWER: u64 = 64 << 10;
/// Longer lists of authorities are none.
const LONGEST_CA_FILE: u64 = 16 << 20;

/// Sends each event, or result of a frame, by HTTP POST, as JSON. Behind the cargo feature `webhook`.
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
/// use guarita::{WebhookConfig, WebhookSink};
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
    origin: String,
    agent: Agent,
    clock: Arc<dyn Clock>,
}

impl WebhookSink {
    /// Reads the certificates; nobody is called yet.
    ///
    /// # Errors
    /// `InvalidConfig` naming the field, also where `ca_file` has no certificate in it; `NotFound` or `PermissionDenied`
    /// where it cannot be read; `RuntimeUnavailable` where the system has no certificates, and https needs them.
    pub fn open(config: WebhookConfig) -> Result<Self> {
        config.validate()?;
        let origin = config.origin()?;
        let mut builder = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .user_agent(concat!("guarita/", env!("CARGO_PKG_VERSION")))
            .timeout_global(Some(Duration::from_secs_f64(config.timeout_s)));
        if origin.starts_with("https:") {
            let tls = TlsConfig::builder()
                .root_certs(RootCerts::from(authorities(config.ca_file.as_deref())?))
                // Named here: the host's process may have set another one, or none.
                .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .build();
            builder = builder.tls_config(tls).https_only(true);
        }
        Ok(Self { origin, agent: builder.build().new_agent(), clock: Arc::new(SystemClock), config })
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
            .map_err(|error| Error::internal(format!("{id} is no JSON: {error}")).with_source(error))?;
        let mut request =
            self.agent.post(&self.config.url).header("content-type", "application/json").header("idempotency-key", id);
        for (name, value) in &self.config.headers {
            request = request.header(name, value);
        }
        if let Some(secret) = &self.config.secret {
            // Anew for each try: the receiver looks at the time in it.
            let signature = signature::sign(secret, self.clock.unix(), &body)?;
            request = request.header("x-guarita-signature", signature);
        }
        let answer =
            request.send(&body[..]).map_err(|error| answer::no_answer(&self.origin, self.config.timeout_s, &error))?;
        let (head, body) = answer.into_parts();
        // What it says does not matter, and whether it comes to an end neither.
        let _ = std::io::copy(&mut body.into_reader().take(READ_OF_ANSWER), &mut std::io::sink());
        let asked = head.headers.get("retry-after").and_then(|value| value.to_str().ok());
        let asked = asked.and_then(|value| answer::wait_asked(value, self.clock.unix()));
        answer::judge(&self.origin, head.status.as_u16(), asked)
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

/// How many authorities the system trusts.
///
/// # Errors
/// `RuntimeUnavailable` where there are none.
#[cfg(not(feature = "rekognition"))]
pub(crate) fn certificates() -> Result<usize> {
    authorities(None).map(|found| found.len())
}

/// Who may have signed the receiver's certificate.
fn authorities(ca_file: Option<&Path>) -> Result<Vec<Certificate<'static>>> {
    let Some(path) = ca_file else {
        let found = rustls_native_certs::load_native_certs().certs;
        if found.is_empty() {
            return Err(Error::runtime_unavailable(
                "no system certificates found, so nobody can be trusted with an event; install ca-certificates, or set ca_file",
            ));
        }
        return Ok(found.iter().map(|found| Certificate::from_der(found.as_ref()).to_owned()).collect());
    };
    let mut pem = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(LONGEST_CA_FILE).read_to_end(&mut pem))
        .map_err(|error| Error::io("read ca_file", path, error))?;
    let mut found = Vec::new();
    for item in parse_pem(&pem) {
        match item {
            Ok(PemItem::Certificate(certificate)) => found.push(certificate),
            Ok(_) => {}
            Err(error) => {
                return Err(Error::invalid_config(format!("ca_file {} is no PEM file: {error}", path.display())));
            }
        }
    }
    // Certificates that cannot be parsed are passed over later on, without a word; then nobody is trusted.
    let mut roots = rustls::RootCertStore::empty();
    for certificate in &found {
        roots
            .add(certificate.der().to_vec().into())
            .map_err(|error| Error::invalid_config(format!("ca_file {}: {error}", path.display())))?;
    }
    if found.is_empty() {
        return Err(Error::new(
            ErrorCode::InvalidConfig,
            format!("ca_file {} has no certificate in it", path.display()),
        ));
    }
    Ok(found)
}
