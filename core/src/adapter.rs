//! For packages that add a sink or a provider of a service: what they need beside the traits [`Sink`](crate::Sink),
//! [`Provider`](crate::Provider) and those of [`registry`](crate::registry), so that every adapter sends pictures, checks
//! configs, and reports failures and health in the same way.
//!
//! Certificates, calls and `Retry-After` are in the package `guarita-http`, retries, breakers and rates in [`resilience`](crate::resilience), money in
//! [`Budget`](crate::Budget), a map of a cloud's labels in [`LabelMap`](crate::provider::LabelMap).

pub use crate::check::{inside, within, wrong};
pub use crate::error::foreign::one_line;
pub use crate::provider::health::HealthLog;
pub use crate::provider::picture::{FittedPicture, PictureFitting, PictureLimits, fit_picture};
pub use crate::provider::singleflight::{IdempotencyKey, Leader, Role, Singleflight, paid};
