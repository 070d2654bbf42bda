use crate::client::{ClientState, Operation, RekognitionClient};
use crate::config::RekognitionConfig;
use crate::connection::{Connection, Keys};
use crate::policy::{Billing, CallRate};
use guarita::adapter::{HealthLog, IdempotencyKey, Singleflight};
use guarita::clock::{Clock, SystemClock};
use guarita::provider::{Capability, Health, Redact, Reply, Request};
use guarita::resilience::{Bulkhead, RetryPolicy};
use guarita::{Budget, Error, ErrorCode, Provider, Result};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

/// Looks at pictures with Amazon Rekognition: DetectLabels, DetectText and DetectFaces. **Pictures leave the machine and
/// cost money**; see [`Redact`] and [`with_budget`](Self::with_budget).
///
/// Each frame of a request is a call and a picture on the bill. A call that may have been billed counts as such: a time
/// out, a connection that broke, an answer that cannot be read; an error that Rekognition answers is not billed.
///
/// Dropped, it answers what is under way with `Cancelled` and does not wait; money of calls on the wire counts as spent.
///
/// ```no_run
/// use guarita::{DecodeOptions, Frame, Provider};
/// use guarita::provider::Request;
/// use guarita_rekognition::{RekognitionConfig, RekognitionProvider};
/// let cloud = RekognitionProvider::open(RekognitionConfig { region: Some("eu-west-1".into()), ..Default::default() })?;
/// let options = DecodeOptions { keep_encoded: true, ..DecodeOptions::default() };
/// let answer = cloud.detect(Request::new([Frame::open("yard.jpg", &options)?]))?;
/// println!("{} for {}", answer.detections[0].len(), answer.cost);
/// # Ok::<(), guarita::Error>(())
/// ```
pub struct RekognitionProvider {
    client: RekognitionClient,
    /// Requests taken and not answered.
    places: Bulkhead,
    /// Always there until it is dropped.
    runtime: Option<Runtime>,
}

pub(crate) const NAME: &str = "rekognition";

impl RekognitionProvider {
    /// Starts the provider's threads; nothing is called. Credentials and region are looked for at the first request, within
    /// `credentials_timeout_s`, and renewed before they end.
    ///
    /// # Errors
    /// `InvalidConfig` naming the field, `ResourceExhausted` where threads cannot be started.
    pub fn open(config: RekognitionConfig) -> Result<Self> {
        config.validate()?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let state = ClientState {
            rate: CallRate::new(&config)?,
            encoders: Arc::new(Semaphore::new(config.encode_threads)),
            calls: Arc::new(Semaphore::new(config.max_in_flight)),
            waiting: AtomicUsize::new(0),
            closing: AtomicBool::new(false),
            log: Mutex::new(HealthLog::default()),
        };
        let moment = clock.moment();
        let seed = config.seed.unwrap_or((moment.monotonic.as_nanos() ^ (moment.unix.as_secs() << 24)) as u64);
        let retry = RetryPolicy::new(config.retry.clone(), seed)?;
        let places = Bulkhead::new(config.max_in_flight)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(WORKERS)
            // Beside the encoders: names are looked up and files of credentials read on such threads too.
            .max_blocking_threads(config.encode_threads + 4)
            .thread_name("guarita-rekognition")
            .enable_all()
            .build()
            .map_err(|error| {
                Error::new(ErrorCode::ResourceExhausted, format!("cannot start threads: {error}")).with_source(error)
            })?;
        let billing = Billing { budget: None, price: config.price };
        let config = Arc::new(config);
        let client = RekognitionClient {
            name: NAME.into(),
            connection: Arc::new(Connection::new(Arc::clone(&config), None)),
            config,
            clock,
            billing,
            redact: None,
            retry,
            once: Singleflight::default(),
            state: Arc::new(state),
        };
        Ok(Self { client, places, runtime: Some(runtime) })
    }

    /// Takes the money for every call out of this budget, before it is made; where there is none left, the call is not made
    /// and the request is answered with `BudgetExhausted`. Its price table knows the APIs as `rekognition:DetectLabels`,
    /// `rekognition:DetectText` and `rekognition:DetectFaces`.
    pub fn with_budget(mut self, budget: Budget) -> Self {
        self.client.billing.budget = Some(budget);
        self
    }

