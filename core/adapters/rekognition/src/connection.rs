//! The client and where its credentials come from.

use crate::bounded::Bounded;
use crate::config::{RekognitionConfig, check_region};
use crate::renewal::{Renewal, Signing, Step};
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
use guarita::clock::{Clock, UnixTime};
use guarita::{Error, ErrorCode, Result, Timestamp};
use guarita_http::Roots;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::sync::OnceCell;

/// What the SDK does by default, as of this version of it.
const BEHAVIOR: fn() -> BehaviorVersion = BehaviorVersion::v2026_01_12;

/// Configured keys; never printed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Keys {
    pub(crate) access: String,
    pub(crate) secret: String,
    pub(crate) session: Option<String>,
}

impl Keys {
    /// Secrets that no message may contain.
    pub(crate) fn all(&self) -> impl Iterator<Item = &str> {
        [self.secret.as_str(), self.access.as_str()].into_iter().chain(self.session.as_deref())
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys")
    }
}

/// Makes clients, one after the other as credentials are renewed; connections are kept.
pub(crate) struct Connection {
    config: Arc<RekognitionConfig>,
    keys: Option<Keys>,
    http: OnceCell<SharedHttpClient>,
    /// Held during a lookup of credentials, so that there is one for all.
    looking: Arc<tokio::sync::Mutex<()>>,
    renewal: Mutex<Renewal<Ready>>,
}

/// A client, the host that it calls, and the keys that it signs with.
#[derive(Clone, Debug)]
pub(crate) struct Ready {
    pub(crate) client: Client,
    pub(crate) host: Arc<str>,
    pub(crate) keys: Arc<Keys>,
    ends: Option<UnixTime>,
}

impl Signing for Ready {
    fn ends(&self) -> Option<UnixTime> {
        self.ends
    }

    fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.keys, &other.keys) || self.keys == other.keys
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connection")
    }
}

impl Connection {
    pub(crate) fn new(config: Arc<RekognitionConfig>, keys: Option<Keys>) -> Self {
        Self { config, keys, http: OnceCell::new(), looking: Arc::default(), renewal: Mutex::default() }
    }

    /// Why the last lookup of credentials failed, and whether the next request fails for that without another lookup.
    pub(crate) fn trouble(&self, now: Timestamp) -> Option<(String, bool)> {
        self.renewal().trouble(now)
    }

    /// A client with credentials, and be they such that only the other side can tell whether they are good.
    pub(crate) async fn client(self: &Arc<Self>, clock: &Arc<dyn Clock>) -> Result<Ready> {
        let step = |connection: &Self| connection.renewal().step(clock.moment());
        match step(self) {
            Step::Use(ready) => return Ok(ready),
            Step::UseAndLook(ready) => {
                // Unless a lookup is running.
                if let Ok(looking) = Arc::clone(&self.looking).try_lock_owned() {
                    drop(self.look_aside(looking, clock));
                }
                return Ok(ready);
            }
            Step::Fail(error) => return Err(error),
            Step::Look => {}
        }
        let looking = Arc::clone(&self.looking).lock_owned().await;
        // Another task may have looked up credentials meanwhile.
        match step(self) {
            Step::Use(ready) | Step::UseAndLook(ready) => return Ok(ready),
            Step::Fail(error) => return Err(error),
            Step::Look => {}
        }
        let found = self.look_aside(looking, clock).await;
        found.unwrap_or_else(|_| Err(Error::new(ErrorCode::Internal, "looking for credentials ended early")))
    }

    /// Looks up credentials in a task of its own, without any request's deadline: if all have less time than a lookup
    /// takes, none would ever succeed.
    fn look_aside(
        self: &Arc<Self>,
        looking: tokio::sync::OwnedMutexGuard<()>,
        clock: &Arc<dyn Clock>,
    ) -> tokio::task::JoinHandle<Result<Ready>> {
        let (connection, clock) = (Arc::clone(self), Arc::clone(clock));
        tokio::spawn(async move {
            let limit = Duration::from_secs_f64(connection.config.credentials_timeout_s);
            let found = tokio::time::timeout(limit, connection.look()).await.unwrap_or_else(|_| {
                Err(Error::new(
                    ErrorCode::PermissionDenied,
                    format!(
                        "no credentials or no region within {} s (credentials_timeout_s); {LOOKED}",
                        connection.config.credentials_timeout_s
                    ),
                ))
            });
            let answer = connection.renewal().looked(found, clock.moment());
            drop(looking);
            answer
        })
    }

    /// Records that these credentials were refused. The error says so where renewing them failed lately.
    pub(crate) fn refused(&self, signed: &Ready, error: Error) -> Error {
        match self.renewal().refused(signed) {
            Some(trouble) => {
                let text = format!("{error}; others were looked for in vain: {trouble}");
                Error::new(error.code(), text).with_advice(error.advice())
            }
            None => error,
        }
    }

    /// Records that these credentials were accepted.
    pub(crate) fn taken(&self, signed: &Ready, now: UnixTime) {
        self.renewal().taken(signed, now);
    }

    fn renewal(&self) -> std::sync::MutexGuard<'_, Renewal<Ready>> {
        self.renewal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Created once; a failure is not kept.
    async fn http(&self) -> Result<SharedHttpClient> {
        let make = || async {
            // Then it is this machine itself, see `check_endpoint`.
            let plain = self.config.endpoint.as_deref().is_some_and(|endpoint| endpoint.starts_with("http://"));
            // Without TLS no certificates are read; where credentials come from, there may be TLS after all.
            let tls = match plain && self.keys.is_some() {
                true => Err(None),
                false => tokio::task::spawn_blocking(Roots::system)
                    .await
                    .map_err(|_| Error::new(ErrorCode::Internal, "no thread could look for certificates"))?
                    .map_err(Some),
            };
            let builder = aws_smithy_http_client::Builder::new();
            let http = match tls {
                Ok(_) => builder.tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https(),
                // The SDK would panic, or distrust everybody.
                Err(Some(nobody)) if !plain => return Err(nobody),
                Err(_) => builder.build_http(),
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
            Error::new(ErrorCode::InvalidConfig,
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
            Error::new(ErrorCode::PermissionDenied, format!("no credentials: {error}; {LOOKED}"))
        })
    }
}

/// Where they are looked for, for people who have none.
const LOOKED: &str = "looked at, in this order: the variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; the profile \
    (field `profile`, AWS_PROFILE or `default`) in ~/.aws/credentials and ~/.aws/config (AWS_SHARED_CREDENTIALS_FILE, \
    AWS_CONFIG_FILE); the web identity of AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN; the container's role \
    (AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI); the instance's role (metadata service, unless \
    AWS_EC2_METADATA_DISABLED)";
