//! The client and where its credentials come from.

use super::bounded::Bounded;
use super::config::{RekognitionConfig, check_region};
use super::memory::repeated;
use crate::clock::{Clock, Moment, Timestamp, UnixTime};
use crate::error::{Error, Result};
use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::provider_config::ProviderConfig;
use aws_sdk_rekognition::Client;
use aws_sdk_rekognition::config::retry::RetryConfig;
use aws_sdk_rekognition::config::timeout::TimeoutConfig;
use aws_sdk_rekognition::config::{
    BehaviorVersion, Credentials, IdentityCache, ProvideCredentials, Region, SharedHttpClient,
    StalledStreamProtectionConfig,
};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::sync::OnceCell;

/// Credentials are looked for anew this long before they end, as a call takes a while and clocks differ.
const BEFORE_THE_END: Duration = Duration::from_secs(60);
/// What the SDK does by default, as of this version of it.
const BEHAVIOR: fn() -> BehaviorVersion = BehaviorVersion::v2026_01_12;
/// After credentials were looked for in vain, everybody gets that answer for so long: looking for them takes seconds where
/// nobody answers.
const IN_VAIN: Duration = Duration::from_secs(5);

/// Keys that somebody gave; never printed.
#[derive(Clone)]
pub(super) struct Keys {
    pub(super) access: String,
    pub(super) secret: String,
    pub(super) session: Option<String>,
}

impl Keys {
    /// What no message may have in it.
    pub(super) fn all(&self) -> impl Iterator<Item = &str> {
        [self.secret.as_str(), self.access.as_str()].into_iter().chain(self.session.as_deref())
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys")
    }
}

/// Makes clients, one after the other as credentials are renewed; connections are kept.
pub(super) struct Connection {
    config: Arc<RekognitionConfig>,
    keys: Option<Keys>,
    http: OnceCell<SharedHttpClient>,
    /// Held while credentials are looked for, so that one looks for all.
    looking: Arc<tokio::sync::Mutex<()>>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    ready: Option<Ready>,
    in_vain: Option<(Timestamp, Error)>,
}

/// A client, the host that it calls, and the keys that it signs with.
#[derive(Clone, Debug)]
pub(super) struct Ready {
    pub(super) client: Client,
    pub(super) host: Arc<str>,
    pub(super) keys: Arc<Keys>,
    ends: Option<UnixTime>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connection")
    }
}

impl Connection {
    pub(super) fn new(config: Arc<RekognitionConfig>, keys: Option<Keys>) -> Self {
        Self { config, keys, http: OnceCell::new(), looking: Arc::default(), known: Mutex::default() }
    }

    /// Why there are no credentials, where they were looked for in vain the last time, and whether the next request gets
    /// that answer without another look.
    pub(super) fn trouble(&self, now: Timestamp) -> Option<(String, bool)> {
        self.known().in_vain.as_ref().map(|(at, error)| (error.to_string(), now - *at < IN_VAIN))
    }

    /// A client with credentials that are good for now.
    pub(super) async fn client(self: &Arc<Self>, clock: &Arc<dyn Clock>) -> Result<Ready> {
        if let Some(known) = self.at_hand(clock.moment()) {
            return known;
        }
        let looking = Arc::clone(&self.looking).lock_owned().await;
        // Another one may have looked meanwhile.
        if let Some(known) = self.at_hand(clock.moment()) {
            return known;
        }
        // A task of its own, that nobody's deadline ends: where all have less time than looking takes, nobody would ever
        // find anything.
        let (connection, clock) = (Arc::clone(self), Arc::clone(clock));
        let find = async move {
            let _looking = looking;
            connection.find(&*clock).await
        };
        tokio::spawn(find).await.unwrap_or_else(|_| Err(Error::internal("looking for credentials ended early")))
    }

