//! One request from its picture to its answer.

use crate::answer::{Raw, Reading};
use crate::config::{RekognitionConfig, SmallPicture, TextUnit};
use crate::connection::{Connection, Ready};
use crate::failure::{Failure, repeated, sort};
use crate::policy::{Billing, CallRate};
use aws_sdk_rekognition::primitives::Blob;
use aws_sdk_rekognition::types as aws;
use guarita::adapter::{
    FittedPicture, HealthLog, IdempotencyKey, PictureFitting, PictureLimits, Role, Singleflight, fit_picture, paid,
};
use guarita::budget::MicroDollars;
use guarita::clock::Clock;
use guarita::provider::{Latency, Redact, Request, Response, Want};
use guarita::resilience::{GiveUpReason, RetryDecision, RetryPolicy, RetryTokens};
use guarita::{Detections, Error, ErrorCode, Result, Timestamp};
use std::cell::Cell;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;

/// What DetectLabels, DetectText and DetectFaces take as bytes.
pub(crate) const LIMITS: PictureLimits = PictureLimits { max_bytes: 5_242_880, min_side: 80, max_side: 10_000 };

/// Everything that a request needs; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct RekognitionClient {
    pub(crate) name: Arc<str>,
    pub(crate) config: Arc<RekognitionConfig>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) billing: Billing,
    pub(crate) redact: Option<Arc<dyn Redact>>,
    pub(crate) connection: Arc<Connection>,
    pub(crate) retry: RetryPolicy,
    pub(crate) once: Singleflight<oneshot::Sender<Result<Response>>>,
    pub(crate) state: Arc<ClientState>,
}

/// What all requests share.
#[derive(Debug)]
pub(crate) struct ClientState {
    pub(crate) rate: CallRate,
    /// Pictures made ready at one time.
    pub(crate) encoders: Arc<Semaphore>,
    /// Calls at one time. A picture is made ready only when it has its place here, so this bounds the pictures in memory
    /// too.
    pub(crate) calls: Arc<Semaphore>,
    pub(crate) waiting: AtomicUsize,
    /// Whether the provider is being dropped: failures from now on are due to that.
    pub(crate) closing: AtomicBool,
    pub(crate) log: Mutex<HealthLog>,
}

const ENDED: &str = "the provider ended before it answered";

/// The result of one frame.
struct Looked {
    detections: Detections,
    version: Option<String>,
    latency: Latency,
    cost: MicroDollars,
    calls: u32,
}

/// The error of a request.
struct Failed {
    error: Error,
    /// Whether its own deadline caused it: another request with more time may succeed.
    own: bool,
}

impl Failed {
    fn by_deadline(error: Error) -> Self {
        Self { error, own: true }
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self { error, own: false }
    }
}

/// One of the calls that Rekognition is asked by: DetectLabels, DetectText or DetectFaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Labels,
    Text,
    Faces,
}

impl Operation {
    pub(crate) const ALL: [Self; 3] = [Self::Labels, Self::Text, Self::Faces];
    /// What can be asked for, in the order of the operations.
    pub(crate) const WANTS: [Want; 3] = [Want::Labels, Want::Text, Want::Faces];

    /// The one that finds what is wanted.
    ///
    /// # Errors
    /// `Unsupported` where there is none.
    pub(crate) fn of(want: Want) -> Result<Self> {
        let at = Self::WANTS.iter().position(|&known| known == want);
        at.and_then(|at| Self::ALL.get(at).copied())
            .ok_or_else(|| Error::new(ErrorCode::Unsupported, format!("Rekognition is not asked for {want}")))
    }

    /// The name that budgets and price tables know it by.
    pub(crate) fn api(self) -> &'static str {
        match self {
            Self::Labels => "rekognition:DetectLabels",
            Self::Text => "rekognition:DetectText",
            Self::Faces => "rekognition:DetectFaces",
        }
    }
}

