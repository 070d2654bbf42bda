//! One error type for the whole library: a stable code, what the caller can do, and a message for people.
//!
//! Programs branch on [`ErrorCode`] (the numbers are fixed and never reused) or on [`Advice`]. Messages may change
//! in any release.

pub(crate) mod address;
mod context;
pub(crate) mod foreign;

pub use context::ErrorContext;

use address::without_secrets;
use std::borrow::Cow;
use std::fmt;
use std::path::Path;

/// The result of every fallible function of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, as a number that stays the same in every language and release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u16)]
#[non_exhaustive]
pub enum ErrorCode {
    /// A value passed to a call is outside what the call accepts.
    InvalidArgument = 1,
    /// A configuration field has a value that it cannot have; the message names the field.
    InvalidConfig = 2,
    /// The call does not fit the state that the object is in.
    InvalidState = 3,
    /// A file, a camera or a name does not exist.
    NotFound = 4,
    /// The input is valid, but this build or this model cannot do it.
    Unsupported = 5,
    /// A model file cannot be used, or does not say well enough what it is; the message names the tensor.
    ModelInvalid = 6,
    /// ONNX Runtime, or the execution provider asked for, is not on this machine.
    RuntimeUnavailable = 7,
    /// A limit was met: memory, picture size, scans of a JPEG.
    ResourceExhausted = 8,
    /// Too much work is waiting already.
    Overloaded = 9,
    /// The time allowed for the call is over.
    DeadlineExceeded = 10,
    /// A remote side does not answer, or answers that it cannot work at present.
    Unavailable = 11,
    /// A rate limit refused the call.
    RateLimited = 12,
    /// The money allowed is spent.
    BudgetExhausted = 13,
    /// The host or the remote side does not allow it.
    PermissionDenied = 14,
    /// Bytes are not what they say they are: a truncated picture, a damaged file.
    DataCorrupt = 15,
    /// The caller, or a shutdown, cancelled the call.
    Cancelled = 16,
    /// A fault of guarita itself; please report it.
    Internal = 17,
}