    async fn find(&self, clock: &dyn Clock) -> Result<Ready> {
        let limit = Duration::from_secs_f64(self.config.credentials_timeout_s);
        let found = match tokio::time::timeout(limit, self.look()).await {
            Ok(found) => found,
            Err(_) => Err(Error::permission_denied(format!(
                "no credentials or no region within {} s (credentials_timeout_s); {LOOKED}",
                self.config.credentials_timeout_s
            ))),
        };
        let mut known = self.known();
        match found {
            Ok(ready) => {
                known.in_vain = None;
                known.ready = Some(ready.clone());
                Ok(ready)
            }
            Err(error) => {
                // Now, not when it began: looking may take longer than the answer holds.
                known.in_vain = Some((clock.now(), repeated(&error)));
                Err(error)
            }
        }
    }

    /// These credentials were refused: the next call looks for others, unless somebody has found some meanwhile.
    pub(super) fn forget(&self, refused: &Ready) {
        let mut known = self.known();
        if known.ready.as_ref().is_some_and(|ready| Arc::ptr_eq(&ready.keys, &refused.keys)) {
            known.ready = None;
        }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn at_hand(&self, now: Moment) -> Option<Result<Ready>> {
        let known = self.known();
        let margin = i64::try_from(BEFORE_THE_END.as_secs()).unwrap_or(0);
        let good =
            |ready: &&Ready| ready.ends.is_none_or(|ends| now.unix.as_secs().saturating_add(margin) < ends.as_secs());
        if let Some(ready) = known.ready.as_ref().filter(good) {
            return Some(Ok(ready.clone()));
        }
        let (at, error) = known.in_vain.as_ref()?;
        (now.monotonic - *at < IN_VAIN).then(|| Err(repeated(error)))
    }

    /// Made once, unless it cannot be.
    async fn http(&self) -> Result<SharedHttpClient> {
        let make = || async {
            // Then it is this machine itself, see `check_endpoint`.
            let plain = self.config.endpoint.as_deref().is_some_and(|endpoint| endpoint.starts_with("http://"));
            // Without TLS no certificates are read; where credentials come from, there may be TLS after all.
            let tls = !(plain && self.keys.is_some())
                && tokio::task::spawn_blocking(any_certificate)
                    .await
                    .map_err(|_| Error::internal("no thread could look for certificates"))?;
            let builder = aws_smithy_http_client::Builder::new();
            let http = match (tls, plain) {
                (true, _) => builder.tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https(),
                (false, true) => builder.build_http(),
                // The SDK would panic, or distrust everybody.
                (false, false) => return Err(Error::runtime_unavailable(NO_CERTIFICATES)),
            };
            Ok(SharedHttpClient::new(Bounded(http)))
        };
        self.http.get_or_try_init(make).await.cloned()
    }

    async fn look(&self) -> Result<Ready> {
        let http = self.http().await?;
        let region = self.region(&http).await?;
        let credentials = match &self.keys {
            Some(Keys { access, secret, session }) => {
                Credentials::new(access.as_str(), secret.as_str(), session.clone(), None, "guarita")
            }
            None => self.credentials(region.clone(), &http).await?,
        };
        let keys = Arc::new(Keys {
            access: credentials.access_key_id().into(),
            secret: credentials.secret_access_key().into(),
            session: credentials.session_token().map(Into::into),
        });
        let ends = credentials.expiry().and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
        let ends = ends.map(|since| UnixTime::from_secs(i64::try_from(since.as_secs()).unwrap_or(i64::MAX)));
        let seconds = Duration::from_secs_f64;
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(seconds(self.config.connect_timeout_s))
            .operation_attempt_timeout(seconds(self.config.timeout_s))
            .build();
        let host: Arc<str> = match &self.config.endpoint {
            Some(endpoint) => endpoint.split_once("://").map_or(endpoint.as_str(), |(_, host)| host).into(),
            None => format!("rekognition in {region}").into(),
        };
        let mut config = aws_sdk_rekognition::Config::builder()
            .behavior_version(BEHAVIOR())
            .region(region)
            .credentials_provider(credentials)
            .identity_cache(IdentityCache::no_cache())
            .http_client(http)
            // Ours knows the deadline and the budget.
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts)
            // A stalled call ends at the timeout like any other.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        config.set_endpoint_url(self.config.endpoint.clone());
        Ok(Ready { client: Client::from_conf(config.build()), host, keys, ends })
    }