impl RekognitionClient {
    /// The answer to a request, whatever happens.
    pub(crate) async fn answer(self, request: Request, submitted: Timestamp) -> Result<Response> {
        let answer = match IdempotencyKey::of(&request) {
            Some(key) => self.once(&key, Arc::new(request), submitted).await,
            None => self.ask(Arc::new(request), submitted).await.map_err(|failed| failed.error),
        };
        let answer = answer.map_err(|error| match self.state.closing.load(Ordering::Relaxed) {
            true => Error::new(ErrorCode::Cancelled, ENDED),
            false => error,
        });
        let now = self.clock.now();
        let mut log = self.state.log.lock().unwrap_or_else(PoisonError::into_inner);
        match &answer {
            Ok(_) => log.answered(now - submitted),
            // The others are the request's fault, or our own limits.
            Err(error) if speaks_of_provider(error.code()) => log.failed(error, now),
            Err(_) => {}
        }
        drop(log);
        answer
    }

    /// Sends the request, or waits for another one with the same key.
    async fn once(&self, key: &IdempotencyKey, request: Arc<Request>, submitted: Timestamp) -> Result<Response> {
        loop {
            let (tell, ending) = oneshot::channel();
            match self.once.enter(key, tell, self.clock.now()) {
                Role::Answered(_, response) => return Ok(response),
                Role::Leader(_, leader) => {
                    let answer = self.ask(Arc::clone(&request), submitted).await;
                    let now = self.clock.now();
                    // Followers may have more time, and were not cancelled: one of them asks again.
                    let own = matches!(&answer, Err(failed) if failed.own)
                        || answer.is_err()
                            && (request.deadline.is_some_and(|deadline| now >= deadline)
                                || request.cancellation.is_cancelled());
                    let answer = answer.map_err(|failed| failed.error);
                    if !own {
                        for follower in leader.finish(answer.as_ref().ok(), now) {
                            // The follower may be gone.
                            let _ = follower.send(answer.as_ref().map(paid).map_err(repeated));
                        }
                    }
                    return answer;
                }
                // None where the leader was given up without an answer.
                Role::Follower => match self.before_the_deadline(&request, ending).await?.ok() {
                    Some(Ok(mut response)) => {
                        response.latency.queue = self.clock.now() - submitted;
                        return Ok(response);
                    }
                    Some(Err(error)) => return Err(error),
                    None => {}
                },
            }
        }
    }

    async fn before_the_deadline<T>(&self, request: &Request, work: impl Future<Output = T>) -> Result<T> {
        match request.time_left(self.clock.now())? {
            None => Ok(work.await),
            Some(left) => tokio::time::timeout(left, work).await.map_err(|_| {
                Error::new(ErrorCode::DeadlineExceeded, format!("{}: the deadline came before the answer", self.name))
            }),
        }
    }

    /// Every frame is a call of its own. The first that fails ends the request: calls not made are not made, those on the
    /// wire count as spent.
    async fn ask(&self, request: Arc<Request>, submitted: Timestamp) -> Result<Response, Failed> {
        let mut tasks = JoinSet::new();
        for at in 0..request.frames.len() {
            let (client, request) = (self.clone(), Arc::clone(&request));
            tasks.spawn(async move { client.frame(&request, at, submitted).await.map(|looked| (at, looked)) });
        }
        let looked = self.before_the_deadline(&request, self.collect(&mut tasks)).await;
        // So that the money of aborted calls is settled when the answer comes.
        tasks.shutdown().await;
        let mut looked = looked.map_err(Failed::by_deadline)??;
        looked.sort_unstable_by_key(|(at, _)| *at);
        let mut response = Response::new(Vec::new(), &self.name, Latency::default());
        for (_, frame) in looked {
            // Frames run concurrently: the longest counts.
            let Latency { queue, prepare, call, parse, .. } = &mut response.latency;
            *queue = (*queue).max(frame.latency.queue);
            *prepare = (*prepare).max(frame.latency.prepare);
            *call = (*call).max(frame.latency.call);
            *parse = (*parse).max(frame.latency.parse);
            response.cost = response.cost + frame.cost;
            response.calls = response.calls.saturating_add(frame.calls);
            response.model_version = response.model_version.or_else(|| frame.version.as_deref().map(Arc::from));
            response.detections.push(frame.detections);
        }
        Ok(response)
    }

    async fn collect(
        &self,
        tasks: &mut JoinSet<Result<(usize, Looked), Failed>>,
    ) -> Result<Vec<(usize, Looked)>, Failed> {
        let mut looked = Vec::with_capacity(tasks.len());
        while let Some(ended) = tasks.join_next().await {
            match ended {
                Ok(frame) => looked.push(frame?),
                Err(error) if error.is_panic() => {
                    return Err(Error::new(
                        ErrorCode::Internal,
                        format!("{}: a panic while a frame was looked at", self.name),
                    )
                    .into());
                }
                Err(_) => return Err(Error::new(ErrorCode::Cancelled, ENDED).into()),
            }
        }
        Ok(looked)
    }

