//! The pipeline as a host uses it: what becomes of every frame, in good times and in bad ones.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test")]
#![allow(clippy::disallowed_methods, reason = "a test")]

mod account;
mod bad_input;
mod checkpoint;
mod classes;
#[path = "../common/mod.rs"]
mod common;
mod guide;
mod host_code;
mod hostile;
mod identity;
mod load;
mod logs;
#[cfg(feature = "prometheus")]
mod metrics;
mod scene;

/// Longer than anything here takes on a busy machine.
const WITHIN: std::time::Duration = std::time::Duration::from_secs(20);