impl ErrorCode {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 17] = [
        Self::InvalidArgument,
        Self::InvalidConfig,
        Self::InvalidState,
        Self::NotFound,
        Self::Unsupported,
        Self::ModelInvalid,
        Self::RuntimeUnavailable,
        Self::ResourceExhausted,
        Self::Overloaded,
        Self::DeadlineExceeded,
        Self::Unavailable,
        Self::RateLimited,
        Self::BudgetExhausted,
        Self::PermissionDenied,
        Self::DataCorrupt,
        Self::Cancelled,
        Self::Internal,
    ];

    /// The fixed number of this code.
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// What a caller can do about it, unless the error itself says otherwise.
    pub const fn advice(self) -> Advice {
        match self {
            Self::InvalidArgument | Self::Unsupported | Self::DataCorrupt => Advice::ChangeInput,
            Self::InvalidConfig | Self::ModelInvalid | Self::NotFound => Advice::ChangeConfig,
            Self::RuntimeUnavailable | Self::PermissionDenied => Advice::FixHost,
            Self::ResourceExhausted
            | Self::Overloaded
            | Self::DeadlineExceeded
            | Self::Unavailable
            | Self::RateLimited
            | Self::BudgetExhausted => Advice::RetryLater,
            Self::InvalidState | Self::Cancelled | Self::Internal => Advice::Never,
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// As its name.
impl serde::Serialize for ErrorCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What the caller can do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Advice {
    /// The same call will fail again, and no input or setting of the caller mends it.
    Never,
    /// The same call may succeed later.
    RetryLater,
    /// Another input is needed: another picture, another argument.
    ChangeInput,
    /// A setting must change: a field of a config, a model file.
    ChangeConfig,
    /// The machine must change: install a library, grant a right.
    FixHost,
}

/// An error of guarita: [`code`](Error::code), [`advice`](Error::advice) and [`context`](Error::context) for programs, a message
/// for people. The error of a library below that caused it, where there is one, is its
/// [`source`](std::error::Error::source).
#[derive(thiserror::Error)]
#[error(transparent)]
pub struct Error(Box<Inner>);

#[derive(thiserror::Error)]
#[error("{message}")]
struct Inner {
    code: ErrorCode,
    advice: Advice,
    message: Cow<'static, str>,
    context: Option<Box<ErrorContext>>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// Makes an error with the advice that its code usually has.
    ///
    /// The message is made fit to be shown: addresses in it lose names, passwords and the values of their queries, and of
    /// one that is longer than 4 KiB only begin and end are kept.
    pub fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        let message = match message.into() {
            Cow::Borrowed(ours) => Cow::Borrowed(ours),
            Cow::Owned(text) => Cow::Owned(fit(text)),
        };
        Self(Box::new(Inner { code, advice: code.advice(), message, context: None, source: None }))
    }

    /// Replaces the advice, where this case differs from the usual one of its code.
    pub fn with_advice(mut self, advice: Advice) -> Self {
        self.0.advice = advice;
        self
    }

    /// Keeps the error that caused this one, for logs.
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Says which field of a config, or which argument, it is about, as the way that leads to it, such as `motion.linger_s`.
    pub fn with_field(mut self, field: impl Into<String>) -> Self {
        self.context_mut().set_field(field.into());
        self
    }

    /// Says which file or folder it is about. An address loses its secrets, as in a message.
    pub fn with_path(mut self, path: impl AsRef<Path>) -> Self {
        self.context_mut().set_path(path.as_ref());
        self
    }

    /// Says which input or output of a model it is about.
    pub fn with_tensor(mut self, name: &str) -> Self {
        self.context_mut().set_tensor(name);
        self
    }

    /// Says which limit was met, in the unit of the field.
    pub fn with_limit(mut self, limit: f64) -> Self {
        self.context_mut().set_limit(limit);
        self
    }

    fn context_mut(&mut self) -> &mut ErrorContext {
        self.0.context.get_or_insert_default()
    }

    /// The stable code.
    pub fn code(&self) -> ErrorCode {
        self.0.code
    }

    /// What the caller can do.
    pub fn advice(&self) -> Advice {
        self.0.advice
    }

    /// What it is about, as data: field, path, tensor, limit.
    pub fn context(&self) -> &ErrorContext {
        self.0.context.as_deref().unwrap_or(ErrorContext::EMPTY)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Error");
        out.field("code", &self.code).field("advice", &self.advice).field("message", &self.message);
        if let Some(context) = &self.context {
            context.show(&mut out);
        }
        if let Some(source) = &self.source {
            out.field("source", source);
        }
        out.finish()
    }
}

impl Error {
    /// An operating system's error about a file: `NotFound`, `PermissionDenied`, or `DataCorrupt` for the rest. `what` says what
    /// could not be done, such as `read ca_file`.
    pub fn io(what: &str, path: &Path, error: std::io::Error) -> Self {
        let code = match error.kind() {
            std::io::ErrorKind::NotFound => ErrorCode::NotFound,
            std::io::ErrorKind::PermissionDenied => ErrorCode::PermissionDenied,
            _ => ErrorCode::DataCorrupt,
        };
        Self::new(code, format!("cannot {what} {}: {error}", path.display())).with_path(path).with_source(error)
    }

    /// The same error with other words, such as where it came to pass: code, advice and context are kept, and it becomes the
    /// source.
    pub(crate) fn reworded(self, message: impl Into<Cow<'static, str>>) -> Self {
        let mut error = Self::new(self.0.code, message);
        error.0.advice = self.0.advice;
        error.0.context.clone_from(&self.0.context);
        error.with_source(self)
    }

    /// The same error with these words and a colon in front.
    pub(crate) fn prefixed(self, words: impl fmt::Display) -> Self {
        let message = format!("{words}: {self}");
        self.reworded(message)
    }

    /// Says which field its config stands in: `fps` in `camera` is `camera.fps` then. The message stays.
    ///
    /// ```
    /// use guarita::{CameraConfig, Error};
    /// let checked = CameraConfig::new("").validate().map_err(|error| error.with_parent("cameras[2]"));
    /// assert_eq!(checked.unwrap_err().context().field(), Some("cameras[2].id"));
    /// ```
    pub fn with_parent(mut self, parent: &str) -> Self {
        self.context_mut().set_parent(parent);
        self
    }
}

/// Longest message, in bytes.
const LONGEST: usize = 4_096;

/// What may be shown of a message.
fn fit(text: String) -> String {
    let text = match without_secrets(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(clean) => clean,
    };
    if text.len() <= LONGEST {
        return text;
    }
    let end_of_head = text.floor_char_boundary(LONGEST / 2);
    let tail = text.ceil_char_boundary(text.len() - LONGEST / 2 + 100);
    format!("{} … ({} bytes left out) … {}", &text[..end_of_head], tail - end_of_head, &text[tail..])
}

macro_rules! constructors {
    ($($name:ident => $code:ident),* $(,)?) => {
        impl Error {
            $(#[allow(dead_code, reason = "which of them are used depends on the features")]
            pub(crate) fn $name(message: impl Into<Cow<'static, str>>) -> Self {
                Self::new(ErrorCode::$code, message)
            })*
        }
    };
}

constructors! {
    invalid_argument => InvalidArgument,
    invalid_config => InvalidConfig,
    invalid_state => InvalidState,
    unsupported => Unsupported,
    model_invalid => ModelInvalid,
    runtime_unavailable => RuntimeUnavailable,
    resource_exhausted => ResourceExhausted,
    budget_exhausted => BudgetExhausted,
    data_corrupt => DataCorrupt,
    internal => Internal,
    cancelled => Cancelled,
    deadline_exceeded => DeadlineExceeded,
    overloaded => Overloaded,
    unavailable => Unavailable,
    rate_limited => RateLimited,
    permission_denied => PermissionDenied,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;

    #[test]
    fn numbers_are_fixed() {
        let codes = ErrorCode::ALL;
        for (k, code) in codes.into_iter().enumerate() {
            assert_eq!(usize::from(code.number()), k + 1, "{code}");
        }
    }

    #[test]
    fn advice_can_differ_from_the_usual_one_and_the_cause_is_kept() {
        let cause = std::io::Error::other("disk");
        let error = Error::resource_exhausted("picture too large").with_advice(Advice::ChangeInput).with_source(cause);
        assert_eq!(error.code(), ErrorCode::ResourceExhausted);
        assert_eq!(error.advice(), Advice::ChangeInput);
        assert_eq!(error.to_string(), "picture too large");
        assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("disk"));
    }

    #[test]
    fn a_message_is_fit_to_be_shown() {
        let error = Error::unavailable("é".repeat(50_000) + " rtsp://admin:s3cret@camera/1?token=s3cret: no answer");
        let message = error.to_string();
        assert!(message.len() <= LONGEST && message.ends_with("rtsp://***@camera/1?token=***: no answer"), "{message}");
        assert!(message.contains("bytes left out"), "{message}");
        // What is cut off is cut after it was cleaned.
        let address = format!("rtsp://{}:s3cret@camera/1", "u".repeat(LONGEST));
        assert_eq!(Error::unavailable(address).to_string(), "rtsp://***@camera/1");
    }

    #[test]
    fn the_context_goes_along_with_a_prefix_and_into_parents() {
        let error = Error::invalid_config("fps is 9; it must lie in 0..5").with_field("fps").with_limit(5.0);
        let error = error.with_advice(Advice::Never).prefixed("camera \"gate\"");
        assert_eq!((error.code(), error.advice()), (ErrorCode::InvalidConfig, Advice::Never));
        assert_eq!(error.to_string(), "camera \"gate\": fps is 9; it must lie in 0..5");
        assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("fps is 9; it must lie in 0..5"));
        let error = error.with_parent("cameras[2]");
        assert_eq!((error.context().field(), error.context().limit()), (Some("cameras[2].fps"), Some(5.0)));
        assert_eq!(Error::invalid_config("no").with_field("[1].x").with_parent("a").context().field(), Some("a[1].x"));
        assert_eq!(Error::invalid_config("no").with_parent("a").context().field(), Some("a"));
        let none = Error::cancelled("no");
        assert_eq!(none.context(), &ErrorContext::default());
    }

    #[test]
    fn a_context_is_fit_to_be_shown_too() {
        let error = Error::unavailable("no")
            .with_path("rtsp://admin:s3cret@camera/1")
            .with_field("headers.http://u:s3cret@h")
            .with_tensor(&"x".repeat(10 * LONGEST));
        let context = error.context();
        assert_eq!(context.path(), Some(Path::new("rtsp://***@camera/1")));
        assert_eq!(context.field(), Some("headers.http://***@h"));
        assert!(context.tensor().is_some_and(|name| name.len() <= LONGEST));
        assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
    }

    #[test]
    fn results_stay_small() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }
}