    async fn frame(&self, request: &Arc<Request>, at: usize, submitted: Timestamp) -> Result<Looked, Failed> {
        let ended = |_| Error::new(ErrorCode::Cancelled, ENDED);
        let waiting = Waiting::new(&self.state);
        let _place = self.state.calls.acquire().await.map_err(ended)?;
        drop(waiting);
        let taken_up = self.clock.now();
        let encoder = Arc::clone(&self.state.encoders).acquire_owned().await.map_err(ended)?;
        let (client, shared_request) = (self.clone(), Arc::clone(request));
        let prepared = tokio::task::spawn_blocking(move || {
            // Held until the work is done, even where its result is no longer awaited.
            let _encoder = encoder;
            client.prepare(&shared_request, at)
        });
        let prepared = prepared.await.map_err(|_| {
            Error::new(ErrorCode::Internal, format!("{}: no thread could make the picture ready", self.name))
        })??;
        let ready = self.clock.now();
        let FittedPicture { bytes, window, .. } = prepared;
        let called = self.call(request, at, bytes).await?;
        let answered = self.clock.now();
        let frame = request.frames[at].size();
        let reading =
            Reading { config: &self.config, window, frame, least: request.min_confidence, boxes: Cell::default() };
        let detections = reading.read(called.raw)?;
        let mut latency = Latency::default();
        latency.queue = taken_up - submitted;
        latency.prepare = ready - taken_up;
        latency.call = answered - ready;
        latency.parse = self.clock.now() - answered;
        Ok(Looked { detections, version: called.version, latency, cost: called.cost, calls: called.calls })
    }

    /// Runs on a blocking thread. A hook that fails or panics keeps the picture here.
    fn prepare(&self, request: &Request, at: usize) -> Result<FittedPicture> {
        let frame = &request.frames[at];
        let masks = match &self.redact {
            None => Vec::new(),
            Some(redact) => {
                std::panic::catch_unwind(AssertUnwindSafe(|| redact.regions(frame))).unwrap_or_else(|_| {
                    Err(Error::new(ErrorCode::Internal, "the redact hook panicked; the picture was not sent"))
                })?
            }
        };
        let how = PictureFitting {
            limits: LIMITS,
            quality: self.config.jpeg_quality,
            upscale: self.config.small == SmallPicture::Upscale,
        };
        std::panic::catch_unwind(AssertUnwindSafe(|| fit_picture(frame, request.regions.get(at), &masks, &how)))
            .unwrap_or_else(|_| {
                Err(Error::new(ErrorCode::Internal, "a panic while the picture was made ready; it was not sent"))
            })
    }

    /// Makes the call, with retries by policy.
    async fn call(&self, request: &Request, at: usize, bytes: Vec<u8>) -> Result<Called, Failed> {
        let operation = Operation::of(request.want)?;
        let (api, deadline) = (operation.api(), request.deadline);
        let image = aws::Image::builder().bytes(Blob::new(bytes)).build();
        let mut tokens = RetryTokens::default();
        let mut cost = MicroDollars::ZERO;
        let mut attempt = 1;
        loop {
            while let Some(wait) = self.state.rate.wait(api, self.clock.now(), deadline).map_err(Failed::by_deadline)? {
                tokio::time::sleep(wait).await;
            }
            let ready = self.connection.client(&self.clock).await?;
            if !request.cancellation.begin() {
                let text = format!("{}: the request was taken back before it was sent", self.name);
                return Err(Error::new(ErrorCode::Cancelled, text).into());
            }
            let camera = &request.frames[at].meta().camera;
            let held = self.billing.reserve(api, camera, &request.tenant, self.clock.moment())?;
            let place = format!("{api} at {}", ready.host);
            let ended = self.attempt(&ready, operation, request, image.clone(), &place).await;
            let now = self.clock.moment();
            let mut failure = match ended {
                Ok((raw, version)) => {
                    self.connection.taken(&ready, now.unix);
                    cost = cost + held.commit(now);
                    self.retry.succeeded(tokens);
                    return Ok(Called { raw, version, cost, calls: attempt });
                }
                Err(failure) => failure,
            };
            if failure.billed {
                cost = cost + held.commit(now);
            } else {
                held.release(now);
            }
            if failure.credentials {
                failure.error = self.connection.refused(&ready, failure.error);
            }
            match self.retry.next(&failure.error, attempt, failure.retry_after, now.monotonic, deadline) {
                RetryDecision::Again { after, taken } => {
                    tokens = taken;
                    tokio::time::sleep(after).await;
                }
                RetryDecision::GiveUp(GiveUpReason::Deadline) => return Err(Failed::by_deadline(failure.error)),
                RetryDecision::GiveUp(_) => return Err(failure.error.into()),
            }
            attempt += 1;
        }
    }