    async fn region(&self, http: &SharedHttpClient) -> Result<Region> {
        if let Some(region) = &self.config.region {
            return Ok(Region::new(region.clone()));
        }
        let mut loader = aws_config::defaults(BEHAVIOR()).http_client(http.clone()).no_credentials();
        if let Some(profile) = &self.config.profile {
            loader = loader.profile_name(profile);
        }
        let loaded = loader.load().await;
        let region = loaded.region().cloned().ok_or_else(|| {
            Error::invalid_config(
                "no region: set `region`, AWS_REGION or AWS_DEFAULT_REGION, or `region` of the profile (instance metadata \
                 had none either)",
            )
        })?;
        check_region(region.as_ref())?;
        Ok(region)
    }

    async fn credentials(&self, region: Region, http: &SharedHttpClient) -> Result<Credentials> {
        let chain = ProviderConfig::without_region().with_http_client(http.clone());
        let imds = aws_config::imds::Client::builder()
            .configure(&chain)
            .connect_timeout(Duration::from_secs(1))
            .read_timeout(Duration::from_secs(1))
            .max_attempts(2)
            .build();
        let mut builder = DefaultCredentialsChain::builder().region(region).imds_client(imds).configure(chain);
        if let Some(profile) = &self.config.profile {
            builder = builder.profile_name(profile);
        }
        builder.build().await.provide_credentials().await.map_err(|error| {
            // The causes name files, variables and hosts; the SDK keeps values out of them. Even so only the first is passed
            // on: a profile that cannot be parsed is quoted in the second.
            Error::permission_denied(format!("no credentials: {error}; {LOOKED}"))
        })
    }
}

const NO_CERTIFICATES: &str = "no system certificates found, so nobody can be trusted with a picture; install \
    ca-certificates (SSL_CERT_FILE and SSL_CERT_DIR are read too)";

fn any_certificate() -> bool {
    certificates().is_ok()
}

/// How many authorities the system trusts.
///
/// # Errors
/// `RuntimeUnavailable` where there are none.
pub(crate) fn certificates() -> Result<usize> {
    match rustls_native_certs::load_native_certs().certs.len() {
        0 => Err(Error::runtime_unavailable(NO_CERTIFICATES)),
        count => Ok(count),
    }
}

/// Where they are looked for, for people who have none.
const LOOKED: &str = "looked at, in this order: the variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; the profile \
    (field `profile`, AWS_PROFILE or `default`) in ~/.aws/credentials and ~/.aws/config (AWS_SHARED_CREDENTIALS_FILE, \
    AWS_CONFIG_FILE); the web identity of AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN; the container's role \
    (AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI); the instance's role (metadata service, unless \
    AWS_EC2_METADATA_DISABLED)";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    #[test]
    fn only_the_keys_that_were_refused_are_forgotten() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let config = RekognitionConfig {
                region: Some("eu-west-1".into()),
                endpoint: Some("http://127.0.0.1:1".into()),
                ..RekognitionConfig::default()
            };
            let keys = Keys { access: "a".into(), secret: "b".into(), session: None };
            let connection = Arc::new(Connection::new(Arc::new(config), Some(keys)));
            let clock: Arc<dyn Clock> = Arc::new(SystemClock);
            let old = connection.client(&clock).await.unwrap();
            connection.forget(&old);
            assert!(connection.known().ready.is_none());
            let new = connection.client(&clock).await.unwrap();
            // A call that began before the others were found.
            connection.forget(&old);
            assert!(connection.known().ready.is_some());
            connection.forget(&new);
            assert!(connection.known().ready.is_none());
        });
    }
}
