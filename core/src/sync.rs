//! Shared state: the one place where the machines take their locks and counters from, so that the package in
//! `core/loom` can put instrumented ones in their place and try every interleaving.

pub(crate) use std::sync::atomic::{AtomicUsize, Ordering};
pub(crate) use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