    /// Masks parts of every picture before it leaves the machine.
    pub fn with_redact(mut self, redact: Arc<dyn Redact>) -> Self {
        self.client.redact = Some(redact);
        self
    }

    /// Takes the time from this clock, which deadlines are read on. Waits themselves are the machine's.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.client.clock = clock;
        self
    }

    /// Signs with these keys, in place of those that the SDK's chain finds. For tests, and for hosts with a store of
    /// secrets of their own.
    pub fn with_credentials(
        mut self,
        access_key_id: &str,
        secret_access_key: &str,
        session_token: Option<&str>,
    ) -> Self {
        let keys = Keys {
            access: access_key_id.into(),
            secret: secret_access_key.into(),
            session: session_token.map(Into::into),
        };
        self.client.connection = Arc::new(Connection::new(Arc::clone(&self.client.config), Some(keys)));
        self
    }
}

/// Threads that wait for the network; signing a picture of 300 kB takes one of them a millisecond.
const WORKERS: usize = 2;

impl Provider for RekognitionProvider {
    fn name(&self) -> &str {
        NAME
    }

    fn capability(&self) -> Capability {
        // The dearest, where a price table has different ones.
        let now = self.client.clock.moment();
        let price = Operation::ALL
            .into_iter()
            .map(|operation| self.client.billing.price(operation.api(), now))
            .max()
            .unwrap_or_default();
        Capability::remote(&Operation::WANTS, 1, self.places.limit(), price)
    }

    fn health(&self) -> Health {
        let log = self.client.state.log.lock().unwrap_or_else(PoisonError::into_inner).health();
        let in_flight = self.places.in_flight();
        let trouble = self.client.connection.trouble(self.client.clock.now());
        let waiting = self.client.state.waiting.load(Ordering::Relaxed);
        let ahead = u32::try_from(waiting / self.places.limit().max(1)).unwrap_or(u32::MAX);
        let usual = log.latency.map_or(Duration::ZERO, |latency| latency.p50);
        let mut health = log;
        health.live = true;
        health.ready = in_flight < self.places.limit() && !trouble.as_ref().is_some_and(|(_, fresh)| *fresh);
        health.degraded = trouble.map(|(why, _)| why);
        health.in_flight = in_flight;
        health.expected_wait = usual.saturating_mul(ahead);
        health
    }

    fn submit(&self, request: Request, reply: Reply) {
        let now = self.client.clock.now();
        if let Err(error) = Capability::local(&Operation::WANTS, 1, 1).admit(NAME, &request, now) {
            return reply.send(Err(error));
        }
        if let Some(response) = IdempotencyKey::of(&request).and_then(|key| self.client.once.answered(&key, now)) {
            return reply.send(Ok(response));
        }
        let Some(place) = self.places.try_enter() else {
            return reply.send(Err(Error::new(
                ErrorCode::Overloaded,
                format!("{NAME}: {} requests are under way (max_in_flight)", self.places.limit()),
            )));
        };
        // Without a runtime the reply is dropped here, which answers Cancelled.
        let Some(runtime) = &self.runtime else { return };
        let client = self.client.clone();
        runtime.spawn(async move {
            let answer = client.answer(request, now).await;
            // First, so that the receiver of the answer can submit the next request.
            drop(place);
            // The host's code: if it blocks, or starts a runtime of its own, the other requests go on.
            tokio::task::block_in_place(|| reply.send(answer));
        });
    }

    fn clock(&self) -> &dyn Clock {
        &*self.client.clock
    }
}

impl Drop for RekognitionProvider {
    fn drop(&mut self) {
        self.client.state.closing.store(true, Ordering::Relaxed);
        if let Some(runtime) = self.runtime.take() {
            // Tasks are dropped at their await points, and their replies with them. A picture being prepared is
            // finished, and discarded.
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for RekognitionProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RekognitionProvider").field("config", &self.client.config).finish_non_exhaustive()
    }
}