    async fn attempt(
        &self,
        ready: &Ready,
        operation: Operation,
        request: &Request,
        image: aws::Image,
        place: &str,
    ) -> Result<(Raw, Option<String>), Failure> {
        let limit = Duration::from_secs_f64(self.config.timeout_s);
        // The SDK has the same limit for what it does; this one holds whatever it does.
        match tokio::time::timeout(limit, self.send(ready, operation, request, image, place)).await {
            Ok(answer) => answer,
            Err(_) => Err(Failure::maybe_billed(Error::new(
                ErrorCode::DeadlineExceeded,
                format!("{place}: no answer within {} s (timeout_s)", self.config.timeout_s),
            ))),
        }
    }

    async fn send(
        &self,
        ready: &Ready,
        operation: Operation,
        request: &Request,
        image: aws::Image,
        place: &str,
    ) -> Result<(Raw, Option<String>), Failure> {
        let least = request.min_confidence * 100.0;
        // Rekognition always sends the list, and be it an empty one: without it, this is no answer of its.
        let no_list = || {
            let text = format!("{place}: the answer has no list of findings");
            Failure::maybe_billed(Error::new(ErrorCode::Unavailable, text))
        };
        match operation {
            Operation::Labels => {
                let mut call = ready
                    .client
                    .detect_labels()
                    .image(image)
                    .min_confidence(least)
                    .max_labels(self.config.max_labels.try_into().unwrap_or(i32::MAX))
                    .features(aws::DetectLabelsFeatureName::GeneralLabels);
                if !self.config.include_labels.is_empty() {
                    let labels = self.config.include_labels.clone();
                    let general = aws::GeneralLabelsSettings::builder().set_label_inclusion_filters(Some(labels));
                    call = call.settings(aws::DetectLabelsSettings::builder().general_labels(general.build()).build());
                }
                let output = call.send().await.map_err(|error| sort(error, place, &ready.keys, self.clock.unix()))?;
                Ok((Raw::Labels(output.labels.ok_or_else(no_list)?), output.label_model_version))
            }
            Operation::Text => {
                let mut call = ready.client.detect_text().image(image);
                // The filter is one of words; a line is as sure as its words are on the whole.
                if self.config.text == TextUnit::Word {
                    let word = aws::DetectionFilter::builder().min_confidence(least).build();
                    call = call.filters(aws::DetectTextFilters::builder().word_filter(word).build());
                }
                let output = call.send().await.map_err(|error| sort(error, place, &ready.keys, self.clock.unix()))?;
                Ok((Raw::Text(output.text_detections.ok_or_else(no_list)?), output.text_model_version))
            }
            Operation::Faces => {
                let output = ready
                    .client
                    .detect_faces()
                    .image(image)
                    .send()
                    .await
                    .map_err(|error| sort(error, place, &ready.keys, self.clock.unix()))?;
                // This API does not say which model looked.
                Ok((Raw::Faces(output.face_details.ok_or_else(no_list)?), None))
            }
        }
    }
}

struct Called {
    raw: Raw,
    version: Option<String>,
    cost: MicroDollars,
    calls: u32,
}

/// Counts a frame while it waits for its slot.
struct Waiting<'a>(&'a ClientState);

impl<'a> Waiting<'a> {
    fn new(state: &'a ClientState) -> Self {
        state.waiting.fetch_add(1, Ordering::Relaxed);
        Self(state)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

fn speaks_of_provider(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::Unavailable
            | ErrorCode::RateLimited
            | ErrorCode::DeadlineExceeded
            | ErrorCode::PermissionDenied
            | ErrorCode::InvalidConfig
            | ErrorCode::RuntimeUnavailable
            | ErrorCode::Internal
    )
}
