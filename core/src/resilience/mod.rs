//! What keeps a provider's trouble and its bill within bounds: breaker, retry, rate, bulkhead, budget.
//!
//! The deciding parts are plain machines: time and seeds come in as arguments, nothing here reads a clock, sleeps, draws
//! random numbers or starts a thread.

mod money;

pub use money::MicroDollars;
