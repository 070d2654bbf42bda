use super::Roots;
use guarita::adapter::{one_line, wrong};
use guarita::{Error, ErrorCode, Result};
use std::fmt;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use ureq::Agent;
use ureq::http::{HeaderName, HeaderValue, Uri};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// How much of an answer's body is read, so that its connection can be used again.
const READ_OF_ANSWER: u64 = 64 << 10;

/// Scheme and host of an address that can be called: what messages may show, since paths often are secrets.
///
/// # Errors
/// `InvalidConfig` for what is no address of `http` or `https`, has no host, or has a user name in it. The message calls it
/// `url`.
pub fn origin(url: &str) -> Result<String> {
    let wrong = |why: &str| Err(wrong("url", format!("{why}; it must be like https://host/path")));
    let Ok(uri) = url.parse::<Uri>() else {
        return wrong(if url.is_empty() { "is missing" } else { "is no URL" });
    };
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return wrong("has no scheme or no host");
    };
    if !matches!(scheme, "http" | "https") {
        return wrong("is neither https nor http");
    }
    if authority.as_str().contains('@') {
        return wrong("has a user name in it, which belongs into headers.Authorization");
    }
    if authority.host().is_empty() {
        return wrong("has no host");
    }
    Ok(format!("{scheme}://{authority}"))
}

/// Whether a header can have this name.
pub fn is_header_name(name: &str) -> bool {
    HeaderName::from_bytes(name.as_bytes()).is_ok()
}

/// Whether a header can have this value: no control characters, and so no second line.
pub fn is_header_value(value: &str) -> bool {
    HeaderValue::from_str(value).is_ok()
}

/// Calls one origin, one call after the other, and keeps the connection. It blocks: not for threads that must not wait.
///
/// Redirects are not followed, and proxies of the environment are not used.
pub struct Client {
    agent: Agent,
    origin: String,
    timeout_s: f64,
}

/// What came back. The body is read so that the connection can be used again, and does not matter.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// The status, such as 200.
    pub status: u16,
    /// The header `Retry-After` as it came; [`retry_after`](super::retry_after()) reads it.
    pub retry_after: Option<String>,
}

impl Client {
    /// For calls to this [`origin`] that may take so many seconds each. Reads the certificates where the scheme is https; calls
    /// nobody yet.
    ///
    /// # Errors
    /// As [`Roots::read`] of `ca_file`, or as [`Roots::system`] without one.
    pub fn open(origin: impl Into<String>, timeout_s: f64, ca_file: Option<&Path>) -> Result<Self> {
        let origin = origin.into();
        let timeout = Duration::try_from_secs_f64(timeout_s)
            .map_err(|error| wrong("timeout_s", format!("is {timeout_s}: {error}")).with_source(error))?;
        let mut builder = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .user_agent(concat!("guarita/", env!("CARGO_PKG_VERSION")))
            .timeout_global(Some(timeout));
        if origin.starts_with("https:") {
            let roots = ca_file.map_or_else(Roots::system, Roots::read)?;
            let certificates: Vec<_> = roots.der().map(|der| Certificate::from_der(der).to_owned()).collect();
            let tls = TlsConfig::builder()
                .root_certs(RootCerts::from(certificates))
                // Named here: the host's process may have set another one, or none.
                .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .build();
            builder = builder.tls_config(tls).https_only(true);
        }
        Ok(Self { agent: builder.build().new_agent(), origin, timeout_s })
    }

    /// Scheme and host, for messages.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Sends a body by POST. Any status is an answer.
    ///
    /// # Errors
    /// `DeadlineExceeded` or `Unavailable` where no answer came, or none that can be understood; `InvalidConfig` where the
    /// address cannot be called.
    pub fn post(&self, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Answer> {
        let request = headers.iter().fold(self.agent.post(url), |request, (name, value)| request.header(*name, *value));
        let answer = request.send(body).map_err(|error| self.no_answer(&error))?;
        let (head, body) = answer.into_parts();
        // What it says does not matter, and whether it comes to an end neither.
        let _ = std::io::copy(&mut body.into_reader().take(READ_OF_ANSWER), &mut std::io::sink());
        let asked = head.headers.get("retry-after").and_then(|value| value.to_str().ok());
        Ok(Answer { status: head.status.as_u16(), retry_after: asked.map(str::to_owned) })
    }

    /// Whatever it is, it may be over in a while.
    fn no_answer(&self, error: &ureq::Error) -> Error {
        use ureq::Error as E;
        let Self { origin, timeout_s, .. } = self;
        let late = || {
            Error::new(ErrorCode::DeadlineExceeded, format!("{origin} did not answer within {timeout_s} s (timeout_s)"))
        };
        let words = match error {
            E::Timeout(_) => return late(),
            // These would show the whole URL.
            E::BadUri(_) | E::RequireHttpsOnly(_) | E::ConnectProxyFailed(_) => {
                return wrong("url", format!("cannot be called, at {origin}"));
            }
            E::HostNotFound => "there is no such host".to_owned(),
            E::Io(error) if error.kind() == std::io::ErrorKind::TimedOut => return late(),
            // Parts of it may be the other side's.
            other => one_line(&other.to_string(), []),
        };
        Error::new(ErrorCode::Unavailable, format!("{origin}: {words}"))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("origin", &self.origin).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_answer_shows_no_url() {
        let client = Client::open("http://here", 1.0, None).unwrap();
        let secret = || "https://u:pw@here/hook-token".to_owned();
        for error in [ureq::Error::BadUri(secret()), ureq::Error::RequireHttpsOnly(secret())] {
            let shown = format!("{:?}", client.no_answer(&error));
            assert!(!shown.contains("token") && !shown.contains("pw"), "{shown}");
        }
        let io = ureq::Error::Io(std::io::Error::other("a\r\nb"));
        assert_eq!(client.no_answer(&io).to_string(), "http://here: io: a  b");
    }

    #[test]
    fn a_timeout_that_is_no_time_is_refused() {
        for timeout_s in [-1.0, f64::NAN, f64::INFINITY] {
            let error = Client::open("http://here", timeout_s, None).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidConfig);
        }
    }
}
